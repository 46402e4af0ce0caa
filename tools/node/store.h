/*
 * What a table holds: partitions in token order, rows in clustering order, cells; reconciled as Cassandra does
 * (org.apache.cassandra.db.rows.Cells, LivenessInfo, DeletionTime):
 *
 *   the later timestamp wins; at equal timestamps a tombstone or an expiring cell beats a live one, a tombstone beats an expiring cell, the later expiry
 *   beats the earlier, and then the greater value bytes win. A deletion of a row, range or partition hides what is no newer than it.
 *
 * Deleted data is dropped at once; tombstones stay until TRUNCATE or DROP (there is no compaction).
 * A plain collection is one cell here. Timestamps are µs, times of expiry seconds since 1970.
 */
#pragma once
#include "arena.h"
#include "tree.h"
#include "type.h"

#define STORE_NEVER      UINT32_MAX /* no expiry */
#define STORE_NONE       INT64_MIN  /* no timestamp */
#define STORE_CLUSTERING 32         /* clustering columns of a table, at most */
#define STORE_MAX_RANGES 10000      /* range tombstones of one partition */
#define STORE_MAX_BYTES  (8ull << 30)

struct cell {
	int64_t timestamp;
	uint32_t expiry; /* STORE_NEVER; a tombstone: when it was written */
	uint32_t ttl;    /* 0: none */
	uint32_t len;
	uint16_t column; /* struct column's id */
	bool tombstone;
	union {
		uint8_t small[16];
		uint8_t *big; /* len > 16 */
	};
};

struct row {
	struct tree_node node;
	int64_t live; /* INSERT's marker: the row exists even when all its cells are null */
	uint32_t live_ttl, live_expiry;
	int64_t deleted;
	struct cell *cells; /* by column id */
	uint16_t n, cap;
	uint32_t key_len; /* clustering: per column u32 length (host order), bytes */
	uint8_t key[];
};

/* A place between rows: before (side -1) or behind (side 1) all whose first n values are these. An exact key: n = all, side 0. */
struct bound {
	uint16_t n;
	int8_t side;
	struct cql_view values[STORE_CLUSTERING];
};

struct range {
	struct bound from, to; /* values are the store's */
	int64_t deleted;
};

struct partition {
	struct tree_node node;
	int64_t token;
	int64_t deleted;
	struct row *statics; /* NULL: none */
	struct tree rows;
	struct range *ranges;
	uint32_t n_ranges;
	uint32_t
		key_len; /* the routing key (spec: cql.md's §7): one component raw, several as u16 length, bytes, 0 */
	uint8_t key[];
};

/* How clustering values compare, which the store takes from its table. */
struct store {
	struct tree partitions;
	const struct type *clustering[STORE_CLUSTERING];
	bool descending[STORE_CLUSTERING];
	uint16_t n_clustering;
};

uint64_t store_bytes(void); /* of all stores, about */

struct partition *store_partition(struct store *s, int64_t token, struct cql_view key, bool make);
/* The first partition behind (token, key), or at it with `at`; key.p NULL: at or behind the token, whatever the key. */
struct partition *store_seek(const struct store *s, int64_t token, struct cql_view key, bool at);
struct partition *store_next(const struct partition *p);
struct cql_view store_key(const struct partition *p);

/* `b` is an exact key. */
struct row *store_row(struct store *s, struct partition *p, const struct bound *b, bool make);
struct row *store_static_row(struct partition *p, bool make);
/* The row next to a bound in reading direction; bounds of several stand between rows, so `reverse` says which neighbour. */
struct row *store_row_from(
	const struct store *s, const struct partition *p, const struct bound *b, bool reverse);
struct row *store_row_next(const struct row *r, bool reverse);
/* The row against a bound: negative before it, 0 (exact keys only), positive behind it. */
int store_row_compare(const struct store *s, const struct row *r, const struct bound *b);

/* What is written; all reconcile with what stands. `now` (seconds) says what is expired already where that matters. */
void store_put(const struct store *s, struct partition *p, struct row *r, const struct cell *c,
	struct cql_view value);
void store_put_live(const struct store *s, struct partition *p, struct row *r, int64_t timestamp,
	uint32_t ttl, uint32_t expiry);
/* Counters have no timestamps to decide by: deltas add up, and a tombstone stays for ever. */
void store_add(const struct store *s, struct partition *p, struct row *r, uint16_t column, int64_t delta,
	int64_t timestamp);
void store_delete_partition(struct partition *p, int64_t timestamp);
/* False: STORE_MAX_RANGES. */
bool store_delete_range(const struct store *s, struct partition *p, const struct bound *from,
	const struct bound *to, int64_t timestamp) must_check;
void store_delete_row(struct row *r, int64_t timestamp);

const struct cell *store_cell(const struct row *r, uint16_t column); /* NULL: none */
struct cql_view store_value(const struct cell *c);
bool store_cell_alive(const struct cell *c, uint32_t now);
/* Has the row its marker or a live cell? */
bool store_row_alive(const struct row *r, uint32_t now);
void store_clear(struct store *s);
