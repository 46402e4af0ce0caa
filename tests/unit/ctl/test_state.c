#include "ctl/state.h"
#include "ctl/when.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static char dir[] = "/tmp/seam-test-state-XXXXXX";

static void path_of(char out[128])
{
	snprintf(out, 128, "%s/state.json", dir);
}

static struct state *load(void)
{
	struct state *s = NULL;
	struct reason why;

	if (state_load(dir, &s, &why))
		fail_msg("%s", why.text);
	return s;
}

static void fill(struct state *s)
{
	struct state_app *a = state_app(s, "shop");

	a->phase = PHASES_DUAL_WRITE;
	a->has_phase = a->has_previous = a->mirrored = a->attached = a->forced = true;
	assert_int_equal(state_where(a, STATE_UNIT, "shop.service"), 0);
	assert_int_equal(state_gap_open(a, 1000000, "daemon down"), 0);
	assert_true(state_gap_close(a, 2000000));
	assert_int_equal(state_gap_open(a, 3000000, "not captured"), 0);
	assert_int_equal(state_flag(a, "ks.t", "failed_writes", 5000000), 1);
	assert_int_equal(state_flag(a, NULL, "opaque", 5000000), 1);
	assert_int_equal(state_force(s, "shop", "attach", "versions \"x\"", 7000000), 0);
	state_cluster(s, "new")->versions = 1u << 4 | 1u << 5;
}

static void survives(void **state)
{
	struct state *s = load();
	struct reason why;

	(void)state;
	assert_int_equal(s->n_apps, 0);
	fill(s);
	assert_int_equal(state_save(s, &why), 0);
	state_free(s);
	s = load();
	assert_int_equal(s->n_apps, 1);
	assert_true(s->alive > 0);
	const struct state_app *a = state_app(s, "shop");
	assert_int_equal(a->phase, PHASES_DUAL_WRITE);
	assert_int_equal(a->previous, PHASES_PASSTHROUGH);
	assert_true(
		a->has_phase && a->has_previous && a->mirrored && a->attached && a->forced && !a->detached);
	assert_int_equal(a->form, STATE_UNIT);
	assert_string_equal(a->where, "shop.service");
	assert_int_equal(a->n_gaps, 2);
	assert_int_equal(a->gaps[0].from, 1000000);
	assert_int_equal(a->gaps[0].to, 2000000);
	assert_string_equal(state_gap_current(a)->reason, "not captured");
	assert_int_equal(a->n_flags, 2);
	assert_string_equal(a->flags[0].table, "ks.t");
	assert_null(a->flags[1].table);
	assert_int_equal(state_cluster(s, "new")->versions, 1u << 4 | 1u << 5);
	assert_int_equal(s->n_forced, 1);
	assert_string_equal(s->forced[0].why, "versions \"x\"");
	state_free(s);
}

/* Cut at every byte: an error each time, never an empty state. */
static void truncation_is_an_error(void **state)
{
	char path[128], text[8192];
	struct reason why;
	struct state *s = load();

	(void)state;
	fill(s);
	assert_int_equal(state_save(s, &why), 0);
	state_free(s);
	path_of(path);
	FILE *f = fopen(path, "re");
	size_t n = fread(text, 1, sizeof text, f);
	fclose(f);
	assert_true(n > 100 && n < sizeof text);
	for (size_t cut = 0; cut < n; cut++) {
		f = fopen(path, "we");
		fwrite(text, 1, cut, f);
		fclose(f);
		s = NULL;
		assert_int_equal(state_load(dir, &s, &why), -EBADMSG);
		assert_null(s);
		assert_non_null(strstr(why.text, "damaged"));
	}
	unlink(path);
}

static void corruption_is_an_error(void **state)
{
	static const char *const rows[] = {
		"null",
		"[]",
		"{}",
		"{\"version\":2,\"alive\":null,\"apps\":{},\"clusters\":{},\"forced\":[]}",
		"{\"version\":1,\"alive\":\"yesterday\",\"apps\":{},\"clusters\":{},\"forced\":[]}",
		"{\"version\":1,\"alive\":null,\"apps\":{\"a\":{}},\"clusters\":{},\"forced\":[]}",
		"{\"version\":1,\"alive\":null,\"apps\":{},\"clusters\":{\"c\":1},\"forced\":[]}",
		"{\"version\":1,\"alive\":null,\"apps\":{},\"clusters\":{}}",
	};
	char path[128];
	struct reason why;

	(void)state;
	path_of(path);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct state *s = NULL;
		FILE *f = fopen(path, "we");
		fputs(rows[i], f);
		fclose(f);
		if (state_load(dir, &s, &why) != -EBADMSG)
			fail_msg("row %zu: %s", i, rows[i]);
	}
	unlink(path);
}

