/* Body compression of v3 and v4. */
#include "unit/cql/sink.h"

#include "client/pack.h"

static const enum cql_compression kinds[] = {CQL_COMPRESSION_LZ4, CQL_COMPRESSION_SNAPPY};

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(cql_compression_from_name(V("")), CQL_COMPRESSION_NONE);
	assert_int_equal(cql_compression_from_name(V("LZ4")), CQL_COMPRESSION_LZ4);
	assert_int_equal(cql_compression_from_name(V("Snappy")), CQL_COMPRESSION_SNAPPY);
	assert_int_equal(cql_compression_from_name(V("zstd")), -1);
	assert_string_equal(cql_compression_name(CQL_COMPRESSION_LZ4), "lz4");
	assert_string_equal(cql_compression_name(CQL_COMPRESSION_SNAPPY), "snappy");
	assert_string_equal(cql_compression_name(CQL_COMPRESSION_NONE), "none");
}

static void test_there_and_back(void **state)
{
	static const size_t sizes[] = {0, 1, 13, 1000, 65536, 1 << 20};

	(void)state;
	for (size_t i = 0; i < 4 * ARRAY_SIZE(sizes); i++) {
		enum cql_compression c = kinds[i % 2];
		size_t n = sizes[i / 4];
		uint8_t *plain = malloc(n + 1);
		struct cql_writer packed = SINK, back = SINK;
		struct cql_error err = {0};
		uint32_t seed = 12345;

		/* Once what packs well, once what does not. */
		for (size_t j = 0; j < n; j++)
			plain[j] = i / 2 % 2 ? (uint8_t)(j >> 6)
					     : (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		cql_write_raw(&packed, "x", 1);
		cql_write_raw(&back, "yz", 2);
		assert_true(cql_body_pack(pack_libs(), c, (struct cql_view){plain, n}, &packed));
		assert_true(cql_body_unpack(
			pack_libs(), c, (struct cql_view){packed.p + 1, packed.len - 1}, n, &back, &err));
		assert_view((struct cql_view){back.p + 2, back.len - 2}, (struct cql_view){plain, n});
		if (n) {
			assert_false(cql_body_unpack(pack_libs(), c,
				(struct cql_view){packed.p + 1, packed.len - 1}, n - 1, &back, &err));
			assert_string_equal(err.why, "packed body is too long unpacked");
		}
		free(plain);
		sink_free(&packed);
		sink_free(&back);
	}
}

static void test_corrupt(void **state)
{
	static const struct {
		enum cql_compression c;
		const char *bytes;
		size_t n;
		const char *why;
	} rows[] = {
		{CQL_COMPRESSION_NONE, "abc", 3, "packed body on a connection without compression"},
		{CQL_COMPRESSION_LZ4, "", 0, "packed body without its size"},
		{CQL_COMPRESSION_LZ4, "\0\0\0", 3, "packed body without its size"},
		{CQL_COMPRESSION_LZ4, "\0\0\0\5", 4, "corrupt lz4 body"},
		{CQL_COMPRESSION_LZ4,
			"\0\0\0\5\x40"
			"abcd",
			9, "corrupt lz4 body"}, /* gives 4 bytes, not 5 */
		{CQL_COMPRESSION_LZ4,
			"\xff\xff\xff\xff\x40"
			"abcd",
			9, "packed body is too long unpacked"},
		{CQL_COMPRESSION_LZ4, "\0\0\0\5\xff\xff\xff", 7, "corrupt lz4 body"},
		{CQL_COMPRESSION_SNAPPY, "", 0, "corrupt snappy body"},
		{CQL_COMPRESSION_SNAPPY, "\5\1", 2, "corrupt snappy body"},
		{CQL_COMPRESSION_SNAPPY,
			"\xff\xff\xff\xff\x0f"
			"a",
			6, "packed body is too long unpacked"},
		{CQL_COMPRESSION_SNAPPY, "\xff\xff\xff\xff\xff\xff", 6, "corrupt snappy body"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_view body = tight(rows[i].bytes, rows[i].n);
		struct cql_writer out = SINK;
		struct cql_error err = {0};

		assert_false(cql_body_unpack(pack_libs(), rows[i].c, body, 1 << 20, &out, &err));
		assert_string_equal(err.why, rows[i].why);
		assert_int_equal(out.len, 0);
		tight_free(body);
		sink_free(&out);
	}
}

static void test_no_memory(void **state)
{
	uint8_t memory[8];
	struct cql_writer w = {.p = memory, .cap = sizeof memory};
	struct cql_error err = {0};

	(void)state;
	assert_false(cql_body_unpack(pack_libs(), CQL_COMPRESSION_LZ4,
		V("\0\0\0\x09\x90"
		  "abcdefghi"),
		100, &w, &err));
	assert_string_equal(err.why, "no memory for the unpacked body");
	assert_true(w.failed);
	w.failed = false;
	assert_false(cql_body_pack(pack_libs(), CQL_COMPRESSION_SNAPPY, V("abc"), &w));
}

static int refuse(const uint8_t *in, size_t n, uint8_t *out, size_t out_cap)
{
	(void)in;
	(void)n;
	(void)out;
	(void)out_cap;
	return -1;
}

static void test_failure_leaves_nothing_behind(void **state)
{
	struct cql_pack broken = *pack_libs();
	struct cql_writer w = SINK;

	(void)state;
	broken.lz4_pack = broken.snappy_pack = refuse;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		assert_false(cql_body_pack(&broken, kinds[i], V("abc"), &w));
		assert_int_equal(w.len, 0);
	}
	sink_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_failure_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
