/* `seam check`: each part adds rows. */
#pragma once
#include "cli.h"
#include "ctl/config.h"

#define CHECK_NODES 16 /* of a cluster, looked at one by one */

/* state: "ok", "warn" or "fail". */
void check_add(json_t *checks, const char *name, const char *state, const char *fmt, ...) printf_like(4, 5);

/* What one cluster said. */
struct check_cluster {
	const struct config_cluster *c;
	bool reached;
	struct endpoint nodes[CHECK_NODES];
	size_t n_nodes;
	unsigned versions; /* bit v */
	json_t *columns;   /* "ks.table" → {"column": "kind type"} of user keyspaces; NULL: not read */
	json_t *clients;   /* [address, driver] of system_views.clients; NULL: this server has none */
};

/* Reach it, log in, look at each node's clock, and read its schema. */
void check_cluster_probe(struct check_cluster *k, json_t *checks);
void check_cluster_free(struct check_cluster *k);
/* Rows about a pair. */
void check_pair(const struct config_app *a, const struct check_cluster *origin,
	const struct check_cluster *target, json_t *checks);
/* Who else speaks to Origin: on this host around Seam, and on other hosts. */
void check_clients(const struct config_app *a, const struct check_cluster *origin, json_t *checks);
