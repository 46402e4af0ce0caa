/*
 * The keeper: from the config to a running daemon, until SIGTERM. It sees the kernel part and the mirror's process through
 * `struct keeper_env`, which user/main.c fills: ctl/ knows neither libbpf nor the data path.
 *
 * Handles (struct capture, struct watch) are opaque here; user/kern/'s headers say what each function promises.
 */
#pragma once
#include "base/endpoint.h"
#include "ctl/config.h"
#include <sys/types.h>

struct capture;
struct watch;

#define KEEPER_PATH    4096
#define KEEPER_REASONS 16

struct keeper_listeners {
	int fd4, fd6; /* fd6 -1: no IPv6 here. The keeper closes them once they are sent. */
	unsigned bank;
};

struct keeper_gate {
	bool alive;
	uint64_t oldest_ns; /* age of the oldest heartbeat; UINT64_MAX: none yet */
};

struct keeper_through {
	uint64_t count[KEEPER_REASONS];
	uint64_t captured;
	uint64_t
		other_netns; /* of those let through: connects of another network namespace, whose sockets we do not see */
	uint64_t unacked;  /* let through, and not yet kept as a gap */
	uint64_t first_ns; /* CLOCK_MONOTONIC of the first of those; 0: none */
};

struct keeper_event {
	const char *reason; /* "unknown_address", "gate_open", ... */
	bool unknown;       /* Origin's port at an address that is no endpoint */
	struct endpoint dst;
	uint32_t pid, uid;
	const char *comm;
};

struct keeper_env {
	uint64_t patience_ns; /* how long a mirror may be silent; 0: 10 s */
	int (*capture_open)(const char *run_dir, const char *app, struct capture **out, struct reason *why);
	void (*capture_close)(struct capture *c);
	bool (*capture_resumed)(const struct capture *c);
	int (*flows_fd)(const struct capture *c);
	int (*heartbeat_fd)(const struct capture *c);
	int (*targets_replace)(struct capture *c, const struct endpoint *e, size_t n);
	int (*gate_listen)(struct capture *c, struct keeper_listeners *out, struct reason *why);
	int (*gate_workers)(struct capture *c, unsigned n);
	int (*gate_state)(const struct capture *c, struct keeper_gate *out);
	int (*attach_to)(struct capture *c, const char *path, struct reason *why);
	int (*attach_drop)(struct capture *c, struct reason *why);
	bool (*attach_is)(const struct capture *c);
	int (*attach_verify)(const struct capture *c, const char *path, struct reason *why);
	int (*attach_unlink)(const char *run_dir, const char *app, unsigned *links, struct reason *why);
	int (*pins_list)(const char *run_dir, void (*tell)(void *arg, const char *app), void *arg);
	void (*through_read)(const struct capture *c, struct keeper_through *out);
	void (*through_ack)(struct capture *c, const struct keeper_through *seen);
	int (*event_fd)(const struct capture *c);
	int (*events)(struct capture *c, unsigned max, void (*tell)(void *arg, const struct keeper_event *e),
		void *arg);
	int (*watch_open)(const char *cgroup, const char *unit, struct watch **out, struct reason *why);
	int (*watch_fd)(const struct watch *w);
	int (*watch_check)(struct watch *w, char path[KEEPER_PATH], uint64_t *id, struct reason *why);
	void (*watch_close)(struct watch *w);
	int (*cgroup_of_pid)(pid_t pid, char out[KEEPER_PATH], struct reason *why);
	int (*cgroup_resolve)(const char *typed, char out[KEEPER_PATH], struct reason *why);
	int (*direct_count)(
		const char *cgroup, const struct endpoint *e, size_t n, size_t *out, struct reason *why);
	/* Fork a mirror: *channel_fd is our end of its channel. It listens on run_dir/mirror.PID.sock. */
	int (*mirror_start)(const struct config *c, int *channel_fd, pid_t *pid, struct reason *why);
};

/* Runs until SIGTERM or SIGINT. Returns the exit code. */
int keeper_run(const struct config *c, const struct keeper_env *env);
