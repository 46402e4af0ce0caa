/* Prepared statements: keyed by version and Origin's id, Target's side learned beside, bounded, safe between threads. */
#include "unit/mirror/unit.h"

#include "client/out.h"
#include "mirror/prepared.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define V(s) ((struct cql_view){(const uint8_t *)(s), sizeof(s) - 1})

/* Body of a PREPARED with one bind column and, if named, one result column. */
static struct cql_writer told(
	uint8_t version, struct cql_view id, const char *bind, uint16_t type, const char *result)
{
	struct cql_writer w = OUT_EMPTY;

	cql_write_i32(&w, CQL_PREPARED);
	cql_write_u16(&w, (uint16_t)id.n);
	cql_write_view(&w, id);
	if (version >= CQL_V5) {
		cql_write_u16(&w, 4);
		cql_write_view(&w, V("rmid"));
	}
	cql_write_i32(&w, CQL_M_GLOBAL);
	cql_write_i32(&w, 1);
	if (version >= CQL_V4)
		cql_write_i32(&w, 0);
	cql_write_string(&w, V("ks"));
	cql_write_string(&w, V("t"));
	cql_write_string(&w, cql_view_of(bind));
	cql_write_u16(&w, type);
	cql_write_i32(&w, result ? CQL_M_GLOBAL : CQL_M_NO_METADATA);
	cql_write_i32(&w, result ? 1 : 0);
	if (result) {
		cql_write_string(&w, V("ks"));
		cql_write_string(&w, V("t"));
		cql_write_string(&w, cql_view_of(result));
		cql_write_u16(&w, CQL_T_INT);
	}
	return w;
}

static struct prepared *learn(struct prepared_cache *c, uint8_t version, struct cql_view id, const char *text)
{
	struct cql_writer w = told(version, id, "k", CQL_T_INT, "k");
	struct prepared *p =
		prepared_learn(c, version, cql_view_of(text), "ks", (struct cql_view){w.p, w.len});

	out_free(&w);
	return p;
}

static void test_learn_and_find(void **state)
{
	struct prepared_cache *c = prepared_cache_new(100);

	(void)state;
	for (uint8_t v = CQL_V3; v <= CQL_V5; v++) {
		assert_null(prepared_find(c, v, V("0123456789abcdef")));
		struct prepared *p = learn(c, v, V("0123456789abcdef"), "INSERT INTO t (k) VALUES (?)");
		assert_non_null(p);
		assert_string_equal(p->text, "INSERT INTO t (k) VALUES (?)");
		assert_string_equal(p->keyspace, "ks");
		assert_int_equal(p->class.kind, CQL_KIND_WRITE);
		assert_true(p->class.needs_keyspace);
		assert_null(prepared_target(p));
		struct prepared *q = prepared_find(c, v, V("0123456789abcdef"));
		assert_ptr_equal(p, q);
		prepared_unref(q);
		/* what is there stands */
		q = learn(c, v, V("0123456789abcdef"), "INSERT INTO t (k) VALUES (?)");
		assert_ptr_equal(p, q);
		prepared_unref(q);
		prepared_unref(p);
		assert_int_equal(prepared_count(c), v - CQL_V3 + 1);
		assert_null(prepared_find(c, v, V("0123456789abcdeX")));
		assert_null(prepared_find(c, v, (struct cql_view){0}));
	}
	prepared_cache_free(c);
}

/* A table made anew with another type: same text, same id, other metadata. */
static void test_table_made_anew(void **state)
{
	struct prepared_cache *c = prepared_cache_new(100);
	struct prepared *old = learn(c, CQL_V4, V("id"), "INSERT INTO t (k) VALUES (?)");
	struct cql_writer w = told(CQL_V4, V("id"), "k", CQL_T_BIGINT, "k");
	struct cql_view body = {w.p, w.len};

	(void)state;
	assert_int_equal(prepared_learn_target(old, body), 0);
	assert_false(prepared_target(old)->same_bind);
	struct prepared *fresh = prepared_learn(c, CQL_V4, V("INSERT INTO t (k) VALUES (?)"), "ks", body);
	assert_ptr_not_equal(fresh, old);
	assert_null(prepared_target(fresh));
	assert_int_equal(prepared_learn_target(fresh, body), 0);
	assert_true(prepared_target(fresh)->same_bind);
	assert_int_equal(prepared_count(c), 1);
	out_free(&w);
	prepared_unref(old);
	prepared_unref(fresh);
	prepared_cache_free(c);
}

static void test_malformed(void **state)
{
	struct prepared_cache *c = prepared_cache_new(100);
	struct cql_writer w = told(CQL_V4, V("id"), "k", CQL_T_INT, "k");

	(void)state;
	for (size_t n = 0; n < w.len; n++)
		assert_null(prepared_learn(c, CQL_V4, V("SELECT"), "", (struct cql_view){w.p, n}));
	out_free(&w);
	w = told(CQL_V4, (struct cql_view){0}, "k", CQL_T_INT, "k");
	assert_null(prepared_learn(c, CQL_V4, V("SELECT"), "", (struct cql_view){w.p, w.len}));
	out_free(&w);
	uint8_t longest[PREPARED_ID_MAX + 1] = {1};
	w = told(CQL_V4, (struct cql_view){longest, sizeof longest}, "k", CQL_T_INT, "k");
	assert_null(prepared_learn(c, CQL_V4, V("SELECT"), "", (struct cql_view){w.p, w.len}));
	out_free(&w);
	struct prepared *p = learn(c, CQL_V4, V("id"), "SELECT k FROM t WHERE k = ?");
	w = told(CQL_V4, V("other"), "k", CQL_T_INT, "k");
	for (size_t n = 0; n < w.len; n++)
		assert_int_equal(prepared_learn_target(p, (struct cql_view){w.p, n}), -EBADMSG);
	assert_null(prepared_target(p));
	out_free(&w);
	prepared_unref(p);
	prepared_cache_free(c);
}

