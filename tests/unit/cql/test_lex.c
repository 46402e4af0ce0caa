/* The lexer against what the real server's accepts and refuses: every row was seen on Apache Cassandra 4.0, or stands in 5.0's Lexer.g. */
#include "cql/lex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/*
 * Tokens as one line: W word, Q "quoted", S string, N number, ? marker, B bad, each with its text in <>; symbols as they are.
 */
struct row {
	const char *text;
	size_t size;
	const char *tokens;
};
#define ROW(text, tokens)                                                                                    \
	{                                                                                                    \
		text, sizeof(text) - 1, tokens                                                               \
	}

static const struct row rows[] = {
	ROW("", ""),
	ROW(" \t\r\n", ""),
	/* words, quoted names: no blanks needed around them */
	ROW("SELECT\"k\"FROM\"ks\".\"t\"WHERE\"k\"=5",
		"W<SELECT> Q<k> W<FROM> Q<ks> . Q<t> W<WHERE> Q<k> = N<5>"),
	ROW("a_1 B2 c", "W<a_1> W<B2> W<c>"),
	ROW("\"a\"\"b\" \"\" \"A b\"", "Q<a\"\"b> Q<> Q<A b>"),
	ROW("\"--\" \"/*\" \"'\" \"$$\"", "Q<--> Q</*> Q<'> Q<$$>"),
	ROW("_a", "B<_> W<a>"),
	ROW("expr(idx,'x')", "W<expr> ( W<idx> , S<x> )"),
	/* blanks */
	ROW("a\tb\nc\rd", "W<a> W<b> W<c> W<d>"),
	ROW("a\fb", "W<a> B<\f> W<b>"),
	ROW("a\vb", "W<a> B<\v> W<b>"),
	ROW("a\0b", "W<a> B<\0> W<b>"),
	ROW("a\302\240b", "W<a> B<\302\240> W<b>"),
	ROW("\357\273\277a", "B<\357\273\277> W<a>"),
	ROW("na\303\257ve", "W<na> B<\303\257> W<ve>"),
	/* comments */
	ROW("a--c\nb", "W<a> W<b>"),
	ROW("a//c\rb", "W<a> W<b>"),
	ROW("a -- ' \" $$ /*\nb", "W<a> W<b>"),
	ROW("--\na", "W<a>"),
	ROW("a -- c", "W<a> B<-- c>"),
	ROW("a // c", "W<a> B<// c>"),
	ROW("a --", "W<a> B<-->"),
	ROW("a/**/b/***/c/* -- */d", "W<a> W<b> W<c> W<d>"),
	ROW("/* a /* b */ c", "W<c>"),
	ROW("/* nested /* x */ */", "* /"),
	ROW("a /* b", "W<a> B</* b>"),
	ROW("a /*/", "W<a> B</*/>"),
	ROW("a /", "W<a> /"),
	ROW("a -", "W<a> -"),
	ROW("c = c --1\n+2", "W<c> = W<c> + N<2>"),
	ROW("c = c - -1", "W<c> = W<c> - - N<1>"),
	ROW("c -= 1", "W<c> - = N<1>"),
	ROW("c -1", "W<c> - N<1>"),
	/* strings */
	ROW("'x''y' '' ''''", "S<x''y> S<> S<''>"),
	ROW("'multi\nline -- not /* x */ ;'", "S<multi\nline -- not /* x */ ;>"),
	ROW("'h\303\251'", "S<h\303\251>"),
	ROW("'open", "B<'open>"),
	ROW("'it''", "B<'it''>"),
	ROW("\"open", "B<\"open>"),
	ROW("$$it's now() -- x $ y$$", "S<it's now() -- x $ y>"),
	ROW("$$a'b;--c\n/*d*/$$", "S<a'b;--c\n/*d*/>"),
	ROW("$$$a$$", "S<$a>"),
	ROW("$$$$", "S<>"),
	ROW("$$a$$$", "S<a> B<$>"),
	ROW("$$a$", "B<$$a$>"),
	ROW("$$$", "B<$$$>"),
	ROW("$ a", "B<$> W<a>"),
	ROW("'a'$$b$$\"c\"", "S<a> S<b> Q<c>"),
	/* numbers */
	ROW("0 12 1.5 1. 1e5 1.5E-3 1e+2", "N<0> N<12> N<1.5> N<1.> N<1e5> N<1.5E-3> N<1e+2>"),
	ROW("1e 1ex 1.e2", "N<1> W<e> N<1> W<ex> N<1.e2>"),
	ROW("m[1..2]", "W<m> [ N<1> . . N<2> ]"),
	ROW("0xCAFE 0x 0XbeefIF", "N<0xCAFE> N<0x> N<0Xbeef> W<IF>"),
	ROW("5IF 5AND", "N<5> W<IF> N<5> W<AND>"),
	ROW("1y2mo3w4d5h6m7s8ms9us10ns", "N<1y2mo3w4d5h6m7s8ms9us10ns>"),
	ROW("9\302\265s 9\302\265x 1Y2MO", "N<9\302\265s> N<9> B<\302\265> W<x> N<1Y2MO>"),
	ROW("1d)", "N<1d> )"),
	ROW("1h2", "N<1h> N<2>"),
	ROW("PT PT5M P1Y", "W<PT> W<PT5M> W<P1Y>"), /* a table may be called pt */
	ROW("NaN -Infinity", "W<NaN> - W<Infinity>"),
	ROW("cafebabe-0000-1000-8000-0123456789ab", "N<cafebabe-0000-1000-8000-0123456789ab>"),
	ROW("12345678-0000-1000-8000-0123456789AB", "N<12345678-0000-1000-8000-0123456789AB>"),
	ROW("1e345678-0000-1000-8000-0123456789ab", "N<1e345678-0000-1000-8000-0123456789ab>"),
	ROW("1234567d-0000-1000-8000-0123456789abIF", "N<1234567d-0000-1000-8000-0123456789ab> W<IF>"),
	ROW("cafebabe-0000", "W<cafebabe> - N<0000>"),
	ROW("cafebabe-0000-1000-8000-0123456789a",
		"W<cafebabe> - N<0000> - N<1000> - N<8000> - N<0123456789> W<a>"),
	ROW("12345678-1", "N<12345678> - N<1>"),
	/* markers: a colon is what the parser makes of it */
	ROW("? :a :\"A b\" :  b {now():now()}", "? : W<a> : Q<A b> : W<b> { W<now> ( ) : W<now> ( ) }"),
	ROW("(a,b)=(?,?);", "( W<a> , W<b> ) = ( ? , ? ) ;"),
	ROW("a<=1 a>=1 a!=1 a%2 *+", "W<a> < = N<1> W<a> > = N<1> W<a> ! = N<1> W<a> % N<2> * +"),
	ROW("a # b @ \\ ^ ` | ~ &", "W<a> B<#> W<b> B<@> B<\\> B<^> B<`> B<|> B<~> B<&>"),
	ROW(";;;", "; ; ;"),
};

