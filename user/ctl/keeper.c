/* Order of life: locks, state, apps, control socket, mirror; then events until SIGTERM; then hooks off, sessions out, end. */
#include "ctl/keeper_int.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define TICKS_OF_PATIENCE 10               /* a tick a second, with a mirror's 10 s of patience */
#define KEEP_ALIVE_NS     (10 * SECOND_NS) /* how far back a gap may begin too early after a reboot */
#define STOP_GRACE_MS     2000             /* for mirrors to end after stop_timeout */

int keeper_save(struct keeper *k, struct reason *why)
{
	k->kept_ns = clock_mono_ns();
	return state_save(k->state, why);
}

void keeper_save_or_log(struct keeper *k)
{
	struct reason why;

	if (keeper_save(k, &why))
		log_error("state_not_kept", "error=" LOGV, log_quote(why.text));
}

struct keeper_app *keeper_find(struct keeper *k, const char *name)
{
	for (size_t i = 0; i < k->config->n_apps; i++)
		if (!strcmp(k->config->apps[i].name, name))
			return &k->apps[i];
	return NULL;
}

void keeper_check_ready(struct keeper *k)
{
	for (size_t i = 0; i < k->config->n_apps; i++)
		if (k->apps[i].want && !k->apps[i].decided)
			return;
	if (k->ready || k->stopping)
		return;
	k->ready = true;
	log_info("ready", NULL);
	notify_systemd("READY=1");
}

/* ---- what the mirror is told of the config */

static json_t *texts(char *const *list, size_t n)
{
	json_t *j = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(j, json_string(list[i]));
	return j;
}

json_t *keeper_config_json(struct keeper *k)
{
	const struct config *c = k->config;
	json_t *clusters = json_object(), *apps = json_object();

	for (size_t i = 0; i < c->n_clusters; i++) {
		const struct config_cluster *l = &c->clusters[i];
		json_object_set_new(clusters, l->name,
			json_pack("{s:o, s:I, s:s?, s:s?, s:s?}", "contact_points",
				texts(l->contact_points, l->n_contact_points), "port", (json_int_t)l->port,
				"datacenter", l->datacenter, "user", l->user, "password", l->password));
	}
	for (size_t i = 0; i < c->n_apps; i++) {
		const struct config_app *a = &c->apps[i];
		json_object_set_new(apps, a->name,
			json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:o, s:s, s:I, s:I, s:I}", "origin",
				a->origin, "target", a->target, "phase",
				phases_name(keeper_app_told(&k->apps[i])), "follower_failure",
				a->follower_failure == CONFIG_FOLLOWER_COUNT ? "count" : "fail",
				"follower_wait_ms", (json_int_t)a->follower_wait, "request_timeout_ms",
				(json_int_t)a->request_timeout, "target_auth",
				a->target_auth == CONFIG_AUTH_FORWARD ? "forward" : "seam", "exclude",
				texts(a->exclude, a->n_exclude), "schema",
				a->schema == CONFIG_SCHEMA_ORIGIN ? "origin" : "both", "session_buffer",
				(json_int_t)a->limits.session_buffer, "frame", (json_int_t)a->limits.frame,
				"prepared", (json_int_t)a->limits.prepared));
	}
	return json_pack("{s:i, s:I, s:o, s:o}", "workers", (int)k->workers, "memory", (json_int_t)c->memory,
		"clusters", clusters, "apps", apps);
}

/* ---- time */

static void on_tick(uv_timer_t *t)
{
	struct keeper *k = container_of(t, struct keeper, tick);
	uint64_t now = clock_mono_ns();
	bool mirroring = false;

	log_flush();
	if (k->mirror)
		keeper_mirror_tick(k->mirror, now);
	list_for_each_safe (l, &k->elders)
		keeper_mirror_tick(list_entry(l, struct keeper_mirror, link), now);
	for (size_t i = 0; i < k->config->n_apps && !k->stopping; i++) {
		keeper_app_tick(&k->apps[i]);
		mirroring |=
			k->apps[i].state == KEEPER_ATTACHED && phases_mirrors(keeper_app_phase(&k->apps[i]));
	}
	if (mirroring && now - k->kept_ns > KEEP_ALIVE_NS)
		keeper_save_or_log(k);
	keeper_check_ready(k);
}

/* ---- the end */

static void stop_now(struct keeper *k, const char *why)
{
	if (k->mirror)
		keeper_mirror_kill(k->mirror, why);
	list_for_each (l, &k->elders)
		keeper_mirror_kill(list_entry(l, struct keeper_mirror, link), why);
}

static void on_stop_timeout(uv_timer_t *t)
{
	stop_now(container_of(t, struct keeper, stop_timer), "it did not end within stop_timeout");
}

void keeper_stop_step(struct keeper *k)
{
	if (k->stopping && !k->mirror && list_empty(&k->elders))
		uv_stop(&k->loop);
}

