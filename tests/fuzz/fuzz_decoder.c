/*
 * Any bytes, in any framing, in parts of any size: pieces keep their promises, and what was read is written and read again alike.
 * Checksums would stop a fuzzer at the door; so half of the inputs are payloads that this puts into sound segments.
 */
#include "fuzz.h"

#include "client/pack.h"
#include "cql/decoder.h"
#include "cql/encoder.h"

enum { RESPONSES = 1, SEGMENTS = 2, LZ4 = 4, WRAP = 8, PACKED = 16, RESEGMENT = 32, RELZ4 = 64 };

static uint8_t scratch[3][CQL_SEGMENT_MAX_PAYLOAD];

/* `part` bytes a segment; the first bit of each payload says whether it is self-contained. */
static void wrap(struct cql_writer *w, const uint8_t *p, size_t n, size_t part, unsigned how)
{
	while (n) {
		size_t now = part < n ? part : n;
		struct cql_segment s = {.wire_length = (uint32_t)now,
			.plain_length = how & PACKED ? (uint32_t)(now * 3) : (uint32_t)now,
			.packed = how & PACKED && how & LZ4,
			.self_contained = p[now - 1] & 1};
		uint8_t head[CQL_SEGMENT_HEADER_LZ4];

		cql_segment_header_write(head, how & LZ4, &s);
		cql_write_raw(w, head, how & LZ4 ? CQL_SEGMENT_HEADER_LZ4 : CQL_SEGMENT_HEADER);
		cql_write_raw(w, p, now);
		cql_write_i32(w, (int32_t)__builtin_bswap32(cql_segment_crc32(pack_libs(), p, now)));
		p += now;
		n -= now;
	}
}

static void init(struct cql_decoder *d, unsigned how, uint32_t whole, uint8_t *memory)
{
	cql_decoder_init(d, &(struct cql_decoder_opts){.pack = pack_libs(),
				    .responses = how & RESPONSES,
				    .max_body = 1 << 20,
				    .whole = whole,
				    .scratch = memory});
	if (how & SEGMENTS)
		cql_decoder_use_segments(d, how & LZ4);
}

/* Pieces of `in` to the encoder, and to `plain` as they would be without any framing. */
static int relay(struct cql_decoder *d, struct cql_view *in, struct cql_encoder *e, struct cql_writer *out,
	struct cql_encoder *copy, struct cql_writer *plain)
{
	struct cql_piece piece;
	int r;

	while ((r = cql_decoder_pull(d, in, &piece)) > 0) {
		MUST(piece.body.n <= piece.head.length);
		MUST(!(piece.first && piece.last) || piece.raw.n == CQL_HEADER_SIZE + piece.head.length);
		MUST(piece.first || piece.body.n);
		if (piece.first && piece.last) {
			cql_encode(e, out, &piece.head, piece.body);
			cql_encode(copy, plain, &piece.head, piece.body);
			continue;
		}
		if (piece.first) {
			cql_encode_begin(e, out, &piece.head);
			cql_encode_begin(copy, plain, &piece.head);
		}
		cql_encode_body(e, out, piece.body);
		cql_encode_body(copy, plain, piece.body);
		if (piece.body.n & 1)
			cql_encoder_flush(e, out);
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cql_writer wire = SINK, out = SINK, plain = SINK, again = SINK, none = SINK;
	struct cql_encoder e, copy, nothing;
	struct cql_decoder d, back;
	struct cql_view all, in;
	uint32_t whole;
	unsigned how;
	size_t part;

	if (size < 4)
		return 0;
	how = data[0];
	whole = data[1];
	part = (size_t)data[2] + 1;
	if (how & WRAP && how & SEGMENTS)
		wrap(&wire, data + 3, size - 3, part * 4, how);
	else
		cql_write_raw(&wire, data + 3, size - 3);
	init(&d, how, whole, scratch[0]);
	cql_encoder_init(&e, pack_libs(), scratch[1]);
	cql_encoder_init(&copy, pack_libs(), NULL);
	if (how & RESEGMENT)
		cql_encoder_use_segments(&e, how & RELZ4);
	/* Fed in parts, from memory that ends where the part ends. */
	for (size_t at = 0, held = 0; at + held < wire.len;) {
		size_t n = held + part < wire.len - at ? held + part : wire.len - at;
		int r;

		all = in = tight(wire.p + at, n);
		r = relay(&d, &in, &e, &out, &copy, &plain);
		MUST(inside(in, all) && d.consumed == at + n - in.n);
		at += n - in.n;
		held = in.n;
		tight_free(all);
		if (r < 0) {
			MUST(d.fault && d.error.why && d.error.offset <= wire.len);
			break;
		}
	}
	cql_encoder_flush(&e, &out);
	/* The other framing holds the same bytes. */
	init(&back, (how & RESPONSES) | (how & RESEGMENT ? SEGMENTS : 0) | (how & RELZ4 ? LZ4 : 0), 4096,
		scratch[2]);
	cql_encoder_init(&copy, pack_libs(), NULL);
	cql_encoder_init(&nothing, pack_libs(), NULL);
	in = sink_view(&out);
	MUST(relay(&back, &in, &nothing, &none, &copy, &again) == 0);
	if (how & RESEGMENT || !d.in_body)
		MUST(again.len == plain.len && (!plain.len || !memcmp(again.p, plain.p, plain.len)));
	free(wire.p);
	free(out.p);
	free(plain.p);
	free(again.p);
	free(none.p);
	return 0;
}
