#include "kern/heartbeat.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <cmocka.h>

/* A page of plain memory in the map's place. */
static int page(void **state)
{
	static int fd;

	fd = memfd_create("heartbeat", MFD_CLOEXEC);
	*state = &fd;
	return fd < 0 || ftruncate(fd, sizeof(struct abi_heartbeat) * ABI_BANKS);
}

static int page_end(void **state)
{
	return close(*(int *)*state);
}

static void oldest(void **state)
{
	struct heartbeat h;
	unsigned who = 99;

	assert_int_equal(heartbeat_map(*(int *)*state, 3, &h), 0);
	assert_int_equal(heartbeat_oldest(&h, 2, 1000, &who), UINT64_MAX);
	heartbeat_stamp(&h, 0, 900);
	assert_int_equal(heartbeat_oldest(&h, 1, 1000, &who), 100);
	assert_int_equal(heartbeat_oldest(&h, 2, 1000, &who), UINT64_MAX); /* worker 1 has never lived */
	assert_int_equal(who, 1);
	heartbeat_stamp(&h, 1, 700);
	assert_int_equal(heartbeat_oldest(&h, 2, 1000, &who), 300);
	assert_int_equal(who, 1);
	heartbeat_retire(&h, 1);
	assert_int_equal(heartbeat_oldest(&h, 2, 1000, &who), 100);
	assert_int_equal(who, 0);
	heartbeat_retire(&h, 0);
	assert_int_equal(heartbeat_oldest(&h, 2, 1000, NULL), UINT64_MAX);
	heartbeat_stamp(&h, 0, 2000); /* stamped after `now` was read */
	assert_int_equal(heartbeat_oldest(&h, 1, 1000, NULL), 0);
	heartbeat_unmap(&h);
}

static void banks_are_apart(void **state)
{
	struct heartbeat a, b;

	assert_int_equal(heartbeat_map(*(int *)*state, 0, &a), 0);
	assert_int_equal(heartbeat_map(*(int *)*state, ABI_BANKS - 1, &b), 0);
	for (unsigned i = 0; i < ABI_WORKERS; i++)
		heartbeat_stamp(&a, i, 5);
	assert_int_equal(heartbeat_oldest(&a, ABI_WORKERS, 6, NULL), 1);
	assert_int_equal(heartbeat_oldest(&b, 1, 6, NULL), UINT64_MAX);
	heartbeat_unmap(&a);
	heartbeat_unmap(&b);
}

static void out_of_range(void **state)
{
	struct heartbeat h, untouched = {0};

	assert_int_equal(heartbeat_map(*(int *)*state, ABI_BANKS, &untouched), -EINVAL);
	assert_int_equal(heartbeat_map(-1, 0, &untouched), -EBADF);
	assert_null(untouched.page);
	assert_int_equal(heartbeat_map(*(int *)*state, ABI_BANKS - 1, &h), 0);
	heartbeat_stamp(&h, ABI_WORKERS, 5); /* would lie beyond the mapping */
	heartbeat_unmap(&h);
	heartbeat_unmap(&h);
	heartbeat_stamp(&h, 0, 5);
	assert_int_equal(heartbeat_oldest(&h, 1, 6, NULL), UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(oldest, page, page_end),
		cmocka_unit_test_setup_teardown(banks_are_apart, page, page_end),
		cmocka_unit_test_setup_teardown(out_of_range, page, page_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