struct line {
	char text[4096];
	size_t n;
};

static void put(struct line *l, const void *p, size_t n)
{
	assert_true(l->n + n < sizeof(l->text));
	memcpy(l->text + l->n, p, n);
	l->n += n;
}

static void put_token(struct line *l, struct cql_token t)
{
	static const char letter[] = {[CQL_TOK_WORD] = 'W',
		[CQL_TOK_QUOTED] = 'Q',
		[CQL_TOK_STRING] = 'S',
		[CQL_TOK_NUMBER] = 'N',
		[CQL_TOK_BAD] = 'B'};

	if (l->n)
		put(l, " ", 1);
	if (t.kind == CQL_TOK_SYMBOL || t.kind == CQL_TOK_MARKER) {
		assert_int_equal(t.text.n, 1);
		put(l, t.text.p, 1);
		return;
	}
	put(l, &letter[t.kind], 1);
	put(l, "<", 1);
	put(l, t.text.p, t.text.n);
	put(l, ">", 1);
}

/* Through memory of exactly the text's size, so that a byte read too far is seen. */
static void lex_all(const char *text, size_t size, struct line *out)
{
	uint8_t *copy = malloc(size + !size);
	struct cql_lexer l;
	size_t behind = 0;

	memcpy(copy, text, size);
	cql_lexer_init(&l, (struct cql_view){copy, size});
	out->n = 0;
	for (;;) {
		struct cql_token t = cql_lex(&l);

		assert_true(t.at >= behind && t.at + t.size <= size);
		behind = t.at + t.size;
		if (t.kind == CQL_TOK_END)
			break;
		assert_true(t.size > 0);
		put_token(out, t);
	}
	assert_int_equal(cql_lex(&l).kind, CQL_TOK_END);
	free(copy);
}

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct line got;
		size_t want = strlen(r->tokens);

		lex_all(r->text, r->size, &got);
		if (memchr(r->text, 0, r->size)) /* the one row with a NUL in its tokens */
			want = sizeof("W<a> B<\0> W<b>") - 1;
		if (got.n != want || memcmp(got.text, r->tokens, want))
			fail_msg("%s\n  gives %.*s\n  not   %s", r->text, (int)got.n, got.text, r->tokens);
	}
}

/* Whatever is cut off behind, the tokens before the last stay the same or the last was whole: no state leaks over tokens. */
static void test_cut_anywhere(void **state)
{
	struct line got;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t n = 0; n <= rows[i].size; n++)
			lex_all(rows[i].text, n, &got);
}

static void test_offsets(void **state)
{
	struct cql_lexer l;
	struct cql_token t;

	(void)state;
	cql_lexer_init(&l, cql_view_of(" 'a' $$b$$ \"c\" d"));
	t = cql_lex(&l);
	assert_int_equal(t.at, 1);
	assert_int_equal(t.size, 3);
	t = cql_lex(&l);
	assert_int_equal(t.at, 5);
	assert_int_equal(t.size, 5);
	t = cql_lex(&l);
	assert_int_equal(t.at, 11);
	assert_int_equal(t.size, 3);
	t = cql_lex(&l);
	assert_int_equal(t.at, 15);
	assert_int_equal(t.size, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_cut_anywhere),
		cmocka_unit_test(test_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
