/* The message `config` becomes sites and apps. The keeper has checked the values for people; here they are checked for sense. */
#include "base/log.h"
#include "base/text.h"
#include "mirror/world.h"

#include <string.h>

static struct site *find_site(struct world *w, const char *name)
{
	for (unsigned i = 0; i < w->n_sites; i++)
		if (name && !strcmp(w->sites[i]->name, name))
			return w->sites[i];
	return NULL;
}

struct discovery {
	struct world *world;
	struct site *site;
};

static void on_topology(void *ctx, const struct topology_view *v)
{
	struct discovery *d = ctx;

	site_update(d->site, v);
	world_say(d->world, report_topology(d->site, v));
}

static const char *add_site(struct world *w, const char *name, json_t *c)
{
	const char *points[TOPOLOGY_CONTACTS];
	json_t *list = json_object_get(c, "contact_points"), *p;
	size_t i, n = 0;

	if (find_site(w, name))
		return NULL;
	if (w->n_sites == WORLD_SITES)
		return "too many clusters";
	json_array_foreach (list, i, p) {
		if (n < TOPOLOGY_CONTACTS && json_string_value(p))
			points[n++] = json_string_value(p);
	}
	struct topology_opts o = {
		.name = name,
		.contact_points = points,
		.n_contact_points = n,
		.port = (uint16_t)json_integer_value(json_object_get(c, "port")),
		.user = json_string_value(json_object_get(c, "user")),
		.password = json_string_value(json_object_get(c, "password")),
	};
	struct site *s =
		site_new(name, o.user, o.password, json_string_value(json_object_get(c, "datacenter")));
	struct discovery *d = calloc(1, sizeof *d);
	if (!s || !d || !n) {
		site_free(s);
		free(d);
		return n ? "out of memory" : "a cluster without contact points";
	}
	*d = (struct discovery){w, s};
	s->discovery = d;
	if (topology_open(&w->hub, &o, on_topology, d, &s->topology)) {
		site_free(s);
		return "cannot start discovery";
	}
	w->sites[w->n_sites++] = s;
	return NULL;
}

static uint64_t ms(json_t *a, const char *key)
{
	return (uint64_t)json_integer_value(json_object_get(a, key)) * 1000000;
}

static struct policy *policy_from(struct world *w, json_t *a)
{
	json_t *list = json_object_get(a, "exclude"), *e;
	const char *phase = json_string_value(json_object_get(a, "phase"));
	const char *failure = json_string_value(json_object_get(a, "follower_failure"));
	const char *auth = json_string_value(json_object_get(a, "target_auth"));
	const char *schema = json_string_value(json_object_get(a, "schema"));
	int ph = phase ? phase_from_name(phase) : PHASE_PASSTHROUGH;
	struct policy *p = calloc(1, sizeof *p);
	size_t i, n = json_array_size(list);

	if (!p || ph < 0 || n > POLICY_EXCLUDES || !(p->exclude = calloc(n ? n : 1, TABLE_CAP))) {
		free(p);
		return NULL;
	}
	p->refs = 1;
	p->phase = (enum phase)ph;
	p->epoch = ++w->epoch;
	p->failure = failure && !strcmp(failure, "count") ? FAILURE_COUNT : FAILURE_FAIL;
	p->follower_wait_ns = ms(a, "follower_wait_ms");
	p->request_timeout_ns = ms(a, "request_timeout_ms");
	p->forward_auth = auth && !strcmp(auth, "forward");
	p->schema_both = !schema || !strcmp(schema, "both");
	p->session_buffer = (uint32_t)json_integer_value(json_object_get(a, "session_buffer"));
	json_int_t frame = json_integer_value(json_object_get(a, "frame"));
	p->frame = frame > 0 && frame < (json_int_t)CQL_MAX_BODY ? (uint32_t)frame : CQL_MAX_BODY;
	json_array_foreach (list, i, e) {
		if (json_string_value(e))
			text_copy(p->exclude[p->n_exclude++], TABLE_CAP, json_string_value(e));
	}
	return p;
}

struct policy *settings_policy(struct world *w, const struct policy *like, enum phase phase)
{
	struct policy *p = malloc(sizeof *p);
	char(*exclude)[TABLE_CAP] = calloc(like->n_exclude ? like->n_exclude : 1, TABLE_CAP);

	if (!p || !exclude) {
		free(p);
		free(exclude);
		return NULL;
	}
	memcpy(p, like, sizeof *p);
	memcpy(exclude, like->exclude, like->n_exclude * TABLE_CAP);
	p->exclude = exclude;
	p->refs = 1;
	p->phase = phase;
	p->leg_ahead = false;
	p->epoch = ++w->epoch;
	return p;
}

