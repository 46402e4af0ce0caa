#include "tools/lab/peer.h"

#include "base/clock.h"
#include "client/out.h"
#include "client/pack.h"
#include "cql/decoder.h"
#include "cql/encoder.h"
#include "cql/error.h"
#include "cql/request.h"
#include "cql/result.h"
#include "cql/startup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only forward; what is waited for. */
enum state { CONNECTING, WANT_READY, WANT_INSERT, WANT_SELECT, UP, OVER };

#define MAX_REPLY (1u << 20)
#define PAD       96 /* the longest tail of a value */

struct statement {
	struct cql_writer id, result_metadata_id; /* the latter v5 */
};

struct peer {
	struct peer_opts o;
	struct peer_ops ops;
	void *ctx;
	struct wire *wire;
	struct cql_decoder dec;
	struct cql_encoder enc;
	uint8_t *scratch;
	struct cql_writer body; /* of the envelope being gathered */
	enum state state;
	uint64_t since_ns; /* of the handshake */
	struct statement insert, select;
	struct peer_request requests[PEER_STREAMS]; /* by stream; since_ns 0: free */
	unsigned outstanding;
};

/* What row `id` holds in v. */
static size_t value(int64_t id, char out[PAD + 32])
{
	int n = snprintf(out, 32, "v%lld-", (long long)id);
	size_t pad = (size_t)(id % PAD);

	memset(out + n, 'x', pad);
	return (size_t)n + pad;
}

static void over(struct peer *p, const char *why)
{
	bool was_up = p->state == UP;

	if (p->state == OVER)
		return;
	p->state = OVER;
	wire_close(p->wire, false);
	p->wire = NULL;
	for (unsigned i = 0; i < PEER_STREAMS; i++) {
		struct peer_request r = p->requests[i];
		if (!r.since_ns)
			continue;
		p->requests[i].since_ns = 0;
		p->outstanding--;
		p->ops.on_done(p->ctx, &r, PEER_FAILED, why);
	}
	p->ops.on_end(p->ctx, p, was_up, why);
}

static void transmit(struct peer *p, uint8_t opcode, int16_t stream, struct cql_writer *body)
{
	struct cql_writer out = OUT_EMPTY;
	struct cql_header h = {.version = p->o.version, .opcode = opcode, .stream = stream};

	cql_encode(&p->enc, &out, &h, (struct cql_view){body->p, body->len});
	cql_encoder_flush(&p->enc, &out);
	/* without memory the request stays unanswered, and its time limit ends the connection */
	if (!out.failed && !body->failed)
		wire_write(p->wire, out.p, out.len);
	out_free(&out);
	out_free(body);
}

static void prepare(struct peer *p, const char *text)
{
	struct cql_writer b = OUT_EMPTY;

	cql_prepare_write(&b, p->o.version, cql_view_of(text), (struct cql_view){0});
	transmit(p, CQL_PREPARE, 0, &b);
}

static bool learn(struct peer *p, struct cql_view body, struct statement *s)
{
	struct cql_prepared r;
	struct cql_error err;

	if (cql_result_kind(body) != CQL_PREPARED || !cql_prepared_read(p->o.version, body, &r, &err)) {
		over(p, "PREPARE was not answered by PREPARED");
		return false;
	}
	cql_write_view(&s->id, r.id);
	cql_write_view(&s->result_metadata_id, r.result_metadata_id);
	return true;
}

static const char *error_text(uint8_t version, struct cql_view body, char out[PEER_WHY])
{
	struct cql_server_error e;
	struct cql_error err;

	if (!cql_error_read(version, body, &e, &err))
		return "malformed ERROR";
	snprintf(out, PEER_WHY, "%s: %.*s", cql_error_name(e.code),
		(int)(e.message.n < 180 ? e.message.n : 180), (const char *)e.message.p);
	return out;
}

