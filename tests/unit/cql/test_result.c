/* RESULT bodies put together as the spec lists them, and metadata compared. */
#include "unit/cql/sink.h"

#include "cql/result.h"

static void put_type(struct cql_writer *w, uint16_t id)
{
	cql_write_u16(w, id);
}

/* map<frozen<list<int>>, tuple<ascii, 'custom', udt{f set<uuid>}>> : all that nests. */
static void put_deep_type(struct cql_writer *w)
{
	put_type(w, CQL_T_MAP);
	put_type(w, CQL_T_LIST);
	put_type(w, CQL_T_INT);
	put_type(w, CQL_T_TUPLE);
	cql_write_u16(w, 3);
	put_type(w, CQL_T_ASCII);
	put_type(w, CQL_T_CUSTOM);
	cql_write_string(w, V("org.example.Type"));
	put_type(w, CQL_T_UDT);
	cql_write_string(w, V("ks"));
	cql_write_string(w, V("udt"));
	cql_write_u16(w, 1);
	cql_write_string(w, V("f"));
	put_type(w, CQL_T_SET);
	put_type(w, CQL_T_UUID);
}

/* Columns a (int), b (the deep type); their keyspace and table each time, unless global. */
static void put_columns(struct cql_writer *w, bool global)
{
	static const char *const names[] = {"a", "b"};

	for (int i = 0; i < 2; i++) {
		if (!global) {
			cql_write_string(w, V("ks"));
			cql_write_string(w, V("t"));
		}
		cql_write_string(w, cql_view_of(names[i]));
		if (i)
			put_deep_type(w);
		else
			put_type(w, CQL_T_INT);
	}
}

static void put_metadata(struct cql_writer *w, uint8_t version, uint32_t flags)
{
	cql_write_i32(w, (int32_t)flags);
	cql_write_i32(w, 2);
	if (flags & CQL_M_MORE_PAGES)
		cql_write_bytes(w, V("state"));
	if (flags & CQL_M_CHANGED && version >= CQL_V5)
		cql_write_short_bytes(w, V("new id"));
	if (flags & CQL_M_NO_METADATA)
		return;
	if (flags & CQL_M_GLOBAL) {
		cql_write_string(w, V("ks"));
		cql_write_string(w, V("t"));
	}
	put_columns(w, flags & CQL_M_GLOBAL);
}

static void check_columns(const struct cql_metadata *m)
{
	struct cql_column c;
	struct cql_reader r;

	cql_reader_init(&r, m->columns);
	assert_true(cql_column_next(m, &r, &c));
	assert_view(c.name, V("a"));
	assert_view(c.type, V("\0\x09"));
	assert_view(c.keyspace, V("ks"));
	assert_view(c.table, V("t"));
	assert_true(cql_column_next(m, &r, &c));
	assert_view(c.name, V("b"));
	assert_int_equal(c.type.p[1], CQL_T_MAP);
	assert_view(c.keyspace, V("ks"));
	assert_false(cql_column_next(m, &r, &c));
	assert_true(cql_reader_ok(&r));
}

static void put_rows(struct cql_writer *w, uint8_t version, uint32_t flags)
{
	cql_write_i32(w, CQL_ROWS);
	put_metadata(w, version, flags);
	cql_write_i32(w, 2);
	cql_write_bytes(w, V("\0\0\0\1"));
	cql_write_null(w);
	cql_write_bytes(w, V(""));
	cql_write_bytes(w, V("b2"));
}

static void check_cells(const struct cql_rows *rows)
{
	struct cql_value cells[2];
	struct cql_reader r;

	cql_reader_init(&r, rows->cells);
	assert_true(cql_row_next(rows, &r, cells, 2));
	assert_view(cells[0].view, V("\0\0\0\1"));
	assert_int_equal(cells[1].state, CQL_VALUE_NULL);
	assert_true(cql_row_next(rows, &r, cells, 1));
	assert_int_equal(cells[0].state, CQL_VALUE_SET);
	assert_int_equal(cells[0].view.n, 0);
	assert_int_equal(cells[1].state, CQL_VALUE_NULL); /* not written: only one fits */
	assert_false(cql_row_next(rows, &r, cells, 2));
	assert_true(cql_reader_ok(&r));
}

