#include "cql/encoder.h"

#include <string.h>

/* Below this many bytes LZ4 gains nothing worth its call. */
#define PACK_FROM 64

void cql_encoder_init(struct cql_encoder *e, const struct cql_pack *pack, uint8_t *scratch)
{
	*e = (struct cql_encoder){.pack = pack, .scratch = scratch};
}

void cql_encoder_use_segments(struct cql_encoder *e, bool lz4)
{
	e->segments = true;
	e->lz4 = lz4;
}

static size_t head_size(const struct cql_encoder *e)
{
	return e->lz4 ? CQL_SEGMENT_HEADER_LZ4 : CQL_SEGMENT_HEADER;
}

static size_t payload_size(const struct cql_encoder *e, const struct cql_writer *out)
{
	return out->len - e->open_at - head_size(e);
}

/* Room for the segment's header now, and for `expect` bytes of payload and the trailer. */
static bool open_segment(struct cql_encoder *e, struct cql_writer *out, size_t expect)
{
	if (!cql_writer_reserve(out, head_size(e) + expect + CQL_SEGMENT_TRAILER))
		return false;
	e->open = true;
	e->open_at = out->len;
	out->len += head_size(e);
	return true;
}

void cql_encoder_flush(struct cql_encoder *e, struct cql_writer *out)
{
	struct cql_segment s = {.self_contained = e->self_contained};
	uint8_t *payload;
	uint32_t sum;

	if (!e->open)
		return;
	e->open = false;
	/* An envelope begun and not ended leaves as the first of several slices. */
	e->split = !e->self_contained && e->body_left;
	if (!cql_writer_reserve(out, CQL_SEGMENT_TRAILER))
		return;
	payload = out->p + e->open_at + head_size(e);
	s.plain_length = s.wire_length = (uint32_t)payload_size(e, out);
	if (e->lz4 && s.plain_length >= PACK_FROM) {
		int n = e->pack->lz4_pack(payload, s.plain_length, e->scratch, s.plain_length - 1);

		if (n > 0) {
			memcpy(payload, e->scratch, (size_t)n);
			s.wire_length = (uint32_t)n;
			s.packed = true;
		}
	}
	out->len = e->open_at + head_size(e) + s.wire_length;
	cql_segment_header_write(out->p + e->open_at, e->lz4, &s);
	sum = __builtin_bswap32(cql_segment_crc32(e->pack, payload, s.wire_length));
	cql_write_i32(out, (int32_t)sum);
}

static void write_head(struct cql_writer *out, const struct cql_header *h)
{
	uint8_t head[CQL_HEADER_SIZE];

	cql_header_write(head, h);
	cql_write_raw(out, head, sizeof head);
}

void cql_encode(
	struct cql_encoder *e, struct cql_writer *out, const struct cql_header *h, struct cql_view body)
{
	struct cql_header head = *h;
	size_t size = CQL_HEADER_SIZE + body.n;

	head.length = (uint32_t)body.n;
	if (!e->segments) {
		if (!cql_writer_reserve(out, size))
			return;
	} else if (size > CQL_SEGMENT_MAX_PAYLOAD) {
		cql_encode_begin(e, out, &head);
		cql_encode_body(e, out, body);
		return;
	} else {
		if (e->open && payload_size(e, out) + size > CQL_SEGMENT_MAX_PAYLOAD)
			cql_encoder_flush(e, out);
		if (!e->open && !open_segment(e, out, size))
			return;
		e->self_contained = true;
	}
	write_head(out, &head);
	cql_write_view(out, body);
}

/*
 * An envelope that comes in parts gets a segment of its own, since it may have to leave before its end has come; if it ends before
 * that, the segment turns out self-contained and later envelopes may share it.
 */
static void end_part(struct cql_encoder *e, struct cql_writer *out)
{
	if (e->body_left)
		return;
	if (e->split) {
		cql_encoder_flush(e, out);
		e->split = false;
	} else {
		e->self_contained = true;
	}
}

void cql_encode_begin(struct cql_encoder *e, struct cql_writer *out, const struct cql_header *h)
{
	size_t size = CQL_HEADER_SIZE + (size_t)h->length;

	e->body_left = 0;
	if (e->segments) {
		cql_encoder_flush(e, out);
		e->split = e->self_contained = false;
		if (!open_segment(e, out, CQL_HEADER_SIZE))
			return;
	}
	e->body_left = h->length;
	write_head(out, h);
	if (e->segments && size == CQL_HEADER_SIZE)
		end_part(e, out);
}

void cql_encode_body(struct cql_encoder *e, struct cql_writer *out, struct cql_view part)
{
	if (!e->segments) {
		e->body_left -= (uint32_t)part.n;
		cql_write_view(out, part);
		return;
	}
	while (part.n && !out->failed) {
		struct cql_view slice = part;
		size_t room;

		if (e->open && payload_size(e, out) == CQL_SEGMENT_MAX_PAYLOAD)
			cql_encoder_flush(e, out);
		if (!e->open && !open_segment(e, out,
					part.n < CQL_SEGMENT_MAX_PAYLOAD ? part.n : CQL_SEGMENT_MAX_PAYLOAD))
			return;
		room = CQL_SEGMENT_MAX_PAYLOAD - payload_size(e, out);
		if (slice.n > room)
			slice.n = room;
		cql_write_view(out, slice);
		e->body_left -= (uint32_t)slice.n;
		part.p += slice.n;
		part.n -= slice.n;
	}
	end_part(e, out);
}