static void test_target_s_side(void **state)
{
	static const struct {
		const char *bind;
		uint16_t type;
		const char *result;
		bool same_bind, same_result;
	} ROWS[] = {
		{"k", CQL_T_INT, "k", true, true}, {"k", CQL_T_BIGINT, "k", false, true},
		{"other", CQL_T_INT, "k", false, true}, {"k", CQL_T_INT, "v", true, false},
		{"k", CQL_T_INT, NULL, true, false},
		{"k", CQL_T_INT, "k", true, true}, /* it can become alike again */
	};

	(void)state;
	for (uint8_t v = CQL_V3; v <= CQL_V5; v++) {
		struct prepared_cache *c = prepared_cache_new(100);
		struct prepared *p = learn(c, v, V("id"), "SELECT k FROM t WHERE k = ?");
		for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
			struct cql_writer w =
				told(v, V("target's"), ROWS[i].bind, ROWS[i].type, ROWS[i].result);
			assert_int_equal(prepared_learn_target(p, (struct cql_view){w.p, w.len}), 0);
			const struct prepared_told *t = prepared_target(p);
			assert_int_equal(prepared_learn_target(p, (struct cql_view){w.p, w.len}), 0);
			assert_ptr_equal(t, prepared_target(p)); /* nothing new: nothing is kept */
			out_free(&w);
			assert_int_equal(t->id_n, 8);
			assert_memory_equal(t->id, "target's", 8);
			assert_int_equal(t->result_metadata_id_n, v >= CQL_V5 ? 4 : 0);
			assert_int_equal(t->same_bind, ROWS[i].same_bind);
			assert_int_equal(t->same_result, ROWS[i].same_result);
		}
		prepared_unref(p);
		prepared_cache_free(c);
	}
}

/* Two Target nodes that name it differently, as in an upgrade, and legs that ask them in turn. */
static void test_nodes_that_disagree(void **state)
{
	struct prepared_cache *c = prepared_cache_new(100);
	struct prepared *p = learn(c, CQL_V4, V("id"), "SELECT k FROM t WHERE k = ?");
	struct cql_writer one = told(CQL_V4, V("one"), "k", CQL_T_INT, "k"),
			  two = told(CQL_V4, V("two"), "k", CQL_T_INT, "k");
	unsigned kept = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		const struct cql_writer *w = i % 2 ? &two : &one;
		assert_int_equal(prepared_learn_target(p, (struct cql_view){w->p, w->len}), 0);
		assert_memory_equal(prepared_target(p)->id, i % 2 ? "two" : "one", 3);
	}
	for (const struct prepared_target *t = atomic_load(&p->targets); t; t = t->older)
		kept++;
	assert_int_equal(kept, 2);
	out_free(&one);
	out_free(&two);
	prepared_unref(p);
	prepared_cache_free(c);
}

static void test_bounded(void **state)
{
	struct prepared_cache *c = prepared_cache_new(50);
	char id[16];

	(void)state;
	struct prepared *held = learn(c, CQL_V4, V("held"), "SELECT k FROM t WHERE k = ?");
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof id, "id %d", i);
		prepared_unref(learn(c, CQL_V4, cql_view_of(id), "DELETE FROM t WHERE k = ?"));
		assert_in_range(prepared_count(c), 1, 50);
	}
	/* A reference outlives the eviction. */
	assert_string_equal(held->text, "SELECT k FROM t WHERE k = ?");
	prepared_unref(held);
	struct prepared *last = prepared_find(c, CQL_V4, cql_view_of(id));
	assert_non_null(last);
	prepared_unref(last);
	prepared_cache_free(c);
}

static void *user(void *arg)
{
	struct prepared_cache *c = arg;
	struct cql_writer a = told(CQL_V4, V("one"), "k", CQL_T_INT, "k");
	struct cql_writer b = told(CQL_V4, V("two"), "k", CQL_T_INT, "v");
	char id[16];

	for (int i = 0; i < 4000; i++) {
		snprintf(id, sizeof id, "id %d", i % 40);
		struct prepared *p = prepared_find(c, CQL_V4, cql_view_of(id));
		if (!p)
			p = learn(c, CQL_V4, cql_view_of(id), "DELETE FROM t WHERE k = ?");
		const struct cql_writer *w = i / 40 % 2 ? &a : &b;
		if (i % 7 == 0 && prepared_learn_target(p, (struct cql_view){w->p, w->len}))
			abort();
		const struct prepared_told *t = prepared_target(p);
		if (t && (t->id_n != 3 || !t->same_bind))
			abort();
		prepared_unref(p);
	}
	out_free(&a);
	out_free(&b);
	return NULL;
}

/* Four workers, a cache too small for them. */
static void test_threads(void **state)
{
	struct prepared_cache *c = prepared_cache_new(20);
	pthread_t t[4];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, user, c), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		pthread_join(t[i], NULL);
	assert_in_range(prepared_count(c), 1, 20);
	prepared_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learn_and_find),
		cmocka_unit_test(test_table_made_anew),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_target_s_side),
		cmocka_unit_test(test_nodes_that_disagree),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
