/*
 * The classifier, as tables: text → kind, flags and tables. The texts are those that Cassandra's grammar and lexer were tried with, and every
 * SELECT that a proxy with a grammar of its own is known to have taken for a write.
 */
#include "cql/classify.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct row {
	const char *text;
	size_t size;
	const char *want;
};
#define ROW(text, want)                                                                                      \
	{                                                                                                    \
		text, sizeof(text) - 1, want                                                                 \
	}

struct line {
	char text[1024];
	size_t n;
};

static void put(struct line *l, const char *s)
{
	l->n += (size_t)snprintf(l->text + l->n, sizeof(l->text) - l->n, "%s%s", l->n ? " " : "", s);
	assert_true(l->n < sizeof(l->text));
}

static void put_name(struct line *l, struct cql_table t)
{
	char ks[64], table[64], both[130];

	assert_true(cql_name_fold(t.keyspace, ks, sizeof(ks)) < sizeof(ks));
	assert_true(cql_name_fold(t.table, table, sizeof(table)) < sizeof(table));
	snprintf(both, sizeof(both), "%s%s%s", ks, *ks ? "." : "", table);
	put(l, both);
}

/* kind, flags, then the tables; `unqualified` is needs_keyspace. */
static void describe(const struct cql_class *c, struct line *l)
{
	l->n = 0;
	put(l, cql_kind_name(c->kind));
	if (c->lwt)
		put(l, "lwt");
	if (c->functions)
		put(l, "functions");
	if (c->using_timestamp)
		put(l, "timestamp");
	if (c->counter_batch)
		put(l, "counter");
	if (c->index_or_append)
		put(l, "append");
	if (c->bad)
		put(l, "bad");
	if (c->needs_keyspace)
		put(l, "unqualified");
	put(l, ":");
	for (size_t i = 0; i < c->n_tables; i++)
		put_name(l, c->tables[i]);
	if (c->more_tables)
		put(l, "more");
	if (c->use.text.n)
		put_name(l, (struct cql_table){.table = c->use});
}

static void check(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *copy = malloc(rows[i].size + !rows[i].size);
		struct cql_class c;
		struct line got;

		memcpy(copy, rows[i].text, rows[i].size);
		cql_classify((struct cql_view){copy, rows[i].size}, &c);
		describe(&c, &got);
		free(copy);
		if (strcmp(got.text, rows[i].want))
			fail_msg("%s\n  is  %s\n  not %s", rows[i].text, got.text, rows[i].want);
	}
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof(*(rows)))

