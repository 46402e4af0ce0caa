/*
 * One app's attachment: what is wanted (config, operator) against what is so (cgroup, clusters, mirror, hooks). keeper_app_step()
 * does whatever can be done now and may be called at any time; each thing that changes calls it, and so does the tick.
 *
 *   detached ──attach──▶ (pending) ──▶ attached ◀──▶ waiting (its cgroup isn't there)
 *       ▲                    └───────▶ refused (tried again each second)
 *       └──── detaching ◀──detach── any
 */
#include "base/clock.h"
#include "ctl/keeper_int.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PENDING_NS     (10 * SECOND_NS)
#define EVENTS_AT_ONCE 256

struct state_app *keeper_app_state(const struct keeper_app *a)
{
	return state_app(a->k->state, a->c->name); /* made for each app at the start: never NULL */
}

enum phases_id keeper_app_phase(const struct keeper_app *a)
{
	const struct state_app *s = keeper_app_state(a);

	return s->has_phase ? s->phase : (enum phases_id)a->c->phase;
}

enum phases_id keeper_app_told(const struct keeper_app *a)
{
	return a->want ? keeper_app_phase(a) : PHASES_PASSTHROUGH;
}

int keeper_app_place(struct keeper_app *a, const char **cgroup, const char **unit)
{
	const struct state_app *s = keeper_app_state(a);

	*cgroup = s->form == STATE_CGROUP ? s->where : s->form == STATE_NONE ? a->c->match.cgroup : NULL;
	*unit = s->form == STATE_UNIT ? s->where : s->form == STATE_NONE ? a->c->match.unit : NULL;
	return *cgroup || *unit ? 0 : -ENOENT;
}

/* ---- polls */

static void free_poll(uv_handle_t *h)
{
	free(h);
}

static void poll_stop(uv_poll_t **p)
{
	if (*p)
		uv_close((uv_handle_t *)*p, free_poll);
	*p = NULL;
}

static int poll_start(struct keeper_app *a, int fd, uv_poll_cb cb, uv_poll_t **out)
{
	uv_poll_t *p = calloc(1, sizeof *p);
	int err;

	if (!p)
		return -ENOMEM;
	err = uv_poll_init(&a->k->loop, p, fd);
	if (err) {
		free(p);
		return err;
	}
	p->data = a;
	*out = p;
	return uv_poll_start(p, UV_READABLE, cb);
}

static void on_watch(uv_poll_t *p, int status, int events)
{
	(void)status;
	(void)events;
	keeper_app_step(p->data);
}

static void learn_unknown(struct keeper_app *a, const struct endpoint *e)
{
	for (size_t i = 0; i < a->n_unknown; i++)
		if (endpoint_equal(&a->unknown[i], e))
			return;
	if (a->n_unknown == KEEPER_UNKNOWN) /* the oldest goes */
		memmove(a->unknown, a->unknown + 1, --a->n_unknown * sizeof *e);
	a->unknown[a->n_unknown++] = *e;
}

static void on_event(void *arg, const struct keeper_event *e)
{
	struct keeper_app *a = arg;
	char address[ENDPOINT_TEXT];

	if (e->unknown)
		learn_unknown(a, &e->dst);
	/* Keys of their own, so that a flood of the one never hides the other. */
	log_warn(e->unknown ? "not_captured" : "let_through",
		"app=%s address=%s pid=%u comm=" LOGV " reason=%s", a->c->name,
		endpoint_format(&e->dst, address), e->pid, log_quote(e->comm), e->reason);
}

static void on_events(uv_poll_t *p, int status, int events)
{
	struct keeper_app *a = p->data;

	(void)status;
	(void)events;
	int n = a->k->env->events(a->capture, EVENTS_AT_ONCE, on_event, a);
	if (n < 0) {
		log_error("events_lost", "app=%s error=" LOGV, a->c->name, log_quote(strerror(-n)));
		poll_stop(&a->event_poll);
	}
}

