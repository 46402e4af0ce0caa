#include "client/link.h"

#include "base/clock.h"
#include "client/out.h"
#include "client/pack.h"
#include "cql/decoder.h"
#include "cql/encoder.h"
#include "cql/request.h"
#include "cql/startup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the handshake waits for. Each version that is refused costs a new connection, as with every driver. */
enum link_state {
	LINK_CONNECTING,
	LINK_WANT_SUPPORTED,
	LINK_WANT_READY,
	LINK_WANT_AUTH,
	LINK_WANT_REGISTERED,
	LINK_UP,
	LINK_OVER
};

#define MAX_REPLY (16u << 20)

struct query {
	link_reply_fn fn;
	void *ctx;
};

struct link {
	struct wire_hub *hub;
	struct link_opts o;
	struct link_ops ops;
	void *ctx;
	char *user, *password;
	struct wire *wire;
	uv_timer_t timer; /* the oldest thing waited for */
	struct cql_decoder dec;
	struct cql_encoder enc;
	uint8_t *scratch;
	struct cql_writer body; /* of the envelope being gathered */
	struct cql_writer supported;
	enum link_state state;
	uint8_t version;
	struct query queries[LINK_QUERIES];
	unsigned n_queries;
	bool closing; /* link_close() was called: freed by the timer's close */
};

static void dial(struct link *l);

/* `detail` may be NULL. Both are cut, never refused. */
static void finish(struct link *l, const char *what, const char *detail)
{
	struct reason why;
	char at[ENDPOINT_TEXT];

	if (l->state == LINK_OVER)
		return;
	l->state = LINK_OVER;
	uv_timer_stop(&l->timer);
	wire_close(l->wire, false);
	l->wire = NULL;
	for (unsigned i = 0; i < LINK_QUERIES; i++) {
		struct query q = l->queries[i];
		l->queries[i] = (struct query){0};
		if (q.fn)
			q.fn(q.ctx, &(struct link_reply){.err = -ECONNRESET, .version = l->version});
	}
	l->n_queries = 0;
	if (l->closing)
		return;
	reason_set(&why, 0, "%s: %s%s%.300s", endpoint_format(&l->o.to, at), what, detail ? ": " : "",
		detail ? detail : "");
	l->ops.on_end(l->ctx, &why);
}

static void on_timeout(uv_timer_t *t)
{
	finish(t->data, "no answer in time", NULL);
}

static void arm(struct link *l)
{
	if (l->state == LINK_UP && !l->n_queries)
		uv_timer_stop(&l->timer);
	else
		uv_timer_start(&l->timer, on_timeout, l->o.timeout_ms, 0);
}

static void say(struct link *l, uint8_t opcode, int16_t stream, struct cql_writer *body)
{
	struct cql_writer out = OUT_EMPTY;
	struct cql_header h = {.version = l->version, .opcode = opcode, .stream = stream};

	cql_encode(&l->enc, &out, &h, (struct cql_view){body ? body->p : NULL, body ? body->len : 0});
	cql_encoder_flush(&l->enc, &out);
	if (!out.failed && !(body && body->failed))
		wire_write(l->wire, out.p, out.len);
	out_free(&out);
	if (body)
		out_free(body);
	arm(l);
}

static void on_open(void *ctx)
{
	struct link *l = ctx;

	l->state = LINK_WANT_SUPPORTED;
	say(l, CQL_OPTIONS, 0, NULL);
}

static void up(struct link *l)
{
	l->state = LINK_UP;
	arm(l);
	l->ops.on_ready(l->ctx, l->version, (struct cql_view){l->supported.p, l->supported.len});
}

static void logged_in(struct link *l)
{
	struct cql_writer b = OUT_EMPTY;

	if (!l->o.events) {
		up(l);
		return;
	}
	l->state = LINK_WANT_REGISTERED;
	cql_register_write(&b);
	say(l, CQL_REGISTER, 0, &b);
}