static void stop_app(struct keeper_app *a)
{
	struct reason why;

	if (a->attach_request)
		control_answer(a->attach_request, 1, NULL, "the daemon is stopping");
	a->attach_request = NULL;
	keeper_app_unwatch(a);
	if (keeper_app_state(a)->mirrored)
		keeper_gap_open(a, clock_wall_us(), "daemon stopped");
	/* s->attached stays: the next start attaches again. */
	if (a->capture && keeper_app_drop(a, &why))
		log_error("drop_failed", "app=%s error=" LOGV, a->c->name, log_quote(why.text));
}

static void tell_stop(struct keeper_mirror *m)
{
	json_t *j = json_pack(
		"{s:s, s:i}", "op", "stop", "timeout_s", (int)((m->k->config->stop_timeout + 999) / 1000));
	auto_free char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	if (!m->channel || !text || channel_send(m->channel, text, strlen(text), NULL, 0))
		keeper_mirror_kill(m, "it cannot be told to stop");
}

static void stop(struct keeper *k)
{
	if (k->stopping) { /* asked twice: somebody is in a hurry */
		stop_now(k, "asked to stop twice");
		return;
	}
	k->stopping = true;
	log_info("stopping", "stop_timeout_ms=%llu", (unsigned long long)k->config->stop_timeout);
	notify_systemd("STOPPING=1");
	uv_timer_stop(&k->restart);
	for (size_t i = 0; i < k->config->n_apps; i++)
		stop_app(&k->apps[i]);
	keeper_save_or_log(k);
	if (k->mirror)
		tell_stop(k->mirror);
	list_for_each (l, &k->elders)
		tell_stop(list_entry(l, struct keeper_mirror, link));
	uv_timer_start(&k->stop_timer, on_stop_timeout, k->config->stop_timeout + STOP_GRACE_MS, 0);
	keeper_stop_step(k);
}

static void on_signal(uv_poll_t *p, int status, int events)
{
	struct keeper *k = container_of(p, struct keeper, signal_poll);
	struct signalfd_siginfo s;

	(void)status;
	(void)events;
	while (read(k->signal_fd, &s, sizeof s) == sizeof s) {
		if (s.ssi_signo == SIGCHLD)
			keeper_mirror_reap(k);
		else if (s.ssi_signo == SIGHUP)
			log_warn("reload_ignored", "reason=" LOGV,
				log_quote("reloading is not in this version: restart"));
		else
			stop(k);
	}
}

/* ---- the beginning */

