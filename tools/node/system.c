/*
 * system.*, system_auth, system_traces: what drivers read. The schemas are those of Cassandra 4.0 and 5.0, with the columns that drivers know
 * (a driver reads SELECT * and takes what it needs by name).
 */
#include "system.h"
#include "fill.h"
#include "parse.h"
#include <stdio.h>
#include <string.h>

static void common_columns(struct fill *f, struct cluster *c, struct node *n)
{
	char text[CLUSTER_TOKENS][24];
	const char *tokens[CLUSTER_TOKENS];

	for (int i = 0; i < CLUSTER_TOKENS; i++) {
		snprintf(text[i], sizeof(text[i]), "%lld", (long long)n->tokens[i]);
		tokens[i] = text[i];
	}
	fill_text(f, "data_center", CLUSTER_DC);
	fill_text(f, "rack", CLUSTER_RACK);
	fill_bytes(f, "host_id", n->host_id, 16);
	fill_text(f, "release_version", CLUSTER_VERSION);
	fill_bytes(f, "schema_version", c->schema_version, 16);
	fill_texts(f, "tokens", tokens, CLUSTER_TOKENS);
}

static void fill_local(struct cluster *c, struct node *n, struct table *t)
{
	struct fill f;
	char version[4];

	snprintf(version, sizeof(version), "%u", c->o.max_version);
	fill_begin(&f, t, &c->arena);
	fill_text(&f, "key", "local");
	fill_text(&f, "bootstrapped", "COMPLETED");
	fill_bytes(&f, "broadcast_address", n->ip, n->ip_len);
	fill_int(&f, "broadcast_port", 7000);
	fill_text(&f, "cluster_name", c->o.name);
	fill_text(&f, "cql_version", "3.4.7");
	fill_int(&f, "gossip_generation", 1);
	fill_bytes(&f, "listen_address", n->ip, n->ip_len);
	fill_int(&f, "listen_port", 7000);
	fill_text(&f, "native_protocol_version", version);
	fill_text(&f, "partitioner", "org.apache.cassandra.dht.Murmur3Partitioner");
	fill_bytes(&f, "rpc_address", n->ip, n->ip_len);
	fill_int(&f, "rpc_port", n->endpoint.port);
	common_columns(&f, c, n);
	fill_row(&f);
}

static void fill_peers(struct cluster *c, struct node *self, struct table *t)
{
	struct fill f;

	fill_begin(&f, t, &c->arena);
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		struct node *n = &c->nodes[i];

		if (n == self)
			continue;
		fill_bytes(&f, "peer", n->ip, n->ip_len);
		fill_bytes(&f, "rpc_address", n->ip, n->ip_len);
		common_columns(&f, c, n);
		fill_row(&f);
	}
}

static void fill_peers_v2(struct cluster *c, struct node *self, struct table *t)
{
	struct fill f;

	fill_begin(&f, t, &c->arena);
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		struct node *n = &c->nodes[i];

		if (n == self)
			continue;
		fill_bytes(&f, "peer", n->ip, n->ip_len);
		fill_int(&f, "peer_port", 7000);
		fill_bytes(&f, "native_address", n->ip, n->ip_len);
		fill_int(&f, "native_port", n->endpoint.port);
		common_columns(&f, c, n);
		fill_row(&f);
	}
}

static void fill_prepared(struct cluster *c, struct node *n, struct table *t)
{
	struct fill f;

	fill_begin(&f, t, &c->arena);
	for (const struct prepared *p = n->prepared->oldest; p; p = p->newer) {
		fill_bytes(&f, "prepared_id", p->id, 16);
		fill_bytes(&f, "logged_keyspace", p->keyspace.p, p->keyspace.n);
		fill_bytes(&f, "query_string", p->text.p, p->text.n);
		fill_row(&f);
	}
}

static void fill_roles(struct cluster *c, struct node *n, struct table *t)
{
	struct fill f;

	(void)n;
	fill_begin(&f, t, &c->arena);
	if (!c->o.user)
		return;
	fill_text(&f, "role", c->o.user);
	fill_bool(&f, "can_login", true);
	fill_bool(&f, "is_superuser", true);
	fill_row(&f);
}