static void test_kinds(void **state)
{
	static const struct row rows[] = {
		ROW("SELECT * FROM ks.t", "select : ks.t"),
		ROW("select k from T", "select unqualified : t"),
		ROW("INSERT INTO ks.t (k) VALUES (1)", "write : ks.t"),
		ROW("INSERT INTO ks.t JSON '{\"k\": \"now()\"}'", "write : ks.t"),
		ROW("INSERT INTO ks.t JSON ? DEFAULT UNSET IF NOT EXISTS", "write lwt : ks.t"),
		ROW("UPDATE ks.t SET v = 1 WHERE k = 1", "write : ks.t"),
		ROW("DELETE FROM ks.t WHERE k = 1", "write : ks.t"),
		ROW("DELETE a, b FROM ks.t WHERE k = 1", "write : ks.t"),
		ROW("BEGIN BATCH APPLY BATCH", "write :"),
		ROW("BEGIN BATCH INSERT INTO ks.a (k) VALUES (1); APPLY BATCH;", "write : ks.a"),
		ROW("begin unlogged batch UPDATE ks.a SET v = 1 WHERE k = 1 APPLY BATCH", "write : ks.a"),
		ROW("BEGIN COUNTER BATCH UPDATE ks.c SET c = c + 1 WHERE k = 1 APPLY BATCH",
			"write counter append : ks.c"),
		ROW("BEGIN TRANSACTION SELECT * FROM ks.t WHERE k = 1; COMMIT TRANSACTION", "other :"),
		ROW("BEGIN", "unknown :"),
		ROW("BEGIN LOGGED BATCH APPLY BATCH", "unknown :"),
		ROW("USE ks", "use : ks"),
		ROW("USE \"Ks\";", "use : Ks"),
		ROW("USE KS", "use : ks"),
		ROW("USE", "use :"),
		ROW("TRUNCATE ks.t", "truncate : ks.t"),
		ROW("TRUNCATE TABLE t", "truncate unqualified : t"),
		ROW("TRUNCATE COLUMNFAMILY ks.t", "truncate : ks.t"),
		ROW("TRUNCATE \"table\"", "truncate unqualified : table"),
		ROW("GRANT SELECT ON ks.t TO bob", "role :"),
		ROW("GRANT admin TO bob", "role :"),
		ROW("REVOKE ALL ON ALL KEYSPACES FROM bob", "role :"),
		ROW("ADD IDENTITY 'spiffe://x' TO ROLE r", "role :"),
		ROW("DROP IDENTITY 'spiffe://x'", "role :"),
		ROW("ADD x", "unknown :"),
		ROW("LIST ROLES", "list :"),
		ROW("LIST ALL PERMISSIONS OF bob", "list :"),
		ROW("LIST USERS", "list :"),
		ROW("LIST SUPERUSERS", "list :"),
		ROW("DESCRIBE TABLE ks.t", "describe :"),
		ROW("DESC KEYSPACES", "describe :"),
		ROW("CALL InsightsRpc.reportInsight(?)", "other :"),
		ROW("COMMENT ON TABLE ks.t IS 'x'", "other :"),
		ROW("SECURITY LABEL ON TABLE ks.t IS 'x'", "other :"),
		ROW("COMMIT SEARCH INDEX ON ks.t", "other :"),
		ROW("REBUILD SEARCH INDEX ON ks.t", "other :"),
		ROW("RELOAD SEARCH INDEX ON ks.t", "other :"),
		ROW("CREATE SEARCH INDEX ON ks.t", "other :"),
		ROW("ALTER SEARCH INDEX CONFIG ON ks.t SET a = 1", "other :"),
		ROW("RESTRICT ROWS ON ks.t USING k", "other :"),
		ROW("UNRESTRICT ROWS ON ks.t", "other :"),
		ROW("PRUNE MATERIALIZED VIEW ks.v", "other :"),
		ROW("CREATE SERVICE LEVEL sl", "other :"),
		ROW("DROP SERVICE LEVEL sl", "other :"),
		ROW("ATTACH SERVICE LEVEL sl TO bob", "other :"),
		ROW("DETACH SERVICE LEVEL FROM bob", "other :"),
	};

	(void)state;
	CHECK(rows);
}

