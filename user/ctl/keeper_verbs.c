/* The control socket's verbs. Each ends in exactly one control_answer(). */
#include "base/clock.h"
#include "ctl/keeper_int.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A request to every mirror, answered when all have answered. */
struct round {
	struct keeper *k;
	struct keeper_app *app; /* NULL: all */
	struct control_request *request;
	json_t *found;
	size_t pending;
	void (*finish)(struct round *r);
};

/* Which mirror an answer is from. */
struct share {
	struct round *round;
	struct keeper_mirror *mirror;
	bool status;
};

static void on_share(void *ctx, int err, const json_t *answer)
{
	struct share *s = ctx;
	struct round *r = s->round;

	if (!err && s->status)
		keeper_take_status(s->mirror, answer);
	if (!err && !s->status)
		json_array_extend(r->found, json_object_get(answer, "sessions"));
	free(s);
	if (!--r->pending)
		r->finish(r);
}

/* `op` to all mirrors; finish() may be called before this returns. */
static void go_round(struct round *r, const char *op)
{
	struct keeper_mirror *mirrors[KEEPER_MIRRORS];
	size_t n = keeper_mirrors(r->k, mirrors, KEEPER_MIRRORS);

	r->pending = 1;
	for (size_t i = 0; i < n; i++) {
		struct share *s = calloc(1, sizeof *s);
		json_t *fields = r->app ? json_pack("{s:s}", "app", r->app->c->name) : NULL;
		if (!s) {
			json_decref(fields);
			continue;
		}
		*s = (struct share){.round = r, .mirror = mirrors[i], .status = !strcmp(op, "status")};
		if (keeper_ask(mirrors[i], op, fields, NULL, 0, r->k->patience_ns, on_share, s))
			free(s);
		else
			r->pending++;
	}
	if (!--r->pending)
		r->finish(r);
}

static void start_round(struct keeper *k, struct keeper_app *a, struct control_request *request,
	const char *op, void (*finish)(struct round *r))
{
	struct round *r = calloc(1, sizeof *r);

	if (!r) {
		control_answer(request, 1, NULL, "no memory");
		return;
	}
	*r = (struct round){.k = k, .app = a, .request = request, .found = json_array(), .finish = finish};
	go_round(r, op);
}

static void end_round(struct round *r)
{
	json_decref(r->found);
	free(r);
}

/* ---- status, sessions */

static void finish_status(struct round *r)
{
	for (size_t i = 0; i < r->k->config->n_apps; i++)
		if (!r->app || r->app == &r->k->apps[i])
			keeper_app_count(&r->k->apps[i]);
	control_answer(r->request, 0, keeper_status_json(r->k, r->app), NULL);
	end_round(r);
}

static void finish_sessions(struct round *r)
{
	control_answer(r->request, 0, json_incref(r->found), NULL);
	end_round(r);
}

static void verb_status(
	struct keeper *k, struct keeper_app *a, struct control_request *r, const json_t *request)
{
	(void)request;
	start_round(k, a, r, "status", finish_status);
}

static void verb_sessions(
	struct keeper *k, struct keeper_app *a, struct control_request *r, const json_t *request)
{
	char why[160];

	(void)request;
	if (a && a->state != KEEPER_ATTACHED) {
		snprintf(why, sizeof why, "%.64s is not attached (%s)", a->c->name,
			keeper_state_name(a->state));
		control_answer(r, 3, json_array(), why);
		return;
	}
	start_round(k, a, r, "sessions", finish_sessions);
}

/* ---- attach */

/* What the request names: 0 with form and where (form NONE: nothing), else the reason. `where` is the caller's to free(). */
static int named_place(
	struct keeper *k, const json_t *request, enum state_form *form, char **where, struct reason *why)
{
	const char *cgroup = json_string_value(json_object_get(request, "cgroup")),
		   *unit = json_string_value(json_object_get(request, "unit"));
	const json_t *pid = json_object_get(request, "pid");
	char path[KEEPER_PATH];
	int err = 0;

