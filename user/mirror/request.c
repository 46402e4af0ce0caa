/* A request from READY on: what it is, where it goes, and out it goes. */
#include "base/log.h"
#include "base/text.h"
#include "client/out.h"
#include "client/pack.h"
#include "cql/rewrite.h"
#include "mirror/stamp.h"
#include "mirror/worker.h"

#include <string.h>

/* What one request turned out to be. */
struct seen {
	struct plan plan;
	struct prepared *prepared;        /* a reference */
	const char *keyspace;             /* for unqualified names */
	char own_keyspace[TABLE_CAP / 2]; /* that the request brought along (v5) */
	uint16_t consistency;
	uint8_t batch_type;
	bool has_timestamp;
};

/* Not mirrored, and not on purpose (what is excluded is so on purpose): a verify must look at it. */
static bool is_gap(const struct plan *p)
{
	return p->unmirrored != MIRRORED && p->unmirrored != UNMIRRORED_EXCLUDED;
}

static void count(struct session *s, const struct plan *p)
{
	if (p->unmirrored == MIRRORED)
		return;
	STAT_ADD(s->stats->unmirrored[p->unmirrored], 1);
	log_info("unmirrored", "app=%s kind=%s", s->app->name, unmirrored_name(p->unmirrored));
}

static void count_statement(struct session *s, const struct seen *seen, const struct cql_class *c)
{
	count(s, &seen->plan);
	if (is_gap(&seen->plan))
		app_flag_class(s->app, c, seen->keyspace, FLAG_UNMIRRORED);
}

static void own_keyspace(struct seen *seen, struct cql_view ks)
{
	if (!ks.n || ks.n >= sizeof seen->own_keyspace)
		return;
	memcpy(seen->own_keyspace, ks.p, ks.n);
	seen->own_keyspace[ks.n] = 0;
	seen->keyspace = seen->own_keyspace;
}

/* Malformed: Origin says what is wrong with it. */
static void passes(struct seen *seen)
{
	seen->plan = (struct plan){.rule = RULE_ORIGIN, .kind = REQUEST_OTHER};
}

static void see_query(struct session *s, const struct cql_header *h, struct cql_view body, struct seen *seen)
{
	struct cql_query q;
	struct cql_error err;
	struct cql_class c;

	if (!cql_query_read(h, body, &q, &err)) {
		passes(seen);
		return;
	}
	own_keyspace(seen, q.params.keyspace);
	cql_classify(q.text, &c);
	seen->plan = route_statement(s->policy, &c, seen->keyspace);
	seen->consistency = q.params.consistency;
	seen->has_timestamp = q.params.flags & CQL_Q_TIMESTAMP;
	count_statement(s, seen, &c);
}

static void see_prepare(
	struct session *s, const struct cql_header *h, struct cql_view body, struct seen *seen)
{
	struct cql_prepare p;
	struct cql_error err;
	struct cql_class c;

	passes(seen);
	if (!cql_prepare_read(h, body, &p, &err))
		return;
	own_keyspace(seen, p.keyspace);
	cql_classify(p.text, &c);
	if (policy_mirrors(s->policy)) {
		seen->plan.rule = RULE_PREPARE;
		seen->plan.needs_keyspace = c.needs_keyspace;
	}
}

/* False: the id is not known, and the client was told so. */
static bool see_execute(
	struct session *s, const struct cql_header *h, struct cql_view body, struct seen *seen)
{
	struct cql_execute x;
	struct cql_error err;

	if (!cql_execute_read(h, body, &x, &err)) {
		passes(seen);
		return true;
	}
	seen->prepared = prepared_find(s->app->prepared, s->version, x.id);
	if (!seen->prepared) {
		answer_unprepared(s, h->stream, x.id);
		return false;
	}
	seen->keyspace = seen->prepared->keyspace;
	seen->plan = route_statement(s->policy, &seen->prepared->class, seen->keyspace);
	seen->plan.needs_keyspace = false; /* it was looked up when it was prepared */
	seen->consistency = x.params.consistency;
	seen->has_timestamp = x.params.flags & CQL_Q_TIMESTAMP;
	count_statement(s, seen, &seen->prepared->class);
	return true;
}

