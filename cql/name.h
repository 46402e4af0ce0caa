/*
 * Names of keyspaces, tables and functions as they stand in a statement. Unquoted ones are folded to lower case; quoted ones are exact.
 */
#pragma once
#include "cql/bytes.h"

struct cql_name {
	struct cql_view text; /* as written, without the outer quotes, "" not undoubled; empty: not given */
	bool quoted;
};

/* Is the name, folded as CQL folds it, exactly this? */
bool cql_name_is(struct cql_name n, const char *folded);
/* Do two spellings name the same thing? */
bool cql_name_equal(const struct cql_name *a, const struct cql_name *b);
/* Write the folded name and NUL; names that don't fit are cut. Returns its length before cutting. */
size_t cql_name_fold(struct cql_name n, char *out, size_t cap);
/* The exact list of system and virtual keyspaces, Cassandra's, DSE's and Scylla's (a user's keyspace named system_x is not among them). */
bool cql_keyspace_is_system(const char *folded);
