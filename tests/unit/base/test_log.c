#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What one call writes to stderr. */
static char out[65536];

static FILE *capture_begin(int *saved)
{
	FILE *f = tmpfile();

	*saved = dup(STDERR_FILENO);
	dup2(fileno(f), STDERR_FILENO);
	return f;
}

static void capture_end(FILE *f, int saved)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(f);
	out[fread(out, 1, sizeof out - 1, f)] = 0;
	fclose(f);
}

static unsigned count_lines(void)
{
	unsigned n = 0;

	for (const char *p = out; (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

static void logfmt_line(void **state)
{
	int saved;
	FILE *f = capture_begin(&saved);

	(void)state;
	log_setup(LOG_LOGFMT, LOG_INFO);
	log_debug("hidden", "a=%d", 1);
	log_info("attached", "app=%s error=" LOGV, "shop", log_quote("no \"such\" thing"));
	log_info("ready", NULL);
	capture_end(f, saved);
	assert_int_equal(count_lines(), 2);
	assert_int_equal(strncmp(out, "ts=20", 5), 0);
	assert_non_null(strstr(out, "Z level=info msg=attached app=shop error=\"no \\\"such\\\" thing\"\n"));
	assert_non_null(strstr(out, "level=info msg=ready\n"));
}

static void json_line(void **state)
{
	int saved;
	FILE *f = capture_begin(&saved);

	(void)state;
	log_setup(LOG_JSON, LOG_INFO);
	log_warn("x", "app=%s n=%d at=%s v=%s ok=true error=" LOGV, "shop", 12, "1.2.3.4:9042", "007",
		log_quote("a b\nc"));
	log_setup(LOG_LOGFMT, LOG_INFO);
	capture_end(f, saved);
	assert_non_null(strstr(out, "\"level\":\"warn\",\"msg\":\"x\",\"app\":\"shop\",\"n\":12,\"at\":\"1.2."
				    "3.4:9042\",\"v\":\"007\",\"ok\":true,"
				    "\"error\":\"a b\\nc\"}\n"));
	assert_int_equal(strncmp(out, "{\"ts\":\"20", 9), 0);
}

static void quoting(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{"plain-1.2:3", "plain-1.2:3"},
		{"", "\"\""},
		{"a b", "\"a b\""},
		{"k=v", "\"k=v\""},
		{"tab\t", "\"tab\\t\""},
		{"\x01", "\"\\u0001\""},
		{"back\\slash", "\"back\\\\slash\""},
		{"\xc3\xa4", "\"\xc3\xa4\""},
		{"\xff\xc3", "\"\\ufffd\\ufffd\""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(log_quote(rows[i].in), rows[i].want);
}

static void an_overlong_line_is_cut_not_split(void **state)
{
	static char big[3 * LOG_LINE_MAX];
	int saved;
	FILE *f = capture_begin(&saved);

	(void)state;
	memset(big, 'a', sizeof big - 1);
	big[7] = '\n';
	log_info("big", "v=%s", big);
	log_setup(LOG_JSON, LOG_INFO);
	log_info("big", "v=" LOGV, log_quote(big));
	log_setup(LOG_LOGFMT, LOG_INFO);
	capture_end(f, saved);
	assert_int_equal(count_lines(), 2);
	assert_true(strlen(out) <= 2 * LOG_LINE_MAX);
	assert_string_equal(out + strlen(out) - 3, "\"}\n");
}

static void journal_priority(void **state)
{
	struct stat st;
	char stream[64];
	int saved;
	FILE *f = capture_begin(&saved);

	(void)state;
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_setup(LOG_LOGFMT, LOG_INFO);
	log_error("bad", NULL);
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_setup(LOG_LOGFMT, LOG_INFO);
	log_error("bad", NULL);
	unsetenv("JOURNAL_STREAM");
	capture_end(f, saved);
	assert_int_equal(strncmp(out, "<3>ts=", 6), 0);
	assert_int_equal(strncmp(strchr(out, '\n'), "\nts=", 4), 0);
}

static void a_flood_of_one_event_is_limited(void **state)
{
	int saved;
	FILE *f = capture_begin(&saved);

	(void)state;
	for (int i = 0; i < 100; i++)
		log_warn("flood", "i=%d", i);
	log_warn("other", NULL);
	capture_end(f, saved);
	assert_int_equal(count_lines(), 21);
	assert_non_null(strstr(out, "msg=other"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logfmt_line),
		cmocka_unit_test(json_line),
		cmocka_unit_test(quoting),
		cmocka_unit_test(an_overlong_line_is_cut_not_split),
		cmocka_unit_test(journal_priority),
		cmocka_unit_test(a_flood_of_one_event_is_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