	*form = STATE_NONE;
	*where = NULL;
	if (!!cgroup + !!unit + !!pid > 1)
		return reason_set(why, -EINVAL, "--cgroup, --unit and --pid exclude each other");
	if (unit) {
		*form = STATE_UNIT;
		*where = strdup(unit);
	} else if (pid) {
		if (json_integer_value(pid) < 1 || json_integer_value(pid) > INT_MAX)
			return reason_set(why, -ESRCH, "no process has such a number");
		err = k->env->cgroup_of_pid((pid_t)json_integer_value(pid), path, why);
	} else if (cgroup) {
		err = k->env->cgroup_resolve(cgroup, path, why);
	}
	if (err)
		return err == -EINVAL ? -ENOENT : err;
	if (cgroup || pid) {
		*form = STATE_CGROUP;
		*where = strdup(path);
	}
	return *form == STATE_NONE || *where ? 0 : reason_set(why, -ENOMEM, "no memory");
}

static bool elsewhere(struct keeper_app *a, enum state_form form, const char *where)
{
	const char *cgroup, *unit;

	if (form == STATE_NONE || keeper_app_place(a, &cgroup, &unit))
		return false;
	if (form == STATE_UNIT)
		return !unit || strcmp(unit, where);
	return strcmp(a->path, where) != 0;
}

static int remember_wish(struct keeper_app *a)
{
	const struct state_app *s = keeper_app_state(a);
	char *where = s->where ? strdup(s->where) : NULL;

	if (s->where && !where)
		return -ENOMEM;
	free(a->former.where);
	a->former = (struct keeper_wish){.want = a->want,
		.detached = s->detached,
		.forced = s->forced,
		.form = s->form,
		.where = where};
	return 0;
}

static void attach(
	struct keeper_app *a, struct control_request *r, enum state_form form, const char *where, bool force)
{
	struct state_app *s = keeper_app_state(a);
	struct reason why;

	if (remember_wish(a) || (form != STATE_NONE && state_where(s, form, where))) {
		control_answer(r, 1, NULL, "no memory");
		return;
	}
	s->detached = false;
	s->forced |= force;
	if (force) {
		if (!keeper_versions(a, &why))
			snprintf(why.text, sizeof why.text, "no reason stood against it");
		log_warn("forced", "app=%s verb=attach reason=" LOGV, a->c->name, log_quote(why.text));
		if (state_force(a->k->state, a->c->name, "attach", why.text, clock_wall_us()))
			log_error("no_memory", "app=%s", a->c->name);
		keeper_save_or_log(a->k);
	}
	a->want = true;
	a->pending_since_ns = 0;
	a->attach_request = r;
	if (a->state == KEEPER_REFUSED || a->state == KEEPER_WAITING)
		a->decided = false;
	keeper_app_watch(a);
	keeper_app_step(a);
}

static void verb_attach(
	struct keeper *k, struct keeper_app *a, struct control_request *r, const json_t *request)
{
	const char *existing = json_string_value(json_object_get(request, "existing")), *cgroup, *unit;
	enum state_form form;
	auto_free char *where = NULL;
	struct reason why = {""};

	if (existing && strcmp(existing, "leave")) {
		bool later = !strcmp(existing, "recycle");
		control_answer(r, later ? 1 : 2, NULL,
			later ? "--existing recycle is not in this version"
			      : "--existing expects leave or recycle");
		return;
	}
	int err = named_place(k, request, &form, &where, &why);
	if (err) {
		control_answer(r, err == -EINVAL ? 2 : 1, keeper_app_json(a), why.text);
		return;
	}
	if (form == STATE_NONE && keeper_app_place(a, &cgroup, &unit)) {
		control_answer(r, 2, NULL,
			"nothing says which processes it has: --cgroup, --unit or --pid, or match in the "
			"config");
		return;
	}
	if (a->state == KEEPER_ATTACHED && elsewhere(a, form, where)) {
		snprintf(why.text, sizeof why.text, "attached to %.400s already: detach it first", a->path);
		control_answer(r, 1, keeper_app_json(a), why.text);
	} else if (a->state == KEEPER_ATTACHED && a->listening) {
		control_answer(r, 0, keeper_app_json(a), NULL);
	} else if (a->attach_request || a->busy || a->state == KEEPER_DETACHING) {
		control_answer(r, 1, NULL, "another change of this app is under way");
	} else {
		attach(a, r, form, where, json_is_true(json_object_get(request, "force")));
	}
}

/* ---- detach */

static void answer_detach(struct keeper_app *a, const char *message)
{
	struct control_request *r = a->detach_request;

	a->detach_request = NULL;
	if (r)
		control_answer(r, 0, keeper_app_json(a), message);
}

