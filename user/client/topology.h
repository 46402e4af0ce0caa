/*
 * What one cluster looks like from its own tables: nodes, versions, what SUPPORTED says. Kept fresh by its events and a look every
 * TOPOLOGY_REFRESH_MS, over one link to whichever contact point or known node answers.
 *
 * Sources: system.local, system.peers_v2 (Cassandra 4.0+), else system.peers; a node's address is native_address/native_port, else
 * rpc_address and the configured port; 0.0.0.0 there means the peer's own address (what the Java 3 and Node drivers do).
 */
#pragma once
#include "client/link.h"

#define TOPOLOGY_REFRESH_MS 10000
#define TOPOLOGY_NODES      1024
#define TOPOLOGY_CONTACTS   32
#define TOPOLOGY_NAME       64

struct topology_node {
	struct endpoint at;
	char datacenter[TOPOLOGY_NAME];
	bool up; /* false after STATUS_CHANGE DOWN until UP, or until seen alive */
};

struct topology_view {
	bool ok; /* the cluster was read at least once: the fields below stand; a later loss leaves them as they were */
	bool connected;
	char error[REASON_MAX]; /* the last failure, "" if none */
	struct topology_node *nodes;
	size_t n_nodes;
	struct endpoint contacts[TOPOLOGY_CONTACTS]; /* the contact points, resolved */
	size_t n_contacts;
	bool versions[8]; /* released versions: [3], [4], [5] */
	char cluster_name[TOPOLOGY_NAME], release[TOPOLOGY_NAME],
		datacenter[TOPOLOGY_NAME]; /* datacenter: of the node asked */
	struct cql_view supported;         /* body of SUPPORTED */
};

struct topology_opts {
	const char *name;
	const char *const *contact_points; /* "host", "host:port", "[v6]:port" */
	size_t n_contact_points;
	uint16_t port;
	const char *user, *password; /* NULL: none */
};

struct topology;

/* on_change: after each round of discovery that changed something or failed. The view lives for the call. */
int topology_open(struct wire_hub *hub, const struct topology_opts *o,
	void (*on_change)(void *ctx, const struct topology_view *v), void *ctx,
	struct topology **out) must_check;
void topology_close(struct topology *t); /* NULL is fine */
