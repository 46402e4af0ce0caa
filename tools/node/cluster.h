/* One in-memory cluster: nodes, a schema and a store for all of them. Single-threaded, on one libuv loop. */
#pragma once
#include "base/endpoint.h"
#include "base/list.h"
#include "fault.h"
#include "prepared.h"
#include "schema.h"
#include <uv.h>

#define CLUSTER_MAX_NODES 64
#define CLUSTER_TOKENS    16 /* of each node */
#define CLUSTER_DC        "datacenter1"
#define CLUSTER_RACK      "rack1"
#define CLUSTER_VERSION   "5.0.0" /* bare: gocql takes nothing behind the numbers */

struct node {
	struct cluster *cluster;
	struct endpoint endpoint;
	char address[INET6_ADDRSTRLEN]; /* without the port: NODE of the control socket */
	uint8_t ip[16];
	uint8_t ip_len;
	uint8_t host_id[16];
	int64_t tokens[CLUSTER_TOKENS];
	bool up;     /* listens */
	bool frozen; /* fault: neither reads nor writes nor accepts */
	struct prepared_cache *prepared;
	struct server *server; /* server.h */
	struct list conns;
};

struct cluster_opts {
	const char *name, *user, *password; /* user NULL: no authentication */
	uint16_t port;
	uint8_t max_version;
};

struct cluster {
	uv_loop_t *loop;
	struct cluster_opts o;
	struct node nodes[CLUSTER_MAX_NODES];
	uint32_t n_nodes;
	struct schema schema;
	uint8_t schema_version[16];
	struct fault_list faults;
	struct arena arena;         /* of the request at hand */
	struct cql_writer scratch;  /* rows of the answer at hand */
	struct cql_writer unpacked; /* body of the request at hand */
	struct cql_writer body;     /* of the answer at hand */
	struct cql_writer packed;
	uint8_t *segment; /* CQL_SEGMENT_MAX_PAYLOAD bytes for encoders, used inside calls only */
	int64_t last_us;
	uint64_t held, held_bytes; /* requests that a fault delays */
};

/* Ends the process with a message when the system schema does not parse: a mistake of the code. */
void cluster_init(struct cluster *c, uv_loop_t *loop, const struct cluster_opts *o);
int cluster_add_node(struct cluster *c, const char *address) must_check; /* -EINVAL, -E2BIG, -EEXIST */
void cluster_deal_tokens(struct cluster *c);                             /* once all nodes are there */
void cluster_free(struct cluster *c);
struct node *cluster_node(
	struct cluster *c, const char *address); /* NULL: none; the port may stand behind it */

int64_t cluster_now_us(struct cluster *c); /* the wall clock, never twice the same */
static inline struct cql_writer *cluster_scratch(struct cluster *c)
{
	return &c->scratch;
}
/* schema_apply(), with prepared statements forgotten and schema_version renewed. Events are the caller's to send (behind the answer). */
int cluster_change_schema(struct cluster *c, const struct stmt *s, struct cql_view keyspace,
	struct schema_event *e, struct problem *why) must_check;

/* system.c: keyspaces and tables of the system, and what stands in them. */
void system_init(struct cluster *c);