static void finish_detach(struct round *r)
{
	r->app->state = KEEPER_DETACHED;
	r->app->mirror_phase = PHASES_PASSTHROUGH;
	log_info("detached", "app=%s", r->app->c->name);
	answer_detach(r->app, NULL);
	struct keeper *k = r->k;
	end_round(r);
	keeper_check_ready(k);
}

/* `r` may be NULL: the mark of a detach without daemon was found. */
static void detach(struct keeper_app *a, struct control_request *r)
{
	struct state_app *s = keeper_app_state(a);
	struct round *round = calloc(1, sizeof *round);
	struct reason why;

	if (a->attach_request) {
		control_answer(a->attach_request, 1, keeper_app_json(a), "detached meanwhile");
		a->attach_request = NULL;
	}
	a->want = false;
	a->decided = true;
	keeper_app_unwatch(a);
	s->detached = true;
	s->forced = s->attached = false;
	a->state = KEEPER_DETACHING;
	keeper_gap_tick(a);
	keeper_save_or_log(a->k); /* going back is never refused: not even by a full disk */
	int err = keeper_app_drop(a, &why);
	a->listening = a->listen_asked = false;
	if (err || !round) {
		log_error("drop_failed", "app=%s error=" LOGV, a->c->name,
			log_quote(err ? why.text : "no memory"));
		free(round);
		a->state = KEEPER_DETACHED;
		if (r)
			control_answer(r, 1, keeper_app_json(a), err ? why.text : "no memory");
		return;
	}
	a->detach_request = r;
	a->detach_since_ns = clock_mono_ns();
	*round = (struct round){.k = a->k, .app = a, .found = json_array(), .finish = finish_detach};
	go_round(round, "unlisten");
}

void keeper_app_detach_by_mark(struct keeper_app *a)
{
	log_info("detached_without_daemon", "app=%s", a->c->name);
	detach(a, NULL);
}

/* The next connect is direct already: a hung mirror, which is killed later, doesn't keep the operator waiting. */
void keeper_app_detach_wait(struct keeper_app *a)
{
	if (a->detach_request && clock_mono_ns() - a->detach_since_ns > a->k->patience_ns / 5)
		answer_detach(a,
			"new connections are direct; a mirror does not answer, so live sessions may not "
			"be in passthrough yet");
}

static void verb_detach(
	struct keeper *k, struct keeper_app *a, struct control_request *r, const json_t *request)
{
	(void)k;
	if (json_object_get(request, "drain"))
		control_answer(r, 1, NULL, "--drain is not in this version");
	else if (a->state == KEEPER_DETACHING || (a->state == KEEPER_DETACHED && !a->want))
		control_answer(r, 0, keeper_app_json(a), NULL);
	else
		detach(a, r);
}

static void verb_phase(
	struct keeper *k, struct keeper_app *a, struct control_request *r, const json_t *request)
{
	(void)k;
	keeper_phase_verb(a, r, request);
}

/* ---- dispatch */

static const struct {
	const char *name;
	bool needs_app;
	void (*run)(struct keeper *k, struct keeper_app *a, struct control_request *r, const json_t *request);
} VERBS[] = {
	{"attach", true, verb_attach},
	{"detach", true, verb_detach},
	{"phase", true, verb_phase},
	{"sessions", false, verb_sessions},
	{"status", false, verb_status},
};

void keeper_request(void *ctx, struct control_request *r, const json_t *request)
{
	struct keeper *k = ctx;
	const char *verb = json_string_value(json_object_get(request, "verb")),
		   *name = json_string_value(json_object_get(request, "app"));
	struct keeper_app *a = name ? keeper_find(k, name) : NULL;
	char why[200];

	if (name && !a) {
		snprintf(why, sizeof why, "no app \"%.80s\" in the config", name);
		control_answer(r, 2, NULL, why);
		return;
	}
	for (size_t i = 0; verb && i < ARRAY_LEN(VERBS); i++) {
		if (strcmp(VERBS[i].name, verb))
			continue;
		if (VERBS[i].needs_app && !a)
			control_answer(r, 2, NULL, "which app?");
		else if (k->stopping && VERBS[i].run != verb_status)
			control_answer(r, 1, NULL, "the daemon is stopping");
		else
			VERBS[i].run(k, a, r, request);
		return;
	}
	snprintf(why, sizeof why, "no verb \"%.80s\"", verb ? verb : "");
	control_answer(r, 2, NULL, why);
}
