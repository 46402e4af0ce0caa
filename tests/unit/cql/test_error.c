/* Every error code in every version, there and back; and events. */
#include "unit/cql/sink.h"

#include "cql/error.h"

static const uint8_t REASONS[] = {
	4, 127, 0, 0, 1, 0, 2, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3};
static const uint8_t ARGS[] = {0, 2, 0, 3, 'i', 'n', 't', 0, 4, 't', 'e', 'x', 't'};

/* What can be said of anything; which of it is on the wire depends on code and version. */
static const struct cql_server_error full = {
	.message = {(const uint8_t *)"it went wrong", 13},
	.consistency = CQL_QUORUM,
	.received = 1,
	.block_for = 2,
	.write_type = {(const uint8_t *)"CAS", 3},
	.data_present = 1,
	.id = {(const uint8_t *)"sixteen bytes id", 16},
	.keyspace = {(const uint8_t *)"ks", 2},
	.name = {(const uint8_t *)"name", 4},
	.n_failures = 2,
	.failures = {REASONS, sizeof REASONS},
	.arg_types = {ARGS, sizeof ARGS},
	.contentions = 7,
};

/* Bytes behind code and message in v3, v4, v5; and the code as which v3, v4, v5 know it. */
enum { HEAD = 4 + 2 + 13, LEVEL = 2 + 4 + 4, WT = 2 + 3 };
static const struct row {
	int32_t code;
	const char *name;
	size_t size[3];
	int32_t as[3];
} rows[] = {
#define SAME(c)                                                                                              \
	{                                                                                                    \
		c, c, c                                                                                      \
	}
	{CQL_E_SERVER, "SERVER_ERROR", {0, 0, 0}, SAME(0x0000)},
	{CQL_E_PROTOCOL, "PROTOCOL_ERROR", {0, 0, 0}, SAME(0x000a)},
	{CQL_E_BAD_CREDENTIALS, "BAD_CREDENTIALS", {0, 0, 0}, SAME(0x0100)},
	{CQL_E_UNAVAILABLE, "UNAVAILABLE", {LEVEL, LEVEL, LEVEL}, SAME(0x1000)},
	{CQL_E_OVERLOADED, "OVERLOADED", {0, 0, 0}, SAME(0x1001)},
	{CQL_E_BOOTSTRAPPING, "IS_BOOTSTRAPPING", {0, 0, 0}, SAME(0x1002)},
	{CQL_E_TRUNCATE, "TRUNCATE_ERROR", {0, 0, 0}, SAME(0x1003)},
	{CQL_E_WRITE_TIMEOUT, "WRITE_TIMEOUT", {LEVEL + WT, LEVEL + WT, LEVEL + WT + 2}, SAME(0x1100)},
	{CQL_E_READ_TIMEOUT, "READ_TIMEOUT", {LEVEL + 1, LEVEL + 1, LEVEL + 1}, SAME(0x1200)},
	{CQL_E_READ_FAILURE, "READ_FAILURE", {LEVEL + 1, LEVEL + 4 + 1, LEVEL + 4 + sizeof REASONS + 1},
		{0x1200, 0x1300, 0x1300}},
	{CQL_E_FUNCTION_FAILURE, "FUNCTION_FAILURE", {0, 4 + 6 + sizeof ARGS, 4 + 6 + sizeof ARGS},
		{0x2200, 0x1400, 0x1400}},
	{CQL_E_WRITE_FAILURE, "WRITE_FAILURE", {LEVEL + WT, LEVEL + 4 + WT, LEVEL + 4 + sizeof REASONS + WT},
		{0x1100, 0x1500, 0x1500}},
	{CQL_E_CDC_WRITE_FAILURE, "CDC_WRITE_FAILURE", {0, 0, 0}, {0x2200, 0x1600, 0x1600}},
	{CQL_E_CAS_WRITE_UNKNOWN, "CAS_WRITE_UNKNOWN", {LEVEL + WT, LEVEL + WT, LEVEL},
		{0x1100, 0x1100, 0x1700}},
	{CQL_E_SYNTAX, "SYNTAX_ERROR", {0, 0, 0}, SAME(0x2000)},
	{CQL_E_UNAUTHORIZED, "UNAUTHORIZED", {0, 0, 0}, SAME(0x2100)},
	{CQL_E_INVALID, "INVALID", {0, 0, 0}, SAME(0x2200)},
	{CQL_E_CONFIG, "CONFIG_ERROR", {0, 0, 0}, SAME(0x2300)},
	{CQL_E_ALREADY_EXISTS, "ALREADY_EXISTS", {4 + 6, 4 + 6, 4 + 6}, SAME(0x2400)},
	{CQL_E_UNPREPARED, "UNPREPARED", {18, 18, 18}, SAME(0x2500)},
	{0x8000, "UNKNOWN", {0, 0, 0}, SAME(0x8000)}, /* DSE's */
};

