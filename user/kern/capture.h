/*
 * One app's capture: its own instance of the kernel programs and maps.
 *
 * The order of life, in the keeper (root; every function of this header, gate.h, targets.h, attach.h, through.h is the keeper's):
 *
 *   capture_open()      load; or, when pins of a crashed keeper are found, take them over: the hooks never leave the cgroup
 *   targets_replace()   which endpoints are the app's Origin
 *   gate_policy(), gate_workers(), gate_listen()   listeners and bank go to a new mirror, its workers begin to stamp
 *   attach_to()         hook one cgroup; pins exist from here until attach_drop()
 *   ...                 targets_replace(), gate_*(), through_*() at any time
 *   attach_drop()       unhook: the next connect is direct
 *   capture_close()     forget; what is pinned stays
 *
 * While nothing is attached nothing is pinned (but the maps that a crash left, until they are attached again or dropped).
 * Not thread-safe: one thread an object. No function blocks on anything but the kernel.
 */
#pragma once
#include "base/attr.h"
#include "base/reason.h"
#include <stdbool.h>
#include <stdint.h>

struct capture;

struct capture_opts {
	const char *run_dir; /* names the daemon: two daemons of one host have two of them */
	const char *app;     /* any non-empty text */
	uint32_t
		connections; /* most captured connections at a time, others are let through and counted; 0 = ABI_CONNS */
};

/*
 * -EPERM not root, else what the kernel said; the reason names what is missing (probe.h lists all of it).
 * One process at a time may have an app of a run_dir open: the keeper's lock on run_dir sees to that.
 */
int capture_open(const struct capture_opts *opts, struct capture **out, struct reason *why) must_check;
/* Frees; links and maps that are pinned live on. NULL is fine. */
void capture_close(struct capture *c);

const char *capture_app(const struct capture *c);
/* True when capture_open() found the app attached and took it over. attach_cgroup_id() says to which cgroup. */
bool capture_resumed(const struct capture *c);

/* For the mirror, to be passed over a socketpair (the fds stay the capture's own). See flow.h and heartbeat.h. */
int capture_flows_fd(const struct capture *c);
int capture_heartbeat_fd(const struct capture *c);
