/* A parsed statement against the schema: its table, its columns, what its markers are, what its result looks like. */
#pragma once
#include "exec.h"

/* `current`: the keyspace that names without one mean. Pointers into the schema hold until its table changes (schema_apply's before_drop). */
int resolve_statement(const struct schema *schema, struct cql_view current, struct stmt *s, struct arena *a,
	struct problem *why) must_check;
/*
 * Which markers are the partition key, in its order (PREPARED's pk indexes). Returns their number: 0 when not every component is a plain marker,
 * or when the statement has no single partition. `out` has room for AST_MAX_NAMES.
 */
uint16_t resolve_partition_markers(const struct stmt *s, uint16_t *out);
/* False: a batch over several tables, whose markers belong to one each. */
bool resolve_is_of_one_table(const struct stmt *s);
/* Does the statement name every table's keyspace itself? Then its id does not depend on the connection's. */
bool resolve_is_qualified(const struct stmt *s);
