/*
 * What a statement is, from its tokens: enough to route it, never a grammar that can fail. One pass.
 */
#pragma once
#include "cql/lex.h"

enum cql_kind {
	CQL_KIND_UNKNOWN, /* cannot be classified: goes to Origin alone, counted */
	CQL_KIND_SELECT,
	CQL_KIND_WRITE, /* INSERT, UPDATE, DELETE, BEGIN … BATCH */
	CQL_KIND_USE,
	CQL_KIND_TRUNCATE,
	CQL_KIND_SCHEMA, /* CREATE, ALTER, DROP of tables, types, indexes, views, functions, aggregates, triggers */
	CQL_KIND_KEYSPACE, /* CREATE, ALTER, DROP KEYSPACE */
	CQL_KIND_ROLE, /* roles, users, permissions, identities: GRANT, REVOKE, CREATE ROLE …; never log the text */
	CQL_KIND_DESCRIBE, /* DESCRIBE, DESC */
	CQL_KIND_LIST,
	CQL_KIND_OTHER, /* known verbs that only Origin understands: CALL, BEGIN TRANSACTION, COMMENT, DSE's and Scylla's */
};

/* A name as written; compare with cql_name_is()/cql_name_fold(), which know that unquoted names are lower case. */
struct cql_name {
	struct cql_view text; /* empty: not given */
	bool quoted;
};
struct cql_table {
	struct cql_name keyspace, table;
};

#define CQL_MAX_TABLES 8

struct cql_class {
	enum cql_kind kind;
	bool lwt;       /* IF … in a write: decided by one cluster */
	bool functions; /* now(), uuid(), current…(): each cluster would store another value. Writes only. */
	bool using_timestamp;
	bool counter_batch;   /* BEGIN COUNTER BATCH */
	bool index_or_append; /* a list append, prepend or set by index may stand in it: not idempotent */
	bool bad;             /* the lexer found something that the server will refuse */
	bool needs_keyspace;  /* some table has no keyspace of its own */
	uint8_t n_tables;
	bool more_tables; /* more distinct tables than fit */
	struct cql_table tables
		[CQL_MAX_TABLES]; /* what SELECT reads, a write writes, TRUNCATE and DDL (tables only) name */
	struct cql_name use;      /* USE */
};

void cql_classify(struct cql_view text, struct cql_class *out);
/* Is the name, folded as CQL folds it, exactly this? */
bool cql_name_is(struct cql_name n, const char *folded);
/* Write the folded name and NUL; names that don't fit are cut. Returns its length before cutting. */
size_t cql_name_fold(struct cql_name n, char *out, size_t cap);
/* The exact list of system and virtual keyspaces, Cassandra's, DSE's and Scylla's (a user's keyspace named system_x is not among them). */
bool cql_keyspace_is_system(const char *folded);
const char *cql_kind_name(enum cql_kind k);
