/* Semantics §3, row by row: which cluster gets a statement, and what is counted. */
#include "unit/mirror/unit.h"

#include "base/attr.h"
#include "mirror/route.h"

static char EXCLUDE[][TABLE_CAP] = {"priv", "ks.logs", "Odd.T"};
static const struct policy DUAL = {
	.phase = PHASE_DUAL_WRITE, .schema_both = true, .exclude = EXCLUDE, .n_exclude = 3};
static const struct policy ORIGIN_SCHEMA = {.phase = PHASE_DUAL_WRITE};
static const struct policy PASS = {.phase = PHASE_PASSTHROUGH, .schema_both = true};

struct row {
	const char *text, *keyspace;
	struct plan want;
};

/* clang-format off */
#define READ()     {.kind = REQUEST_READ, .rule = RULE_ORIGIN}
#define WRITE(...) {.kind = REQUEST_WRITE, .rule = RULE_WRITE, .stamp = true, __VA_ARGS__}
#define LONE(u)    {.kind = REQUEST_WRITE, .rule = RULE_ORIGIN, .unmirrored = u, .lwt = (u) == UNMIRRORED_LWT}
#define BOTH(...)  {.kind = REQUEST_OTHER, __VA_ARGS__}
#define OTHER(...) {.kind = REQUEST_OTHER, .rule = RULE_ORIGIN, __VA_ARGS__}
/* clang-format on */