/* A field that is there is right; one that the code does not have is nothing. */
static void check_fields(const struct cql_server_error *e, uint8_t version)
{
	bool level = e->code >= CQL_E_UNAVAILABLE && e->code <= CQL_E_CAS_WRITE_UNKNOWN && e->received;

	assert_view(e->message, full.message);
	switch (e->code) {
	case CQL_E_READ_FAILURE:
	case CQL_E_WRITE_FAILURE:
		assert_int_equal(e->n_failures, 2);
		assert_view(e->failures, version >= CQL_V5 ? full.failures : (struct cql_view){0});
		assert_true(level);
		break;
	case CQL_E_UNAVAILABLE:
	case CQL_E_CAS_WRITE_UNKNOWN:
	case CQL_E_READ_TIMEOUT:
	case CQL_E_WRITE_TIMEOUT:
		assert_true(level);
		break;
	case CQL_E_UNPREPARED:
		assert_view(e->id, full.id);
		break;
	case CQL_E_FUNCTION_FAILURE:
		assert_view(e->arg_types, full.arg_types);
		/* fallthrough */
	case CQL_E_ALREADY_EXISTS:
		assert_view(e->keyspace, full.keyspace);
		assert_view(e->name, full.name);
		break;
	default:
		assert_false(level || e->id.n || e->keyspace.n);
	}
	if (level) {
		assert_int_equal(e->consistency, CQL_QUORUM);
		assert_int_equal(e->received, 1);
		assert_int_equal(e->block_for, 2);
	}
	if (e->code == CQL_E_WRITE_TIMEOUT || e->code == CQL_E_WRITE_FAILURE)
		assert_view(e->write_type, full.write_type);
	assert_int_equal(e->contentions, e->code == CQL_E_WRITE_TIMEOUT && version == CQL_V5 ? 7 : 0);
	assert_int_equal(e->data_present, e->code == CQL_E_READ_TIMEOUT || e->code == CQL_E_READ_FAILURE);
}

static void test_every_code_in_every_version(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3 * ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i / 3];
		uint8_t version = (uint8_t)(CQL_V3 + i % 3);
		struct cql_writer w = SINK, again = SINK;
		struct cql_server_error e = full;
		struct cql_error err;

		e.code = row->code;
		assert_string_equal(cql_error_name(e.code), row->name);
		cql_error_write(&w, version, &e);
		assert_int_equal(w.len, HEAD + row->size[i % 3]);
		assert_true(cql_error_read(version, sink_view(&w), &e, &err));
		assert_int_equal(e.code, row->as[i % 3]);
		check_fields(&e, version);
		cql_error_write(&again, version, &e);
		assert_view(sink_view(&again), sink_view(&w));
		for (size_t n = 0; n < w.len; n++) {
			struct cql_view cut = tight(w.p, n);

			err.why = NULL;
			assert_false(cql_error_read(version, cut, &e, &err));
			assert_string_equal(err.why, "truncated");
			tight_free(cut);
		}
		sink_free(&w);
		sink_free(&again);
	}
}

/* An older client learns that it was a CAS, which the newer code said by itself. */
static void test_cas_for_older_clients(void **state)
{
	struct cql_server_error e = {
		.code = CQL_E_CAS_WRITE_UNKNOWN, .message = V("m"), .received = 1, .block_for = 2};
	struct cql_writer w = SINK;
	struct cql_error err;

	(void)state;
	cql_error_write(&w, CQL_V4, &e);
	assert_true(cql_error_read(CQL_V4, sink_view(&w), &e, &err));
	assert_int_equal(e.code, CQL_E_WRITE_TIMEOUT);
	assert_view(e.write_type, V("CAS"));
	sink_free(&w);
}

/* Bytes as a server wrote them, so that a mistake made alike in reading and writing does not hide. */
static void test_layouts(void **state)
{
	static const char unavailable[] = "\0\0\x10\0\0\1m\0\x04\0\0\0\3\0\0\0\1";
	static const char timeout[] = "\0\0\x11\0\0\1m\0\x06\0\0\0\1\0\0\0\2\0\6SIMPLE";
	struct cql_server_error e;
	struct cql_error err;

	(void)state;
	assert_true(cql_error_read(CQL_V4, V(unavailable), &e, &err));
	assert_int_equal(e.block_for, 3);
	assert_int_equal(e.received, 1);
	assert_int_equal(e.consistency, CQL_QUORUM);
	assert_true(cql_error_read(CQL_V5, V(timeout), &e, &err));
	assert_int_equal(e.received, 1);
	assert_int_equal(e.block_for, 2);
	assert_int_equal(e.consistency, CQL_LOCAL_QUORUM);
	assert_view(e.write_type, V("SIMPLE"));
	assert_int_equal(e.contentions, 0);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *body;
		size_t n;
		const char *why;
		uint32_t offset;
	} bad[] = {
		{"\0\0\x13\0\0\0\0\4\0\0\0\1\0\0\0\2\xff\xff\xff\xff\0", 21, "negative number of failures",
			20},
		{"\0\0\x13\0\0\0\0\4\0\0\0\1\0\0\0\2\x7f\xff\xff\xff\4\1\2\3\4\0\1", 27, "truncated", 27},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cql_view body = tight(bad[i].body, bad[i].n);
		struct cql_server_error e;
		struct cql_error err;

		assert_false(cql_error_read(CQL_V5, body, &e, &err));
		assert_string_equal(err.why, bad[i].why);
		assert_int_equal(err.offset, bad[i].offset);
		tight_free(body);
	}
}

