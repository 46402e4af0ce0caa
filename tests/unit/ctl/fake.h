/*
 * A kernel part and a mirror that exist in shared memory only, so that the real keeper can be driven in a process of its own: the
 * test writes what the world does, and reads what the keeper did to it. The mirror speaks docs/keeper-mirror.md, a message at a time.
 */
#pragma once
#include "base/clock.h"
#include "ctl/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#define FAKE_APPS 2

struct fake_app {
	atomic_bool attached, cgroup_there, refuse_attach, event, mirror_dual;
	atomic_uint attaches, drops, listens, unlistens, phases, acks;
	atomic_ullong cgroup_id, beat_ns; /* beat: last heartbeat, CLOCK_MONOTONIC; 0: none */
	atomic_ullong direct, unacked, first_ns;
	atomic_bool beating; /* a mirror listens: the heartbeat is always fresh */
};

struct fake {
	struct fake_app app[FAKE_APPS];
	atomic_uint versions[2]; /* of origin, target: bit v; 0: the cluster does not answer */
	atomic_bool mute, refuse_phase, outlive;
	atomic_uint mirrors, successors; /* started; keepers that came later */
	atomic_int mirror_pid;
	atomic_ullong opaque, open, reads;
};

static struct fake *fake;

static void fake_setup(void)
{
	if (!fake)
		fake = mmap(NULL, sizeof *fake, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(fake, 0, sizeof *fake);
	for (unsigned i = 0; i < FAKE_APPS; i++) {
		fake->app[i].cgroup_there = true;
		fake->app[i].cgroup_id = 10 + i;
	}
	fake->versions[0] = fake->versions[1] = 1u << 3 | 1u << 4 | 1u << 5;
}

/* ---- kernel */

struct capture {
	struct fake_app *a;
	int event_fd;
	bool resumed;
};

struct watch {
	struct fake_app *a;
	int fd;
};

static struct fake_app *fake_app_named(const char *name)
{
	return &fake->app[strcmp(name, "shop") ? 1 : 0];
}

static int fake_open(const char *run_dir, const char *app, struct capture **out, struct reason *why)
{
	struct capture *c = calloc(1, sizeof *c);

	(void)run_dir;
	(void)why;
	c->a = fake_app_named(app);
	c->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	c->resumed = c->a->attached;
	*out = c;
	return 0;
}

static void fake_close(struct capture *c)
{
	if (c)
		close(c->event_fd);
	free(c);
}

static bool fake_resumed(const struct capture *c)
{
	return c->resumed;
}

static int fake_fd(const struct capture *c)
{
	return c->event_fd;
}

static int fake_targets(struct capture *c, const struct endpoint *e, size_t n)
{
	(void)c;
	(void)e;
	return n ? 0 : -EINVAL;
}

static int fake_listen(struct capture *c, struct keeper_listeners *out, struct reason *why)
{
	(void)c;
	(void)why;
	*out = (struct keeper_listeners){.fd4 = eventfd(0, EFD_CLOEXEC), .fd6 = -1, .bank = 3};
	return 0;
}

static int fake_workers(struct capture *c, unsigned n)
{
	(void)c;
	return n ? 0 : -EINVAL;
}

static int fake_gate(const struct capture *c, struct keeper_gate *out)
{
	uint64_t beat = c->a->beating ? clock_mono_ns() : c->a->beat_ns;

	out->oldest_ns = beat ? clock_mono_ns() - beat : UINT64_MAX;
	out->alive = beat && out->oldest_ns < 1000000000u;
	return 0;
}

static int fake_attach(struct capture *c, const char *path, struct reason *why)
{
	(void)path;
	if (c->a->refuse_attach)
		return reason_set(why, -EPERM, "a program sits above");
	c->a->attached = true;
	c->a->attaches++;
	return 0;
}

static int fake_drop(struct capture *c, struct reason *why)
{
	(void)why;
	c->a->attached = false;
	c->a->drops++;
	return 0;
}

static bool fake_is(const struct capture *c)
{
	return c->a->attached;
}

static int fake_verify(const struct capture *c, const char *path, struct reason *why)
{
	(void)path;
	return c->a->attached ? 0 : reason_set(why, -ENOTCONN, "not attached");
}

static int fake_unlink(const char *run_dir, const char *app, unsigned *links, struct reason *why)
{
	(void)run_dir;
	(void)why;
	*links = fake_app_named(app)->attached;
	fake_app_named(app)->attached = false;
	return 0;
}

static int fake_pins(const char *run_dir, void (*tell)(void *, const char *), void *arg)
{
	(void)run_dir;
	(void)tell;
	(void)arg;
	return 0;
}

static void fake_through(const struct capture *c, struct keeper_through *out)
{
	*out = (struct keeper_through){.unacked = c->a->unacked, .first_ns = c->a->first_ns};
}

static void fake_ack(struct capture *c, const struct keeper_through *seen)
{
	c->a->unacked -= seen->unacked;
	c->a->acks++;
}

static int fake_events(
	struct capture *c, unsigned max, void (*tell)(void *, const struct keeper_event *), void *arg)
{
	(void)c;
	(void)max;
	(void)tell;
	(void)arg;
	return 0;
}

static int fake_watch(const char *cgroup, const char *unit, struct watch **out, struct reason *why)
{
	struct watch *w = calloc(1, sizeof *w);

	(void)why;
	w->a = &fake->app[strstr(cgroup ? cgroup : unit, "other") ? 1 : 0];
	w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	*out = w;
	return 0;
}

static int fake_watch_fd(const struct watch *w)
{
	return w->fd;
}

static int fake_check(struct watch *w, char path[KEEPER_PATH], uint64_t *id, struct reason *why)
{
	if (!w->a->cgroup_there)
		return reason_set(why, -ENOENT, "no such cgroup");
	strcpy(path, "/cgroup/of/app");
	*id = w->a->cgroup_id;
	return 0;
}

static void fake_watch_close(struct watch *w)
{
	if (w)
		close(w->fd);
	free(w);
}

static int fake_of_pid(pid_t pid, char out[KEEPER_PATH], struct reason *why)
{
	if (pid == 99)
		return reason_set(why, -ESRCH, "no process 99");
	strcpy(out, "/cgroup/of/app");
	return 0;
}

static int fake_resolve(const char *typed, char out[KEEPER_PATH], struct reason *why)
{
	if (strstr(typed, "absent"))
		return reason_set(why, -ENOENT, "no such cgroup");
	strcpy(out, typed);
	return 0;
}

static int fake_direct(
	const char *cgroup, const struct endpoint *e, size_t n, size_t *out, struct reason *why)
{
	(void)cgroup;
	(void)e;
	(void)n;
	(void)why;
	*out = fake->app[0].direct;
	return 0;
}

/* ---- mirror: a blocking loop */

static bool fake_read(int fd, void *to, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t r =
			read(fd, (char *)to + got, n - got); /* fds that ride along are dropped by read(2) */
		if (r <= 0)
			return false;
		got += (size_t)r;
	}
	return true;
}

