#include "resolve.h"
#include "term.h"
#include "where.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct resolver {
	const struct schema *schema;
	struct cql_view current;
	struct stmt *markers; /* whose markers are typed: a batch's children share the batch's */
	struct arena *a;
	struct problem *why;
};

static int find_column(
	struct resolver *r, const struct stmt *s, struct cql_view name, const struct column **out)
{
	*out = schema_column(s->table, name);
	return *out ? 0
		    : problem_invalid(r->why, "Undefined column name %.*s in table %s.%s", PV(name),
			      s->table->keyspace->name, s->table->name);
}

static char *text_in(struct resolver *r, const char *column)
{
	size_t n = strlen(column);
	char *p = arena_bytes(r->a, n + 5);

	memcpy(p, "in(", 3);
	memcpy(p + 3, column, n);
	memcpy(p + 3 + n, ")", 2);
	return p;
}

static int token_relation(struct resolver *r, struct stmt *s, struct relation *rel)
{
	if (rel->op == OP_IN || rel->op == OP_NE)
		return problem_invalid(r->why, "token() takes <, <=, =, >=, >");
	if (rel->n_names != s->table->n_partition)
		return problem_invalid(r->why, "The token() function must be applied to all partition key "
					       "components or none of them");
	for (uint32_t i = 0; i < rel->n_names; i++)
		if (!cql_view_is(rel->names[i], s->table->columns[i].name))
			return problem_invalid(
				r->why, "The token function arguments must be in the partition key order");
	if (rel->value->kind != TERM_CALL)
		return term_resolve(r->markers, rel->value, "partition key token", type_of_id(CQL_T_BIGINT),
			r->a, r->why);
	if (!cql_view_is(rel->value->text, "token") || rel->value->n != s->table->n_partition)
		return problem_invalid(r->why, "Invalid call of token()");
	for (uint32_t i = 0; i < rel->value->n; i++) {
		char name[32];

		snprintf(name, sizeof(name), "arg%u(system.token)", i);
		if (term_resolve(r->markers, rel->value->items[i], name, s->table->columns[i].type, r->a,
			    r->why) < 0)
			return -EINVAL;
	}
	return 0;
}

static int relation(struct resolver *r, struct stmt *s, struct relation *rel)
{
	if (rel->token)
		return token_relation(r, s, rel);
	if (find_column(r, s, rel->names[0], &rel->column) < 0)
		return -EINVAL;
	const struct type *type = rel->column->type;

	if (rel->op != OP_IN)
		return term_resolve(r->markers, rel->value, rel->column->name, type, r->a, r->why);
	if (rel->value->kind == TERM_MARKER)
		return term_resolve(r->markers, rel->value, text_in(r, rel->column->name),
			type_make(CQL_T_LIST, false, &type, 1), r->a, r->why);
	if (rel->value->kind != TERM_LIST)
		return problem_invalid(r->why, "Invalid IN relation on column %s", rel->column->name);
	for (uint32_t i = 0; i < rel->value->n; i++)
		if (term_resolve(r->markers, rel->value->items[i], rel->column->name, type, r->a, r->why) < 0)
			return -EINVAL;
	return 0;
}

static int relations(struct resolver *r, struct stmt *s)
{
	for (uint32_t i = 0; i < s->n_where; i++) {
		if (relation(r, s, &s->where[i]) < 0)
			return -EINVAL;
		if (s->where[i].op == OP_NE)
			return problem_invalid(
				r->why, "Unsupported \"!=\" relation: %s", s->where[i].column->name);
	}
	return where_plan(s, r->a, r->why);
}

static int integer(struct resolver *r, struct term *t, const char *name, enum cql_type_id type)
{
	return t ? term_resolve(r->markers, t, name, type_of_id(type), r->a, r->why) : 0;
}

/* ---- SELECT */

