/* A request's share goes out on a leg: now, once the leg can take it, or not at all. */
#include "client/out.h"
#include "cql/rewrite.h"
#include "mirror/worker.h"

#include <string.h>

enum sent { SENT, NOT_YET, SETTLED }; /* SETTLED: the inflight may be gone */

static enum sent settle(struct leg *l, struct inflight *r, enum outcome o)
{
	inflight_settle(r, l->which, o, NULL, (struct cql_view){0});
	return SETTLED;
}

/* The follower would refuse it, or would do another thing: as if it had said INVALID. */
static enum sent settle_invalid(struct leg *l, struct inflight *r, const char *text)
{
	struct cql_writer w = OUT_EMPTY;
	struct cql_header h = {.version = l->s->version, .response = true, .opcode = CQL_ERROR};

	cql_error_write(&w, l->s->version,
		&(struct cql_server_error){.code = CQL_E_INVALID, .message = cql_view_of(text)});
	if (w.failed)
		inflight_settle(r, l->which, OUTCOME_INVALID, NULL, (struct cql_view){0});
	else
		inflight_settle(r, l->which, OUTCOME_INVALID, &h, (struct cql_view){w.p, w.len});
	out_free(&w);
	return SETTLED;
}

static void enqueue(struct leg *l, struct inflight *r)
{
	struct part *p = &r->part[l->which];

	p->queued = true;
	list_push(&l->waiting, &p->queue);
}

void leg_unqueue(struct part *p)
{
	p->queued = false;
	list_del(&p->queue);
}

/* Its unqualified names would be looked up in another keyspace there. */
static bool is_elsewhere(const struct leg *l, const struct inflight *r)
{
	return l->which == TARGET && r->plan.needs_keyspace && strcmp(l->keyspace, r->keyspace);
}

static enum sent settle_elsewhere(struct leg *l, struct inflight *r)
{
	if (!strcmp(l->missing, r->keyspace))
		return settle_invalid(l, r, "Keyspace does not exist on Target");
	/* The client has moved on since: it is not sent, and nothing is said against the schema. */
	return settle(l, r, OUTCOME_REFUSED);
}

/* ---- ids of the other cluster */

struct child_ids {
	struct leg *l;
	uint8_t id
		[PREPARED_ID_MAX]; /* of the last child asked for: the statement may go as soon as we return */
	struct prepared *unknown;  /* a reference to a statement that Target has no id for yet */
	bool unlike, lost;
};

static struct cql_view child_id(void *ctx, struct cql_view id)
{
	struct child_ids *c = ctx;
	struct prepared *p = prepared_find(c->l->s->app->prepared, c->l->s->version, id);
	const struct prepared_told *t = p ? prepared_target(p) : NULL;

	if (!p) {
		c->lost = true;
		return (struct cql_view){0};
	}
	if (!t) {
		prepared_unref(c->unknown);
		c->unknown = p;
		return (struct cql_view){0};
	}
	c->unlike |= !t->same_bind;
	struct cql_view v = {c->id, t->id_n};
	memcpy(c->id, t->id, t->id_n);
	prepared_unref(p);
	return v;
}

/* ---- one request kind each: append the rewritten body, or say why not */

static enum sent write_query(struct leg *l, struct inflight *r, struct cql_rewrite *rw,
	struct cql_writer *out, struct cql_header *head)
{
	struct cql_query q;
	struct cql_error err;
	struct cql_view body = {r->body, r->body_n};

	if (!cql_query_read(&r->head, body, &q, &err))
		return settle_invalid(l, r, err.why);
	if (!q.params.keyspace.n && is_elsewhere(l, r))
		return settle_elsewhere(l, r);
	cql_rewrite_query(&r->head, body, &q, rw, out, head);
	return SENT;
}

static enum sent write_prepare(struct leg *l, struct inflight *r, struct cql_rewrite *rw,
	struct cql_writer *out, struct cql_header *head)
{
	struct cql_prepare p;
	struct cql_error err;
	struct cql_view body = {r->body, r->body_n};

	if (!cql_prepare_read(&r->head, body, &p, &err))
		return settle_invalid(l, r, err.why);
	if (!p.keyspace.n && is_elsewhere(l, r))
		return settle_elsewhere(l, r);
	cql_rewrite_prepare(&r->head, body, &p, rw, out, head);
	return SENT;
}

static enum sent write_execute(struct leg *l, struct inflight *r, struct cql_rewrite *rw,
	struct cql_writer *out, struct cql_header *head)
{
	struct cql_execute x;
	struct cql_error err;
	struct cql_view body = {r->body, r->body_n};

	if (!cql_execute_read(&r->head, body, &x, &err))
		return settle_invalid(l, r, err.why);
	if (l->which == TARGET) {
		const struct prepared_told *t = prepared_target(r->prepared);
		if (!t) {
			leg_prepare(l, r->prepared, &r->part[TARGET]);
			return NOT_YET;
		}
		if (!t->same_bind)
			return settle_invalid(
				l, r, "The statement's bind variables are not the same on Target");
		if (t->id_n != x.id.n || memcmp(t->id, x.id.p, x.id.n))
			rw->id = (struct cql_view){t->id, t->id_n};
		rw->result_metadata_id = (struct cql_view){t->result_metadata_id, t->result_metadata_id_n};
		rw->clear_skip_metadata = !t->same_result;
	}
	cql_rewrite_execute(&r->head, body, &x, rw, out, head);
	return SENT;
}

