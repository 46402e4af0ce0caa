#include "mutation.h"
#include "term.h"
#include "token.h"
#include "value.h"
#include <errno.h>
#include <string.h>

#define MAX_TTL (20 * 365 * 24 * 3600) /* Cassandra's Attributes.MAX_TTL */

struct maker {
	const struct exec *x;
	struct stmt *s;
	struct mutations *list;
	int64_t timestamp;
	uint32_t ttl;
	struct mutation_cell *cells;
	uint32_t n_cells;
	bool static_only;
};

static int attributes(struct maker *m, int64_t timestamp)
{
	int64_t v;
	bool set;

	m->timestamp = timestamp;
	if (term_integer(m->x, m->s->timestamp, type_of_id(CQL_T_BIGINT), "timestamp", &v, &set) < 0)
		return -EINVAL;
	if (set && v == INT64_MIN)
		return problem_invalid(m->x->why, "Out of bound timestamp, must be in [%lld, %lld]",
			(long long)INT64_MIN + 1, (long long)INT64_MAX);
	if (set)
		m->timestamp = v;
	m->ttl = m->s->kind == STMT_DELETE ? 0 : (uint32_t)m->s->table->default_ttl;
	if (term_integer(m->x, m->s->ttl, type_of_id(CQL_T_INT), "TTL", &v, &set) < 0)
		return -EINVAL;
	if (set && (v < 0 || v > MAX_TTL))
		return problem_invalid(m->x->why,
			v < 0 ? "A TTL must be greater or equal to 0, but was %d"
			      : "ttl is too large. requested (%d) maximum (630720000)",
			(int)v);
	if (set)
		m->ttl = (uint32_t)v;
	return 0;
}

static bool empty_collection(const struct column *c, const struct cql_value *v)
{
	return type_is_multicell(c->type) && v->state == CQL_VALUE_SET && value_count(v->view) == 0;
}

/* One cell from SET, VALUES or DELETE's list. */
static int cell(struct maker *m, const struct assignment *a)
{
	struct mutation_cell *c = &m->cells[m->n_cells];

	*c = (struct mutation_cell){.column = a->column, .value.state = CQL_VALUE_NULL};
	if (a->value && term_value(m->x, a->value, a->column->type, a->column->name, &c->value) < 0)
		return -EINVAL;
	if (c->value.state == CQL_VALUE_UNSET)
		return 0;
	if (empty_collection(a->column, &c->value)) /* a plain collection without elements is null */
		c->value.state = CQL_VALUE_NULL;
	if (a->value && a->column->type->id == CQL_T_COUNTER) {
		if (c->value.state != CQL_VALUE_SET)
			return problem_invalid(m->x->why, "Invalid null value for counter increment");
		c->delta = value_i64(c->value.view);
		if (a->op == '-')
			c->delta = (int64_t)(0 - (uint64_t)c->delta);
	}
	m->n_cells++;
	return 0;
}

static struct mutation *add(struct maker *m, enum mutation_kind kind, const struct where_key *key)
{
	struct mutation *u = ARENA_NEW(m->x->a, struct mutation);

	*u = (struct mutation){.s = m->s,
		.kind = kind,
		.key = *key,
		.timestamp = m->timestamp,
		.ttl = m->ttl,
		.cells = m->cells,
		.n_cells = m->n_cells};
	if (!m->list->last)
		m->list->last = &m->list->first;
	*m->list->last = u;
	m->list->last = &u->next;
	m->list->n++;
	return u;
}

static int key_component(struct maker *m, const struct assignment *a, struct cql_view *out)
{
	struct cql_value v;

	if (term_value(m->x, a->value, a->column->type, a->column->name, &v) < 0)
		return -EINVAL;
	if (v.state == CQL_VALUE_UNSET)
		return problem_invalid(m->x->why, "Invalid unset value for column %s", a->column->name);
	if (v.state == CQL_VALUE_NULL)
		return problem_invalid(
			m->x->why, "Invalid null value in condition for column %s", a->column->name);
	if (v.view.n > 65535)
		return problem_invalid(
			m->x->why, "Key length of %zu is longer than maximum of 65535", v.view.n);
	*out = v.view;
	return 0;
}

