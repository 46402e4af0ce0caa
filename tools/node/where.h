/* WHERE: which partitions, which stretch of rows, and what is left to look at row by row. */
#pragma once
#include "exec.h"

#define WHERE_MAX_KEYS 10000 /* partitions, or rows of a write, that IN names together */

/* Found once when the statement is resolved; relations belong to the statement. */
struct where {
	const struct table *table;
	const struct relation **partition; /* by position; all or none */
	const struct relation *token[4];
	uint32_t n_token;
	const struct relation *prefix[STORE_CLUSTERING]; /* = on clustering columns, from the first */
	uint16_t n_prefix;
	const struct relation *slice[4]; /* on the column behind the prefix */
	uint16_t n_slice;
	const struct relation **filters; /* IN on clustering columns, and whatever ALLOW FILTERING allows */
	uint32_t n_filters;
	bool needs_filtering;
};

struct where_key {
	int64_t token;
	struct cql_view key;
};
struct where_filter {
	const struct column *column;
	enum relation_op op;
	struct cql_view *values;
	uint32_t n;
};

int where_plan(struct stmt *s, struct arena *a, struct problem *why) must_check;
/* Partition keys in the order of their components (as Cassandra answers IN), no doubles. Only when the plan has `partition`. */
int where_keys(const struct exec *x, const struct where *w, struct where_key **keys, uint32_t *n) must_check;
int where_bounds(
	const struct exec *x, const struct where *w, struct bound *from, struct bound *to) must_check;
/* Tokens from *lo to *hi, both included. */
int where_tokens(const struct exec *x, const struct where *w, int64_t *lo, int64_t *hi) must_check;
int where_filters(const struct exec *x, const struct where *w, struct where_filter **out) must_check;
bool where_match(const struct exec *x, const struct where *w, const struct where_filter *f, uint32_t n,
	const struct partition *p, const struct row *r);

/* Values of one relation: one, or as many as IN has. */
int where_values(
	const struct exec *x, const struct relation *r, struct cql_view **values, uint32_t *n) must_check;
/* The routing key of component values. */
struct cql_view where_routing_key(struct arena *a, const struct cql_view *components, uint16_t n);
/* A column's value of a row (NULL: the partition has none but its static part): key columns too. False: null. */
bool where_column(const struct table *t, const struct column *c, const struct partition *p,
	const struct row *r, uint32_t now, struct cql_view *out);
bool where_compare(const struct type *t, enum relation_op op, struct cql_view a,
	const struct cql_view *values, uint32_t n);
