#include "cql/decoder.h"

void cql_decoder_init(struct cql_decoder *d, const struct cql_decoder_opts *o)
{
	*d = (struct cql_decoder){.o = *o};
	if (d->o.whole < CQL_HEADER_SIZE)
		d->o.whole = CQL_HEADER_SIZE;
}

void cql_decoder_use_segments(struct cql_decoder *d, bool lz4)
{
	d->segments = true;
	d->lz4 = lz4;
}

bool cql_decoder_holds_scratch(const struct cql_decoder *d)
{
	return d->payload.p && d->payload.n;
}

static void eat(struct cql_decoder *d, struct cql_view *in, size_t n)
{
	in->p += n;
	in->n -= n;
	d->consumed += n;
}

static int fail_at(struct cql_decoder *d, enum cql_decoder_fault fault, const char *why, uint64_t at)
{
	d->fault = fault;
	d->error = (struct cql_error){.why = why, .offset = at > UINT32_MAX ? UINT32_MAX : (uint32_t)at};
	return -1;
}

static int fail(struct cql_decoder *d, enum cql_decoder_fault fault, const char *why)
{
	return fail_at(d, fault, why, d->consumed);
}

/*
 * 1: the header is in *h. 0: more bytes are needed. -1: fault. The first byte is judged alone: what speaks v1 or v2, whose headers
 * have 8 bytes, or no CQL at all, must not be waited for.
 */
static int read_head(struct cql_decoder *d, struct cql_view front, struct cql_header *h)
{
	uint8_t version;
	bool known;

	if (!front.n)
		return 0;
	version = front.p[0] & 0x7f;
	known = d->version ? version == d->version : version >= CQL_V3 && version <= CQL_V5;
	if (front.n < CQL_HEADER_SIZE && known && d->o.responses == (bool)(front.p[0] & 0x80))
		return 0;
	if (front.n >= CQL_HEADER_SIZE)
		*h = cql_header_read(front.p);
	else
		*h = (struct cql_header){.version = version, .response = front.p[0] & 0x80};
	d->fault_head = *h;
	if (!known) {
		d->fault_version = version;
		return fail(
			d, CQL_FAULT_VERSION, d->version ? "another version than before" : "unknown version");
	}
	if (h->response != d->o.responses)
		return fail(d, CQL_FAULT_DIRECTION,
			h->response ? "response from a client" : "request from a server");
	if (!(h->response ? cql_opcode_is_response(h->opcode) : cql_opcode_is_request(h->opcode)))
		return fail(d, CQL_FAULT_OPCODE, "unknown opcode");
	if (h->length > d->o.max_body)
		return fail(d, CQL_FAULT_LENGTH, "body is too long");
	return 1;
}

/* The first `n` bytes of an envelope, header included: at p. */
static void give_first(
	struct cql_decoder *d, const struct cql_header *h, const uint8_t *p, size_t n, struct cql_piece *out)
{
	size_t body = n - CQL_HEADER_SIZE;

	d->head = *h;
	d->version = h->version;
	d->body_left = h->length - (uint32_t)body;
	d->in_body = d->body_left;
	*out = (struct cql_piece){
		.head = *h, .body = {p + CQL_HEADER_SIZE, body}, .first = true, .last = !d->in_body};
	if (out->last)
		out->raw = (struct cql_view){p, n};
}

