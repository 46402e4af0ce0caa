/* What real drivers and a real server said to each other: all of it decodes, reads, and is written again to the same bytes. */
#include "unit/cql/feeder.h"

#include "cql/error.h"
#include "cql/result.h"
#include "cql/rewrite.h"
#include "cql/startup.h"

/* The files lie in the program, so that it runs anywhere; paths are seen from the top folder, where make compiles. */
#define GOLDEN(name, file)                                                                                   \
	__asm__(".pushsection .rodata\n.global " #name "\n.global " #name "_end\n" #name                     \
		": .incbin \"tests/unit/cql/golden/" file "\"\n" #name "_end: .byte 0\n.popsection\n");      \
	extern const uint8_t name[], name##_end[]

GOLDEN(python_0, "python-0-requests.bin");
GOLDEN(python_1, "python-1-responses.bin");
GOLDEN(python_2, "python-2-requests.bin");
GOLDEN(python_3, "python-3-responses.bin");
GOLDEN(python_4, "python-4-requests.bin");
GOLDEN(python_5, "python-5-responses.bin");
GOLDEN(python_6, "python-6-requests.bin");
GOLDEN(python_7, "python-7-responses.bin");
GOLDEN(python_8, "python-8-requests.bin");
GOLDEN(python_9, "python-9-responses.bin");
GOLDEN(python_10, "python-10-requests.bin");
GOLDEN(python_11, "python-11-responses.bin");
GOLDEN(node_0, "node-0-requests.bin");
GOLDEN(node_1, "node-1-responses.bin");
GOLDEN(node_2, "node-2-requests.bin");
GOLDEN(node_3, "node-3-responses.bin");
GOLDEN(node_4, "node-4-requests.bin");
GOLDEN(node_5, "node-5-responses.bin");

static const struct stream {
	const uint8_t *p, *end;
	bool responses;
	size_t envelopes;
	uint8_t fault_version; /* of a driver that begins with a version of DSE */
} streams[] = {
#define STREAM(name, ...)                                                                                    \
	{                                                                                                    \
		name, name##_end, __VA_ARGS__                                                                \
	}
	STREAM(python_0, false, 0, 0x42),
	STREAM(python_1, true, 1, 0),
	STREAM(python_2, false, 0, 0x41),
	STREAM(python_3, true, 1, 0),
	STREAM(python_4, false, 1, 0),
	STREAM(python_5, true, 1, 0),
	STREAM(python_6, false, 17, 0),
	STREAM(python_7, true, 17, 0),
	STREAM(python_8, false, 3, 0),
	STREAM(python_9, true, 3, 0),
	STREAM(python_10, false, 4, 0),
	STREAM(python_11, true, 4, 0),
	STREAM(node_0, false, 0, 0x42),
	STREAM(node_1, true, 1, 0),
	STREAM(node_2, false, 8, 0),
	STREAM(node_3, true, 8, 0),
	STREAM(node_4, false, 3, 0),
	STREAM(node_5, true, 3, 0),
};

static void test_same_bytes_again(void **state)
{
	static const uint32_t wholes[] = {9, 50, 1 << 20};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wholes) * ARRAY_SIZE(streams); i++) {
		const struct stream *s = &streams[i / ARRAY_SIZE(wholes)];
		struct feeder *f = feeder_new(PLAIN, s->responses, wholes[i % ARRAY_SIZE(wholes)]);

		if (s->fault_version) {
			assert_int_equal(feeder_feed(f, s->p, (size_t)(s->end - s->p)), -1);
			assert_int_equal(f->d.fault, CQL_FAULT_VERSION);
			assert_int_equal(f->d.fault_version, s->fault_version);
		} else {
			for (const uint8_t *p = s->p; p < s->end; p += 700)
				assert_int_equal(
					feeder_feed(f, p, s->end - p < 700 ? (size_t)(s->end - p) : 700), 0);
			assert_int_equal(f->envelopes, s->envelopes);
			assert_view(sink_view(&f->got), (struct cql_view){s->p, (size_t)(s->end - s->p)});
		}
		feeder_free(f);
	}
}

static void check_rows(uint8_t version, struct cql_view body)
{
	struct cql_value cells[64];
	struct cql_rows rows;
	struct cql_error err;
	struct cql_reader r;
	int32_t n = 0;

	assert_true(cql_rows_read(version, body, &rows, &err));
	assert_true(rows.metadata.n_columns > 0);
	cql_reader_init(&r, rows.cells);
	for (; cql_row_next(&rows, &r, cells, 64); n++)
		assert_int_equal(cells[0].state, CQL_VALUE_SET); /* keys come first */
	assert_int_equal(n, rows.n_rows);
	assert_true(cql_reader_end(&r));
}

static void check_result(uint8_t version, struct cql_view body)
{
	struct cql_prepared p;
	struct cql_error err;

	if (cql_result_kind(body) == CQL_ROWS) {
		check_rows(version, body);
		return;
	}
	assert_int_equal(cql_result_kind(body), CQL_PREPARED);
	assert_true(cql_prepared_read(version, body, &p, &err));
	assert_int_equal(p.id.n, 16);
	assert_true(p.result.n_columns > 0);
	assert_true(cql_metadata_equal(&p.result, &p.result));
}