static void test_schema(void **state)
{
	static const struct row rows[] = {
		ROW("CREATE KEYSPACE ks WITH replication = {}", "keyspace :"),
		ROW("CREATE SCHEMA IF NOT EXISTS ks WITH replication = {}", "keyspace :"),
		ROW("ALTER KEYSPACE ks WITH durable_writes = true", "keyspace :"),
		ROW("DROP KEYSPACE IF EXISTS ks", "keyspace :"),
		ROW("DROP SCHEMA ks", "keyspace :"),
		ROW("CREATE TABLE ks.t (k int PRIMARY KEY)", "schema : ks.t"),
		ROW("create table if not exists T (k int primary key)", "schema unqualified : t"),
		ROW("CREATE COLUMNFAMILY ks.t (k int PRIMARY KEY)", "schema : ks.t"),
		ROW("ALTER TABLE ks.t ADD v int", "schema : ks.t"),
		ROW("ALTER TABLE IF EXISTS ks.t ADD IF NOT EXISTS v int", "schema : ks.t"),
		ROW("DROP TABLE ks.t", "schema : ks.t"),
		ROW("DROP TABLE IF EXISTS \"Ks\".\"T\"", "schema : Ks.T"),
		ROW("CREATE INDEX ON ks.t (v)", "schema : ks.t"),
		ROW("CREATE INDEX IF NOT EXISTS i ON t (v)", "schema unqualified : t"),
		ROW("CREATE INDEX i ON ks.t (keys(m))", "schema : ks.t"),
		ROW("CREATE CUSTOM INDEX i ON ks.t (v) USING 'org.Index' WITH OPTIONS = {}", "schema : ks.t"),
		ROW("DROP INDEX ks.i", "schema :"),
		ROW("DROP INDEX IF EXISTS i", "schema unqualified :"),
		ROW("CREATE MATERIALIZED VIEW ks.v AS SELECT k, v FROM ks.t WHERE v IS NOT NULL PRIMARY KEY "
		    "(v, k)",
			"schema : ks.t"),
		ROW("CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT * FROM ks.t WHERE v IS NOT NULL",
			"schema unqualified : ks.t"),
		ROW("ALTER MATERIALIZED VIEW ks.v WITH comment = 'x'", "schema :"),
		ROW("DROP MATERIALIZED VIEW IF EXISTS v", "schema unqualified :"),
		ROW("CREATE TYPE ks.addr (zip int)", "schema :"),
		ROW("CREATE TYPE IF NOT EXISTS addr (zip int)", "schema unqualified :"),
		ROW("ALTER TYPE ks.addr ADD x int", "schema :"),
		ROW("DROP TYPE addr", "schema unqualified :"),
		ROW("CREATE TRIGGER tr ON ks.t USING 'Audit'", "schema : ks.t"),
		ROW("DROP TRIGGER IF EXISTS tr ON ks.t", "schema : ks.t"),
		ROW("CREATE OR REPLACE FUNCTION ks.f (a int) CALLED ON NULL INPUT RETURNS int LANGUAGE java "
		    "AS $$return now();$$",
			"schema :"),
		ROW("CREATE FUNCTION IF NOT EXISTS f (a int) RETURNS NULL ON NULL INPUT RETURNS int LANGUAGE "
		    "java AS 'x'",
			"schema unqualified :"),
		ROW("DROP FUNCTION ks.f (int)", "schema :"),
		ROW("CREATE AGGREGATE ks.a (int) SFUNC f STYPE int", "schema :"),
		ROW("DROP AGGREGATE IF EXISTS ks.a", "schema :"),
		ROW("CREATE ROLE bob WITH PASSWORD = 'x' AND LOGIN = true", "role :"),
		ROW("CREATE USER IF NOT EXISTS bob WITH PASSWORD 'x'", "role :"),
		ROW("CREATE GENERATED ROLE WITH GENERATED PASSWORD", "role :"),
		ROW("ALTER ROLE bob WITH PASSWORD = 'now()'", "role :"),
		ROW("ALTER USER bob SUPERUSER", "role :"),
		ROW("DROP ROLE IF EXISTS bob", "role :"),
		ROW("DROP USER bob", "role :"),
		ROW("CREATE", "unknown :"),
		ROW("CREATE SOMETHING x", "unknown :"),
		ROW("DROP", "unknown :"),
		ROW("CREATE TABLE", "schema :"),
		ROW("CREATE INDEX", "schema :"),
	};

	(void)state;
	CHECK(rows);
}