static void give_next(struct cql_decoder *d, const uint8_t *p, size_t n, struct cql_piece *out)
{
	d->body_left -= (uint32_t)n;
	d->in_body = d->body_left;
	*out = (struct cql_piece){.head = d->head, .body = {p, n}, .last = !d->in_body};
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int pull_plain(struct cql_decoder *d, struct cql_view *in, struct cql_piece *out)
{
	struct cql_header h;
	size_t n;
	int r;

	if (d->in_body) {
		n = smaller(in->n, d->body_left);
		if (!n)
			return 0;
		give_next(d, in->p, n, out);
	} else {
		r = read_head(d, *in, &h);
		if (r <= 0)
			return r;
		n = smaller(CQL_HEADER_SIZE + (size_t)h.length, d->o.whole);
		if (in->n < n)
			return 0;
		give_first(d, &h, in->p, n, out);
	}
	eat(d, in, n);
	return 1;
}

/* 1: a segment is open, whole and checked. An unpacked payload stays in `in` until it was given out, so that `in` may move meanwhile. */
static int open_segment(struct cql_decoder *d, struct cql_view *in)
{
	size_t head = d->lz4 ? CQL_SEGMENT_HEADER_LZ4 : CQL_SEGMENT_HEADER;
	struct cql_segment s;
	struct cql_error err;
	const uint8_t *sum;
	size_t size;

	if (in->n < head)
		return 0;
	if (!cql_segment_header_read(in->p, d->lz4, &s, &err))
		return fail_at(d, CQL_FAULT_SEGMENT, err.why, d->consumed + err.offset);
	if (s.self_contained && d->in_body)
		return fail(d, CQL_FAULT_SEGMENT, "self-contained segment amid a split envelope");
	size = head + s.wire_length + CQL_SEGMENT_TRAILER;
	if (in->n < size)
		return 0;
	sum = in->p + head + s.wire_length;
	if (((uint32_t)sum[3] << 24 | (uint32_t)sum[2] << 16 | (uint32_t)sum[1] << 8 | sum[0]) !=
		cql_segment_crc32(d->o.pack, in->p + head, s.wire_length))
		return fail_at(
			d, CQL_FAULT_SEGMENT, "wrong checksum of a segment's payload", d->consumed + head);
	d->payload = (struct cql_view){NULL, s.plain_length};
	if (s.packed) {
		int n = d->o.pack->lz4_unpack(in->p + head, s.wire_length, d->o.scratch, s.plain_length);

		if (n < 0 || (uint32_t)n != s.plain_length)
			return fail_at(d, CQL_FAULT_SEGMENT, "corrupt lz4 segment", d->consumed + head);
		d->payload.p = d->o.scratch;
	}
	eat(d, in, s.packed ? size : s.plain_length ? head : size);
	d->self_contained = s.self_contained;
	d->have_segment = s.plain_length;
	return 1;
}

/* An envelope begins in the payload: how many of its bytes to give now, or -1. */
static int64_t first_size(struct cql_decoder *d, struct cql_view payload, struct cql_header *h)
{
	size_t total;

	if (read_head(d, payload, h) < 0)
		return -1;
	if (payload.n < CQL_HEADER_SIZE)
		return fail(d, CQL_FAULT_SEGMENT, "envelope header split between segments");
	total = CQL_HEADER_SIZE + (size_t)h->length;
	if (d->self_contained && total > payload.n)
		return fail(d, CQL_FAULT_SEGMENT, "envelope longer than its self-contained segment");
	if (!d->self_contained && total < payload.n)
		return fail(d, CQL_FAULT_SEGMENT,
			"bytes behind the envelope in a segment that is not self-contained");
	return (int64_t)smaller(smaller(total, payload.n), d->o.whole);
}

static int pull_segments(struct cql_decoder *d, struct cql_view *in, struct cql_piece *out)
{
	struct cql_view payload;
	struct cql_header h;
	int64_t n;

	while (!d->have_segment) {
		int r = open_segment(d, in);

		if (r <= 0)
			return r;
	}
	payload = d->payload;
	if (!payload.p) {
		if (in->n < payload.n + CQL_SEGMENT_TRAILER)
			return 0; /* the caller kept bytes back */
		payload.p = in->p;
	}
	if (!d->in_body) {
		n = first_size(d, payload, &h);
		if (n < 0)
			return -1;
		give_first(d, &h, payload.p, (size_t)n, out);
	} else {
		if (!d->self_contained && d->body_left < payload.n)
			return fail(
				d, CQL_FAULT_SEGMENT, "segment goes on behind the end of a split envelope");
		n = (int64_t)smaller(payload.n, d->body_left);
		give_next(d, payload.p, (size_t)n, out);
	}
	d->payload.n -= (size_t)n;
	d->have_segment = d->payload.n;
	if (d->payload.p)
		d->payload.p += n;
	else
		eat(d, in, (size_t)n + (d->have_segment ? 0 : CQL_SEGMENT_TRAILER));
	return 1;
}

int cql_decoder_pull(struct cql_decoder *d, struct cql_view *in, struct cql_piece *out)
{
	if (d->fault)
		return -1;
	return d->segments ? pull_segments(d, in, out) : pull_plain(d, in, out);
}
