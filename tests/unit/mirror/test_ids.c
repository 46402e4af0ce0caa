/* Stream ids of a leg: the wished number while it is free, 32 768 of them, memory that goes again. */
#include "unit/mirror/unit.h"

#include "mirror/ids.h"

#define ALL (IDS_PAGE * IDS_PAGES)

static int owners[ALL];

static void test_wish(void **state)
{
	struct ids t = {0};

	(void)state;
	assert_int_equal(ids_take(&t, 77, &owners[0]), 77);
	assert_ptr_equal(ids_owner(&t, 77), &owners[0]);
	int other = ids_take(&t, 77, &owners[1]);
	assert_int_not_equal(other, 77);
	assert_in_range(other, 0, ALL - 1);
	assert_ptr_equal(ids_owner(&t, other), &owners[1]);
	ids_free(&t, 77);
	assert_null(ids_owner(&t, 77));
	assert_int_equal(ids_take(&t, 77, &owners[2]), 77);
	assert_int_equal(ids_take(&t, ALL - 1, &owners[3]), ALL - 1);
	ids_change(&t, 77, &owners[4]);
	assert_ptr_equal(ids_owner(&t, 77), &owners[4]);
	assert_int_equal(t.used, 3);
	ids_fini(&t);
}

static void test_nobody_s(void **state)
{
	struct ids t = {0};

	(void)state;
	for (int id = -300; id < ALL; id += 7)
		assert_null(ids_owner(&t, id));
	ids_free(&t, 5); /* what is free already stays so */
	assert_int_equal(t.used, 0);
	ids_fini(&t);
}

static void test_all(void **state)
{
	struct ids t = {0};

	(void)state;
	for (int i = 0; i < ALL; i++)
		assert_int_equal(ids_take(&t, i, &owners[i]), i);
	assert_int_equal(ids_take(&t, -1, &owners[0]), -1);
	assert_int_equal(ids_take(&t, 3, &owners[0]), -1);
	ids_free(&t, 12345);
	assert_int_equal(ids_take(&t, -1, &owners[12345]), 12345);
	for (int i = 0; i < ALL; i++)
		assert_ptr_equal(ids_owner(&t, i), &owners[i]);
	for (int i = 0; i < ALL; i++)
		ids_free(&t, i);
	unsigned pages = 0;
	for (unsigned i = 0; i < IDS_PAGES; i++)
		pages += t.page[i] != NULL;
	assert_in_range(pages, 0, 1); /* an idle leg holds next to nothing */
	assert_int_equal(ids_take(&t, -1, &owners[0]) >= 0, 1);
	ids_fini(&t);
}

/* No wish: each gets a number of its own, whatever was freed in between. */
static void test_without_wish(void **state)
{
	struct ids t = {0};
	unsigned seed = 9;

	(void)state;
	memset(owners, 0, sizeof owners);
	for (int round = 0; round < 20000; round++) {
		seed = seed * 1103515245u + 12345u;
		int victim = (int)(seed >> 8) % 500;
		if (owners[victim]) {
			assert_ptr_equal(ids_owner(&t, owners[victim] - 1), &owners[victim]);
			ids_free(&t, owners[victim] - 1);
			owners[victim] = 0;
		} else {
			int id = ids_take(&t, seed & 64 ? (int)(seed >> 16) % 40 : -1, &owners[victim]);
			assert_in_range(id, 0, ALL - 1);
			owners[victim] = id + 1;
		}
	}
	unsigned used = 0;
	for (int i = 0; i < 500; i++)
		used += owners[i] != 0;
	assert_int_equal(t.used, used);
	ids_fini(&t);
}

static void drop(void *ctx, int id, void *owner)
{
	struct ids *t = ctx;

	assert_ptr_equal(owner, &owners[id]);
	ids_free(t, id);
}

static void test_each(void **state)
{
	struct ids t = {0};

	(void)state;
	for (int i = 0; i < ALL; i += 331)
		assert_int_equal(ids_take(&t, i, &owners[i]), i);
	ids_each(&t, drop, &t);
	assert_int_equal(t.used, 0);
	ids_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wish),
		cmocka_unit_test(test_nobody_s),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_without_wish),
		cmocka_unit_test(test_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
