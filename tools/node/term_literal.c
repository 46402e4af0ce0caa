/* Literals of native types (term.h). */
#include "term.h"
#include "moment.h"
#include "number.h"
#include "value.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int bad(const struct exec *x, const struct term *t, const struct type *type, const char *column)
{
	return problem_invalid(x->why, "Invalid %s constant (%s%.*s) for \"%s\" of type %s",
		t->kind == TERM_STRING   ? "STRING"
		: t->kind == TERM_NUMBER ? "INTEGER"
					 : "BOOLEAN",
		t->negative ? "-" : "", PV(t->text), column, type->name);
}

static struct cql_view bytes(const struct exec *x, int64_t v, size_t n)
{
	uint8_t b[8];

	value_put_i64(b, v);
	return arena_copy(x->a, (struct cql_view){b + 8 - n, n});
}

static bool all_digits(struct cql_view v)
{
	for (size_t i = 0; i < v.n; i++)
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
	return v.n > 0;
}

static bool integer(const struct term *t, int64_t *out)
{
	uint64_t v = 0;

	if (t->kind != TERM_NUMBER || !all_digits(t->text))
		return false;
	for (size_t i = 0; i < t->text.n; i++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, t->text.p[i] - '0', &v))
			return false;
	if (v > (uint64_t)INT64_MAX + t->negative)
		return false;
	*out = t->negative ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

static int small_integer(const struct exec *x, const struct term *t, const struct type *type,
	const char *column, size_t n, struct cql_view *out)
{
	int64_t v;

	if (!integer(t, &v) || (n < 8 && (v >> (8 * n - 1)) != 0 && (v >> (8 * n - 1)) != -1))
		return bad(x, t, type, column);
	*out = bytes(x, v, n);
	return 0;
}

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

static int blob(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_view *out)
{
	if (t->kind != TERM_NUMBER || t->text.n < 2 || t->text.n % 2 || (t->text.p[1] | 0x20) != 'x')
		return bad(x, t, type, column);
	size_t n = t->text.n / 2 - 1;
	uint8_t *p = arena_bytes(x->a, n);

	for (size_t i = 0; i < n; i++) {
		int h = hex_digit(t->text.p[2 + 2 * i]), l = hex_digit(t->text.p[3 + 2 * i]);

		if (h < 0 || l < 0)
			return bad(x, t, type, column);
		p[i] = (uint8_t)(h << 4 | l);
	}
	*out = (struct cql_view){p, n};
	return 0;
}

static int uuid(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_view *out)
{
	uint8_t *p = arena_alloc(x->a, 16);
	int n = 0;

	if (t->text.n != 36)
		return bad(x, t, type, column);
	for (size_t i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (t->text.p[i] != '-')
				return bad(x, t, type, column);
			continue;
		}
		int h = hex_digit(t->text.p[i]);

		if (h < 0)
			return bad(x, t, type, column);
		p[n / 2] |= (uint8_t)(n % 2 ? h : h << 4);
		n++;
	}
	*out = (struct cql_view){p, 16};
	return 0;
}

static int real(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_view *out)
{
	char text[512], *end;
	double d;
	float f;
	uint64_t bits;
	uint32_t b32;

	if (t->text.n >= sizeof(text) || (t->kind != TERM_NUMBER && t->kind != TERM_WORD) || !t->text.n ||
		(t->text.n > 1 && (t->text.p[1] | 0x20) == 'x'))
		return bad(x, t, type, column);
	memcpy(text, t->text.p, t->text.n);
	text[t->text.n] = 0;
	d = strtod(text, &end);
	f = strtof(text, &end);
	if (*end)
		return bad(x, t, type, column);
	if (t->negative)
		d = -d, f = -f;
	memcpy(&bits, &d, 8);
	memcpy(&b32, &f, 4);
	*out = type->id == CQL_T_FLOAT ? bytes(x, b32, 4) : bytes(x, (int64_t)bits, 8);
	return 0;
}