static void a_save_that_fails_keeps_the_former_file(void **state)
{
	char path[128], temporary[160];
	struct reason why;
	struct state *s = load();

	(void)state;
	fill(s);
	assert_int_equal(state_save(s, &why), 0);
	path_of(path);
	snprintf(temporary, sizeof temporary, "%s.new", path);
	assert_int_equal(mkdir(temporary, 0700), 0); /* in the way of the temporary file */
	state_app(s, "shop")->detached = true;
	assert_int_equal(state_save(s, &why), -EISDIR);
	assert_non_null(strstr(why.text, "cannot be written"));
	state_free(s);
	assert_int_equal(rmdir(temporary), 0);
	s = load();
	assert_false(state_app(s, "shop")->detached);
	state_free(s);
	unlink(path);
}

static void gaps(void **state)
{
	struct state_app a = {0};

	(void)state;
	assert_false(state_gap_close(&a, 5));
	assert_int_equal(state_gap_open(&a, 10, "x"), 0);
	assert_int_equal(state_gap_open(&a, 20, "y"), -EALREADY);
	assert_true(state_gap_close(&a, 30));
	assert_int_equal(state_gap_open(&a, 25, "z"), 0); /* overlaps: the same gap goes on */
	assert_int_equal(a.n_gaps, 1);
	assert_string_equal(a.gaps[0].reason, "x, z");
	assert_true(state_gap_close(&a, 40));
	for (int i = 1; i <= STATE_GAPS + 10; i++) {
		assert_int_equal(state_gap_open(&a, 100 * i, "x"), 0);
		assert_true(state_gap_close(&a, 100 * i + 1));
	}
	assert_int_equal(a.n_gaps, STATE_GAPS);
	assert_int_equal(a.gaps[0].from, 10); /* nothing that was a gap is lost */
	free(a.gaps);
}

static void flags_are_bounded(void **state)
{
	struct state_app a = {0};
	char table[32];

	(void)state;
	for (int i = 0; i < STATE_FLAGS; i++) {
		snprintf(table, sizeof table, "ks.t%d", i);
		assert_int_equal(state_flag(&a, table, "unmirrored", 1), 1);
		assert_int_equal(state_flag(&a, table, "unmirrored", 2), 0);
	}
	assert_int_equal(state_flag(&a, "ks.more", "unmirrored", 1), 1);
	assert_int_equal(state_flag(&a, "ks.more2", "unmirrored", 1), 0);
	assert_null(a.flags[a.n_flags - 1].table);
	for (size_t i = 0; i < a.n_flags; i++)
		free(a.flags[i].table);
	free(a.flags);
}

static void marks(void **state)
{
	struct reason why;

	(void)state;
	assert_int_equal(state_take_mark(dir, "shop"), 0);
	assert_int_equal(state_mark_detached(dir, "shop", &why), 0);
	assert_int_equal(state_take_mark(dir, "shop"), 1);
	assert_int_equal(state_take_mark(dir, "shop"), 0);
}

static void moments(void **state)
{
	char text[WHEN_TEXT];
	int64_t us = 0;

	(void)state;
	assert_string_equal(when_format(1767225600123456, text), "2026-01-01T00:00:00.123Z");
	assert_int_equal(when_parse(text, &us), 0);
	assert_int_equal(us, 1767225600123000);
	assert_int_equal(when_parse("2026-01-01", &us), -EINVAL);
	assert_int_equal(when_parse("2026-01-01T00:00:00.123Zx", &us), -EINVAL);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char path[128];

	(void)state;
	path_of(path);
	unlink(path);
	return rmdir(dir);
}

static int no_file(void **state)
{
	char path[128];

	(void)state;
	path_of(path);
	unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(survives, no_file),
		cmocka_unit_test(truncation_is_an_error),
		cmocka_unit_test(corruption_is_an_error),
		cmocka_unit_test(a_save_that_fails_keeps_the_former_file),
		cmocka_unit_test(gaps),
		cmocka_unit_test(flags_are_bounded),
		cmocka_unit_test(marks),
		cmocka_unit_test(moments),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
