/*
 * A stand-in for the mirror: unprivileged, accepts, takes flows, says what it found and echoes. Each captured connection gets the
 * line "captured DST pid UID uid CGROUP app ADDR" first; a stranger is closed without a byte.
 */
#pragma once
#include "kern/gate.h"
#include <sys/types.h>

struct stand_in {
	pid_t pid;
	int control; /* SOCK_SEQPACKET; its end ends the listeners, and then the process once no connection is left */
};

/* Takes the listeners (closed in the caller). `workers` threads stamp. */
int stand_in_start(const struct gate_listeners *l, int flows_fd, int heartbeat_fd, unsigned workers,
	struct stand_in *out);
/* "hang N", "run N", "retire N" (a worker), "stats": one answer of text. */
int stand_in_ask(struct stand_in *s, const char *what, char *answer, size_t cap);
