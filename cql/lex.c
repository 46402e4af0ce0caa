#include "cql/lex.h"
#include <string.h>

/* How a token begins (low bits) and what may go on in one (high bits). Whatever is not listed is BAD: \f, \v, NUL, NBSP, BOM and '_' too. */
enum {
	BAD_BYTE,
	BLANK,
	LETTER,
	DIGIT,
	SYMBOL,
	MINUS,
	SLASH,
	QUESTION,
	STRING,
	QUOTE,
	DOLLAR,
	KIND = 0x0f,
	IN_WORD = 0x10,
	HEX = 0x20,
};
static const uint8_t byte[256] = {
	[' '] = BLANK,
	['\t'] = BLANK,
	['\n'] = BLANK,
	['\r'] = BLANK,
	['0' ... '9'] = DIGIT | IN_WORD | HEX,
	['a' ... 'f'] = LETTER | IN_WORD | HEX,
	['g' ... 'z'] = LETTER | IN_WORD,
	['A' ... 'F'] = LETTER | IN_WORD | HEX,
	['G' ... 'Z'] = LETTER | IN_WORD,
	['_'] = BAD_BYTE | IN_WORD,
	['('] = SYMBOL,
	[')'] = SYMBOL,
	['['] = SYMBOL,
	[']'] = SYMBOL,
	['{'] = SYMBOL,
	['}'] = SYMBOL,
	[','] = SYMBOL,
	['.'] = SYMBOL,
	[';'] = SYMBOL,
	[':'] = SYMBOL,
	['='] = SYMBOL,
	['<'] = SYMBOL,
	['>'] = SYMBOL,
	['!'] = SYMBOL,
	['+'] = SYMBOL,
	['*'] = SYMBOL,
	['%'] = SYMBOL,
	['-'] = MINUS,
	['/'] = SLASH,
	['?'] = QUESTION,
	['\''] = STRING,
	['"'] = QUOTE,
	['$'] = DOLLAR,
};

void cql_lexer_init(struct cql_lexer *l, struct cql_view text)
{
	l->text = text;
	l->pos = 0;
}

/* The token from..to, of which `trim` bytes on both sides are quotes. */
static inline struct cql_token token(
	struct cql_lexer *l, enum cql_token_kind kind, const uint8_t *from, const uint8_t *to, size_t trim)
{
	l->pos = (size_t)(to - l->text.p);
	return (struct cql_token){.kind = kind,
		.text = {.p = from + trim, .n = (size_t)(to - from) - 2 * trim},
		.at = (uint32_t)(from - l->text.p),
		.size = (uint32_t)(to - from)};
}

/* 8-4-4-4-12 hex digits: Lexer.g tries it before identifiers and integers. */
static bool is_uuid(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 36)
		return false;
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? p[i] != '-' : !(byte[p[i]] & HEX))
			return false;
	}
	return true;
}

static const uint8_t *skip_digits(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (byte[*p] & KIND) == DIGIT)
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

/* p: behind the leading digits of a number that is no uuid. A letter that doesn't belong to it begins the next token: 5IF is 5, IF. */
static const uint8_t *number_end(const uint8_t *from, const uint8_t *p, const uint8_t *end)
{
	const uint8_t *unit = skip_unit(p, end);

	if (p - from == 1 && *from == '0' && p < end && (*p | 0x20) == 'x') {
		for (p++; p < end && byte[*p] & HEX;)
			p++;
		return p;
	}
	if (unit) {
		for (; unit; unit = skip_unit(skip_digits(p, end), end))
			p = unit;
		return p;
	}
	if (p < end && *p == '.' && !(end - p > 1 && p[1] == '.')) /* m[1..2] is a slice */
		p = skip_digits(p + 1, end);
	if (p < end && (*p | 0x20) == 'e') {
		const uint8_t *digits = p + 1;

		if (digits < end && (*digits == '+' || *digits == '-'))
			digits++;
		if (digits < end && (byte[*digits] & KIND) == DIGIT)
			p = skip_digits(digits, end);
	}
	return p;
}