static enum sent write_batch(struct leg *l, struct inflight *r, struct cql_rewrite *rw,
	struct cql_writer *out, struct cql_header *head)
{
	struct cql_batch b;
	struct cql_error err;
	struct cql_view body = {r->body, r->body_n};
	struct child_ids ids = {.l = l};
	enum sent done = SENT;

	if (!cql_batch_read(&r->head, body, &b, &err))
		return settle_invalid(l, r, err.why);
	if (!b.params.keyspace.n && is_elsewhere(l, r))
		return settle_elsewhere(l, r);
	if (l->which == TARGET) {
		rw->child_id = child_id;
		rw->ctx = &ids;
	}
	cql_rewrite_batch(&r->head, body, &b, rw, out, head);
	if (ids.lost)
		done = settle(l, r, OUTCOME_REFUSED);
	else if (ids.unlike)
		done = settle_invalid(l, r, "A statement's bind variables are not the same on Target");
	else if (ids.unknown) {
		leg_prepare(l, ids.unknown, &r->part[TARGET]);
		done = NOT_YET;
	}
	prepared_unref(ids.unknown);
	return done;
}

static enum sent try_send(struct leg *l, struct inflight *r)
{
	struct part *p = &r->part[l->which];
	struct cql_writer out = OUT_EMPTY;
	struct cql_header head = r->head;
	struct cql_rewrite rw = {
		.strip = l->which == TARGET, .add_timestamp = r->stamped, .timestamp = r->timestamp};
	enum sent done;

	switch (r->opcode) {
	case CQL_QUERY:
		done = write_query(l, r, &rw, &out, &head);
		break;
	case CQL_PREPARE:
		done = write_prepare(l, r, &rw, &out, &head);
		break;
	case CQL_EXECUTE:
		done = write_execute(l, r, &rw, &out, &head);
		break;
	case CQL_BATCH:
		done = write_batch(l, r, &rw, &out, &head);
		break;
	default:
		done = settle(l, r, OUTCOME_REFUSED);
		break;
	}
	if (done == SENT) {
		p->owed.kind = OWED_PART;
		p->id = out.failed ? -1
				   : leg_send(l, &p->owed, r->client_stream, &head,
					     (struct cql_view){out.p, out.len});
		if (p->id < 0)
			done = settle(l, r, OUTCOME_REFUSED);
	}
	out_free(&out);
	return done;
}

static bool is_blocked(const struct leg *l)
{
	return (l->state != LEG_READY && l->state != LEG_RELAYING) || l->held || l->syncing || l->moving;
}

/* Origin did not apply it: then Target must not. */
static bool is_void(const struct leg *l, const struct inflight *r)
{
	enum outcome a = r->part[ORIGIN].outcome;

	return l->which == TARGET && (r->plan.rule == RULE_WRITE || r->plan.rule == RULE_SCHEMA) &&
	       (a == OUTCOME_INVALID || a == OUTCOME_REFUSED);
}

void leg_submit(struct leg *l, struct inflight *r)
{
	if (is_void(l, r)) {
		settle(l, r, OUTCOME_REFUSED);
		return;
	}
	if (l->which == TARGET) {
		if (l->state == LEG_NONE || l->state == LEG_DOWN) {
			settle(l, r, OUTCOME_REFUSED);
			return;
		}
		/* The one long frame that may be beyond the mark is held twice: for a mend, and as output. */
		const struct session *s = l->s;
		size_t mine = r->for_target ? r->body_n : 0;
		if (s->kept_for_target - mine + pipe_backlog(&l->pipe) >
			2 * s->longest + r->policy->session_buffer) {
			settle(l, r,
				OUTCOME_REFUSED); /* a full queue toward Target is a failure at once, never a stop of the client */
			return;
		}
	}
	if (is_blocked(l))
		enqueue(l, r);
	else
		try_send(l, r);
}

void leg_drain(struct leg *l)
{
	while (!list_empty(&l->waiting) && !is_blocked(l)) {
		struct part *p = list_entry(l->waiting.next, struct part, queue);
		leg_unqueue(p);
		if (is_void(l, inflight_of(p)))
			settle(l, inflight_of(p), OUTCOME_REFUSED);
		else
			try_send(l, inflight_of(p));
	}
}

void leg_fail_waiting(struct leg *l, enum outcome why)
{
	while (!list_empty(&l->waiting)) {
		struct part *p = list_entry(l->waiting.next, struct part, queue);
		leg_unqueue(p);
		settle(l, inflight_of(p), why);
	}
}

struct prepared *leg_batch_child(struct leg *l, struct inflight *r, struct cql_view target_id)
{
	struct cql_batch b;
	struct cql_error err;
	struct cql_batch_child child;
	uint32_t at;

	if (!cql_batch_read(&r->head, (struct cql_view){r->body, r->body_n}, &b, &err))
		return NULL;
	for (at = b.children_at; cql_batch_next(&b, r->head.version, &at, &child);) {
		struct prepared *p =
			child.prepared ? prepared_find(l->s->app->prepared, r->head.version, child.text_or_id)
				       : NULL;
		const struct prepared_told *t = p ? prepared_target(p) : NULL;
		if (t && t->id_n == target_id.n && !memcmp(t->id, target_id.p, target_id.n))
			return p;
		prepared_unref(p);
	}
	return NULL;
}
