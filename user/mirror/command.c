/* What a keeper asks, done and answered. */
#include "base/log.h"
#include "mirror/world.h"

#include <string.h>

static void answer(struct keeper_line *l, json_int_t id, const char *refused)
{
	line_say(l, refused ? json_pack("{s:s s:I s:b s:[s]}", "op", "answer", "id", id, "ok", 0, "refused",
				      refused)
			    : json_pack("{s:s s:I s:b}", "op", "answer", "id", id, "ok", 1));
}

static const char *listen_on(struct door *d, json_t *msg, int fds[CHANNEL_FDS], unsigned n)
{
	bool v6_too = !json_is_false(json_object_get(msg, "v6")); /* a host may have no IPv6 */
	unsigned at = v6_too ? 2 : 1;

	if (n != (v6_too ? 4 : 3))
		return "listen came with a wrong number of descriptors";
	int v4 = TAKE_FD(fds[0]), v6 = v6_too ? TAKE_FD(fds[1]) : -1;
	int flows = TAKE_FD(fds[at]), hb = TAKE_FD(fds[at + 1]);
	unsigned bank = (unsigned)json_integer_value(json_object_get(msg, "bank"));
	if (door_open(d, v4, v6, flows, hb, bank))
		return "cannot listen";
	return NULL;
}

/* Detach: new connections go direct already; the sessions that live turn to passthrough in place. */
static void unlisten(struct world *w, struct keeper_line *l, json_int_t id, struct door *d)
{
	door_close(d);
	turn_begin(w, l, id, d, PHASE_PASSTHROUGH);
}

static void phase(struct world *w, struct keeper_line *l, json_int_t id, struct door *d, const char *name)
{
	int to = name ? phase_from_name(name) : -1;

	if (to < 0)
		answer(l, id, "not in this version");
	else if (d->turn)
		answer(l, id, "another phase switch of this app is under way");
	else
		turn_begin(w, l, id, d, (enum phase)to);
}

void command_message(struct keeper_line *l, json_t *msg, int fds[CHANNEL_FDS], unsigned n_fds)
{
	struct world *w = l->world;
	const char *op = json_string_value(json_object_get(msg, "op"));
	const char *app = json_string_value(json_object_get(msg, "app"));
	json_int_t id = json_integer_value(json_object_get(msg, "id"));
	struct door *d = app ? world_door(w, app) : NULL;

	op = op ? op : "";
	if (!strcmp(op, "config"))
		answer(l, id, settings_apply(w, msg));
	else if (!strcmp(op, "status"))
		line_say(l, json_pack("{s:s s:I s:b s:o}", "op", "answer", "id", id, "ok", 1, "apps",
				    report_status(w)));
	else if (!strcmp(op, "sessions"))
		report_sessions(w, l, id, app);
	else if (!strcmp(op, "stop"))
		world_leave(w, (uint64_t)json_integer_value(json_object_get(msg, "timeout_s")) * 1000000000u);
	else if (!d)
		answer(l, id, "no such app");
	else if (!strcmp(op, "listen"))
		answer(l, id, listen_on(d, msg, fds, n_fds));
	else if (!strcmp(op, "unlisten"))
		unlisten(w, l, id, d);
	else if (!strcmp(op, "phase"))
		phase(w, l, id, d, json_string_value(json_object_get(msg, "phase")));
	else
		answer(l, id, "unknown op");
}
