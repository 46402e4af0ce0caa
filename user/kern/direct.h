/*
 * Connections of an app that go straight to Origin now: older than the attach, or let through.
 *
 * Found by sock_diag in the caller's network namespace: TCP sockets in SYN_SENT or ESTABLISHED (or CLOSE_WAIT: the app may still
 * write) whose peer is one of the endpoints, and whose socket's cgroup is at or below the app's, or which a process of that cgroup
 * holds (a socket keeps for ever the cgroup it was made in: one that was made before its process joined shows another). Captured
 * connections have the listener as their peer, and so are none of these. Root. One dump costs 1 to 2 µs for each socket of the host;
 * /proc is read only when a socket to an endpoint with a strange cgroup exists.
 */
#pragma once
#include "base/endpoint.h"
#include "base/reason.h"
#include <stddef.h>

struct direct_conn {
	struct endpoint local, remote;
	uint64_t cookie; /* of the socket */
	uint32_t inode;
};
struct direct {
	struct direct_conn *conns;
	size_t n;
	size_t *per_endpoint; /* same order as the endpoints given; one for each of them */
};

/* `cgroup` may be gone already: then nothing is found by process, and -ENOENT is not an error but n = 0. */
int direct_count(const char *cgroup, const struct endpoint *e, size_t n, struct direct *out,
	struct reason *why) must_check;
void direct_free(struct direct *d);
