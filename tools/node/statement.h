/* A resolved statement, run: its RESULT body. */
#pragma once
#include "exec.h"
#include "mutation.h"

struct outcome {
	struct schema_event event; /* change NULL: the schema stands */
	struct cql_view
		use; /* the connection's keyspace from now on; empty: as it was. In the cluster's schema or the request's memory. */
};

/* `known_id`: select.h. `st` is resolved (resolve.h). */
int statement_run(struct exec *x, struct stmt *st, struct cql_view known_id, struct cql_writer *body,
	struct outcome *o) must_check;

/* What a BATCH of any form comes to: its writes with their values bound. */
struct statement_batch {
	struct mutations list;
	bool conditional;
	int counters, plain; /* how many of each kind */
};
int statement_batch_add(
	const struct exec *x, struct statement_batch *b, struct stmt *child, int64_t timestamp) must_check;
int statement_batch_run(
	struct exec *x, struct statement_batch *b, uint8_t type, struct cql_writer *body) must_check;

/* conditional.c: check the conditions of all of them against one partition; apply all or none; the body tells. */
int conditional_run(
	struct exec *x, const struct mutations *list, bool batch, struct cql_writer *body) must_check;
