/* Keyspaces and tables, as DDL made them, and what they hold. One schema for all nodes of the cluster. */
#pragma once
#include "ast.h"
#include "problem.h"
#include "store.h"
#include <jansson.h>

enum column_kind { COLUMN_PARTITION, COLUMN_CLUSTERING, COLUMN_STATIC, COLUMN_REGULAR };

struct column {
	char *name;
	const struct type *type;
	enum column_kind kind;
	uint16_t position; /* in its part of the key */
	bool descending;
	bool indexed;
	uint16_t id; /* never used again in the table, so that a dropped column's cells stay dropped */
};

struct index {
	char *name;
	uint16_t column;
	struct index *next;
};

struct node;
struct cluster;
struct keyspace;
struct table {
	struct table *next;
	struct keyspace *keyspace;
	char *name;
	uint8_t id[16];
	struct column *
		columns; /* as SELECT * gives them: partition key, clustering, statics by name, the others by name */
	uint16_t n_columns, n_partition, n_clustering, n_static;
	uint16_t next_column;
	bool counter;
	char *comment;
	int32_t default_ttl, gc_grace;
	struct index *indexes;
	struct store store;
	/* A system table: made anew, as this node sees the cluster, before it is read. NULL: an ordinary table. */
	void (*fill)(struct cluster *c, struct node *n, struct table *t);
};

struct keyspace {
	struct keyspace *next;
	char *name;
	json_t *replication; /* names to texts */
	bool durable_writes, system, is_virtual;
	struct table *tables;
};

struct schema {
	struct keyspace *keyspaces;
	uint64_t changes; /* counts DDL */
};

struct keyspace *schema_keyspace(const struct schema *s, struct cql_view name); /* NULL: none */
struct table *schema_table(const struct keyspace *k, struct cql_view name);
const struct column *schema_column(const struct table *t, struct cql_view name);
/* `keyspace` empty: `current`, which may be empty too: then there is a problem. */
int schema_find(const struct schema *s, struct cql_view keyspace, struct cql_view current,
	struct cql_view table, struct table **out, struct problem *why) must_check;
void schema_free(struct schema *s);
void schema_free_table(struct table *t);

struct schema_event {
	const char *change, *target; /* CREATED, UPDATED, DROPPED; KEYSPACE, TABLE */
	struct cql_view keyspace, name;
};
/*
 * Do what a DDL statement says. 1: *event tells what changed; 0: nothing did (IF [NOT] EXISTS); negative: *why. `before_drop` is called for a table that is about to
 * change or go, so that who points into it can let go.
 */
int schema_apply(struct schema *s, const struct stmt *st, struct cql_view current,
	void (*before_drop)(void *ctx, struct table *t), void *ctx, struct schema_event *event,
	struct problem *why) must_check;