static void test_rows(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3 * 16; i++) {
		uint8_t version = (uint8_t)(CQL_V3 + i % 3);
		uint32_t flags = i / 3;
		struct cql_writer w = SINK;
		struct cql_rows rows;
		struct cql_error err;
		struct cql_view body;

		put_rows(&w, version, flags);
		body = tight(w.p, w.len);
		assert_int_equal(cql_result_kind(body), CQL_ROWS);
		assert_true(cql_rows_read(version, body, &rows, &err));
		assert_int_equal(rows.n_rows, 2);
		assert_int_equal(rows.metadata.n_columns, 2);
		assert_view(rows.metadata.paging_state.view,
			flags & CQL_M_MORE_PAGES ? V("state") : (struct cql_view){0});
		assert_view(rows.metadata.new_metadata_id,
			flags & CQL_M_CHANGED && version >= CQL_V5 ? V("new id") : (struct cql_view){0});
		if (flags & CQL_M_NO_METADATA)
			assert_int_equal(cql_rows_column(&rows, "a"), -1);
		else
			check_columns(&rows.metadata);
		check_cells(&rows);
		tight_free(body);
		sink_free(&w);
	}
}

static void test_column_by_name(void **state)
{
	struct cql_writer w = SINK;
	struct cql_rows rows;
	struct cql_error err;

	(void)state;
	put_rows(&w, CQL_V4, 0);
	assert_true(cql_rows_read(CQL_V4, sink_view(&w), &rows, &err));
	assert_int_equal(cql_rows_column(&rows, "a"), 0);
	assert_int_equal(cql_rows_column(&rows, "b"), 1);
	assert_int_equal(cql_rows_column(&rows, "c"), -1);
	sink_free(&w);
}

/* Cut in its metadata or in its count the body cannot be read; cut in its cells it can, and the cut is met there. */
static void test_rows_cut_short(void **state)
{
	struct cql_writer w = SINK;

	(void)state;
	put_rows(&w, CQL_V5, CQL_M_GLOBAL | CQL_M_MORE_PAGES | CQL_M_CHANGED);
	for (size_t n = 0; n < w.len; n++) {
		struct cql_view body = tight(w.p, n);
		struct cql_value cells[2];
		struct cql_rows rows;
		struct cql_error err;
		struct cql_reader r;

		if (cql_rows_read(CQL_V5, body, &rows, &err)) {
			assert_true(n >= w.len - 6); /* 16 bytes of cells could be two rows of two */
			cql_reader_init(&r, rows.cells);
			while (cql_row_next(&rows, &r, cells, 2))
				;
			assert_false(cql_reader_ok(&r));
		} else {
			assert_true(err.offset <= n);
		}
		tight_free(body);
	}
	sink_free(&w);
}

static void put_prepared(struct cql_writer *w, uint8_t version, uint16_t pk)
{
	cql_write_i32(w, CQL_PREPARED);
	cql_write_short_bytes(w, V("sixteen bytes id"));
	if (version >= CQL_V5)
		cql_write_short_bytes(w, V("result id"));
	cql_write_i32(w, CQL_M_GLOBAL);
	cql_write_i32(w, 2);
	if (version >= CQL_V4) {
		cql_write_i32(w, 2);
		cql_write_u16(w, 1);
		cql_write_u16(w, pk);
	}
	cql_write_string(w, V("ks"));
	cql_write_string(w, V("t"));
	put_columns(w, true);
	put_metadata(w, version, CQL_M_GLOBAL);
}

static void test_prepared(void **state)
{
	(void)state;
	for (uint8_t version = CQL_V3; version <= CQL_V5; version++) {
		struct cql_writer w = SINK;
		struct cql_prepared p;
		struct cql_error err;

		put_prepared(&w, version, 0);
		for (size_t n = 0; n < w.len; n++) {
			struct cql_view body = tight(w.p, n);

			assert_false(cql_prepared_read(version, body, &p, &err));
			assert_true(err.offset <= n);
			tight_free(body);
		}
		assert_true(cql_prepared_read(version, sink_view(&w), &p, &err));
		assert_view(p.id, V("sixteen bytes id"));
		assert_view(p.result_metadata_id, version >= CQL_V5 ? V("result id") : (struct cql_view){0});
		assert_view(p.bind.pk_indexes, version >= CQL_V4 ? V("\0\1\0\0") : (struct cql_view){0});
		check_columns(&p.bind);
		check_columns(&p.result);
		sink_free(&w);
	}
}

