#include "mirror/inflight.h"

#include "base/clock.h"
#include "client/out.h"
#include "mirror/worker.h"

#include <errno.h>
#include <string.h>

#define SCHEMA_TIMEOUT_NS 75000000000ull /* TRUNCATE and DDL: request_timeout does not apply to them */
#define SCHEMA_WAIT_NS    10000000000ull /* for Target's answer and agreement, once Origin has answered */

struct inflight *inflight_new(struct session *s, const struct cql_header *h, const struct plan *plan)
{
	struct inflight *r = calloc(1, sizeof *r);

	if (!r)
		return NULL;
	r->s = s;
	r->policy = policy_ref(s->policy);
	r->plan = *plan;
	r->client_stream = h->stream;
	r->opcode = h->opcode;
	r->deadline_ns = s->w->now_ns + (plan->slow ? SCHEMA_TIMEOUT_NS : s->policy->request_timeout_ns);
	for (int c = ORIGIN; c < CLUSTERS; c++) {
		r->part[c] = (struct part){.which = (enum cluster)c, .id = -1};
		list_init(&r->part[c].queue);
	}
	r->part[ORIGIN].asked = true;
	r->part[TARGET].asked =
		plan->rule == RULE_WRITE || plan->rule == RULE_SCHEMA || plan->rule == RULE_PREPARE;
	if (plan->rule == RULE_USE)
		s->leg[TARGET].held++;
	list_push(&s->age, &r->age);
	s->in_flight++;
	return r;
}

int inflight_keep(struct inflight *r, struct cql_view body)
{
	r->body = malloc(body.n ? body.n : 1);
	if (!r->body)
		return -ENOMEM;
	if (body.n)
		memcpy(r->body, body.p, body.n);
	r->body_n = body.n;
	r->s->kept += body.n;
	if (body.n > r->s->longest)
		r->s->longest = body.n;
	return 0;
}

void inflight_free(struct inflight *r)
{
	struct session *s = r->s;

	for (int c = ORIGIN; c < CLUSTERS; c++) {
		struct part *p = &r->part[c];
		leg_unqueue(p);
		if (p->id >= 0)
			leg_zombie(&s->leg[c], p->id);
		if (p->agreeing)
			p->agreeing->agree = NULL;
		s->kept -= p->body_n;
		free(p->body);
	}
	if (r->plan.rule == RULE_USE)
		s->leg[TARGET].held--;
	if (s->relay == r)
		s->relay = NULL;
	s->kept -= r->body_n;
	if (r->for_target)
		s->kept_for_target -= r->body_n;
	if (!s->kept)
		s->longest = 0;
	list_del(&r->age);
	s->in_flight--;
	prepared_unref(r->prepared);
	policy_unref(r->policy);
	free(r->body);
	free(r);
}

static void flag(struct inflight *r, enum flag f)
{
	struct app *a = r->s->app;
	struct cql_view body = {r->body, r->body_n};
	struct cql_query q;
	struct cql_batch b;
	struct cql_class c;
	struct cql_error err;

	if (r->prepared && r->opcode == CQL_EXECUTE) {
		app_flag_class(a, &r->prepared->class, r->prepared->keyspace, f);
	} else if (r->opcode == CQL_BATCH && r->body && cql_batch_read(&r->head, body, &b, &err)) {
		app_flag_batch(a, r->head.version, &b, r->keyspace, f);
	} else if (r->opcode == CQL_QUERY && r->body && cql_query_read(&r->head, body, &q, &err)) {
		cql_classify(q.text, &c);
		app_flag_class(a, &c, r->keyspace, f);
	} else {
		app_flag(a, NULL, f);
	}
}

static void count(struct inflight *r, const struct merge_out *out)
{
	if (out->failed_write) {
		STAT_ADD(r->s->stats->failed_writes, 1);
		flag(r, FLAG_FAILED_WRITES);
	}
	if (out->diverged) {
		STAT_ADD(r->s->stats->diverged, 1);
		flag(r, FLAG_DIVERGED);
	}
	if (out->schema)
		flag(r, FLAG_SCHEMA);
}

static bool keep_answer(
	struct part *p, struct session *s, const struct cql_header *head, struct cql_view body)
{
	p->head = *head;
	p->body = malloc(body.n ? body.n : 1);
	if (!p->body)
		return false;
	if (body.n)
		memcpy(p->body, body.p, body.n);
	p->body_n = body.n;
	s->kept += body.n;
	return true;
}

static void answer_from(
	struct inflight *r, enum cluster from, const struct cql_header *head, struct cql_view body)
{
	struct part *p = &r->part[from];

	if (head)
		answer_reply(r->s, r->client_stream, head, body);
	else if (p->body)
		answer_reply(r->s, r->client_stream, &p->head, (struct cql_view){p->body, p->body_n});
	else if (p->outcome == OUTCOME_REFUSED)
		answer_error(r->s, r->client_stream, CQL_E_OVERLOADED,
			"Too many requests are under way on this connection");
	else
		answer_timeout(r); /* an outcome without an answer: lost before it spoke */
}

