#include "cql/lex_core.h"
#include <string.h>

const uint8_t cql_lex_begins[256] = {
	[' '] = CQL_LEX_BLANK,
	['\t'] = CQL_LEX_BLANK,
	['\n'] = CQL_LEX_BLANK,
	['\r'] = CQL_LEX_BLANK,
	['a' ... 'z'] = CQL_LEX_LETTER,
	['A' ... 'Z'] = CQL_LEX_LETTER,
	['0' ... '9'] = CQL_LEX_DIGIT,
	['('] = CQL_LEX_SYMBOL,
	[')'] = CQL_LEX_SYMBOL,
	['['] = CQL_LEX_SYMBOL,
	[']'] = CQL_LEX_SYMBOL,
	['{'] = CQL_LEX_SYMBOL,
	['}'] = CQL_LEX_SYMBOL,
	[','] = CQL_LEX_SYMBOL,
	['.'] = CQL_LEX_SYMBOL,
	[';'] = CQL_LEX_SYMBOL,
	[':'] = CQL_LEX_SYMBOL,
	['='] = CQL_LEX_SYMBOL,
	['<'] = CQL_LEX_SYMBOL,
	['>'] = CQL_LEX_SYMBOL,
	['!'] = CQL_LEX_SYMBOL,
	['+'] = CQL_LEX_SYMBOL,
	['*'] = CQL_LEX_SYMBOL,
	['%'] = CQL_LEX_SYMBOL,
	['?'] = CQL_LEX_QUESTION,
	['-'] = CQL_LEX_REST,
	['/'] = CQL_LEX_REST,
	['\''] = CQL_LEX_REST,
	['"'] = CQL_LEX_REST,
	['$'] = CQL_LEX_REST,
};
const bool cql_lex_in_word[256] = {
	['a' ... 'z'] = true,
	['A' ... 'Z'] = true,
	['0' ... '9'] = true,
	['_'] = true,
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* 8-4-4-4-12 hex digits: Lexer.g tries it before identifiers and integers. */
bool cql_lex_is_uuid(const uint8_t *from, const uint8_t *end)
{
	if (end - from < 36 || from[8] != '-')
		return false;
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? from[i] != '-' : !is_hex(from[i]))
			return false;
	}
	return true;
}

static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

/* Behind a duration's unit, or NULL: y mo w d h m s ms us µs ns, letters in either case. */
static const uint8_t *skip_unit(const uint8_t *p, const uint8_t *end)
{
	uint8_t first = p < end ? *p | 0x20 : 0, second = end - p > 1 ? p[1] | 0x20 : 0;

	if (end - p > 2 && p[0] == 0xc2 && p[1] == 0xb5 && (p[2] | 0x20) == 's') /* U+00B5 */
		return p + 3;
	if ((first == 'm' && (second == 'o' || second == 's')) ||
		((first == 'u' || first == 'n') && second == 's'))
		return p + 2;
	return first && strchr("ywdhms", first) ? p + 1 : NULL;
}

static const uint8_t *fraction_end(const uint8_t *p, const uint8_t *end)
{
	if (p < end && *p == '.' && !(end - p > 1 && p[1] == '.')) /* m[1..2] is a slice */
		p = skip_digits(p + 1, end);
	if (p < end && (*p | 0x20) == 'e') {
		const uint8_t *digits = p + 1;

		if (digits < end && (*digits == '+' || *digits == '-'))
			digits++;
		if (digits < end && is_digit(*digits))
			p = skip_digits(digits, end);
	}
	return p;
}

