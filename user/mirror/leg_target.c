/* The Target leg's life: dial, lose, dial again, give up for a while. It never touches the app's connection. */
#include "base/log.h"
#include "base/text.h"
#include "client/out.h"
#include "client/pack.h"
#include "mirror/worker.h"

#include <string.h>

static void dial(struct leg *l);

static void note(struct leg *l, const char *why)
{
	text_copy(l->why, sizeof l->why, why);
}

/* Take down the connection: what was sent is in doubt, what waited goes on waiting. */
static void drop(struct leg *l)
{
	struct session *s = l->s;

	pipe_close(&l->pipe, false);
	leg_tasks_lost(l);
	for (struct list *it = s->age.next, *next; it != &s->age; it = next) {
		struct inflight *r = list_entry(it, struct inflight, age);
		struct part *p = &r->part[TARGET];
		next = it->next;
		if (p->id < 0)
			continue;
		p->id = -1;
		inflight_settle(r, TARGET, OUTCOME_UNKNOWN, NULL, (struct cql_view){0});
	}
	ids_fini(&l->ids);
	l->zombies = 0;
	l->syncing = l->moving = false;
	l->discarding = false;
	out_free(&l->gather);
	l->keyspace[0] = 0;
	l->missing[0] = 0;
}

static void go_down(struct leg *l)
{
	struct app *a = l->s->app;

	if (l->state != LEG_DOWN) {
		char at[ENDPOINT_TEXT];
		log_warn("target_leg_down", "app=%s session=%llu node=%s reason=" LOGV, a->name,
			(unsigned long long)l->s->id, endpoint_format(&l->at, at), log_quote(l->why));
	}
	if (l->state != LEG_DOWN)
		leg_set_state(l, LEG_DOWN);
	l->first_ns = 0;
	leg_fail_waiting(l, OUTCOME_REFUSED);
}

/* Every node was tried. */
static void gave_out(struct leg *l)
{
	breaker_failed(&l->s->app->breaker, l->s->w->now_ns);
	l->admitted = false;
	go_down(l);
}

/* The client's own login was refused (target_auth: forward): that is no trouble of Target's, nor of any other session. */
static void rest(struct leg *l)
{
	if (l->admitted)
		breaker_gave_up(&l->s->app->breaker);
	l->admitted = false;
	l->rest_until_ns = l->s->w->now_ns + LEG_REST_NS;
	go_down(l);
}

/* The node of this try failed: the next one, or down. */
static void try_next(struct leg *l)
{
	l->tried++;
	pipe_close(&l->pipe, false);
	if (l->login_refused && l->s->policy->forward_auth)
		rest(l);
	else
		dial(l);
}

static void target_open(void *ctx)
{
	struct leg *l = ctx;

	leg_handshake_begin(l);
	session_flush(l->s);
}

static size_t target_input(void *ctx, const uint8_t *p, size_t n)
{
	struct leg *l = ctx;

	return pipe_input(&l->pipe, p, n);
}

static void target_end(void *ctx, int err)
{
	struct leg *l = ctx;

	leg_target_lost(l, err ? strerror(-err) : "closed the connection");
	session_flush(l->s);
	session_pace(l->s);
}

static void target_drain(void *ctx)
{
	struct leg *l = ctx;

	session_pace(l->s);
}

static const struct wire_ops TARGET_WIRE = {
	.on_open = target_open, .on_input = target_input, .on_end = target_end, .on_drain = target_drain};

static void dial(struct leg *l)
{
	struct session *s = l->s;
	const struct pipe_ops ops = l->pipe.ops;

	if (!site_node(s->app->site[TARGET], l->rotor, l->tried, &l->at)) {
		if (!l->tried)
			note(l, "no node of Target is known");
		gave_out(l);
		return;
	}
	pipe_init(&l->pipe, pack_libs(), s->w->scratch, true, CQL_MAX_BODY, &ops, l);
	l->login_refused = false;
	leg_set_state(l, LEG_DIALING);
	if (wire_dial(&s->w->hub, &l->at, LEG_DIAL_MS, &TARGET_WIRE, l, &l->pipe.wire)) {
		note(l, "out of memory or descriptors");
		gave_out(l);
	}
}

void leg_target_start(struct leg *l)
{
	struct app *a = l->s->app;

	if (l->s->w->now_ns < l->rest_until_ns && l->state == LEG_DOWN)
		return;
	if (!breaker_admit(&a->breaker, l->s->w->now_ns)) {
		if (l->state == LEG_NONE)
			leg_set_state(l, LEG_DOWN);
		return;
	}
	if (l->state == LEG_NONE)
		l->first_ns = l->s->w->now_ns;
	l->admitted = breaker_is_open(&a->breaker);
	l->rotor = site_rotor(a->site[TARGET]);
	l->tried = 0;
	dial(l);
}

void leg_target_stop(struct leg *l)
{
	if (l->state == LEG_NONE)
		return;
	if (l->admitted)
		breaker_gave_up(&l->s->app->breaker);
	l->admitted = false;
	leg_set_state(l, LEG_NONE);
	drop(l);
	leg_fail_waiting(l, OUTCOME_REFUSED);
}

void leg_target_lost(struct leg *l, const char *why)
{
	enum leg_state was = l->state;

	if (was == LEG_NONE || was == LEG_DOWN)
		return;
	note(l, why);
	if (was == LEG_READY) {
		char at[ENDPOINT_TEXT];
		log_info("target_leg_lost", "app=%s session=%llu node=%s reason=" LOGV, l->s->app->name,
			(unsigned long long)l->s->id, endpoint_format(&l->at, at), log_quote(why));
		/* Writes that come while it is settled wait for the new leg. */
		leg_set_state(l, LEG_DIALING);
		drop(l);
		if (!breaker_admit(&l->s->app->breaker, l->s->w->now_ns)) {
			go_down(l);
			return;
		}
		l->admitted = breaker_is_open(&l->s->app->breaker);
		l->rotor = site_rotor(l->s->app->site[TARGET]);
		l->tried = 0;
		dial(l);
		return;
	}
	if (was != LEG_DIALING)
		leg_set_state(l, LEG_DIALING);
	drop(l);
	try_next(l);
}

void leg_target_tick(struct leg *l, uint64_t now)
{
	struct session *s = l->s;

	switch (l->state) {
	case LEG_NONE:
		if (policy_wants_leg(s->policy) && s->state == SESSION_READY)
			leg_target_start(l);
		break;
	case LEG_DOWN:
		if (!policy_wants_leg(s->policy))
			leg_target_stop(l);
		else
			leg_target_start(l);
		break;
	case LEG_STARTING:
	case LEG_AUTH:
	case LEG_KEYSPACE:
		if (now - l->state_ns > LEG_START_NS || now - l->state_ns > s->policy->request_timeout_ns)
			leg_target_lost(l, "no answer in the handshake");
		break;
	case LEG_READY:
		if (!policy_wants_leg(s->policy) && list_empty(&l->tasks) && list_empty(&l->waiting) &&
			!l->ids.used) {
			leg_target_stop(l);
			break;
		}
		leg_tasks_tick(l, now);
		leg_sync_keyspace(l);
		if (l->state == LEG_READY && l->zombies > LEG_ZOMBIES_MAX)
			leg_target_lost(l, "too many answers are missing");
		else if (l->state == LEG_READY && l->zombies &&
			 now - l->heard_ns > s->policy->request_timeout_ns)
			leg_target_lost(
				l, "silent"); /* frozen, or gone without a word: another node may do better */
		break;
	case LEG_DIALING:
	case LEG_RELAYING:
	case LEG_STATES:
		break;
	}
}
