/* Primitives, headers and what may stand before a body. */
#include "unit/cql/sink.h"

#include <stdint.h>

static void test_round_trip(void **state)
{
	struct cql_writer w = SINK;
	struct cql_reader r;

	(void)state;
	cql_write_u8(&w, 0xfe);
	cql_write_u16(&w, 0xfedc);
	cql_write_i32(&w, INT32_MIN + 5);
	cql_write_i64(&w, INT64_MIN + 5);
	cql_write_string(&w, V("string"));
	cql_write_long_string(&w, V("long string"));
	cql_write_short_bytes(&w, V(""));
	cql_write_bytes(&w, V("bytes"));
	cql_write_null(&w);
	cql_write_i32(&w, -2);
	assert_memory_equal(w.p, "\xfe\xfe\xdc\x80\0\0\5\x80\0\0\0\0\0\0\5\0\6string\0\0\0\x0blong", 31);
	cql_reader_init(&r, sink_view(&w));
	assert_int_equal(cql_read_u8(&r), 0xfe);
	assert_int_equal(cql_read_u16(&r), 0xfedc);
	assert_int_equal(cql_read_i32(&r), INT32_MIN + 5);
	assert_true(cql_read_i64(&r) == INT64_MIN + 5);
	assert_view(cql_read_string(&r), V("string"));
	assert_view(cql_read_long_string(&r), V("long string"));
	assert_int_equal(cql_read_short_bytes(&r).n, 0);
	assert_view(cql_read_bytes(&r).view, V("bytes"));
	assert_int_equal(cql_read_bytes(&r).state, CQL_VALUE_NULL);
	assert_int_equal(cql_read_value(&r, true).state, CQL_VALUE_UNSET);
	assert_true(cql_reader_end(&r));
	sink_free(&w);
}

/* After the first failure nothing is read any more, and it is the first that is told. */
static void test_the_first_failure_sticks(void **state)
{
	struct cql_view bytes = tight("\1\0\5abc", 6);
	struct cql_reader r;

	(void)state;
	cql_reader_init(&r, bytes);
	assert_int_equal(cql_read_u8(&r), 1);
	assert_int_equal(cql_read_string(&r).n, 0);
	assert_string_equal(r.error.why, "truncated");
	assert_ptr_equal(r.error.why, cql_truncated);
	assert_int_equal(r.error.offset, 3);
	assert_int_equal(cql_reader_left(&r), 0);
	assert_int_equal(cql_read_u8(&r), 0);
	assert_int_equal(cql_read_u16(&r), 0);
	assert_int_equal(cql_read_i32(&r), 0);
	assert_true(cql_read_i64(&r) == 0);
	assert_int_equal(cql_read_bytes(&r).view.n, 0);
	cql_skip_bytes_map(&r);
	cql_skip_string_list(&r);
	cql_reader_fail(&r, "another");
	assert_false(cql_reader_end(&r));
	assert_string_equal(r.error.why, "truncated");
	assert_int_equal(r.error.offset, 3);
	tight_free(bytes);
}

static void test_trailing_bytes(void **state)
{
	struct cql_reader r;

	(void)state;
	cql_reader_init(&r, V("\1\2"));
	cql_read_u8(&r);
	assert_false(cql_reader_end(&r));
	assert_string_equal(r.error.why, "trailing bytes");
	assert_int_equal(r.error.offset, 1);
	cql_reader_init(&r, (struct cql_view){0});
	assert_true(cql_reader_end(&r));
	assert_int_equal(cql_reader_offset(&r), 0);
}

static void test_writer_that_cannot_grow(void **state)
{
	uint8_t memory[5];
	struct cql_writer w = {.p = memory, .cap = sizeof memory};
	static const uint8_t big[70000];

	(void)state;
	cql_write_i32(&w, 1);
	cql_write_u16(&w, 2);
	assert_true(w.failed);
	assert_int_equal(w.len, 4);
	cql_write_u8(&w, 3); /* would fit, but what precedes it is missing */
	assert_int_equal(w.len, 4);
	assert_false(cql_writer_reserve(&w, 0));
	cql_patch_i32(&w, 0, 7);
	assert_int_equal(memory[3], 1);
	w = SINK;
	cql_write_string(&w, (struct cql_view){big, sizeof big});
	assert_true(w.failed);
	assert_int_equal(w.len, 0);
	sink_free(&w);
}

static void test_words(void **state)
{
	(void)state;
	assert_true(cql_view_is_word(V("LZ4"), "lz4"));
	assert_true(cql_view_is_word(V("sNaPpY"), "snappy"));
	assert_true(cql_view_is_word(V(""), ""));
	assert_false(cql_view_is_word(V("LZ"), "lz4"));
	assert_false(cql_view_is_word(V("LZ44"), "lz4"));
	assert_false(cql_view_is_word(V("a\0b"), "a"));
	assert_false(cql_view_is_word(V("["), "{")); /* differ in the bit that differs between cases */
	assert_true(cql_view_is(V("Ks"), "Ks"));
	assert_false(cql_view_is(V("ks"), "Ks"));
}