static bool see_batch(struct session *s, const struct cql_header *h, struct cql_view body, struct seen *seen)
{
	struct cql_batch b;
	struct cql_error err;
	struct cql_batch_child child;
	struct route_batch rb;
	uint32_t at;

	if (!cql_batch_read(h, body, &b, &err)) {
		passes(seen);
		return true;
	}
	own_keyspace(seen, b.params.keyspace);
	route_batch_begin(&rb);
	for (at = b.children_at; cql_batch_next(&b, h->version, &at, &child);) {
		struct cql_class c;
		if (!child.prepared) {
			cql_classify(child.text_or_id, &c);
			route_batch_child(&rb, s->policy, &c, seen->keyspace);
			continue;
		}
		struct prepared *p = prepared_find(s->app->prepared, s->version, child.text_or_id);
		if (!p) {
			answer_unprepared(s, h->stream, child.text_or_id);
			return false;
		}
		c = p->class;
		c.needs_keyspace = false;
		route_batch_child(&rb, s->policy, &c, p->keyspace);
		prepared_unref(p);
	}
	seen->plan = route_batch_end(&rb, s->policy);
	seen->consistency = b.params.consistency;
	seen->batch_type = b.type;
	seen->has_timestamp = b.params.flags & CQL_Q_TIMESTAMP;
	count(s, &seen->plan);
	if (is_gap(&seen->plan))
		app_flag_batch(s->app, h->version, &b, seen->keyspace, FLAG_UNMIRRORED);
	return true;
}

static bool see(struct session *s, const struct cql_header *h, struct cql_view body, struct seen *seen)
{
	switch (h->opcode) {
	case CQL_QUERY:
		see_query(s, h, body, seen);
		return true;
	case CQL_PREPARE:
		see_prepare(s, h, body, seen);
		return true;
	case CQL_EXECUTE:
		return see_execute(s, h, body, seen);
	case CQL_BATCH:
		return see_batch(s, h, body, seen);
	default:
		passes(seen);
		return true;
	}
}

/* Origin gets the client's own bytes, unless a timestamp must be put in. */
static void send_origin(
	struct session *s, struct inflight *r, const struct cql_header *h, struct cql_view body)
{
	struct leg *l = &s->leg[ORIGIN];
	struct part *p = &r->part[ORIGIN];

	if (r->stamped) {
		leg_submit(l, r);
		return;
	}
	p->owed.kind = OWED_PART;
	p->id = leg_send(l, &p->owed, h->stream, h, body);
	if (p->id < 0)
		inflight_settle(r, ORIGIN, OUTCOME_REFUSED, NULL, (struct cql_view){0});
}

static void dispatch(struct session *s, const struct cql_header *h, struct cql_view body,
	struct cql_view plain, struct seen *seen)
{
	struct inflight *r = inflight_new(s, h, &seen->plan);
	/* A write that goes to Origin alone is kept too, so that UNPREPARED is mended inside and it is counted once. */
	bool mendable = policy_mirrors(s->policy) && seen->plan.kind == REQUEST_WRITE;
	bool keep = seen->plan.rule != RULE_ORIGIN || h->opcode == CQL_PREPARE || mendable;

	if (!r) {
		session_end(s, "out of memory");
		return;
	}
	r->prepared = TAKE_PTR(seen->prepared);
	r->consistency = seen->consistency;
	r->batch_type = seen->batch_type;
	text_copy(r->keyspace, sizeof r->keyspace, seen->keyspace);
	r->head = *h;
	r->head.flags &= (uint8_t)~CQL_FLAG_COMPRESSED;
	r->stamped = seen->plan.stamp && !seen->has_timestamp;
	if (r->stamped)
		r->timestamp = stamp_next();
	if (keep && inflight_keep(r, plain)) {
		session_end(s, "out of memory");
		return;
	}
	/* Either share can be refused at once; the inflight stays until both were tried. */
	r->pinned = true;
	send_origin(s, r, h, body);
	if (r->part[TARGET].asked && r->part[ORIGIN].outcome == OUTCOME_PENDING)
		leg_submit(&s->leg[TARGET], r);
	else if (r->part[TARGET].asked)
		inflight_settle(r, TARGET, OUTCOME_REFUSED, NULL, (struct cql_view){0});
	inflight_unpin(r);
}

