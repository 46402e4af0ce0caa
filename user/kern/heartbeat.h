/*
 * The mirror's sign of life. May be called in the unprivileged mirror: it needs nothing but the inherited fd.
 *
 * Every worker stamps at least each 100 ms; the connect hook takes a mirror for hung when the oldest of N is older than 1 s.
 * A worker that has never stamped is hung. One that ends on purpose retires first, and is then not counted; when all have retired
 * the gate is dead. A mirror whose keeper died closes its listeners and then unmaps.
 */
#pragma once
#include "base/attr.h"
#include "bpf/abi.h"

struct heartbeat {
	void *page;   /* whole mapping; NULL: not mapped */
	__u64 *stamp; /* of this mirror's bank */
};

/* `fd` from capture_heartbeat_fd(), `bank` from gate_listen(). -EINVAL for a bad bank, else mmap's errno. */
int heartbeat_map(int fd, unsigned bank, struct heartbeat *out) must_check;
void heartbeat_unmap(struct heartbeat *h);
/* `now` is clock_mono_ns(). Any thread, no lock: each worker writes its own word. Out of range: ignored. */
void heartbeat_stamp(struct heartbeat *h, unsigned worker, uint64_t now);
void heartbeat_retire(struct heartbeat *h, unsigned worker);
/* Age in ns of the oldest of workers 0..n-1; UINT64_MAX when one has never stamped or all have retired. *worker: which (may be NULL). */
uint64_t heartbeat_oldest(const struct heartbeat *h, unsigned n, uint64_t now, unsigned *worker);