static void on_flag(void *ctx, struct app *a, const char *table, enum flag f);

struct flag_note {
	char app[NAME_CAP], table[TABLE_CAP];
	enum flag flag;
};

static void say_flag(void *owner, void *arg)
{
	struct world *w = owner;
	struct flag_note *n = arg;

	world_say(w, json_pack("{s:s s:s s:s? s:s}", "op", "flag", "app", n->app, "table",
			     n->table[0] ? n->table : NULL, "reason", flag_name(n->flag)));
	free(n);
}

static void on_flag(void *ctx, struct app *a, const char *table, enum flag f)
{
	struct flag_note *n = calloc(1, sizeof *n);

	if (!n)
		return;
	memcpy(n->app, a->name, sizeof n->app);
	if (table)
		text_copy(n->table, sizeof n->table, table);
	n->flag = f;
	if (main_post(ctx, say_flag, n))
		free(n);
}

void settings_flags_again(struct world *w, struct keeper_line *l)
{
	for (unsigned i = 0; i < w->n_doors; i++) {
		struct app *a = w->doors[i]->app;
		pthread_mutex_lock(&a->lock);
		for (size_t k = 0; k < a->n_flagged; k++)
			line_say(l, json_pack("{s:s s:s s:s? s:s}", "op", "flag", "app", a->name, "table",
					    a->flagged[k].table[0] ? a->flagged[k].table : NULL, "reason",
					    flag_name(a->flagged[k].flag)));
		pthread_mutex_unlock(&a->lock);
	}
}

static const char *add_app(struct world *w, const char *name, json_t *a)
{
	struct site *origin = find_site(w, json_string_value(json_object_get(a, "origin")));
	struct site *target = find_site(w, json_string_value(json_object_get(a, "target")));

	if (world_door(w, name))
		return NULL; /* its phase changes by `phase`, the rest by a restart */
	if (!origin || !target)
		return "an app names a cluster that is not there";
	if (w->n_doors == WORLD_APPS)
		return "too many apps";
	struct policy *p = policy_from(w, a);
	if (!p)
		return "an app's settings make no sense";
	struct door *d = calloc(1, sizeof *d);
	struct app *app =
		d ? app_new(name, w->n_workers, p, (size_t)json_integer_value(json_object_get(a, "prepared")))
		  : NULL;
	if (!app) {
		free(d);
		policy_unref(p);
		return "out of memory";
	}
	app->site[ORIGIN] = origin;
	app->site[TARGET] = target;
	app->on_flag = on_flag;
	app->ctx = w;
	*d = (struct door){.world = w, .app = app, .flows_fd = -1};
	pthread_mutex_lock(&w->lock);
	w->doors[w->n_doors++] = d;
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void heartbeat(void *ctx, unsigned worker, uint64_t now)
{
	struct world *w = ctx;

	pthread_mutex_lock(&w->lock);
	for (unsigned i = 0; i < w->n_doors; i++)
		if (w->doors[i]->heartbeat)
			w->env->heartbeat_stamp(w->doors[i]->heartbeat, worker, now);
	pthread_mutex_unlock(&w->lock);
}

static const char *start_workers(struct world *w, json_t *msg)
{
	json_int_t n = json_integer_value(json_object_get(msg, "workers"));

	if (n < 1 || n > WORKERS_MAX)
		return "workers out of range";
	w->worker_env.n_workers = (unsigned)n;
	w->worker_env.memory = (uint64_t)json_integer_value(json_object_get(msg, "memory"));
	w->worker_env.heartbeat = heartbeat;
	w->worker_env.ctx = w;
	w->workers = calloc((size_t)n, sizeof *w->workers);
	if (!w->workers)
		return "out of memory";
	for (; w->n_workers < (unsigned)n; w->n_workers++)
		if (worker_start(&w->workers[w->n_workers], w->n_workers, &w->worker_env))
			return "cannot start a worker";
	return NULL;
}

const char *settings_apply(struct world *w, json_t *msg)
{
	const char *name, *wrong = NULL;
	json_t *v;

	json_object_foreach (json_object_get(msg, "clusters"), name, v) {
		wrong = wrong ? wrong : add_site(w, name, v);
	}
	if (!wrong && !w->configured)
		wrong = start_workers(w, msg);
	json_object_foreach (json_object_get(msg, "apps"), name, v) {
		wrong = wrong ? wrong : add_app(w, name, v);
	}
	w->configured |= !wrong;
	return wrong;
}