static void handshake(struct peer *p, uint8_t opcode, struct cql_view body)
{
	char why[PEER_WHY];

	if (opcode == CQL_ERROR) {
		over(p, error_text(p->o.version, body, why));
	} else if (p->state == WANT_READY && opcode == CQL_READY) {
		if (p->o.version >= CQL_V5) {
			cql_decoder_use_segments(&p->dec, false);
			cql_encoder_use_segments(&p->enc, false);
		}
		p->state = WANT_INSERT;
		prepare(p, p->o.insert);
	} else if (p->state == WANT_INSERT && opcode == CQL_RESULT) {
		if (!learn(p, body, &p->insert))
			return;
		p->state = WANT_SELECT;
		prepare(p, p->o.select);
	} else if (p->state == WANT_SELECT && opcode == CQL_RESULT) {
		if (!learn(p, body, &p->select))
			return;
		p->state = UP;
		p->ops.on_up(p->ctx, p);
	} else {
		snprintf(why, sizeof why, "unexpected %s in the handshake", cql_opcode_name(opcode));
		over(p, why);
	}
}

/* The one row of a read must be what its id says. */
static enum peer_outcome check_row(
	struct peer *p, int64_t id, struct cql_view body, const char **why, char text[PEER_WHY])
{
	struct cql_rows rows;
	struct cql_error err;
	struct cql_reader r;
	struct cql_value cells[3];
	char want[PAD + 32];

	if (!cql_rows_read(p->o.version, body, &rows, &err)) {
		*why = err.why;
		return PEER_WRONG;
	}
	snprintf(text, PEER_WHY, "row %lld: %d rows, or another value", (long long)id, rows.n_rows);
	*why = text;
	cql_reader_init(&r, rows.cells);
	if (rows.n_rows != 1 || rows.metadata.n_columns != 3 || !cql_row_next(&rows, &r, cells, 3))
		return PEER_WRONG;
	struct cql_reader number;
	cql_reader_init(&number, cells[0].view);
	bool same = cql_read_i64(&number) == id;
	same = cql_view_equal(cells[2].view, (struct cql_view){(const uint8_t *)want, value(id, want)}) &&
	       same;
	return same ? PEER_OK : PEER_WRONG;
}

static void answer(struct peer *p, const struct cql_header *h, struct cql_view body)
{
	char text[PEER_WHY];
	const char *why = NULL;
	enum peer_outcome o = PEER_OK;

	if (h->stream < 0 || h->stream >= PEER_STREAMS || !p->requests[h->stream].since_ns) {
		over(p, "an answer to a stream that was not asked");
		return;
	}
	struct peer_request r = p->requests[h->stream];
	p->requests[h->stream].since_ns = 0;
	p->outstanding--;
	if (h->opcode == CQL_ERROR) {
		o = PEER_FAILED;
		why = error_text(p->o.version, body, text);
	} else if (h->opcode != CQL_RESULT || cql_result_kind(body) != (r.write ? CQL_VOID : CQL_ROWS)) {
		o = PEER_FAILED;
		why = "an answer of another kind";
	} else if (!r.write) {
		o = check_row(p, r.id, body, &why, text);
	}
	p->ops.on_done(p->ctx, &r, o, why);
}

static void envelope(struct peer *p, const struct cql_header *h, struct cql_view body)
{
	struct cql_reader r;
	struct cql_prefix prefix;

	cql_reader_init(&r, body);
	if (!cql_prefix_read(h, &r, &prefix)) {
		over(p, r.error.why);
		return;
	}
	body.p += prefix.size;
	body.n -= prefix.size;
	if (p->state == UP)
		answer(p, h, body);
	else
		handshake(p, h->opcode, body);
}

static size_t on_input(void *ctx, const uint8_t *bytes, size_t n)
{
	struct peer *p = ctx;
	struct cql_view in = {bytes, n};
	struct cql_piece piece;
	int got = 0;

	while (p->state != OVER && (got = cql_decoder_pull(&p->dec, &in, &piece)) > 0) {
		if (piece.first)
			p->body.len = 0;
		cql_write_view(&p->body, piece.body);
		if (p->body.failed)
			over(p, strerror(ENOMEM));
		else if (piece.last)
			envelope(p, &piece.head, (struct cql_view){p->body.p, p->body.len});
	}
	if (got < 0)
		over(p, p->dec.error.why);
	return n - in.n;
}

static void on_open(void *ctx)
{
	struct peer *p = ctx;
	struct cql_writer b = OUT_EMPTY;

	p->state = WANT_READY;
	cql_startup_write(&b, CQL_COMPRESSION_NONE, cql_view_of("lab-load"), cql_view_of(SEAM_VERSION));
	transmit(p, CQL_STARTUP, 0, &b);
}

