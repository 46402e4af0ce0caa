/* Semantics §4, row by row: what the app gets, and what is counted. */
#include "unit/mirror/unit.h"

#include "cql/error.h"
#include "mirror/merge.h"

#include <stdio.h>

#define OK      OUTCOME_OK
#define INVALID OUTCOME_INVALID
#define REFUSED OUTCOME_REFUSED
#define UNKNOWN OUTCOME_UNKNOWN
#define SILENT  OUTCOME_SILENT
#define PENDING OUTCOME_PENDING

struct row {
	enum outcome a, f;
	enum verdict fail, count; /* what the app gets under each policy */
	bool finished, failed_write, diverged, schema;
};

#define A VERDICT_AUTHORITY
#define F VERDICT_FOLLOWER
#define T VERDICT_TIMEOUT
#define W VERDICT_WAIT

static const struct row WRITES[] = {
	/* both ok */
	{OK, OK, A, A, .finished = true},
	/* the follower failed */
	{OK, REFUSED, T, A, .finished = true, .failed_write = true},
	{OK, UNKNOWN, T, A, .finished = true, .failed_write = true},
	{OK, SILENT, T, A, .finished = true, .failed_write = true},
	/* schema drift */
	{OK, INVALID, F, A, .finished = true, .failed_write = true, .schema = true},
	/* nothing yet */
	{OK, PENDING, W, W, .finished = false},
	{PENDING, PENDING, W, W, .finished = false},
	{PENDING, OK, W, W, .finished = false},
	{PENDING, INVALID, W, W, .finished = false},
	{PENDING, REFUSED, W, W, .finished = false},
	{PENDING, UNKNOWN, W, W, .finished = false},
	{PENDING, SILENT, W, W, .finished = false},
	/* the authority's error, and the follower did not apply it */
	{INVALID, INVALID, A, A, .finished = true},
	{INVALID, REFUSED, A, A, .finished = true},
	{REFUSED, INVALID, A, A, .finished = true},
	{REFUSED, REFUSED, A, A, .finished = true},
	{UNKNOWN, INVALID, A, A, .finished = true},
	{UNKNOWN, REFUSED, A, A, .finished = true},
	/* … or did, or may have */
	{INVALID, OK, A, A, .finished = true, .diverged = true},
	{INVALID, UNKNOWN, A, A, .finished = true, .diverged = true},
	{INVALID, SILENT, A, A, .finished = true, .diverged = true},
	{REFUSED, OK, A, A, .finished = true, .diverged = true},
	{REFUSED, UNKNOWN, A, A, .finished = true, .diverged = true},
	{REFUSED, SILENT, A, A, .finished = true, .diverged = true},
	{UNKNOWN, OK, A, A, .finished = true, .diverged = true},
	{UNKNOWN, UNKNOWN, A, A, .finished = true, .diverged = true},
	{UNKNOWN, SILENT, A, A, .finished = true, .diverged = true},
	/* … or is still at it: the app has its answer, the count waits */
	{INVALID, PENDING, A, A, .finished = false},
	{REFUSED, PENDING, A, A, .finished = false},
	{UNKNOWN, PENDING, A, A, .finished = false},
	/* the authority is silent */
	{SILENT, OK, T, T, .finished = true, .diverged = true},
	{SILENT, INVALID, T, T, .finished = true, .diverged = true},
	{SILENT, REFUSED, T, T, .finished = true, .diverged = true},
	{SILENT, UNKNOWN, T, T, .finished = true, .diverged = true},
	{SILENT, SILENT, T, T, .finished = true, .diverged = true},
	{SILENT, PENDING, T, T, .finished = true, .diverged = true},
};

static void same(const struct merge_in *in, const struct merge_out *want)
{
	const struct merge_out got = merge_decide(in);

	if (got.verdict != want->verdict || got.finished != want->finished ||
		got.failed_write != want->failed_write || got.diverged != want->diverged ||
		got.schema != want->schema)
		fail_msg("rule %d failure %d authority %d follower %d late %d: verdict %d/%d finished %d/%d "
			 "failed %d/%d diverged %d/%d schema %d/%d (is/wanted)",
			in->rule, in->failure, in->authority, in->follower, in->late, got.verdict,
			want->verdict, got.finished, want->finished, got.failed_write, want->failed_write,
			got.diverged, want->diverged, got.schema, want->schema);
}

static void test_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(WRITES); i++) {
		const struct row *r = &WRITES[i];
		for (int k = FAILURE_FAIL; k <= FAILURE_COUNT; k++) {
			const struct merge_in in = {.rule = RULE_WRITE,
				.failure = (enum failure)k,
				.authority = r->a,
				.follower = r->f};
			const struct merge_out want = {k == FAILURE_FAIL ? r->fail : r->count, r->finished,
				r->failed_write, r->diverged, r->schema};
			same(&in, &want);
		}
	}
}