static int selector(struct resolver *r, struct stmt *s, struct selector *sel)
{
	switch (sel->kind) {
	case SELECT_TOKEN:
		for (uint32_t i = 0; i < sel->term->n; i++)
			if (sel->term->n != s->table->n_partition || sel->term->items[i]->kind != TERM_WORD ||
				!cql_view_is(sel->term->items[i]->text, s->table->columns[i].name))
				return problem_invalid(r->why,
					"token() takes the columns of the partition key, in their order");
		sel->type = type_of_id(CQL_T_BIGINT);
		return sel->term->n
			       ? 0
			       : problem_invalid(r->why, "token() takes the columns of the partition key");
	case SELECT_COUNT:
		sel->type = type_of_id(CQL_T_BIGINT);
		return 0;
	case SELECT_TERM:
		sel->type = term_call_type(sel->term);
		for (uint32_t i = 0; i < sel->term->n; i++)
			if (sel->term->items[i]->kind == TERM_WORD) {
				const struct column *c;

				if (find_column(r, s, sel->term->items[i]->text, &c) < 0)
					return -EINVAL;
			}
		return term_resolve(r->markers, sel->term, "arg0", NULL, r->a, r->why);
	case SELECT_COLUMN:
	case SELECT_WRITETIME:
	case SELECT_TTL:
	default:
		break;
	}
	if (find_column(r, s, sel->name, &sel->column) < 0)
		return -EINVAL;
	sel->type = sel->kind == SELECT_COLUMN      ? sel->column->type
		    : sel->kind == SELECT_WRITETIME ? type_of_id(CQL_T_BIGINT)
						    : type_of_id(CQL_T_INT);
	if (sel->kind == SELECT_COLUMN)
		return 0;
	const char *what = sel->kind == SELECT_TTL ? "ttl" : "writetime";

	if (sel->column->kind <= COLUMN_CLUSTERING)
		return problem_invalid(r->why, "Cannot use selection function %s on PRIMARY KEY part %s",
			what, sel->column->name);
	if (type_is_multicell(sel->column->type) || sel->column->type->id == CQL_T_COUNTER)
		return problem_invalid(r->why,
			"Cannot use selection function %s on non-frozen collections and counters: %s", what,
			sel->column->name);
	return 0;
}

/* Only the table's order or its exact reverse, and only within partitions that are named. */
static int order(struct resolver *r, struct stmt *s)
{
	for (uint32_t i = 0; i < s->n_order; i++) {
		const struct column *c;

		if (find_column(r, s, s->order[i], &c) < 0)
			return -EINVAL;
		bool reverse = s->order_desc[i] != c->descending;

		if (c->kind != COLUMN_CLUSTERING || c->position != i || (i && reverse != s->descending))
			return problem_invalid(r->why, "Unsupported order by relation");
		s->descending = reverse;
	}
	if (s->n_order && !s->plan->partition)
		return problem_invalid(r->why,
			"ORDER BY is only supported when the partition key is restricted by an EQ or an IN.");
	return 0;
}

static int select_all(struct resolver *r, struct stmt *s)
{
	s->selectors = ARENA_ARRAY(r->a, struct selector, s->table->n_columns);
	for (int i = 0; i < s->table->n_columns; i++) {
		const struct column *c = &s->table->columns[i];

		s->selectors[i] = (struct selector){
			SELECT_COLUMN, cql_view_of(c->name), cql_view_of(c->name), NULL, c, c->type};
	}
	s->n_selectors = s->table->n_columns;
	return 0;
}

static int resolve_select(struct resolver *r, struct stmt *s)
{
	if (!s->n_selectors && select_all(r, s) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < s->n_selectors; i++) {
		struct selector *sel = &s->selectors[i];

		if (selector(r, s, sel) < 0)
			return -EINVAL;
		if (s->distinct && !(sel->column && (sel->column->kind == COLUMN_PARTITION ||
							    sel->column->kind == COLUMN_STATIC)))
			return problem_invalid(r->why, "SELECT DISTINCT queries must only request partition "
						       "key columns and/or static columns");
	}
	if (relations(r, s) < 0 || order(r, s) < 0)
		return -EINVAL;
	return integer(r, s->partition_limit, "[per_partition_limit]", CQL_T_INT) < 0
		       ? -EINVAL
		       : integer(r, s->limit, "[limit]", CQL_T_INT);
}

/* ---- writes */

static int assignment(struct resolver *r, struct stmt *s, struct assignment *a)
{
	if (find_column(r, s, a->name, &a->column) < 0)
		return -EINVAL;
	const struct column *c = a->column;
	bool counter = c->type->id == CQL_T_COUNTER;

	if (s->kind != STMT_INSERT && c->kind <= COLUMN_CLUSTERING)
		return problem_invalid(r->why,
			s->kind == STMT_UPDATE
				? "PRIMARY KEY part %s found in SET part"
				: "Invalid identifier %s for deletion (should not be a PRIMARY KEY part)",
			c->name);
	if (!a->value)
		return 0;
	if (counter && a->op == '=')
		return problem_invalid(r->why,
			"Cannot set the value of counter column %s (counters can only be "
			"incremented/decremented, not set)",
			c->name);
	if (!counter && a->op != '=')
		return problem_invalid(r->why,
			type_is_multicell(c->type) ? "seam-node writes collections whole: %s"
						   : "Invalid operation on column %s: it is no counter",
			c->name);
	return term_resolve(r->markers, a->value, c->name, c->type, r->a, r->why);
}

