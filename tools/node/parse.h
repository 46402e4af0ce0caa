/*
 * A recursive-descent parser of the CQL that seam-node knows, over cql/lex.h. What Cassandra knows and this does not is refused by name:
 * never half understood.
 */
#pragma once
#include "arena.h"
#include "ast.h"
#include "cql/lex.h"
#include "problem.h"

#define PARSE_MAX_TEXT (64u << 20)

/* *out lies in `a` and copies what it needs of text. */
int parse_statement(struct cql_view text, struct arena *a, struct stmt **out, struct problem *why) must_check;

/* ---- between the parse_*.c files; each returns 0 or -EINVAL with the problem set */
struct parser {
	struct cql_lexer lex;
	struct cql_token tok; /* the next one */
	struct arena *a;
	struct problem *why;
	struct stmt *s; /* whose markers are counted: a batch's children share the batch's */
	uint32_t markers_cap;
	int depth;
};

void parse_advance(struct parser *p);
int parse_unexpected(struct parser *p);
bool parse_is_word(const struct parser *p, const char *lower);
bool parse_is_symbol(const struct parser *p, char c);
bool parse_take_word(struct parser *p, const char *lower);
bool parse_take_symbol(struct parser *p, char c);
int parse_need_word(struct parser *p, const char *lower);
int parse_need_symbol(struct parser *p, char c);
int parse_name(struct parser *p, struct cql_view *out);
int parse_table_name(struct parser *p, struct stmt *s);
struct cql_view parse_unquoted(
	struct parser *p, const struct cql_token *t); /* a QUOTED or STRING without its doubled quotes */
/* Make room for one more in an array of the arena that is grown by doubling; false: more than `max`. */
bool parse_room(struct arena *a, void **items, uint32_t n, size_t size, uint32_t max);

int parse_term(struct parser *p, struct term **out);
int parse_type(struct parser *p, const struct type **out);

int parse_select(struct parser *p, struct stmt *s);
int parse_where(struct parser *p, struct stmt *s);
int parse_relation(struct parser *p, struct relation *r);
int parse_insert(struct parser *p, struct stmt *s);
int parse_update(struct parser *p, struct stmt *s);
int parse_delete(struct parser *p, struct stmt *s);
int parse_batch(struct parser *p, struct stmt *s);
int parse_create(struct parser *p, struct stmt *s);
int parse_alter(struct parser *p, struct stmt *s);
int parse_drop(struct parser *p, struct stmt *s);
