/* Values in their serialised form (spec §6): checks, order, and what two clusters' dumps are compared by. */
#pragma once
#include "arena.h"
#include "problem.h"
#include "type.h"
#include <jansson.h>

/*
 * Check a value that a client bound, and put sets and maps into their order, without doubles (as Cassandra's deserialisation does).
 * *v may then point into the arena.
 */
int value_check(const struct type *t, struct cql_view *v, struct arena *a, const char *column,
	struct problem *why) must_check;
/* Clustering order of the type: negative, 0, positive. Both are valid values. */
int value_compare(const struct type *t, struct cql_view a, struct cql_view b);
/* Unsigned bytes, the shorter first: how equal timestamps are decided (org.apache.cassandra.db.rows.Cells). */
int value_compare_bytes(struct cql_view a, struct cql_view b);
/* Elements of a collection: start with *at = 0; maps give key and value by turns. False at the end. */
uint32_t value_count(struct cql_view v);
bool value_element(struct cql_view v, size_t *at, struct cql_value *out);
bool value_component(struct cql_view v, size_t *at, struct cql_value *out); /* the same of a tuple */
/* A collection from its elements (n pairs of a map: 2n items); sorts sets and maps. Items are re-ordered in place. */
struct cql_view value_collect(const struct type *t, struct cql_view *items, uint32_t n, struct arena *a);

/* Sort, without doubles. Returns how many are left. */
uint32_t value_sort(const struct type *t, struct cql_view *values, uint32_t n);

int64_t value_i64(struct cql_view v); /* big-endian, 1 to 8 bytes, signed */
void value_put_i64(uint8_t out[8], int64_t v);
/*
 * For dumps: numbers as numbers (NaN and infinities as strings), text, uuid, inet and date as strings, blobs as "0x…", varint and decimal as decimal strings, timestamp in ms,
 * time in ns, durations as {"months","days","nanoseconds"}, lists, sets and tuples as arrays, maps as arrays of pairs.
 */
json_t *value_json(const struct type *t, struct cql_view v);
