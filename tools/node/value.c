#include "value.h"
#include <errno.h>
#include <math.h>
#include <string.h>

int64_t value_i64(struct cql_view v)
{
	uint64_t x = v.n && v.p[0] & 0x80 ? UINT64_MAX : 0;

	for (size_t i = 0; i < v.n; i++)
		x = x << 8 | v.p[i];
	return (int64_t)x;
}

void value_put_i64(uint8_t out[8], int64_t v)
{
	for (int i = 7; i >= 0; i--, v >>= 8)
		out[i] = (uint8_t)v;
}

static double as_double(const struct type *t, struct cql_view v)
{
	int64_t bits = value_i64(v);
	double d;

	if (t->id == CQL_T_FLOAT) {
		uint32_t b32 = (uint32_t)bits;
		float f;

		memcpy(&f, &b32, 4);
		return (double)f;
	}
	memcpy(&d, &bits, 8);
	return d;
}

int value_compare_bytes(struct cql_view a, struct cql_view b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

uint32_t value_count(struct cql_view v)
{
	return v.n < 4 ? 0 : (uint32_t)value_i64((struct cql_view){v.p, 4});
}

/* One [bytes] at v.p + *at, which moves behind it. */
bool value_component(struct cql_view v, size_t *at, struct cql_value *out)
{
	size_t left = v.n - *at;

	if (left < 4)
		return false;
	int32_t n = (int32_t)value_i64((struct cql_view){v.p + *at, 4});
	if (n < 0) {
		*out = (struct cql_value){.state = CQL_VALUE_NULL};
		*at += 4;
		return true;
	}
	if (left - 4 < (size_t)n)
		return false;
	*out = (struct cql_value){.view = {v.p + *at + 4, (size_t)n}};
	*at += 4 + (size_t)n;
	return true;
}

bool value_element(struct cql_view v, size_t *at, struct cql_value *out)
{
	if (v.n < 4)
		return false;
	return value_component((struct cql_view){v.p + 4, v.n - 4}, at, out);
}

static int compare_double(double a, double b)
{
	if (isnan(a) || isnan(b)) /* Java's order: NaN is the greatest */
		return isnan(a) - isnan(b);
	return (a > b) - (a < b);
}

static int compare_varint(struct cql_view a, struct cql_view b)
{
	bool na = a.n && a.p[0] & 0x80, nb = b.n && b.p[0] & 0x80;

	if (na != nb)
		return na ? -1 : 1;
	while (a.n > 1 && a.p[0] == (na ? 0xff : 0) && (a.p[1] & 0x80) == (na ? 0x80 : 0))
		a.p++, a.n--;
	while (b.n > 1 && b.p[0] == (nb ? 0xff : 0) && (b.p[1] & 0x80) == (nb ? 0x80 : 0))
		b.p++, b.n--;
	if (a.n != b.n)
		return (a.n > b.n) == na ? -1 : 1;
	return a.n ? memcmp(a.p, b.p, a.n) : 0;
}

/* As long doubles: unlike Cassandra's it cannot tell decimals apart that differ beyond 18 digits. */
static int compare_decimal(struct cql_view a, struct cql_view b)
{
	long double x[2];
	const struct cql_view *v[2] = {&a, &b};

	for (int i = 0; i < 2; i++) {
		int64_t scale = value_i64((struct cql_view){v[i]->p, 4});

		x[i] = v[i]->p[4] & 0x80 ? -1 : 0;
		for (size_t k = 4; k < v[i]->n; k++)
			x[i] = x[i] * 256 + v[i]->p[k];
		for (; scale > 0 && x[i] != 0; scale--)
			x[i] /= 10;
		for (; scale < 0 && x[i] != 0 && !isinf(x[i]); scale++)
			x[i] *= 10;
	}
	return (x[0] > x[1]) - (x[0] < x[1]);
}

/* The 60 bits of time of a version 1 uuid, in their order. */
static uint64_t uuid_time(const uint8_t *p)
{
	uint64_t high = (uint64_t)(p[6] & 0x0f) << 8 | p[7];

	return high << 48 | (uint64_t)p[4] << 40 | (uint64_t)p[5] << 32 | (uint64_t)p[0] << 24 |
	       (uint64_t)p[1] << 16 | (uint64_t)p[2] << 8 | p[3];
}

/* UUIDType: by version, version 1 by time, then bytes. TimeUUIDType: by time, then the other half as signed bytes. */
static int compare_uuid(const struct type *t, struct cql_view a, struct cql_view b)
{
	int va = a.p[6] >> 4, vb = b.p[6] >> 4;

	if (t->id == CQL_T_UUID && va != vb)
		return va - vb;
	if (t->id == CQL_T_UUID && va != 1)
		return memcmp(a.p, b.p, 16);
	uint64_t ta = uuid_time(a.p), tb = uuid_time(b.p);

	if (ta != tb)
		return ta < tb ? -1 : 1;
	if (t->id == CQL_T_UUID)
		return memcmp(a.p + 8, b.p + 8, 8);
	for (int i = 8; i < 16; i++)
		if (a.p[i] != b.p[i])
			return (int8_t)a.p[i] - (int8_t)b.p[i];
	return 0;
}

static int compare_elements(const struct type *t, struct cql_view a, struct cql_view b)
{
	size_t at = 0, bt = 0;
	struct cql_value x, y;

	for (uint32_t i = 0;; i++) {
		bool ha = t->id == CQL_T_TUPLE ? value_component(a, &at, &x) : value_element(a, &at, &x);
		bool hb = t->id == CQL_T_TUPLE ? value_component(b, &bt, &y) : value_element(b, &bt, &y);

		if (!ha || !hb)
			return ha - hb;
		if (x.state || y.state) {
			if (x.state != y.state)
				return x.state ? -1 : 1;
			continue;
		}
		int c = value_compare(t->sub[t->id == CQL_T_TUPLE  ? i % t->n
					      : t->id == CQL_T_MAP ? i % 2
								   : 0],
			x.view, y.view);

		if (c)
			return c;
	}
}

int value_compare(const struct type *t, struct cql_view a, struct cql_view b)
{
	if (a.n == 0 || b.n == 0) /* empty values stand first in every type */
		return (a.n > 0) - (b.n > 0);
	switch ((int)t->id) {
	case CQL_T_BIGINT:
	case CQL_T_INT:
	case CQL_T_SMALLINT:
	case CQL_T_TINYINT:
	case CQL_T_TIMESTAMP:
	case CQL_T_TIME:
	case CQL_T_COUNTER: {
		int64_t x = value_i64(a), y = value_i64(b);

		return (x > y) - (x < y);
	}
	case CQL_T_FLOAT:
	case CQL_T_DOUBLE:
		return compare_double(as_double(t, a), as_double(t, b));
	case CQL_T_VARINT:
		return compare_varint(a, b);
	case CQL_T_DECIMAL:
		return compare_decimal(a, b);
	case CQL_T_UUID:
	case CQL_T_TIMEUUID:
		return compare_uuid(t, a, b);
	case CQL_T_LIST:
	case CQL_T_SET:
	case CQL_T_MAP:
	case CQL_T_TUPLE:
		return compare_elements(t, a, b);
	default: /* ascii, text, blob, boolean, inet, date (unsigned) */
		return value_compare_bytes(a, b);
	}
}

static _Thread_local const struct type *sorting; /* qsort() passes nothing on */
static int by_value(const void *a, const void *b)
{
	return value_compare(sorting, *(const struct cql_view *)a, *(const struct cql_view *)b);
}

/* Sort n items of `step` views each by the first; of equal ones the last stays (as in a literal's or a bound map's order). */
static uint32_t sort_items(const struct type *element, struct cql_view *items, uint32_t n, uint32_t step)
{
	uint32_t kept = 0;
	bool sorted = true;

	for (uint32_t i = 1; i < n && sorted; i++)
		sorted = value_compare(element, items[(i - 1) * step], items[i * step]) < 0;
	if (sorted)
		return n;
	sorting = element;
	qsort(items, n, step * sizeof(*items), by_value); /* glibc's merges: stable */
	for (uint32_t i = 0; i < n; i++) {
		if (kept && value_compare(element, items[(kept - 1) * step], items[i * step]) == 0)
			kept--;
		memmove(items + kept++ * step, items + i * step, step * sizeof(*items));
	}
	return kept;
}

uint32_t value_sort(const struct type *t, struct cql_view *values, uint32_t n)
{
	return sort_items(t, values, n, 1);
}

struct cql_view value_collect(const struct type *t, struct cql_view *items, uint32_t n, struct arena *a)
{
	uint32_t step = t->id == CQL_T_MAP ? 2 : 1;
	size_t size = 4, at = 4;
	uint8_t *p, count[8];

	if (t->id != CQL_T_LIST)
		n = sort_items(t->sub[0], items, n, step);
	for (uint32_t i = 0; i < n * step; i++)
		size += 4 + items[i].n;
	p = arena_bytes(a, size);
	value_put_i64(count, n);
	memcpy(p, count + 4, 4);
	for (uint32_t i = 0; i < n * step; i++) {
		value_put_i64(count, (int64_t)items[i].n);
		memcpy(p + at, count + 4, 4);
		if (items[i].n)
			memcpy(p + at + 4, items[i].p, items[i].n);
		at += 4 + items[i].n;
	}
	return (struct cql_view){p, size};
}

static int bad(const struct type *t, const char *column, struct problem *why)
{
	return problem_invalid(why, "Invalid bytes for column %s: not a value of type %s", column, t->name);
}

static int check_elements(
	const struct type *t, struct cql_view *v, struct arena *a, const char *column, struct problem *why)
{
	uint32_t n = value_count(*v), step = t->id == CQL_T_MAP ? 2 : 1;
	size_t at = 0;

	if (v->n < 4 || n > v->n / 4)
		return bad(t, column, why);
	struct cql_view *items = ARENA_ARRAY(a, struct cql_view, n * step + 1);

	for (uint32_t i = 0; i < n * step; i++) {
		struct cql_value e;

		if (!value_element(*v, &at, &e))
			return bad(t, column, why);
		if (e.state != CQL_VALUE_SET)
			return problem_invalid(why, "null is not supported inside collections");
		if (value_check(t->sub[i % step], &e.view, a, column, why) < 0)
			return -EINVAL;
		items[i] = e.view;
	}
	if (at + 4 != v->n)
		return bad(t, column, why);
	*v = value_collect(t, items, n, a);
	return 0;
}

static int check_tuple(
	const struct type *t, struct cql_view *v, struct arena *a, const char *column, struct problem *why)
{
	size_t at = 0;
	struct cql_value e;
	int i = 0;

	for (; at < v->n && i < t->n; i++) {
		if (!value_component(*v, &at, &e))
			return bad(t, column, why);
		if (e.state == CQL_VALUE_SET && value_check(t->sub[i], &e.view, a, column, why) < 0)
			return -EINVAL;
	}
	return at == v->n ? 0 : bad(t, column, why);
}

/* Byte lengths that a native type can have: 0 (empty) is accepted where Cassandra accepts it, in all but these checks. */
static int fixed_size(enum cql_type_id id)
{
	switch ((int)id) {
	case CQL_T_BOOLEAN:
	case CQL_T_TINYINT:
		return 1;
	case CQL_T_SMALLINT:
		return 2;
	case CQL_T_INT:
	case CQL_T_FLOAT:
	case CQL_T_DATE:
		return 4;
	case CQL_T_BIGINT:
	case CQL_T_COUNTER:
	case CQL_T_DOUBLE:
	case CQL_T_TIMESTAMP:
	case CQL_T_TIME:
		return 8;
	case CQL_T_UUID:
	case CQL_T_TIMEUUID:
		return 16;
	default:
		return 0;
	}
}

static bool is_utf8(struct cql_view v)
{
	for (size_t i = 0; i < v.n;) {
		uint8_t c = v.p[i];
		size_t more = c < 0x80                ? 0
			      : c >= 0xc2 && c < 0xe0 ? 1
			      : (c & 0xf0) == 0xe0    ? 2
			      : c >= 0xf0 && c < 0xf5 ? 3
						      : 9;

		if (more == 9 || more >= v.n - i)
			return false;
		for (size_t k = 1; k <= more; k++)
			if ((v.p[i + k] & 0xc0) != 0x80)
				return false;
		i += more + 1;
	}
	return true;
}

int value_check(
	const struct type *t, struct cql_view *v, struct arena *a, const char *column, struct problem *why)
{
	bool ok = true;

	if (type_is_collection(t))
		return check_elements(t, v, a, column, why);
	if (t->id == CQL_T_TUPLE)
		return check_tuple(t, v, a, column, why);
	if (v->n == 0 && t->id != CQL_T_SMALLINT && t->id != CQL_T_TINYINT && t->id != CQL_T_DATE &&
		t->id != CQL_T_TIME && t->id != CQL_T_DURATION && t->id != CQL_T_COUNTER)
		return 0;
	if (fixed_size(t->id))
		ok = v->n == (size_t)fixed_size(t->id);
	else if (t->id == CQL_T_INET)
		ok = v->n == 4 || v->n == 16;
	else if (t->id == CQL_T_DECIMAL)
		ok = v->n >= 5;
	else if (t->id == CQL_T_DURATION)
		ok = v->n >= 3 && v->n <= 27;
	else if (t->id == CQL_T_VARCHAR)
		ok = is_utf8(*v);
	if (ok && t->id == CQL_T_TIMEUUID)
		ok = v->p[6] >> 4 == 1;
	for (size_t i = 0; ok && t->id == CQL_T_ASCII && i < v->n; i++)
		ok = v->p[i] < 0x80;
	return ok ? 0 : bad(t, column, why);
}
