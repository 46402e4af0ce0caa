/* What comes on a leg: which request it answers, and whether its bytes pass or must be seen whole. */
#include "base/text.h"
#include "client/out.h"
#include "client/pack.h"
#include "mirror/worker.h"

#include <string.h>

/* The body proper of an answer, unpacked; views borrow from `body` or from `plain`. */
static bool open_body(struct leg *l, const struct cql_header *h, struct cql_view body,
	struct cql_writer *plain, struct cql_view *out)
{
	struct cql_reader r;
	struct cql_prefix prefix;
	struct cql_error err;

	if (h->flags & CQL_FLAG_COMPRESSED) {
		if (!cql_body_unpack(pack_libs(), l->s->compression, body, CQL_MAX_BODY, plain, &err))
			return false;
		body = (struct cql_view){plain->p, plain->len};
	}
	cql_reader_init(&r, body);
	if (!cql_prefix_read(h, &r, &prefix))
		return false;
	*out = (struct cql_view){body.p + prefix.size, body.n - prefix.size};
	return true;
}

/* ---- answers that change what Seam knows of the session */

static void learn_keyspace(struct leg *l, struct cql_view body)
{
	struct session *s = l->s;
	struct cql_view ks;
	struct cql_error err;

	if (!cql_set_keyspace_read(body, &ks, &err) || ks.n >= sizeof s->keyspace)
		return;
	memcpy(s->keyspace, ks.p, ks.n);
	s->keyspace[ks.n] = 0;
}

static void learn_prepared(struct inflight *r, struct cql_view body)
{
	struct session *s = r->s;
	struct cql_prepare p;
	struct cql_error err;
	char keyspace[sizeof r->keyspace];

	if (!r->body || !cql_prepare_read(&r->head, (struct cql_view){r->body, r->body_n}, &p, &err))
		return;
	text_copy(keyspace, sizeof keyspace, r->keyspace);
	if (p.keyspace.n && p.keyspace.n < sizeof keyspace) {
		memcpy(keyspace, p.keyspace.p, p.keyspace.n);
		keyspace[p.keyspace.n] = 0;
	}
	r->prepared = prepared_learn(s->app->prepared, s->version, p.text, keyspace, body);
	/* Target was quicker. */
	struct part *t = &r->part[TARGET];
	if (r->prepared && t->outcome == OUTCOME_OK && t->body &&
		prepared_learn_target(r->prepared, (struct cql_view){t->body, t->body_n}))
		t->outcome = OUTCOME_UNKNOWN;
}

static void target_prepared(struct inflight *r, const struct cql_header *h, struct cql_view plain)
{
	enum outcome o = h->opcode == CQL_RESULT ? OUTCOME_OK : OUTCOME_INVALID;

	if (o == OUTCOME_OK && r->prepared && prepared_learn_target(r->prepared, plain))
		o = OUTCOME_UNKNOWN;
	if (o == OUTCOME_OK && !r->prepared) {
		/* Kept, as a plain body, until Origin has said under which id. */
		struct cql_header bare = *h;
		bare.flags = 0;
		inflight_settle(r, TARGET, o, &bare, plain);
		return;
	}
	inflight_settle(r, TARGET, o, NULL, (struct cql_view){0});
}

/* ---- UNPREPARED, mended on this leg alone: the other never runs twice */

static bool mend(struct leg *l, struct inflight *r, const struct cql_server_error *e)
{
	struct part *part = &r->part[l->which];
	struct app *a = l->s->app;
	struct prepared *p = NULL;

	if (!r->body || part->mends >= MENDS_MAX)
		return false;
	if (r->opcode == CQL_EXECUTE) {
		p = prepared_ref(r->prepared);
	} else if (r->opcode == CQL_BATCH && l->which == ORIGIN) {
		p = prepared_find(a->prepared, l->s->version, e->id);
	} else if (r->opcode == CQL_BATCH) {
		p = leg_batch_child(l, r, e->id);
	}
	if (!p)
		return false;
	bool other_keyspace = l->which == ORIGIN && l->s->version < CQL_V5 && p->class.needs_keyspace &&
			      strcmp(p->keyspace, l->s->keyspace);
	if (!other_keyspace) {
		part->mends++;
		leg_prepare(l, p, part);
	}
	prepared_unref(p);
	return !other_keyspace;
}

/* ---- whole answers */

static void part_answered(struct leg *l, struct part *p, const struct cql_header *h, struct cql_view body)
{
	struct inflight *r = inflight_of(p);
	struct session *s = l->s;
	struct cql_writer plain = OUT_EMPTY;
	struct cql_view proper;
	struct cql_server_error e;
	struct cql_error err;
	enum outcome o = OUTCOME_OK;
	bool moved = false;

	if (!open_body(l, h, body, &plain, &proper)) {
		out_free(&plain);
		inflight_settle(r, l->which, OUTCOME_UNKNOWN, h, body);
		return;
	}
	if (h->opcode == CQL_ERROR) {
		bool told = cql_error_read(s->version, proper, &e, &err);
		o = told ? merge_outcome(e.code) : OUTCOME_UNKNOWN;
		if (told && e.code == CQL_E_UNPREPARED && mend(l, r, &e)) {
			out_free(&plain);
			return;
		}
	}
	if (l->which == ORIGIN && h->opcode == CQL_RESULT) {
		int kind = cql_result_kind(proper);
		moved = kind == CQL_SET_KEYSPACE;
		if (moved)
			learn_keyspace(l, proper);
		else if (kind == CQL_PREPARED && r->opcode == CQL_PREPARE)
			learn_prepared(r, proper);
	}
	if (l->which == ORIGIN && s->state == SESSION_HANDSHAKE) {
		int16_t stream = r->client_stream;
		inflight_free(r);
		handshake_reply(s, stream, h, body, proper);
	} else if (l->which == ORIGIN && h->opcode == CQL_SUPPORTED) {
		int16_t stream = r->client_stream;
		inflight_free(r);
		handshake_supported(s, stream, h, proper);
	} else if (l->which == TARGET && r->opcode == CQL_PREPARE) {
		target_prepared(r, h, proper);
	} else if (l->which == TARGET && r->plan.rule == RULE_SCHEMA && o == OUTCOME_OK) {
		leg_agree(l, r);
	} else {
		/* A USE that failed lifts the barrier too; one that was asked before Target was mirrored moves the leg as well. */
		bool follow = moved || r->plan.rule == RULE_USE;
		inflight_settle(r, l->which, o, h, body);
		if (follow)
			leg_sync_keyspace(&s->leg[TARGET]);
	}
	out_free(&plain);
}

