#include "conn.h"
#include "client/pack.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_SIZE (256 * 1024)

struct write {
	uv_write_t req;
	struct conn *conn;
	uint8_t *bytes;
	size_t n;
};

static uint8_t read_buffer[READ_SIZE]; /* one loop, one read at a time */

/* ---- closing */

static void on_closed(uv_handle_t *h)
{
	struct conn *c = h->data;

	if (--c->handles)
		return;
	buffer_free(&c->in);
	buffer_free(&c->gather);
	buffer_free(&c->out);
	free(c->keyspace);
	free(c->unpacked);
	free(c);
}

void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	list_del(&c->link);
	request_forget_held(c);
	uv_close((uv_handle_t *)&c->tcp, on_closed);
	uv_close((uv_handle_t *)&c->slow, on_closed);
}

void conn_close_flushed(struct conn *c)
{
	c->close_after = true;
	c->state = CONN_DEAF;
	conn_flush(c);
}

/* ---- writing */

static void want_reading(struct conn *c);

static void on_written(uv_write_t *req, int status)
{
	struct write *w = container_of(req, struct write, req);
	struct conn *c = w->conn;

	c->sending -= w->n;
	free(w->bytes);
	free(w);
	if (c->closing)
		return;
	if (status < 0) {
		conn_close(c);
		return;
	}
	if (c->close_after && c->sending == 0 && c->out.len == 0) {
		conn_close(c);
		return;
	}
	conn_flush(c);
	if (!c->closing)
		want_reading(c);
}

static void send_rest(struct conn *c, size_t from)
{
	struct write *w = must_alloc(sizeof(*w));
	uv_buf_t buf = uv_buf_init((char *)c->out.p + from, (unsigned)(c->out.len - from));

	*w = (struct write){.conn = c, .bytes = c->out.p, .n = c->out.len - from};
	c->out = BUFFER_INIT;
	c->sending += w->n;
	if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &buf, 1, on_written) < 0) {
		c->sending -= w->n;
		free(w->bytes);
		free(w);
		conn_close(c);
	}
}

void conn_flush(struct conn *c)
{
	if (c->closing || c->frozen || c->node->frozen)
		return;
	cql_encoder_flush(&c->encoder, &c->out);
	if (c->out.failed) {
		conn_close(c);
		return;
	}
	/* one libuv write at a time, so that what waits stays in `out`, where it can be counted */
	if (c->out.len && c->sending == 0) {
		uv_buf_t buf = uv_buf_init((char *)c->out.p, (unsigned)c->out.len);
		int n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);

		if (n < 0 && n != UV_EAGAIN) {
			conn_close(c);
			return;
		}
		if (n == (int)c->out.len)
			c->out.len = 0;
		else
			send_rest(c, n < 0 ? 0 : (size_t)n);
	}
	if (c->close_after && !c->closing && c->sending == 0 && c->out.len == 0)
		conn_close(c);
}

void conn_answer(
	struct conn *c, int16_t stream, uint8_t opcode, struct cql_view tracing, struct cql_view body)
{
	struct cluster *k = c->node->cluster;
	struct cql_header h = {.version = c->version ? c->version : k->o.max_version,
		.response = true,
		.stream = stream,
		.opcode = opcode,
		.flags = tracing.n ? CQL_FLAG_TRACING : 0};
	struct cql_writer joined = BUFFER_INIT;

	if (c->closing)
		return;
	if (tracing.n) { /* the id stands before the body, inside what is packed */
		cql_write_view(&joined, tracing);
		cql_write_view(&joined, body);
		body = (struct cql_view){joined.p, joined.len};
	}
	k->packed.len = 0;
	if (c->compression && c->version < CQL_V5 && body.n &&
		cql_body_pack(pack_libs(), c->compression, body, &k->packed)) {
		h.flags |= CQL_FLAG_COMPRESSED;
		body = (struct cql_view){k->packed.p, k->packed.len};
	}
	cql_encode(&c->encoder, &c->out, &h, body);
	buffer_free(&joined);
	if (c->out.len > CONN_PAUSE)
		conn_flush(c);
	if (c->out.len + c->sending > CONN_BACKLOG) /* it asks and does not read */
		conn_close(c);
}

void conn_event(struct conn *c, const struct cql_event *e)
{
	struct cql_writer body = BUFFER_INIT;

	cql_event_write(&body, e);
	conn_answer(c, -1, CQL_EVENT, (struct cql_view){0}, (struct cql_view){body.p, body.len});
	buffer_free(&body);
}

void conn_use_segments(struct conn *c)
{
	if (c->version < CQL_V5)
		return;
	if (c->compression == CQL_COMPRESSION_LZ4)
		c->decoder.o.scratch = c->unpacked = must_alloc(CQL_SEGMENT_MAX_PAYLOAD);
	cql_decoder_use_segments(&c->decoder, c->compression == CQL_COMPRESSION_LZ4);
	cql_encoder_use_segments(&c->encoder, c->compression == CQL_COMPRESSION_LZ4);
}

/* ---- reading */

static void fault(struct conn *c)
{
	const struct cql_decoder *d = &c->decoder;
	char text[256];

	if (d->fault == CQL_FAULT_VERSION && !c->version) {
		handshake_refuse_version(c, d->fault_version);
		c->state = CONN_DEAF; /* the server does not close: the client does, and comes back lower */
		return;
	}
	if (d->fault == CQL_FAULT_VERSION)
		snprintf(text, sizeof(text),
			"Invalid message version. Got %u but previous messages on this connection had "
			"version %u",
			d->fault_version, c->version);
	else
		snprintf(text, sizeof(text), "%s", d->error.why);
	request_error(c, d->fault == CQL_FAULT_SEGMENT ? 0 : d->fault_head.stream, CQL_E_PROTOCOL, text);
	conn_close_flushed(c);
}

