/*
 * `seam phase`: all mirrors change, or none does. The gap that a phase without mirroring opens is on disk before the mirrors are asked;
 * T0, the moment from which every write goes to both, is told after the phase is on disk.
 */
#include "base/clock.h"
#include "ctl/keeper_int.h"
#include "ctl/when.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A DDL of the former phase may take 75 s to answer (semantics §4), and legs `request_timeout`. */
#define SLOWEST_MS 75000

struct change {
	bool told; /* our own mirror has the phase; otherwise one that starts is told (keeper_app.c) */
	struct keeper_app *app;
	struct control_request *request;
	enum phases_id to;
	size_t pending;
	json_t *refused;
};

static json_t *phase_json(struct keeper_app *a, json_t *refused, int64_t t0)
{
	const struct state_app *s = keeper_app_state(a);
	char text[WHEN_TEXT];
	json_t *j = json_pack("{s:s, s:s, s:s?, s:o}", "app", a->c->name, "phase",
		phases_name(keeper_app_phase(a)), "previous",
		s->has_previous ? phases_name(s->previous) : NULL, "refused",
		refused ? refused : json_array());

	if (t0 && j)
		json_object_set_new(j, "t0", json_string(when_format(t0, text)));
	return j;
}

static void refuse(struct keeper_app *a, struct control_request *r, int exit, const char *why)
{
	control_answer(r, exit, phase_json(a, json_pack("[s]", why), 0), why);
}

static void tell_all(struct keeper_app *a, enum phases_id p)
{
	struct keeper_mirror *mirrors[KEEPER_MIRRORS];
	size_t n = keeper_mirrors(a->k, mirrors, KEEPER_MIRRORS);

	for (size_t i = 0; i < n; i++)
		keeper_tell(mirrors[i], "phase",
			json_pack("{s:s, s:s}", "app", a->c->name, "phase", phases_name(p)));
}

static void commit(struct change *c)
{
	struct keeper_app *a = c->app;
	struct state_app *s = keeper_app_state(a);
	struct state_app before = *s;
	struct reason why;

	s->previous = keeper_app_phase(a);
	s->has_previous = s->has_phase = true;
	s->phase = c->to;
	s->mirrored |= phases_mirrors(c->to);
	if (keeper_save(a->k, &why)) {
		s->previous = before.previous;
		s->has_previous = before.has_previous;
		s->has_phase = before.has_phase;
		s->phase = before.phase;
		s->mirrored = before.mirrored;
		tell_all(a, keeper_app_phase(a));
		refuse(a, c->request, 1, why.text);
		return;
	}
	if (c->told)
		a->mirror_phase = c->to;
	log_info("phase", "app=%s phase=%s previous=%s", a->c->name, phases_name(s->phase),
		phases_name(s->previous));
	keeper_app_count(a);
	keeper_gap_tick(a);
	control_answer(c->request, 0, phase_json(a, NULL, clock_wall_us()), NULL);
}

static void finish(struct change *c)
{
	struct keeper_app *a = c->app;

	a->busy = false;
	if (json_array_size(c->refused)) {
		char why[REASON_MAX] = "";
		size_t i, n = 0;
		json_t *v;
		json_array_foreach (c->refused, i, v)
			if (n < sizeof why)
				n += (size_t)snprintf(
					why + n, sizeof why - n, "%s%s", n ? "; " : "", json_string_value(v));
		log_warn("phase_refused", "app=%s phase=%s reason=" LOGV, a->c->name, phases_name(c->to),
			log_quote(why));
		/* Those that had changed already; but a detach, or the daemon's end, that came meanwhile has the last word. */
		if (a->want && a->state != KEEPER_DETACHING && !a->k->stopping)
			tell_all(a, keeper_app_phase(a));
		keeper_gap_tick(a);
		control_answer(c->request, 1, phase_json(a, json_incref(c->refused), 0), why);
	} else {
		commit(c);
	}
	json_decref(c->refused);
	free(c);
}

static void on_changed(void *ctx, int err, const json_t *answer)
{
	struct change *c = ctx;
	size_t i;
	json_t *v;

	if (err == -EPERM && json_array_size(json_object_get(answer, "refused")))
		json_array_foreach (json_object_get(answer, "refused"), i, v)
			json_array_append(c->refused, json_is_string(v) ? v : json_null());
	else if (err == -EPERM)
		json_array_append_new(c->refused, json_string("the mirror refused without a reason"));
	else if (err && phases_mirrors(c->to))
		json_array_append_new(c->refused, json_string("the mirror went while the phase changed"));
	/* Going back: a mirror that went has no session left in the former phase. */
	if (err)
		c->told = false;
	if (!--c->pending)
		finish(c);
}

static void begin(struct keeper_app *a, struct control_request *r, enum phases_id to)
{
	struct keeper_mirror *mirrors[KEEPER_MIRRORS];
	size_t n = keeper_mirrors(a->k, mirrors, KEEPER_MIRRORS);
	struct change *c = calloc(1, sizeof *c);
	uint64_t patience = (SLOWEST_MS + 2 * a->c->request_timeout) * 1000000;

	bool ours = n && mirrors[0] == a->k->mirror;

	/* Going back is never refused: also while the mirror is being started. */
	if (!c || (phases_mirrors(to) && !ours)) {
		free(c);
		refuse(a, r, 1, "the mirror is not running; it is being started");
		return;
	}
	*c = (struct change){
		.app = a, .request = r, .to = to, .refused = json_array(), .pending = 1, .told = ours};
	a->busy = true;
	if (!phases_mirrors(to) && keeper_app_state(a)->mirrored)
		keeper_gap_open(a, clock_wall_us(), "phase does not mirror");
	for (size_t i = 0; i < n; i++) {
		int err = keeper_ask(mirrors[i], "phase",
			json_pack("{s:s, s:s}", "app", a->c->name, "phase", phases_name(to)), NULL, 0,
			patience, on_changed, c);
		if (err)
			json_array_append_new(c->refused, json_string(strerror(-err)));
		else
			c->pending++;
	}
	if (!--c->pending)
		finish(c);
}

void keeper_phase_verb(struct keeper_app *a, struct control_request *r, const json_t *request)
{
	const char *word = json_string_value(json_object_get(request, "phase"));
	enum phases_id to;
	char why[160];

	if (json_object_get(request, "percent") || json_object_get(request, "table")) {
		refuse(a, r, 1, "--percent and --table are not in this version");
		return;
	}
	int err = word ? phases_parse(word, &to) : 0;
	if (err == -ENOTSUP) {
		snprintf(why, sizeof why, "%.40s is not in this version", word);
		refuse(a, r, 1, why);
	} else if (err) {
		snprintf(why, sizeof why, "\"%.40s\" is no phase, expected one of: %s", word,
			PHASES_WORDS " " PHASES_LATER);
		refuse(a, r, 2, why);
	} else if (a->state != KEEPER_ATTACHED) {
		snprintf(why, sizeof why, "%.64s is not attached (%s)", a->c->name,
			keeper_state_name(a->state));
		control_answer(r, 3, phase_json(a, word ? json_pack("[s]", why) : NULL, 0), why);
	} else if (!word || to == keeper_app_phase(a)) {
		control_answer(r, 0, phase_json(a, NULL, 0), NULL);
	} else if (a->busy) {
		refuse(a, r, 1, "another change of this app is under way");
	} else {
		begin(a, r, to);
	}
}