static void test_header(void **state)
{
	static const struct {
		const char *bytes;
		struct cql_header h;
	} rows[] = {
		{"\x04\x12\x01\x02\x07\0\0\x01\x80",
			{.version = 4, .flags = 0x12, .stream = 258, .opcode = CQL_QUERY, .length = 384}},
		{"\x85\0\xff\xff\x0c\x10\0\0\0", {.version = 5,
							 .response = true,
							 .stream = -1,
							 .opcode = CQL_EVENT,
							 .length = 1u << 28}},
		{"\xc2\xff\x80\0\xff\xff\xff\xff\xff", {.version = 0x42,
							       .response = true,
							       .flags = 0xff,
							       .stream = INT16_MIN,
							       .opcode = 0xff,
							       .length = UINT32_MAX}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_header h = cql_header_read((const uint8_t *)rows[i].bytes);
		uint8_t again[CQL_HEADER_SIZE];

		assert_int_equal(h.version, rows[i].h.version);
		assert_int_equal(h.response, rows[i].h.response);
		assert_int_equal(h.flags, rows[i].h.flags);
		assert_int_equal(h.stream, rows[i].h.stream);
		assert_int_equal(h.opcode, rows[i].h.opcode);
		assert_true(h.length == rows[i].h.length);
		cql_header_write(again, &h);
		assert_memory_equal(again, rows[i].bytes, sizeof again);
	}
}

static void test_numbers(void **state)
{
	unsigned versions = 0, requests = 0, responses = 0, named = 0;

	(void)state;
	for (unsigned b = 0; b < 256; b++) {
		versions += cql_is_request_version((uint8_t)b);
		requests += cql_opcode_is_request((uint8_t)b);
		responses += cql_opcode_is_response((uint8_t)b);
		named += strcmp(cql_opcode_name((uint8_t)b), "UNKNOWN") != 0;
		assert_false(cql_opcode_is_request((uint8_t)b) && cql_opcode_is_response((uint8_t)b));
	}
	assert_int_equal(versions, 8);
	assert_int_equal(requests, 8);
	assert_int_equal(responses, 8);
	assert_int_equal(named, 16);
	assert_string_equal(cql_opcode_name(CQL_AUTH_SUCCESS), "AUTH_SUCCESS");
	assert_string_equal(cql_consistency_name(CQL_LOCAL_ONE), "LOCAL_ONE");
	assert_string_equal(cql_consistency_name(11), "UNKNOWN");
}

#define UUID     "0123456789abcdef"
#define WARNINGS "\0\2\0\1w\0\0"
#define PAYLOAD  "\0\1\0\1k\0\0\0\1v"

static void test_prefix(void **state)
{
	enum { T = CQL_FLAG_TRACING, W = CQL_FLAG_WARNING, P = CQL_FLAG_PAYLOAD };
	static const struct {
		uint8_t version;
		bool response;
		uint8_t flags;
		const char *bytes;
		size_t n;
		size_t size, tracing, payload;
		bool ok;
	} rows[] = {
		{4, false, 0, "body", 4, 0, 0, 0, true},
		{4, false, T | W, "body", 4, 0, 0, 0, true}, /* in a request they announce nothing */
		{4, false, P, PAYLOAD "body", 14, 10, 0, 10, true},
		{3, true, T, UUID "body", 20, 16, 16, 0, true},
		{4, true, T | W | P, UUID WARNINGS PAYLOAD "body", 37, 33, 16, 10, true},
		{4, true, W, WARNINGS "body", 11, 7, 0, 0, true},
		{5, true, W | P, WARNINGS PAYLOAD, 17, 17, 0, 10, true},
		{3, true, W, WARNINGS, 7, 0, 0, 0, false},
		{3, false, P, PAYLOAD, 10, 0, 0, 0, false},
		{4, true, T, UUID, 15, 0, 0, 0, false},
		{4, true, W, WARNINGS, 6, 0, 0, 0, false},
		{4, false, P, PAYLOAD, 9, 0, 0, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_header h = {.version = rows[i].version,
			.response = rows[i].response,
			.flags = rows[i].flags | CQL_FLAG_BETA};
		struct cql_view bytes = tight(rows[i].bytes, rows[i].n);
		struct cql_prefix p;
		struct cql_reader r;

		cql_reader_init(&r, bytes);
		assert_int_equal(cql_prefix_read(&h, &r, &p), rows[i].ok);
		if (rows[i].ok) {
			assert_int_equal(p.size, rows[i].size);
			assert_int_equal(p.tracing_id.n, rows[i].tracing);
			assert_int_equal(p.payload.n, rows[i].payload);
			assert_int_equal(cql_reader_left(&r), rows[i].n - rows[i].size);
		}
		tight_free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_the_first_failure_sticks),
		cmocka_unit_test(test_trailing_bytes),
		cmocka_unit_test(test_writer_that_cannot_grow),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
