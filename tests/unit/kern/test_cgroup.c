#include "kern/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void within(void **state)
{
	static const struct {
		const char *path, *top;
		bool is;
	} rows[] = {
		{"/cg/a", "/cg/a", true},
		{"/cg/a/b", "/cg/a", true},
		{"/cg/ab", "/cg/a", false},
		{"/cg", "/cg/a", false},
		{"/cg/a.slice/b", "/cg/a", false},
		{"/cg/b/a", "/cg/a", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(cgroup_within(rows[i].path, rows[i].top), rows[i].is);
}

static void ids(void **state)
{
	static const uint64_t set[] = {2, 5, 9, UINT64_MAX};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(set); i++)
		assert_true(cgroup_ids_has(set, ARRAY_LEN(set), set[i]));
	assert_false(cgroup_ids_has(set, ARRAY_LEN(set), 0));
	assert_false(cgroup_ids_has(set, ARRAY_LEN(set), 6));
	assert_false(cgroup_ids_has(NULL, 0, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(within),
		cmocka_unit_test(ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
