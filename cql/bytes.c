#include "cql/bytes.h"

#include <string.h>

const char cql_truncated[] = "truncated";

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "numbers are swapped without asking");

/* A view of nothing may have a NULL pointer, on which arithmetic is undefined. */
static const uint8_t NOTHING[1];

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return __builtin_bswap16(v);
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return __builtin_bswap32(v);
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof v);
	return __builtin_bswap64(v);
}

void cql_reader_init(struct cql_reader *r, struct cql_view v)
{
	r->start = r->p = v.n ? v.p : NOTHING;
	r->end = r->start + v.n;
	r->error = (struct cql_error){0};
}

bool cql_reader_ok(const struct cql_reader *r)
{
	return !r->error.why;
}

/* The reader stands at its end from here on, so that the checks of later reads need not ask for the error. */
void cql_reader_fail(struct cql_reader *r, const char *why)
{
	if (!r->error.why)
		r->error = (struct cql_error){.why = why, .offset = (uint32_t)(r->p - r->start)};
	r->p = r->end;
}

size_t cql_reader_left(const struct cql_reader *r)
{
	return (size_t)(r->end - r->p);
}

size_t cql_reader_offset(const struct cql_reader *r)
{
	return (size_t)(r->p - r->start);
}

bool cql_reader_end(struct cql_reader *r)
{
	if (r->p != r->end)
		cql_reader_fail(r, "trailing bytes");
	return cql_reader_ok(r);
}

static inline const uint8_t *take(struct cql_reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (__builtin_expect((size_t)(r->end - p) < n, 0)) {
		cql_reader_fail(r, cql_truncated);
		return NULL;
	}
	r->p = p + n;
	return p;
}

uint8_t cql_read_u8(struct cql_reader *r)
{
	const uint8_t *p = take(r, 1);

	return p ? *p : 0;
}

uint16_t cql_read_u16(struct cql_reader *r)
{
	const uint8_t *p = take(r, 2);

	return p ? load16(p) : 0;
}

int32_t cql_read_i32(struct cql_reader *r)
{
	const uint8_t *p = take(r, 4);

	return p ? (int32_t)load32(p) : 0;
}

int64_t cql_read_i64(struct cql_reader *r)
{
	const uint8_t *p = take(r, 8);

	return p ? (int64_t)load64(p) : 0;
}

struct cql_view cql_read_raw(struct cql_reader *r, size_t n)
{
	const uint8_t *p = take(r, n);

	return p ? (struct cql_view){p, n} : (struct cql_view){0};
}

struct cql_view cql_read_string(struct cql_reader *r)
{
	return cql_read_raw(r, cql_read_u16(r));
}

struct cql_view cql_read_long_string(struct cql_reader *r)
{
	const uint8_t *at = r->p;
	int32_t n = cql_read_i32(r);

	if (n < 0) {
		r->p = at;
		cql_reader_fail(r, "negative length of a string");
		return (struct cql_view){0};
	}
	return cql_read_raw(r, (size_t)n);
}

struct cql_view cql_read_short_bytes(struct cql_reader *r)
{
	return cql_read_raw(r, cql_read_u16(r));
}

static struct cql_value read_value(struct cql_reader *r, bool allow_unset)
{
	const uint8_t *at = r->p;
	int32_t n = cql_read_i32(r);

	if (n >= 0)
		return (struct cql_value){.view = cql_read_raw(r, (size_t)n), .state = CQL_VALUE_SET};
	if (n == -2 && allow_unset)
		return (struct cql_value){.state = CQL_VALUE_UNSET};
	if (n < -1) {
		r->p = at;
		cql_reader_fail(r, n == -2 ? "unset value where none may be" : "length below -1");
	}
	return (struct cql_value){.state = CQL_VALUE_NULL};
}

struct cql_value cql_read_bytes(struct cql_reader *r)
{
	return read_value(r, false);
}

struct cql_value cql_read_value(struct cql_reader *r, bool allow_unset)
{
	return read_value(r, allow_unset);
}

void cql_skip_string_list(struct cql_reader *r)
{
	for (uint32_t n = cql_read_u16(r); n && cql_reader_ok(r); n--)
		cql_read_string(r);
}