static int make_insert(struct maker *m)
{
	const struct table *t = m->s->table;
	struct cql_view *parts = ARENA_ARRAY(m->x->a, struct cql_view, t->n_partition);
	struct bound row = {.n = 0};

	for (uint32_t i = 0; i < m->s->n_set; i++) {
		const struct assignment *a = &m->s->set[i];

		if (a->column->kind >= COLUMN_STATIC) {
			if (cell(m, a) < 0)
				return -EINVAL;
			continue;
		}
		struct cql_view *to = a->column->kind == COLUMN_PARTITION ? &parts[a->column->position]
									  : &row.values[a->column->position];

		if (key_component(m, a, to) < 0)
			return -EINVAL;
		row.n += a->column->kind == COLUMN_CLUSTERING;
	}
	struct where_key key = {.key = where_routing_key(m->x->a, parts, t->n_partition)};

	if (t->n_partition == 1 && key.key.n == 0)
		return problem_invalid(m->x->why, "Key may not be empty");
	key.token = token_of(key.key);
	struct mutation *u = add(m, MUTATION_ROW, &key);

	u->from = row;
	u->has_row = row.n == t->n_clustering && !(t->n_clustering && m->static_only && row.n == 0);
	return 0;
}

/* Rows of one partition that clustering = and IN name: every combination. */
static int each_row(struct maker *m, enum mutation_kind kind, const struct where_key *key)
{
	const struct where *w = m->s->plan;
	uint16_t n = m->s->table->n_clustering;
	struct cql_view *values[STORE_CLUSTERING];
	uint32_t counts[STORE_CLUSTERING];
	uint64_t all = 1;

	for (uint32_t i = 0; i < (uint32_t)w->n_prefix + w->n_filters; i++) {
		const struct relation *r = i < w->n_prefix ? w->prefix[i] : w->filters[i - w->n_prefix];

		if (where_values(m->x, r, &values[r->column->position], &counts[r->column->position]) < 0)
			return -EINVAL;
		all *= counts[r->column->position];
		if (all > WHERE_MAX_KEYS)
			return problem_invalid(
				m->x->why, "more than %d rows in one statement", WHERE_MAX_KEYS);
	}
	for (uint64_t k = 0; k < all; k++) {
		struct mutation *u = add(m, kind, key);
		uint64_t rest = k;

		u->has_row = true;
		u->from.n = n;
		for (int i = 0; i < n; i++) {
			u->from.values[i] = values[i][rest % counts[i]];
			rest /= counts[i];
		}
	}
	return 0;
}

static int make_where(struct maker *m)
{
	const struct where *w = m->s->plan;
	const struct table *t = m->s->table;
	struct where_key *keys;
	uint32_t n, in = w->n_filters;
	bool full = w->n_prefix + in == t->n_clustering && !w->n_slice;
	bool rows = m->s->kind == STMT_DELETE && !m->s->n_set;

	for (uint32_t i = 0; i < m->s->n_set; i++)
		if (cell(m, &m->s->set[i]) < 0)
			return -EINVAL;
	if (where_keys(m->x, w, &keys, &n) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		if (rows && w->n_prefix + in + w->n_slice == 0) {
			/* its only row, when it has no clustering: what a condition looks at */
			add(m, MUTATION_DELETE_PARTITION, &keys[i])->has_row = t->n_clustering == 0;
		} else if (rows && !full) {
			struct mutation *u = add(m, MUTATION_DELETE_RANGE, &keys[i]);

			if (where_bounds(m->x, w, &u->from, &u->to) < 0)
				return -EINVAL;
		} else if (m->static_only && !full) {
			add(m, MUTATION_ROW, &keys[i]);
		} else if (each_row(m, rows ? MUTATION_DELETE_ROW : MUTATION_ROW, &keys[i]) < 0) {
			return -EINVAL;
		}
	}
	return 0;
}