/* A refused version: one lower, on a new connection. */
static void step_down(struct link *l)
{
	if (l->version <= CQL_V3) {
		finish(l, "speaks none of the protocol versions 3, 4, 5", NULL);
		return;
	}
	l->version--;
	wire_close(l->wire, false);
	l->wire = NULL;
	dial(l);
}

static void handshake_error(struct link *l, struct cql_view body)
{
	struct cql_server_error e;
	struct cql_error err;
	char text[200];

	if (!cql_error_read(l->version, body, &e, &err)) {
		finish(l, "malformed ERROR", err.why);
		return;
	}
	if (e.code == CQL_E_PROTOCOL && l->state <= LINK_WANT_READY) {
		step_down(l);
		return;
	}
	size_t n = e.message.n < sizeof text - 1 ? e.message.n : sizeof text - 1;
	memcpy(text, e.message.p, n);
	text[n] = 0;
	finish(l, "refused the login", text);
}

static void framing(struct link *l)
{
	if (l->version < CQL_V5)
		return;
	cql_decoder_use_segments(&l->dec, false);
	cql_encoder_use_segments(&l->enc, false);
}

static void handshake(struct link *l, const struct cql_header *h, struct cql_view body)
{
	struct cql_writer b = OUT_EMPTY;

	if (h->opcode == CQL_ERROR) {
		handshake_error(l, body);
	} else if (l->state == LINK_WANT_SUPPORTED && h->opcode == CQL_SUPPORTED) {
		out_free(&l->supported);
		cql_write_view(&l->supported, body);
		l->state = LINK_WANT_READY;
		cql_startup_write(&b, CQL_COMPRESSION_NONE, cql_view_of("Seam"), cql_view_of(SEAM_VERSION));
		say(l, CQL_STARTUP, 0, &b);
	} else if (l->state == LINK_WANT_READY && h->opcode == CQL_READY) {
		framing(l);
		logged_in(l);
	} else if (l->state == LINK_WANT_READY && h->opcode == CQL_AUTHENTICATE) {
		framing(l);
		if (!l->user) {
			finish(l, "wants a login and no credentials are configured", NULL);
			return;
		}
		l->state = LINK_WANT_AUTH;
		cql_plain_write(&b, cql_view_of(l->user), cql_view_of(l->password));
		say(l, CQL_AUTH_RESPONSE, 0, &b);
	} else if (l->state == LINK_WANT_AUTH && h->opcode == CQL_AUTH_SUCCESS) {
		logged_in(l);
	} else if (l->state == LINK_WANT_REGISTERED && h->opcode == CQL_READY) {
		up(l);
	} else {
		finish(l, "unexpected in the handshake", cql_opcode_name(h->opcode));
	}
}

static void reply(struct link *l, const struct cql_header *h, struct cql_view body)
{
	struct link_reply r = {.version = l->version};
	struct cql_error err;

	if (h->stream < 0 || h->stream >= LINK_QUERIES || !l->queries[h->stream].fn) {
		finish(l, "answered a stream that was not asked", NULL);
		return;
	}
	struct query q = l->queries[h->stream];
	l->queries[h->stream] = (struct query){0};
	l->n_queries--;
	arm(l);
	if (h->opcode == CQL_RESULT)
		r.result = body;
	else if (h->opcode == CQL_ERROR && cql_error_read(l->version, body, &r.error, &err))
		r.err = -EREMOTEIO;
	else
		r.err = -EBADMSG;
	q.fn(q.ctx, &r);
}

static void envelope(struct link *l, const struct cql_header *h, struct cql_view body)
{
	struct cql_reader r;
	struct cql_prefix prefix;
	struct cql_event e;
	struct cql_error err;

	cql_reader_init(&r, body);
	if (!cql_prefix_read(h, &r, &prefix)) {
		finish(l, "malformed envelope", r.error.why);
		return;
	}
	body.p += prefix.size;
	body.n -= prefix.size;
	if (h->opcode == CQL_EVENT) {
		if (cql_event_read(body, &e, &err) && l->ops.on_event)
			l->ops.on_event(l->ctx, &e);
	} else if (l->state == LINK_UP) {
		reply(l, h, body);
	} else {
		handshake(l, h, body);
	}
}