void cql_skip_bytes_map(struct cql_reader *r)
{
	for (uint32_t n = cql_read_u16(r); n && cql_reader_ok(r); n--) {
		cql_read_string(r);
		cql_read_bytes(r);
	}
}

static bool grow(struct cql_writer *w, size_t need)
{
	if (w->failed)
		return false;
	if (!w->grow || !w->grow(w, need) || w->cap - w->len < need)
		w->failed = true;
	return !w->failed;
}

bool cql_writer_reserve(struct cql_writer *w, size_t need)
{
	return (!w->failed && w->cap - w->len >= need) || grow(w, need);
}

static inline uint8_t *put(struct cql_writer *w, size_t n)
{
	uint8_t *p;

	if (__builtin_expect(w->failed || w->cap - w->len < n, 0) && !grow(w, n))
		return NULL;
	p = w->p + w->len;
	w->len += n;
	return p;
}

void cql_write_u8(struct cql_writer *w, uint8_t v)
{
	uint8_t *p = put(w, 1);

	if (p)
		*p = v;
}

void cql_write_u16(struct cql_writer *w, uint16_t v)
{
	uint8_t *p = put(w, sizeof v);

	v = __builtin_bswap16(v);
	if (p)
		memcpy(p, &v, sizeof v);
}

void cql_write_i32(struct cql_writer *w, int32_t v)
{
	uint8_t *p = put(w, sizeof v);
	uint32_t be = __builtin_bswap32((uint32_t)v);

	if (p)
		memcpy(p, &be, sizeof be);
}

void cql_write_i64(struct cql_writer *w, int64_t v)
{
	uint8_t *p = put(w, sizeof v);
	uint64_t be = __builtin_bswap64((uint64_t)v);

	if (p)
		memcpy(p, &be, sizeof be);
}

void cql_write_raw(struct cql_writer *w, const void *p, size_t n)
{
	uint8_t *to = n ? put(w, n) : NULL;

	if (to)
		memcpy(to, p, n);
}

void cql_write_view(struct cql_writer *w, struct cql_view v)
{
	cql_write_raw(w, v.p, v.n);
}

/* What does not fit its length field cannot be written: the writer fails rather than cut it. */
static bool length_fits(struct cql_writer *w, size_t n, size_t max)
{
	if (n > max)
		w->failed = true;
	return !w->failed;
}

void cql_write_string(struct cql_writer *w, struct cql_view v)
{
	if (!length_fits(w, v.n, UINT16_MAX))
		return;
	cql_write_u16(w, (uint16_t)v.n);
	cql_write_view(w, v);
}

void cql_write_long_string(struct cql_writer *w, struct cql_view v)
{
	if (!length_fits(w, v.n, INT32_MAX))
		return;
	cql_write_i32(w, (int32_t)v.n);
	cql_write_view(w, v);
}

void cql_write_short_bytes(struct cql_writer *w, struct cql_view v)
{
	cql_write_string(w, v);
}

void cql_write_bytes(struct cql_writer *w, struct cql_view v)
{
	cql_write_long_string(w, v);
}

void cql_write_null(struct cql_writer *w)
{
	cql_write_i32(w, -1);
}

void cql_patch_i32(struct cql_writer *w, size_t at, int32_t v)
{
	uint32_t be = __builtin_bswap32((uint32_t)v);

	if (!w->failed)
		memcpy(w->p + at, &be, sizeof be);
}

void cql_patch_u16(struct cql_writer *w, size_t at, uint16_t v)
{
	v = __builtin_bswap16(v);
	if (!w->failed)
		memcpy(w->p + at, &v, sizeof v);
}

struct cql_view cql_view_of(const char *text)
{
	return (struct cql_view){(const uint8_t *)text, strlen(text)};
}

bool cql_view_equal(struct cql_view a, struct cql_view b)
{
	return a.n == b.n && (!a.n || memcmp(a.p, b.p, a.n) == 0);
}

bool cql_view_is(struct cql_view a, const char *text)
{
	return cql_view_equal(a, cql_view_of(text));
}

bool cql_view_is_word(struct cql_view a, const char *lower)
{
	for (size_t i = 0; i < a.n; i++) {
		uint8_t c = a.p[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (!lower[i] || c != (uint8_t)lower[i])
			return false;
	}
	return !lower[a.n];
}
