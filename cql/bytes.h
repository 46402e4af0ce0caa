/*
 * Bounded reading and writing of the protocol's primitives: the only code in cql/ that touches raw pointers.
 *
 * Notations are those of the native protocol spec, section 3 ([int], [string], …); all big-endian.
 * Views borrow: they are valid as long as the bytes they were read from.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cql_view {
	const uint8_t *p;
	size_t n;
};

/* [bytes] and [value] can be null (length -1) and, as a bound value from v4 on, unset (-2). */
enum cql_value_state { CQL_VALUE_SET, CQL_VALUE_NULL, CQL_VALUE_UNSET };
struct cql_value {
	struct cql_view view; /* empty unless SET */
	enum cql_value_state state;
};

/* What was wrong with bytes that somebody sent: `why` is a constant text, `offset` counts from the start of what was read. */
/* The `why` of bytes that end too early: more of them might mend it. Compare by address. */
extern const char cql_truncated[];
struct cql_error {
	const char *why; /* NULL: nothing was */
	uint32_t offset;
};

/* The first failure sticks: later reads return zeroes and empty views, so that a parser reads straight down and asks once. */
struct cql_reader {
	const uint8_t *start, *p, *end;
	struct cql_error error;
};

void cql_reader_init(struct cql_reader *r, struct cql_view v);
bool cql_reader_ok(const struct cql_reader *r);
void cql_reader_fail(struct cql_reader *r, const char *why);
size_t cql_reader_left(const struct cql_reader *r);
size_t cql_reader_offset(const struct cql_reader *r);
/* Bytes left over are an error ("trailing bytes"). Returns cql_reader_ok(). */
bool cql_reader_end(struct cql_reader *r);

uint8_t cql_read_u8(struct cql_reader *r);
uint16_t cql_read_u16(struct cql_reader *r);
int32_t cql_read_i32(struct cql_reader *r);
int64_t cql_read_i64(struct cql_reader *r);
struct cql_view cql_read_raw(struct cql_reader *r, size_t n);
struct cql_view cql_read_string(struct cql_reader *r);      /* [string] */
struct cql_view cql_read_long_string(struct cql_reader *r); /* [long string] */
struct cql_view cql_read_short_bytes(struct cql_reader *r);
struct cql_value cql_read_bytes(struct cql_reader *r);                   /* [bytes]: below -1 is an error */
struct cql_value cql_read_value(struct cql_reader *r, bool allow_unset); /* [value] */
void cql_skip_string_list(struct cql_reader *r);
void cql_skip_bytes_map(struct cql_reader *r); /* custom payload */

/*
 * Growing output. `grow` makes room for `need` more bytes (sets p and cap; len stands) or returns false; NULL: fixed memory.
 * The first failure sticks in `failed`; whatever was written then must not be used.
 */
struct cql_writer {
	uint8_t *p;
	size_t len, cap;
	bool failed;
	bool (*grow)(struct cql_writer *w, size_t need);
};

bool cql_writer_reserve(
	struct cql_writer *w, size_t need); /* room for need more bytes; false: failed is set */
void cql_write_u8(struct cql_writer *w, uint8_t v);
void cql_write_u16(struct cql_writer *w, uint16_t v);
void cql_write_i32(struct cql_writer *w, int32_t v);
void cql_write_i64(struct cql_writer *w, int64_t v);
void cql_write_raw(struct cql_writer *w, const void *p, size_t n);
void cql_write_view(struct cql_writer *w, struct cql_view v); /* raw */
void cql_write_string(struct cql_writer *w, struct cql_view v);
void cql_write_long_string(struct cql_writer *w, struct cql_view v);
void cql_write_short_bytes(struct cql_writer *w, struct cql_view v);
void cql_write_bytes(struct cql_writer *w, struct cql_view v);
void cql_write_null(struct cql_writer *w); /* [bytes] of length -1 */
void cql_patch_i32(struct cql_writer *w, size_t at, int32_t v);
void cql_patch_u16(struct cql_writer *w, size_t at, uint16_t v);

struct cql_view cql_view_of(const char *text); /* strlen */
bool cql_view_equal(struct cql_view a, struct cql_view b);
bool cql_view_is(struct cql_view a, const char *text);       /* exact */
bool cql_view_is_word(struct cql_view a, const char *lower); /* ASCII letters in any case */
