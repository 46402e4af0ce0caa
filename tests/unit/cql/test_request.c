/* Requests of every kind, version and combination of flags, whole and cut short. */
#include "unit/cql/requests.h"

static void check_values(struct cql_view values, uint16_t n, bool names, uint8_t version)
{
	static const char *const want_names[] = {"a", "b", "c"};
	struct cql_reader r;
	struct cql_view name;
	struct cql_value v;

	assert_int_equal(n, 3);
	cql_reader_init(&r, values);
	for (int i = 0; i < 3; i++) {
		assert_true(cql_values_next(&r, names, version, &name, &v));
		if (names)
			assert_view(name, cql_view_of(want_names[i]));
		else
			assert_int_equal(name.n, 0);
		if (i == 0)
			assert_view(v.view, V("one"));
		if (i == 1)
			assert_int_equal(v.state, CQL_VALUE_NULL);
		if (i == 2)
			assert_int_equal(v.state, version >= CQL_V4 ? CQL_VALUE_UNSET : CQL_VALUE_SET);
	}
	assert_false(cql_values_next(&r, names, version, &name, &v));
	assert_true(cql_reader_ok(&r));
}

static void check_params(const struct cql_params *p, const struct wanted *s, size_t size)
{
	assert_int_equal(p->consistency, CQL_LOCAL_QUORUM);
	assert_int_equal(p->flags, s->flags);
	assert_int_equal(p->flags_at, p->start + 2);
	if (s->flags & CQL_Q_VALUES)
		check_values(p->values, p->n_values, s->flags & CQL_Q_NAMES, s->version);
	else
		assert_int_equal(p->n_values, 0);
	assert_int_equal(p->page_size, s->flags & CQL_Q_PAGE_SIZE ? 5000 : 0);
	assert_view(p->paging_state.view, s->flags & CQL_Q_PAGING_STATE ? V("state") : (struct cql_view){0});
	assert_int_equal(p->serial, s->flags & CQL_Q_SERIAL ? CQL_LOCAL_SERIAL : 0);
	assert_true(p->timestamp == (s->flags & CQL_Q_TIMESTAMP ? STAMP : 0));
	assert_view(p->keyspace, s->flags & CQL_Q_KEYSPACE ? V("other_ks") : (struct cql_view){0});
	assert_int_equal(p->now_in_seconds, s->flags & CQL_Q_NOW ? 1700000000 : 0);
	assert_int_equal(size - p->timestamp_at, (s->flags & CQL_Q_TIMESTAMP ? 8 : 0) +
							 (s->flags & CQL_Q_KEYSPACE ? 10 : 0) +
							 (s->flags & CQL_Q_NOW ? 4 : 0));
}

static void check_batch(const struct cql_batch *b, const struct wanted *s)
{
	struct cql_batch_child c;
	uint32_t at = b->children_at, next = at;

	assert_int_equal(b->type, CQL_BATCH_UNLOGGED);
	assert_int_equal(b->n, 3);
	for (int i = 0; i < 3; i++) {
		assert_true(cql_batch_next(b, s->version, &at, &c));
		assert_int_equal(c.at, next);
		next = c.at + c.size;
		assert_int_equal(at, next);
		assert_int_equal(c.prepared, i > 0);
		assert_view(c.text_or_id, i == 0 ? TEXT : i == 1 ? ID : V("other"));
		if (i < 2)
			check_values(c.values, c.n_values, false, s->version);
		else
			assert_int_equal(c.n_values, 0);
	}
	assert_false(cql_batch_next(b, s->version, &at, &c));
	assert_int_equal(at, b->params.start);
}

static void put(struct cql_writer *w, uint8_t opcode, const struct wanted *s)
{
	if (opcode == CQL_QUERY)
		put_query(w, s, false);
	else if (opcode == CQL_EXECUTE)
		put_execute(w, s, false, ID, RM_ID);
	else if (opcode == CQL_BATCH)
		put_batch(w, s, false, ID, V("other"));
	else
		put_prepare(w, s);
}

