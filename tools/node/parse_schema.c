/* CREATE, ALTER, DROP of keyspaces, tables, indexes. */
#include "parse.h"
#include <errno.h>

static int if_not_exists(struct parser *p, struct stmt *s)
{
	if (!parse_take_word(p, "if"))
		return 0;
	s->if_not_exists = true;
	return parse_need_word(p, "not") < 0 ? -EINVAL : parse_need_word(p, "exists");
}

static int if_exists(struct parser *p, struct stmt *s)
{
	if (!parse_take_word(p, "if"))
		return 0;
	s->if_exists = true;
	return parse_need_word(p, "exists");
}

static int add_name(struct parser *p, struct cql_view **list, uint32_t *n)
{
	if (!parse_room(p->a, (void **)list, *n, sizeof(**list), AST_MAX_NAMES))
		return problem_invalid(p->why, "more than %d columns", AST_MAX_NAMES);
	return parse_name(p, &(*list)[(*n)++]);
}

/* CLUSTERING ORDER BY (a ASC, b DESC) */
static int clustering_order(struct parser *p, struct stmt *s)
{
	if (parse_need_word(p, "order") < 0 || parse_need_word(p, "by") < 0 || parse_need_symbol(p, '(') < 0)
		return -EINVAL;
	s->order = ARENA_ARRAY(p->a, struct cql_view, AST_MAX_NAMES);
	s->order_desc = ARENA_ARRAY(p->a, bool, AST_MAX_NAMES);
	do {
		if (s->n_order == AST_MAX_NAMES)
			return problem_invalid(p->why, "more than %d columns", AST_MAX_NAMES);
		if (parse_name(p, &s->order[s->n_order]) < 0)
			return -EINVAL;
		s->order_desc[s->n_order] = parse_take_word(p, "desc");
		if (!s->order_desc[s->n_order])
			parse_take_word(p, "asc");
		s->n_order++;
	} while (parse_take_symbol(p, ','));
	return parse_need_symbol(p, ')');
}

static int with_clause(struct parser *p, struct stmt *s)
{
	if (!parse_take_word(p, "with"))
		return 0;
	do {
		if (parse_take_word(p, "clustering")) {
			if (clustering_order(p, s) < 0)
				return -EINVAL;
			continue;
		}
		if (parse_take_word(p, "compact"))
			return problem_invalid(p->why, "COMPACT STORAGE is not supported by seam-node");
		if (!parse_room(p->a, (void **)&s->options, s->n_options, sizeof(*s->options), AST_MAX_NAMES))
			return problem_invalid(p->why, "more than %d options", AST_MAX_NAMES);
		struct with_option *o = &s->options[s->n_options++];

		if (parse_name(p, &o->name) < 0 || parse_need_symbol(p, '=') < 0 ||
			parse_term(p, &o->value) < 0)
			return -EINVAL;
	} while (parse_take_word(p, "and"));
	return 0;
}

/* (a, b) or ((a, b), c) of PRIMARY KEY */
static int primary_key(struct parser *p, struct stmt *s)
{
	if (s->n_partition_key)
		return problem_invalid(p->why, "Multiple PRIMARY KEYs specified (exactly one required)");
	if (parse_need_symbol(p, '(') < 0)
		return -EINVAL;
	if (parse_take_symbol(p, '(')) {
		do {
			if (add_name(p, &s->partition_key, &s->n_partition_key) < 0)
				return -EINVAL;
		} while (parse_take_symbol(p, ','));
		if (parse_need_symbol(p, ')') < 0)
			return -EINVAL;
	} else if (add_name(p, &s->partition_key, &s->n_partition_key) < 0) {
		return -EINVAL;
	}
	while (parse_take_symbol(p, ','))
		if (add_name(p, &s->clustering, &s->n_clustering) < 0)
			return -EINVAL;
	return parse_need_symbol(p, ')');
}

static int column(struct parser *p, struct stmt *s)
{
	if (!parse_room(p->a, (void **)&s->columns, s->n_columns, sizeof(*s->columns), AST_MAX_NAMES))
		return problem_invalid(p->why, "more than %d columns", AST_MAX_NAMES);
	struct column_def *c = &s->columns[s->n_columns++];

	if (parse_name(p, &c->name) < 0 || parse_type(p, &c->type) < 0)
		return -EINVAL;
	c->is_static = parse_take_word(p, "static");
	if (!parse_take_word(p, "primary"))
		return 0;
	if (s->n_partition_key)
		return problem_invalid(p->why, "Multiple PRIMARY KEYs specified (exactly one required)");
	s->partition_key = ARENA_ARRAY(p->a, struct cql_view, 4);
	s->partition_key[s->n_partition_key++] = c->name;
	return parse_need_word(p, "key");
}

