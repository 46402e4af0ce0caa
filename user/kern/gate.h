/*
 * The gate: may a connect be sent to the mirror now? Two conditions, looked at by the connect hook itself:
 *   - the listener for its family sits in a SOCKMAP and listens: the kernel takes it out when the last process that holds it dies;
 *   - the oldest worker's heartbeat is younger than 1 s: a stopped or deadlocked process still owns its listener.
 * When it is dead the policy word decides: open = let through to Origin (counted, an event), closed = ECONNREFUSED.
 */
#pragma once
#include "kern/capture.h"

struct gate_listeners {
	int fd4; /* 127.0.0.1 */
	int fd6; /* ::1; -1 when the host has no IPv6: IPv6 endpoints then meet a dead gate */
	uint16_t port4, port6;
	unsigned bank; /* heartbeat bank of the mirror that gets these, for heartbeat_map() */
};

/*
 * Open new listeners (non-blocking, cloexec, ports of the kernel's choice) in the caller's network namespace and put them in the gate
 * instead of the former ones. A fresh heartbeat bank comes with them, so the gate is dead until each worker of the new mirror has
 * stamped once, and an older mirror that still stamps cannot speak for the new one. The caller owns the fds: it passes them to the
 * mirror and closes its copies at once, or the gate would outlive the mirror.
 */
int gate_listen(struct capture *c, struct gate_listeners *out, struct reason *why) must_check;
/* Workers 0..n-1 must stamp; 1 <= n <= ABI_WORKERS (-EINVAL). Raise it after the new workers stamp, lower it before they stop. */
int gate_workers(struct capture *c, unsigned n) must_check;
int gate_policy(struct capture *c, bool closed) must_check;
bool gate_policy_closed(const struct capture *c);

struct gate_state {
	bool listener4, listener6; /* in the map (the kernel removed it if not) */
	uint64_t oldest_ns; /* age of the oldest heartbeat; UINT64_MAX when a worker has not lived yet */
	uint64_t
		last_ns; /* its stamp, CLOCK_MONOTONIC: after a crash, when the mirror was last well. 0: never */
	bool alive;      /* what a connect to an IPv4 endpoint would find now */
};
int gate_state(const struct capture *c, struct gate_state *out) must_check;
