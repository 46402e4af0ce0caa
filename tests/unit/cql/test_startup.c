/* The handshake's bodies. */
#include "unit/cql/sink.h"

#include "cql/startup.h"

static void test_startup(void **state)
{
	static const struct {
		enum cql_compression c;
		const char *compression, *driver, *version;
	} rows[] = {
		{CQL_COMPRESSION_NONE, "", "", ""},
		{CQL_COMPRESSION_LZ4, "lz4", "", ""},
		{CQL_COMPRESSION_SNAPPY, "snappy", "seam", "1.0"},
		{CQL_COMPRESSION_NONE, "", "seam", "1.0"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_writer w = SINK;
		struct cql_startup s;
		struct cql_error err;

		cql_startup_write(&w, rows[i].c, cql_view_of(rows[i].driver), cql_view_of(rows[i].version));
		for (size_t n = 0; n < w.len; n++) {
			struct cql_view cut = tight(w.p, n);

			assert_false(cql_startup_read(cut, &s, &err));
			tight_free(cut);
		}
		assert_true(cql_startup_read(sink_view(&w), &s, &err));
		assert_view(s.cql_version, V("3.0.0"));
		assert_view(s.compression, cql_view_of(rows[i].compression));
		assert_view(s.driver_name, cql_view_of(rows[i].driver));
		assert_view(s.driver_version, cql_view_of(rows[i].version));
		assert_int_equal(s.throw_on_overload.n, 0);
		assert_view(s.options, sink_view(&w));
		assert_int_equal(cql_compression_from_name(s.compression), rows[i].c);
		sink_free(&w);
	}
}

static void put_option(struct cql_writer *w, const char *name, const char *const *values)
{
	size_t at, n = 0;

	cql_write_string(w, cql_view_of(name));
	at = w->len;
	cql_write_u16(w, 0);
	for (; values[n]; n++)
		cql_write_string(w, cql_view_of(values[n]));
	cql_patch_u16(w, at, (uint16_t)n);
}

struct option {
	const char *name, *values[5];
};

static void put_supported(struct cql_writer *w, const struct option *o)
{
	uint16_t n = 0;

	cql_write_u16(w, 0);
	for (; n < 4 && o[n].name; n++)
		put_option(w, o[n].name, o[n].values);
	cql_patch_u16(w, 0, n);
}

static void test_intersection(void **state)
{
	static const struct {
		struct option a[4], b[4], want[4];
	} rows[] = {
		{{{"COMPRESSION", {"snappy", "lz4"}}, {"CQL_VERSION", {"3.4.4"}}},
			{{"CQL_VERSION", {"3.4.7"}}, {"COMPRESSION", {"lz4", "snappy"}}},
			{{"COMPRESSION", {"snappy", "lz4"}}, {"CQL_VERSION", {"3.4.4"}}}},
		{{{"COMPRESSION", {"snappy", "lz4"}}}, {{"COMPRESSION", {"lz4"}}},
			{{"COMPRESSION", {"lz4"}}}},
		{{{"COMPRESSION", {"snappy"}}}, {{"COMPRESSION", {"lz4"}}}, {{"COMPRESSION", {NULL}}}},
		{{{"COMPRESSION", {"snappy"}}}, {{NULL, {NULL}}}, {{"COMPRESSION", {NULL}}}},
		{{{"PROTOCOL_VERSIONS", {"3/v3", "4/v4", "5/v5", "6/v6-beta"}}},
			{{"PROTOCOL_VERSIONS", {"3/v3", "4/v4", "5/v5-beta"}}},
			{{"PROTOCOL_VERSIONS", {"3/v3", "4/v4"}}}},
		{{{"PROTOCOL_VERSIONS", {"3/v3", "4/v4"}}}, {{"COMPRESSION", {"lz4"}}},
			{{"PROTOCOL_VERSIONS", {"3/v3", "4/v4"}}}},
		{{{"SCYLLA_SHARD", {"1"}}, {"X", {"y"}}, {"SCYLLA_", {NULL}}}, {{"SCYLLA_SHARD", {"1"}}},
			{{"X", {"y"}}}},
		{{{NULL, {NULL}}}, {{"COMPRESSION", {"lz4"}}}, {{NULL, {NULL}}}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_writer a = SINK, b = SINK, want = SINK, got = SINK;
		struct cql_error err;

		put_supported(&a, rows[i].a);
		put_supported(&b, rows[i].b);
		put_supported(&want, rows[i].want);
		assert_true(cql_supported_intersect(sink_view(&a), sink_view(&b), &got, &err));
		assert_view(sink_view(&got), sink_view(&want));
		sink_free(&a);
		sink_free(&b);
		sink_free(&want);
		sink_free(&got);
	}
}

static void test_intersection_of_malformed(void **state)
{
	const struct option good[4] = {{"COMPRESSION", {"lz4"}}, {"PROTOCOL_VERSIONS", {"4/v4"}}};
	struct cql_writer w = SINK, got = SINK;
	struct cql_error err;

	(void)state;
	put_supported(&w, good);
	for (size_t n = 0; n < w.len; n++) {
		struct cql_view cut = tight(w.p, n);

		cql_write_raw(&got, "x", 1);
		assert_false(cql_supported_intersect(cut, sink_view(&w), &got, &err));
		assert_false(cql_supported_intersect(sink_view(&w), cut, &got, &err));
		assert_string_equal(err.why, "truncated");
		assert_int_equal(got.len, 1);
		got.len = 0;
		tight_free(cut);
	}
	sink_free(&w);
	sink_free(&got);
}

static void test_supported_of_our_own(void **state)
{
	static const size_t versions[] = {1, 2, 3};

	(void)state;
	for (uint8_t max = CQL_V3; max <= CQL_V5; max++) {
		struct cql_view name, values;
		struct cql_writer w = SINK;
		struct cql_supported it;
		struct cql_error err;
		size_t n = 0;

		cql_supported_write(&w, max);
		assert_true(cql_supported_open(sink_view(&w), &it, &err));
		while (cql_supported_next(&it, &name, &values, &err) > 0) {
			if (cql_view_is(name, "COMPRESSION")) {
				assert_true(cql_string_list_has(values, V("lz4")));
				assert_true(cql_string_list_has(values, V("snappy")));
				assert_false(cql_string_list_has(values, V("lz")));
			}
			if (cql_view_is(name, "PROTOCOL_VERSIONS")) {
				assert_int_equal(values.p[1], versions[max - CQL_V3]);
				assert_int_equal(cql_string_list_has(values, V("5/v5")), max == CQL_V5);
			}
			n++;
		}
		assert_int_equal(n, 3);
		assert_int_equal(cql_reader_left(&it.r), 0);
		sink_free(&w);
	}
}

static void test_plain(void **state)
{
	static const struct {
		const char *token;
		size_t n;
		const char *user, *password; /* NULL: refused */
	} rows[] = {
		{"\0cassandra\0secret", 17, "cassandra", "secret"},
		{"admin\0cassandra\0secret", 22, "cassandra", "secret"},
		{"\0u\0", 3, "u", ""},
		{"\0\0secret", 8, NULL, NULL},
		{"\0u\0p\0", 5, NULL, NULL},
		{"\0u", 2, NULL, NULL},
		{"u", 1, NULL, NULL},
		{"", 0, NULL, NULL},
		{"\0", 1, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct cql_view token = tight(rows[i].token, rows[i].n), user, password;
		bool ok = cql_plain_read(token, &user, &password);

		assert_int_equal(ok, rows[i].user != NULL);
		if (ok) {
			assert_view(user, cql_view_of(rows[i].user));
			assert_view(password, cql_view_of(rows[i].password));
		}
		tight_free(token);
	}
}

static void test_tokens(void **state)
{
	struct cql_view user, password, name, types;
	struct cql_writer w = SINK;
	struct cql_value token;
	struct cql_error err;

	(void)state;
	cql_plain_write(&w, V("me"), V("pass"));
	assert_true(cql_auth_token_read(sink_view(&w), &token, &err));
	assert_true(cql_plain_read(token.view, &user, &password));
	assert_view(user, V("me"));
	assert_view(password, V("pass"));
	assert_true(cql_auth_token_read(V("\xff\xff\xff\xff"), &token, &err));
	assert_int_equal(token.state, CQL_VALUE_NULL);
	assert_false(cql_auth_token_read(V("\0\0\0\1"), &token, &err));
	assert_true(cql_authenticate_read(V("\0\3a.B"), &name, &err));
	assert_view(name, V("a.B"));
	assert_false(cql_authenticate_read(V("\0\4a.B"), &name, &err));
	w.len = 0;
	cql_register_write(&w);
	assert_true(cql_register_read(sink_view(&w), &types, &err));
	assert_true(cql_string_list_has(types, V("TOPOLOGY_CHANGE")));
	assert_true(cql_string_list_has(types, V("STATUS_CHANGE")));
	assert_true(cql_string_list_has(types, V("SCHEMA_CHANGE")));
	assert_false(cql_string_list_has(types, V("")));
	w.len--;
	assert_false(cql_register_read(sink_view(&w), &types, &err));
	sink_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_startup),
		cmocka_unit_test(test_intersection),
		cmocka_unit_test(test_intersection_of_malformed),
		cmocka_unit_test(test_supported_of_our_own),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
