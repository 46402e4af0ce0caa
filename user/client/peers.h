/* Rows of system.local, system.peers and system.peers_v2 read into nodes. */
#pragma once
#include "client/topology.h"

/* 4 or 16 bytes as an endpoint's address. False: neither. */
bool peers_address(struct cql_view v, uint8_t ip[16]);
/* system.local of the node at `at`: names into *v, and the node appended to *nodes. 0, -EBADMSG, -ENOMEM. */
int peers_read_local(uint8_t version, struct cql_view result, const struct endpoint *at, uint16_t port,
	struct topology_view *v, struct topology_node **nodes, size_t *n) must_check;
/* peers or peers_v2: every node that has an address appended. */
int peers_read(uint8_t version, struct cql_view result, uint16_t port, struct topology_node **nodes,
	size_t *n) must_check;
