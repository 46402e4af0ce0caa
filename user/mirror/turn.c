/*
 * A phase switch. Toward a phase that mirrors, sessions first get their Target legs while the former phase goes on, so that a Target that cannot
 * be reached fails no write. Then every worker gives its sessions the new policy, and round after round they are asked whether all sessions
 * have their legs and the last request of the former phase has ended. Not so within request_timeout: the former phase comes back, everywhere.
 * A later switch of the same app (a detach) takes the place of one that is under way.
 */
#include "base/clock.h"
#include "base/log.h"
#include "mirror/world.h"

#include <errno.h>
#include <string.h>

#define ROUND_MS 5
#define NS_PER_S 1000000000ull

struct turn {
	struct world *world;
	struct channel *channel; /* that asked; compared with the lines before it is answered */
	json_int_t id;
	struct list link; /* world->turns */
	struct door *door;
	enum phase to;
	struct policy *from; /* a reference */
	bool ahead;          /* legs first: the policy given is not yet that of the phase */
	bool superseded;
	uint64_t deadline_ns;
	uv_timer_t timer;
	unsigned left;   /* workers that have not said in this round */
	unsigned behind; /* sessions that are not there yet, in this round */
	bool tried;      /* `why` is of a leg that was dialled */
	char why[160];
};

/* A worker's part: of giving the policy, or of a round. */
struct errand {
	struct turn *turn;
	struct app *app;
	struct policy *policy; /* a reference */
	unsigned behind;
	bool tried;
	char why[160];
};

static void give(void *owner, void *arg)
{
	struct worker *w = owner;
	struct errand *e = arg;

	list_for_each_safe (it, &w->sessions) {
		struct session *s = list_entry(it, struct session, link);
		if (s->app != e->app || s->policy->epoch >= e->policy->epoch)
			continue;
		session_set_policy(s, e->policy);
		session_flush(s);
	}
	policy_unref(e->policy);
	free(e);
}

static int give_all(struct world *w, struct door *d, struct policy *p)
{
	app_set_policy(d->app, policy_ref(p));
	for (unsigned i = 0; i < w->n_workers; i++) {
		struct errand *e = calloc(1, sizeof *e);
		if (!e)
			return -ENOMEM;
		*e = (struct errand){.app = d->app, .policy = policy_ref(p)};
		if (worker_post(&w->workers[i], give, e)) {
			policy_unref(p);
			free(e);
			return -ENOMEM;
		}
	}
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct turn *t = h->data;

	policy_unref(t->from);
	free(t);
}

static void end(struct turn *t, const char *refused)
{
	struct world *w = t->world;
	json_t *msg = refused ? json_pack("{s:s s:I s:b s:[s]}", "op", "answer", "id", t->id, "ok", 0,
					"refused", refused)
			      : json_pack("{s:s s:I s:b}", "op", "answer", "id", t->id, "ok", 1);

	log_info("phase", "app=%s phase=%s ok=%s", t->door->app->name, phase_name(t->to),
		refused ? "false" : "true");
	for (unsigned i = 0; i < ARRAY_LEN(w->lines); i++)
		if (w->lines[i].channel && w->lines[i].channel == t->channel)
			line_say(&w->lines[i], json_incref(msg));
	json_decref(msg);
	if (t->door->turn == t)
		t->door->turn = NULL;
	list_del(&t->link);
	uv_close((uv_handle_t *)&t->timer, on_closed);
}

void turns_drop(struct world *w)
{
	list_for_each_safe (it, &w->turns) {
		struct turn *t = list_entry(it, struct turn, link);
		list_del(&t->link);
		uv_close((uv_handle_t *)&t->timer, on_closed);
	}
}

/* Make the policy of a stage and give it to everybody. */
static int stage(struct turn *t, enum phase phase, bool ahead)
{
	struct policy *p = settings_policy(t->world, t->from, phase);

	if (!p)
		return -ENOMEM;
	p->leg_ahead = t->ahead = ahead;
	int err = give_all(t->world, t->door, p);
	policy_unref(p);
	return err;
}

