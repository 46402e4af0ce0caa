#include "mirror/worker.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

struct job {
	struct list link;
	void (*fn)(struct worker *w, void *arg);
	void *arg;
};

static void on_jobs(uv_async_t *a)
{
	struct worker *w = a->data;
	struct list jobs;

	list_init(&jobs);
	pthread_mutex_lock(&w->lock);
	while (!list_empty(&w->jobs)) {
		struct list *l = w->jobs.next;
		list_del(l);
		list_push(&jobs, l);
	}
	pthread_mutex_unlock(&w->lock);
	w->now_ns = clock_mono_ns();
	while (!list_empty(&jobs)) {
		struct job *j = list_entry(jobs.next, struct job, link);
		list_del(&j->link);
		j->fn(w, j->arg);
		free(j);
	}
}

int worker_post(struct worker *w, void (*fn)(struct worker *, void *), void *arg)
{
	struct job *j = calloc(1, sizeof *j);

	if (!j)
		return -ENOMEM;
	j->fn = fn;
	j->arg = arg;
	pthread_mutex_lock(&w->lock);
	list_push(&w->jobs, &j->link);
	pthread_mutex_unlock(&w->lock);
	uv_async_send(&w->async);
	return 0;
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
	list_init(&w->jobs);
	list_init(&w->sessions);
	list_init(&w->over);
	pthread_mutex_init(&w->lock, NULL);
	w->scratch = malloc(sizeof *w->scratch);
	if (!w->scratch)
		return -ENOMEM;
	int err = uv_loop_init(&w->loop);
	if (!err)
		err = wire_hub_init(&w->hub, &w->loop);
	if (!err)
		err = uv_async_init(&w->loop, &w->async, on_jobs);
	if (!err)
		err = uv_timer_init(&w->loop, &w->tick);
	if (err)
		return err;
	w->async.data = w->tick.data = w;
	uv_timer_start(&w->tick, on_tick, WORKER_TICK_MS, WORKER_TICK_MS);
	return -pthread_create(&w->thread, NULL, run, w);
}

static void leave(struct worker *w, void *arg)
{
	(void)arg;
	w->leaving = true;
}

int worker_leave(struct worker *w)
{
	return worker_post(w, leave, NULL);
}

static void stop(struct worker *w, void *arg)
{
	(void)arg;
	list_for_each_safe (it, &w->sessions)
		session_end(list_entry(it, struct session, link), "seamd stops");
	free_over(w);
	uv_close((uv_handle_t *)&w->async, NULL);
	uv_close((uv_handle_t *)&w->tick, NULL);
}

void worker_stop(struct worker *w)
{
	if (worker_post(w, stop, NULL))
		abort(); /* no memory to stop with: the process ends anyway */
	pthread_join(w->thread, NULL);
	uv_loop_close(&w->loop);
	wire_hub_fini(&w->hub);
	pthread_mutex_destroy(&w->lock);
	free(w->scratch);
}