static void on_end(void *ctx, int err)
{
	over(ctx, err ? strerror(-err) : "the connection was closed");
}

static const struct wire_ops WIRE_OPS = {.on_open = on_open, .on_input = on_input, .on_end = on_end};

int peer_open(struct wire_hub *hub, const struct peer_opts *o, const struct peer_ops *ops, void *ctx,
	struct peer **out)
{
	struct peer *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->o = *o;
	p->ops = *ops;
	p->ctx = ctx;
	p->since_ns = clock_mono_ns();
	p->body = p->insert.id = p->insert.result_metadata_id = OUT_EMPTY;
	p->select.id = p->select.result_metadata_id = OUT_EMPTY;
	p->scratch = malloc(CQL_SEGMENT_MAX_PAYLOAD);
	const struct cql_decoder_opts d = {
		.pack = pack_libs(),
		.responses = true,
		.max_body = MAX_REPLY,
		.whole = 16u << 10,
		.scratch = p->scratch,
	};
	cql_decoder_init(&p->dec, &d);
	cql_encoder_init(&p->enc, pack_libs(), p->scratch);
	int err = p->scratch ? wire_dial(hub, &o->to, o->timeout_ms, &WIRE_OPS, p, &p->wire) : -ENOMEM;
	if (err) {
		peer_close(p);
		return err;
	}
	*out = p;
	return 0;
}

bool peer_up(const struct peer *p)
{
	return p && p->state == UP;
}

unsigned peer_outstanding(const struct peer *p)
{
	return p->outstanding;
}

/* <id> [<result_metadata_id>] <consistency> <flags> <n> <values…>, spec §4.1.6; no default timestamp, so that Seam sets one. */
static void write_execute(struct peer *p, struct cql_writer *b, int64_t id, bool write)
{
	const struct statement *s = write ? &p->insert : &p->select;
	char v[PAD + 32];

	cql_write_short_bytes(b, (struct cql_view){s->id.p, s->id.len});
	if (p->o.version >= CQL_V5)
		cql_write_short_bytes(
			b, (struct cql_view){s->result_metadata_id.p, s->result_metadata_id.len});
	cql_write_u16(b, CQL_LOCAL_ONE);
	if (p->o.version >= CQL_V5)
		cql_write_i32(b, CQL_Q_VALUES);
	else
		cql_write_u8(b, CQL_Q_VALUES);
	cql_write_u16(b, write ? 3 : 1);
	cql_write_i32(b, 8);
	cql_write_i64(b, id);
	if (!write)
		return;
	cql_write_i32(b, 8);
	cql_write_i64(b, id);
	cql_write_bytes(b, (struct cql_view){(const uint8_t *)v, value(id, v)});
}

int peer_ask(struct peer *p, int64_t id, bool write, bool again)
{
	struct cql_writer b = OUT_EMPTY;

	if (p->state != UP)
		return -ENOTCONN;
	for (int16_t i = 0; i < PEER_STREAMS; i++) {
		if (p->requests[i].since_ns)
			continue;
		p->requests[i] = (struct peer_request){id, write, again, clock_mono_ns()};
		p->outstanding++;
		write_execute(p, &b, id, write);
		transmit(p, CQL_EXECUTE, i, &b);
		return 0;
	}
	return -ENOBUFS;
}

void peer_check(struct peer *p)
{
	uint64_t limit = (uint64_t)p->o.timeout_ms * 1000000, now = clock_mono_ns();
	uint64_t oldest = p->state < UP ? p->since_ns : now;

	for (unsigned i = 0; p->state == UP && i < PEER_STREAMS; i++)
		if (p->requests[i].since_ns && p->requests[i].since_ns < oldest)
			oldest = p->requests[i].since_ns;
	if (p->state != OVER && now - oldest > limit)
		over(p, "no answer in time");
}

void peer_close(struct peer *p)
{
	if (!p)
		return;
	wire_close(p->wire, false);
	out_free(&p->body);
	out_free(&p->insert.id);
	out_free(&p->insert.result_metadata_id);
	out_free(&p->select.id);
	out_free(&p->select.result_metadata_id);
	free(p->scratch);
	free(p);
}
