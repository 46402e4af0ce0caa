/*
 * CQL types: native ones, list, set, map (plain or frozen) and tuple. Types are interned by their CQL text and live until type_free_all(), so that equal types
 * are equal pointers. User-defined, vector and custom types are refused by name.
 */
#pragma once
#include "cql/result.h"

#define TYPE_DEPTH 16 /* of nested collections */
#define TYPE_WIDTH 64 /* components of a tuple */

struct type {
	enum cql_type_id id;
	bool frozen; /* collections: as written; tuples always are */
	uint8_t n;   /* components: list, set 1, map 2, tuple n */
	const struct type *const *sub;
	const char *name; /* CQL: "frozen<map<text, int>>" */
	struct type *next;
};

/* Native type by its CQL name (folded); NULL: none. */
const struct type *type_native(struct cql_view name);
const struct type *type_of_id(enum cql_type_id id); /* native */
/* Collections and tuples: `sub` is copied. */
const struct type *type_make(enum cql_type_id id, bool frozen, const struct type *const *sub, uint8_t n);
bool type_is_collection(const struct type *t);
/* A plain list, set or map: its cells are its elements in Cassandra; here the value is written whole. */
bool type_is_multicell(const struct type *t);
/* The [option] of metadata. Types younger than the version go as custom (spec v3 and v4 know no duration, v3 no date, time, smallint, tinyint). */
void type_write(struct cql_writer *w, const struct type *t, uint8_t version);
void type_free_all(void);