static void fill_nothing(struct cluster *c, struct node *n, struct table *t)
{
	(void)c;
	(void)n;
	store_clear(&t->store);
}

static const struct system_table tables[] = {
	{"CREATE TABLE system.local (key text PRIMARY KEY, bootstrapped text, broadcast_address inet, "
	 "broadcast_port int, "
	 "cluster_name text, cql_version text, data_center text, gossip_generation int, host_id uuid, "
	 "listen_address inet, "
	 "listen_port int, native_protocol_version text, partitioner text, rack text, release_version text, "
	 "rpc_address inet, rpc_port int, schema_version uuid, tokens set<text>, truncated_at map<uuid, "
	 "blob>)",
		fill_local},
	{"CREATE TABLE system.peers (peer inet PRIMARY KEY, data_center text, host_id uuid, preferred_ip "
	 "inet, rack text, "
	 "release_version text, rpc_address inet, schema_version uuid, tokens set<text>)",
		fill_peers},
	{"CREATE TABLE system.peers_v2 (peer inet, peer_port int, data_center text, host_id uuid, "
	 "native_address inet, "
	 "native_port int, preferred_ip inet, preferred_port int, rack text, release_version text, "
	 "schema_version uuid, "
	 "tokens set<text>, PRIMARY KEY (peer, peer_port))",
		fill_peers_v2},
	{"CREATE TABLE system.prepared_statements (prepared_id blob PRIMARY KEY, logged_keyspace text, "
	 "query_string text)",
		fill_prepared},
	{"CREATE TABLE system_auth.roles (role text PRIMARY KEY, can_login boolean, is_superuser boolean, "
	 "member_of set<text>, "
	 "salted_hash text)",
		fill_roles},
	{"CREATE TABLE system_traces.sessions (session_id uuid PRIMARY KEY, client inet, command text, "
	 "coordinator inet, "
	 "coordinator_port int, duration int, parameters map<text, text>, request text, started_at "
	 "timestamp)",
		fill_nothing},
	{"CREATE TABLE system_traces.events (session_id uuid, event_id timeuuid, activity text, source inet, "
	 "source_elapsed int, "
	 "source_port int, thread text, PRIMARY KEY (session_id, event_id))",
		fill_nothing},
};

static void must_run(struct cluster *c, const char *cql, system_fill *fill)
{
	struct problem why;
	struct schema_event e;
	struct stmt *s;
	struct table *t;

	if (parse_statement(cql_view_of(cql), &c->arena, &s, &why) < 0 ||
		schema_apply(&c->schema, s, (struct cql_view){0}, NULL, NULL, &e, &why) <= 0 ||
		(fill && schema_find(&c->schema, s->keyspace, (struct cql_view){0}, s->name, &t, &why) < 0)) {
		fprintf(stderr, "seam-node: %s: %s\n", cql, why.text);
		abort();
	}
	if (fill)
		t->fill = fill;
	arena_reset(&c->arena);
}

void system_init(struct cluster *c)
{
	static const char *const keyspaces[] = {
		"CREATE KEYSPACE system WITH replication = {'class': 'LocalStrategy'}",
		"CREATE KEYSPACE system_schema WITH replication = {'class': 'LocalStrategy'}",
		"CREATE KEYSPACE system_auth WITH replication = {'class': 'SimpleStrategy', "
		"'replication_factor': '1'}",
		"CREATE KEYSPACE system_traces WITH replication = {'class': 'SimpleStrategy', "
		"'replication_factor': '2'}",
		"CREATE KEYSPACE system_virtual_schema WITH replication = {'class': 'LocalStrategy'}",
	};

	for (size_t i = 0; i < ARRAY_LEN(keyspaces); i++)
		must_run(c, keyspaces[i], NULL);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		must_run(c, tables[i].cql, tables[i].fill);
	for (size_t i = 0; i < system_schema_count; i++)
		must_run(c, system_schema_tables[i].cql, system_schema_tables[i].fill);
	for (struct keyspace *k = c->schema.keyspaces; k; k = k->next) {
		k->system = true;
		k->is_virtual = strcmp(k->name, "system_virtual_schema") == 0;
	}
}