void keeper_app_unwatch(struct keeper_app *a)
{
	poll_stop(&a->watch_poll);
	a->k->env->watch_close(a->watch);
	a->watch = NULL;
}

void keeper_app_watch(struct keeper_app *a)
{
	const char *cgroup, *unit;
	struct reason why = {""};

	keeper_app_unwatch(a);
	if (keeper_app_place(a, &cgroup, &unit))
		return;
	int err = a->k->env->watch_open(cgroup, unit, &a->watch, &why);
	if (!err)
		err = poll_start(a, a->k->env->watch_fd(a->watch), on_watch, &a->watch_poll);
	if (err) /* the tick looks too, only later */
		log_warn("watch_failed", "app=%s error=" LOGV, a->c->name,
			log_quote(*why.text ? why.text : strerror(-err)));
}

int keeper_app_open(struct keeper_app *a)
{
	struct reason why;

	if (a->capture)
		return 0;
	int err = a->k->env->capture_open(a->k->config->run_dir, a->c->name, &a->capture, &why);
	if (err) {
		a->capture = NULL;
		snprintf(a->reason, sizeof a->reason, "%s", why.text);
		return err == -ENOENT ? -ENOSYS : err; /* -ENOENT is a cgroup's */
	}
	if (poll_start(a, a->k->env->event_fd(a->capture), on_events, &a->event_poll))
		log_error("events_lost", "app=%s", a->c->name);
	return 0;
}

void keeper_app_close(struct keeper_app *a)
{
	poll_stop(&a->event_poll);
	poll_stop(&a->watch_poll);
	a->k->env->watch_close(a->watch);
	a->watch = NULL;
	a->k->env->capture_close(a->capture);
	a->capture = NULL;
	free(a->former.where);
	a->former.where = NULL;
}

/* ---- steps toward attached: 0 done, -EAGAIN not yet, -ENOENT no cgroup, else refused; the reason in a->reason */

static int put_off(struct keeper_app *a, int err, const char *why)
{
	snprintf(a->reason, sizeof a->reason, "%s", why);
	return err;
}

static int locate(struct keeper_app *a)
{
	char path[KEEPER_PATH];
	struct reason why = {"its cgroup is not known"};
	uint64_t id;

	if (!a->watch)
		keeper_app_watch(a);
	if (!a->watch)
		return put_off(a, -EINVAL,
			"nothing says which processes it has: --cgroup, --unit or --pid, or match in the "
			"config");
	int err = a->k->env->watch_check(a->watch, path, &id, &why);
	if (err)
		return put_off(a, err, why.text);
	strcpy(a->path, path);
	a->cgroup_id = id;
	return 0;
}

static bool share_an_endpoint(const struct keeper_app *a, const struct keeper_app *b)
{
	struct endpoint *x = NULL, *y = NULL;
	size_t n = 0, m = 0;
	bool shared = a->origin == b->origin;

	if (!shared && !keeper_endpoints(a, &x, &n) && !keeper_endpoints(b, &y, &m))
		for (size_t i = 0; i < n && !shared; i++)
			for (size_t j = 0; j < m && !shared; j++)
				shared = endpoint_equal(&x[i], &y[j]);
	free(x);
	free(y);
	return shared;
}

static int check_no_rival(struct keeper_app *a)
{
	for (size_t i = 0; i < a->k->config->n_apps; i++) {
		const struct keeper_app *b = &a->k->apps[i];
		if (b == a || b->state != KEEPER_ATTACHED || b->cgroup_id != a->cgroup_id ||
			!share_an_endpoint(a, b))
			continue;
		snprintf(a->reason, sizeof a->reason,
			"app %s is attached to the same cgroup and has endpoints in common", b->c->name);
		return -EEXIST;
	}
	return 0;
}

