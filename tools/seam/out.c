#include "cli.h"

#include <stdio.h>
#include <string.h>

struct out_table {
	unsigned columns;
	size_t cells;
	char **text;
};

struct out_table *out_table(const char *const *heads, unsigned columns)
{
	struct out_table *t = calloc(1, sizeof *t);

	if (!t)
		abort();
	t->columns = columns;
	for (unsigned i = 0; i < columns; i++)
		out_cell(t, heads[i]);
	return t;
}

void out_cell(struct out_table *t, const char *text)
{
	char **more = reallocarray(t->text, t->cells + 1, sizeof *more);

	if (!more || !(more[t->cells] = strdup(text)))
		abort();
	t->text = more;
	t->cells++;
}

/* How wide it looks: colour takes no room, and neither do UTF-8's continuation bytes. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++) {
		if (*s == '\033')
			s = strchr(s, 'm') ? strchr(s, 'm') : s;
		else
			n += ((unsigned char)*s & 0xc0) != 0x80;
	}
	return n;
}

void out_print(struct out_table *t)
{
	for (size_t i = 0; i < t->cells; i++) {
		size_t column = i % t->columns;
		int widest = 0;
		for (size_t j = column; j < t->cells; j += t->columns)
			widest = width(t->text[j]) > widest ? width(t->text[j]) : widest;
		bool last = column + 1 == t->columns;
		printf("%s%*s", t->text[i], last ? 0 : widest - width(t->text[i]) + 2, "");
		if (last)
			putchar('\n');
	}
	for (size_t i = 0; i < t->cells; i++)
		free(t->text[i]);
	free(t->text);
	free(t);
}

void out_json(const json_t *j)
{
	json_dumpf(j ? j : json_null(), stdout, JSON_COMPACT | JSON_ENCODE_ANY);
	putchar('\n');
}

const char *out_tone(enum out_tone tone, const char *text)
{
	static const char *const codes[] = {
		[OUT_GOOD] = "32", [OUT_WARN] = "33", [OUT_BAD] = "31", [OUT_PLAIN] = "0"};
	static char buffers[8][256];
	static unsigned turn;
	const char *no = getenv("NO_COLOR");

	if (tone == OUT_PLAIN || !isatty(STDOUT_FILENO) || (no && *no))
		return text;
	char *out = buffers[turn++ % 8];
	snprintf(out, sizeof buffers[0], "\033[%sm%s\033[0m", codes[tone], text);
	return out;
}

const char *out_text(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "-";
}

long long out_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void put_numbers(const char *title, const json_t *object)
{
	const char *key;
	json_t *v;

	printf("  %-12s", title);
	json_object_foreach ((json_t *)object, key, v)
		if (json_is_integer(v))
			printf(" %s %lld", key, (long long)json_integer_value(v));
		else
			printf(" %s", json_string_value(v) ? json_string_value(v) : "-");
	putchar('\n');
}

void out_app(const json_t *app)
{
	static const char *const groups[] = {"connections", "sessions", "requests", "unmirrored", "target"};
	const char *state = out_text(app, "state");
	const json_t *reason = json_object_get(app, "reason");
	size_t i;
	json_t *v;

	printf("%s  %s  %s, authority %s\n", out_text(app, "name"),
		out_tone(!strcmp(state, "attached")  ? OUT_GOOD
			 : !strcmp(state, "refused") ? OUT_BAD
						     : OUT_WARN,
			state),
		out_text(app, "phase"), out_text(app, "authority"));
	if (reason)
		printf("  %-12s %s\n", "reason", json_string_value(reason));
	json_array_foreach (json_object_get(app, "cgroups"), i, v)
		printf("  %-12s %s\n", "cgroup", json_string_value(v));
	for (i = 0; i < ARRAY_LEN(groups); i++)
		put_numbers(groups[i], json_object_get(app, groups[i]));
	json_array_foreach (json_object_get(app, "gaps"), i, v)
		printf("  %-12s %s to %s (%s)\n", out_tone(OUT_BAD, "gap"), out_text(v, "from"),
			json_is_null(json_object_get(v, "to")) ? "now" : out_text(v, "to"),
			out_text(v, "reason"));
	json_array_foreach (json_object_get(app, "flagged"), i, v)
		printf("  %-12s %s: %s since %s\n", out_tone(OUT_WARN, "flag"),
			json_is_null(json_object_get(v, "table")) ? "whole app" : out_text(v, "table"),
			out_text(v, "reason"), out_text(v, "since"));
}
