/* What a decoder refuses, where, and what an answer to it would need; and what it promises about pieces. */
#include "unit/cql/feeder.h"

#define BYTES(text) (text), sizeof(text) - 1

static void test_faults(void **state)
{
	static const struct {
		const char *name;
		bool responses;
		const char *bytes;
		size_t n;
		enum cql_decoder_fault fault;
		const char *why;
		uint32_t offset;
		uint8_t version;
		int16_t stream;
	} rows[] = {
		{"v1 by its first byte", false, BYTES("\x01"), CQL_FAULT_VERSION, "unknown version", 0, 1, 0},
		{"v2, 8 bytes of header", false, BYTES("\x02\0\x05\x05\0\0\0\0"), CQL_FAULT_VERSION,
			"unknown version", 0, 2, 0},
		{"v6", false, BYTES("\x06\0\0\x07\x05\0\0\0\0"), CQL_FAULT_VERSION, "unknown version", 0, 6,
			7},
		{"DSE v1", false, BYTES("\x41\0\0\x07\x05\0\0\0\0"), CQL_FAULT_VERSION, "unknown version", 0,
			0x41, 7},
		{"DSE v2", false, BYTES("\x42\0\x01\0\x01\0\0\0\x16"), CQL_FAULT_VERSION, "unknown version",
			0, 0x42, 256},
		{"HTTP", false, BYTES("GET / HTTP/1.1\r\n"), CQL_FAULT_VERSION, "unknown version", 0, 'G',
			0x5420},
		{"TLS", false, BYTES("\x16\x03\x01"), CQL_FAULT_VERSION, "unknown version", 0, 0x16, 0},
		{"response from a client", false, BYTES("\x84"), CQL_FAULT_DIRECTION,
			"response from a client", 0, 0, 0},
		{"request from a server", true, BYTES("\x04\0\0\x02\x05\0\0\0\0"), CQL_FAULT_DIRECTION,
			"request from a server", 0, 0, 2},
		{"another version", false, BYTES("\x04\0\0\x01\x05\0\0\0\0\x03\0\0\x02\x05\0\0\0\0"),
			CQL_FAULT_VERSION, "another version than before", 9, 3, 2},
		{"opcode 4", false, BYTES("\x04\0\0\x09\x04\0\0\0\0"), CQL_FAULT_OPCODE, "unknown opcode", 0,
			0, 9},
		{"a response's opcode", false, BYTES("\x04\0\0\x09\x08\0\0\0\0"), CQL_FAULT_OPCODE,
			"unknown opcode", 0, 0, 9},
		{"a request's opcode", true, BYTES("\x84\0\0\x09\x07\0\0\0\0"), CQL_FAULT_OPCODE,
			"unknown opcode", 0, 0, 9},
		{"DSE's opcode", false, BYTES("\x04\0\0\x09\xff\0\0\0\0"), CQL_FAULT_OPCODE, "unknown opcode",
			0, 0, 9},
		{"too long", false, BYTES("\x04\0\0\x09\x07\x10\0\0\x01"), CQL_FAULT_LENGTH,
			"body is too long", 0, 0, 9},
		{"negative", false, BYTES("\x04\0\xff\xff\x07\xff\xff\xff\xff"), CQL_FAULT_LENGTH,
			"body is too long", 0, 0, -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct feeder *f = feeder_new(PLAIN, rows[i].responses, 4096);

		print_message("%s\n", rows[i].name);
		assert_int_equal(feeder_feed(f, (const uint8_t *)rows[i].bytes, rows[i].n), -1);
		assert_int_equal(f->d.fault, rows[i].fault);
		assert_string_equal(f->d.error.why, rows[i].why);
		assert_int_equal(f->d.error.offset, rows[i].offset);
		assert_int_equal(f->d.fault_version, rows[i].version);
		assert_int_equal(f->d.fault_head.stream, rows[i].stream);
		assert_int_equal(feeder_feed(f, (const uint8_t *)"\x04", 1), -1);
		feeder_free(f);
	}
}

/* A segment around `payload`, with right checksums. */
static void segment(struct cql_writer *w, bool self_contained, const char *payload, size_t n)
{
	struct cql_segment s = {
		.wire_length = (uint32_t)n, .plain_length = (uint32_t)n, .self_contained = self_contained};
	uint8_t head[CQL_SEGMENT_HEADER];

	cql_segment_header_write(head, false, &s);
	cql_write_raw(w, head, sizeof head);
	cql_write_raw(w, payload, n);
	cql_write_i32(
		w, (int32_t)__builtin_bswap32(cql_segment_crc32(pack_libs(), (const uint8_t *)payload, n)));
}

#define OPTIONS "\x05\0\0\x01\x05\0\0\0\0"
#define QUERY20 "\x05\0\0\x02\x07\0\0\0\x14"
#define TEN     "0123456789"

static void test_segment_faults(void **state)
{
	static const struct {
		const char *name;
		struct {
			bool self_contained;
			const char *payload;
			size_t n;
		} segments[3];
		const char *why; /* NULL: all is well */
		uint32_t offset;
		size_t envelopes;
	} rows[] = {
		{"two envelopes", {{true, BYTES(OPTIONS OPTIONS)}}, NULL, 0, 2},
		{"nothing at all", {{true, BYTES("")}, {true, BYTES(OPTIONS)}}, NULL, 0, 1},
		{"split", {{false, BYTES(QUERY20 TEN)}, {false, BYTES(TEN)}, {true, BYTES(OPTIONS)}}, NULL, 0,
			2},
		{"whole, though not said to be", {{false, BYTES(OPTIONS)}, {true, BYTES(OPTIONS)}}, NULL, 0,
			2},
		{"head alone", {{false, BYTES(QUERY20)}, {false, BYTES(TEN TEN)}}, NULL, 0, 1},
		{"half a head", {{false, BYTES("\x05\0\0\x02")}}, "envelope header split between segments", 6,
			0},
		{"half a head behind another", {{true, BYTES(OPTIONS "\x05\0\0\x02")}},
			"envelope header split between segments", 15, 1},
		{"longer than it says", {{true, BYTES(QUERY20 TEN)}},
			"envelope longer than its self-contained segment", 6, 0},
		{"two in slices", {{false, BYTES(OPTIONS OPTIONS)}},
			"bytes behind the envelope in a segment that is not self-contained", 6, 0},
		{"slices too long", {{false, BYTES(QUERY20 TEN)}, {false, BYTES(TEN "x")}},
			"segment goes on behind the end of a split envelope", 35, 0},
		{"another amid", {{false, BYTES(QUERY20 TEN)}, {true, BYTES(OPTIONS)}},
			"self-contained segment amid a split envelope", 29, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct feeder *f = feeder_new(SEGMENTS, false, 4096);
		struct cql_writer w = SINK;

		print_message("%s\n", rows[i].name);
		for (size_t j = 0; j < ARRAY_SIZE(rows[i].segments) && rows[i].segments[j].payload; j++)
			segment(&w, rows[i].segments[j].self_contained, rows[i].segments[j].payload,
				rows[i].segments[j].n);
		assert_int_equal(feeder_feed(f, w.p, w.len), rows[i].why ? -1 : 0);
		assert_int_equal(f->envelopes, rows[i].envelopes);
		if (rows[i].why) {
			assert_int_equal(f->d.fault, CQL_FAULT_SEGMENT);
			assert_string_equal(f->d.error.why, rows[i].why);
			assert_int_equal(f->d.error.offset, rows[i].offset);
		}
		sink_free(&w);
		feeder_free(f);
	}
}

static void test_any_wrong_byte_of_a_segment_is_a_fault(void **state)
{
	(void)state;
	for (int lz4 = 0; lz4 < 2; lz4++) {
		static uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD], zeroes[300];
		struct cql_header h = {.version = CQL_V5, .opcode = CQL_QUERY};
		struct cql_writer w = SINK;
		struct cql_encoder e;

		cql_encoder_init(&e, pack_libs(), scratch);
		cql_encoder_use_segments(&e, lz4);
		cql_encode(&e, &w, &h, (struct cql_view){zeroes, sizeof zeroes});
		cql_encoder_flush(&e, &w);
		for (size_t i = 0; i < w.len; i++) {
			struct feeder *f = feeder_new(lz4 ? SEGMENTS_LZ4 : SEGMENTS, false, 4096);

			w.p[i] ^= 0x40;
			assert_int_equal(feeder_feed(f, w.p, w.len), -1);
			assert_int_equal(f->d.fault, CQL_FAULT_SEGMENT);
			w.p[i] ^= 0x40;
			feeder_free(f);
		}
		sink_free(&w);
	}
}

/* Packed bytes with right checksums that do not unpack to what the header says. */
static void test_corrupt_lz4_in_a_sound_segment(void **state)
{
	static const uint8_t junk[] = {0xff, 0xff, 0xff, 0xff, 0x01};
	struct cql_segment s = {
		.wire_length = sizeof junk, .plain_length = 99, .packed = true, .self_contained = true};
	struct feeder *f = feeder_new(SEGMENTS_LZ4, false, 4096);
	uint8_t head[CQL_SEGMENT_HEADER_LZ4];
	struct cql_writer w = SINK;

	(void)state;
	cql_segment_header_write(head, true, &s);
	cql_write_raw(&w, head, sizeof head);
	cql_write_raw(&w, junk, sizeof junk);
	cql_write_i32(&w, (int32_t)__builtin_bswap32(cql_segment_crc32(pack_libs(), junk, sizeof junk)));
	assert_int_equal(feeder_feed(f, w.p, w.len), -1);
	assert_string_equal(f->d.error.why, "corrupt lz4 segment");
	sink_free(&w);
	feeder_free(f);
}

static void test_whole_decides_what_comes_in_one_piece(void **state)
{
	static const struct {
		uint32_t whole, length;
		size_t pieces; /* when all is at hand */
		size_t first_body;
	} rows[] = {
		{100, 91, 1, 91}, {100, 92, 2, 91}, {100, 5000, 2, 91}, {9, 0, 1, 0}, {9, 1, 2, 0},
		{0, 1, 2, 0}, /* too little for a header: taken as 9 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_header h = {.version = CQL_V4, .opcode = CQL_QUERY, .length = rows[i].length};
		struct feeder *f = feeder_new(PLAIN, false, rows[i].whole);
		uint8_t bytes[CQL_HEADER_SIZE + 5000] = {0};
		struct cql_view in = {bytes, CQL_HEADER_SIZE + rows[i].length};
		struct cql_piece piece;

		cql_header_write(bytes, &h);
		if (rows[i].length) {
			/* Until the first piece is whole nothing is given, and nothing eaten. */
			in.n = CQL_HEADER_SIZE + rows[i].first_body - 1;
			assert_int_equal(cql_decoder_pull(&f->d, &in, &piece), 0);
			assert_int_equal(f->d.consumed, 0);
		}
		in.n = CQL_HEADER_SIZE + rows[i].length;
		assert_int_equal(cql_decoder_pull(&f->d, &in, &piece), 1);
		assert_int_equal(piece.body.n, rows[i].first_body);
		assert_int_equal(piece.last, rows[i].pieces == 1);
		assert_int_equal(cql_decoder_pull(&f->d, &in, &piece), rows[i].pieces - 1);
		assert_int_equal(in.n, 0);
		feeder_free(f);
	}
}