static void act(struct inflight *r, enum cluster which, const struct merge_out *out,
	const struct cql_header *head, struct cql_view body)
{
	struct session *s = r->s;

	if (!r->answered) {
		switch (out->verdict) {
		case VERDICT_WAIT:
			if (head && !keep_answer(&r->part[which], s, head, body))
				s->front.out.failed =
					true; /* no memory to hold it: the app's connection goes */
			break;
		case VERDICT_AUTHORITY:
			answer_from(r, ORIGIN, which == ORIGIN ? head : NULL, body);
			break;
		case VERDICT_FOLLOWER:
			answer_from(r, TARGET, which == TARGET ? head : NULL, body);
			break;
		case VERDICT_TIMEOUT:
			answer_timeout(r);
			break;
		}
		r->answered = out->verdict != VERDICT_WAIT;
	}
	if (!out->finished)
		return;
	count(r, out);
	if (r->pinned)
		r->done = true;
	else
		inflight_free(r);
}

void inflight_unpin(struct inflight *r)
{
	r->pinned = false;
	if (r->done)
		inflight_free(r);
}

static struct merge_in merge_in_of(const struct inflight *r, bool late)
{
	return (struct merge_in){
		.rule = r->plan.rule,
		.failure = r->policy->failure,
		.authority = r->part[ORIGIN].outcome,
		.follower = r->part[TARGET].asked ? r->part[TARGET].outcome : OUTCOME_REFUSED,
		.late = late,
	};
}

void inflight_settle(struct inflight *r, enum cluster which, enum outcome outcome,
	const struct cql_header *head, struct cql_view body)
{
	if (r->done)
		return;
	r->part[which].outcome = outcome;
	if (which == ORIGIN && !r->for_target) {
		r->for_target = true;
		r->s->kept_for_target += r->body_n;
	}
	if (which == ORIGIN && r->plan.rule == RULE_SCHEMA)
		r->late_ns = r->s->w->now_ns + SCHEMA_WAIT_NS;
	else if (which == ORIGIN && outcome == OUTCOME_OK && r->policy->failure == FAILURE_COUNT)
		r->late_ns = r->s->w->now_ns + r->policy->follower_wait_ns;
	const struct merge_in in = merge_in_of(r, false);
	const struct merge_out out = merge_decide(&in);
	act(r, which, &out, head, body);
}

/*
 * Seam itself is not through with what the write needs there: the session's first leg, a statement that Target has yet to prepare (a
 * cold server takes its time over the first). It is not late yet.
 */
static bool awaits_seam(const struct inflight *r, uint64_t now)
{
	const struct part *p = &r->part[TARGET];
	uint64_t since = p->queued ? r->s->leg[TARGET].first_ns : p->prepare_ns;

	return since && now < since + LEG_FIRST_NS;
}

bool inflight_tick(struct inflight *r, uint64_t now)
{
	const struct cql_view none = {0};

	if (now >= r->deadline_ns) {
		bool origin_pending = r->part[ORIGIN].outcome == OUTCOME_PENDING;
		enum rule rule = r->plan.rule;
		if (!origin_pending) {
			inflight_settle(r, TARGET, OUTCOME_SILENT, NULL, none);
			return true;
		}
		r->s->keyspace_lost |= r->plan.use;
		if ((rule == RULE_SCHEMA || rule == RULE_PREPARE) &&
			r->part[TARGET].outcome == OUTCOME_PENDING)
			r->part[TARGET].outcome = OUTCOME_SILENT;
		inflight_settle(r, ORIGIN, OUTCOME_SILENT, NULL, none);
		return true;
	}
	if (r->answered || !r->late_ns)
		return false;
	if (r->plan.rule == RULE_WRITE && awaits_seam(r, now))
		r->late_ns = now + r->policy->follower_wait_ns; /* once it is sent, Target has its time */
	if (now < r->late_ns)
		return false;
	if (r->plan.rule == RULE_SCHEMA) {
		inflight_settle(r, TARGET, OUTCOME_SILENT, NULL, none);
		return true;
	}
	if (r->plan.rule != RULE_WRITE)
		return false;
	const struct merge_in in = merge_in_of(r, true);
	const struct merge_out out = merge_decide(&in);
	act(r, ORIGIN, &out, NULL, none);
	return out.finished;
}

void inflight_abandon(struct inflight *r)
{
	if (r->plan.rule == RULE_WRITE) {
		enum outcome a = r->part[ORIGIN].outcome, f = r->part[TARGET].outcome;
		bool sent = r->part[TARGET].id >= 0 || f != OUTCOME_PENDING;
		/* Nobody will hear how it ended: whatever may differ counts as different. */
		const struct merge_out out = {
			.failed_write = a == OUTCOME_OK && f != OUTCOME_OK && !r->answered,
			.diverged =
				a != OUTCOME_OK && !(a == OUTCOME_PENDING && !sent && r->part[ORIGIN].id < 0),
		};
		count(r, &out);
	}
	if (r->plan.rule == RULE_SCHEMA)
		flag(r, FLAG_SCHEMA);
	inflight_free(r);
}
