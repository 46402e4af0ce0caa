/*
 * The lexer's inner step, inlined where speed counts: lex.c gives it to everybody as cql_lex(), classify.c runs its own loops over it, so that
 * position and token stay in registers (a 200-byte statement is classified in well under 3000 instructions; tests/check/cost holds it there).
 */
#pragma once
#include "cql/lex.h"

/* How a token begins. Whatever the server's lexer doesn't know is BAD: \f, \v, NUL, NBSP, BOM, and '_' as the first character. */
enum cql_lex_begin {
	CQL_LEX_BAD,
	CQL_LEX_BLANK,
	CQL_LEX_LETTER,
	CQL_LEX_DIGIT,
	CQL_LEX_SYMBOL,
	CQL_LEX_QUESTION,
	CQL_LEX_REST, /* quotes, and what may begin a comment */
};
extern const uint8_t cql_lex_begins[256];
extern const bool cql_lex_in_word[256];

/* Slow paths: each begins at `from` and returns where its token ends. */
const uint8_t *cql_lex_number(const uint8_t *from, const uint8_t *end);
const uint8_t *cql_lex_bad(const uint8_t *from, const uint8_t *end);
/* NULL: a comment was skipped, and *from stands behind it. */
const uint8_t *cql_lex_rest(const uint8_t **from, const uint8_t *end, enum cql_token_kind *kind);
bool cql_lex_is_uuid(const uint8_t *from, const uint8_t *end);

/* The last byte that ends a word, or the text's start: words that begin before it are scanned without looking at the end. */
static inline const uint8_t *cql_lex_fence(const uint8_t *start, const uint8_t *end)
{
	while (end > start && cql_lex_in_word[end[-1]])
		end--;
	return end > start ? end - 1 : start;
}

static inline const uint8_t *cql_lex_word_end(const uint8_t *p, const uint8_t *end, const uint8_t *fence)
{
	if (p >= fence) {
		while (++p < end && cql_lex_in_word[*p])
			;
		return p;
	}
	for (;; p += 4) { /* four at a time: words are most of a statement */
		if (!cql_lex_in_word[p[1]])
			return p + 1;
		if (!cql_lex_in_word[p[2]])
			return p + 2;
		if (!cql_lex_in_word[p[3]])
			return p + 3;
		if (!cql_lex_in_word[p[4]])
			return p + 4;
	}
}

/* The token that begins at or behind *at: *from is its start, *at moves to its end. */
static inline __attribute__((always_inline)) enum cql_token_kind cql_lex_step(
	const uint8_t **at, const uint8_t *end, const uint8_t *fence, const uint8_t **from)
{
	const uint8_t *p = *at;

	for (;;) {
		if (p < end && *p == ' ')
			p++;
		*from = p;
		if (p == end) {
			*at = p;
			return CQL_TOK_END;
		}
		/* The two most frequent kinds come before the jump table. */
		if (__builtin_expect_with_probability(cql_lex_begins[*p] == CQL_LEX_LETTER, 1, 0.6)) {
			p = cql_lex_word_end(p, end, fence);
			*at = p;
			if (__builtin_expect(p - *from == 8, 0) && p < end && *p == '-' &&
				cql_lex_is_uuid(*from, end)) {
				*at = *from + 36;
				return CQL_TOK_NUMBER;
			}
			return CQL_TOK_WORD;
		}
		if (__builtin_expect_with_probability(cql_lex_begins[*p] == CQL_LEX_SYMBOL, 1, 0.6)) {
			*at = p + 1;
			return CQL_TOK_SYMBOL;
		}
		switch (cql_lex_begins[*p]) {
		case CQL_LEX_BLANK:
			p++;
			break;
		case CQL_LEX_QUESTION:
			*at = p + 1;
			return CQL_TOK_MARKER;
		case CQL_LEX_DIGIT:
			*at = cql_lex_number(p, end);
			return CQL_TOK_NUMBER;
		case CQL_LEX_REST: {
			const uint8_t *begin = p, *to; /* its address goes out: only on this path */
			enum cql_token_kind kind = CQL_TOK_BAD;

			to = cql_lex_rest(&begin, end, &kind);
			if (to) {
				*at = to;
				return kind;
			}
			p = begin;
			break;
		}
		default:
			*at = cql_lex_bad(p, end);
			return CQL_TOK_BAD;
		}
	}
}