static const struct row ROWS[] = {
	/* reads: Origin's, whatever they read */
	{"SELECT k FROM ks.t", "", READ()},
	{"SELECT * FROM t WHERE k = now()", "ks", READ()},
	{"SELECT JSON * FROM system.local", "", READ()},
	{"SELECT * FROM ks.logs", "", READ()},
	/* writes: both */
	{"INSERT INTO ks.t (k) VALUES (1)", "", WRITE()},
	{"insert into t (k) values (1)", "ks", WRITE(.needs_keyspace = true)},
	{"UPDATE ks.t SET v = 1 WHERE k = 1", "", WRITE()},
	{"DELETE FROM \"Ks\".\"T\" WHERE k = 1", "", WRITE()},
	{"BEGIN UNLOGGED BATCH INSERT INTO ks.t (k) VALUES (1); DELETE FROM u WHERE k = 1; APPLY BATCH", "ks",
		WRITE(.needs_keyspace = true)},
	{"BEGIN COUNTER BATCH UPDATE ks.c SET n = n + 1 WHERE k = 1 APPLY BATCH", "", WRITE()},
	{"INSERT INTO ks.t JSON '{\"k\": 1}'", "", WRITE()},
	/* what each cluster would make a value of its own for: both, counted */
	{"INSERT INTO ks.t (k, u) VALUES (1, now())", "", WRITE(.unmirrored = UNMIRRORED_FUNCTIONS)},
	{"UPDATE ks.t SET u = uuid() WHERE k = 1", "", WRITE(.unmirrored = UNMIRRORED_FUNCTIONS)},
	/* LWT: Origin, counted */
	{"INSERT INTO ks.t (k) VALUES (1) IF NOT EXISTS", "", LONE(UNMIRRORED_LWT)},
	{"UPDATE ks.t SET v = now() WHERE k = 1 IF v = 2", "", LONE(UNMIRRORED_LWT)},
	{"DELETE FROM ks.t WHERE k = 1 IF EXISTS", "", LONE(UNMIRRORED_LWT)},
	{"BEGIN BATCH INSERT INTO ks.t (k) VALUES (1) IF NOT EXISTS APPLY BATCH", "", LONE(UNMIRRORED_LWT)},
	/* excluded: Origin, counted; mixed: refused */
	{"INSERT INTO ks.logs (k) VALUES (1)", "", LONE(UNMIRRORED_EXCLUDED)},
	{"INSERT INTO LOGS (k) VALUES (1)", "ks", LONE(UNMIRRORED_EXCLUDED)},
	{"INSERT INTO \"Logs\" (k) VALUES (1)", "ks", WRITE(.needs_keyspace = true)},
	{"INSERT INTO priv.anything (k) VALUES (now())", "", LONE(UNMIRRORED_EXCLUDED)},
	{"INSERT INTO \"Odd\".\"T\" (k) VALUES (1)", "", LONE(UNMIRRORED_EXCLUDED)},
	{"INSERT INTO Odd.T (k) VALUES (1)", "", WRITE()},
	{"BEGIN BATCH DELETE FROM priv.a WHERE k = 1; DELETE FROM ks.logs WHERE k = 1 APPLY BATCH", "",
		LONE(UNMIRRORED_EXCLUDED)},
	{"BEGIN BATCH DELETE FROM ks.t WHERE k = 1; DELETE FROM ks.logs WHERE k = 1 APPLY BATCH", "",
		{.kind = REQUEST_WRITE, .refused = true}},
	{"TRUNCATE ks.logs", "", OTHER(.unmirrored = UNMIRRORED_EXCLUDED)},
	{"ALTER TABLE priv.t ADD x int", "", OTHER(.unmirrored = UNMIRRORED_EXCLUDED)},
	/* a cluster's own tables are written to nowhere else */
	{"INSERT INTO system_auth.roles (role) VALUES ('x')", "", LONE(UNMIRRORED_OTHER)},
	{"UPDATE roles SET x = 1 WHERE role = 'x'", "system_auth", LONE(UNMIRRORED_OTHER)},
	/* USE */
	{"USE ks", "", BOTH(.rule = RULE_USE)},
	/* schema: both */
	{"CREATE TABLE ks.n (k int PRIMARY KEY)", "", BOTH(.rule = RULE_SCHEMA)},
	{"CREATE TABLE n (k int PRIMARY KEY)", "ks", BOTH(.rule = RULE_SCHEMA, .needs_keyspace = true)},
	{"CREATE INDEX ON ks.t (v)", "", BOTH(.rule = RULE_SCHEMA)},
	{"CREATE TYPE ks.ty (a int)", "", BOTH(.rule = RULE_SCHEMA)},
	{"DROP MATERIALIZED VIEW ks.v", "", BOTH(.rule = RULE_SCHEMA)},
	{"DROP FUNCTION ks.f", "", BOTH(.rule = RULE_SCHEMA)},
	{"TRUNCATE TABLE ks.t", "", BOTH(.rule = RULE_SCHEMA)},
	/* keyspaces, roles, permissions: Origin, counted */
	{"CREATE KEYSPACE n WITH replication = {}", "", OTHER(.unmirrored = UNMIRRORED_SCHEMA)},
	{"DROP SCHEMA n", "", OTHER(.unmirrored = UNMIRRORED_SCHEMA)},
	{"CREATE ROLE r", "", OTHER(.unmirrored = UNMIRRORED_SCHEMA)},
	{"GRANT SELECT ON ks.t TO r", "", OTHER(.unmirrored = UNMIRRORED_SCHEMA)},
	{"ALTER USER u WITH PASSWORD 'x'", "", OTHER(.unmirrored = UNMIRRORED_SCHEMA)},
	/* Origin's, as a read would be */
	{"DESCRIBE TABLES", "", OTHER()},
	{"LIST ROLES", "", OTHER()},
	/* what nobody can classify: Origin alone, counted */
	{"", "", OTHER(.unmirrored = UNMIRRORED_OTHER)},
	{"FROBNICATE ks.t", "", OTHER(.unmirrored = UNMIRRORED_OTHER)},
	{"CALL svc.method()", "", OTHER(.unmirrored = UNMIRRORED_OTHER)},
	{"BEGIN TRANSACTION UPDATE ks.t SET v = 1 WHERE k = 1; COMMIT TRANSACTION", "",
		OTHER(.unmirrored = UNMIRRORED_OTHER)},
};

static void same(const char *text, const struct plan *got, const struct plan *want)
{
	if (got->rule != want->rule || got->kind != want->kind || got->unmirrored != want->unmirrored ||
		got->refused != want->refused || got->needs_keyspace != want->needs_keyspace ||
		got->stamp != want->stamp || got->lwt != want->lwt)
		fail_msg(
			"%s: rule %d/%d kind %d/%d unmirrored %d/%d refused %d/%d needs_keyspace %d/%d stamp "
			"%d/%d lwt %d/%d (is/wanted)",
			text, got->rule, want->rule, got->kind, want->kind, got->unmirrored, want->unmirrored,
			got->refused, want->refused, got->needs_keyspace, want->needs_keyspace, got->stamp,
			want->stamp, got->lwt, want->lwt);
}

static struct plan plan_of(const struct policy *p, const char *text, const char *keyspace)
{
	struct cql_class c;

