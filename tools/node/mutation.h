/* Writes: first made of statements and bound values, then (conditions met) applied together. */
#pragma once
#include "exec.h"
#include "where.h"

enum mutation_kind { MUTATION_ROW, MUTATION_DELETE_ROW, MUTATION_DELETE_PARTITION, MUTATION_DELETE_RANGE };
struct mutation_cell {
	const struct column *column;
	struct cql_value value; /* NULL: a tombstone */
	int64_t delta;          /* counters */
};
struct mutation {
	struct mutation *next;
	struct stmt *s;
	enum mutation_kind kind;
	struct where_key key;
	struct bound from, to; /* the row: from; a range: both */
	bool has_row;          /* false: only static cells */
	int64_t timestamp;
	uint32_t ttl;
	struct mutation_cell *cells;
	uint32_t n_cells;
};
struct mutations {
	struct mutation *first, **last;
	uint32_t n;
};

/* Bind and check one INSERT, UPDATE or DELETE; adds to the list. `timestamp`: of a write that names none. */
int mutation_make(const struct exec *x, struct stmt *s, int64_t timestamp, struct mutations *list) must_check;
int mutation_apply(const struct exec *x, const struct mutations *list) must_check;
/* INSERT's, UPDATE's or DELETE's row as it stands; *p NULL: no partition. */
void mutation_find(const struct mutation *m, struct partition **p, struct row **r);