static size_t on_input(void *ctx, const uint8_t *p, size_t n)
{
	struct link *l = ctx;
	struct cql_view in = {p, n};
	struct cql_piece piece;
	int got;

	while (l->state != LINK_OVER && l->wire && (got = cql_decoder_pull(&l->dec, &in, &piece)) != 0) {
		struct wire *was = l->wire;
		/* An older server marks its refusal of a version with its own. */
		if (got < 0 && l->dec.fault == CQL_FAULT_VERSION && l->dec.fault_head.response &&
			l->state == LINK_WANT_SUPPORTED) {
			step_down(l);
			return n;
		}
		if (got < 0) {
			finish(l, "not the CQL protocol", l->dec.error.why);
			return n;
		}
		if (piece.first)
			l->body.len = 0;
		cql_write_view(&l->body, piece.body);
		if (piece.last)
			envelope(l, &piece.head, (struct cql_view){l->body.p, l->body.len});
		if (l->wire != was)
			return n;
	}
	return n - in.n;
}

static void on_end(void *ctx, int err)
{
	finish(ctx, err ? strerror(-err) : "closed the connection", NULL);
}

static const struct wire_ops WIRE_OPS = {.on_open = on_open, .on_input = on_input, .on_end = on_end};

static void dial(struct link *l)
{
	const struct cql_decoder_opts d = {
		.pack = pack_libs(),
		.responses = true,
		.max_body = MAX_REPLY,
		.whole = 64u << 10,
		.scratch = l->scratch,
	};

	l->state = LINK_CONNECTING;
	cql_decoder_init(&l->dec, &d);
	cql_encoder_init(&l->enc, pack_libs(), l->scratch);
	if (wire_dial(l->hub, &l->o.to, l->o.timeout_ms, &WIRE_OPS, l, &l->wire))
		uv_timer_start(&l->timer, on_timeout, 0, 0);
	else
		arm(l);
}

int link_open(struct wire_hub *hub, const struct link_opts *o, const struct link_ops *ops, void *ctx,
	struct link **out)
{
	struct link *l = calloc(1, sizeof *l);

	if (!l)
		return -ENOMEM;
	l->hub = hub;
	l->o = *o;
	l->ops = *ops;
	l->ctx = ctx;
	l->user = o->user ? strdup(o->user) : NULL;
	l->password = o->password ? strdup(o->password) : NULL;
	l->scratch = malloc(CQL_SEGMENT_MAX_PAYLOAD);
	l->body = OUT_EMPTY;
	l->supported = OUT_EMPTY;
	l->version = o->max_version ? (uint8_t)o->max_version : CQL_V5;
	l->timer.data = l;
	if (!l->scratch || uv_timer_init(hub->loop, &l->timer)) {
		free(l->scratch);
		free(l->user);
		free(l->password);
		free(l);
		return -ENOMEM;
	}
	dial(l);
	*out = l;
	return 0;
}

int link_query(struct link *l, const char *text, link_reply_fn fn, void *ctx)
{
	struct cql_writer b = OUT_EMPTY;
	const struct cql_query_opts o = {.consistency = CQL_ONE};

	if (l->state != LINK_UP)
		return -ENOTCONN;
	for (int16_t i = 0; i < LINK_QUERIES; i++) {
		if (l->queries[i].fn)
			continue;
		l->queries[i] = (struct query){fn, ctx};
		l->n_queries++;
		cql_query_write(&b, l->version, cql_view_of(text), &o);
		say(l, CQL_QUERY, i, &b);
		return 0;
	}
	return -ENOBUFS;
}

static void on_closed(uv_handle_t *h)
{
	struct link *l = h->data;

	out_free(&l->body);
	out_free(&l->supported);
	free(l->scratch);
	free(l->user);
	free(l->password);
	free(l);
}

void link_close(struct link *l)
{
	if (!l || l->closing)
		return;
	l->closing = true;
	finish(l, "closed", NULL);
	uv_close((uv_handle_t *)&l->timer, on_closed);
}