/* p: behind the opening quote. Doubled quotes stay inside. */
static struct cql_token quoted(
	struct cql_lexer *l, enum cql_token_kind kind, const uint8_t *from, const uint8_t *end)
{
	const uint8_t *p = from + 1;

	while (p < end && (p = memchr(p, *from, (size_t)(end - p)))) {
		if (end - p < 2 || p[1] != *from)
			return token(l, kind, from, p + 1, 1);
		p += 2;
	}
	return token(l, CQL_TOK_BAD, from, end, 0);
}

/* $$…$$ ends at the first $$, whatever stands in it; a single $ is nothing. */
static struct cql_token dollars(struct cql_lexer *l, const uint8_t *from, const uint8_t *end)
{
	const uint8_t *p = from + 2;

	if (end - from < 2 || from[1] != '$')
		return token(l, CQL_TOK_BAD, from, from + 1, 0);
	while (p < end && (p = memchr(p, '$', (size_t)(end - p)))) {
		if (end - p > 1 && p[1] == '$')
			return token(l, CQL_TOK_STRING, from, p + 2, 2);
		p++;
	}
	return token(l, CQL_TOK_BAD, from, end, 0);
}

/* Behind the comment that begins at p; NULL: nothing ends it (Lexer.g wants \n or \r behind a line comment, even at the end of the text). */
static const uint8_t *comment_end(const uint8_t *p, const uint8_t *end)
{
	bool line = p[1] != '*';

	for (p += 2; p < end; p++) {
		if (line && (*p == '\n' || *p == '\r'))
			return p + 1;
		if (!line && *p == '*' && end - p > 1 && p[1] == '/')
			return p + 2;
	}
	return NULL;
}

static struct cql_token number(struct cql_lexer *l, const uint8_t *from, const uint8_t *end)
{
	const uint8_t *p = skip_digits(from + 1, end);

	if (p < end && (byte[*p] & IN_WORD || *p == '-' || *p == '.' || *p == 0xc2))
		p = is_uuid(from, end) ? from + 36 : number_end(from, p, end);
	return token(l, CQL_TOK_NUMBER, from, p, 0);
}

struct cql_token cql_lex(struct cql_lexer *l)
{
	const uint8_t *p = l->text.p + l->pos, *end = l->text.p + l->text.n, *from;

	for (;;) {
		while (p < end && byte[*p] == BLANK)
			p++;
		if (p == end)
			return token(l, CQL_TOK_END, p, p, 0);
		from = p;
		switch (byte[*p] & KIND) {
		case LETTER:
			do
				p++;
			while (p < end && byte[*p] & IN_WORD);
			if (p - from == 8 && p < end && *p == '-' && is_uuid(from, end))
				return token(l, CQL_TOK_NUMBER, from, from + 36, 0);
			return token(l, CQL_TOK_WORD, from, p, 0);
		case DIGIT:
			return number(l, from, end);
		case MINUS:
		case SLASH:
			if (end - p < 2 || (p[1] != *p && !(*p == '/' && p[1] == '*')))
				return token(l, CQL_TOK_SYMBOL, from, p + 1, 0);
			p = comment_end(p, end);
			if (!p)
				return token(l, CQL_TOK_BAD, from, end, 0);
			break;
		case SYMBOL:
			return token(l, CQL_TOK_SYMBOL, from, p + 1, 0);
		case QUESTION:
			return token(l, CQL_TOK_MARKER, from, p + 1, 0);
		case STRING:
			return quoted(l, CQL_TOK_STRING, from, end);
		case QUOTE:
			return quoted(l, CQL_TOK_QUOTED, from, end);
		case DOLLAR:
			return dollars(l, from, end);
		default:
			do
				p++;
			while (p < end && *p >= 0x80 && *from >= 0x80);
			return token(l, CQL_TOK_BAD, from, p, 0);
		}
	}
}
