/* Values and types. */
#include "parse.h"
#include <errno.h>
#include <string.h>

static struct term *new_term(struct parser *p, enum term_kind kind, struct cql_view text)
{
	struct term *t = ARENA_NEW(p->a, struct term);

	t->kind = kind;
	t->text = text;
	return t;
}

static int add_item(struct parser *p, struct term *t, struct term *item)
{
	if (!parse_room(p->a, (void **)&t->items, t->n, sizeof(*t->items), AST_MAX_ITEMS))
		return problem_invalid(p->why, "more than %d elements", AST_MAX_ITEMS);
	t->items[t->n++] = item;
	return 0;
}

static int marker(struct parser *p, struct cql_view given, struct term **out)
{
	struct stmt *s = p->s;

	if (!parse_room(p->a, (void **)&s->markers, s->n_markers, sizeof(*s->markers), 65535))
		return problem_invalid(p->why, "more than 65535 bind markers");
	*out = new_term(p, TERM_MARKER, given);
	(*out)->marker = s->n_markers;
	s->markers[s->n_markers++].given = given;
	return 0;
}

/* Items up to `close`; the opening symbol is taken. */
static int items(struct parser *p, struct term *t, char close)
{
	if (parse_take_symbol(p, close))
		return 0;
	do {
		struct term *item;

		if (parse_term(p, &item) < 0 || add_item(p, t, item) < 0)
			return -EINVAL;
	} while (parse_take_symbol(p, ','));
	return parse_need_symbol(p, close);
}

static int braces(struct parser *p, struct term *t)
{
	struct term *item;

	if (parse_take_symbol(p, '}'))
		return 0;
	if (parse_term(p, &item) < 0 || add_item(p, t, item) < 0)
		return -EINVAL;
	if (parse_is_symbol(p, ':'))
		t->kind = TERM_MAP;
	for (bool first = true;; first = false) {
		if (!first && (parse_term(p, &item) < 0 || add_item(p, t, item) < 0))
			return -EINVAL;
		if (t->kind == TERM_MAP && (parse_need_symbol(p, ':') < 0 || parse_term(p, &item) < 0 ||
						   add_item(p, t, item) < 0))
			return -EINVAL;
		if (!parse_take_symbol(p, ','))
			return parse_need_symbol(p, '}');
	}
}

/* (a, b): a tuple. (type) a: a cast, when what stands in the parentheses is a type and a value follows. */
static int parenthesis(struct parser *p, struct term **out)
{
	struct parser at_open = *p;
	const struct type *type;

	if ((p->tok.kind == CQL_TOK_WORD) && parse_type(p, &type) == 0 && parse_take_symbol(p, ')') &&
		p->tok.kind != CQL_TOK_END && !parse_is_symbol(p, ',') && !parse_is_symbol(p, ')') &&
		!parse_is_symbol(p, ';')) {
		struct term *item;

		*out = new_term(p, TERM_CAST, (struct cql_view){0});
		(*out)->cast = type;
		if (parse_term(p, &item) < 0)
			return -EINVAL;
		return add_item(p, *out, item);
	}
	*p = at_open;
	*out = new_term(p, TERM_TUPLE, (struct cql_view){0});
	return items(p, *out, ')');
}

/* A word: null, true, a function's name (maybe with its keyspace), or a column in a select list. */
static int word(struct parser *p, struct term **out)
{
	bool quoted = p->tok.kind == CQL_TOK_QUOTED;
	struct cql_view name;

	if (!quoted && (parse_is_word(p, "nan") || parse_is_word(p, "infinity") || parse_is_word(p, "null") ||
			       parse_is_word(p, "token"))) {
		uint8_t *folded = arena_bytes(p->a, p->tok.text.n);

		for (size_t i = 0; i < p->tok.text.n; i++)
			folded[i] = p->tok.text.p[i] | 0x20;
		name = (struct cql_view){folded, p->tok.text.n};
		parse_advance(p);
		if (cql_view_is(name, "null")) {
			*out = new_term(p, TERM_NULL, name);
			return 0;
		}
	} else if (parse_name(p, &name) < 0) {
		return -EINVAL;
	}
	if (parse_is_symbol(p, '.')) {
		struct cql_view function;

		parse_advance(p);
		if (parse_name(p, &function) < 0)
			return -EINVAL;
		if (!cql_view_is(name, "system"))
			return problem_invalid(
				p->why, "Unknown function '%.*s.%.*s'", PV(name), PV(function));
		name = function;
		if (!parse_is_symbol(p, '('))
			return parse_unexpected(p);
	}
	*out = new_term(p, TERM_WORD, name);
	if (!parse_take_symbol(p, '('))
		return 0;
	(*out)->kind = TERM_CALL;
	return items(p, *out, ')');
}

