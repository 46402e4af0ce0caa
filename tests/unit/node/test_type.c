/* Types and values: names, options, order, checks, dumps, numbers and moments. */
#include "tools/node/moment.h"
#include "tools/node/number.h"
#include "tools/node/parse.h"
#include "tools/node/value.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct type *type(struct arena *a, const char *cql)
{
	struct problem why;
	struct stmt *s;
	char text[256];

	snprintf(text, sizeof(text), "CREATE TABLE t (k int PRIMARY KEY, v %s)", cql);
	if (parse_statement(cql_view_of(text), a, &s, &why) < 0)
		return NULL;
	return s->columns[1].type;
}

static void test_names(void **state)
{
	static const struct {
		const char *cql, *name; /* NULL: refused */
	} rows[] = {
		{"INT", "int"},
		{"varchar", "text"},
		{"list<int>", "list<int>"},
		{"Map<text,frozen<set<int>>>", "map<text, frozen<set<int>>>"},
		{"frozen<list<list<int>>>", "frozen<list<frozen<list<int>>>>"},
		{"tuple<int, list<text>>", "frozen<tuple<int, frozen<list<text>>>>"},
		{"set<list<int>>", NULL},
		{"list<counter>", NULL},
		{"map<int>", NULL},
		{"nope", NULL},
		{"vector<float, 3>", NULL},
		{"list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<int>>>"
		 ">>>>>>>>>>>>>>",
			NULL},
	};
	struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct type *t = type(&a, rows[i].cql);

		if (!t != !rows[i].name || (t && strcmp(t->name, rows[i].name) != 0))
			fail_msg("%s gave %s", rows[i].cql, t ? t->name : "nothing");
	}
	assert_ptr_equal(type(&a, "list<int>"), type(&a, "list< int >"));
	arena_free(&a);
}

static void test_options_by_version(void **state)
{
	struct cql_writer w = BUFFER_INIT;

	(void)state;
	type_write(&w, type_of_id(CQL_T_DATE), 4);
	assert_int_equal(w.len, 2);
	w.len = 0;
	type_write(&w, type_of_id(CQL_T_DATE), 3); /* v3 knows no date */
	assert_int_equal(w.p[1], CQL_T_CUSTOM);
	assert_int_equal(w.len, 2 + 2 + strlen("org.apache.cassandra.db.marshal.SimpleDateType"));
	buffer_free(&w);
}

static struct cql_view i64(struct arena *a, int64_t v, size_t n)
{
	uint8_t b[8];

	value_put_i64(b, v);
	return arena_copy(a, (struct cql_view){b + 8 - n, n});
}

static int compare(const struct type *t, struct cql_view a, struct cql_view b)
{
	int c = value_compare(t, a, b), d = value_compare(t, b, a);

	assert_true((c > 0) == (d < 0) && (c == 0) == (d == 0));
	return (c > 0) - (c < 0);
}

static void test_order(void **state)
{
	struct arena a = {0};
	const struct type *varint = type_of_id(CQL_T_VARINT);
	static const char *const numbers[] = {"-100000000000000000000", "-129", "-128", "-1", "0", "1", "127",
		"128", "255", "256", "99999999999999999999"};

	(void)state;
	assert_int_equal(compare(type_of_id(CQL_T_INT), i64(&a, -1, 4), i64(&a, 1, 4)), -1);
	assert_int_equal(compare(type_of_id(CQL_T_DATE), i64(&a, -1, 4), i64(&a, 1, 4)), 1); /* unsigned */
	assert_int_equal(compare(type_of_id(CQL_T_VARCHAR), cql_view_of("a"), cql_view_of("\xc3\xa4")), -1);
	assert_int_equal(compare(type_of_id(CQL_T_VARCHAR), cql_view_of("ab"), cql_view_of("a")), 1);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		for (size_t k = 0; k < ARRAY_LEN(numbers); k++) {
			bool mi = numbers[i][0] == '-', mk = numbers[k][0] == '-';
			struct cql_view x = number_parse(cql_view_of(numbers[i] + mi), mi, &a);
			struct cql_view y = number_parse(cql_view_of(numbers[k] + mk), mk, &a);

			assert_int_equal(compare(varint, x, y), (i > k) - (i < k));
		}
	/* 1.0 (10, scale 1) and 0.99 (99, scale 2) */
	static const uint8_t one[] = {0, 0, 0, 1, 10}, less[] = {0, 0, 0, 2, 99};

	assert_int_equal(
		compare(type_of_id(CQL_T_DECIMAL), (struct cql_view){one, 5}, (struct cql_view){less, 5}), 1);
	/* two version 1 uuids: time decides, not the bytes (the low part stands first) */
	static const uint8_t early[16] = {0xff, 0, 0, 0, 0, 0, 0x10, 0, 0x80},
			     late[16] = {0, 0, 0, 0, 0, 1, 0x10, 0, 0x80};

	assert_int_equal(compare(type_of_id(CQL_T_TIMEUUID), (struct cql_view){early, 16},
				 (struct cql_view){late, 16}),
		-1);
	assert_int_equal(
		compare(type_of_id(CQL_T_UUID), (struct cql_view){early, 16}, (struct cql_view){late, 16}),
		-1);
	arena_free(&a);
}

