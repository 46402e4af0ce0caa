#include "parse.h"
#include <errno.h>
#include <string.h>

/* Words that cannot name a thing unless quoted (Cassandra's reserved_keywords.txt, 5.0), sorted. */
static const char *const reserved[] = {"add", "allow", "alter", "and", "apply", "asc", "authorize", "batch",
	"begin", "by", "columnfamily", "create", "delete", "desc", "describe", "drop", "entries", "execute",
	"from", "full", "grant", "if", "in", "index", "infinity", "insert", "into", "is", "keyspace", "limit",
	"materialized", "modify", "nan", "norecursive", "not", "null", "of", "on", "or", "order", "primary",
	"rename", "revoke", "schema", "select", "set", "table", "to", "token", "truncate", "unlogged",
	"update", "use", "using", "view", "where", "with"};

void parse_advance(struct parser *p)
{
	p->tok = cql_lex(&p->lex);
}

int parse_unexpected(struct parser *p)
{
	if (p->tok.kind == CQL_TOK_END)
		return problem_syntax(p->why, "line 1:%u no viable alternative at input '<EOF>'", p->tok.at);
	struct cql_view text = {p->lex.text.p + p->tok.at, p->tok.size};

	return problem_syntax(p->why, "line 1:%u no viable alternative at input '%.*s'", p->tok.at, PV(text));
}

bool parse_is_word(const struct parser *p, const char *lower)
{
	return p->tok.kind == CQL_TOK_WORD && cql_view_is_word(p->tok.text, lower);
}

bool parse_is_symbol(const struct parser *p, char c)
{
	return p->tok.kind == CQL_TOK_SYMBOL && p->tok.text.p[0] == (uint8_t)c;
}

bool parse_take_word(struct parser *p, const char *lower)
{
	if (!parse_is_word(p, lower))
		return false;
	parse_advance(p);
	return true;
}

bool parse_take_symbol(struct parser *p, char c)
{
	if (!parse_is_symbol(p, c))
		return false;
	parse_advance(p);
	return true;
}

int parse_need_word(struct parser *p, const char *lower)
{
	return parse_take_word(p, lower) ? 0 : parse_unexpected(p);
}

int parse_need_symbol(struct parser *p, char c)
{
	return parse_take_symbol(p, c) ? 0 : parse_unexpected(p);
}

struct cql_view parse_unquoted(struct parser *p, const struct cql_token *t)
{
	uint8_t quote = p->lex.text.p[t->at];

	if (quote == '$' || !memchr(t->text.n ? t->text.p : &quote, quote, t->text.n))
		return arena_copy(p->a, t->text);
	uint8_t *out = arena_bytes(p->a, t->text.n);
	size_t n = 0;

	for (size_t i = 0; i < t->text.n; i++) {
		out[n++] = t->text.p[i];
		if (t->text.p[i] == quote)
			i++;
	}
	return (struct cql_view){out, n};
}

static bool is_reserved(struct cql_view word)
{
	for (size_t i = 0; i < ARRAY_LEN(reserved); i++)
		if (cql_view_is(word, reserved[i]))
			return true;
	return false;
}

int parse_name(struct parser *p, struct cql_view *out)
{
	if (p->tok.kind == CQL_TOK_QUOTED) {
		*out = parse_unquoted(p, &p->tok);
	} else if (p->tok.kind == CQL_TOK_WORD) {
		uint8_t *copy = arena_bytes(p->a, p->tok.text.n);

		for (size_t i = 0; i < p->tok.text.n; i++) {
			uint8_t c = p->tok.text.p[i];

			copy[i] = c >= 'A' && c <= 'Z' ? c + 32 : c;
		}
		*out = (struct cql_view){copy, p->tok.text.n};
		if (is_reserved(*out))
			return parse_unexpected(p);
	} else {
		return parse_unexpected(p);
	}
	parse_advance(p);
	return 0;
}

int parse_table_name(struct parser *p, struct stmt *s)
{
	if (parse_name(p, &s->name) < 0)
		return -EINVAL;
	if (!parse_take_symbol(p, '.'))
		return 0;
	s->keyspace = s->name;
	return parse_name(p, &s->name);
}

bool parse_room(struct arena *a, void **items, uint32_t n, size_t size, uint32_t max)
{
	if (n >= max)
		return false;
	if (n >= 4 ? n & (n - 1) : n) /* room is made at 0, 4, 8, 16 … */
		return true;
	void *bigger = arena_alloc(a, (n ? 2 * (size_t)n : 4) * size);

	if (n)
		memcpy(bigger, *items, n * size);
	*items = bigger;
	return true;
}

static int parse_verb(struct parser *p, struct stmt *s)
{
	if (parse_take_word(p, "select"))
		return parse_select(p, s);
	if (parse_take_word(p, "insert"))
		return parse_insert(p, s);
	if (parse_take_word(p, "update"))
		return parse_update(p, s);
	if (parse_take_word(p, "delete"))
		return parse_delete(p, s);
	if (parse_take_word(p, "begin"))
		return parse_batch(p, s);
	if (parse_take_word(p, "create"))
		return parse_create(p, s);
	if (parse_take_word(p, "alter"))
		return parse_alter(p, s);
	if (parse_take_word(p, "drop"))
		return parse_drop(p, s);
	if (parse_take_word(p, "use")) {
		s->kind = STMT_USE;
		return parse_name(p, &s->keyspace);
	}
	if (parse_take_word(p, "truncate")) {
		s->kind = STMT_TRUNCATE;
		if (!parse_take_word(p, "table"))
			parse_take_word(p, "columnfamily");
		return parse_table_name(p, s);
	}
	static const char *const others[] = {"grant", "revoke", "list", "describe", "desc", "add", "call"};

	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		if (parse_is_word(p, others[i]))
			return problem_invalid(
				p->why, "%s statements are not supported by seam-node", others[i]);
	return parse_unexpected(p);
}

int parse_statement(struct cql_view text, struct arena *a, struct stmt **out, struct problem *why)
{
	struct stmt *s = ARENA_NEW(a, struct stmt);
	struct parser p = {.a = a, .why = why, .s = s};

	if (text.n > PARSE_MAX_TEXT)
		return problem_invalid(
			why, "statement of %zu bytes is longer than %u", text.n, PARSE_MAX_TEXT);
	cql_lexer_init(&p.lex, text);
	parse_advance(&p);
	if (parse_verb(&p, s) < 0)
		return -EINVAL;
	while (parse_take_symbol(&p, ';'))
		continue;
	if (p.tok.kind != CQL_TOK_END)
		return parse_unexpected(&p);
	*out = s;
	return 0;
}