static void said(void *owner, void *arg)
{
	struct errand *e = arg;
	struct turn *t = e->turn;
	char refused[256];

	if (e->behind && (!t->behind || (e->tried && !t->tried)))
		memcpy(t->why, e->why, sizeof t->why);
	t->behind += e->behind;
	t->tried |= e->tried;
	free(e);
	(void)owner;
	if (--t->left)
		return;
	if (t->superseded) {
		end(t, "another phase switch of this app took its place");
		return;
	}
	if (!t->behind && !t->ahead) {
		end(t, NULL);
		return;
	}
	if (t->behind && clock_mono_ns() < t->deadline_ns)
		return; /* the timer begins the next round */
	if (t->behind && t->to == PHASE_PASSTHROUGH) {
		/* Going back is never refused: what is left ends under the phase it began in. No T0 comes of it. */
		log_warn("phase_stragglers", "app=%s sessions=%u", t->door->app->name, t->behind);
		end(t, NULL);
		return;
	}
	if (!t->behind && !stage(t, t->to, false)) {
		/* The legs are there: now the former phase's last requests have their time. */
		t->deadline_ns = clock_mono_ns() + t->from->request_timeout_ns + NS_PER_S;
		return;
	}
	if (!t->behind)
		snprintf(t->why, sizeof t->why, "out of memory");
	snprintf(refused, sizeof refused, "%u sessions did not follow in time: %s", t->behind, t->why);
	if (stage(t, t->from->phase, false))
		log_error("phase_not_back", "app=%s reason=memory", t->door->app->name);
	end(t, refused);
}

static void look(void *owner, void *arg)
{
	struct worker *w = owner;
	struct errand *e = arg;

	list_for_each (it, &w->sessions) {
		const struct session *s = list_entry(it, struct session, link);
		const char *why = "";
		if (s->app != e->app || session_is_settled(s, &why))
			continue;
		/* One that tried knows more than those that the breaker holds back. */
		bool tried = s->leg[TARGET].why[0];
		if (!e->behind++ || (tried && !e->tried))
			snprintf(e->why, sizeof e->why, "%s", why);
		e->tried |= tried;
	}
	if (main_post(e->turn->world, said, e))
		free(e); /* no memory: the keeper's own time limit ends the switch */
}

static void on_round(uv_timer_t *timer)
{
	struct turn *t = timer->data;
	struct world *w = t->world;

	if (t->left)
		return; /* the last round is still under way */
	t->behind = 0;
	t->tried = false;
	t->left = w->n_workers;
	for (unsigned i = 0; i < w->n_workers; i++) {
		struct errand *e = calloc(1, sizeof *e);
		if (e)
			*e = (struct errand){.turn = t, .app = t->door->app};
		if (!e || worker_post(&w->workers[i], look, e)) {
			free(e);
			t->left--;
			t->behind++;
		}
	}
}

void turn_begin(struct world *w, struct keeper_line *l, json_int_t id, struct door *d, enum phase to)
{
	struct policy *from = app_policy(d->app);
	struct turn *t = calloc(1, sizeof *t);

	if (!t || uv_timer_init(&w->loop, &t->timer)) {
		free(t);
		policy_unref(from);
		line_say(l, json_pack("{s:s s:I s:b s:[s]}", "op", "answer", "id", id, "ok", 0, "refused",
				    "out of memory"));
		return;
	}
	*t = (struct turn){.world = w,
		.channel = l->channel,
		.id = id,
		.door = d,
		.to = to,
		.from = from,
		.timer = t->timer};
	t->timer.data = t;
	t->deadline_ns = clock_mono_ns() + from->request_timeout_ns;
	list_push(&w->turns, &t->link);
	if (d->turn)
		d->turn->superseded = true;
	d->turn = t;
	bool ahead = to == PHASE_DUAL_WRITE && !policy_mirrors(from);
	if (stage(t, ahead ? from->phase : to, ahead)) {
		int err = stage(t, from->phase, false);
		(void)err; /* what stopped us is what there is to tell */
		end(t, "out of memory");
		return;
	}
	uv_timer_start(&t->timer, on_round, 0, ROUND_MS);
}
