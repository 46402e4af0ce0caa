/* What the mirror knows, as JSON for the keeper. */
#include "mirror/world.h"

#include "base/text.h"

#include <string.h>

struct sums {
	uint64_t requests[REQUEST_KINDS], failed, unmirrored[UNMIRRORED_KINDS], failed_writes, diverged,
		sessions;
	int64_t open, opaque, legs_up;
};

static struct sums sum(const struct app *a)
{
	struct sums s = {0};

	for (unsigned i = 0; i < a->n_workers; i++) {
		const struct app_stats *st = &a->stats[i];
		for (int k = 0; k < REQUEST_KINDS; k++)
			s.requests[k] += st->requests[k];
		for (int k = 0; k < UNMIRRORED_KINDS; k++)
			s.unmirrored[k] += st->unmirrored[k];
		s.failed += st->failed;
		s.failed_writes += st->failed_writes;
		s.diverged += st->diverged;
		s.sessions += st->sessions;
		s.open += st->open;
		s.opaque += st->opaque;
		s.legs_up += st->legs_up;
	}
	return s;
}

static json_t *app_status(struct app *a)
{
	struct sums s = sum(a);
	json_t *unmirrored = json_object();
	struct policy *p = app_policy(a);
	/* Up: reachable as far as anybody knows. Where there are sessions to mirror, their legs know best. */
	bool up = a->site[TARGET]->known && a->site[TARGET]->connected;
	if (policy_mirrors(p) && s.open > s.opaque)
		up = s.legs_up > 0;
	up = up && !breaker_is_open(&a->breaker);

	for (int k = MIRRORED + 1; k < UNMIRRORED_KINDS; k++)
		json_object_set_new(unmirrored, unmirrored_name((enum unmirrored)k),
			json_integer((json_int_t)s.unmirrored[k]));
	policy_unref(p);
	return json_pack("{s:I s:I s:I s:I s:I s:{s:I s:I s:I s:I} s:o s:{s:s s:I s:I}}", "captured",
		(json_int_t)s.open, "opaque", (json_int_t)s.opaque, "turned_away", (json_int_t)a->turned_away,
		"open", (json_int_t)s.open, "total", (json_int_t)s.sessions, "requests", "reads",
		(json_int_t)s.requests[REQUEST_READ], "writes", (json_int_t)s.requests[REQUEST_WRITE],
		"other", (json_int_t)s.requests[REQUEST_OTHER], "failed", (json_int_t)s.failed, "unmirrored",
		unmirrored, "target", "state", up ? "up" : "down", "failed_writes",
		(json_int_t)s.failed_writes, "diverged", (json_int_t)s.diverged);
}

json_t *report_status(struct world *w)
{
	json_t *apps = json_object();

	for (unsigned i = 0; i < w->n_doors; i++)
		json_object_set_new(apps, w->doors[i]->app->name, app_status(w->doors[i]->app));
	return apps;
}

/* ---- sessions: each worker writes its own */

struct roll {
	struct world *world;
	struct channel *channel;
	json_int_t id;
	char app[NAME_CAP];
	unsigned left;
	json_t *rows;
};

struct roll_part {
	struct roll *roll;
	json_t *rows;
};

static json_t *session_row(const struct session *s)
{
	char app[ENDPOINT_TEXT], origin[ENDPOINT_TEXT], target[ENDPOINT_TEXT];
	const struct leg *t = &s->leg[TARGET];
	bool up = t->state == LEG_READY;

	return json_pack("{s:s s:s s:s s:s? s:s s:s s:i s:s s:s s:s s:i s:I s:s}", "app", s->app->name,
		"app_addr", endpoint_format(&s->app_addr, app), "origin",
		endpoint_format(&s->origin_addr, origin), "target",
		up ? endpoint_format(&t->at, target) : NULL, "driver", s->driver, "driver_version",
		s->driver_version, "protocol", s->version, "compression",
		cql_compression_name(s->compression), "keyspace", s->keyspace, "user", s->user, "in_flight",
		(int)s->in_flight, "requests", (json_int_t)s->requests, "path", "tcp");
}

static void roll_done(void *owner, void *arg)
{
	struct world *w = owner;
	struct roll_part *p = arg;
	struct roll *r = p->roll;

	json_array_extend(r->rows, p->rows);
	json_decref(p->rows);
	free(p);
	if (--r->left)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(w->lines); i++)
		if (w->lines[i].channel && w->lines[i].channel == r->channel)
			line_say(&w->lines[i], json_pack("{s:s s:I s:b s:O}", "op", "answer", "id", r->id,
						       "ok", 1, "sessions", r->rows));
	json_decref(r->rows);
	free(r);
}

static void call_roll(void *owner, void *arg)
{
	struct worker *w = owner;
	struct roll_part *p = arg;

	list_for_each (it, &w->sessions) {
		const struct session *s = list_entry(it, struct session, link);
		if (!p->roll->app[0] || !strcmp(p->roll->app, s->app->name))
			json_array_append_new(p->rows, session_row(s));
	}
	if (main_post(p->roll->world, roll_done, p)) {
		json_decref(p->rows);
		free(p); /* no memory: the keeper's time limit answers */
	}
}

void report_sessions(struct world *w, struct keeper_line *l, json_int_t id, const char *app)
{
	struct roll *r = calloc(1, sizeof *r);

	if (!r)
		return;
	r->world = w;
	r->channel = l->channel;
	r->id = id;
	r->rows = json_array();
	r->left = w->n_workers;
	if (app)
		text_copy(r->app, sizeof r->app, app);
	for (unsigned i = 0; i < w->n_workers; i++) {
		struct roll_part *p = calloc(1, sizeof *p);
		if (!p)
			continue;
		*p = (struct roll_part){r, json_array()};
		if (worker_post(&w->workers[i], call_roll, p)) {
			json_decref(p->rows);
			free(p);
		}
	}
}

json_t *report_topology(const struct site *s, const struct topology_view *v)
{
	json_t *endpoints = json_array(), *versions = json_array(), *datacenters = json_object();
	char text[ENDPOINT_TEXT];

	for (size_t i = 0; i < v->n_contacts; i++)
		json_array_append_new(endpoints, json_string(endpoint_format(&v->contacts[i], text)));
	for (size_t i = 0; i < v->n_nodes; i++) {
		json_array_append_new(endpoints, json_string(endpoint_format(&v->nodes[i].at, text)));
		json_object_set_new(datacenters, v->nodes[i].datacenter, json_true());
	}
	for (int k = CQL_V3; k <= CQL_V5; k++)
		if (v->versions[k])
			json_array_append_new(versions, json_integer(k));
	json_t *names = json_array();
	const char *name;
	json_t *x;
	json_object_foreach (datacenters, name, x)
		json_array_append_new(names, json_string(name));
	json_decref(datacenters);
	return json_pack("{s:s s:s s:b s:s s:o s:o s:s s:s s:o}", "op", "topology", "cluster", s->name, "ok",
		v->ok && v->connected, "error", v->error, "endpoints", endpoints, "versions", versions,
		"release", v->release, "cluster_name", v->cluster_name, "datacenters", names);
}
