/* The parser: what is taken, what is refused as syntax, what is refused by name; and that no text breaks it. */
#include "tools/node/parse.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define TAKEN 0

static const struct {
	const char *text;
	int32_t code;
} rows[] = {
	{"SELECT * FROM t", TAKEN},
	{"select A, \"B\" as c, writetime(a), ttl(a) x from ks.t", CQL_E_SYNTAX},
	{"select A, \"B\" as c, writetime(a), ttl(a) as x, token(k), now() from ks.t where token(k) > ? and "
	 "token(k) <= 5 limit :l",
		TAKEN},
	{"SELECT DISTINCT k FROM t", TAKEN},
	{"SELECT distinct FROM t", TAKEN}, /* a column */
	{"SELECT json FROM t", TAKEN},
	{"SELECT JSON a FROM t", CQL_E_INVALID},
	{"SELECT count(*) FROM t WHERE a IN (1, ?, :x) ALLOW FILTERING;;", TAKEN},
	{"SELECT * FROM t GROUP BY a", CQL_E_INVALID},
	{"SELECT * FROM t WHERE (a, b) > (1, 2)", CQL_E_INVALID},
	{"SELECT * FROM t WHERE a CONTAINS 1", CQL_E_INVALID},
	{"SELECT * FROM t ORDER BY a DESC, b PER PARTITION LIMIT 2 LIMIT 3", TAKEN},
	{"INSERT INTO t (a, b) VALUES (1, (1, 'x'))", TAKEN},
	{"INSERT INTO t(a,b)VALUES(1,'x')USING TTL 5 AND TIMESTAMP ?", TAKEN},
	{"INSERT INTO t (a) VALUES (1) IF NOT EXISTS", TAKEN},
	{"INSERT INTO t (a, b) VALUES (1)", CQL_E_INVALID},
	{"INSERT INTO t JSON '{}'", CQL_E_INVALID},
	{"INSERT INTO t (a) VALUES ({})", TAKEN},
	{"INSERT INTO t (a) VALUES ({now():currentTimestamp(), uuid() : null})", TAKEN},
	{"INSERT INTO t (a) VALUES ((timeuuid)8bee1234-0000-11ee-8000-0123456789ab)", TAKEN},
	{"INSERT INTO t (a) VALUES (:  b)", TAKEN},
	{"INSERT INTO t (a) VALUES (otherks.now())", CQL_E_INVALID},
	{"UPDATE t USING TTL 1 SET a = a + 1, b -= ?, c = c -1 WHERE k = 1 IF d != 5 AND e IN (1)", TAKEN},
	{"UPDATE t SET a = b + 1 WHERE k = 1", CQL_E_INVALID},
	{"UPDATE t SET a[1] = 5 WHERE k = 1", CQL_E_INVALID},
	{"UPDATE t SET a = 1 WHERE k = 1 IF EXISTS", TAKEN},
	{"UPDATE t SET a = 1 WHERE k = 1 IF exists = 2", TAKEN}, /* a column */
	{"DELETE a, b FROM t USING TIMESTAMP 5 WHERE k = 1", TAKEN},
	{"DELETE FROM t USING TTL 5 WHERE k = 1", CQL_E_SYNTAX},
	{"BEGIN BATCH APPLY BATCH", TAKEN},
	{"BEGIN UNLOGGED BATCH USING TIMESTAMP 5 DELETE FROM t WHERE k = 1 UPDATE t SET a = 1 WHERE k = 1; "
	 "APPLY BATCH",
		TAKEN},
	{"BEGIN BATCH USING TTL 5 APPLY BATCH", CQL_E_SYNTAX},
	{"BEGIN BATCH SELECT * FROM t APPLY BATCH", CQL_E_SYNTAX},
	{"USE \"Ks\"", TAKEN},
	{"TRUNCATE TABLE ks.t", TAKEN},
	{"CREATE TABLE t (a int, b text static, PRIMARY KEY ((a), c, d)) WITH CLUSTERING ORDER BY (c DESC) "
	 "AND gc_grace_seconds = 5 AND compaction = {'class': 'x'}",
		TAKEN},
	{"CREATE TABLE t (a int PRIMARY KEY, PRIMARY KEY (a))", CQL_E_INVALID},
	{"CREATE TABLE t (a int PRIMARY KEY) WITH COMPACT STORAGE", CQL_E_INVALID},
	{"CREATE TYPE t (a int)", CQL_E_INVALID},
	{"CREATE OR REPLACE FUNCTION f", CQL_E_INVALID},
	{"ALTER TABLE t ADD (a int, b text)", TAKEN},
	{"ALTER TABLE t DROP a, b", TAKEN},
	{"ALTER TABLE t RENAME a TO b AND c TO d", TAKEN},
	{"DROP TABLE IF EXISTS ks.t", TAKEN},
	{"CREATE INDEX IF NOT EXISTS ON t (a)", TAKEN},
	{"LIST ROLES", CQL_E_INVALID},
	{"DESCRIBE TABLES", CQL_E_INVALID},
	{"", CQL_E_SYNTAX},
	{";SELECT * FROM t", CQL_E_SYNTAX},
	{"SELECT * FROM t; SELECT * FROM t", CQL_E_SYNTAX},
	{"SELECT * FROM t -- no newline", CQL_E_SYNTAX},
	{"SELECT * FROM t -- newline\n", TAKEN},
	{"SELECT * FROM t /* a /* b */", TAKEN},
	{"SELECT * FROM t /* open", CQL_E_SYNTAX},
	{"SELECT * FROM table", CQL_E_SYNTAX},
	{"SELECT * FROM \"table\"", TAKEN},
	{"SELECT * FROM t WHERE a = [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", CQL_E_INVALID},
};

