#include "mirror/worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

int worker_post(struct worker *w, mailbox_fn *fn, void *arg)
{
	return mailbox_post(&w->mail, fn, arg);
}

static void free_over(struct worker *w)
{
	while (!list_empty(&w->over)) {
		struct session *s = list_entry(w->over.next, struct session, link);
		session_free(s);
		atomic_fetch_sub(&w->n_sessions, 1);
	}
}

static void on_tick(uv_timer_t *t)
{
	struct worker *w = t->data;

	w->now_ns = clock_mono_ns();
	free_over(w);
	list_for_each_safe (it, &w->sessions)
		session_tick(list_entry(it, struct session, link), w->now_ns);
	if (w->now_ns - w->heartbeat_ns >= WORKER_HEARTBEAT_NS) {
		w->heartbeat_ns = w->now_ns;
		w->env->heartbeat(w->env->ctx, w->index, w->now_ns);
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;

	uv_run(&w->loop, UV_RUN_DEFAULT);
	return NULL;
}

int worker_start(struct worker *w, unsigned index, struct worker_env *env)
{
	*w = (struct worker){.index = index, .env = env, .now_ns = clock_mono_ns()};
	list_init(&w->sessions);
	list_init(&w->over);
	w->scratch = malloc(sizeof *w->scratch);
	if (!w->scratch)
		return -ENOMEM;
	int err = uv_loop_init(&w->loop);
	if (!err)
		err = wire_hub_init(&w->hub, &w->loop);
	if (!err)
		err = mailbox_open(&w->mail, &w->loop, w);
	if (!err)
		err = uv_timer_init(&w->loop, &w->tick);
	if (err)
		return err;
	w->tick.data = w;
	uv_timer_start(&w->tick, on_tick, WORKER_TICK_MS, WORKER_TICK_MS);
	return -pthread_create(&w->thread, NULL, run, w);
}

static void leave(void *owner, void *arg)
{
	struct worker *w = owner;

	(void)arg;
	w->leaving = true;
}

int worker_leave(struct worker *w)
{
	return worker_post(w, leave, NULL);
}

static void stop(void *owner, void *arg)
{
	struct worker *w = owner;

	(void)arg;
	list_for_each_safe (it, &w->sessions)
		session_end(list_entry(it, struct session, link), "seamd stops");
	free_over(w);
	mailbox_close(&w->mail);
	uv_close((uv_handle_t *)&w->tick, NULL);
}

void worker_stop(struct worker *w)
{
	if (worker_post(w, stop, NULL))
		abort(); /* no memory to stop with: the process ends anyway */
	pthread_join(w->thread, NULL);
	uv_loop_close(&w->loop);
	wire_hub_fini(&w->hub);
	mailbox_fini(&w->mail);
	free(w->scratch);
}
