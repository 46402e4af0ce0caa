#include "mirror/pipe.h"

#include "client/out.h"

void pipe_init(struct pipe *p, const struct cql_pack *pack, struct pipe_scratch *scratch, bool responses,
	uint32_t max_body, const struct pipe_ops *ops, void *ctx)
{
	const struct cql_decoder_opts d = {.pack = pack,
		.responses = responses,
		.max_body = max_body,
		.whole = PIPE_WHOLE,
		.scratch = scratch->in};

	*p = (struct pipe){.out = OUT_EMPTY, .later = OUT_EMPTY, .ops = *ops, .ctx = ctx};
	cql_decoder_init(&p->dec, &d);
	cql_encoder_init(&p->enc, pack, scratch->out);
}

/* A segment under way lies in `in` or in scratch, which both go when we return: it is given out to its end, paused or not. */
static bool must_go_on(const struct pipe *p)
{
	return cql_decoder_holds_scratch(&p->dec) || (p->dec.have_segment && p->dec.payload.n);
}

size_t pipe_input(struct pipe *p, const uint8_t *bytes, size_t n)
{
	struct cql_view in = {bytes, n};
	struct cql_piece piece;

	const struct wire *was = p->wire;

	if (p->faulted)
		return n;
	while (!p->paused || must_go_on(p)) {
		int got = cql_decoder_pull(&p->dec, &in, &piece);
		if (!got)
			break;
		if (got > 0) {
			p->ops.on_piece(p->ctx, &piece);
		} else {
			p->faulted = true;
			p->ops.on_fault(p->ctx);
			in.n = 0;
		}
		if (p->wire != was) /* closed, and perhaps another one already in its place */
			return n;
		if (p->faulted)
			break;
	}
	if (p->ops.on_batch)
		p->ops.on_batch(p->ctx);
	return n - in.n;
}

void pipe_use_segments(struct pipe *p, bool lz4)
{
	cql_decoder_use_segments(&p->dec, lz4);
	cql_encoder_use_segments(&p->enc, lz4);
}

void pipe_pause(struct pipe *p, bool pause)
{
	if (p->paused == pause || !p->wire)
		return;
	p->paused = pause;
	wire_reading(p->wire, !pause);
}

void pipe_send(struct pipe *p, const struct cql_header *h, struct cql_view body)
{
	uint8_t head[CQL_HEADER_SIZE];
	struct cql_header plain = *h;

	if (!p->wire)
		return;
	if (!p->enc.body_left) {
		cql_encode(&p->enc, &p->out, h, body);
		return;
	}
	plain.length = (uint32_t)body.n;
	cql_header_write(head, &plain);
	cql_write_raw(&p->later, head, sizeof head);
	cql_write_view(&p->later, body);
}

void pipe_send_begin(struct pipe *p, const struct cql_header *h)
{
	if (p->wire)
		cql_encode_begin(&p->enc, &p->out, h);
}

static void send_later(struct pipe *p)
{
	struct cql_writer later = p->later;

	p->later = OUT_EMPTY;
	for (size_t at = 0; at + CQL_HEADER_SIZE <= later.len && !later.failed;) {
		struct cql_header h = cql_header_read(later.p + at);
		at += CQL_HEADER_SIZE;
		cql_encode(&p->enc, &p->out, &h, (struct cql_view){later.p + at, h.length});
		at += h.length;
	}
	p->out.failed |= later.failed;
	out_free(&later);
}

void pipe_send_part(struct pipe *p, struct cql_view part)
{
	if (!p->wire)
		return;
	cql_encode_body(&p->enc, &p->out, part);
	if (!p->enc.body_left && p->later.len)
		send_later(p);
}

void pipe_flush(struct pipe *p)
{
	if (!p->wire || (!p->out.len && !p->out.failed))
		return;
	cql_encoder_flush(&p->enc, &p->out);
	if (p->out.failed || p->later.failed) {
		/* Memory was short: the stream now has a hole, so that nobody may go on reading it. */
		out_free(&p->out);
		struct wire *w = TAKE_PTR(p->wire);
		wire_close(w, true);
		p->ops.on_broken(p->ctx);
		return;
	}
	wire_write(p->wire, p->out.p, p->out.len);
	out_free(&p->out);
}

size_t pipe_backlog(const struct pipe *p)
{
	return (p->wire ? wire_backlog(p->wire) : 0) + p->out.len + p->later.len;
}

size_t pipe_memory(const struct pipe *p)
{
	return p->wire ? wire_backlog(p->wire) + wire_held(p->wire) + p->out.len + p->later.len : 0;
}

void pipe_close(struct pipe *p, bool reset)
{
	wire_close(TAKE_PTR(p->wire), reset);
	out_free(&p->out);
	out_free(&p->later);
}

void pipe_finish(struct pipe *p, unsigned timeout_ms)
{
	pipe_flush(p);
	wire_finish(TAKE_PTR(p->wire), timeout_ms);
	out_free(&p->out);
	out_free(&p->later);
}