static int missing_key(struct resolver *r, const struct stmt *s)
{
	for (int i = 0; i < s->table->n_partition; i++) {
		bool named = false;

		for (uint32_t k = 0; k < s->n_where; k++)
			named |= s->where[k].column == &s->table->columns[i];
		if (!named)
			return problem_invalid(r->why, "Some partition key parts are missing: %s",
				s->table->columns[i].name);
	}
	return problem_invalid(
		r->why, "Only EQ and IN relation are supported on the partition key for writes");
}

/* UPDATE and DELETE name their rows fully, DELETE of whole rows may name a stretch. */
static int where_of_write(struct resolver *r, struct stmt *s, bool only_static)
{
	const struct where *w = s->plan;
	uint16_t in = 0;

	if (!w->partition)
		return missing_key(r, s);
	for (uint32_t i = 0; i < w->n_filters; i++) {
		if (w->filters[i]->column->kind != COLUMN_CLUSTERING || w->filters[i]->op == OP_NE ||
			(w->filters[i]->op != OP_IN && w->filters[i]->op != OP_EQ))
			return problem_invalid(r->why,
				"Non PRIMARY KEY columns, or clustering columns out of order, found in where "
				"clause: %s",
				w->filters[i]->column->name);
		in++;
	}
	bool full = w->n_prefix + in == s->table->n_clustering && !w->n_slice;
	bool whole_rows = s->kind == STMT_DELETE && !s->n_set;

	if (in && !full)
		return problem_invalid(
			r->why, "IN on clustering columns needs all of them in seam-node's writes");
	if (only_static && (w->n_prefix || w->n_slice || in) && !full)
		return problem_invalid(r->why, "Invalid restrictions on clustering columns since the "
					       "statement modifies only static columns");
	if (!full && !whole_rows && !only_static)
		return problem_invalid(
			r->why, w->n_slice ? "Range deletions are not supported for specific columns"
					   : "Some clustering keys are missing");
	if (stmt_is_conditional(s) && !full && !only_static)
		return problem_invalid(r->why, "conditions need the whole primary key");
	return 0;
}

static int conditions(struct resolver *r, struct stmt *s)
{
	if (stmt_is_conditional(s) && s->timestamp)
		return problem_invalid(r->why, "Cannot provide custom timestamp for conditional updates");
	if (stmt_is_conditional(s) && s->table->counter)
		return problem_invalid(r->why, "Conditional updates are not supported on counter tables");
	for (uint32_t i = 0; i < s->n_conditions; i++) {
		if (s->conditions[i].token || relation(r, s, &s->conditions[i]) < 0)
			return s->conditions[i].token ? problem_invalid(r->why, "token() in a condition")
						      : -EINVAL;
		if (s->conditions[i].column->kind <= COLUMN_CLUSTERING)
			return problem_invalid(r->why, "PRIMARY KEY column '%s' cannot have IF conditions",
				s->conditions[i].column->name);
	}
	return 0;
}

static int insert_has_key(struct resolver *r, struct stmt *s)
{
	bool only_static = true;

	for (uint32_t i = 0; i < s->n_set; i++)
		only_static &=
			s->set[i].column->kind == COLUMN_PARTITION || s->set[i].column->kind == COLUMN_STATIC;
	for (int i = 0; i < s->table->n_partition + s->table->n_clustering; i++) {
		uint32_t times = 0;

		for (uint32_t k = 0; k < s->n_set; k++)
			times += s->set[k].column == &s->table->columns[i];
		if (times > 1)
			return problem_invalid(r->why, "The column names contains duplicates");
		if (!times && !(only_static && s->n_set > s->table->n_partition &&
				      s->table->columns[i].kind == COLUMN_CLUSTERING))
			return problem_invalid(r->why, "Some %s keys are missing: %s",
				s->table->columns[i].kind == COLUMN_CLUSTERING ? "clustering" : "partition",
				s->table->columns[i].name);
	}
	return 0;
}

static int resolve_write(struct resolver *r, struct stmt *s)
{
	bool only_static = s->n_set > 0;

	if (s->table->counter && (s->timestamp || s->ttl))
		return problem_invalid(r->why, "Cannot provide custom %s for counter updates",
			s->timestamp ? "timestamp" : "TTL");
	if (s->table->counter && s->kind == STMT_INSERT)
		return problem_invalid(
			r->why, "INSERT statements are not allowed on counter tables, use UPDATE instead");
	/* In the order of the text, which is the order of the markers' types only for messages: each marker knows its place. */
	for (uint32_t i = 0; i < s->n_set; i++) {
		if (assignment(r, s, &s->set[i]) < 0)
			return -EINVAL;
		only_static &= s->set[i].column->kind == COLUMN_STATIC;
	}
	if (integer(r, s->timestamp, "[timestamp]", CQL_T_BIGINT) < 0 ||
		integer(r, s->ttl, "[ttl]", CQL_T_INT) < 0)
		return -EINVAL;
	if (s->kind == STMT_INSERT)
		return insert_has_key(r, s) < 0 ? -EINVAL : conditions(r, s);
	if (relations(r, s) < 0 || where_of_write(r, s, only_static) < 0)
		return -EINVAL;
	return conditions(r, s);
}

