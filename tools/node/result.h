/* Result metadata, of SELECT's rows, of conditional writes, and of PREPARED. */
#pragma once
#include "exec.h"

struct result_column {
	struct cql_view name;
	const struct type *type;
};
void result_metadata(struct cql_writer *w, uint8_t version, const struct table *t,
	const struct result_column *cols, uint32_t n, uint32_t flags, struct cql_view paging_state,
	struct cql_view new_id);
/* v5's id of result metadata: what changes when a client's copy of it is stale. */
void result_id(const struct table *t, const struct result_column *cols, uint32_t n, uint8_t out[16]);
/* A SELECT's columns; n of other statements is 0. */
uint32_t result_columns(const struct stmt *s, struct arena *a, struct result_column **out);