void request_whole(struct session *s, const struct cql_header *h, struct cql_view body)
{
	struct cql_writer unpacked = OUT_EMPTY;
	struct cql_header bare = *h;
	struct cql_view plain = body;
	struct cql_error err;
	struct seen seen = {.keyspace = s->keyspace};

	if (h->flags & CQL_FLAG_COMPRESSED) {
		if (!cql_body_unpack(pack_libs(), s->compression, body, s->policy->frame, &unpacked, &err)) {
			answer_error(s, h->stream, CQL_E_PROTOCOL,
				err.why ? err.why : "cannot decompress the body");
			session_app_gone(s, "compressed body is corrupt");
			out_free(&unpacked);
			return;
		}
		plain = (struct cql_view){unpacked.p, unpacked.len};
		bare.flags &= (uint8_t)~CQL_FLAG_COMPRESSED;
	}
	if (see(s, &bare, plain, &seen)) {
		STAT_ADD(s->stats->requests[seen.plan.kind], 1);
		if (seen.plan.refused)
			answer_error(s, h->stream, CQL_E_INVALID,
				"A BATCH cannot mix tables that are mirrored with tables that are excluded "
				"from mirroring");
		else
			dispatch(s, h, body, plain, &seen);
	}
	prepared_unref(seen.prepared);
	out_free(&unpacked);
}

static enum request_kind kind_of(const struct cql_class *c)
{
	return c->kind == CQL_KIND_SELECT  ? REQUEST_READ
	       : c->kind == CQL_KIND_WRITE ? REQUEST_WRITE
					   : REQUEST_OTHER;
}

bool request_may_pass(
	struct session *s, const struct cql_header *h, struct cql_view front, enum request_kind *kind)
{
	struct cql_view v;
	struct cql_error err;
	struct cql_class c;
	bool mirrors = policy_mirrors(s->policy);

	if (h->flags & CQL_FLAG_COMPRESSED)
		return false;
	if (h->opcode == CQL_EXECUTE) {
		if (cql_execute_peek(h, front, &v, &err))
			return false;
		struct prepared *p = prepared_find(s->app->prepared, s->version, v);
		if (p)
			*kind = kind_of(&p->class);
		bool pass = p && (!mirrors || *kind == REQUEST_READ);
		prepared_unref(p);
		return pass;
	}
	if (h->opcode != CQL_QUERY)
		return false;
	int more = cql_query_peek(h, front, &v, &err);
	if (more && mirrors)
		return false;
	/* The text's beginning tells what it is: behind its [int] length, when no payload of the client's stands before it. */
	if (more)
		v = h->flags & CQL_FLAG_PAYLOAD || front.n < 4 ? (struct cql_view){0}
							       : (struct cql_view){front.p + 4, front.n - 4};
	cql_classify(v, &c);
	*kind = kind_of(&c);
	return !mirrors || *kind == REQUEST_READ;
}

void request_relay(struct session *s, const struct cql_header *h, enum request_kind kind)
{
	const struct plan plan = {.rule = RULE_ORIGIN, .kind = kind};
	struct cql_header mine = *h;
	struct inflight *r = inflight_new(s, h, &plan);
	int id = r ? ids_take(&s->leg[ORIGIN].ids, h->stream, &r->part[ORIGIN].owed) : -1;

	if (id < 0) {
		session_end(s, "out of memory or stream ids");
		return;
	}
	STAT_ADD(s->stats->requests[plan.kind], 1);
	s->requests++;
	r->part[ORIGIN].owed.kind = OWED_PART;
	r->part[ORIGIN].id = id;
	r->deadline_ns = UINT64_MAX; /* until the client has sent all of it */
	s->relay = r;
	mine.stream = (int16_t)id;
	pipe_send_begin(&s->leg[ORIGIN].pipe, &mine);
}
