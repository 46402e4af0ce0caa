/* Can this kernel, as we run now, do what the capture needs? Each row is tried, not guessed from a version. */
#pragma once
#include "base/attr.h"
#include <stdbool.h>
#include <stddef.h>

struct probe_row {
	const char *name; /* "bpf syscall", "cgroup v2", "hook connect4", ... */
	bool ok;
	char detail[200]; /* what was found, or what is missing and what it is needed for */
};
#define PROBE_ROWS 24

/* Fills at most PROBE_ROWS rows, returns how many. Changes nothing on the host but mounting bpffs (root): programs and one empty cgroup are made and removed. */
size_t probe_all(struct probe_row rows[PROBE_ROWS]);
