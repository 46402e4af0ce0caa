/* The breaker: closed, open, one probe at a time, pauses that double up to a limit. */
#include "unit/mirror/unit.h"

#include "mirror/breaker.h"

#define MS 1000000ull

static void test_closed(void **state)
{
	struct breaker b = {0};

	(void)state;
	for (uint64_t now = 0; now < 100; now++)
		assert_true(breaker_admit(&b, now));
	assert_false(breaker_is_open(&b));
}

static void test_one_probe(void **state)
{
	struct breaker b = {0};
	uint64_t now = 1000 * MS;

	(void)state;
	breaker_failed(&b, now);
	assert_true(breaker_is_open(&b));
	assert_false(breaker_admit(&b, now));
	assert_false(breaker_admit(&b, now + BREAKER_MIN_NS - 1));
	assert_true(breaker_admit(&b, now + BREAKER_MIN_NS));
	assert_false(breaker_admit(&b, now + BREAKER_MIN_NS)); /* another is trying */
	breaker_gave_up(&b);
	assert_true(breaker_admit(&b, now + BREAKER_MIN_NS));
	breaker_ok(&b);
	assert_false(breaker_is_open(&b));
	assert_true(breaker_admit(&b, now));
	assert_true(breaker_admit(&b, now));
}

/* How long it is shut after a failure at `now`. */
static uint64_t pause_after(struct breaker *b, uint64_t now)
{
	breaker_failed(b, now);
	uint64_t wait = 0;
	while (!breaker_admit(b, now + wait))
		wait += MS;
	return wait;
}

static void test_pauses(void **state)
{
	struct breaker b = {0};
	uint64_t now = 1000 * MS, want = BREAKER_MIN_NS;

	(void)state;
	for (int i = 0; i < 12; i++) {
		uint64_t got = pause_after(&b, now);
		assert_int_equal(got, want);
		now += got;
		want = want * 2 > BREAKER_MAX_NS ? BREAKER_MAX_NS : want * 2;
	}
	breaker_ok(&b);
	assert_int_equal(pause_after(&b, now), BREAKER_MIN_NS); /* a success forgets them */
}

/* Many legs fail when a cluster goes: that is one failure. */
static void test_many_at_once(void **state)
{
	struct breaker b = {0};
	uint64_t now = 1000 * MS;

	(void)state;
	for (int i = 0; i < 50; i++)
		breaker_failed(&b, now + (uint64_t)i);
	assert_false(breaker_admit(&b, now + BREAKER_MIN_NS - 1));
	assert_true(breaker_admit(&b, now + BREAKER_MIN_NS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_one_probe),
		cmocka_unit_test(test_pauses),
		cmocka_unit_test(test_many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