static int by_kind(struct resolver *r, struct stmt *s)
{
	if (s->kind == STMT_SELECT)
		return resolve_select(r, s);
	if (s->table->keyspace->system)
		return problem_set(r->why, CQL_E_UNAUTHORIZED, "%s keyspace is not user-modifiable.",
			s->table->keyspace->name);
	return s->kind == STMT_TRUNCATE ? 0 : resolve_write(r, s);
}

static int one(struct resolver *r, struct stmt *s)
{
	if (schema_find(r->schema, s->keyspace, r->current, s->name, &s->table, r->why) < 0 ||
		by_kind(r, s) < 0)
		return -EINVAL;
	for (int i = 0; i < r->markers->n_markers; i++)
		if (r->markers->markers[i].type && !r->markers->markers[i].table)
			r->markers->markers[i].table = s->table;
	return 0;
}

static int resolve_batch(struct resolver *r, struct stmt *s)
{
	if (integer(r, s->timestamp, "[timestamp]", CQL_T_BIGINT) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < s->n_children; i++) {
		if (one(r, s->children[i]) < 0)
			return -EINVAL;
		if (s->timestamp && s->children[i]->timestamp)
			return problem_invalid(
				r->why, "Timestamp must be set either on BATCH or individual statements");
	}
	return 0;
}

static int dispatch(struct resolver *r, struct stmt *s)
{
	switch (s->kind) {
	case STMT_SELECT:
	case STMT_INSERT:
	case STMT_UPDATE:
	case STMT_DELETE:
	case STMT_TRUNCATE:
		return one(r, s);
	case STMT_BATCH:
		return resolve_batch(r, s);
	case STMT_USE:
	case STMT_CREATE_KEYSPACE:
	case STMT_ALTER_KEYSPACE:
	case STMT_DROP_KEYSPACE:
	case STMT_CREATE_TABLE:
	case STMT_ALTER_TABLE:
	case STMT_DROP_TABLE:
	case STMT_CREATE_INDEX:
	case STMT_DROP_INDEX:
	default:
		return 0;
	}
}

int resolve_statement(const struct schema *schema, struct cql_view current, struct stmt *s, struct arena *a,
	struct problem *why)
{
	struct resolver r = {schema, current, s, a, why};

	if (dispatch(&r, s) < 0)
		return -EINVAL;
	for (int i = 0; i < s->n_markers; i++)
		if (!s->markers[i].type)
			return problem_invalid(why, "bind marker %d stands where none can", i);
	return 0;
}

bool resolve_is_qualified(const struct stmt *s)
{
	for (uint32_t i = 0; i < s->n_children; i++)
		if (!s->children[i]->keyspace.n)
			return false;
	return s->kind == STMT_BATCH ? s->n_children > 0 : s->keyspace.n > 0;
}

/* The marker of a partition key column; of IN (?, ?) the last one, as Cassandra has it. -1: none. */
static int key_marker(const struct stmt *s, int column)
{
	const struct term *t = NULL;

	if (s->kind == STMT_INSERT) {
		for (uint32_t k = 0; k < s->n_set; k++)
			if (s->set[k].column == &s->table->columns[column])
				t = s->set[k].value;
	} else if (s->plan->partition) {
		const struct relation *rel = s->plan->partition[column];

		if (rel->op == OP_EQ)
			t = rel->value;
		else if (rel->value->kind == TERM_LIST && rel->value->n)
			t = rel->value->items[rel->value->n - 1];
	}
	return t && t->kind == TERM_MARKER ? t->marker : -1;
}

bool resolve_is_of_one_table(const struct stmt *s)
{
	for (uint32_t i = 1; i < s->n_children; i++)
		if (s->children[i]->table != s->children[0]->table)
			return false;
	return true;
}

uint16_t resolve_partition_markers(const struct stmt *s, uint16_t *out)
{
	if (!resolve_is_of_one_table(s))
		return 0;
	if (s->kind == STMT_BATCH && s->n_children)
		s = s->children[0];
	if (!s->table || s->kind == STMT_TRUNCATE)
		return 0;
	for (int i = 0; i < s->table->n_partition; i++) {
		int marker = key_marker(s, i);

		if (marker < 0)
			return 0;
		out[i] = (uint16_t)marker;
	}
	return s->table->n_partition;
}
