/*
 * What was captured, let through or refused, and why: counters that outlive a crash (pinned), and events as they happen.
 *
 * The counters are the evidence of a gap. `count` only grows; `acked` is how much of it the keeper has safely written elsewhere:
 * read, write the gap to the state file, fsync, then through_ack(). What was not acked when the keeper died is still there for the next.
 */
#pragma once
#include "base/endpoint.h"
#include "bpf/abi.h"
#include "kern/capture.h"

struct through_count {
	uint64_t count; /* since the maps were made */
	uint64_t acked; /* count - acked: not yet told */
	uint64_t first; /* CLOCK_MONOTONIC ns of the first one after acked; 0 when there is none */
	uint64_t last;  /* of the last one; 0 when there was none ever */
};

const char *through_name(enum abi_reason
		r); /* "captured", "other_netns", "bound_device", "full", "unknown_address", "gate_open", ... */
void through_read(const struct capture *c, struct through_count out[ABI_REASONS]);
void through_ack(struct capture *c, enum abi_reason r, uint64_t count);
/* The same from the pins alone, for a keeper or a CLI that has no capture open. -ENOENT: not attached. */
int through_peek(const char *run_dir, const char *app, struct through_count out[ABI_REASONS]) must_check;

struct through_event {
	enum abi_reason reason;
	struct endpoint dst;
	uint64_t stamp; /* CLOCK_MONOTONIC ns */
	uint64_t cgroup;
	uint32_t pid, uid;
	char comm[16];
};
/* An epoll fd: readable when events wait. */
int through_event_fd(const struct capture *c);
/* Hand over what waits, at most `max` events. Returns how many, or negative errno. `tell` must not call into the capture. */
int through_events(struct capture *c, unsigned max, void (*tell)(void *arg, const struct through_event *e),
	void *arg) must_check;
