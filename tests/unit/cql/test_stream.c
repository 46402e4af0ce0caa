/* Envelopes through decoder and encoder, cut wherever a network may cut them. */
#include "unit/cql/feeder.h"

static const struct envelope {
	uint8_t opcode;
	int16_t stream;
	uint32_t length;
} small[] = {
	{CQL_OPTIONS, 0, 0},
	{CQL_QUERY, 1, 40},
	{CQL_EXECUTE, 0x7fff, 1},
	{CQL_BATCH, 258, 170},
	{CQL_QUERY, 3, 96},
	{CQL_OPTIONS, 4, 0},
};

static struct cql_view body_of(const struct envelope *e)
{
	uint8_t *p = malloc(e->length + 1);

	assert_non_null(p);
	for (uint32_t i = 0; i < e->length; i++)
		p[i] = (uint8_t)(e->stream + i / 7);
	return (struct cql_view){p, e->length};
}

/* What a session would do with bodies on v3 and v4 connections that agreed on a compression. */
static void add(struct cql_encoder *enc, enum framing framing, const struct envelope *e,
	struct cql_writer *plain, struct cql_writer *wire)
{
	struct cql_header h = {
		.version = framing >= SEGMENTS ? CQL_V5 : CQL_V4, .stream = e->stream, .opcode = e->opcode};
	struct cql_view body = body_of(e);
	struct cql_writer packed = SINK;
	struct cql_encoder copy;

	cql_encoder_init(&copy, pack_libs(), NULL);
	cql_encode(&copy, plain, &h, body);
	if ((framing == LZ4_BODIES || framing == SNAPPY_BODIES) && body.n) {
		assert_true(cql_body_pack(pack_libs(),
			framing == LZ4_BODIES ? CQL_COMPRESSION_LZ4 : CQL_COMPRESSION_SNAPPY, body, &packed));
		h.flags = CQL_FLAG_COMPRESSED;
		cql_encode(enc, wire, &h, sink_view(&packed));
	} else {
		cql_encode(enc, wire, &h, body);
	}
	sink_free(&packed);
	tight_free(body);
}

/* One plain stream from what was gathered: bodies unpacked. */
static void unpack(const struct cql_writer *got, enum framing framing, struct cql_writer *plain)
{
	enum cql_compression c = framing == LZ4_BODIES ? CQL_COMPRESSION_LZ4 : CQL_COMPRESSION_SNAPPY;
	struct cql_error err;

	for (size_t at = 0; at < got->len;) {
		struct cql_header h = cql_header_read(got->p + at);
		struct cql_view body = {got->p + at + CQL_HEADER_SIZE, h.length};
		size_t start = plain->len;

		at += CQL_HEADER_SIZE + h.length;
		cql_write_raw(plain, (uint8_t[CQL_HEADER_SIZE]){0}, CQL_HEADER_SIZE);
		if (h.flags & CQL_FLAG_COMPRESSED)
			assert_true(cql_body_unpack(pack_libs(), c, body, 1000, plain, &err));
		else
			cql_write_view(plain, body);
		h.flags = 0;
		h.length = (uint32_t)(plain->len - start - CQL_HEADER_SIZE);
		cql_header_write(plain->p + start, &h);
	}
}

static void check_gathered(struct feeder *f, enum framing framing, const struct cql_writer *want)
{
	struct cql_writer plain = SINK;

	assert_false(f->amid);
	assert_int_equal(f->held.len, 0);
	unpack(&f->got, framing, &plain);
	assert_view(sink_view(&plain), sink_view(want));
	sink_free(&plain);
}

static void cut_everywhere(
	enum framing framing, const struct cql_writer *wire, const struct cql_writer *want, uint32_t whole)
{
	for (size_t cut = 0; cut <= wire->len; cut++) {
		struct feeder *f = feeder_new(framing, false, whole);

		assert_int_equal(feeder_feed(f, wire->p, cut), 0);
		assert_int_equal(feeder_feed(f, wire->p + cut, wire->len - cut), 0);
		check_gathered(f, framing, want);
		assert_int_equal(f->d.consumed, wire->len);
		feeder_free(f);
	}
}

static void byte_by_byte(
	enum framing framing, const struct cql_writer *wire, const struct cql_writer *want, uint32_t whole)
{
	struct feeder *f = feeder_new(framing, false, whole);

	for (size_t i = 0; i < wire->len; i++)
		assert_int_equal(feeder_feed(f, wire->p + i, 1), 0);
	check_gathered(f, framing, want);
	feeder_free(f);
}

