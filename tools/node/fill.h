/* Rows of system tables, value by value. A name that the table does not have is a mistake of the code and aborts. */
#pragma once
#include "cluster.h"

struct fill {
	struct table *t;
	struct arena *a;
	struct cql_view values[64];
	bool set[64];
};

void fill_begin(struct fill *f, struct table *t, struct arena *a); /* empties the table */
void fill_text(struct fill *f, const char *column, const char *text);
void fill_bytes(struct fill *f, const char *column, const uint8_t *p, size_t n); /* uuid, inet, blob */
void fill_int(struct fill *f, const char *column, int32_t v);
void fill_bool(struct fill *f, const char *column, bool v);
void fill_double(struct fill *f, const char *column, double v);
/* list<text>, set<text>; map<text, text> as pairs: 2n texts */
void fill_texts(struct fill *f, const char *column, const char *const *texts, uint32_t n);
void fill_map(struct fill *f, const char *column, const json_t *texts);
void fill_row(struct fill *f); /* what was set becomes a row; the next one begins */
