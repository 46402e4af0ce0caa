/*
 * A worker: a thread with a loop, the sessions that live on it, and a tick. Other threads reach it by worker_post().
 */
#pragma once
#include "mirror/session.h"
#include "net/mailbox.h"

#define WORKER_TICK_MS      10
#define WORKER_HEARTBEAT_NS 100000000ull
#define WORKERS_MAX         64

struct worker_env {
	unsigned n_workers;
	uint64_t memory;       /* limit of all sessions together, bytes */
	_Atomic uint64_t used; /* by them */
	/* Stamp every attached app's heartbeat for this worker. Called on the worker's thread. */
	void (*heartbeat)(void *ctx, unsigned worker, uint64_t now_ns);
	void *ctx;
};

struct worker {
	unsigned index;
	struct worker_env *env;
	pthread_t thread;
	uv_loop_t loop;
	struct mailbox mail;
	uv_timer_t tick;
	struct wire_hub hub;
	struct pipe_scratch *scratch;
	struct list sessions, over; /* over: freed by the next tick */
	atomic_uint n_sessions;
	uint64_t now_ns, heartbeat_ns;
	bool memory_short; /* all sessions together are above the limit, as of the last that was weighed here */
	bool leaving;      /* sessions end as soon as nothing of theirs is in flight */
};

int worker_start(struct worker *w, unsigned index, struct worker_env *env) must_check;
/* Runs fn(w, arg) on the worker's thread. From any thread. -ENOMEM. */
int worker_post(struct worker *w, mailbox_fn *fn, void *arg) must_check;
/* Sessions end as soon as nothing of theirs is in flight. -ENOMEM. */
int worker_leave(struct worker *w) must_check;
void worker_stop(struct worker *w); /* ends its sessions and its thread; joins */