static void check_supported(struct cql_view body)
{
	struct cql_writer w = SINK;
	struct cql_error err;

	assert_true(cql_supported_intersect(body, body, &w, &err));
	assert_view(sink_view(&w), body);
	sink_free(&w);
}

static void check_error(uint8_t version, struct cql_view body)
{
	struct cql_writer w = SINK;
	struct cql_server_error e;
	struct cql_error err;

	assert_true(cql_error_read(version, body, &e, &err));
	assert_int_equal(e.code, CQL_E_PROTOCOL);
	cql_error_write(&w, version, &e);
	assert_view(sink_view(&w), body);
	sink_free(&w);
}

static void check_request(const struct cql_header *h, struct cql_view body, struct cql_writer *out)
{
	const struct cql_rewrite nothing = {.strip = true};
	struct cql_startup startup;
	struct cql_execute x;
	struct cql_prepare p;
	struct cql_query q;
	struct cql_header head;
	struct cql_view types;
	struct cql_error err;

	switch (h->opcode) {
	case CQL_STARTUP:
		assert_true(cql_startup_read(body, &startup, &err));
		assert_true(startup.cql_version.n && startup.driver_name.n && startup.driver_version.n);
		cql_write_view(out, startup.options);
		break;
	case CQL_QUERY:
		assert_true(cql_query_read(h, body, &q, &err));
		assert_memory_equal(q.text.p, "SELECT ", 7);
		cql_rewrite_query(h, body, &q, &nothing, out, &head);
		break;
	case CQL_PREPARE:
		assert_true(cql_prepare_read(h, body, &p, &err));
		cql_rewrite_prepare(h, body, &p, &nothing, out, &head);
		break;
	case CQL_EXECUTE:
		assert_true(cql_execute_read(h, body, &x, &err));
		assert_int_equal(x.id.n, 16);
		cql_rewrite_execute(h, body, &x, &nothing, out, &head);
		break;
	case CQL_REGISTER:
		assert_true(cql_register_read(body, &types, &err));
		assert_true(cql_string_list_has(types, V("SCHEMA_CHANGE")));
		cql_write_view(out, types);
		break;
	default:
		assert_int_equal(h->opcode, CQL_OPTIONS);
	}
	assert_view(sink_view(out), body);
}

static void check_body(const struct cql_header *h, struct cql_view body)
{
	struct cql_writer out = SINK;

	switch (h->opcode) {
	case CQL_ERROR:
		check_error(h->version, body);
		break;
	case CQL_SUPPORTED:
		check_supported(body);
		break;
	case CQL_RESULT:
		check_result(h->version, body);
		break;
	case CQL_READY:
		assert_int_equal(body.n, 0);
		break;
	default:
		check_request(h, body, &out);
	}
	sink_free(&out);
}

static void test_every_body_reads(void **state)
{
	size_t n = 0;

	(void)state;
	for (const struct stream *s = streams; s < streams + ARRAY_SIZE(streams); s++) {
		if (s->fault_version)
			continue;
		for (const uint8_t *p = s->p; p < s->end; n++) {
			struct cql_header h = cql_header_read(p);
			struct cql_view body = tight(p + CQL_HEADER_SIZE, h.length);

			check_body(&h, body);
			p += CQL_HEADER_SIZE + h.length;
			tight_free(body);
		}
	}
	assert_int_equal(n, 75);
}

/* The same conversations in segments: all responses of a connection pushed through encoder and decoder of v5. */
static void test_in_segments(void **state)
{
	static uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD];

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(streams); i++) {
		const struct stream *s = &streams[i / 2];
		enum framing framing = i % 2 ? SEGMENTS_LZ4 : SEGMENTS;
		struct cql_writer wire = SINK;
		struct cql_encoder e;
		struct feeder *f;

		if (s->fault_version)
			continue;
		cql_encoder_init(&e, pack_libs(), scratch);
		cql_encoder_use_segments(&e, framing == SEGMENTS_LZ4);
		for (const uint8_t *p = s->p; p < s->end;) {
			struct cql_header h = cql_header_read(p);

			cql_encode(&e, &wire, &h, (struct cql_view){p + CQL_HEADER_SIZE, h.length});
			p += CQL_HEADER_SIZE + h.length;
		}
		cql_encoder_flush(&e, &wire);
		f = feeder_new(framing, s->responses, 1000);
		for (size_t at = 0; at < wire.len; at += 3000)
			assert_int_equal(
				feeder_feed(f, wire.p + at, wire.len - at < 3000 ? wire.len - at : 3000), 0);
		assert_int_equal(f->envelopes, s->envelopes);
		assert_view(sink_view(&f->got), (struct cql_view){s->p, (size_t)(s->end - s->p)});
		feeder_free(f);
		sink_free(&wire);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_bytes_again),
		cmocka_unit_test(test_every_body_reads),
		cmocka_unit_test(test_in_segments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
