#include "kern/pins.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void spelling(void **state)
{
	static const char *const same[] = {"/run/seam", "/run/seam/", "//run///seam//"};
	static const char *const other[] = {"/run/seam2", "/run", "/", "/run/sea/m"};
	char want[PINS_PATH], got[PINS_PATH];

	(void)state;
	assert_int_equal(pins_dir(same[0], "shop", want), 0);
	assert_memory_equal(want, PINS_ROOT "/seam/", strlen(PINS_ROOT "/seam/"));
	assert_string_equal(strrchr(want, '/'), "/shop");
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		assert_int_equal(pins_dir(same[i], "shop", got), 0);
		assert_string_equal(got, want);
	}
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		assert_int_equal(pins_dir(other[i], "shop", got), 0);
		assert_string_not_equal(got, want);
	}
}

/* bpffs allows no dot, and a name must not lead out of its folder. Different names stay different. */
static void escaping(void **state)
{
	static const struct {
		const char *app, *name;
	} rows[] = {
		{"a-b_C9", "/a-b_C9"},
		{"a.b", "/a%2eb"},
		{"a%2eb", "/a%252eb"},
		{"..", "/%2e%2e"},
		{"../x", "/%2e%2e%2fx"},
		{"\xc3\xa9", "/%c3%a9"},
	};
	char got[PINS_PATH];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(pins_dir("/run/seam", rows[i].app, got), 0);
		assert_string_equal(strrchr(got, '/'), rows[i].name);
	}
}

static void refusals(void **state)
{
	char dir[PINS_PATH] = "untouched", name[1000];

	(void)state;
	assert_int_equal(pins_dir("/run/seam", "", dir), -EINVAL);
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	assert_int_equal(pins_dir("/run/seam", name, dir), -ENAMETOOLONG);
	name[0] = '/';
	assert_int_equal(pins_dir(name, "shop", dir), -ENAMETOOLONG);
	memset(name, '.', 100);
	name[100] = 0;
	assert_int_equal(pins_dir("/run/seam", name, dir), -ENAMETOOLONG);
	assert_string_equal(dir, "untouched");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spelling),
		cmocka_unit_test(escaping),
		cmocka_unit_test(refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