static void take_piece(struct conn *c, const struct cql_piece *piece)
{
	if (!c->version) {
		c->version = piece->head.version;
		if (c->version > handshake_max_version(c)) {
			c->version = 0;
			handshake_refuse_version(c, piece->head.version);
			c->state = CONN_DEAF;
			return;
		}
	}
	if (piece->first && piece->last) {
		request_handle(c, &piece->head, piece->body);
		return;
	}
	if (piece->first)
		c->gather.len = 0;
	cql_write_view(&c->gather, piece->body);
	if (piece->last) {
		struct cql_writer whole = c->gather;

		c->gather = BUFFER_INIT; /* a request may close the connection */
		request_handle(c, &piece->head, (struct cql_view){whole.p, whole.len});
		buffer_free(&whole);
	}
}

/* Consume what is there; what is left waits in c->in. */
static void consume(struct conn *c, struct cql_view in)
{
	struct cql_piece piece;
	int r = 0;

	while (!c->closing && c->state != CONN_DEAF && (r = cql_decoder_pull(&c->decoder, &in, &piece)) > 0)
		take_piece(c, &piece);
	if (c->closing)
		return;
	if (c->state != CONN_DEAF && r < 0)
		fault(c);
	if (c->closing)
		return;
	if (c->state == CONN_DEAF)
		in.n = 0;
	if (in.n && c->in.cap < in.n)
		cql_writer_reserve(&c->in, in.n - c->in.len);
	if (in.n)
		memmove(c->in.p, in.p, in.n);
	c->in.len = in.n;
	if (!in.n && c->in.cap > CONN_WHOLE)
		buffer_free(&c->in);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct conn *c = h->data;
	size_t size = c->slow_read ? CONN_SLOW : READ_SIZE;

	(void)suggested;
	if (!c->in.len) {
		*buf = uv_buf_init((char *)read_buffer, (unsigned)size);
		return;
	}
	if (size > CONN_WHOLE)
		size = CONN_WHOLE;
	cql_writer_reserve(&c->in, size);
	*buf = uv_buf_init((char *)c->in.p + c->in.len, (unsigned)size);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct conn *c = s->data;

	if (n == 0)
		return;
	if (n < 0) {
		conn_close(c);
		return;
	}
	if (c->in.len)
		consume(c, (struct cql_view){c->in.p, c->in.len + (size_t)n});
	else
		consume(c, (struct cql_view){(const uint8_t *)buf->base, (size_t)n});
	if (c->closing)
		return;
	c->slow_tick = false;
	conn_flush(c);
	if (!c->closing)
		want_reading(c);
}

static void on_slow(uv_timer_t *t)
{
	struct conn *c = t->data;

	c->slow_armed = false;
	c->slow_tick = true;
	want_reading(c);
}

/* Start or stop reading, whichever the state of things asks for. */
static void want_reading(struct conn *c)
{
	bool want = !c->frozen && !c->node->frozen && c->sending + c->out.len < CONN_PAUSE;

	if (want && c->slow_read && !c->slow_tick) {
		want = false;
		if (!c->slow_armed)
			uv_timer_start(&c->slow, on_slow, c->slow_ms, 0);
		c->slow_armed = true;
	}
	if (want == c->reading)
		return;
	c->reading = want;
	if (want)
		uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
	else
		uv_read_stop((uv_stream_t *)&c->tcp);
}

void conn_set_frozen(struct conn *c, bool frozen)
{
	c->frozen = frozen;
	want_reading(c);
	conn_flush(c);
}

void conn_set_slow(struct conn *c, uint32_t ms)
{
	c->slow_read = ms > 0;
	c->slow_ms = ms;
	c->slow_tick = false;
	want_reading(c);
}

/* ---- opening */

void conn_open(struct node *n, uv_stream_t *listener)
{
	struct conn *c = must_alloc(sizeof(*c));
	struct cql_decoder_opts o = {.pack = pack_libs(), .max_body = CQL_MAX_BODY, .whole = CONN_WHOLE};
	struct sockaddr_storage sa;
	int len = sizeof(sa);

	*c = (struct conn){
		.node = n, .in = BUFFER_INIT, .gather = BUFFER_INIT, .out = BUFFER_INIT, .handles = 2};
	uv_tcp_init(n->cluster->loop, &c->tcp);
	uv_timer_init(n->cluster->loop, &c->slow);
	c->tcp.data = c->slow.data = c;
	list_init(&c->held);
	list_init(&c->link);
	list_push(&n->conns, &c->link);
	cql_decoder_init(&c->decoder, &o);
	cql_encoder_init(&c->encoder, pack_libs(), n->cluster->segment);
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0 || uv_tcp_nodelay(&c->tcp, 1) < 0 ||
		uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&sa, &len) < 0 ||
		endpoint_from_sockaddr((struct sockaddr *)&sa, &c->client) < 0) {
		conn_close(c);
		return;
	}
	list_for_each (it, &n->cluster->faults.list) {
		const struct fault *f = list_entry(it, struct fault, link);

		if (f->kind == FAULT_FREEZE && fault_fits(f, n, &c->client))
			c->frozen = true;
		if (f->kind == FAULT_SLOW_READ && fault_fits(f, n, &c->client)) {
			c->slow_read = true;
			c->slow_ms = f->ms;
		}
	}
	want_reading(c);
}