/* Reads and, if it can be read, checks. */
static bool read_and_check(
	uint8_t opcode, const struct wanted *s, struct cql_view body, struct cql_error *err)
{
	struct cql_header h = head_of(s, opcode, body.n);
	struct cql_execute x = {0};
	struct cql_prepare p = {0};
	struct cql_query q = {0};
	struct cql_batch b = {0};

	switch (opcode) {
	case CQL_QUERY:
		if (!cql_query_read(&h, body, &q, err))
			return false;
		assert_view(q.text, TEXT);
		assert_int_equal(!!q.prefix.payload.n, s->payload);
		check_params(&q.params, s, body.n);
		return true;
	case CQL_EXECUTE:
		if (!cql_execute_read(&h, body, &x, err))
			return false;
		assert_view(x.id, ID);
		assert_memory_equal(body.p + x.id_at + 2, ID.p, ID.n);
		assert_view(x.result_metadata_id, s->version >= CQL_V5 ? RM_ID : (struct cql_view){0});
		check_params(&x.params, s, body.n);
		return true;
	case CQL_BATCH:
		if (!cql_batch_read(&h, body, &b, err))
			return false;
		check_params(&b.params, s, body.n);
		check_batch(&b, s);
		return true;
	default:
		if (!cql_prepare_read(&h, body, &p, err))
			return false;
		assert_view(p.text, TEXT);
		assert_view(p.keyspace, s->version >= CQL_V5 && s->flags & CQL_Q_KEYSPACE
						? V("other_ks")
						: (struct cql_view){0});
		return true;
	}
}

static const uint8_t opcodes[] = {CQL_QUERY, CQL_EXECUTE, CQL_BATCH, CQL_PREPARE};

static void test_every_kind_version_and_flag(void **state)
{
	size_t n = 0;

	(void)state;
	for (struct wanted s = WANTED; wanted_ok(&s); wanted_next(&s)) {
		for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++, n++) {
			struct cql_writer w = SINK;
			struct cql_view body;
			struct cql_error err;

			put(&w, opcodes[i], &s);
			body = tight(w.p, w.len);
			assert_true(read_and_check(opcodes[i], &s, body, &err));
			tight_free(body);
			sink_free(&w);
		}
	}
	assert_int_equal(n, 4 * (0x80 + 2 * 0x80 + 2 * 0x200));
}

static void test_cut_short_anywhere_is_an_error(void **state)
{
	(void)state;
	for (struct wanted s = WANTED; wanted_ok(&s); wanted_next(&s)) {
		if (s.flags != 0 && s.flags != 0x7f && s.flags != 0x1ff)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++) {
			struct cql_writer w = SINK;

			put(&w, opcodes[i], &s);
			for (size_t n = 0; n < w.len; n++) {
				struct cql_view body = tight(w.p, n);
				struct cql_error err = {0};

				assert_false(read_and_check(opcodes[i], &s, body, &err));
				assert_string_equal(err.why, "truncated");
				assert_true(err.offset <= n);
				tight_free(body);
			}
			/* What newer drivers may put behind it harms nobody. */
			if (opcodes[i] == CQL_PREPARE) {
				struct cql_error err = {0};

				cql_write_u8(&w, 1);
				assert_true(read_and_check(opcodes[i], &s, sink_view(&w), &err));
			}
			sink_free(&w);
		}
	}
}