static void fake_say(int fd, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	uint32_t n = (uint32_t)strlen(text);

	if (send(fd, &n, 4, MSG_NOSIGNAL) == 4)
		(void)!send(fd, text, n, MSG_NOSIGNAL);
	free(text);
	json_decref(j);
}

static void fake_topology(int fd, unsigned which)
{
	json_t *versions = json_array();

	for (unsigned v = 1; v < 8; v++)
		if (fake->versions[which] & 1u << v)
			json_array_append_new(versions, json_integer(v));
	fake_say(fd, json_pack("{s:s, s:s, s:b, s:s?, s:[s], s:o}", "op", "topology", "cluster",
			     which ? "new" : "old", "ok", fake->versions[which] != 0, "error",
			     fake->versions[which] ? NULL : "connection refused", "endpoints",
			     which ? "10.1.0.1:9042" : "10.0.0.1:9042", "versions", versions));
}

static json_t *fake_status(void)
{
	const char *names[FAKE_APPS] = {"shop", "other"};
	json_t *apps = json_object();

	for (unsigned i = 0; i < FAKE_APPS; i++)
		json_object_set_new(apps, names[i],
			json_pack("{s:i, s:I, s:i, s:I, s:i, s:{s:I, s:i, s:i, s:i}, s:{s:i}, s:{s:s, s:i, "
				  "s:i}}",
				"captured", i ? 0 : (int)fake->open, "opaque",
				i ? 0 : (json_int_t)fake->opaque, "turned_away", 0, "open",
				i ? 0 : (json_int_t)fake->open, "total", 5, "requests", "reads",
				(json_int_t)fake->reads, "writes", 2, "other", 3, "failed", 0, "unmirrored",
				"lwt", 1, "target", "state", "up", "failed_writes", 0, "diverged", 0));
	return apps;
}

