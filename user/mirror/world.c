#include "mirror/world.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <string.h>

#define TIMER_MS     100
#define LAST_CALL_NS 1000000000ull

int main_post(struct world *w, mailbox_fn *fn, void *arg)
{
	return mailbox_post(&w->mail, fn, arg);
}

struct door *world_door(struct world *w, const char *app)
{
	for (unsigned i = 0; i < w->n_doors; i++)
		if (!strcmp(w->doors[i]->app->name, app))
			return w->doors[i];
	return NULL;
}

static uint64_t sessions(const struct world *w)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < w->n_workers; i++)
		n += atomic_load(&w->workers[i].n_sessions);
	return n;
}

void line_say(struct keeper_line *l, json_t *msg)
{
	auto_free char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;

	json_decref(msg);
	if (!text || channel_send(l->channel, text, strlen(text), NULL, 0))
		log_error("keeper_unreachable", "reason=memory");
}

void world_say(struct world *w, json_t *msg)
{
	for (unsigned i = 0; i < ARRAY_LEN(w->lines); i++)
		if (w->lines[i].channel)
			line_say(&w->lines[i], json_incref(msg));
	json_decref(msg);
}

/* ---- keepers */

static void on_message(void *ctx, char *text, size_t len, int fds[CHANNEL_FDS], unsigned n_fds)
{
	struct keeper_line *l = ctx;
	json_error_t err;
	json_t *msg = json_loadb(text, len, 0, &err);

	if (!msg) {
		log_error("bad_message", "from=keeper error=" LOGV, log_quote(err.text));
		return;
	}
	command_message(l, msg, fds, n_fds);
	json_decref(msg);
}

static void on_keeper_end(void *ctx, int err)
{
	struct keeper_line *l = ctx;
	struct world *w = l->world;

	log_warn("keeper_gone", "error=" LOGV, log_quote(err ? strerror(-err) : "none"));
	channel_close(TAKE_PTR(l->channel));
	if (!l->first)
		return;
	/* Nobody looks after the hooks now: new connections go as the gate's policy says, sessions go on in their phase. */
	for (unsigned i = 0; i < w->n_doors; i++)
		door_close(w->doors[i]);
	w->leaving = true;
}

static int take_line(struct world *w, int fd, bool first)
{
	for (unsigned i = 0; i < ARRAY_LEN(w->lines); i++) {
		struct keeper_line *l = &w->lines[i];
		const struct channel_opts o = {.on_message = on_message, .on_end = on_keeper_end, .ctx = l};
		if (l->channel)
			continue;
		*l = (struct keeper_line){.world = w, .first = first};
		int err = channel_open(&w->loop, fd, &o, &l->channel);
		if (!err)
			settings_flags_again(w, l);
		return err;
	}
	close(fd);
	return -EMFILE;
}

static void on_takeover(uv_poll_t *p, int status, int events)
{
	struct world *w = p->data;
	int fd = status < 0 ? -1 : accept4(w->env->takeover, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0 && take_line(w, fd, false))
		log_error("takeover", "reason=memory");
}

/* ---- life */

void world_leave(struct world *w, uint64_t timeout_ns)
{
	for (unsigned i = 0; i < w->n_doors; i++) {
		struct keeper_line nobody = {.world = w};
		door_close(w->doors[i]);
		turn_begin(w, &nobody, 0, w->doors[i], PHASE_PASSTHROUGH);
	}
	w->leaving = true;
	w->stop_at_ns = clock_mono_ns() + timeout_ns;
}

static void on_timer(uv_timer_t *t)
{
	struct world *w = t->data;

	for (unsigned i = 0; i < w->n_doors; i++)
		door_wake(w->doors[i]);
	if (!w->leaving)
		return;
	bool late = w->stop_at_ns && clock_mono_ns() >= w->stop_at_ns;
	if (late && !w->last_call) {
		/* Those with nothing in flight close now, the others when their answers are out: a second is enough, or never. */
		w->last_call = true;
		w->stop_at_ns += LAST_CALL_NS;
		for (unsigned i = 0; i < w->n_workers; i++)
			if (worker_leave(&w->workers[i]))
				log_error("no_memory", "where=leave");
	} else if (late || !sessions(w)) {
		uv_stop(&w->loop);
	}
}

int world_init(struct world *w, const struct mirror_env *env)
{
	*w = (struct world){.env = env};
	list_init(&w->turns);
	pthread_mutex_init(&w->lock, NULL);
	int err = uv_loop_init(&w->loop);
	err = err ? err : wire_hub_init(&w->hub, &w->loop);
	err = err ? err : mailbox_open(&w->mail, &w->loop, w);
	err = err ? err : uv_timer_init(&w->loop, &w->timer);
	if (err)
		return err;
	w->timer.data = w;
	uv_timer_start(&w->timer, on_timer, TIMER_MS, TIMER_MS);
	err = take_line(w, env->channel, true);
	if (err || env->takeover < 0)
		return err;
	w->takeover.data = w;
	err = uv_poll_init(&w->loop, &w->takeover, env->takeover);
	return err ? err : uv_poll_start(&w->takeover, UV_READABLE, on_takeover);
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void world_run(struct world *w)
{
	uv_run(&w->loop, UV_RUN_DEFAULT);
	for (unsigned i = 0; i < w->n_workers; i++)
		worker_stop(&w->workers[i]);
	mailbox_empty(&w->mail);
	turns_drop(w);
	for (unsigned i = 0; i < w->n_doors; i++) {
		door_close(w->doors[i]);
		app_free(w->doors[i]->app);
		free(w->doors[i]);
	}
	for (unsigned i = 0; i < w->n_sites; i++)
		site_free(w->sites[i]);
	for (unsigned i = 0; i < ARRAY_LEN(w->lines); i++)
		channel_close(TAKE_PTR(w->lines[i].channel));
	uv_run(&w->loop, UV_RUN_NOWAIT);
	uv_walk(&w->loop, close_handle, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	uv_loop_close(&w->loop);
	wire_hub_fini(&w->hub);
	pthread_mutex_destroy(&w->lock);
	mailbox_fini(&w->mail);
	free(w->workers);
}