static int check_clusters(struct keeper_app *a)
{
	struct reason why;
	int err;

	if (!a->origin->n_endpoints && !a->origin->heard)
		return put_off(a, -EAGAIN, "Origin's nodes are not known yet: it is being asked");
	if (!a->origin->n_endpoints) {
		snprintf(a->reason, sizeof a->reason, "Origin's nodes are not known: %s", a->origin->error);
		return -EHOSTUNREACH;
	}
	err = keeper_versions(a, &why);
	if (err && !keeper_app_state(a)->forced)
		return put_off(a, err, why.text);
	return 0;
}

static int set_targets(struct keeper_app *a)
{
	struct endpoint *e;
	size_t n;
	int err = keeper_endpoints(a, &e, &n);

	if (!err) {
		err = a->k->env->targets_replace(a->capture, e, n);
		free(e);
	}
	return err ? put_off(a, err, strerror(-err)) : 0;
}

static void on_listening(void *ctx, int err, const json_t *answer)
{
	struct keeper_app *a = ctx;

	a->listen_asked = false;
	/* A detach may have come meanwhile: its word closes the door again, and nobody stamps behind a closed one. */
	a->listening = !err && a->want && a->state != KEEPER_DETACHING;
	if (err == -EPERM) {
		keeper_refusals(answer, a->reason, sizeof a->reason);
		log_error("listen_refused", "app=%s reason=" LOGV, a->c->name, log_quote(a->reason));
		return; /* the next tick asks again */
	}
	if (!err)
		keeper_app_step(a);
}

static int ask_to_listen(struct keeper_app *a)
{
	struct keeper *k = a->k;
	struct keeper_listeners l = {-1, -1, 0};
	struct reason why = {""};
	int fds[4], n = 0;

	if (a->listen_asked)
		return put_off(a, -EAGAIN, "the mirror does not listen yet");
	if (!k->mirror || !k->mirror->configured || !k->mirror->channel)
		return put_off(a, -EAGAIN, "the mirror is not running yet");
	int err = k->env->gate_workers(a->capture, k->workers);
	if (!err)
		err = k->env->gate_listen(a->capture, &l, &why);
	if (err)
		return put_off(a, err, *why.text ? why.text : strerror(-err));
	fds[n++] = l.fd4;
	if (l.fd6 >= 0)
		fds[n++] = l.fd6;
	fds[n++] = k->env->flows_fd(a->capture);
	fds[n++] = k->env->heartbeat_fd(a->capture);
	err = keeper_ask(k->mirror, "listen",
		json_pack("{s:s, s:i, s:b}", "app", a->c->name, "bank", (int)l.bank, "v6", l.fd6 >= 0), fds,
		(unsigned)n, a->k->patience_ns, on_listening, a);
	/* Ours go at once, or the gate would outlive the mirror. */
	close(l.fd4);
	if (l.fd6 >= 0)
		close(l.fd6);
	if (err)
		return put_off(a, err, strerror(-err));
	a->listen_asked = true;
	return put_off(a, -EAGAIN, "the mirror does not listen yet");
}

static void on_phase_restored(void *ctx, int err, const json_t *answer)
{
	struct keeper_app *a = ctx;

	if (err == -EPERM) {
		keeper_refusals(answer, a->reason, sizeof a->reason);
		log_warn("phase_not_restored", "app=%s reason=" LOGV, a->c->name, log_quote(a->reason));
		a->restore_failed = true;
	}
	if (--a->restoring)
		return;
	a->busy = false;
	if (a->restore_failed || !a->k->mirror) /* the next tick tries again */
		return;
	a->mirror_phase = keeper_app_phase(a);
	keeper_app_step(a);
}

/* A detach left the mirrors in passthrough: all of them must have the phase again before the app is captured. */
static int restore_phase(struct keeper_app *a)
{
	struct keeper_mirror *mirrors[KEEPER_MIRRORS];
	enum phases_id p = keeper_app_phase(a);
	uint64_t patience = a->k->patience_ns + a->c->request_timeout * 1000000;

	if (a->mirror_phase == p)
		return 0;
	size_t n = a->busy ? 0 : keeper_mirrors(a->k, mirrors, KEEPER_MIRRORS);
	a->restore_failed &= a->busy;
	for (size_t i = 0; i < n; i++)
		if (!keeper_ask(mirrors[i], "phase",
			    json_pack("{s:s, s:s}", "app", a->c->name, "phase", phases_name(p)), NULL, 0,
			    patience, on_phase_restored, a)) {
			a->restoring++;
			a->busy = true;
		}
	return put_off(a, -EAGAIN, "the mirror does not have the phase yet");
}