static int create_table(struct parser *p, struct stmt *s)
{
	s->kind = STMT_CREATE_TABLE;
	if (if_not_exists(p, s) < 0 || parse_table_name(p, s) < 0 || parse_need_symbol(p, '(') < 0)
		return -EINVAL;
	do {
		struct parser before = *p;

		if (parse_take_word(p, "primary") && parse_take_word(p, "key")) {
			if (primary_key(p, s) < 0)
				return -EINVAL;
		} else {
			*p = before;
			if (column(p, s) < 0)
				return -EINVAL;
		}
	} while (parse_take_symbol(p, ','));
	return parse_need_symbol(p, ')') < 0 ? -EINVAL : with_clause(p, s);
}

static int create_index(struct parser *p, struct stmt *s)
{
	s->kind = STMT_CREATE_INDEX;
	if (if_not_exists(p, s) < 0)
		return -EINVAL;
	if (!parse_is_word(p, "on") && parse_name(p, &s->index) < 0)
		return -EINVAL;
	if (parse_need_word(p, "on") < 0 || parse_table_name(p, s) < 0 || parse_need_symbol(p, '(') < 0 ||
		add_name(p, &s->names, &s->n_names) < 0)
		return -EINVAL;
	if (parse_is_symbol(p, '('))
		return problem_invalid(
			p->why, "indexes on parts of collections are not supported by seam-node");
	return parse_need_symbol(p, ')') < 0 ? -EINVAL : with_clause(p, s);
}

static int unsupported(struct parser *p)
{
	static const char *const kinds[] = {
		"type", "function", "aggregate", "trigger", "materialized", "role", "user", "custom", "or"};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (parse_is_word(p, kinds[i]))
			return problem_invalid(
				p->why, "CREATE, ALTER, DROP %s are not supported by seam-node", kinds[i]);
	return parse_unexpected(p);
}

static bool take_table(struct parser *p)
{
	return parse_take_word(p, "table") || parse_take_word(p, "columnfamily");
}

static bool take_keyspace(struct parser *p)
{
	return parse_take_word(p, "keyspace") || parse_take_word(p, "schema");
}

int parse_create(struct parser *p, struct stmt *s)
{
	if (take_table(p))
		return create_table(p, s);
	if (parse_take_word(p, "index"))
		return create_index(p, s);
	if (!take_keyspace(p))
		return unsupported(p);
	s->kind = STMT_CREATE_KEYSPACE;
	if (if_not_exists(p, s) < 0 || parse_name(p, &s->keyspace) < 0)
		return -EINVAL;
	return with_clause(p, s);
}

static int alter_columns(struct parser *p, struct stmt *s)
{
	bool list;

	if (parse_take_word(p, "add")) {
		list = parse_take_symbol(p, '(');
		do {
			if (column(p, s) < 0)
				return -EINVAL;
		} while (parse_take_symbol(p, ','));
		return list ? parse_need_symbol(p, ')') : 0;
	}
	if (parse_take_word(p, "drop")) {
		s->drop = true;
		list = parse_take_symbol(p, '(');
		do {
			if (add_name(p, &s->names, &s->n_names) < 0)
				return -EINVAL;
		} while (parse_take_symbol(p, ','));
		return list ? parse_need_symbol(p, ')') : 0;
	}
	if (parse_take_word(p, "rename")) {
		s->rename = true;
		do {
			if (add_name(p, &s->names, &s->n_names) < 0 || parse_need_word(p, "to") < 0 ||
				add_name(p, &s->names, &s->n_names) < 0)
				return -EINVAL;
		} while (parse_take_word(p, "and"));
		return 0;
	}
	return parse_is_word(p, "with") ? with_clause(p, s) : parse_unexpected(p);
}

int parse_alter(struct parser *p, struct stmt *s)
{
	if (take_table(p)) {
		s->kind = STMT_ALTER_TABLE;
		if (if_exists(p, s) < 0 || parse_table_name(p, s) < 0)
			return -EINVAL;
		return alter_columns(p, s);
	}
	if (!take_keyspace(p))
		return unsupported(p);
	s->kind = STMT_ALTER_KEYSPACE;
	if (if_exists(p, s) < 0 || parse_name(p, &s->keyspace) < 0)
		return -EINVAL;
	return with_clause(p, s);
}

int parse_drop(struct parser *p, struct stmt *s)
{
	if (take_table(p)) {
		s->kind = STMT_DROP_TABLE;
	} else if (parse_take_word(p, "index")) {
		s->kind = STMT_DROP_INDEX;
	} else if (take_keyspace(p)) {
		s->kind = STMT_DROP_KEYSPACE;
		return if_exists(p, s) < 0 ? -EINVAL : parse_name(p, &s->keyspace);
	} else {
		return unsupported(p);
	}
	return if_exists(p, s) < 0 ? -EINVAL : parse_table_name(p, s);
}