/* 12.50e3 → unscaled 1250, scale 2 - 3 */
static int decimal(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_view *out)
{
	uint8_t *digits = arena_bytes(x->a, t->text.n + 1);
	int64_t scale = 0;
	size_t n = 0, i = 0;

	if (t->kind != TERM_NUMBER || t->text.n > NUMBER_DIGITS)
		return bad(x, t, type, column);
	for (bool point = false; i < t->text.n && (t->text.p[i] | 0x20) != 'e'; i++) {
		if (t->text.p[i] == '.' && !point) {
			point = true;
			continue;
		}
		digits[n++] = t->text.p[i];
		scale += point;
	}
	if (i < t->text.n) {
		bool minus = i + 1 < t->text.n && t->text.p[i + 1] == '-';
		struct cql_view e = {t->text.p + i + 1, t->text.n - i - 1};

		if (e.n && (*e.p == '-' || *e.p == '+'))
			e.p++, e.n--;
		struct term exponent = {.kind = TERM_NUMBER, .text = e, .negative = minus};
		int64_t v;

		if (!integer(&exponent, &v) || v < -100000 || v > 100000)
			return bad(x, t, type, column);
		scale -= v;
	}
	if (!all_digits((struct cql_view){digits, n}))
		return bad(x, t, type, column);
	struct cql_view unscaled = number_parse((struct cql_view){digits, n}, t->negative, x->a);
	uint8_t *p = arena_bytes(x->a, 4 + unscaled.n);

	memcpy(p, bytes(x, scale, 4).p, 4);
	memcpy(p + 4, unscaled.p, unscaled.n);
	*out = (struct cql_view){p, 4 + unscaled.n};
	return 0;
}

static int moment(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_view *out)
{
	bool string = t->kind == TERM_STRING;
	struct moment_duration d;
	int64_t v = 0;
	uint32_t days;

	if (type->id == CQL_T_DURATION) {
		uint8_t *p = arena_bytes(x->a, 27);

		if (t->kind != TERM_NUMBER || !moment_duration(t->text, t->negative, &d))
			return bad(x, t, type, column);
		*out = (struct cql_view){p, moment_duration_write(&d, p)};
		return 0;
	}
	if (type->id == CQL_T_DATE) {
		if (string ? !moment_date(t->text, &days) : !integer(t, &v) || v < 0 || v > UINT32_MAX)
			return bad(x, t, type, column);
		*out = bytes(x, string ? (int64_t)days : v, 4);
		return 0;
	}
	if (string ? !(type->id == CQL_T_TIME ? moment_time(t->text, &v) : moment_timestamp(t->text, &v))
		   : !integer(t, &v))
		return bad(x, t, type, column);
	if (type->id == CQL_T_TIME && (v < 0 || v >= 86400000000000))
		return bad(x, t, type, column);
	*out = bytes(x, v, 8);
	return 0;
}

static int inet(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_view *out)
{
	char *text = arena_text(x->a, t->text);
	uint8_t *p = arena_bytes(x->a, 16);

	if (t->kind != TERM_STRING)
		return bad(x, t, type, column);
	if (inet_pton(AF_INET, text, p) == 1)
		*out = (struct cql_view){p, 4};
	else if (inet_pton(AF_INET6, text, p) == 1)
		*out = (struct cql_view){p, 16};
	else
		return bad(x, t, type, column);
	return 0;
}

int term_literal(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_view *out)
{
	switch ((int)type->id) {
	case CQL_T_ASCII:
	case CQL_T_VARCHAR:
		*out = t->text;
		return t->kind == TERM_STRING ? 0 : bad(x, t, type, column);
	case CQL_T_TINYINT:
		return small_integer(x, t, type, column, 1, out);
	case CQL_T_SMALLINT:
		return small_integer(x, t, type, column, 2, out);
	case CQL_T_INT:
		return small_integer(x, t, type, column, 4, out);
	case CQL_T_BIGINT:
	case CQL_T_COUNTER:
		return small_integer(x, t, type, column, 8, out);
	case CQL_T_VARINT:
		if (t->kind != TERM_NUMBER || !all_digits(t->text) || t->text.n > NUMBER_DIGITS)
			return bad(x, t, type, column);
		*out = number_parse(t->text, t->negative, x->a);
		return 0;
	case CQL_T_DECIMAL:
		return decimal(x, t, type, column, out);
	case CQL_T_FLOAT:
	case CQL_T_DOUBLE:
		return real(x, t, type, column, out);
	case CQL_T_BOOLEAN:
		if (t->kind != TERM_WORD || (!cql_view_is(t->text, "true") && !cql_view_is(t->text, "false")))
			return bad(x, t, type, column);
		*out = bytes(x, cql_view_is(t->text, "true"), 1);
		return 0;
	case CQL_T_BLOB:
		return blob(x, t, type, column, out);
	case CQL_T_UUID:
	case CQL_T_TIMEUUID:
		return uuid(x, t, type, column, out);
	case CQL_T_INET:
		return inet(x, t, type, column, out);
	default:
		return moment(x, t, type, column, out);
	}
}
