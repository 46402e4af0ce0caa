/* Reconciliation, row by row of a table: what stands after two writes of one cell, in both orders. */
#include "tools/node/store.h"
#include "tools/node/value.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct write {
	int64_t timestamp;
	const char *value; /* NULL: a tombstone */
	uint32_t ttl, expiry;
};
struct pair {
	struct write a, b;
	int winner; /* 0 or 1 */
	const char *why;
};

static const struct pair pairs[] = {
	{{10, "a", 0, 0}, {11, "b", 0, 0}, 1, "the later"},
	{{11, "a", 0, 0}, {10, "z", 0, 0}, 0, "the later, whatever its value"},
	{{10, "a", 0, 0}, {10, "b", 0, 0}, 1, "the greater value"},
	{{10, "ab", 0, 0}, {10, "a", 0, 0}, 0, "the longer of equal beginnings"},
	{{10, "\x01", 0, 0}, {10, "\xff", 0, 0}, 1, "bytes are unsigned"},
	{{10, "z", 0, 0}, {10, NULL, 0, 50}, 1, "a tombstone beats a value"},
	{{10, NULL, 0, 50}, {11, "a", 0, 0}, 1, "a later value beats a tombstone"},
	{{10, "z", 0, 0}, {10, "a", 100, 200}, 1, "an expiring cell beats a lasting one"},
	{{10, "a", 100, 200}, {10, NULL, 0, 50}, 1, "a tombstone beats an expiring cell"},
	{{10, "z", 100, 200}, {10, "a", 100, 201}, 1, "the later expiry beats the greater value"},
	{{10, "a", 100, 200}, {10, "b", 100, 200}, 1, "equal expiry: the greater value"},
};

struct fixture {
	struct store store;
	struct partition *p;
	struct row *r;
};

static void open_row(struct fixture *f)
{
	static const struct bound nothing;

	memset(f, 0, sizeof(*f));
	f->p = store_partition(&f->store, 5, cql_view_of("key"), true);
	f->r = store_row(&f->store, f->p, &nothing, true);
}

static void put(struct fixture *f, const struct write *w)
{
	struct cell c = {.timestamp = w->timestamp,
		.ttl = w->ttl,
		.expiry = w->ttl || !w->value ? w->expiry : STORE_NEVER,
		.tombstone = !w->value,
		.column = 3};

	store_put(&f->store, f->p, f->r, &c, w->value ? cql_view_of(w->value) : (struct cql_view){0});
}

static void test_pairs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		for (int order = 0; order < 2; order++) {
			const struct write *want = pairs[i].winner ? &pairs[i].b : &pairs[i].a;
			struct fixture f;

			open_row(&f);
			put(&f, order ? &pairs[i].b : &pairs[i].a);
			put(&f, order ? &pairs[i].a : &pairs[i].b);
			const struct cell *c = store_cell(f.r, 3);

			if (c->timestamp != want->timestamp || c->tombstone != !want->value ||
				c->ttl != want->ttl ||
				(want->value && !cql_view_is(store_value(c), want->value)))
				fail_msg("%s (order %d)", pairs[i].why, order);
			store_clear(&f.store);
		}
}

static void test_row_marker(void **state)
{
	struct fixture f;

	(void)state;
	open_row(&f);
	assert_false(store_row_alive(f.r, 100));
	store_put_live(&f.store, f.p, f.r, 10, 50, 150);
	assert_true(store_row_alive(f.r, 149));
	assert_false(store_row_alive(f.r, 150));
	store_put_live(&f.store, f.p, f.r, 10, 0, STORE_NEVER); /* equal timestamps: what expires stays */
	assert_false(store_row_alive(f.r, 150));
	store_put_live(&f.store, f.p, f.r, 9, 0, STORE_NEVER);
	assert_false(store_row_alive(f.r, 150));
	store_put_live(&f.store, f.p, f.r, 11, 0, STORE_NEVER);
	assert_true(store_row_alive(f.r, 150));
	store_delete_row(f.r, 11);
	assert_false(store_row_alive(f.r, 100));
	store_put_live(&f.store, f.p, f.r, 11, 0, STORE_NEVER);
	assert_false(store_row_alive(f.r, 100));
	store_put_live(&f.store, f.p, f.r, 12, 0, STORE_NEVER);
	assert_true(store_row_alive(f.r, 100));
	store_clear(&f.store);
}

