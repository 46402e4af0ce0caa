#include "moment.h"
#include <stdio.h>
#include <string.h>

/* Days since 1970-01-01 in the proleptic Gregorian calendar, counted from March so that the leap day comes last. */
static int64_t days_of(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
	int64_t day = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + day - 719468;
}

void moment_date_format(uint32_t days, char out[40])
{
	int64_t z = (int64_t)days - (1ll << 31) + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097, yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t d = doy - (153 * mp + 2) / 5 + 1, m = mp < 10 ? mp + 3 : mp - 9;

	snprintf(out, 40, "%04lld-%02lld-%02lld", (long long)(yoe + era * 400 + (m <= 2)), (long long)m,
		(long long)d);
}

/* Exactly `width` digits (0: one to 18). */
static bool digits(struct cql_view *t, size_t width, int64_t *out)
{
	size_t i = 0;

	for (*out = 0; i < t->n && i < (width ? width : 18) && t->p[i] >= '0' && t->p[i] <= '9'; i++)
		*out = *out * 10 + (t->p[i] - '0');
	t->p += i;
	t->n -= i;
	return width ? i == width : i > 0;
}

static bool take(struct cql_view *t, char c)
{
	if (t->n == 0 || t->p[0] != (uint8_t)c)
		return false;
	t->p++;
	t->n--;
	return true;
}

static bool ymd(struct cql_view *t, int64_t *days)
{
	bool minus = take(t, '-');
	int64_t y, m, d;

	if (!digits(t, 0, &y) || !take(t, '-') || !digits(t, 2, &m) || !take(t, '-') || !digits(t, 2, &d) ||
		m < 1 || m > 12 || d < 1 || d > 31)
		return false;
	*days = days_of(minus ? -y : y, (int)m, (int)d);
	return true;
}

static bool hms(struct cql_view *t, int64_t *ns, bool seconds_optional)
{
	int64_t h, m, s = 0, frac = 0;

	if (!digits(t, 2, &h) || !take(t, ':') || !digits(t, 2, &m) || h > 23 || m > 59)
		return false;
	if (take(t, ':')) {
		if (!digits(t, 2, &s) || s > 59)
			return false;
		if (take(t, '.')) {
			size_t before = t->n;

			if (!digits(t, 0, &frac) || before - t->n > 9)
				return false;
			for (size_t k = before - t->n; k < 9; k++)
				frac *= 10;
		}
	} else if (!seconds_optional) {
		return false;
	}
	*ns = ((h * 60 + m) * 60 + s) * 1000000000 + frac;
	return true;
}

bool moment_timestamp(struct cql_view t, int64_t *ms)
{
	int64_t days, ns = 0, oh = 0, om = 0;

	if (!ymd(&t, &days))
		return false;
	if (take(&t, 'T') || take(&t, 't') || (t.n > 1 && take(&t, ' ')))
		if (!hms(&t, &ns, true))
			return false;
	take(&t, ' ');
	if (!take(&t, 'Z') && !take(&t, 'z') && t.n) {
		bool minus = t.p[0] == '-';

		if (!take(&t, '+') && !take(&t, '-'))
			return false;
		if (!digits(&t, 2, &oh) || (take(&t, ':'), t.n && !digits(&t, 2, &om)))
			return false;
		if (minus)
			oh = -oh, om = -om;
	}
	*ms = days * 86400000 + ns / 1000000 - (oh * 60 + om) * 60000;
	return t.n == 0;
}

bool moment_date(struct cql_view t, uint32_t *out)
{
	int64_t days;

	if (!ymd(&t, &days) || t.n)
		return false;
	*out = (uint32_t)(days + (1ll << 31));
	return true;
}

bool moment_time(struct cql_view t, int64_t *ns)
{
	return hms(&t, ns, false) && t.n == 0;
}

bool moment_duration(struct cql_view t, bool negative, struct moment_duration *out)
{
	static const struct {
		const char *unit;
		int64_t months, days, ns;
	} units[] = {{"mo", 1, 0, 0}, {"ms", 0, 0, 1000000}, {"us", 0, 0, 1000}, {"\xc2\xb5s", 0, 0, 1000},
		{"ns", 0, 0, 1}, {"y", 12, 0, 0}, {"w", 0, 7, 0}, {"d", 0, 1, 0}, {"h", 0, 0, 3600000000000},
		{"m", 0, 0, 60000000000}, {"s", 0, 0, 1000000000}};
	int64_t months = 0, days = 0, ns = 0, n, sign = negative ? -1 : 1;

	if (t.n == 0)
		return false;
	while (t.n) {
		size_t u = 0, len = 0;

		if (!digits(&t, 0, &n))
			return false;
		for (; u < sizeof(units) / sizeof(units[0]); u++) {
			len = strlen(units[u].unit);
			if (t.n >= len && cql_view_is_word((struct cql_view){t.p, len}, units[u].unit))
				break;
		}
		if (u == sizeof(units) / sizeof(units[0]))
			return false;
		t.p += len;
		t.n -= len;
		months += n * units[u].months;
		days += n * units[u].days;
		if (__builtin_mul_overflow(n, units[u].ns, &n) || __builtin_add_overflow(ns, n, &ns))
			return false;
	}
	if (months > INT32_MAX || days > INT32_MAX)
		return false;
	*out = (struct moment_duration){(int32_t)(months * sign), (int32_t)(days * sign), ns * sign};
	return true;
}

/* Cassandra's vint: as many leading ones in the first byte as bytes follow, then big-endian. */
static bool vint_read(struct cql_view *v, int64_t *out)
{
	if (v->n == 0)
		return false;
	size_t more = v->p[0] == 0xff ? 8 : (size_t)__builtin_clz((uint32_t)(uint8_t)~v->p[0]) - 24;
	uint64_t x = more >= 7 ? 0 : v->p[0] & (0xffu >> (more + 1));

	if (v->n < more + 1)
		return false;
	for (size_t i = 1; i <= more; i++)
		x = x << 8 | v->p[i];
	v->p += more + 1;
	v->n -= more + 1;
	*out = (int64_t)(x >> 1) ^ -(int64_t)(x & 1);
	return true;
}

static size_t vint_write(uint8_t *p, int64_t value)
{
	uint64_t x = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
	size_t more = 0;

	while (more < 8 && x >> (7 * (more + 1)))
		more++;
	for (size_t i = more + 1; i-- > 0; x >>= 8)
		p[i] = (uint8_t)x;
	p[0] |= (uint8_t) ~(0xffu >> more);
	return more + 1;
}

bool moment_duration_read(struct cql_view v, struct moment_duration *out)
{
	int64_t m, d, n;

	if (!vint_read(&v, &m) || !vint_read(&v, &d) || !vint_read(&v, &n) || v.n)
		return false;
	*out = (struct moment_duration){(int32_t)m, (int32_t)d, n};
	return true;
}

size_t moment_duration_write(const struct moment_duration *d, uint8_t out[27])
{
	size_t n = vint_write(out, d->months);

	n += vint_write(out + n, d->days);
	return n + vint_write(out + n, d->nanoseconds);
}