/* What seam-node writes is what is read. */
static void test_metadata_written(void **state)
{
	const struct cql_metadata m = {.flags = CQL_M_MORE_PAGES | CQL_M_CHANGED,
		.n_columns = 2,
		.paging_state = {.view = V("state")},
		.new_metadata_id = V("new id"),
		.keyspace = V("ks"),
		.table = V("t"),
		.pk_indexes = V("\0\1")};
	const struct cql_metadata none = {.flags = CQL_M_NO_METADATA};

	(void)state;
	for (uint8_t version = CQL_V3; version <= CQL_V5; version++) {
		struct cql_writer w = SINK;
		struct cql_prepared p;
		struct cql_rows rows;
		struct cql_error err;

		cql_write_i32(&w, CQL_ROWS);
		cql_metadata_write(&w, &m, false, version);
		put_columns(&w, true);
		cql_write_i32(&w, 0);
		assert_true(cql_rows_read(version, sink_view(&w), &rows, &err));
		assert_int_equal(rows.metadata.flags,
			CQL_M_GLOBAL | CQL_M_MORE_PAGES | (version >= CQL_V5 ? CQL_M_CHANGED : 0));
		assert_view(rows.metadata.paging_state.view, V("state"));
		check_columns(&rows.metadata);
		w.len = 0;
		cql_write_i32(&w, CQL_PREPARED);
		cql_write_short_bytes(&w, V("id"));
		if (version >= CQL_V5)
			cql_write_short_bytes(&w, V("result id"));
		cql_metadata_write(&w, &m, true, version);
		put_columns(&w, true);
		cql_metadata_write(&w, &none, false, version);
		assert_true(cql_prepared_read(version, sink_view(&w), &p, &err));
		assert_int_equal(p.bind.flags, CQL_M_GLOBAL);
		assert_view(p.bind.pk_indexes, version >= CQL_V4 ? V("\0\1") : (struct cql_view){0});
		check_columns(&p.bind);
		assert_int_equal(p.result.flags, CQL_M_NO_METADATA);
		assert_int_equal(p.result.columns.n, 0);
		sink_free(&w);
	}
}

static struct cql_metadata columns(const char *bytes, size_t n, int32_t count)
{
	return (struct cql_metadata){.flags = CQL_M_GLOBAL,
		.n_columns = count,
		.columns = {(const uint8_t *)bytes, n},
		.keyspace = V("x")};
}

static void test_metadata_equal(void **state)
{
	struct cql_writer global = SINK, each = SINK;
	struct cql_metadata a = columns("\0\1a\0\x09", 5, 1), same = columns("\0\1a\0\x09", 5, 1),
			    name = columns("\0\1b\0\x09", 5, 1), type = columns("\0\1a\0\x0d", 5, 1),
			    more = columns("\0\1a\0\x09\0\1a\0\x09", 10, 2), pk = same, none = same, big,
			    spread;

	(void)state;
	pk.pk_indexes = V("\0\0");
	none.flags |= CQL_M_NO_METADATA;
	none.columns.n = 0;
	same.keyspace = V("y");
	same.paging_state.view = V("state");
	same.flags |= CQL_M_MORE_PAGES;
	assert_true(cql_metadata_equal(&a, &same));
	assert_false(cql_metadata_equal(&a, &name));
	assert_false(cql_metadata_equal(&a, &type));
	assert_false(cql_metadata_equal(&a, &more));
	assert_false(cql_metadata_equal(&a, &pk));
	assert_false(cql_metadata_equal(&a, &none));
	assert_true(cql_metadata_equal(&none, &none));
	/* One cluster names the table once, the other with each column. */
	put_columns(&global, true);
	put_columns(&each, false);
	big = columns((char *)global.p, global.len, 2);
	spread = columns((char *)each.p, each.len, 2);
	spread.flags = 0;
	assert_true(cql_metadata_equal(&big, &spread));
	sink_free(&global);
	sink_free(&each);
}

