/* Accepting: who is it, where did it want to go, which worker takes it. */
#include "base/clock.h"
#include "base/log.h"
#include "mirror/world.h"

#include <errno.h>
#include <string.h>

#define ACCEPTS 64 /* at once, before the loop has its turn */

struct guest {
	struct app *app;
	int fd;
	struct mirror_flow flow;
};

static void enter(void *owner, void *arg)
{
	struct worker *w = owner;
	struct guest *g = arg;
	int err = session_open(w, g->app, g->fd, &g->flow.app, &g->flow.dst, g->flow.pid);

	if (err) {
		log_warn("session_failed", "app=%s error=" LOGV, g->app->name, log_quote(strerror(-err)));
		atomic_fetch_sub(&w->n_sessions, 1);
	}
	free(g);
}

static struct worker *least_busy(struct world *w)
{
	struct worker *best = &w->workers[0];

	for (unsigned i = 1; i < w->n_workers; i++)
		if (atomic_load(&w->workers[i].n_sessions) < atomic_load(&best->n_sessions))
			best = &w->workers[i];
	return best;
}

static void admit(struct door *d, int fd)
{
	struct guest *g = calloc(1, sizeof *g);
	int err = g ? d->world->env->take_flow(d->flows_fd, fd, &g->flow) : -ENOMEM;

	if (err) {
		atomic_fetch_add(&d->app->turned_away, 1);
		log_warn("turned_away", "app=%s reason=" LOGV, d->app->name,
			log_quote(err == -ENOENT ? "not a connection of the app" : strerror(-err)));
		close(fd);
		free(g);
		return;
	}
	struct worker *w = least_busy(d->world);
	g->app = d->app;
	g->fd = fd;
	atomic_fetch_add(&w->n_sessions, 1);
	if (worker_post(w, enter, g)) {
		atomic_fetch_sub(&w->n_sessions, 1);
		close(fd);
		free(g);
	}
}

static void on_guests(uv_poll_t *p, int status, int events)
{
	struct lookout *l = container_of(p, struct lookout, poll);
	struct door *d = l->door;

	(void)events;
	if (status < 0)
		return;
	for (int i = 0; i < ACCEPTS; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0) {
			admit(d, fd);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) {
			log_error("accept", "app=%s error=" LOGV, d->app->name, log_quote(strerror(errno)));
			l->resting = true;
			uv_poll_stop(&l->poll);
			return;
		}
	}
}

void door_wake(struct door *d)
{
	for (int i = 0; i < 2; i++) {
		struct lookout *l = d->lookout[i];
		if (l && l->resting)
			l->resting = uv_poll_start(&l->poll, UV_READABLE, on_guests) != 0;
	}
}

static int look_out(struct door *d, int which, int fd)
{
	struct lookout *l = calloc(1, sizeof *l);

	if (!l || uv_poll_init(&d->world->loop, &l->poll, fd)) {
		close(fd);
		free(l);
		return -ENOMEM;
	}
	l->door = d;
	l->fd = fd;
	d->lookout[which] = l;
	return uv_poll_start(&l->poll, UV_READABLE, on_guests);
}

int door_open(struct door *d, int v4, int v6, int flows_fd, int heartbeat_fd, unsigned bank)
{
	struct world *w = d->world;
	void *hb = w->env->heartbeat_open(heartbeat_fd, bank);
	int err = hb ? 0 : -EINVAL;

	door_close(d);
	close(heartbeat_fd);
	d->flows_fd = flows_fd;
	for (int i = 0; i < 2; i++) {
		int fd = i ? v6 : v4, failed = fd < 0 ? 0 : look_out(d, i, fd);
		err = err ? err : failed;
	}
	/* Every worker stamps before anybody is told that the door is open. */
	uint64_t now = clock_mono_ns();
	for (unsigned i = 0; hb && i < w->n_workers; i++)
		w->env->heartbeat_stamp(hb, i, now);
	pthread_mutex_lock(&w->lock);
	d->heartbeat = hb;
	pthread_mutex_unlock(&w->lock);
	if (err)
		door_close(d);
	return err;
}

static void on_closed(uv_handle_t *h)
{
	free(container_of((uv_poll_t *)h, struct lookout, poll));
}

void door_close(struct door *d)
{
	struct world *w = d->world;

	pthread_mutex_lock(&w->lock);
	void *hb = TAKE_PTR(d->heartbeat);
	pthread_mutex_unlock(&w->lock);
	if (hb)
		w->env->heartbeat_close(hb);
	for (int i = 0; i < 2; i++) {
		struct lookout *l = TAKE_PTR(d->lookout[i]);
		if (!l)
			continue;
		/* The kernel takes a listener out of the gate when its last descriptor goes: now, not in the close callback. */
		uv_poll_stop(&l->poll);
		close(TAKE_FD(l->fd));
		uv_close((uv_handle_t *)&l->poll, on_closed);
	}
	if (d->flows_fd >= 0)
		close(TAKE_FD(d->flows_fd));
}