static void fake_answer(int fd, const json_t *j)
{
	const char *op = json_string_value(json_object_get(j, "op")),
		   *app = json_string_value(json_object_get(j, "app")),
		   *phase = json_string_value(json_object_get(j, "phase"));
	struct fake_app *a = app ? fake_app_named(app) : NULL;
	json_t *answer =
		json_pack("{s:s, s:O, s:b}", "op", "answer", "id", json_object_get(j, "id"), "ok", 1);

	if (!strcmp(op, "config"))
		for (unsigned i = 0; i < FAKE_APPS; i++) {
			const json_t *one = json_object_get(json_object_get(j, "apps"), i ? "other" : "shop");
			fake->app[i].mirror_dual =
				!strcmp(json_string_value(json_object_get(one, "phase")), "dual-write");
		}
	if (!strcmp(op, "listen")) {
		if (json_integer_value(json_object_get(j, "bank")) != 3 ||
			!json_is_false(json_object_get(j, "v6")))
			abort();
		a->beating = true;
		a->listens++;
	}
	if (!strcmp(op, "unlisten")) {
		a->beating = false;
		a->beat_ns = clock_mono_ns();
		a->mirror_dual = false;
		a->unlistens++;
	}
	if (!strcmp(op, "phase")) {
		a->phases++;
		if (fake->refuse_phase && !strcmp(phase, "dual-write")) {
			json_object_set_new(answer, "ok", json_false());
			json_object_set_new(answer, "refused", json_pack("[s]", "no leg to 10.1.0.1"));
		} else {
			a->mirror_dual = !strcmp(phase, "dual-write");
		}
	}
	if (!strcmp(op, "status"))
		json_object_set_new(answer, "apps", fake_status());
	if (!strcmp(op, "sessions"))
		json_object_set_new(answer, "sessions", json_pack("[{s:s}]", "app_addr", "10.9.9.9:1"));
	fake_say(fd, answer);
}

/* Until the peer goes; true: told to stop. */
static bool fake_serve(int fd)
{
	uint32_t n;
	char text[65536];

	while (fake_read(fd, &n, 4) && n < sizeof text && fake_read(fd, text, n)) {
		json_t *j = json_loadb(text, n, 0, NULL);
		const char *op = json_string_value(json_object_get(j, "op"));
		bool stop = !strcmp(op, "stop"), config = !strcmp(op, "config");
		if (!stop && !fake->mute)
			fake_answer(fd, j);
		json_decref(j);
		if (stop)
			return true;
		for (unsigned i = 0; config && i < 2; i++)
			fake_topology(fd, i);
	}
	return false;
}

static void fake_beat_stops(void)
{
	for (unsigned i = 0; i < FAKE_APPS; i++) {
		fake->app[i].beat_ns =
			fake->app[i].beating ? clock_mono_ns() : (uint64_t)fake->app[i].beat_ns;
		fake->app[i].beating = false;
	}
}

static int fake_mirror_start(const struct config *c, int *channel_fd, pid_t *pid, struct reason *why)
{
	int pair[2];

	(void)why;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -errno;
	*pid = fork();
	if (!*pid) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};
		int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		snprintf(a.sun_path, sizeof a.sun_path, "%.80s/mirror.%d.sock", c->run_dir, getpid());
		close(pair[0]);
		if (bind(l, (struct sockaddr *)&a, sizeof a) || listen(l, 4))
			_exit(1);
		/* As the real one: else it would hold the keeper's locks. */
		pair[1] = fcntl(pair[1], F_DUPFD, 64);
		l = fcntl(l, F_DUPFD, 64);
		if (dup2(pair[1], 3) < 0 || dup2(l, 4) < 0 || close_range(5, ~0u, 0))
			_exit(1);
		pair[1] = 3;
		l = 4;
		fake->mirror_pid = getpid();
		fake->mirrors++;
		bool stop = fake_serve(pair[1]);
		fake_beat_stops();
		while (!stop && fake->outlive) {
			int next = accept(l, NULL, NULL);
			fake->successors++;
			stop = fake_serve(next);
			close(next);
		}
		_exit(0);
	}
	close(pair[1]);
	*channel_fd = pair[0];
	return 0;
}

static const struct keeper_env FAKE_ENV = {
	.patience_ns = 1000000000, /* long enough for a busy machine, short enough for a test */
	.capture_open = fake_open,
	.capture_close = fake_close,
	.capture_resumed = fake_resumed,
	.flows_fd = fake_fd,
	.heartbeat_fd = fake_fd,
	.targets_replace = fake_targets,
	.gate_listen = fake_listen,
	.gate_workers = fake_workers,
	.gate_state = fake_gate,
	.attach_to = fake_attach,
	.attach_drop = fake_drop,
	.attach_is = fake_is,
	.attach_verify = fake_verify,
	.attach_unlink = fake_unlink,
	.pins_list = fake_pins,
	.through_read = fake_through,
	.through_ack = fake_ack,
	.event_fd = fake_fd,
	.events = fake_events,
	.watch_open = fake_watch,
	.watch_fd = fake_watch_fd,
	.watch_check = fake_check,
	.watch_close = fake_watch_close,
	.cgroup_of_pid = fake_of_pid,
	.cgroup_resolve = fake_resolve,
	.direct_count = fake_direct,
	.mirror_start = fake_mirror_start,
};