static void test_other_kinds(void **state)
{
	static const uint8_t args[] = {0, 1, 0, 3, 'i', 'n', 't'};
	const struct cql_schema_change changes[] = {
		{.change = V("CREATED"), .target = V("KEYSPACE"), .keyspace = V("ks")},
		{.change = V("UPDATED"), .target = V("TABLE"), .keyspace = V("ks"), .name = V("t")},
		{.change = V("DROPPED"),
			.target = V("FUNCTION"),
			.keyspace = V("ks"),
			.name = V("f"),
			.args = {args, 7}},
	};
	struct cql_writer w = SINK;
	struct cql_schema_change c;
	struct cql_view ks;
	struct cql_error err;

	(void)state;
	cql_void_write(&w);
	assert_int_equal(cql_result_kind(sink_view(&w)), CQL_VOID);
	assert_false(cql_set_keyspace_read(sink_view(&w), &ks, &err));
	assert_string_equal(err.why, "another kind of result");
	w.len = 0;
	cql_set_keyspace_write(&w, V("ks"));
	assert_int_equal(cql_result_kind(sink_view(&w)), CQL_SET_KEYSPACE);
	assert_true(cql_set_keyspace_read(sink_view(&w), &ks, &err));
	assert_view(ks, V("ks"));
	assert_int_equal(cql_result_kind(V("\0\0\0")), -1);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		w.len = 0;
		cql_schema_change_write(&w, true, &changes[i]);
		assert_int_equal(cql_result_kind(sink_view(&w)), CQL_SCHEMA_CHANGE);
		for (size_t n = 0; n < w.len; n++) {
			struct cql_view cut = tight(w.p, n);

			assert_false(cql_schema_change_read(cut, &c, &err));
			tight_free(cut);
		}
		assert_true(cql_schema_change_read(sink_view(&w), &c, &err));
		assert_view(c.change, changes[i].change);
		assert_view(c.target, changes[i].target);
		assert_view(c.keyspace, changes[i].keyspace);
		assert_view(c.name, changes[i].name);
		assert_view(c.args, changes[i].args);
	}
	sink_free(&w);
}

static void test_depth_of_types(void **state)
{
	static const struct {
		int depth;
		const char *why;
	} rows[] = {{0, NULL}, {63, NULL}, {64, "type nests too deep"}, {100000, "type nests too deep"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_writer w = SINK;
		struct cql_reader r;

		for (int d = 0; d < rows[i].depth; d++)
			put_type(&w, CQL_T_LIST);
		put_type(&w, CQL_T_INT);
		cql_reader_init(&r, sink_view(&w));
		cql_type_skip(&r);
		if (rows[i].why)
			assert_string_equal(r.error.why, rows[i].why);
		else
			assert_true(cql_reader_end(&r));
		sink_free(&w);
	}
}

static void test_malformed(void **state)
{
	static const struct {
		const char *body;
		size_t n;
		const char *why;
		uint32_t offset;
	} rows[] = {
		{"\0\0\0\1", 4, "another kind of result", 4},
		{"\0\0\0\2\0\0\0\4\xff\xff\xff\xff\0\0\0\0", 16, "negative number of columns", 12},
		{"\0\0\0\2\0\0\0\4\0\0\0\1\xff\xff\xff\xff", 16, "number of rows that their bytes belie", 16},
		{"\0\0\0\2\0\0\0\4\0\0\0\2\0\0\0\1\0\0\0\0", 20, "number of rows that their bytes belie", 16},
		{"\0\0\0\2\0\0\0\4\x7f\xff\xff\xff\x7f\xff\xff\xff", 16,
			"number of rows that their bytes belie", 16},
		{"\0\0\0\2\0\0\0\1\0\0\0\1\0\1k\0\1t\0\1c\0\x16", 23, "unknown type", 23},
		{"\0\0\0\2\0\0\0\1\x7f\xff\xff\xff\0\1k\0\1t\0\1c\0\1", 23, "truncated", 23},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_view body = tight(rows[i].body, rows[i].n);
		struct cql_rows got;
		struct cql_error err;

		assert_false(cql_rows_read(CQL_V4, body, &got, &err));
		assert_string_equal(err.why, rows[i].why);
		assert_int_equal(err.offset, rows[i].offset);
		tight_free(body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_column_by_name),
		cmocka_unit_test(test_rows_cut_short),
		cmocka_unit_test(test_prepared),
		cmocka_unit_test(test_metadata_written),
		cmocka_unit_test(test_metadata_equal),
		cmocka_unit_test(test_other_kinds),
		cmocka_unit_test(test_depth_of_types),
		cmocka_unit_test(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
