/*
 * Gaps: when writes may have reached one cluster only. A gap is on disk before what ends the evidence for it is done, and it ends only
 * on evidence: attached, mirroring, the gate alive, and no connection left that goes around the mirror or can't be read.
 */
#include "base/clock.h"
#include "ctl/keeper_int.h"
#include "ctl/when.h"

#include <errno.h>
#include <string.h>

void keeper_gap_open(struct keeper_app *a, int64_t from, const char *reason)
{
	struct state_app *s = keeper_app_state(a);
	char text[WHEN_TEXT];
	int err = state_gap_open(s, from, reason);

	if (err == -EALREADY)
		return;
	if (err)
		log_error("gap_not_kept", "app=%s error=" LOGV, a->c->name, log_quote(strerror(-err)));
	log_warn("gap_opened", "app=%s from=%s reason=" LOGV, a->c->name, when_format(from, text),
		log_quote(reason));
	keeper_save_or_log(a->k);
}

void keeper_gap_at_start(struct keeper_app *a)
{
	const struct state_app *s = keeper_app_state(a);
	int64_t from = a->k->state->alive;
	struct keeper_gate g;

	if (!s->mirrored)
		return;
	/* The pinned stamps know better than the state file when Seam last lived; after a reboot there are none. */
	if (a->capture && a->k->env->capture_resumed(a->capture) && !a->k->env->gate_state(a->capture, &g) &&
		g.oldest_ns != UINT64_MAX)
		from = clock_wall_us() - (int64_t)(g.oldest_ns / 1000);
	keeper_gap_open(a, from - (int64_t)a->c->request_timeout * 1000, "daemon down");
}

/* Why writes may go to one cluster only now; NULL: they don't. */
static const char *cause(struct keeper_app *a, const struct keeper_through *t)
{
	struct keeper_gate g = {.alive = false};

	if (a->state == KEEPER_WAITING)
		return t->unacked ? "connections let through" : NULL; /* of a cgroup that has gone since */
	if (a->state == KEEPER_DETACHED || a->state == KEEPER_DETACHING)
		return "detached";
	if (a->state == KEEPER_REFUSED || !a->capture)
		return "not attached";
	if (!phases_mirrors(keeper_app_phase(a)))
		return "phase does not mirror";
	if (a->k->env->gate_state(a->capture, &g) || !g.alive)
		return "mirror down";
	if (t->unacked)
		return "connections let through";
	if (a->other_netns)
		return "connections in another network namespace";
	if (a->not_captured)
		return "connections not captured";
	if (keeper_app_total(a, COUNT_OPAQUE))
		return "opaque sessions";
	return NULL;
}

/* Has each mirror told how many of its sessions it cannot read? */
static bool all_heard(struct keeper *k)
{
	list_for_each (l, &k->elders)
		if (!list_entry(l, struct keeper_mirror, link)->heard)
			return false;
	return k->mirror && k->mirror->heard;
}

void keeper_gap_tick(struct keeper_app *a)
{
	struct state_app *s = keeper_app_state(a);
	struct keeper_through t = {.unacked = 0};
	int64_t now = clock_wall_us(), from = now;
	char text[WHEN_TEXT];

	if (a->capture)
		a->k->env->through_read(a->capture, &t);
	a->other_netns = a->state != KEEPER_WAITING && (a->other_netns || t.other_netns > a->netns_seen);
	a->netns_seen = t.other_netns;
	if (s->mirrored && a->decided) {
		const char *why = cause(a, &t);
		if (why && t.unacked && t.first_ns)
			from = now - (int64_t)((clock_mono_ns() - t.first_ns) / 1000);
		if (why)
			keeper_gap_open(a, from, why);
		else if (a->not_captured_known && all_heard(a->k) && state_gap_close(s, now)) {
			log_info("gap_closed", "app=%s at=%s", a->c->name, when_format(now, text));
			keeper_save_or_log(a->k);
		}
	}
	/* Kept as a gap, or before the first mirroring phase, when there are none. */
	if (t.unacked && (a->decided || !s->mirrored))
		a->k->env->through_ack(a->capture, &t);
}

void keeper_flag(struct keeper *k, const json_t *message)
{
	const char *app = json_string_value(json_object_get(message, "app")),
		   *table = json_string_value(json_object_get(message, "table")),
		   *reason = json_string_value(json_object_get(message, "reason"));
	struct keeper_app *a = app ? keeper_find(k, app) : NULL;

	static const char *const KNOWN[] = {"failed_writes", "diverged", "unmirrored", "opaque", "schema"};
	bool known = false;

	if (!a || !reason)
		return;
	/* The mirror is not trusted: what it says is kept for ever, and is read at the next start. */
	for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
		known |= !strcmp(reason, KNOWN[i]);
	if (!known || (table && strlen(table) > 512)) {
		log_error("flag_refused", "app=%s", app);
		return;
	}
	int new = state_flag(keeper_app_state(a), table, reason, clock_wall_us());
	if (new < 0)
		log_error("flag_not_kept", "app=%s error=" LOGV, app, log_quote(strerror(-new)));
	if (new <= 0)
		return;
	log_debug(
		"flag_kept", "app=%s table=" LOGV " reason=%s", app, log_quote(table ? table : "*"), reason);
	keeper_save_or_log(k);
}
