/* `seam status`: what the mirrors count, what the kernel lets by, what the state file knows. */
#include "base/clock.h"
#include "ctl/keeper_int.h"
#include "ctl/when.h"

#include <string.h>

/* Where a mirror's status has each count, and where ours shows it: the same names in the same objects. */
static const struct {
	const char *object, *key; /* of the mirror's; object NULL: at the top */
	const char *shown_in;
} COUNT_NAMES[COUNTS] = {
	[COUNT_CAPTURED] = {NULL, "captured", "connections"},
	[COUNT_OPAQUE] = {NULL, "opaque", "connections"},
	[COUNT_OPEN] = {NULL, "open", "sessions"},
	[COUNT_TURNED_AWAY] = {NULL, "turned_away", "connections"},
	[COUNT_TOTAL] = {NULL, "total", "sessions"},
	[COUNT_READS] = {"requests", "reads", "requests"},
	[COUNT_WRITES] = {"requests", "writes", "requests"},
	[COUNT_OTHER] = {"requests", "other", "requests"},
	[COUNT_FAILED] = {"requests", "failed", "requests"},
	[COUNT_UNMIRRORED_LWT] = {"unmirrored", "lwt", "unmirrored"},
	[COUNT_UNMIRRORED_FUNCTIONS] = {"unmirrored", "functions", "unmirrored"},
	[COUNT_UNMIRRORED_SCHEMA] = {"unmirrored", "schema", "unmirrored"},
	[COUNT_UNMIRRORED_EXCLUDED] = {"unmirrored", "excluded", "unmirrored"},
	[COUNT_UNMIRRORED_OTHER] = {"unmirrored", "other", "unmirrored"},
	[COUNT_FAILED_WRITES] = {"target", "failed_writes", "target"},
	[COUNT_DIVERGED] = {"target", "diverged", "target"},
};

const char *keeper_state_name(enum keeper_state s)
{
	static const char *const names[] = {
		[KEEPER_DETACHED] = "detached",
		[KEEPER_WAITING] = "waiting",
		[KEEPER_REFUSED] = "refused",
		[KEEPER_ATTACHED] = "attached",
		[KEEPER_DETACHING] = "detaching",
	};

	return names[s];
}

void keeper_take_status(struct keeper_mirror *m, const json_t *answer)
{
	const json_t *apps = json_object_get(answer, "apps");

	m->heard = true;
	for (size_t i = 0; i < m->k->config->n_apps; i++) {
		const json_t *a = json_object_get(apps, m->k->config->apps[i].name);
		const char *target =
			json_string_value(json_object_get(json_object_get(a, "target"), "state"));
		if (!a)
			continue;
		for (int c = 0; c < COUNTS; c++) {
			const json_t *in =
				COUNT_NAMES[c].object ? json_object_get(a, COUNT_NAMES[c].object) : a;
			json_int_t v = json_integer_value(json_object_get(in, COUNT_NAMES[c].key));
			m->counts[i].n[c] = v > 0 ? (uint64_t)v : 0;
		}
		m->counts[i].target_up = target && !strcmp(target, "up");
	}
}

uint64_t keeper_app_total(const struct keeper_app *a, enum keeper_count c)
{
	uint64_t n = a->past.n[c];

	if (a->k->mirror)
		n += a->k->mirror->counts[a->index].n[c];
	list_for_each (l, &a->k->elders)
		n += list_entry(l, struct keeper_mirror, link)->counts[a->index].n[c];
	return n;
}

static json_t *gaps_json(const struct state_app *s)
{
	json_t *list = json_array();
	char from[WHEN_TEXT], to[WHEN_TEXT];

	for (size_t i = 0; i < s->n_gaps; i++)
		json_array_append_new(
			list, json_pack("{s:s, s:s?, s:s, s:s}", "from", when_format(s->gaps[i].from, from),
				      "to", s->gaps[i].to ? when_format(s->gaps[i].to, to) : NULL,
				      "direction", "to_target", "reason", s->gaps[i].reason));
	return list;
}

static json_t *flags_json(const struct state_app *s)
{
	json_t *list = json_array();
	char since[WHEN_TEXT];

	for (size_t i = 0; i < s->n_flags; i++)
		json_array_append_new(
			list, json_pack("{s:s?, s:s, s:s}", "table", s->flags[i].table, "reason",
				      s->flags[i].reason, "since", when_format(s->flags[i].since, since)));
	return list;
}

json_t *keeper_app_json(struct keeper_app *a)
{
	const struct state_app *s = keeper_app_state(a);
	enum phases_id phase = keeper_app_phase(a);
	bool up = a->k->mirror && a->k->mirror->counts[a->index].target_up;
	json_t *j = json_pack(
		"{s:s, s:s, s:s, s:s, s:[], s:{s:s, s:s}, s:{s:i}, s:{}, s:{}, s:{}, s:o, s:{s:s}, s:o}",
		"name", a->c->name, "state", keeper_state_name(a->state), "phase", phases_name(phase),
		"authority", phases_authority(phase), "cgroups", "data_path", "mode", "tcp", "reason",
		a->c->data_path == CONFIG_DATA_TCP ? "the config says tcp" : "sockmap is not in this version",
		"connections", "not_captured", (int)a->not_captured, "sessions", "requests", "unmirrored",
		"flagged", flags_json(s), "target", "state", up ? "up" : "down", "gaps", gaps_json(s));

	if (!j)
		return NULL;
	if (a->state == KEEPER_ATTACHED || a->state == KEEPER_REFUSED || a->state == KEEPER_DETACHING)
		if (a->path[0])
			json_array_append_new(json_object_get(j, "cgroups"), json_string(a->path));
	if (a->state == KEEPER_REFUSED || a->state == KEEPER_WAITING)
		json_object_set_new(j, "reason", json_string(a->reason));
	for (int c = 0; c < COUNTS; c++)
		json_object_set_new(json_object_get(j, COUNT_NAMES[c].shown_in), COUNT_NAMES[c].key,
			json_integer((json_int_t)keeper_app_total(a, (enum keeper_count)c)));
	return j;
}

json_t *keeper_status_json(struct keeper *k, const struct keeper_app *only)
{
	json_t *apps = json_array(), *elders = json_array();
	uint64_t up = (clock_mono_ns() - k->started_ns) / SECOND_NS;

	for (size_t i = 0; i < k->config->n_apps; i++)
		if (!only || only == &k->apps[i])
			json_array_append_new(apps, keeper_app_json(&k->apps[i]));
	list_for_each (l, &k->elders)
		json_array_append_new(elders, json_integer(list_entry(l, struct keeper_mirror, link)->pid));
	json_t *j = json_pack("{s:{s:s, s:i, s:o, s:I, s:s, s:o}, s:o}", "daemon", "version", SEAM_VERSION,
		"pid", (int)getpid(), "mirror_pid", k->mirror ? json_integer(k->mirror->pid) : json_null(),
		"uptime_s", (json_int_t)up, "state",
		k->stopping ? "stopping"
		: k->ready  ? "ready"
			    : "starting",
		"elder_mirrors", elders, "apps", apps);
	return j;
}