static void test_split_at_every_byte(void **state)
{
	static const uint32_t wholes[] = {CQL_HEADER_SIZE, 30, 60, 4096};

	(void)state;
	for (enum framing framing = PLAIN; framing < N_FRAMINGS; framing++) {
		struct cql_writer plain = SINK, wire = SINK;
		uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD];
		struct cql_encoder enc;

		cql_encoder_init(&enc, pack_libs(), scratch);
		if (framing >= SEGMENTS)
			cql_encoder_use_segments(&enc, framing == SEGMENTS_LZ4);
		for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
			add(&enc, framing, &small[i], &plain, &wire);
			if (i == 1 || i == 2)
				cql_encoder_flush(&enc, &wire); /* else several in a segment */
		}
		cql_encoder_flush(&enc, &wire);
		for (size_t i = 0; i < ARRAY_SIZE(wholes); i++) {
			cut_everywhere(framing, &wire, &plain, wholes[i]);
			byte_by_byte(framing, &wire, &plain, wholes[i]);
		}
		sink_free(&plain);
		sink_free(&wire);
	}
}

/* An envelope whose parts are flushed one by one travels in slices of few bytes: all that can happen between segments, in little. */
static void test_slices_split_at_every_byte(void **state)
{
	static const size_t sizes[] = {0, 1, 5, 0, 64, 20};

	(void)state;
	for (enum framing framing = SEGMENTS; framing < N_FRAMINGS; framing++) {
		const struct envelope e = {CQL_QUERY, 9, 90};
		struct cql_header h = {.version = CQL_V5, .stream = 9, .opcode = CQL_QUERY, .length = 90};
		struct cql_writer plain = SINK, wire = SINK;
		struct cql_view body = body_of(&e), rest = body;
		uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD];
		struct cql_encoder enc;

		cql_encoder_init(&enc, pack_libs(), scratch);
		cql_encoder_use_segments(&enc, framing == SEGMENTS_LZ4);
		add(&enc, framing, &small[1], &plain, &wire);
		cql_encode_begin(&enc, &wire, &h);
		cql_header_write((uint8_t *)memset(scratch, 0, CQL_HEADER_SIZE), &h);
		cql_write_raw(&plain, scratch, CQL_HEADER_SIZE);
		cql_write_view(&plain, body);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			cql_encode_body(&enc, &wire, (struct cql_view){rest.p, sizes[i]});
			rest.p += sizes[i];
			if (i != 1)
				cql_encoder_flush(&enc, &wire);
		}
		add(&enc, framing, &small[3], &plain, &wire);
		cql_encoder_flush(&enc, &wire);
		cut_everywhere(framing, &wire, &plain, 4096);
		byte_by_byte(framing, &wire, &plain, CQL_HEADER_SIZE);
		tight_free(body);
		sink_free(&plain);
		sink_free(&wire);
	}
}

/* Walks the segments in `wire` and checks what a strict peer checks; returns how many there are. */
static size_t walk(const struct cql_writer *wire, bool lz4)
{
	size_t head = lz4 ? CQL_SEGMENT_HEADER_LZ4 : CQL_SEGMENT_HEADER, n = 0;
	struct cql_segment s;
	struct cql_error err;

	for (size_t at = 0; at < wire->len; n++) {
		assert_true(wire->len - at >= head + CQL_SEGMENT_TRAILER);
		assert_true(cql_segment_header_read(wire->p + at, lz4, &s, &err));
		assert_true(s.plain_length >= CQL_HEADER_SIZE || !s.self_contained);
		at += head + s.wire_length + CQL_SEGMENT_TRAILER;
		assert_true(at <= wire->len);
	}
	return n;
}