static void test_unsupported_version(void **state)
{
	static const struct {
		uint8_t asked, highest;
		const char *text;
	} table[] = {
		{66, 5,
			"Invalid or unsupported protocol version (66); supported versions are (3/v3, 4/v4, "
			"5/v5)"},
		{5, 4, "Invalid or unsupported protocol version (5); supported versions are (3/v3, 4/v4)"},
		{1, 3, "Invalid or unsupported protocol version (1); supported versions are (3/v3)"},
		{5, 255,
			"Invalid or unsupported protocol version (5); supported versions are (3/v3, 4/v4, "
			"5/v5)"},
		{127, 5,
			"Invalid or unsupported protocol version (127); supported versions are (3/v3, 4/v4, "
			"5/v5)"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct cql_writer w = SINK;
		struct cql_server_error e;
		struct cql_error err;

		cql_unsupported_version_write(&w, table[i].asked, table[i].highest);
		assert_true(cql_error_read(table[i].highest, sink_view(&w), &e, &err));
		assert_int_equal(e.code, CQL_E_PROTOCOL);
		assert_view(e.message, cql_view_of(table[i].text));
		assert_int_equal(w.len, 6 + e.message.n);
		sink_free(&w);
	}
}

static const uint8_t NO_ARGS[] = {0, 0};
#define EVENT(t, c) .type = V(t), .change = V(c)

static void test_events(void **state)
{
	const struct cql_event events[] = {
		{EVENT("TOPOLOGY_CHANGE", "NEW_NODE"), .address = V("\x7f\0\0\1"), .port = 9042},
		{EVENT("TOPOLOGY_CHANGE", "REMOVED_NODE"), .address = V("\x7f\0\0\1"), .port = 9042},
		{EVENT("STATUS_CHANGE", "UP"), .address = V("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
			.port = 65535},
		{EVENT("STATUS_CHANGE", "DOWN"), .address = V("\x7f\0\0\1"), .port = 0},
		{EVENT("SCHEMA_CHANGE", "CREATED"), .target = V("KEYSPACE"), .keyspace = V("ks")},
		{EVENT("SCHEMA_CHANGE", "UPDATED"), .target = V("TABLE"), .keyspace = V("ks"),
			.name = V("t")},
		{EVENT("SCHEMA_CHANGE", "DROPPED"), .target = V("TYPE"), .keyspace = V("ks"), .name = V("t")},
		{EVENT("SCHEMA_CHANGE", "CREATED"), .target = V("FUNCTION"), .keyspace = V("ks"),
			.name = V("f"), .args = {ARGS, sizeof ARGS}},
		{EVENT("SCHEMA_CHANGE", "CREATED"), .target = V("AGGREGATE"), .keyspace = V("ks"),
			.name = V("f"), .args = {NO_ARGS, sizeof NO_ARGS}},
		{.type = V("TRACE_COMPLETE")},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++) {
		struct cql_writer w = SINK;
		struct cql_event e;
		struct cql_error err;

		cql_event_write(&w, &events[i]);
		for (size_t n = 0; n < w.len; n++) {
			struct cql_view cut = tight(w.p, n);

			assert_false(cql_event_read(cut, &e, &err));
			tight_free(cut);
		}
		assert_true(cql_event_read(sink_view(&w), &e, &err));
		assert_view(e.type, events[i].type);
		assert_view(e.change, events[i].change);
		assert_view(e.address, events[i].address);
		assert_int_equal(e.port, events[i].port);
		assert_view(e.target, events[i].target);
		assert_view(e.keyspace, events[i].keyspace);
		assert_view(e.name, events[i].name);
		assert_view(e.args, events[i].args);
		sink_free(&w);
	}
}

static void test_event_address(void **state)
{
	struct cql_event e;
	struct cql_error err;

	(void)state;
	assert_false(cql_event_read(V("\0\x0dSTATUS_CHANGE\0\2UP\5\1\2\3\4\5\0\0\0\0"), &e, &err));
	assert_string_equal(err.why, "address that has neither 4 nor 16 bytes");
	assert_int_equal(err.offset, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_in_every_version),
		cmocka_unit_test(test_cas_for_older_clients),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_unsupported_version),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_event_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