static void test_malformed(void **state)
{
	static const struct {
		const char *name;
		uint8_t version, opcode, flags;
		const char *body;
		size_t n;
		const char *why;
		uint32_t offset;
	} rows[] = {
		{"negative text", 4, CQL_QUERY, 0, "\xff\xff\xff\xfe\0\1\0", 7, "negative length of a string",
			0},
		{"unset in v3", 3, CQL_QUERY, 0, "\0\0\0\0\0\1\1\0\1\xff\xff\xff\xfe", 13,
			"unset value where none may be", 9},
		{"value of -3", 4, CQL_QUERY, 0, "\0\0\0\0\0\1\1\0\1\xff\xff\xff\xfd", 13, "length below -1",
			9},
		{"paging state of -2", 4, CQL_QUERY, 0, "\0\0\0\0\0\1\x08\xff\xff\xff\xfe", 11,
			"unset value where none may be", 7},
		{"payload in v3", 3, CQL_QUERY, CQL_FLAG_PAYLOAD, "\0\0\0\0\0\0\0\1\0", 9,
			"warning or custom payload before v4", 0},
		{"kind of batch", 4, CQL_BATCH, 0, "\3\0\0\0\1\0", 6, "unknown kind of batch", 0},
		{"kind of child", 4, CQL_BATCH, 0, "\0\0\1\2\0\0\0\0\1\0", 10,
			"unknown kind of statement in a batch", 3},
		{"children that are not there", 4, CQL_BATCH, 0, "\0\xff\xff\1\0\1x\0\0", 9, "truncated", 9},
		{"values that are not there", 5, CQL_EXECUTE, 0, "\0\1x\0\0\0\1\0\0\0\1\xff\xff", 13,
			"truncated", 13},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_header h = {
			.version = rows[i].version, .opcode = rows[i].opcode, .flags = rows[i].flags};
		struct cql_view body = tight(rows[i].body, rows[i].n);
		struct cql_error err = {0};
		struct cql_execute x;
		struct cql_query q;
		struct cql_batch b;
		bool ok = rows[i].opcode == CQL_QUERY   ? cql_query_read(&h, body, &q, &err)
			  : rows[i].opcode == CQL_BATCH ? cql_batch_read(&h, body, &b, &err)
							: cql_execute_read(&h, body, &x, &err);

		print_message("%s\n", rows[i].name);
		assert_false(ok);
		assert_string_equal(err.why, rows[i].why);
		assert_int_equal(err.offset, rows[i].offset);
		tight_free(body);
	}
}

/* A front is enough as soon as the text, or the id, is in it; before that it asks for more, until there is no more. */
static void test_peeks(void **state)
{
	(void)state;
	for (int payload = 0; payload < 2; payload++) {
		struct wanted s = {.version = CQL_V4, .flags = CQL_Q_VALUES, .payload = payload};

		for (int execute = 0; execute < 2; execute++) {
			struct cql_writer w = SINK;
			size_t enough;

			put_prefix(&w, &s);
			enough = w.len + (execute ? 2 + ID.n : 4 + TEXT.n);
			w.len = 0;
			put(&w, execute ? CQL_EXECUTE : CQL_QUERY, &s);
			for (size_t n = 0; n <= w.len; n++) {
				struct cql_header h = head_of(&s, execute ? CQL_EXECUTE : CQL_QUERY, w.len);
				struct cql_view front = tight(w.p, n), got = {0};
				struct cql_error err = {0};
				int (*peek)(const struct cql_header *, struct cql_view, struct cql_view *,
					struct cql_error *) = execute ? cql_execute_peek : cql_query_peek;

				assert_int_equal(peek(&h, front, &got, &err), n < enough);
				if (n >= enough)
					assert_view(got, execute ? ID : TEXT);
				h.length = (uint32_t)n;
				assert_int_equal(peek(&h, front, &got, &err), n < enough ? -1 : 0);
				tight_free(front);
			}
			sink_free(&w);
		}
	}
}

static void test_own_requests(void **state)
{
	(void)state;
	for (uint8_t version = CQL_V3; version <= CQL_V5; version++) {
		for (int paging = 0; paging < 2; paging++) {
			struct cql_query_opts o = {.consistency = CQL_ONE, .page_size = paging ? 100 : 0};
			struct cql_header h = {.version = version};
			struct cql_writer w = SINK;
			struct cql_prepare p;
			struct cql_query q;
			struct cql_error err;

			if (paging)
				o.paging_state = V("state");
			cql_query_write(&w, version, TEXT, &o);
			assert_true(cql_query_read(&h, sink_view(&w), &q, &err));
			assert_view(q.text, TEXT);
			assert_int_equal(q.params.consistency, CQL_ONE);
			assert_int_equal(q.params.page_size, o.page_size);
			assert_view(q.params.paging_state.view, o.paging_state);
			assert_int_equal(q.params.timestamp_at, w.len);
			w.len = 0;
			cql_prepare_write(&w, version, TEXT, paging ? V("ks") : (struct cql_view){0});
			assert_true(cql_prepare_read(&h, sink_view(&w), &p, &err));
			assert_view(p.text, TEXT);
			assert_view(p.keyspace, paging && version == CQL_V5 ? V("ks") : (struct cql_view){0});
			sink_free(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_version_and_flag),
		cmocka_unit_test(test_cut_short_anywhere_is_an_error),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_peeks),
		cmocka_unit_test(test_own_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
