/* INSERT, UPDATE, DELETE, BATCH. */
#include "parse.h"
#include <errno.h>

static int using_clause(struct parser *p, struct stmt *s, bool ttl_allowed)
{
	if (!parse_take_word(p, "using"))
		return 0;
	do {
		if (parse_take_word(p, "timestamp")) {
			if (parse_term(p, &s->timestamp) < 0)
				return -EINVAL;
		} else if (ttl_allowed && parse_take_word(p, "ttl")) {
			if (parse_term(p, &s->ttl) < 0)
				return -EINVAL;
		} else {
			return parse_unexpected(p);
		}
	} while (parse_take_word(p, "and"));
	return 0;
}

static struct assignment *add(struct parser *p, struct stmt *s)
{
	if (!parse_room(p->a, (void **)&s->set, s->n_set, sizeof(*s->set), AST_MAX_NAMES)) {
		problem_invalid(p->why, "more than %d columns", AST_MAX_NAMES);
		return NULL;
	}
	s->set[s->n_set] = (struct assignment){.op = '='};
	return &s->set[s->n_set++];
}

int parse_insert(struct parser *p, struct stmt *s)
{
	uint32_t n = 0;

	s->kind = STMT_INSERT;
	if (parse_need_word(p, "into") < 0 || parse_table_name(p, s) < 0)
		return -EINVAL;
	if (parse_is_word(p, "json"))
		return problem_invalid(p->why, "INSERT JSON is not supported by seam-node");
	if (parse_need_symbol(p, '(') < 0)
		return -EINVAL;
	do {
		struct assignment *a = add(p, s);

		if (!a || parse_name(p, &a->name) < 0)
			return -EINVAL;
	} while (parse_take_symbol(p, ','));
	if (parse_need_symbol(p, ')') < 0 || parse_need_word(p, "values") < 0 ||
		parse_need_symbol(p, '(') < 0)
		return -EINVAL;
	do {
		if (n == s->n_set)
			return problem_invalid(p->why, "Unmatched column names/values");
		if (parse_term(p, &s->set[n++].value) < 0)
			return -EINVAL;
	} while (parse_take_symbol(p, ','));
	if (parse_need_symbol(p, ')') < 0)
		return -EINVAL;
	if (n != s->n_set)
		return problem_invalid(p->why, "Unmatched column names/values");
	if (parse_take_word(p, "if")) {
		s->if_not_exists = true;
		if (parse_need_word(p, "not") < 0 || parse_need_word(p, "exists") < 0)
			return -EINVAL;
	}
	return using_clause(p, s, true);
}

static int if_clause(struct parser *p, struct stmt *s)
{
	if (!parse_take_word(p, "if"))
		return 0;
	struct parser before = *p;

	if (parse_take_word(p, "exists") &&
		(p->tok.kind == CQL_TOK_END || parse_is_symbol(p, ';') || p->tok.kind == CQL_TOK_WORD) &&
		!parse_is_word(p, "in")) {
		s->if_exists = true;
		return 0;
	}
	*p = before;
	do {
		if (!parse_room(p->a, (void **)&s->conditions, s->n_conditions, sizeof(*s->conditions),
			    AST_MAX_NAMES))
			return problem_invalid(p->why, "more than %d conditions", AST_MAX_NAMES);
		if (parse_relation(p, &s->conditions[s->n_conditions++]) < 0)
			return -EINVAL;
	} while (parse_take_word(p, "and"));
	return 0;
}

static int assign(struct parser *p, struct assignment *a)
{
	if (parse_name(p, &a->name) < 0)
		return -EINVAL;
	if (parse_is_symbol(p, '[') || parse_is_symbol(p, '.'))
		return problem_invalid(p->why, "seam-node writes collections whole: no elements, no fields");
	if (parse_is_symbol(p, '+') || parse_is_symbol(p, '-')) { /* c += 1 */
		a->op = (char)p->tok.text.p[0];
		parse_advance(p);
		return parse_need_symbol(p, '=') < 0 ? -EINVAL : parse_term(p, &a->value);
	}
	if (parse_need_symbol(p, '=') < 0 || parse_term(p, &a->value) < 0)
		return -EINVAL;
	if (parse_is_symbol(p, '+') || parse_is_symbol(p, '-')) {
		if (a->value->kind != TERM_WORD || !cql_view_equal(a->value->text, a->name))
			return problem_invalid(
				p->why, "Only expressions of the form X = X + <value> are supported");
		a->op = (char)p->tok.text.p[0];
		parse_advance(p);
		return parse_term(p, &a->value);
	}
	return 0;
}

int parse_update(struct parser *p, struct stmt *s)
{
	s->kind = STMT_UPDATE;
	if (parse_table_name(p, s) < 0 || using_clause(p, s, true) < 0 || parse_need_word(p, "set") < 0)
		return -EINVAL;
	do {
		struct assignment *a = add(p, s);

		if (!a || assign(p, a) < 0)
			return -EINVAL;
	} while (parse_take_symbol(p, ','));
	if (parse_need_word(p, "where") < 0 || parse_where(p, s) < 0)
		return -EINVAL;
	return if_clause(p, s);
}

int parse_delete(struct parser *p, struct stmt *s)
{
	s->kind = STMT_DELETE;
	if (!parse_is_word(p, "from"))
		do {
			struct assignment *a = add(p, s);

			if (!a || parse_name(p, &a->name) < 0)
				return -EINVAL;
			if (parse_is_symbol(p, '[') || parse_is_symbol(p, '.'))
				return problem_invalid(p->why,
					"seam-node deletes collections whole: no elements, no fields");
		} while (parse_take_symbol(p, ','));
	if (parse_need_word(p, "from") < 0 || parse_table_name(p, s) < 0 || using_clause(p, s, false) < 0 ||
		parse_need_word(p, "where") < 0 || parse_where(p, s) < 0)
		return -EINVAL;
	return if_clause(p, s);
}

static int child(struct parser *p, struct stmt *s)
{
	struct stmt *c = ARENA_NEW(p->a, struct stmt);

	if (!parse_room(p->a, (void **)&s->children, s->n_children, sizeof(*s->children), AST_MAX_ITEMS))
		return problem_invalid(p->why, "more than %d statements in a batch", AST_MAX_ITEMS);
	s->children[s->n_children++] = c;
	if (parse_take_word(p, "insert"))
		return parse_insert(p, c);
	if (parse_take_word(p, "update"))
		return parse_update(p, c);
	if (parse_take_word(p, "delete"))
		return parse_delete(p, c);
	return parse_unexpected(p);
}

int parse_batch(struct parser *p, struct stmt *s)
{
	s->kind = STMT_BATCH;
	if (parse_take_word(p, "unlogged"))
		s->batch_type = 1;
	else if (parse_take_word(p, "counter"))
		s->batch_type = 2;
	if (parse_need_word(p, "batch") < 0 || using_clause(p, s, false) < 0)
		return -EINVAL;
	while (!parse_is_word(p, "apply")) {
		if (child(p, s) < 0)
			return -EINVAL;
		parse_take_symbol(p, ';');
	}
	parse_advance(p);
	return parse_need_word(p, "batch");
}