static int make_dir(const char *path, mode_t mode, struct reason *why)
{
	char part[128];

	snprintf(part, sizeof part, "%s", path);
	for (char *p = part + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		if (mkdir(part, 0755) && errno != EEXIST)
			return reason_set(why, -errno, "%s: %s", part, strerror(errno));
		*p = '/';
	}
	if (mkdir(path, mode) && errno != EEXIST)
		return reason_set(why, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

/* Two daemons on one folder would fight over sockets, pins and state. The kernel drops the lock with the process. */
static int lock_dir(const char *dir, int *out, struct reason *why)
{
	char path[128];
	auto_close int fd = -1;

	snprintf(path, sizeof path, "%s/seamd.lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return reason_set(why, -errno, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB))
		return reason_set(why, -errno, "%s is in use by another seamd", dir);
	*out = TAKE_FD(fd);
	return 0;
}

static int prepare_folders(struct keeper *k, struct reason *why)
{
	const struct config *c = k->config;
	int err = make_dir(c->run_dir, 0755, why);

	if (!err)
		err = make_dir(c->state_dir, 0700, why);
	if (!err)
		err = lock_dir(c->run_dir, &k->run_lock, why);
	if (!err && strcmp(c->run_dir, c->state_dir))
		err = lock_dir(c->state_dir, &k->state_lock, why);
	if (!err)
		err = state_load(c->state_dir, &k->state, why);
	return err;
}

static int catch_signals(struct keeper *k)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	signal(SIGPIPE, SIG_IGN);
	/* A signalfd rather than uv_signal: a mirror is forked from here, and libuv's handlers would write into our pipes from there. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	k->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (k->signal_fd < 0)
		return -errno;
	int err = uv_poll_init(&k->loop, &k->signal_poll, k->signal_fd);
	return err ? err : uv_poll_start(&k->signal_poll, UV_READABLE, on_signal);
}

static int make_apps(struct keeper *k)
{
	const struct config *c = k->config;

	k->clusters = calloc(c->n_clusters + 1, sizeof *k->clusters);
	k->apps = calloc(c->n_apps + 1, sizeof *k->apps);
	if (!k->clusters || !k->apps)
		return -ENOMEM;
	for (size_t i = 0; i < c->n_clusters; i++) {
		k->clusters[i].c = &c->clusters[i];
		if (!state_cluster(k->state, c->clusters[i].name))
			return -ENOMEM;
	}
	for (size_t i = 0; i < c->n_apps; i++) {
		struct keeper_app *a = &k->apps[i];
		*a = (struct keeper_app){.k = k, .index = (unsigned)i, .c = &c->apps[i]};
		for (size_t j = 0; j < c->n_clusters; j++) {
			a->origin = strcmp(c->clusters[j].name, a->c->origin) ? a->origin : &k->clusters[j];
			a->target = strcmp(c->clusters[j].name, a->c->target) ? a->target : &k->clusters[j];
		}
		if (!state_app(k->state, a->c->name))
			return -ENOMEM;
	}
	return 0;
}

static void drop_stranger(void *arg, const char *app)
{
	struct keeper *k = arg;
	struct reason why = {""};
	unsigned links;

	if (keeper_find(k, app))
		return;
	int err = k->env->attach_unlink(k->config->run_dir, app, &links, &why);
	log_warn("pins_of_unknown_app", "app=" LOGV " error=" LOGV, log_quote(app),
		log_quote(err ? why.text : "none"));
}

static void start_app(struct keeper_app *a)
{
	struct state_app *s = keeper_app_state(a);
	const char *cgroup, *unit;
	struct reason why;

	if (state_take_mark(a->k->config->state_dir, a->c->name) > 0) {
		s->detached = true;
		s->attached = false;
	}
	a->want = !s->detached && (s->form != STATE_NONE || a->c->match.unit || a->c->match.cgroup) &&
		  !keeper_app_place(a, &cgroup, &unit);
	if (keeper_app_open(a))
		log_warn("capture_not_opened", "app=%s error=" LOGV, a->c->name, log_quote(a->reason));
	keeper_gap_at_start(a);
	if (!a->want) {
		a->decided = true;
		if (a->capture && a->k->env->attach_is(a->capture) && keeper_app_drop(a, &why))
			log_error("drop_failed", "app=%s error=" LOGV, a->c->name, log_quote(why.text));
	} else {
		keeper_app_watch(a);
	}
}

static int begin(struct keeper *k, struct reason *why)
{
	char path[128];
	struct control_opts o = {.path = path, .on_request = keeper_request, .ctx = k};
	int err = make_apps(k);

	if (!err)
		err = catch_signals(k);
	if (err)
		return reason_set(why, err, "%s", strerror(-err));
	snprintf(path, sizeof path, "%s/seamd.sock", k->config->run_dir);
	err = control_open(&k->loop, &o, &k->control, why);
	if (err)
		return err;
	err = k->env->pins_list(k->config->run_dir, drop_stranger, k);
	if (err < 0 && err != -ENOENT)
		log_warn("pins_not_listed", "error=" LOGV, log_quote(strerror(-err)));
	for (size_t i = 0; i < k->config->n_apps; i++)
		start_app(&k->apps[i]);
	keeper_save_or_log(k);
	keeper_elders_find(k);
	keeper_mirror_start(k);
	return 0;
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void end(struct keeper *k)
{
	control_close(k->control);
	if (k->mirror)
		keeper_mirror_free(k->mirror);
	list_for_each_safe (l, &k->elders)
		keeper_mirror_free(list_entry(l, struct keeper_mirror, link));
	for (size_t i = 0; k->apps && i < k->config->n_apps; i++)
		keeper_app_close(&k->apps[i]);
	for (size_t i = 0; k->clusters && i < k->config->n_clusters; i++)
		free(k->clusters[i].endpoints);
	uv_run(&k->loop, UV_RUN_NOWAIT); /* what owns its handles closes them itself; the rest are ours */
	uv_walk(&k->loop, close_handle, NULL);
	uv_run(&k->loop, UV_RUN_DEFAULT);
	uv_loop_close(&k->loop);
	free(k->apps);
	free(k->clusters);
	state_free(k->state);
	if (k->signal_fd >= 0)
		close(k->signal_fd);
	if (k->run_lock >= 0)
		close(k->run_lock);
	if (k->state_lock >= 0)
		close(k->state_lock);
}

int keeper_run(const struct config *c, const struct keeper_env *env)
{
	struct keeper k = {.config = c,
		.env = env,
		.signal_fd = -1,
		.run_lock = -1,
		.state_lock = -1,
		.started_ns = clock_mono_ns(),
		.patience_ns = env->patience_ns ? env->patience_ns : MIRROR_PATIENCE_NS};
	struct reason why = {"no memory"};
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	k.workers = c->workers ? (unsigned)c->workers : cpus > 64 ? 64 : cpus > 1 ? (unsigned)cpus : 1;
	list_init(&k.elders);
	if (prepare_folders(&k, &why)) {
		log_error("not_started", "error=" LOGV, log_quote(why.text));
		state_free(k.state);
		return 1;
	}
	uv_loop_init(&k.loop);
	uv_timer_init(&k.loop, &k.tick);
	uv_timer_init(&k.loop, &k.restart);
	uv_timer_init(&k.loop, &k.stop_timer);
	int err = begin(&k, &why);
	if (err) {
		log_error("not_started", "error=" LOGV, log_quote(why.text));
	} else {
		uv_timer_start(&k.tick, on_tick, 0, k.patience_ns / 1000000 / TICKS_OF_PATIENCE);
		uv_run(&k.loop, UV_RUN_DEFAULT);
		log_info("stopped", NULL);
	}
	end(&k);
	return err ? 1 : 0;
}