static void task_answered(struct leg *l, struct task *t, const struct cql_header *h, struct cql_view body)
{
	struct cql_writer plain = OUT_EMPTY;
	struct cql_view proper;
	struct cql_header bare = *h;

	bare.flags = 0;
	if (open_body(l, h, body, &plain, &proper))
		leg_task_answer(l, t, &bare, proper);
	else if (l->which == TARGET)
		leg_target_lost(l, "malformed answer");
	else
		session_end(l->s, "malformed answer from origin");
	out_free(&plain);
}

static void whole(struct leg *l, const struct cql_header *h, struct cql_view body)
{
	struct cql_writer plain = OUT_EMPTY;
	struct cql_view proper;
	struct owed *o = ids_owner(&l->ids, h->stream);

	if (l->which == TARGET && l->state != LEG_READY) {
		if (open_body(l, h, body, &plain, &proper))
			leg_handshake_envelope(l, h, proper);
		else
			leg_target_lost(l, "malformed answer in the handshake");
		out_free(&plain);
		return;
	}
	if (h->stream == -1) {
		if (l->which == ORIGIN)
			answer_reply(l->s, -1, h, body);
		return;
	}
	if (!o) {
		/* An older server refuses a version on stream 0, whatever was asked. */
		if (l->which == ORIGIN && l->s->state == SESSION_HANDSHAKE && h->opcode == CQL_ERROR)
			answer_reply(l->s, h->stream, h, body);
		else if (l->which == ORIGIN)
			session_end(l->s, "origin answered a stream that was not asked");
		else
			leg_target_lost(l, "answered a stream that was not asked");
		return;
	}
	ids_free(&l->ids, h->stream);
	if (o->kind == OWED_PART) {
		struct part *p = container_of(o, struct part, owed);
		p->id = -1;
		part_answered(l, p, h, body);
	} else if (o->kind == OWED_TASK) {
		struct task *t = container_of(o, struct task, owed);
		t->id = -1;
		task_answered(l, t, h, body);
	} else {
		l->zombies--; /* given up while its answer came in pieces */
	}
}

/* ---- pieces */

/* A read's answer is never read: it goes to the app as it comes. */
static bool may_relay(struct leg *l, const struct cql_header *h)
{
	struct owed *o = ids_owner(&l->ids, h->stream);

	if (l->which != ORIGIN || !o || o->kind != OWED_PART ||
		(l->s->state != SESSION_READY && l->s->state != SESSION_DRAINING))
		return false;
	const struct inflight *r = inflight_of(container_of(o, struct part, owed));
	return r->plan.kind == REQUEST_READ && r->plan.rule == RULE_ORIGIN && !r->answered;
}

static void relay_begin(struct leg *l, const struct cql_piece *piece)
{
	struct part *p =
		container_of((struct owed *)ids_owner(&l->ids, piece->head.stream), struct part, owed);
	struct inflight *r = inflight_of(p);
	struct cql_header mine = piece->head;

	mine.stream = r->client_stream;
	ids_free(&l->ids, piece->head.stream);
	p->id = -1;
	if (piece->last)
		pipe_send(&l->s->front, &mine, piece->body);
	else
		pipe_send_begin(&l->s->front, &mine);
	inflight_free(r);
	l->relaying_piece = !piece->last;
	if (!piece->last)
		pipe_send_part(&l->s->front, piece->body);
}

void leg_reply_piece(struct leg *l, const struct cql_piece *piece)
{
	struct owed *o;

	if (piece->first) {
		o = ids_owner(&l->ids, piece->head.stream);
		if (may_relay(l, &piece->head)) {
			relay_begin(l, piece);
			return;
		}
		l->discarding = o && o->kind == OWED_ZOMBIE;
		if (piece->last && !l->discarding) {
			whole(l, &piece->head, piece->body);
			return;
		}
		l->gather.len = 0;
	}
	if (l->relaying_piece) {
		pipe_send_part(&l->s->front, piece->body);
		l->relaying_piece = !piece->last;
	} else if (l->discarding) {
		if (!piece->last)
			return;
		l->discarding = false;
		ids_free(&l->ids, piece->head.stream);
		l->zombies--;
	} else {
		cql_write_view(&l->gather, piece->body);
		if (l->gather.failed) {
			pipe_close(&l->pipe, true);
			session_end(l->s, "out of memory");
			return;
		}
		if (!piece->last)
			return;
		struct cql_writer body = l->gather;
		l->gather = OUT_EMPTY;
		whole(l, &piece->head, (struct cql_view){body.p, body.len});
		out_free(&body);
	}
}
