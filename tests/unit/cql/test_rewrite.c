/* A rewritten request must be what somebody would have written who wanted it so from the start. */
#include "unit/cql/requests.h"

#include "cql/rewrite.h"

#define OTHER_ID    V("an id of another length")
#define OTHER_RM_ID V("rm")

static struct cql_view child_id(void *ctx, struct cql_view id)
{
	(*(int *)ctx)++;
	return cql_view_equal(id, ID) ? OTHER_ID : (struct cql_view){0};
}

/* Bit by bit: strip, add_timestamp, clear_skip_metadata, ids. */
enum { STRIP = 1, ADD = 2, CLEAR = 4, IDS = 8, ALL = 16 };

static struct wanted after(const struct wanted *s, unsigned what)
{
	struct wanted a = *s;

	if (what & STRIP)
		a.payload = false;
	if (what & CLEAR)
		a.flags &= ~(uint32_t)CQL_Q_SKIP_METADATA;
	return a;
}

static void put(struct cql_writer *w, uint8_t opcode, const struct wanted *s, bool stamp, bool ids)
{
	if (opcode == CQL_QUERY)
		put_query(w, s, stamp);
	else if (opcode == CQL_EXECUTE)
		put_execute(w, s, stamp, ids ? OTHER_ID : ID, ids ? OTHER_RM_ID : RM_ID);
	else if (opcode == CQL_BATCH)
		put_batch(w, s, stamp, ids ? OTHER_ID : ID, V("stays"));
	else
		put_prepare(w, s);
}

static void rewrite(uint8_t opcode, const struct cql_header *h, struct cql_view body,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head)
{
	struct cql_execute x;
	struct cql_prepare p;
	struct cql_query q;
	struct cql_batch b;
	struct cql_error err;

	if (opcode == CQL_QUERY) {
		assert_true(cql_query_read(h, body, &q, &err));
		cql_rewrite_query(h, body, &q, rw, out, head);
	} else if (opcode == CQL_EXECUTE) {
		assert_true(cql_execute_read(h, body, &x, &err));
		cql_rewrite_execute(h, body, &x, rw, out, head);
	} else if (opcode == CQL_BATCH) {
		assert_true(cql_batch_read(h, body, &b, &err));
		cql_rewrite_batch(h, body, &b, rw, out, head);
	} else {
		assert_true(cql_prepare_read(h, body, &p, &err));
		cql_rewrite_prepare(h, body, &p, rw, out, head);
	}
}

static void check(uint8_t opcode, const struct wanted *s, unsigned what)
{
	struct cql_writer before = SINK, want = SINK, got = SINK;
	struct wanted then = after(s, what);
	int asked = 0;
	struct cql_rewrite rw = {.strip = what & STRIP,
		.add_timestamp = what & ADD,
		.timestamp = 4242,
		.clear_skip_metadata = what & CLEAR,
		.ctx = &asked};
	struct cql_header h, head;

	if (what & IDS) {
		rw.id = OTHER_ID;
		rw.result_metadata_id = OTHER_RM_ID;
		rw.child_id = child_id;
	}
	put(&before, opcode, s, false, false);
	/* In a PREPARE there is nothing but the payload to change. */
	put(&want, opcode, &then, what & ADD && opcode != CQL_PREPARE, what & IDS);
	h = head_of(s, opcode, before.len);
	cql_write_raw(&got, "before", 6);
	rewrite(opcode, &h, sink_view(&before), &rw, &got, &head);
	assert_view((struct cql_view){got.p + 6, got.len - 6}, sink_view(&want));
	assert_int_equal(head.length, want.len);
	assert_int_equal(head.stream, 77);
	assert_int_equal(head.flags, what & STRIP ? 0 : h.flags);
	assert_int_equal(asked, what & IDS && opcode == CQL_BATCH ? 2 : 0);
	if (cql_rewrite_is_copy(&rw, &h))
		assert_view(sink_view(&want), sink_view(&before));
	sink_free(&before);
	sink_free(&want);
	sink_free(&got);
}

static void test_all_that_can_be_asked_of_all_that_can_be(void **state)
{
	static const uint8_t opcodes[] = {CQL_QUERY, CQL_EXECUTE, CQL_BATCH, CQL_PREPARE};

	(void)state;
	for (struct wanted s = WANTED; wanted_ok(&s); wanted_next(&s))
		for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
			for (unsigned what = 0; what < ALL; what++)
				check(opcodes[i], &s, what);
}

static void test_is_copy(void **state)
{
	int asked;
	const struct {
		struct cql_rewrite rw;
		uint8_t flags;
		bool copy;
	} rows[] = {
		{{0}, 0, true},
		{{0}, CQL_FLAG_TRACING | CQL_FLAG_PAYLOAD, true},
		{{.strip = true}, 0, true},
		{{.strip = true}, CQL_FLAG_BETA, true},
		{{.strip = true}, CQL_FLAG_TRACING, false},
		{{.strip = true}, CQL_FLAG_PAYLOAD, false},
		{{.add_timestamp = true}, 0, false},
		{{.clear_skip_metadata = true}, 0, false},
		{{.id = ID}, 0, false},
		{{.result_metadata_id = RM_ID}, 0, false},
		{{.child_id = child_id, .ctx = &asked}, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_header h = {.version = CQL_V4, .flags = rows[i].flags};

		assert_int_equal(cql_rewrite_is_copy(&rows[i].rw, &h), rows[i].copy);
	}
}

/* The body came unpacked, whatever its header said. */
static void test_result_is_not_compressed(void **state)
{
	struct wanted s = {.version = CQL_V4};
	struct cql_writer body = SINK, out = SINK;
	struct cql_rewrite rw = {.add_timestamp = true};
	struct cql_header h, head;

	(void)state;
	put_query(&body, &s, false);
	h = head_of(&s, CQL_QUERY, 12);
	h.flags |= CQL_FLAG_COMPRESSED;
	rewrite(CQL_QUERY, &h, sink_view(&body), &rw, &out, &head);
	assert_int_equal(head.flags, CQL_FLAG_TRACING);
	assert_int_equal(head.length, body.len + 8);
	sink_free(&body);
	sink_free(&out);
}

static void test_bytes_behind_the_parameters_stay(void **state)
{
	struct wanted s = {.version = CQL_V4, .flags = CQL_Q_VALUES};
	struct cql_writer body = SINK, want = SINK, out = SINK;
	struct cql_rewrite rw = {.add_timestamp = true, .timestamp = 4242};
	struct cql_header h, head;

	(void)state;
	put_query(&body, &s, false);
	put_query(&want, &s, true);
	cql_write_raw(&body, "more", 4);
	cql_write_raw(&want, "more", 4);
	h = head_of(&s, CQL_QUERY, body.len);
	rewrite(CQL_QUERY, &h, sink_view(&body), &rw, &out, &head);
	assert_view(sink_view(&out), sink_view(&want));
	sink_free(&body);
	sink_free(&want);
	sink_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_can_be_asked_of_all_that_can_be),
		cmocka_unit_test(test_is_copy),
		cmocka_unit_test(test_result_is_not_compressed),
		cmocka_unit_test(test_bytes_behind_the_parameters_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