/* Every pair has a row, so that a new outcome can't slip through. */
static void test_rows_are_complete(void **state)
{
	(void)state;
	for (int a = PENDING; a <= SILENT; a++)
		for (int f = PENDING; f <= SILENT; f++) {
			unsigned n = 0;
			for (size_t i = 0; i < ARRAY_LEN(WRITES); i++)
				n += (int)WRITES[i].a == a && (int)WRITES[i].f == f;
			if (n != 1)
				fail_msg("authority %d, follower %d: %u rows", a, f, n);
		}
}

/* A follower slower than follower_wait: under count the app has waited long enough, under fail it goes on waiting. */
static void test_late(void **state)
{
	(void)state;
	const struct merge_in count = {.rule = RULE_WRITE,
		.failure = FAILURE_COUNT,
		.authority = OK,
		.follower = PENDING,
		.late = true};
	same(&count, &(struct merge_out){VERDICT_AUTHORITY, .finished = true, .failed_write = true});
	const struct merge_in fail = {.rule = RULE_WRITE,
		.failure = FAILURE_FAIL,
		.authority = OK,
		.follower = PENDING,
		.late = true};
	same(&fail, &(struct merge_out){VERDICT_WAIT});
}

/* DDL, TRUNCATE: Origin's answer once both have one; a difference is flagged, never shown. */
/* For certain. Two clusters are alike when both applied it or neither did; in doubt they are not. */
static bool not_applied(enum outcome o)
{
	return o == OUTCOME_INVALID || o == OUTCOME_REFUSED;
}

static void test_schema(void **state)
{
	(void)state;
	for (int a = PENDING; a <= SILENT; a++)
		for (int f = PENDING; f <= SILENT; f++)
			for (int k = FAILURE_FAIL; k <= FAILURE_COUNT; k++) {
				const struct merge_in in = {.rule = RULE_SCHEMA,
					.failure = (enum failure)k,
					.authority = (enum outcome)a,
					.follower = (enum outcome)f};
				struct merge_out want = {VERDICT_WAIT};
				if (a != PENDING && f != PENDING)
					want = (struct merge_out){
						.verdict = a == SILENT ? VERDICT_TIMEOUT : VERDICT_AUTHORITY,
						.finished = true,
						.schema = !(a == OK && f == OK) &&
							  !(not_applied(a) && not_applied(f))};
				same(&in, &want);
			}
}

static void test_one_cluster(void **state)
{
	static const enum rule RULES[] = {RULE_ORIGIN, RULE_USE, RULE_PREPARE};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(RULES); i++)
		for (int a = PENDING; a <= SILENT; a++)
			for (int f = PENDING; f <= SILENT; f++) {
				const struct merge_in in = {.rule = RULES[i],
					.authority = (enum outcome)a,
					.follower = (enum outcome)f};
				/* PREPARE's answer is Origin's at once; what Target says is still learned. */
				bool learns = RULES[i] == RULE_PREPARE && f == PENDING;
				same(&in, &(struct merge_out){.verdict = a == PENDING  ? VERDICT_WAIT
									 : a == SILENT ? VERDICT_TIMEOUT
										       : VERDICT_AUTHORITY,
						  .finished = a != PENDING && !learns});
			}
}

static void test_codes(void **state)
{
	static const struct {
		int32_t code;
		enum outcome want;
	} CODES[] = {
		{CQL_E_UNAVAILABLE, REFUSED},
		{CQL_E_OVERLOADED, REFUSED},
		{CQL_E_BOOTSTRAPPING, REFUSED},
		{CQL_E_SYNTAX, INVALID},
		{CQL_E_INVALID, INVALID},
		{CQL_E_UNAUTHORIZED, INVALID},
		{CQL_E_CONFIG, INVALID},
		{CQL_E_ALREADY_EXISTS, INVALID},
		{CQL_E_PROTOCOL, INVALID},
		{CQL_E_FUNCTION_FAILURE, INVALID},
		{CQL_E_SERVER, UNKNOWN},
		{CQL_E_WRITE_TIMEOUT, UNKNOWN},
		{CQL_E_READ_TIMEOUT, UNKNOWN},
		{CQL_E_WRITE_FAILURE, UNKNOWN},
		{CQL_E_READ_FAILURE, UNKNOWN},
		{CQL_E_CDC_WRITE_FAILURE, UNKNOWN},
		{CQL_E_CAS_WRITE_UNKNOWN, UNKNOWN},
		{CQL_E_TRUNCATE, UNKNOWN},
		{CQL_E_UNPREPARED, UNKNOWN},
		{0x8000, UNKNOWN},
		{-1, UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(CODES); i++)
		if (merge_outcome(CODES[i].code) != CODES[i].want)
			fail_msg("code %#x: %d", (unsigned)CODES[i].code, merge_outcome(CODES[i].code));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_rows_are_complete),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_schema),
		cmocka_unit_test(test_one_cluster),
		cmocka_unit_test(test_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
