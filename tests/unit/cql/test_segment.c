/* Segments against what Cassandra's own encoders made of the same payloads, and lengths and checksums that lie. */
#include "unit/cql/sink.h"

#include "client/pack.h"
#include "cql/encoder.h"

/* Made by Cassandra's FrameEncoderCrc and FrameEncoderLZ4; `head` and `tail` are hexadecimal, as on the wire. */
static const struct vector {
	bool lz4, self_contained, packed;
	uint32_t wire, plain;
	uint32_t crc24, crc32;
	const char *head;
	const char *payload; /* NULL: zeroes */
} vectors[] = {
	{false, true, false, 9, 9, 0xc1c8a4, 0x867455b5, "090002a4c8c1", "050000010500000000"},
	{false, true, false, 0, 0, 0xc4366a, 0x44777ed3, "0000026a36c4", ""},
	{false, true, false, 5, 5, 0x9a9919, 0xb60e8074, "05000219999a", "68656c6c6f"},
	{false, false, false, 5, 5, 0x234804, 0xb60e8074, "050000044823", "68656c6c6f"},
	{false, false, false, 131071, 131071, 0xfe9138, 0x8f3d99d4, "ffff013891fe", NULL},
	{true, true, false, 9, 9, 0x95b8c2, 0x867455b5, "0900000004c2b895", "050000010500000000"},
	{true, false, false, 5, 5, 0x6a46d5, 0xb60e8074, "0500000000d5466a", "68656c6c6f"},
	{true, true, true, 11, 64, 0x15eeff, 0x004ec3dd, "0b00800004ffee15", "1f00010027500000000000"},
};

static uint8_t digit(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t unhex(const char *hex, uint8_t *out)
{
	size_t n = 0;

	for (; *hex; hex += 2)
		out[n++] = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
	return n;
}

static void test_vectors(void **state)
{
	static uint8_t payload[CQL_SEGMENT_MAX_PAYLOAD], plain[CQL_SEGMENT_MAX_PAYLOAD];
	const struct cql_pack *k = pack_libs();

	(void)state;
	for (const struct vector *v = vectors; v < vectors + ARRAY_SIZE(vectors); v++) {
		uint8_t head[8], again[8];
		size_t n = unhex(v->head, head);
		struct cql_segment s;
		struct cql_error err;

		memset(payload, 0, sizeof payload);
		if (v->payload)
			assert_int_equal(unhex(v->payload, payload), v->wire);
		assert_int_equal(n, v->lz4 ? CQL_SEGMENT_HEADER_LZ4 : CQL_SEGMENT_HEADER);
		assert_int_equal(cql_crc24(head, n - 3), v->crc24);
		assert_int_equal(cql_segment_crc32(k, payload, v->wire), v->crc32);
		assert_true(cql_segment_header_read(head, v->lz4, &s, &err));
		assert_int_equal(s.wire_length, v->wire);
		assert_int_equal(s.plain_length, v->plain);
		assert_int_equal(s.packed, v->packed);
		assert_int_equal(s.self_contained, v->self_contained);
		cql_segment_header_write(again, v->lz4, &s);
		assert_memory_equal(again, head, n);
		if (v->packed)
			assert_int_equal(k->lz4_unpack(payload, v->wire, plain, v->plain), v->plain);
	}
}

static void test_every_wrong_bit_is_seen(void **state)
{
	(void)state;
	for (const struct vector *v = vectors; v < vectors + ARRAY_SIZE(vectors); v++) {
		uint8_t head[8];
		size_t n = unhex(v->head, head);

		for (size_t bit = 0; bit < 8 * n; bit++) {
			struct cql_segment s = {0};
			struct cql_error err = {0};

			head[bit / 8] ^= 1 << bit % 8;
			assert_false(cql_segment_header_read(head, v->lz4, &s, &err));
			assert_string_equal(err.why, "wrong checksum of a segment header");
			head[bit / 8] ^= 1 << bit % 8;
		}
	}
}

static void test_packed_nothing_is_refused(void **state)
{
	struct cql_segment s = {.plain_length = 7, .packed = true, .self_contained = true}, got = {0};
	struct cql_error err = {0};
	uint8_t head[CQL_SEGMENT_HEADER_LZ4];

	(void)state;
	cql_segment_header_write(head, true, &s);
	assert_false(cql_segment_header_read(head, true, &got, &err));
	assert_string_equal(err.why, "packed segment without a payload");
}

static void encode_one(bool lz4, struct cql_view body, struct cql_writer *out)
{
	static uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD];
	struct cql_header h = {.version = CQL_V5, .opcode = CQL_OPTIONS, .stream = 1};
	struct cql_encoder e;

	cql_encoder_init(&e, pack_libs(), scratch);
	cql_encoder_use_segments(&e, lz4);
	cql_encode(&e, out, &h, body);
	cql_encoder_flush(&e, out);
}

static void test_encoder_makes_the_vectors(void **state)
{
	/* The first and the sixth vector hold an OPTIONS on stream 1. */
	static const struct {
		bool lz4;
		const char *wire;
	} rows[] = {
		{false, "090002a4c8c1050000010500000000b5557486"},
		{true, "0900000004c2b895050000010500000000b5557486"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_writer out = SINK;
		uint8_t want[64];
		size_t n = unhex(rows[i].wire, want);

		encode_one(rows[i].lz4, (struct cql_view){0}, &out);
		assert_view(sink_view(&out), (struct cql_view){want, n});
		sink_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_wrong_bit_is_seen),
		cmocka_unit_test(test_packed_nothing_is_refused),
		cmocka_unit_test(test_encoder_makes_the_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