static void test_deletions_hide_what_is_no_newer(void **state)
{
	struct fixture f;
	struct write w = {10, "a", 0, 0};

	(void)state;
	open_row(&f);
	put(&f, &w);
	store_delete_partition(f.p, 9);
	assert_non_null(store_cell(f.r, 3));
	store_delete_partition(f.p, 10);
	assert_null(store_cell(f.r, 3));
	put(&f, &w);
	assert_null(store_cell(f.r, 3));
	w.timestamp = 11;
	put(&f, &w);
	assert_non_null(store_cell(f.r, 3));
	store_delete_partition(f.p, 5); /* an older one changes nothing */
	assert_non_null(store_cell(f.r, 3));
	store_clear(&f.store);
}

static struct bound at(int32_t *v, int8_t side)
{
	static uint8_t bytes[16][4];
	static int next;
	uint8_t b[8], *p = bytes[next++ % 16];

	value_put_i64(b, *v);
	memcpy(p, b + 4, 4);
	return (struct bound){.n = 1, .side = side, .values = {{p, 4}}};
}

static void test_ranges_in_either_order(void **state)
{
	(void)state;
	for (int descending = 0; descending < 2; descending++)
		for (int before = 0; before < 2; before++) {
			struct store s = {.n_clustering = 1,
				.clustering = {type_of_id(CQL_T_INT)},
				.descending = {descending}};
			struct partition *p = store_partition(&s, 1, cql_view_of("k"), true);
			int32_t lo = 3, hi = 6;
			struct bound a = at(&lo, -1), z = at(&hi, -1); /* [3, 6) */
			struct bound da = at(&hi, 1),
				     dz = at(&lo, 1); /* the same stretch of a descending column */
			int alive = 0;

			if (before)
				assert_true(store_delete_range(
					&s, p, descending ? &da : &a, descending ? &dz : &z, 10));
			for (int32_t i = 0; i < 10; i++) {
				struct bound b = at(&i, 0);

				store_put_live(
					&s, p, store_row(&s, p, &b, true), i % 2 ? 9 : 11, 0, STORE_NEVER);
			}
			if (!before)
				assert_true(store_delete_range(
					&s, p, descending ? &da : &a, descending ? &dz : &z, 10));
			for (struct tree_node *n = tree_first(&p->rows); n; n = tree_next(n))
				alive += store_row_alive(container_of(n, struct row, node), 1);
			assert_int_equal(alive, 8); /* of 3, 4, 5 the odd ones were written at 9 */
			store_clear(&s);
		}
}

static void test_counters(void **state)
{
	struct fixture f;
	struct write gone = {1, NULL, 0, 50};

	(void)state;
	open_row(&f);
	store_add(&f.store, f.p, f.r, 3, 5, 100);
	store_add(&f.store, f.p, f.r, 3, -7, 101);
	assert_int_equal(value_i64(store_value(store_cell(f.r, 3))), -2);
	gone.timestamp = 102;
	put(&f, &gone);
	store_add(&f.store, f.p, f.r, 3, 1, 103);
	assert_true(store_cell(f.r, 3)->tombstone); /* for ever */
	store_clear(&f.store);
}

static int64_t number(const struct row *r)
{
	return value_i64((struct cql_view){r->key + 4, 4});
}

static void test_order_of_many(void **state)
{
	struct store s = {.n_clustering = 1, .clustering = {type_of_id(CQL_T_INT)}};
	struct partition *p = store_partition(&s, 1, cql_view_of("k"), true);
	struct bound first = {.side = -1}, last = {.side = 1};
	int32_t seen = 0;

	(void)state;
	for (uint32_t i = 0; i < 20000; i++) {
		int32_t v = (int32_t)(i * 7919 % 20000);
		struct bound b = at(&v, 0);

		assert_null(store_row(&s, p, &b, false));
		store_row(&s, p, &b, true);
	}
	for (struct row *r = store_row_from(&s, p, &first, false); r; r = store_row_next(r, false))
		assert_int_equal(number(r), seen++);
	assert_int_equal(seen, 20000);
	for (struct row *r = store_row_from(&s, p, &last, true); r; r = store_row_next(r, true))
		assert_int_equal(number(r), --seen);
	assert_int_equal(seen, 0);
	for (int32_t v = 0; v < 20000; v += 500) {
		struct bound from = at(&v, -1), behind = at(&v, 1);

		assert_int_equal(number(store_row_from(&s, p, &from, false)), v);
		assert_int_equal(number(store_row_from(&s, p, &behind, true)), v);
	}
	store_clear(&s);
	assert_int_equal(store_bytes(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_row_marker),
		cmocka_unit_test(test_deletions_hide_what_is_no_newer),
		cmocka_unit_test(test_ranges_in_either_order),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_order_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