static int number(struct parser *p, struct term **out, bool negative)
{
	*out = new_term(p, TERM_NUMBER, arena_copy(p->a, p->tok.text));
	(*out)->negative = negative;
	parse_advance(p);
	return 0;
}

static int symbol(struct parser *p, struct term **out)
{
	char c = (char)p->tok.text.p[0];
	struct cql_view name;

	parse_advance(p);
	switch (c) {
	case ':':
		/* unreserved keywords and quoted names too */
		return parse_name(p, &name) < 0 ? -EINVAL : marker(p, name, out);
	case '[':
		*out = new_term(p, TERM_LIST, (struct cql_view){0});
		return items(p, *out, ']');
	case '{':
		*out = new_term(p, TERM_SET, (struct cql_view){0});
		return braces(p, *out);
	case '(':
		return parenthesis(p, out);
	case '-':
		if (p->tok.kind == CQL_TOK_NUMBER)
			return number(p, out, true);
		if (parse_is_word(p, "infinity") || parse_is_word(p, "nan") || p->tok.kind == CQL_TOK_WORD) {
			if (word(p, out) < 0)
				return -EINVAL;
			(*out)->negative = true;
			return 0;
		}
		return parse_unexpected(p);
	default:
		return problem_syntax(p->why, "line 1:%u no viable alternative at input '%c'", p->tok.at, c);
	}
}

int parse_term(struct parser *p, struct term **out)
{
	int err;

	if (++p->depth > TYPE_DEPTH)
		return problem_invalid(p->why, "values nested deeper than %d", TYPE_DEPTH);
	switch (p->tok.kind) {
	case CQL_TOK_STRING:
		*out = new_term(p, TERM_STRING, parse_unquoted(p, &p->tok));
		parse_advance(p);
		err = 0;
		break;
	case CQL_TOK_NUMBER:
		err = number(p, out, false);
		break;
	case CQL_TOK_MARKER:
		parse_advance(p);
		err = marker(p, (struct cql_view){0}, out);
		break;
	case CQL_TOK_SYMBOL:
		err = symbol(p, out);
		break;
	case CQL_TOK_WORD:
	case CQL_TOK_QUOTED:
		err = word(p, out);
		break;
	case CQL_TOK_END:
	case CQL_TOK_BAD:
	default:
		err = parse_unexpected(p);
	}
	p->depth--;
	return err;
}

static int type_of(struct parser *p, bool frozen, const struct type **out)
{
	const struct type *sub[TYPE_WIDTH];
	struct cql_view name;
	uint8_t n = 0;

	if (++p->depth > TYPE_DEPTH)
		return problem_invalid(p->why, "types nested deeper than %d", TYPE_DEPTH);
	if (parse_take_word(p, "set")) /* a reserved word elsewhere */
		name = cql_view_of("set");
	else if (parse_name(p, &name) < 0)
		return -EINVAL;
	if (!parse_take_symbol(p, '<')) {
		*out = type_native(name);
		p->depth--;
		return *out ? 0 : problem_invalid(p->why, "Unknown type %.*s", PV(name));
	}
	if (cql_view_is(name, "frozen"))
		return type_of(p, true, out) < 0 ? -EINVAL : parse_need_symbol(p, '>');
	frozen = frozen || cql_view_is(name, "tuple"); /* tuples are values whole, and so is what they hold */
	do {
		if (n == TYPE_WIDTH)
			return problem_invalid(p->why, "a tuple of more than %d components", TYPE_WIDTH);
		if (type_of(p, frozen, &sub[n]) < 0)
			return -EINVAL;
		if (sub[n]->id == CQL_T_COUNTER)
			return problem_invalid(p->why, "Counters are not allowed inside collections");
		if (type_is_multicell(sub[n]))
			return problem_invalid(p->why,
				"Non-frozen collections are not allowed inside collections: %s",
				sub[n]->name);
		n++;
	} while (parse_take_symbol(p, ','));
	enum cql_type_id id = cql_view_is(name, "list")  ? CQL_T_LIST
			      : cql_view_is(name, "set") ? CQL_T_SET
			      : cql_view_is(name, "map") ? CQL_T_MAP
							 : CQL_T_TUPLE;

	if ((id == CQL_T_TUPLE && !cql_view_is(name, "tuple")) ||
		(id != CQL_T_TUPLE && n != (id == CQL_T_MAP ? 2 : 1)))
		return problem_invalid(p->why, "type %.*s<…> is not supported by seam-node", PV(name));
	*out = type_make(id, frozen, sub, n);
	return parse_need_symbol(p, '>');
}

int parse_type(struct parser *p, const struct type **out)
{
	int depth = p->depth, err = type_of(p, false, out);

	p->depth = depth;
	return err;
}
