/*
 * A mailbox: functions that any thread posts, run in order on the thread of one libuv loop.
 */
#pragma once
#include "base/list.h"
#include <pthread.h>
#include <uv.h>

typedef void mailbox_fn(void *owner, void *arg);

struct mailbox {
	uv_async_t async;
	pthread_mutex_t lock;
	struct list letters;
	void *owner; /* the first argument of each function */
};

int mailbox_open(struct mailbox *m, uv_loop_t *loop, void *owner) must_check;
/* From any thread. -ENOMEM: it will not run, and `arg` is still the caller's. */
int mailbox_post(struct mailbox *m, mailbox_fn *fn, void *arg) must_check;
/* Run what is there now. On the loop's thread, or once that has ended. */
void mailbox_empty(struct mailbox *m);
/* On the loop's thread; nothing that was posted later runs but by mailbox_empty(). */
void mailbox_close(struct mailbox *m);
void mailbox_fini(struct mailbox *m); /* once the loop is closed */