static void test_selects(void **state)
{
	static const struct row rows[] = {
		ROW("SELECT\"k\"FROM\"ks\".\"t\"WHERE\"k\"=5", "select : ks.t"),
		ROW("SELECT k FROM ks . t WHERE k=5", "select : ks.t"),
		ROW("SELECT k FROM ks/**/./**/t WHERE k=5", "select : ks.t"),
		ROW("SELECT k FROM ks.t WHERE k=5--c\nLIMIT 1", "select : ks.t"),
		ROW("SELECT k FROM ks.t WHERE k=5 // c\r", "select : ks.t"),
		ROW("SELECT k /* a /* b */ FROM ks.t", "select : ks.t"),
		ROW("SELECT k FROM ks.t;;;", "select : ks.t"),
		ROW("-- FROM x.y\n/* SELECT */ SELECT k FROM ks.t", "select : ks.t"),
		ROW("SELECT JSON * FROM ks.t", "select : ks.t"),
		ROW("SELECT json FROM ks.t", "select : ks.t"),
		ROW("SELECT DISTINCT k FROM ks.t", "select : ks.t"),
		ROW("SELECT '\"from x' , \"from\", $$ from y $$ FROM \"Ks\".t", "select : Ks.t"),
		ROW("SELECT \"a\"\"b\" FROM ks.\"x\"\"y\"", "select : ks.x\"y"),
		ROW("SELECT CAST(a AS text) AS b FROM ks.t", "select : ks.t"),
		ROW("SELECT f(from x) FROM ks.t", "select : ks.t"),
		ROW("SELECT now(), uuid() FROM system.local", "select : system.local"),
		/* taken for writes by a grammar that didn't know them */
		ROW("SELECT token(id), v FROM ks.t", "select : ks.t"),
		ROW("SELECT v FROM ks.t WHERE token(id) > token(?)", "select : ks.t"),
		ROW("SELECT v FROM ks.t WHERE token(id) > token(5)", "select : ks.t"),
		ROW("SELECT v FROM ks.t WHERE token(a,b) >= token(1,2)", "select : ks.t"),
		ROW("SELECT addr.zip FROM ks.t WHERE addr.zip = 5 ALLOW FILTERING", "select : ks.t"),
		ROW("SELECT m['k'], m['a'..'b'] FROM ks.t", "select : ks.t"),
		ROW("SELECT a + b FROM ks.t", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE a = 1 + 1", "select : ks.t"),
		ROW("SELECT -a FROM ks.t", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE a = -?", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE d > currentDate() - 2d", "select : ks.t"),
		ROW("SELECT * FROM ks.t ORDER BY v ANN OF [1.0, 2.0] LIMIT 3", "select : ks.t"),
		ROW("SELECT * FROM ks.t ORDER BY v ANN OF ? LIMIT 3 WITH ann_options = {'rerank_k': 9}",
			"select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE expr(idx,'x')", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE a BETWEEN 1 AND 2", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE a NOT IN (1, 2)", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE a NOT CONTAINS 1", "select : ks.t"),
		ROW("SELECT * FROM ks.t BYPASS CACHE", "select : ks.t"),
		ROW("SELECT * FROM ks.t USING TIMEOUT 5s", "select : ks.t"),
		ROW("SELECT call FROM ks.call", "select : ks.call"),
		ROW("SELECT * FROM PT", "select unqualified : pt"),
		ROW("SELECT * FROM ks.t -- c", "select bad : ks.t"),
		ROW("SELECT * FROM ks.t // c", "select bad : ks.t"),
		ROW("SELECT * FROM ks.t;;", "select : ks.t"),
		ROW("SELECT * FROM ks.t GROUP BY floor(b,1h)", "select : ks.t"),
		ROW("SELECT * FROM ks.t LIMIT 5 PER PARTITION LIMIT 2", "select : ks.t"),
		ROW("SELECT * FROM ks.t LIMIT 5 OFFSET 2", "select : ks.t"),
		ROW("SELECT (int) a FROM ks.t", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE a = cast(1 as int)", "select : ks.t"),
		ROW("SELECT na\303\257f FROM ks.t", "select bad : ks.t"),
		/* and those that it took for reads */
		ROW("SELECT ttl(a), writetime(a), maxwritetime(a), count(*) FROM ks.t", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE (a, b) IN ((1, 2)) OR c LIKE 'x%' AND m CONTAINS KEY 5",
			"select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE a IS NOT NULL AND m['k'] = 1 AND v = $$x$$", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE solr_query = '*:*'", "select : ks.t"),
		ROW("SELECT similarity_cosine(v, [1, 2]) FROM ks.t", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE a = NaN OR a = -Infinity OR b = 1y2mo", "select : ks.t"),
		ROW("SELECT * FROM ks.t WHERE t > minTimeuuid('2020-01-01') AND t < maxTimeuuid(?)",
			"select : ks.t"),
		/* refused by the server, sent where a good one would go */
		ROW("SELECT", "select :"),
		ROW("SELECT * FROM", "select :"),
		ROW("SELECT * FROM ks.", "select unqualified : ks"),
		ROW("SELECT 'a FROM ks.t", "select bad :"),
		ROW("SELECT\302\240k FROM ks.t", "select bad : ks.t"),
		ROW("SELECT k\0 FROM ks.t", "select bad : ks.t"),
		ROW("SELECT k FROM ks.t\f", "select bad : ks.t"),
		ROW("SELECT k FROM ks.t WHERE a = $$a$$$", "select bad : ks.t"),
		ROW("SELECT k FROM ks.t /* c", "select bad : ks.t"),
		ROW("SELECT ) k FROM ks.t", "select : ks.t"),
	};

	(void)state;
	CHECK(rows);
}

static void test_writes(void **state)
{
	static const struct row rows[] = {
		ROW("INSERT INTO ks.t(k)VALUES(1,'x')USING TTL 5", "write : ks.t"),
		ROW("INSERT INTO ks.u (k,v) VALUES (1,$$it's now() -- x $ y$$)", "write : ks.u"),
		ROW("INSERT INTO ks.t (k) VALUES ($$a'b;--c\n/*d*/$$)", "write : ks.t"),
		ROW("INSERT INTO ks.t (k) VALUES ('multi\nline -- not /* x */ ;')", "write : ks.t"),
		ROW("INSERT INTO ks.t (k) VALUES (''''),('')", "write : ks.t"),
		ROW("INSERT INTO \"Ks\" . \"T\" (k) VALUES (1)", "write : Ks.T"),
		ROW("INSERT INTO ks/*c*/./*c*/t (k) VALUES (1) -- c", "write bad : ks.t"),
		ROW("INSERT INTO ks.t (k) VALUES (\302\240)", "write bad : ks.t"),
		ROW("UPDATE t SET v = 1 WHERE k = 1", "write unqualified : t"),
		ROW("INSERT INTO", "write :"),
		ROW("UPDATE", "write :"),
		ROW("DELETE", "write :"),
		/* LWT */
		ROW("INSERT INTO ks.t (k) VALUES (1) IF NOT EXISTS", "write lwt : ks.t"),
		ROW("INSERT INTO ks.t (k) VALUES (1)if not exists USING TTL 5", "write lwt : ks.t"),
		ROW("UPDATE ks.t SET v = 1 WHERE k = 1 IF EXISTS", "write lwt : ks.t"),
		ROW("UPDATE ks.t SET v = 1 WHERE k = 1IF v = 2", "write lwt : ks.t"),
		ROW("UPDATE ks.t SET v = 1 WHERE k = 1/**/If/**/v = 2", "write lwt : ks.t"),
		ROW("DELETE FROM ks.t WHERE k = 1 IF EXISTS", "write lwt : ks.t"),
		ROW("BEGIN BATCH INSERT INTO ks.t (k) VALUES (1) UPDATE ks.t SET v = 1 WHERE k = 1 IF v = 2 "
		    "APPLY BATCH",
			"write lwt : ks.t"),
		ROW("INSERT INTO ks.t (\"if\") VALUES (' IF NOT EXISTS')", "write : ks.t"),
		ROW("UPDATE ks.t SET \"IF\" = 1 WHERE k = 1 -- IF EXISTS\n", "write : ks.t"),
		ROW("UPDATE ks.t SET iff = 1 WHERE i_f = 1", "write : ks.t"),
		/* timestamps */
		ROW("INSERT INTO ks.t (k) VALUES (1) USING TIMESTAMP 5", "write timestamp : ks.t"),
		ROW("INSERT INTO ks.t (k) VALUES (1) USING TTL ? AND TIMESTAMP ?", "write timestamp : ks.t"),
		ROW("INSERT INTO ks.t (k) VALUES (1) USING TIMESTAMP :ts AND TTL 5",
			"write timestamp : ks.t"),
		ROW("INSERT INTO ks.t (k) VALUES (1) USING TTL :timestamp", "write : ks.t"),
		ROW("INSERT INTO ks.t (k, timestamp) VALUES (1, 2)", "write : ks.t"),
		ROW("UPDATE ks.t USING TTL 5 SET timestamp = 1 WHERE k = 1 AND timestamp = 5",
			"write : ks.t"),
		ROW("UPDATE ks.t using timestamp 7 SET v = 1 WHERE k = 1", "write timestamp : ks.t"),
		ROW("DELETE v FROM ks.t USING TIMESTAMP ? WHERE k = 1", "write timestamp : ks.t"),
		ROW("DELETE timestamp FROM ks.t WHERE k = 1", "write : ks.t"),
		ROW("BEGIN BATCH USING TIMESTAMP 5 INSERT INTO ks.t (k) VALUES (1) APPLY BATCH",
			"write timestamp : ks.t"),
		ROW("UPDATE ks.t USING TIMEOUT 5s AND TIMESTAMP 5 SET v = 1 WHERE k = 1",
			"write timestamp : ks.t"),
		ROW("INSERT INTO ks.t (k) VALUES ('USING TIMESTAMP 5')", "write : ks.t"),
		/* batches */
		ROW("BEGIN BATCH INSERT INTO a.t (k) VALUES (1) UPDATE b.t SET v = 1 WHERE k = 1 DELETE FROM "
		    "c.t WHERE k = 1 APPLY BATCH;",
			"write : a.t b.t c.t"),
		ROW("BEGIN BATCH INSERT INTO a.t (k) VALUES (1);UPDATE A.\"t\" SET v = 1 WHERE k = 1;DELETE "
		    "v FROM t WHERE k = 1;APPLY BATCH",
			"write unqualified : a.t t"),
		ROW("BEGIN BATCH INSERT INTO t1 (k) VALUES (1) INSERT INTO t2 (k) VALUES (1) INSERT INTO t3 "
		    "(k) VALUES (1) "
		    "INSERT INTO t4 (k) VALUES (1) INSERT INTO t5 (k) VALUES (1) INSERT INTO t6 (k) VALUES "
		    "(1) "
		    "INSERT INTO t7 (k) VALUES (1) INSERT INTO t8 (k) VALUES (1) APPLY BATCH",
			"write unqualified : t1 t2 t3 t4 t5 t6 t7 t8"),
		ROW("BEGIN BATCH INSERT INTO t1 (k) VALUES (1) INSERT INTO t2 (k) VALUES (1) INSERT INTO t3 "
		    "(k) VALUES (1) "
		    "INSERT INTO t4 (k) VALUES (1) INSERT INTO t5 (k) VALUES (1) INSERT INTO t6 (k) VALUES "
		    "(1) "
		    "INSERT INTO t7 (k) VALUES (1) INSERT INTO t8 (k) VALUES (1) INSERT INTO ks.t9 (k) "
		    "VALUES (1) APPLY BATCH",
			"write unqualified : t1 t2 t3 t4 t5 t6 t7 t8 more"),
		ROW("BEGIN BATCH INSERT INTO ks.t (k) VALUES ('UPDATE x.y') APPLY BATCH", "write : ks.t"),
	};

	(void)state;
	CHECK(rows);
}

static void test_idempotence(void **state)
{
	static const struct row rows[] = {
		ROW("UPDATE ks.t SET v = (int) -1 WHERE k = 1",
			"write append : ks.t"), /* might be a subtraction */
		ROW("UPDATE ks.t SET l = l + [1] WHERE k = 1", "write append : ks.t"),
		ROW("UPDATE ks.t SET l = [1] + l WHERE k = 1", "write append : ks.t"),
		ROW("UPDATE ks.t SET l += ? WHERE k = 1", "write append : ks.t"),
		ROW("UPDATE ks.t SET l -= [1] WHERE k = 1", "write append : ks.t"),
		ROW("UPDATE ks.t SET l[0] = 1 WHERE k = 1", "write append : ks.t"),
		ROW("UPDATE ks.t SET a = 1, \"L\"[?] = 1 WHERE k = 1", "write append : ks.t"),
		ROW("DELETE l[0] FROM ks.t WHERE k = 1", "write append : ks.t"),
		ROW("DELETE m[?] FROM ks.t WHERE k = 1", "write append : ks.t"),
		ROW("UPDATE ks.c SET c = c -1 WHERE k = 1", "write append : ks.c"),
		ROW("UPDATE ks.c SET c=c-1 WHERE k = 1", "write append : ks.c"),
		ROW("UPDATE ks.c SET c -= 1 WHERE k = 1", "write append : ks.c"),
		ROW("UPDATE ks.c SET c = c - -1 WHERE k = 1", "write append : ks.c"),
		ROW("UPDATE ks.c SET c = c --1\n+2 WHERE k = 1", "write append : ks.c"),
		ROW("UPDATE ks.c SET c = ? + c WHERE k = 1", "write append : ks.c"),
		ROW("BEGIN BATCH UPDATE ks.t SET v = 1 WHERE k = 1 UPDATE ks.t SET l = l + ? WHERE k = 2 "
		    "APPLY BATCH",
			"write append : ks.t"),
		ROW("UPDATE ks.t SET v = -1, x = [-1, 2] WHERE k = -1", "write : ks.t"),
		ROW("UPDATE ks.t SET s = s + {1}, m = {'a': -1} + m, s2 += {2}, s3 = s3 - {3} WHERE k = 1",
			"write : ks.t"),
		ROW("UPDATE ks.t SET m['k'] = 1 WHERE k = 1", "write : ks.t"),
		ROW("UPDATE ks.t SET l = (list<int>)[1] WHERE k = 1", "write : ks.t"),
		ROW("DELETE m['k'], v FROM ks.t WHERE k = 1", "write : ks.t"),
		ROW("UPDATE ks.t SET v = 1 WHERE k = 1 + 1", "write : ks.t"),
		ROW("INSERT INTO ks.t (k, l) VALUES (1 + 1, [1])", "write : ks.t"),
		ROW("INSERT INTO ks.t (k, s) VALUES (1, (set<int>){1 - 1})", "write : ks.t"),
		ROW("INSERT INTO ks.t (k, s) VALUES (1, (frozen<map<int, set<int>>>)m[1 - 1])",
			"write : ks.t"),
	};

	(void)state;
	CHECK(rows);
}

static void test_functions(void **state)
{
#define INSERT(value) "INSERT INTO ks.t (k) VALUES (" value ")"
#define CALLS(value)  ROW(INSERT(value), "write functions : ks.t")
#define PLAIN(value)  ROW(INSERT(value), "write : ks.t")
	static const struct row rows[] = {
		CALLS("now()"),
		CALLS("NOW ( )"),
		CALLS("now/*c*/()"),
		CALLS("now -- c\n()"),
		CALLS("system.now()"),
		CALLS("System . NOW()"),
		CALLS("\"now\"()"),
		CALLS("\"system\".\"now\"()"),
		CALLS("uuid()"),
		CALLS("currentTimeUUID()"),
		CALLS("current_timeuuid()"),
		CALLS("currentTimestamp()"),
		CALLS("CURRENT_TIMESTAMP()"),
		CALLS("currentDate()"),
		CALLS("current_date()"),
		CALLS("currentTime()"),
		CALLS("current_time()"),
		CALLS("\"current_time\"()"),
		CALLS("toTimestamp(now())"),
		CALLS("[now()]"),
		CALLS("{now():currentTimestamp()}"),
		CALLS("{1:now()}"),
		CALLS("{a:uuid()}"),
		CALLS("(timeuuid)now()"),
		CALLS("1,now()"),
		ROW("UPDATE ks.t SET v = now() WHERE k = 1", "write functions : ks.t"),
		ROW("UPDATE ks.t SET l = l + [now()] WHERE k = 1", "write functions append : ks.t"),
		ROW("UPDATE ks.t SET m = m + {now():currentTimestamp()} WHERE k = 1",
			"write functions : ks.t"),
		ROW("UPDATE ks.t SET v = 1 WHERE k = now()", "write functions : ks.t"),
		ROW("UPDATE ks.t SET v = 1 WHERE k = 1 IF v = now()", "write lwt functions : ks.t"),
		ROW("DELETE FROM ks.t WHERE k = uuid()", "write functions : ks.t"),
		ROW("BEGIN BATCH INSERT INTO ks.t (k) VALUES (1) INSERT INTO ks.t (k) VALUES (now()) APPLY "
		    "BATCH",
			"write functions : ks.t"),
		PLAIN("\"NOW\"()"),
		PLAIN("\"System\".now()"),
		PLAIN("mynow()"),
		PLAIN("now_()"),
		PLAIN("nows()"),
		PLAIN("\"now \"()"),
		PLAIN("otherks.now()"),
		PLAIN("ks.uuid()"),
		PLAIN("'now()'"),
		PLAIN("$$now()$$"),
		PLAIN("1/* now() */"),
		PLAIN("1-- now()\n"),
		PLAIN(":now"),
		PLAIN("fromJson('\"now()\"')"),
		PLAIN("toTimestamp(?)"),
		PLAIN("12345678-0000-1000-8000-0123456789ab"),
		ROW("INSERT INTO ks.t (now, uuid) VALUES (1, 2)", "write : ks.t"),
		ROW("INSERT INTO now (k) VALUES (1)", "write unqualified : now"),
		ROW("INSERT INTO ks.uuid(k) VALUES (1)", "write : ks.uuid"),
		ROW("INSERT INTO system.now(k) VALUES (1)", "write : system.now"),
		ROW("UPDATE ks.t SET now = 1, uuid = 2 WHERE uuid IN (1) AND now = 5", "write : ks.t"),
		ROW("DELETE now, uuid FROM ks.t WHERE k = 1", "write : ks.t"),
		ROW("INSERT INTO ks.t JSON '{\"k\": \"now()\"}'", "write : ks.t"),
		/* only a write stores what they return */
		ROW("SELECT now() FROM ks.t WHERE k = uuid()", "select : ks.t"),
		ROW("CREATE TABLE ks.t (k int PRIMARY KEY, now now())", "schema : ks.t"),
	};

	(void)state;
	CHECK(rows);
}

static void test_unknown(void **state)
{
	static const struct row rows[] = {
		ROW("", "unknown :"),
		ROW("   \n", "unknown :"),
		ROW("-- only a comment\n", "unknown :"),
		ROW("-- only a comment", "unknown bad :"),
		ROW("/* open", "unknown bad :"),
		ROW(";", "unknown :"),
		ROW(";SELECT k FROM ks.t", "unknown :"),
		ROW("\357\273\277SELECT k FROM ks.t", "unknown bad :"),
		ROW("\302\240SELECT k FROM ks.t", "unknown bad :"),
		ROW("\0SELECT k FROM ks.t", "unknown bad :"),
		ROW("\fSELECT k FROM ks.t", "unknown bad :"),
		ROW("\"SELECT\" k FROM ks.t", "unknown :"),
		ROW("'SELECT' k FROM ks.t", "unknown :"),
		ROW("(SELECT k FROM ks.t)", "unknown :"),
		ROW("5", "unknown :"),
		ROW("? ?", "unknown :"),
		ROW("SELEC k FROM ks.t", "unknown :"),
		ROW("SELECTS k FROM ks.t", "unknown :"),
		ROW("EXPLAIN SELECT k FROM ks.t", "unknown :"),
		ROW("\377\376\375", "unknown bad :"),
	};

	(void)state;
	CHECK(rows);
}

static struct cql_name unquoted(const char *text)
{
	return (struct cql_name){.text = cql_view_of(text)};
}

static struct cql_name quoted(const char *text)
{
	return (struct cql_name){.text = cql_view_of(text), .quoted = true};
}

static bool same(struct cql_name a, struct cql_name b)
{
	return cql_name_equal(&a, &b);
}

static void test_names(void **state)
{
	char out[5];

	(void)state;
	assert_true(cql_name_is(unquoted("AbC_1"), "abc_1"));
	assert_false(cql_name_is(quoted("AbC"), "abc"));
	assert_true(cql_name_is(quoted("a\"\"b"), "a\"b"));
	assert_false(cql_name_is(unquoted("ab"), "abc"));
	assert_false(cql_name_is(unquoted("abc"), "ab"));
	assert_true(cql_name_is(quoted(""), ""));
	assert_true(same(unquoted("AbC"), quoted("abc")));
	assert_false(same(unquoted("AbC"), quoted("AbC")));
	assert_false(same(unquoted("ab"), unquoted("abc")));
	assert_int_equal(cql_name_fold(unquoted("ABCD"), out, sizeof(out)), 4);
	assert_string_equal(out, "abcd");
	assert_int_equal(cql_name_fold(quoted("AB\"\"CDE"), out, sizeof(out)), 6);
	assert_string_equal(out, "AB\"C");
	assert_int_equal(cql_name_fold(unquoted("x"), NULL, 0), 1);
}

static void test_system_keyspaces(void **state)
{
	static const char *const yes[] = {"system", "system_schema", "system_auth", "system_distributed",
		"system_traces", "system_views", "system_virtual_schema", "system_cluster_metadata",
		"system_accord", "system_accord_debug", "dse_system", "dse_perf", "dse_insights_local",
		"solr_admin", "system_distributed_everywhere"};
	static const char *const no[] = {
		"", "systems", "system_x", "dse_x", "dse_", "SYSTEM", "my_system", "ks"};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		assert_true(cql_keyspace_is_system(yes[i]));
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		assert_false(cql_keyspace_is_system(no[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_selects),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_idempotence),
		cmocka_unit_test(test_functions),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_system_keyspaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