/* A letter that doesn't belong to the number begins the next token: 5IF is 5, IF. */
const uint8_t *cql_lex_number(const uint8_t *from, const uint8_t *end)
{
	const uint8_t *p = skip_digits(from + 1, end), *unit;

	if (p == end || (!cql_lex_in_word[*p] && *p != '-' && *p != '.' && *p != 0xc2))
		return p;
	if (cql_lex_is_uuid(from, end))
		return from + 36;
	if (p - from == 1 && *from == '0' && (*p | 0x20) == 'x') {
		for (p++; p < end && is_hex(*p);)
			p++;
		return p;
	}
	unit = skip_unit(p, end);
	if (!unit)
		return fraction_end(p, end);
	for (; unit; unit = skip_unit(skip_digits(p, end), end))
		p = unit;
	return p;
}

const uint8_t *cql_lex_bad(const uint8_t *from, const uint8_t *end)
{
	const uint8_t *p = from + 1;

	if (*from >= 0x80) /* whole characters, and a run of them is one mistake */
		while (p < end && *p >= 0x80)
			p++;
	return p;
}

/* Behind the closing quote, or NULL. Doubled quotes stay inside. */
static const uint8_t *quoted_end(const uint8_t *from, const uint8_t *end)
{
	const uint8_t *p = from + 1;

	while (p < end && (p = memchr(p, *from, (size_t)(end - p)))) {
		if (end - p < 2 || p[1] != *from)
			return p + 1;
		p += 2;
	}
	return NULL;
}

/* $$…$$ ends at the first $$, whatever stands in it. */
static const uint8_t *dollars_end(const uint8_t *from, const uint8_t *end)
{
	const uint8_t *p = from + 2;

	while (p < end && (p = memchr(p, '$', (size_t)(end - p)))) {
		if (end - p > 1 && p[1] == '$')
			return p + 2;
		p++;
	}
	return NULL;
}

/* Behind the comment, or NULL: Lexer.g wants \n or \r behind a line comment, even at the end of the text; block comments don't nest. */
static const uint8_t *comment_end(const uint8_t *from, const uint8_t *end)
{
	bool line = from[1] != '*';

	for (const uint8_t *p = from + 2; p < end; p++) {
		if (line && (*p == '\n' || *p == '\r'))
			return p + 1;
		if (!line && *p == '*' && end - p > 1 && p[1] == '/')
			return p + 2;
	}
	return NULL;
}

const uint8_t *cql_lex_rest(const uint8_t **from, const uint8_t *end, enum cql_token_kind *kind)
{
	const uint8_t *p = *from, *to;
	uint8_t second = end - p > 1 ? p[1] : 0;

	if (*p == '\'' || *p == '"') {
		to = quoted_end(p, end);
		*kind = !to ? CQL_TOK_BAD : *p == '"' ? CQL_TOK_QUOTED : CQL_TOK_STRING;
		return to ? to : end;
	}
	if (second != *p && !(*p == '/' && second == '*')) {
		*kind = *p == '$' ? CQL_TOK_BAD : CQL_TOK_SYMBOL;
		return p + 1;
	}
	if (*p == '$') {
		to = dollars_end(p, end);
		*kind = to ? CQL_TOK_STRING : CQL_TOK_BAD;
		return to ? to : end;
	}
	to = comment_end(p, end);
	if (!to) {
		*kind = CQL_TOK_BAD;
		return end;
	}
	*from = to;
	return NULL;
}

void cql_lexer_init(struct cql_lexer *l, struct cql_view text)
{
	l->text = text;
	l->pos = 0;
}

struct cql_token cql_lex(struct cql_lexer *l)
{
	const uint8_t *start = l->text.p, *p = start + l->pos, *end = start + l->text.n, *from;
	enum cql_token_kind kind = cql_lex_step(&p, end, start, &from);
	size_t quotes = kind == CQL_TOK_QUOTED || (kind == CQL_TOK_STRING && *from != '$') ? 1
			: kind == CQL_TOK_STRING                                           ? 2
											   : 0;

	l->pos = (size_t)(p - start);
	return (struct cql_token){.kind = kind,
		.text = {.p = from + quotes, .n = (size_t)(p - from) - 2 * quotes},
		.at = (uint32_t)(from - start),
		.size = (uint32_t)(p - from)};
}
