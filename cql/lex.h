/*
 * CQL tokens, as Cassandra's Lexer.g makes them. No allocation; a token is a view into the text. Any bytes give tokens, then END for ever:
 * what the server's lexer refuses is a BAD token, and lexing goes on behind it.
 *
 * Left to the caller, as it is to Cassandra's parser: ':' is punctuation (a bind marker :name, a map's colon in {now():now()}), and so is the
 * '-' of a negative number. An ISO duration (P1DT2H) is a WORD, since a table may be called pt.
 */
#pragma once
#include "cql/bytes.h"

enum cql_token_kind {
	CQL_TOK_END,
	CQL_TOK_WORD,   /* unquoted identifier or keyword, as written */
	CQL_TOK_QUOTED, /* "quoted": text without the outer quotes, "" not yet undoubled */
	CQL_TOK_STRING, /* '…' or $$…$$: text without the outer quotes, '' not yet undoubled */
	CQL_TOK_NUMBER, /* integer, float, hex blob, uuid, duration: whatever begins with a digit (or a uuid that begins with a letter) */
	CQL_TOK_MARKER, /* ? */
	CQL_TOK_SYMBOL, /* one character of punctuation: text.p[0] */
	CQL_TOK_BAD, /* something the server refuses: unclosed string or comment, a line comment that no newline ends, a control character … */
};
struct cql_token {
	enum cql_token_kind kind;
	struct cql_view text;
	uint32_t at, size; /* in the statement, quotes included */
};
struct cql_lexer {
	struct cql_view text;
	size_t pos;
};
void cql_lexer_init(struct cql_lexer *l, struct cql_view text);
struct cql_token cql_lex(struct cql_lexer *l);