static void test_table(void **state)
{
	struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct problem why = {0};
		struct stmt *s;
		int err = parse_statement(cql_view_of(rows[i].text), &a, &s, &why);

		if ((err < 0) != (rows[i].code != TAKEN) || (err < 0 && why.code != rows[i].code))
			fail_msg("%s: %x %s", rows[i].text, (unsigned)why.code, why.text);
		arena_reset(&a);
	}
	arena_free(&a);
}

static void test_every_beginning_and_every_cut(void **state)
{
	struct arena a = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t n = strlen(rows[i].text);

		for (size_t from = 0; from < n; from++)
			for (size_t len = 0; from + len <= n; len += from ? 7 : 1) {
				/* a copy of its own length, so that the sanitizer sees a read behind it */
				char *text = malloc(len + 1);
				struct problem why = {0};
				struct stmt *s;

				memcpy(text, rows[i].text + from, len);
				if (parse_statement((struct cql_view){(uint8_t *)text, len}, &a, &s, &why) <
					0)
					assert_true(why.text[0] &&
						    (why.code == CQL_E_SYNTAX || why.code == CQL_E_INVALID));
				free(text);
				arena_reset(&a);
			}
	}
	arena_free(&a);
}

static void test_markers_are_counted_in_order(void **state)
{
	struct arena a = {0};
	struct problem why;
	struct stmt *s;

	(void)state;
	assert_int_equal(parse_statement(cql_view_of("BEGIN BATCH INSERT INTO t (a) VALUES (?) UPDATE t SET "
						     "a = :X, b = :\"Y\" WHERE k = ? APPLY BATCH"),
				 &a, &s, &why),
		0);
	assert_int_equal(s->n_markers, 4);
	assert_true(cql_view_is(s->markers[1].given, "x") && cql_view_is(s->markers[2].given, "Y"));
	assert_int_equal(s->children[1]->where[0].value->marker, 3);
	assert_int_equal(
		parse_statement(cql_view_of("INSERT INTO t (a, b) VALUES ($$it's$$, 'it''s')"), &a, &s, &why),
		0);
	assert_true(cql_view_is(s->set[0].value->text, "it's") && cql_view_is(s->set[1].value->text, "it's"));
	arena_free(&a);
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
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_beginning_and_every_cut),
		cmocka_unit_test(test_markers_are_counted_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, free_types);
}
