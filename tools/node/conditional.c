/*
 * Writes with IF. One store has nothing to agree on, so a condition is a look before the write; the write then takes this moment's
 * timestamp, as a Paxos ballot would give it.
 */
#include "statement.h"
#include "cluster.h"
#include "result.h"
#include "term.h"
#include "value.h"
#include <errno.h>

#define MAX_COLUMNS (AST_MAX_NAMES + 1)

static bool row_exists(
	const struct exec *x, const struct mutation *m, const struct partition *p, const struct row *r)
{
	if (!m->has_row)
		return p && p->statics && store_row_alive(p->statics, x->now);
	return r && store_row_alive(r, x->now);
}

/* 1 met, 0 not. */
static int condition(const struct exec *x, const struct relation *rel, const struct table *t,
	const struct partition *p, const struct row *r)
{
	struct cql_view have = {0}, *values;
	bool is_set = p && where_column(t, rel->column, p, r, x->now, &have);
	uint32_t n;

	if (rel->op != OP_IN) {
		struct cql_value v;

		if (term_value(x, rel->value, rel->column->type, rel->column->name, &v) < 0)
			return -EINVAL;
		if (v.state == CQL_VALUE_UNSET)
			return problem_invalid(x->why, "Invalid 'unset' value in condition");
		if (v.state == CQL_VALUE_NULL) {
			if (rel->op != OP_EQ && rel->op != OP_NE)
				return problem_invalid(x->why,
					"Invalid comparison with null for operator other than = and !=");
			return (rel->op == OP_EQ) == !is_set;
		}
		if (!is_set)
			return rel->op == OP_NE;
		return where_compare(rel->column->type, rel->op, have, &v.view, 1);
	}
	if (where_values(x, rel, &values, &n) < 0)
		return -EINVAL;
	return is_set && where_compare(rel->column->type, OP_IN, have, values, n);
}

static int met(const struct exec *x, const struct mutation *m)
{
	struct partition *p;
	struct row *r;

	mutation_find(m, &p, &r);
	if (m->s->if_not_exists)
		return !row_exists(x, m, p, r);
	if (m->s->if_exists)
		return row_exists(x, m, p, r);
	for (uint32_t i = 0; i < m->s->n_conditions; i++) {
		int ok = condition(x, &m->s->conditions[i], m->s->table, p, r);

		if (ok <= 0)
			return ok;
	}
	return 1;
}

static void add_column(const struct column **cols, uint32_t *n, const struct column *c)
{
	for (uint32_t i = 0; i < *n; i++)
		if (cols[i] == c)
			return;
	if (*n < MAX_COLUMNS - 1)
		cols[(*n)++] = c;
}

/* Which columns tell why a write was not applied: all after IF NOT EXISTS, else those of the conditions; in a batch the key too. */
static uint32_t columns_of(const struct mutations *list, bool batch, const struct column **cols)
{
	const struct table *t = list->first->s->table;
	uint32_t n = 0;
	bool all = false;

	for (const struct mutation *m = list->first; m; m = m->next)
		all |= m->s->if_not_exists;
	for (int i = 0; i < t->n_columns; i++)
		if (all || (batch && t->columns[i].kind <= COLUMN_CLUSTERING))
			add_column(cols, &n, &t->columns[i]);
	for (const struct mutation *m = list->first; m; m = m->next)
		for (uint32_t i = 0; i < m->s->n_conditions; i++)
			add_column(cols, &n, m->s->conditions[i].column);
	return n;
}

static void write_row(const struct exec *x, struct cql_writer *body, const struct mutation *m,
	const struct column **cols, uint32_t n)
{
	static const uint8_t no = 0;
	struct partition *p;
	struct row *r;

	mutation_find(m, &p, &r);
	cql_write_bytes(body, (struct cql_view){&no, 1});
	for (uint32_t i = 0; i < n; i++) {
		struct cql_view v;

		/* IF NOT EXISTS of a row looks at no static column, and Cassandra answers null for it */
		bool looked_at = !(m->s->if_not_exists && m->has_row && cols[i]->kind == COLUMN_STATIC);

		if (p && looked_at && where_column(m->s->table, cols[i], p, r, x->now, &v))
			cql_write_bytes(body, v);
		else
			cql_write_null(body);
	}
}

static void write_result(
	const struct exec *x, struct cql_writer *body, const struct mutations *list, bool applied, bool batch)
{
	const struct column *cols[MAX_COLUMNS];
	struct result_column *out = ARENA_ARRAY(x->a, struct result_column, MAX_COLUMNS);
	uint32_t n = 0, rows = 0;
	size_t count_at;

	for (const struct mutation *m = list->first; m && !applied; m = m->next) {
		struct partition *p;
		struct row *r;

		mutation_find(m, &p, &r);
		rows += stmt_is_conditional(m->s) && row_exists(x, m, p, r);
	}
	if (rows)
		n = columns_of(list, batch, cols);
	out[0] = (struct result_column){cql_view_of("[applied]"), type_of_id(CQL_T_BOOLEAN)};
	for (uint32_t i = 0; i < n; i++)
		out[i + 1] = (struct result_column){cql_view_of(cols[i]->name), cols[i]->type};
	cql_write_i32(body, CQL_ROWS);
	result_metadata(body, x->version, list->first->s->table, out, n + 1, 0, (struct cql_view){0},
		(struct cql_view){0});
	count_at = body->len;
	cql_write_i32(body, 1);
	if (!rows) {
		uint8_t flag = applied;

		cql_write_bytes(body, (struct cql_view){&flag, 1});
		return;
	}
	cql_patch_i32(body, count_at, (int32_t)rows);
	for (const struct mutation *m = list->first; m; m = m->next) {
		struct partition *p;
		struct row *r;

		mutation_find(m, &p, &r);
		if (stmt_is_conditional(m->s) && row_exists(x, m, p, r))
			write_row(x, body, m, cols, n);
	}
}

int conditional_run(struct exec *x, const struct mutations *list, bool batch, struct cql_writer *body)
{
	const struct mutation *first = list->first;

	if (!first || (!batch && list->n > 1))
		return problem_invalid(
			x->why, "IN on the primary key is not supported with conditional updates");
	for (struct mutation *m = list->first; m; m = m->next) {
		if (m->s->table != first->s->table || !cql_view_equal(m->key.key, first->key.key))
			return problem_invalid(x->why, "Batch with conditions cannot span multiple %s",
				m->s->table != first->s->table ? "tables" : "partitions");
		m->timestamp = x->now_us;
	}
	for (const struct mutation *m = first; m; m = m->next) {
		int ok = met(x, m);

		if (ok < 0)
			return ok;
		if (!ok) {
			write_result(x, body, list, false, batch);
			return 0;
		}
	}
	if (mutation_apply(x, list) < 0)
		return -EINVAL;
	write_result(x, body, list, true, batch);
	return 0;
}