static void test_scratch_is_held_while_unpacked_bytes_lie_there(void **state)
{
	static uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD], zeroes[300];
	struct cql_header h = {.version = CQL_V5, .opcode = CQL_QUERY};
	struct feeder *f = feeder_new(SEGMENTS_LZ4, false, 4096);
	struct cql_writer w = SINK;
	struct cql_encoder e;
	struct cql_piece piece;
	struct cql_view in;

	(void)state;
	cql_encoder_init(&e, pack_libs(), scratch);
	cql_encoder_use_segments(&e, true);
	for (int i = 0; i < 2; i++)
		cql_encode(&e, &w, &h, (struct cql_view){zeroes, sizeof zeroes});
	cql_encoder_flush(&e, &w);
	assert_true(w.len < 300);
	in = sink_view(&w);
	assert_false(cql_decoder_holds_scratch(&f->d));
	assert_int_equal(cql_decoder_pull(&f->d, &in, &piece), 1);
	assert_true(cql_decoder_holds_scratch(&f->d));
	assert_int_equal(cql_decoder_pull(&f->d, &in, &piece), 1);
	assert_false(cql_decoder_holds_scratch(&f->d));
	sink_free(&w);
	feeder_free(f);
}

/* STARTUP and its answer go before the segments, on the same connection. */
static void test_segments_from_the_next_byte_on(void **state)
{
	static const char startup[] = "\x05\0\0\0\x01\0\0\0\x02\0\0";
	struct feeder *f = feeder_new(PLAIN, false, 4096);
	struct cql_writer w = SINK;
	struct cql_piece piece;
	struct cql_view in, all;

	(void)state;
	cql_write_raw(&w, BYTES(startup));
	segment(&w, true, BYTES(OPTIONS));
	all = in = tight(w.p, w.len);
	assert_int_equal(cql_decoder_pull(&f->d, &in, &piece), 1);
	assert_int_equal(piece.head.opcode, CQL_STARTUP);
	cql_decoder_use_segments(&f->d, false);
	assert_int_equal(cql_decoder_pull(&f->d, &in, &piece), 1);
	assert_int_equal(piece.head.opcode, CQL_OPTIONS);
	assert_int_equal(cql_decoder_pull(&f->d, &in, &piece), 0);
	assert_int_equal(in.n, 0);
	tight_free(all);
	sink_free(&w);
	feeder_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_segment_faults),
		cmocka_unit_test(test_any_wrong_byte_of_a_segment_is_a_fault),
		cmocka_unit_test(test_corrupt_lz4_in_a_sound_segment),
		cmocka_unit_test(test_whole_decides_what_comes_in_one_piece),
		cmocka_unit_test(test_scratch_is_held_while_unpacked_bytes_lie_there),
		cmocka_unit_test(test_segments_from_the_next_byte_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
