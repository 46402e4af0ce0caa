/*
 * Where the next page begins, as an opaque paging state. As Cassandra's, it is not tied to a query: one of another table gives rows from that
 * place on. Its form: 0x5e 0xa1, flags, i32 rows left of LIMIT, i32 rows given of this partition, u16 key, u32 clustering.
 */
#pragma once
#include "exec.h"

struct paging {
	bool in_partition;   /* false: begin behind the partition `key` */
	bool has_row;        /* … behind this row of it; else behind its static part */
	int32_t left;        /* of LIMIT; INT32_MAX: no limit */
	int32_t given;       /* of PER PARTITION LIMIT */
	struct cql_view key; /* routing key */
	struct cql_view row; /* struct row's key */
};

int paging_read(struct cql_view state, struct paging *out, struct problem *why) must_check;
struct cql_view paging_write(const struct paging *p, struct arena *a);
/* Does the row part fit a table with that many clustering columns? */
bool paging_row_fits(const struct paging *p, uint16_t n_clustering);