static void test_sizes_around_a_segment(void **state)
{
	static const struct {
		uint32_t length;
		size_t segments; /* with an OPTIONS before and one behind, not flushed between */
	} rows[] = {
		{CQL_SEGMENT_MAX_PAYLOAD - 3 * CQL_HEADER_SIZE, 1},
		{CQL_SEGMENT_MAX_PAYLOAD - 3 * CQL_HEADER_SIZE + 1, 2},
		{CQL_SEGMENT_MAX_PAYLOAD - 2 * CQL_HEADER_SIZE, 2},
		{CQL_SEGMENT_MAX_PAYLOAD - 2 * CQL_HEADER_SIZE + 1, 3},
		{CQL_SEGMENT_MAX_PAYLOAD - CQL_HEADER_SIZE, 3},
		{CQL_SEGMENT_MAX_PAYLOAD - CQL_HEADER_SIZE + 1, 4},
		{2 * CQL_SEGMENT_MAX_PAYLOAD - CQL_HEADER_SIZE, 4},
		{2 * CQL_SEGMENT_MAX_PAYLOAD - CQL_HEADER_SIZE + 1, 5},
		{1000000, 10},
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(rows); i++) {
		enum framing framing = i % 2 ? SEGMENTS_LZ4 : SEGMENTS;
		const struct envelope e = {CQL_QUERY, 7, rows[i / 2].length};
		struct feeder *f = feeder_new(framing, false, 1 << 20);
		struct cql_writer plain = SINK, wire = SINK;
		uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD];
		struct cql_encoder enc;

		cql_encoder_init(&enc, pack_libs(), scratch);
		cql_encoder_use_segments(&enc, framing == SEGMENTS_LZ4);
		add(&enc, framing, &small[0], &plain, &wire);
		add(&enc, framing, &e, &plain, &wire);
		add(&enc, framing, &small[5], &plain, &wire);
		cql_encoder_flush(&enc, &wire);
		assert_int_equal(walk(&wire, framing == SEGMENTS_LZ4), rows[i / 2].segments);
		for (size_t at = 0; at < wire.len; at += 4999)
			assert_int_equal(
				feeder_feed(f, wire.p + at, wire.len - at < 4999 ? wire.len - at : 4999), 0);
		assert_int_equal(f->envelopes, 3);
		assert_true(f->most_held <= CQL_SEGMENT_MAX);
		check_gathered(f, framing, &plain);
		feeder_free(f);
		sink_free(&plain);
		sink_free(&wire);
	}
}

/* One leg to the other of a session: whatever came is passed on at once, and nothing piles up. */
static void relay(enum framing from, enum framing to, uint64_t length, uint64_t *out_bytes)
{
	enum { PART = 50000 };
	struct cql_header h = {
		.version = CQL_V5, .stream = 5, .opcode = CQL_QUERY, .length = (uint32_t)length};
	static uint8_t scratch[2][CQL_SEGMENT_MAX_PAYLOAD], part[PART];
	struct cql_writer wire = SINK, out = SINK;
	struct feeder *f = feeder_new(from, false, 65536), *end = feeder_new(to, false, 65536);
	struct cql_encoder source, enc;
	struct cql_piece piece;
	uint64_t sent = 0;

	f->discard = end->discard = true;
	cql_encoder_init(&source, pack_libs(), scratch[0]);
	cql_encoder_init(&enc, pack_libs(), scratch[1]);
	if (from >= SEGMENTS)
		cql_encoder_use_segments(&source, from == SEGMENTS_LZ4);
	if (to >= SEGMENTS)
		cql_encoder_use_segments(&enc, to == SEGMENTS_LZ4);
	for (size_t i = 0; i < PART; i++)
		part[i] = (uint8_t)(i * i >> 5);
	cql_encode_begin(&source, &f->held, &h);
	*out_bytes = 0;
	while (sent < length) {
		size_t n = length - sent < PART ? (size_t)(length - sent) : PART;
		struct cql_view in;
		int r;

		cql_encode_body(&source, &f->held, (struct cql_view){part, n});
		sent += n;
		cql_encoder_flush(&source, &f->held);
		in = sink_view(&f->held);
		while ((r = cql_decoder_pull(&f->d, &in, &piece)) > 0) {
			if (piece.first)
				cql_encode_begin(&enc, &out, &piece.head);
			cql_encode_body(&enc, &out, piece.body);
		}
		assert_int_equal(r, 0);
		memmove(f->held.p, in.p, in.n);
		f->held.len = in.n;
		assert_true(in.n <= CQL_SEGMENT_MAX);
		cql_encoder_flush(&enc, &out);
		assert_true(out.len <= 2 * CQL_SEGMENT_MAX);
		*out_bytes += out.len;
		assert_int_equal(feeder_feed(end, out.p, out.len), 0);
		assert_true(end->most_held <= CQL_SEGMENT_MAX);
		out.len = 0;
	}
	assert_int_equal(end->envelopes, 1);
	assert_int_equal(end->body_bytes, length);
	sink_free(&wire);
	sink_free(&out);
	feeder_free(f);
	feeder_free(end);
}