static int open_gate(struct keeper_app *a)
{
	struct keeper_gate g = {.alive = false};
	int err = a->listening ? 0 : ask_to_listen(a);

	if (!err)
		err = restore_phase(a);
	if (err)
		return err;
	err = a->k->env->gate_state(a->capture, &g);
	if (err)
		return put_off(a, err, strerror(-err));
	return g.alive ? 0 : put_off(a, -EAGAIN, "the mirror's workers give no sign of life yet");
}

static int advance(struct keeper_app *a)
{
	struct reason why;
	int err = locate(a);

	if (!err)
		err = keeper_app_open(a);
	if (err == -ENOENT && a->capture && a->k->env->attach_is(a->capture) &&
		a->k->env->attach_drop(a->capture, &why))
		log_warn("drop_failed", "app=%s error=" LOGV, a->c->name, log_quote(why.text));
	if (err)
		return err;
	bool hooked =
		a->k->env->attach_is(a->capture) && !a->k->env->attach_verify(a->capture, a->path, &why);
	if (!hooked)
		err = check_no_rival(a);
	if (!hooked && !err)
		err = check_clusters(a);
	if (!hooked && !err)
		err = set_targets(a);
	if (!err)
		err = open_gate(a);
	if (err || hooked)
		return err;
	err = a->k->env->attach_to(a->capture, a->path, &why);
	return err ? put_off(a, err, why.text) : 0;
}

/* ---- outcomes */

static void become(struct keeper_app *a, enum keeper_state s)
{
	bool changed = a->state != s || !a->decided;

	a->state = s;
	a->decided = true;
	if (!changed)
		return;
	if (s == KEEPER_ATTACHED)
		log_info("attached", "app=%s cgroup=" LOGV " phase=%s", a->c->name, log_quote(a->path),
			phases_name(keeper_app_phase(a)));
	else if (s == KEEPER_WAITING)
		log_info("waiting", "app=%s reason=" LOGV, a->c->name, log_quote(a->reason));
	else if (s == KEEPER_REFUSED)
		log_warn("refused", "app=%s reason=" LOGV, a->c->name, log_quote(a->reason));
}

static void answer_attach(struct keeper_app *a, int exit, const char *message)
{
	struct control_request *r = a->attach_request;

	a->attach_request = NULL;
	free(a->former.where);
	a->former.where = NULL;
	if (r)
		control_answer(r, exit, keeper_app_json(a), message);
}

static void attached(struct keeper_app *a)
{
	struct state_app *s = keeper_app_state(a);
	struct reason why;

	a->reason[0] = 0;
	if (a->state == KEEPER_ATTACHED && s->attached && !a->attach_request)
		return;
	s->phase = keeper_app_phase(a);
	s->has_phase = s->attached = true;
	s->mirrored |= phases_mirrors(s->phase);
	int err = keeper_save(a->k, &why);
	become(a, KEEPER_ATTACHED);
	keeper_app_count(a);
	keeper_gap_tick(a);
	answer_attach(a, err ? 1 : 0, err ? why.text : NULL);
}

/* An attach by hand that came to nothing leaves things as they were: tried again is only what the config or an earlier attach asks. */
static void refuse_attach(struct keeper_app *a)
{
	struct state_app *s = keeper_app_state(a);
	char why[REASON_MAX];

	strcpy(why, a->reason);
	if (a->attach_request) {
		s->detached = a->former.detached;
		s->forced = a->former.forced;
		a->want = a->former.want;
		if (state_where(s, a->former.form, a->former.where))
			log_error("no_memory", "app=%s", a->c->name);
		keeper_app_watch(a);
		if (!a->want)
			a->state = KEEPER_DETACHED;
		keeper_save_or_log(a->k); /* what was asked stood there already */
	}
	answer_attach(a, 1, why);
}