	cql_classify(cql_view_of(text), &c);
	return route_statement(p, &c, keyspace);
}

static void test_dual_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		struct plan got = plan_of(&DUAL, ROWS[i].text, ROWS[i].keyspace);
		same(ROWS[i].text, &got, &ROWS[i].want);
	}
}

/* In passthrough all goes to Origin, nothing is counted as unmirrored, nothing is refused. */
static void test_passthrough(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
		struct plan got = plan_of(&PASS, ROWS[i].text, ROWS[i].keyspace);
		same(ROWS[i].text, &got, &(struct plan){.kind = ROWS[i].want.kind, .lwt = ROWS[i].want.lwt});
	}
}

static void test_schema_of_origin_only(void **state)
{
	const struct plan want = OTHER(.unmirrored = UNMIRRORED_SCHEMA);
	struct plan got = plan_of(&ORIGIN_SCHEMA, "CREATE TABLE ks.n (k int PRIMARY KEY)", "");

	(void)state;
	same("CREATE TABLE", &got, &want);
	got = plan_of(&ORIGIN_SCHEMA, "TRUNCATE ks.t", "");
	same("TRUNCATE", &got, &want);
}

/* ---- BATCH frames */

static const struct {
	const char *children[4];
	struct plan want;
} BATCHES[] = {
	{{NULL}, WRITE()},
	{{"INSERT INTO ks.t (k) VALUES (1)", "DELETE FROM ks.u WHERE k = 1"}, WRITE()},
	{{"INSERT INTO ks.t (k) VALUES (1)", "DELETE FROM u WHERE k = 1"}, WRITE(.needs_keyspace = true)},
	{{"INSERT INTO ks.t (k) VALUES (now())", "DELETE FROM ks.u WHERE k = 1"},
		WRITE(.unmirrored = UNMIRRORED_FUNCTIONS)},
	{{"INSERT INTO ks.t (k) VALUES (1) IF NOT EXISTS", "DELETE FROM ks.t WHERE k = 1"},
		LONE(UNMIRRORED_LWT)},
	{{"INSERT INTO ks.logs (k) VALUES (1)", "DELETE FROM priv.u WHERE k = 1"}, LONE(UNMIRRORED_EXCLUDED)},
	{{"INSERT INTO ks.logs (k) VALUES (1)", "DELETE FROM ks.t WHERE k = 1"},
		{.kind = REQUEST_WRITE, .refused = true}},
	{{"INSERT INTO ks.t (k) VALUES (1)", "SELECT k FROM ks.t"}, LONE(UNMIRRORED_OTHER)},
	{{"INSERT INTO ks.t (k) VALUES (1)", "gibberish"}, LONE(UNMIRRORED_OTHER)},
	{{"INSERT INTO system.x (k) VALUES (1)"}, LONE(UNMIRRORED_OTHER)},
};

static void test_batches(void **state)
{
	(void)state;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < ARRAY_LEN(BATCHES); i++) {
			const struct policy *p = pass ? &PASS : &DUAL;
			struct route_batch b;
			struct cql_class c;
			route_batch_begin(&b);
			for (unsigned k = 0; BATCHES[i].children[k]; k++) {
				cql_classify(cql_view_of(BATCHES[i].children[k]), &c);
				route_batch_child(&b, p, &c, "ks");
			}
			struct plan got = route_batch_end(&b, p),
				    plain = {.kind = REQUEST_WRITE, .lwt = BATCHES[i].want.lwt};
			same(BATCHES[i].children[0] ? BATCHES[i].children[0] : "(empty)", &got,
				pass ? &plain : &BATCHES[i].want);
		}
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(phase_from_name("passthrough"), PHASE_PASSTHROUGH);
	assert_int_equal(phase_from_name("dual-write"), PHASE_DUAL_WRITE);
	for (int i = 0; i < PHASES; i++)
		assert_int_equal(phase_from_name(phase_name((enum phase)i)), i);
	assert_int_equal(phase_from_name("target-read"), -1);
	assert_int_equal(phase_from_name(""), -1);
	assert_string_equal(unmirrored_name(UNMIRRORED_LWT), "lwt");
	assert_string_equal(unmirrored_name(UNMIRRORED_OTHER), "other");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dual_write),
		cmocka_unit_test(test_passthrough),
		cmocka_unit_test(test_schema_of_origin_only),
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
