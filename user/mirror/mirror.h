/*
 * The mirror process: everything that touches bytes of an app or a cluster. It needs no privilege, and speaks with the keeper as
 * docs/keeper-mirror.md says.
 *
 * What the kernel part offers comes in as functions, so that the data path runs with no kernel part at all (tests, simulator).
 */
#pragma once
#include "base/attr.h"
#include "base/endpoint.h"

/* Who is on an accepted socket, and where it wanted to go. */
struct mirror_flow {
	struct endpoint dst, app;
	uint32_t pid;
};

struct mirror_env {
	int channel;  /* connected to the keeper; taken */
	int takeover; /* listening unix socket for a later keeper, or -1; taken */
	/* -ENOENT: nobody that we know. */
	int (*take_flow)(int flows_fd, int sock, struct mirror_flow *out);
	/* Map an app's heartbeat; NULL: failed. */
	void *(*heartbeat_open)(int fd, unsigned bank);
	void (*heartbeat_stamp)(void *hb, unsigned worker, uint64_t now_ns);
	void (*heartbeat_close)(void *hb);
};

/* Runs until told to stop, or until the keeper is gone and the last session has ended. Returns the process's exit code. */
int mirror_run(const struct mirror_env *env);
