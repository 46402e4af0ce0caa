/* SELECT, and WHERE for all. */
#include "parse.h"
#include <errno.h>

static struct cql_view label_of(struct parser *p, const char *function, struct cql_view column)
{
	struct cql_writer w = BUFFER_INIT;

	cql_write_view(&w, cql_view_of(function));
	cql_write_u8(&w, '(');
	cql_write_view(&w, column);
	cql_write_u8(&w, ')');
	struct cql_view v = arena_copy(p->a, (struct cql_view){w.p, w.len});

	buffer_free(&w);
	return v;
}

/* system.now(), as Cassandra labels calls */
static struct cql_view label_of_call(struct parser *p, const struct term *t)
{
	struct cql_writer w = BUFFER_INIT;

	cql_write_view(&w, cql_view_of("system."));
	cql_write_view(&w, t->text);
	cql_write_u8(&w, '(');
	for (uint32_t i = 0; i < t->n; i++) {
		if (i)
			cql_write_view(&w, cql_view_of(", "));
		if (t->items[i]->kind == TERM_CALL)
			cql_write_view(&w, label_of_call(p, t->items[i]));
		else
			cql_write_view(&w, t->items[i]->text);
	}
	cql_write_u8(&w, ')');
	struct cql_view v = arena_copy(p->a, (struct cql_view){w.p, w.len});

	buffer_free(&w);
	return v;
}

static int one_column(struct parser *p, struct term *t, struct selector *sel)
{
	if (t->n != 1 || t->items[0]->kind != TERM_WORD)
		return problem_invalid(p->why, "%.*s() takes a column", PV(t->text));
	sel->name = t->items[0]->text;
	return 0;
}

static int call(struct parser *p, struct term *t, struct selector *sel)
{
	sel->term = t;
	if (cql_view_is(t->text, "writetime") || cql_view_is(t->text, "ttl")) {
		sel->kind = t->text.p[0] == 'w' ? SELECT_WRITETIME : SELECT_TTL;
		if (one_column(p, t, sel) < 0)
			return -EINVAL;
		sel->label = label_of(p, t->text.p[0] == 'w' ? "writetime" : "ttl", sel->name);
	} else if (cql_view_is(t->text, "token")) {
		sel->kind = SELECT_TOKEN;
		sel->label = label_of_call(p, t);
	} else if (cql_view_is(t->text, "count")) {
		if (t->n != 1 || t->items[0]->kind != TERM_NUMBER)
			return problem_invalid(
				p->why, "count(column) is not supported by seam-node: use count(*)");
		sel->kind = SELECT_COUNT;
		sel->label = cql_view_of("count");
	} else {
		sel->kind = SELECT_TERM;
		sel->label = label_of_call(p, t);
	}
	return 0;
}

static int selector(struct parser *p, struct selector *sel)
{
	struct parser before = *p;
	struct term *t;

	if (parse_take_word(p, "count") && parse_take_symbol(p, '(') && parse_take_symbol(p, '*')) {
		if (parse_need_symbol(p, ')') < 0)
			return -EINVAL;
		*sel = (struct selector){.kind = SELECT_COUNT, .label = cql_view_of("count")};
	} else {
		*p = before;
		if (parse_term(p, &t) < 0)
			return -EINVAL;
		if (t->kind == TERM_CALL) {
			if (call(p, t, sel) < 0)
				return -EINVAL;
		} else if (t->kind == TERM_WORD) {
			*sel = (struct selector){.kind = SELECT_COLUMN, .name = t->text, .label = t->text};
		} else {
			return problem_invalid(p->why, "only columns and functions can be selected");
		}
	}
	return parse_take_word(p, "as") ? parse_name(p, &sel->label) : 0;
}

static int selectors(struct parser *p, struct stmt *s)
{
	if (parse_take_symbol(p, '*'))
		return 0;
	do {
		if (!parse_room(p->a, (void **)&s->selectors, s->n_selectors, sizeof(*s->selectors),
			    AST_MAX_NAMES))
			return problem_invalid(p->why, "more than %d selectors", AST_MAX_NAMES);
		struct selector *sel = &s->selectors[s->n_selectors++];

		if (selector(p, sel) < 0)
			return -EINVAL;
		s->aggregate |= sel->kind == SELECT_COUNT;
	} while (parse_take_symbol(p, ','));
	if (s->aggregate && s->n_selectors > 1)
		return problem_invalid(
			p->why, "count(*) beside other selectors is not supported by seam-node");
	return 0;
}

static int operator(struct parser *p, struct relation *r)
{
	if (parse_take_word(p, "in")) {
		r->op = OP_IN;
		return 0;
	}
	if (parse_take_symbol(p, '=')) {
		r->op = OP_EQ;
		return 0;
	}
	if (parse_take_symbol(p, '!')) {
		r->op = OP_NE;
		return parse_need_symbol(p, '=');
	}
	bool less = parse_is_symbol(p, '<');

	if (!less && !parse_is_symbol(p, '>')) {
		if (parse_is_word(p, "contains") || parse_is_word(p, "like") || parse_is_word(p, "is"))
			return problem_invalid(
				p->why, "CONTAINS, LIKE and IS are not supported by seam-node");
		return parse_unexpected(p);
	}
	parse_advance(p);
	if (parse_take_symbol(p, '='))
		r->op = less ? OP_LE : OP_GE;
	else
		r->op = less ? OP_LT : OP_GT;
	return 0;
}