static void test_numbers_come_back(void **state)
{
	static const char *const texts[] = {"0", "-1", "1", "-128", "128", "-129",
		"340282366920938463463374607431768211456", "-340282366920938463463374607431768211457"};
	struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		bool minus = texts[i][0] == '-';
		char *back = number_format(number_parse(cql_view_of(texts[i] + minus), minus, &a));

		assert_string_equal(back, texts[i]);
		free(back);
	}
	assert_int_equal(number_parse(cql_view_of("128"), false, &a).n, 2); /* 00 80 */
	assert_int_equal(number_parse(cql_view_of("128"), true, &a).n, 1);  /* 80 */
	arena_free(&a);
}

static void test_checks(void **state)
{
	struct problem why;
	struct arena a = {0};
	static const uint8_t set[] = {0, 0, 0, 3, 0, 0, 0, 1, 'b', 0, 0, 0, 1, 'a', 0, 0, 0, 1, 'b'};
	static const uint8_t cut[] = {0, 0, 0, 2, 0, 0, 0, 1, 'b'}, null[] = {0, 0, 0, 1, 255, 255, 255, 255};
	struct cql_view v = {set, sizeof(set)};
	const struct type *t = type(&a, "set<text>");

	(void)state;
	assert_int_equal(value_check(t, &v, &a, "v", &why), 0);
	assert_int_equal(v.n, 14);
	assert_int_equal(value_count(v), 2);
	assert_memory_equal(v.p + 8, "a", 1);
	v = (struct cql_view){cut, sizeof(cut)};
	assert_int_not_equal(value_check(t, &v, &a, "v", &why), 0);
	v = (struct cql_view){null, sizeof(null)};
	assert_int_not_equal(value_check(t, &v, &a, "v", &why), 0);
	v = (struct cql_view){set, 3};
	assert_int_not_equal(value_check(type_of_id(CQL_T_INT), &v, &a, "v", &why), 0);
	v = cql_view_of("\xc3(");
	assert_int_not_equal(value_check(type_of_id(CQL_T_VARCHAR), &v, &a, "v", &why), 0);
	v = cql_view_of("\xc3\xa9");
	assert_int_equal(value_check(type_of_id(CQL_T_VARCHAR), &v, &a, "v", &why), 0);
	assert_int_not_equal(value_check(type_of_id(CQL_T_ASCII), &v, &a, "v", &why), 0);
	arena_free(&a);
}

static void test_moments(void **state)
{
	static const struct {
		const char *text;
		int64_t ms; /* -1: refused */
	} rows[] = {{"1970-01-01", 0}, {"2026-01-02 03:04:05.678+0000", 1767323045678},
		{"2026-01-02T03:04Z", 1767323040000}, {"2026-01-02 03:04:05+01:00", 1767319445000},
		{"2000-02-29", 951782400000}, {"1969-12-31 23:59:59.999Z", -1}, {"2026-13-01", -2},
		{"2026-01-01 25:00", -2}, {"", -2}, {"2026-01-02x", -2}};
	static const struct moment_duration values[] = {
		{0, 0, 0}, {14, -3, 5}, {-1, 1, INT64_MAX}, {INT32_MAX, INT32_MIN, INT64_MIN}};
	struct moment_duration d;
	char text[40];
	uint32_t days;
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		bool ok = moment_timestamp(cql_view_of(rows[i].text), &v);

		if (ok != (rows[i].ms != -2) || (ok && v != rows[i].ms))
			fail_msg("%s gave %lld", rows[i].text, ok ? (long long)v : -2);
	}
	for (int64_t day = -800000; day < 3000000;
		day += 997) { /* there and back over all eras that matter */
		moment_date_format((uint32_t)(day + (1ll << 31)), text);
		assert_true(moment_date(cql_view_of(text), &days));
		assert_int_equal((int64_t)days - (1ll << 31), day);
	}
	assert_true(moment_time(cql_view_of("23:59:59.000000001"), &v) && v == 86399000000001);
	assert_false(moment_time(cql_view_of("24:00:00"), &v));
	assert_true(moment_duration(cql_view_of("1y2mo3w4d5h6m7s8ms9us10ns"), true, &d));
	assert_true(d.months == -14 && d.days == -25 && d.nanoseconds == -18367008009010);
	assert_false(moment_duration(cql_view_of("1parsec"), false, &d));
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		uint8_t out[27];
		size_t n = moment_duration_write(&values[i], out);

		assert_true(moment_duration_read((struct cql_view){out, n}, &d));
		assert_memory_equal(&d, &values[i], sizeof(d));
		assert_false(moment_duration_read((struct cql_view){out, n - 1}, &d));
	}
}

static int free_types(void **state)
{
	(void)state;
	type_free_all();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_options_by_version),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_numbers_come_back),
		cmocka_unit_test(test_checks),
		cmocka_unit_test(test_moments),
	};

	return cmocka_run_group_tests(tests, NULL, free_types);
}
