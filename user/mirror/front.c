/* The app's side of a session: its bytes become requests, whole or passing. */
#include "base/log.h"
#include "client/out.h"
#include "client/pack.h"
#include "mirror/worker.h"

#include <stdio.h>
#include <string.h>

static size_t on_input(void *ctx, const uint8_t *p, size_t n)
{
	struct session *s = ctx;

	if (s->state == SESSION_FIRST) {
		bool cql = cql_is_request_version(p[0]);
		session_set_state(s, cql ? SESSION_HANDSHAKE : SESSION_OPAQUE);
		if (!cql)
			opaque_begin(s);
	}
	if (s->state == SESSION_OPAQUE)
		return opaque_input(s, true, p, n);
	if (s->state == SESSION_DRAINING || s->state == SESSION_OVER)
		return n;
	return pipe_input(&s->front, p, n);
}

static void on_end(void *ctx, int err)
{
	struct session *s = ctx;

	session_app_gone(s, err ? strerror(-err) : "the app closed");
}

static void on_drain(void *ctx)
{
	struct session *s = ctx;

	if (s->state == SESSION_OPAQUE)
		opaque_drained(s);
	else
		session_pace(s);
}

const struct wire_ops FRONT_WIRE_OPS = {.on_input = on_input, .on_end = on_end, .on_drain = on_drain};

static void whole(struct session *s, const struct cql_header *h, struct cql_view body)
{
	if (s->refused_ns)
		return;
	/* Attached by force: a version that only Origin speaks is refused as a server without it does, so that the driver steps down. */
	if (!s->version && !site_speaks(s->app->site[TARGET], h->version) &&
		site_speaks(s->app->site[ORIGIN], h->version)) {
		answer_version(s, h->version);
		session_refuse_version(s);
		return;
	}
	if (!s->version)
		s->version = h->version;
	s->requests++;
	if (s->state == SESSION_HANDSHAKE)
		handshake_request(s, h, body);
	else
		request_whole(s, h, body);
}

static enum front_mode choose(struct session *s, const struct cql_piece *piece)
{
	const struct cql_header *h = &piece->head;
	enum request_kind kind;

	if (h->length > s->policy->frame) {
		answer_error(s, h->stream, CQL_E_INVALID, "The request is longer than the frame limit");
		return FRONT_DISCARD;
	}
	if (s->state == SESSION_READY && request_may_pass(s, h, piece->body, &kind)) {
		request_relay(s, h, kind);
		return FRONT_RELAY;
	}
	if (s->w->memory_short ||
		s->kept + h->length > (size_t)s->policy->session_buffer + s->policy->frame) {
		answer_error(s, h->stream, CQL_E_OVERLOADED, "No memory for a request of this length now");
		return FRONT_DISCARD;
	}
	return FRONT_GATHER;
}

static void gathered(struct session *s, const struct cql_header *h)
{
	struct cql_writer body = s->gather;

	s->gather = OUT_EMPTY;
	if (body.failed)
		answer_error(s, h->stream, CQL_E_OVERLOADED, "No memory for a request of this length now");
	else
		whole(s, h, (struct cql_view){body.p, body.len});
	out_free(&body);
}

static void on_piece(void *ctx, const struct cql_piece *piece)
{
	struct session *s = ctx;

	if (s->state != SESSION_HANDSHAKE && s->state != SESSION_READY)
		return;
	if (piece->head.stream < 0) {
		answer_error(s, piece->head.stream, CQL_E_PROTOCOL, "Negative stream id");
		session_app_gone(s, "negative stream id");
		return;
	}
	if (piece->first && piece->last) {
		if (piece->head.length <= s->policy->frame)
			whole(s, &piece->head, piece->body);
		else
			choose(s, piece);
		return;
	}
	if (piece->first)
		s->mode = choose(s, piece);
	switch (s->mode) {
	case FRONT_GATHER:
		cql_write_view(&s->gather, piece->body);
		if (piece->last)
			gathered(s, &piece->head);
		break;
	case FRONT_RELAY:
		pipe_send_part(&s->leg[ORIGIN].pipe, piece->body);
		if (piece->last && s->relay) {
			s->relay->deadline_ns = s->w->now_ns + s->policy->request_timeout_ns;
			s->relay = NULL;
		}
		break;
	case FRONT_DISCARD:
	case FRONT_IDLE:
		break;
	}
	if (piece->last)
		s->mode = FRONT_IDLE;
}

static void on_fault(void *ctx)
{
	struct session *s = ctx;
	const struct cql_decoder *d = &s->front.dec;
	char why[200];

	snprintf(why, sizeof why, "broken frame: %s at byte %u", d->error.why ? d->error.why : "?",
		d->error.offset);
	if (d->fault == CQL_FAULT_VERSION && !s->version) {
		answer_version(s, d->fault_version);
		session_refuse_version(s);
		return;
	}
	s->version = s->version ? s->version : CQL_V4;
	answer_error(s, d->fault_head.stream < 0 ? 0 : d->fault_head.stream, CQL_E_PROTOCOL, why);
	log_info("bad_frame", "app=%s session=%llu reason=" LOGV, s->app->name, (unsigned long long)s->id,
		log_quote(why));
	session_app_gone(s, "broken frame");
}

static void on_batch(void *ctx)
{
	struct session *s = ctx;

	session_flush(s);
	session_pace(s);
}

static void on_broken(void *ctx)
{
	session_end(ctx, "out of memory");
}

const struct pipe_ops FRONT_PIPE_OPS = {
	.on_piece = on_piece, .on_fault = on_fault, .on_batch = on_batch, .on_broken = on_broken};