static int token_names(struct parser *p, struct relation *r)
{
	r->token = true;
	do {
		if (!parse_room(p->a, (void **)&r->names, r->n_names, sizeof(*r->names), AST_MAX_NAMES))
			return problem_invalid(p->why, "more than %d columns", AST_MAX_NAMES);
		if (parse_name(p, &r->names[r->n_names++]) < 0)
			return -EINVAL;
	} while (parse_take_symbol(p, ','));
	return parse_need_symbol(p, ')');
}

int parse_relation(struct parser *p, struct relation *r)
{
	if (parse_take_word(p, "token")) {
		if (parse_need_symbol(p, '(') < 0 || token_names(p, r) < 0)
			return -EINVAL;
	} else if (parse_is_symbol(p, '(')) {
		return problem_invalid(p->why, "relations on several columns are not supported by seam-node");
	} else {
		r->names = ARENA_NEW(p->a, struct cql_view);
		r->n_names = 1;
		if (parse_name(p, r->names) < 0)
			return -EINVAL;
		if (parse_is_symbol(p, '['))
			return problem_invalid(
				p->why, "conditions on elements are not supported by seam-node");
	}
	if (operator(p, r) < 0)
		return -EINVAL;
	if (r->op == OP_IN && parse_is_symbol(p, '(')) {
		/* (a, b) of one element must not be read as a cast: (x) y is none here */
		struct term *list = ARENA_NEW(p->a, struct term);

		parse_advance(p);
		list->kind = TERM_LIST;
		r->value = list;
		if (parse_take_symbol(p, ')'))
			return 0;
		do {
			if (!parse_room(p->a, (void **)&list->items, list->n, sizeof(*list->items),
				    AST_MAX_ITEMS))
				return problem_invalid(p->why, "more than %d elements", AST_MAX_ITEMS);
			if (parse_term(p, &list->items[list->n++]) < 0)
				return -EINVAL;
		} while (parse_take_symbol(p, ','));
		return parse_need_symbol(p, ')');
	}
	return parse_term(p, &r->value);
}

int parse_where(struct parser *p, struct stmt *s)
{
	do {
		if (!parse_room(p->a, (void **)&s->where, s->n_where, sizeof(*s->where), AST_MAX_NAMES))
			return problem_invalid(p->why, "more than %d relations", AST_MAX_NAMES);
		if (parse_relation(p, &s->where[s->n_where++]) < 0)
			return -EINVAL;
	} while (parse_take_word(p, "and"));
	return 0;
}

static int order_by(struct parser *p, struct stmt *s)
{
	if (parse_need_word(p, "by") < 0)
		return -EINVAL;
	s->order = ARENA_ARRAY(p->a, struct cql_view, AST_MAX_NAMES);
	s->order_desc = ARENA_ARRAY(p->a, bool, AST_MAX_NAMES);
	do {
		if (s->n_order == AST_MAX_NAMES)
			return problem_invalid(p->why, "more than %d columns", AST_MAX_NAMES);
		if (parse_name(p, &s->order[s->n_order]) < 0)
			return -EINVAL;
		if (parse_take_word(p, "desc"))
			s->order_desc[s->n_order] = true;
		else
			parse_take_word(p, "asc");
		s->n_order++;
	} while (parse_take_symbol(p, ','));
	return 0;
}

int parse_select(struct parser *p, struct stmt *s)
{
	struct parser before;

	s->kind = STMT_SELECT;
	before = *p;
	if (parse_take_word(p, "json") && !parse_is_word(p, "from") && !parse_is_symbol(p, ','))
		return problem_invalid(p->why, "SELECT JSON is not supported by seam-node");
	*p = before;
	if (parse_take_word(p, "distinct")) {
		s->distinct = !parse_is_word(p, "from") && !parse_is_symbol(p, ',');
		if (!s->distinct)
			*p = before;
	}
	if (selectors(p, s) < 0 || parse_need_word(p, "from") < 0 || parse_table_name(p, s) < 0)
		return -EINVAL;
	if (parse_take_word(p, "where") && parse_where(p, s) < 0)
		return -EINVAL;
	if (parse_is_word(p, "group"))
		return problem_invalid(p->why, "GROUP BY is not supported by seam-node");
	if (parse_take_word(p, "order") && order_by(p, s) < 0)
		return -EINVAL;
	if (parse_take_word(p, "per") &&
		(parse_need_word(p, "partition") < 0 || parse_need_word(p, "limit") < 0 ||
			parse_term(p, &s->partition_limit) < 0))
		return -EINVAL;
	if (parse_take_word(p, "limit") && parse_term(p, &s->limit) < 0)
		return -EINVAL;
	if (parse_take_word(p, "allow")) {
		s->filtering = true;
		return parse_need_word(p, "filtering");
	}
	return 0;
}
