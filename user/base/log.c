#include "base/log.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define WINDOW_NS    (10 * UINT64_C(1000000000))
#define WINDOW_LINES 20
#define KEYS         256 /* more events than this: the newcomers are not limited */
#define QUOTED_MAX   1024

/* One event's window. `key` is a copy: the caller's text may live on its stack. */
struct window {
	char key[48];
	uint64_t since;
	unsigned lines, left_out;
};

static struct {
	pthread_mutex_t lock;
	enum log_format format;
	enum log_level level;
	bool journal;
	struct window windows[KEYS];
	unsigned n_windows;
} the = {.lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_INFO};

static const char *const LEVELS[] = {"debug", "info", "warn", "error"};
static const int PRIORITY[] = {7, 6, 4, 3}; /* sd-daemon(3) */

struct line {
	char text[LOG_LINE_MAX];
	size_t n;
};

static void put(struct line *l, const char *text, size_t n)
{
	size_t room = sizeof l->text - 1 - l->n; /* one byte is kept for the newline */

	if (n > room)
		n = room;
	memcpy(l->text + l->n, text, n);
	l->n += n;
}

static void put_text(struct line *l, const char *text)
{
	put(l, text, strlen(text));
}

/* systemd sets JOURNAL_STREAM to the journal's socket for services; children with another stderr inherit it (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == dev && st.st_ino == ino;
}

void log_setup(enum log_format format, enum log_level level)
{
	pthread_mutex_lock(&the.lock);
	the.format = format;
	the.level = level;
	the.journal = stderr_is_journal();
	pthread_mutex_unlock(&the.lock);
}

/* Bytes of the UTF-8 sequence at `s`, 0 if it is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] < 0x80             ? 1
		   : (s[0] & 0xe0) == 0xc0 ? 2
		   : (s[0] & 0xf0) == 0xe0 ? 3
		   : (s[0] & 0xf8) == 0xf0 ? 4
					   : 0;

	if (s[0] == 0xc0 || s[0] == 0xc1 || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

/* Appends `value` with JSON's escapes, cut to fit. Returns the length; `out` is not terminated. */
static size_t escape(const char *value, size_t length, char *out, size_t size)
{
	size_t n = 0;

	for (const char *p = value, *end = value + length; p < end && n + 8 < size;) {
		unsigned char c = (unsigned char)*p;
		size_t u = utf8_length((const unsigned char *)p);

		if (c == '"' || c == '\\')
			n += (size_t)sprintf(out + n, "\\%c", c);
		else if (c == '\n' || c == '\t' || c == '\r')
			n += (size_t)sprintf(out + n, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
		else if (c < 0x20 || c == 0x7f)
			n += (size_t)sprintf(out + n, "\\u%04x", c);
		else if (!u)
			n += (size_t)sprintf(out + n, "\\ufffd");
		else
			for (size_t i = 0; i < u; i++)
				out[n++] = p[i];
		p += u ? u : 1;
	}
	return n;
}

const char *log_quote(const char *value)
{
	static _Thread_local char buffers[8][QUOTED_MAX];
	static _Thread_local unsigned turn;
	char *out = buffers[turn++ % 8];
	bool plain = *value;

	for (const char *p = value; *p && plain; p++)
		plain = (unsigned char)*p > ' ' && (unsigned char)*p < 0x7f && !strchr("\"=\\", *p);
	if (plain && strlen(value) < QUOTED_MAX) {
		strcpy(out, value);
		return out;
	}
	out[0] = '"';
	size_t n = 1 + escape(value, strlen(value), out + 1, QUOTED_MAX - 3);
	out[n] = '"';
	out[n + 1] = 0;
	return out;
}

static bool bare_json(const char *v, size_t n)
{
	if ((n == 4 && !memcmp(v, "true", 4)) || (n == 5 && !memcmp(v, "false", 5)))
		return true;
	if (n == 0 || n > 15 || (v[0] == '0' && n > 1 && v[1] != '.'))
		return false;
	size_t digits = strspn(v, "0123456789");
	if (digits && digits < n && v[digits] == '.') {
		size_t more = strspn(v + digits + 1, "0123456789");
		return more && digits + 1 + more == n;
	}
	return digits == n;
}

/* `key=value` pairs to members of an object. A quoted value has JSON's escapes already. */
static void put_pairs_json(struct line *l, const char *p)
{
	char buf[QUOTED_MAX];

	while (*(p += strspn(p, " "))) {
		size_t k = strcspn(p, "= ");
		const char *v = p + k + (p[k] == '=');
		size_t n = 0;

		put_text(l, ",\"");
		put(l, p, k);
		put_text(l, "\":");
		if (*v == '"') {
			for (n = 1; v[n] && v[n] != '"'; n++)
				n += v[n] == '\\' && v[n + 1];
			put(l, v, n);
			put_text(l, "\"");
			n += v[n] == '"';
		} else if (p[k] == '=') {
			n = strcspn(v, " ");
			bool bare = bare_json(v, n);
			put_text(l, bare ? "" : "\"");
			if (bare)
				put(l, v, n);
			else
				put(l, buf, escape(v, n, buf, sizeof buf));
			put_text(l, bare ? "" : "\"");
		} else {
			put_text(l, "true");
		}
		p = v + n;
	}
}

static void emit(enum log_level level, const char *msg, const char *pairs)
{
	struct line l = {.n = 0};
	char head[160], ts[40];
	int64_t now = clock_wall_us();
	time_t s = now / 1000000;
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(ts, sizeof ts, "%Y-%m-%dT%H:%M:%S", &tm);
	if (the.journal)
		put(&l, head, (size_t)snprintf(head, sizeof head, "<%d>", PRIORITY[level]));
	if (the.format == LOG_JSON) {
		snprintf(head, sizeof head, "{\"ts\":\"%s.%06dZ\",\"level\":\"%s\",\"msg\":\"%.64s\"", ts,
			(int)(now % 1000000), LEVELS[level], msg);
		put_text(&l, head);
		put_pairs_json(&l, pairs);
		if (l.n > sizeof l.text - 2)
			l.n = sizeof l.text - 2;
		put_text(&l, "}");
	} else {
		snprintf(head, sizeof head, "ts=%s.%06dZ level=%s msg=%.64s", ts, (int)(now % 1000000),
			LEVELS[level], msg);
		put_text(&l, head);
		put_text(&l, *pairs ? " " : "");
		for (const char *p = pairs; *p; p++) /* a stray newline must not forge a second line */
			put(&l, (unsigned char)*p < ' ' ? " " : p, 1);
	}
	l.text[l.n++] = '\n';
	while (write(STDERR_FILENO, l.text, l.n) < 0 &&
		errno == EINTR) /* nowhere to report a failure of the log itself */
		;
}

static void report_left_out(uint64_t now)
{
	for (unsigned i = 0; i < the.n_windows; i++) {
		struct window *w = &the.windows[i];
		char pairs[96];

		if (!w->left_out || now - w->since < WINDOW_NS)
			continue;
		snprintf(pairs, sizeof pairs, "of=%s lines=%u", w->key, w->left_out);
		w->left_out = 0;
		emit(LOG_WARN, "left_out", pairs);
	}
}

static bool admit(const char *msg, uint64_t now)
{
	struct window *w = NULL;

	for (unsigned i = 0; i < the.n_windows && !w; i++)
		if (!strncmp(the.windows[i].key, msg, sizeof the.windows[i].key - 1))
			w = &the.windows[i];
	if (!w) {
		if (the.n_windows == KEYS)
			return true;
		w = &the.windows[the.n_windows++];
		snprintf(w->key, sizeof w->key, "%s", msg);
		w->since = now;
	}
	if (now - w->since >= WINDOW_NS) {
		w->since = now;
		w->lines = 0;
	}
	if (w->lines++ < WINDOW_LINES)
		return true;
	w->left_out++;
	return false;
}

void log_line(enum log_level level, const char *msg, const char *fmt, ...)
{
	char pairs[LOG_LINE_MAX] = "";
	va_list ap;

	if (level < the.level)
		return;
	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(pairs, sizeof pairs, fmt, ap);
		va_end(ap);
	}
	uint64_t now = clock_mono_ns();
	pthread_mutex_lock(&the.lock);
	report_left_out(now);
	if (admit(msg, now))
		emit(level, msg, pairs);
	pthread_mutex_unlock(&the.lock);
}

void log_flush(void)
{
	pthread_mutex_lock(&the.lock);
	report_left_out(clock_mono_ns());
	pthread_mutex_unlock(&the.lock);
}
