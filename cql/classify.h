/*
 * What a statement is, from its tokens: enough to route it, never a grammar that can fail. One pass, no allocation; views borrow the text.
 *
 * The first word decides (the second too for BEGIN, CREATE, ALTER, DROP, ADD), so that a statement which the server will refuse still goes where
 * a good one would. The words that are looked for inside a statement (FROM, INTO, IF, USING …) are reserved in every Cassandra, so no column or
 * table has such a name unquoted.
 */
#pragma once
#include "cql/lex.h"
#include "cql/name.h"

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

struct cql_table {
	struct cql_name keyspace, table;
};

#define CQL_MAX_TABLES 8

struct cql_class {
	enum cql_kind kind;
	bool lwt;       /* IF … in a write: decided by one cluster */
	bool functions; /* now(), uuid(), current…(): each cluster would store another value. Writes only. */
	bool using_timestamp;
	bool counter_batch; /* BEGIN COUNTER BATCH */
	/*
	 * An UPDATE computes with a column (+ or -, unless with {…}, which only sets and maps have) or sets an element in [], or a DELETE has
	 * an element in []: perhaps a list append, prepend, set by index or a counter, which the text alone can't tell. Not idempotent.
	 */
	bool index_or_append;
	bool bad; /* the lexer found something that the server will refuse; all else still holds */
	bool needs_keyspace; /* something in it has a name without keyspace: a table; a type, function, view, index in DDL */
	uint8_t n_tables;
	bool more_tables; /* more distinct tables than fit */
	/* Distinct: what SELECT reads, a write writes, TRUNCATE and DDL name; of an index or trigger its table, of a new view its base table. */
	struct cql_table tables[CQL_MAX_TABLES];
	struct cql_name use; /* USE */
};

void cql_classify(struct cql_view text, struct cql_class *out);
const char *cql_kind_name(enum cql_kind k);
