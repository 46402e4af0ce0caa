/*
 * CQL tokens, as Cassandra's Lexer.g makes them. No allocation; a token is a view into the text. Every byte sequence gives tokens
 * and then END or BAD: the classifier decides what to do with BAD.
 */
#pragma once
#include "cql/bytes.h"

enum cql_token_kind {
	CQL_TOK_END,
	CQL_TOK_WORD,   /* unquoted identifier or keyword, as written */
	CQL_TOK_QUOTED, /* "quoted": text without the outer quotes, "" not yet undoubled */
	CQL_TOK_STRING, /* '…' or $$…$$: text without the outer quotes */
	CQL_TOK_NUMBER, /* integer, float, hex blob, uuid, duration: whatever begins with a digit (or a uuid that begins with a letter) */
	CQL_TOK_MARKER, /* ? or :name */
	CQL_TOK_SYMBOL, /* one character of punctuation: text[0] */
	CQL_TOK_BAD, /* something the server refuses: unclosed string or comment, a control character … */
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