static bool must_exist(const struct keeper_app *a)
{
	return a->attach_request && keeper_app_state(a)->form == STATE_CGROUP;
}

void keeper_app_step(struct keeper_app *a)
{
	uint64_t now = clock_mono_ns();
	int err;

	if (!a->want || a->k->stopping || a->state == KEEPER_DETACHING)
		return;
	if (state_take_mark(a->k->config->state_dir, a->c->name) > 0) {
		keeper_app_detach_by_mark(a);
		return;
	}
	err = advance(a);
	if (err == -EAGAIN) {
		if (!a->pending_since_ns)
			a->pending_since_ns = now;
		if (a->state == KEEPER_ATTACHED || now - a->pending_since_ns < PENDING_NS)
			return;
	}
	if (err != -EAGAIN)
		a->pending_since_ns = 0;
	if (!err) {
		attached(a);
	} else if (err == -ENOENT && !must_exist(a)) {
		become(a, KEEPER_WAITING);
		if (a->attach_request)
			keeper_save_or_log(
				a->k); /* the place is wanted from now on, also by the next daemon */
		answer_attach(a, 0, a->reason);
	} else {
		become(a, KEEPER_REFUSED);
		refuse_attach(a);
	}
	keeper_check_ready(a->k);
}

int keeper_app_drop(struct keeper_app *a, struct reason *why)
{
	unsigned links;

	if (a->capture)
		return a->k->env->attach_drop(a->capture, why);
	return a->k->env->attach_unlink(a->k->config->run_dir, a->c->name, &links, why);
}

void keeper_app_mirror_gone(struct keeper_app *a)
{
	const struct state_app *s = keeper_app_state(a);
	struct keeper_gate g;
	uint64_t age = 0;

	a->listening = a->listen_asked = false;
	if (a->state != KEEPER_ATTACHED || !s->mirrored || a->k->stopping)
		return;
	if (!a->k->env->gate_state(a->capture, &g) && g.oldest_ns != UINT64_MAX)
		age = g.oldest_ns;
	keeper_gap_open(
		a, clock_wall_us() - (int64_t)(age / 1000 + a->c->request_timeout * 1000), "mirror down");
}

void keeper_app_count(struct keeper_app *a)
{
	struct endpoint *e = NULL, *all;
	struct reason why;
	size_t n = 0;
	int err;

	if (!a->path[0] || a->state == KEEPER_WAITING) {
		a->not_captured = 0;
		a->not_captured_known = true;
		return;
	}
	err = keeper_endpoints(a, &e, &n);
	all = err ? NULL : reallocarray(e, n + a->n_unknown + 1, sizeof *e);
	if (all) {
		memcpy(all + n, a->unknown, a->n_unknown * sizeof *e);
		err = a->k->env->direct_count(a->path, all, n + a->n_unknown, &a->not_captured, &why);
		e = all;
	} else {
		err = reason_set(&why, -ENOMEM, "no memory");
	}
	free(e);
	a->not_captured_known = !err && a->origin->n_endpoints; /* no nodes known: nothing was looked for */
	if (err)
		log_error("not_counted", "app=%s error=" LOGV, a->c->name, log_quote(why.text));
}

void keeper_app_tick(struct keeper_app *a)
{
	struct keeper_gate g;
	struct keeper_mirror *m = a->k->mirror;

	keeper_app_step(a);
	if (a->attach_request)
		control_progress(a->attach_request, a->reason);
	keeper_app_detach_wait(a);
	keeper_app_count(a);
	if (a->want && a->listening && m && !a->k->env->gate_state(a->capture, &g) &&
		g.oldest_ns != UINT64_MAX && g.oldest_ns > a->k->patience_ns)
		keeper_mirror_kill(m, "a worker has been silent for 10 s");
	keeper_gap_tick(a);
}