static void test_200_mib_pass_in_pieces(void **state)
{
	static const enum framing ways[][2] = {
		{PLAIN, PLAIN}, {PLAIN, SEGMENTS_LZ4}, {SEGMENTS, PLAIN}, {SEGMENTS_LZ4, SEGMENTS}};
	const uint64_t length = 200u << 20;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		uint64_t out;

		relay(ways[i][0], ways[i][1], length, &out);
		if (ways[i][1] == PLAIN)
			assert_int_equal(out, length + CQL_HEADER_SIZE);
		else if (ways[i][1] == SEGMENTS)
			assert_true(out > length && out < length + length / 1000);
	}
}

static void test_small_envelopes_share_a_segment_until_flush(void **state)
{
	struct cql_writer plain = SINK, wire = SINK;
	struct cql_encoder enc;

	(void)state;
	cql_encoder_init(&enc, pack_libs(), NULL);
	cql_encoder_use_segments(&enc, false);
	for (size_t i = 0; i < ARRAY_SIZE(small); i++)
		add(&enc, SEGMENTS, &small[i], &plain, &wire);
	cql_encoder_flush(&enc, &wire);
	cql_encoder_flush(&enc, &wire);
	assert_int_equal(walk(&wire, false), 1);
	assert_int_equal(wire.len, plain.len + CQL_SEGMENT_HEADER + CQL_SEGMENT_TRAILER);
	add(&enc, SEGMENTS, &small[0], &plain, &wire);
	cql_encoder_flush(&enc, &wire);
	assert_int_equal(walk(&wire, false), 2);
	sink_free(&plain);
	sink_free(&wire);
}

/* What came in parts, and came whole before it had to leave, is self-contained, and others may join it. */
static void test_parts_that_end_in_time_are_no_slices(void **state)
{
	static const size_t joined[] = {0, 1};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(joined); i++) {
		struct cql_header h = {.version = CQL_V5, .opcode = CQL_QUERY, .length = 6};
		struct cql_writer wire = SINK, plain = SINK;
		struct cql_encoder enc;
		struct cql_segment s;
		struct cql_error err;

		cql_encoder_init(&enc, pack_libs(), NULL);
		cql_encoder_use_segments(&enc, false);
		cql_encode_begin(&enc, &wire, &h);
		cql_encode_body(&enc, &wire, V("abc"));
		cql_encode_body(&enc, &wire, V("def"));
		if (joined[i])
			add(&enc, SEGMENTS, &small[0], &plain, &wire);
		cql_encoder_flush(&enc, &wire);
		assert_int_equal(walk(&wire, false), 1);
		assert_true(cql_segment_header_read(wire.p, false, &s, &err));
		assert_true(s.self_contained);
		assert_int_equal(s.plain_length, 15 + plain.len);
		sink_free(&wire);
		sink_free(&plain);
	}
}

static void encode_small(enum framing framing, struct cql_writer *out)
{
	struct cql_writer plain = SINK;
	uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD];
	struct cql_encoder enc;

	cql_encoder_init(&enc, pack_libs(), scratch);
	if (framing >= SEGMENTS)
		cql_encoder_use_segments(&enc, framing == SEGMENTS_LZ4);
	for (size_t i = 0; i < ARRAY_SIZE(small); i++)
		add(&enc, framing, &small[i], &plain, out);
	cql_encoder_flush(&enc, out);
	sink_free(&plain);
}

/* A writer that cannot grow fails for good, whatever byte is the first that does not fit. */
static void test_writer_too_small_anywhere(void **state)
{
	(void)state;
	for (enum framing framing = PLAIN; framing < N_FRAMINGS; framing++) {
		struct cql_writer full = SINK;

		encode_small(framing, &full);
		for (size_t cap = 0; cap < full.len; cap++) {
			struct cql_writer fixed = {.p = malloc(cap + !cap), .cap = cap};

			encode_small(framing, &fixed);
			assert_true(fixed.failed);
			assert_true(fixed.len <= cap);
			free(fixed.p);
		}
		assert_false(full.failed);
		sink_free(&full);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_at_every_byte),
		cmocka_unit_test(test_slices_split_at_every_byte),
		cmocka_unit_test(test_sizes_around_a_segment),
		cmocka_unit_test(test_200_mib_pass_in_pieces),
		cmocka_unit_test(test_small_envelopes_share_a_segment_until_flush),
		cmocka_unit_test(test_parts_that_end_in_time_are_no_slices),
		cmocka_unit_test(test_writer_too_small_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