int mutation_make(const struct exec *x, struct stmt *s, int64_t timestamp, struct mutations *list)
{
	struct maker m = {.x = x, .s = s, .list = list, .static_only = s->n_set > 0};

	m.cells = ARENA_ARRAY(x->a, struct mutation_cell, s->n_set + 1);
	for (uint32_t i = 0; i < s->n_set; i++)
		m.static_only &=
			s->set[i].column->kind == COLUMN_STATIC || s->set[i].column->kind == COLUMN_PARTITION;
	if (attributes(&m, timestamp) < 0)
		return -EINVAL;
	return s->kind == STMT_INSERT ? make_insert(&m) : make_where(&m);
}

void mutation_find(const struct mutation *m, struct partition **p, struct row **r)
{
	struct table *t = m->s->table;

	*r = NULL;
	*p = store_partition(&t->store, m->key.token, m->key.key, false);
	if (*p && m->has_row)
		*r = store_row(&t->store, *p, &m->from, false);
}

static void apply_cells(const struct exec *x, const struct mutation *m, struct partition *p, struct row *r)
{
	const struct store *s = &m->s->table->store;

	for (uint32_t i = 0; i < m->n_cells; i++) {
		const struct mutation_cell *mc = &m->cells[i];
		struct row *to = mc->column->kind == COLUMN_STATIC ? store_static_row(p, true) : r;
		bool null = mc->value.state == CQL_VALUE_NULL;

		if (!to)
			continue; /* a regular column named beside static ones has its row: resolve's where_of_write() */
		if (mc->column->type->id == CQL_T_COUNTER && !null) {
			store_add(s, p, to, mc->column->id, mc->delta, x->now_us);
			continue;
		}
		struct cell c = {.timestamp = m->timestamp,
			.column = mc->column->id,
			.tombstone = null,
			.ttl = null ? 0 : m->ttl,
			.expiry = null     ? x->now
				  : m->ttl ? x->now + m->ttl
					   : STORE_NEVER};

		store_put(s, p, to, &c, null ? (struct cql_view){0} : mc->value.view);
	}
}

static int apply_one(const struct exec *x, const struct mutation *m)
{
	struct store *s = &m->s->table->store;
	struct partition *p = store_partition(s, m->key.token, m->key.key, true);
	struct row *r =
		m->has_row && m->kind < MUTATION_DELETE_PARTITION ? store_row(s, p, &m->from, true) : NULL;

	switch (m->kind) {
	case MUTATION_DELETE_PARTITION:
		store_delete_partition(p, m->timestamp);
		return 0;
	case MUTATION_DELETE_ROW:
		store_delete_row(r, m->timestamp);
		return 0;
	case MUTATION_DELETE_RANGE:
		if (!store_delete_range(s, p, &m->from, &m->to, m->timestamp))
			return problem_set(x->why, CQL_E_OVERLOADED,
				"more than %d range tombstones in one partition", STORE_MAX_RANGES);
		return 0;
	case MUTATION_ROW:
	default:
		break;
	}
	if (m->s->kind == STMT_INSERT && r)
		store_put_live(s, p, r, m->timestamp, m->ttl, m->ttl ? x->now + m->ttl : STORE_NEVER);
	apply_cells(x, m, p, r);
	return 0;
}

int mutation_apply(const struct exec *x, const struct mutations *list)
{
	if (store_bytes() > STORE_MAX_BYTES)
		return problem_set(
			x->why, CQL_E_OVERLOADED, "the store holds more than %llu bytes", STORE_MAX_BYTES);
	for (const struct mutation *m = list->first; m; m = m->next)
		if (apply_one(x, m) < 0)
			return -EINVAL;
	return 0;
}
