#include "where.h"
#include "term.h"
#include "token.h"
#include "value.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NEEDS_FILTERING                                                                                      \
	"Cannot execute this query as it might involve data filtering and thus may have unpredictable "      \
	"performance. "                                                                                      \
	"If you want to execute this query despite the performance unpredictability, use ALLOW FILTERING"

/* ---- the plan */

static const struct relation *on(const struct stmt *s, const struct column *c, uint32_t *at)
{
	while (*at < s->n_where) {
		const struct relation *r = &s->where[(*at)++];

		if (!r->token && r->column == c)
			return r;
	}
	return NULL;
}

static void filter(struct where *w, const struct relation *r, bool expensive)
{
	w->filters[w->n_filters++] = r;
	w->needs_filtering |= expensive;
}

static int plan_partition(struct stmt *s, struct where *w, struct arena *a, struct problem *why)
{
	const struct table *t = s->table;
	uint16_t found = 0;

	for (uint32_t i = 0; i < s->n_where; i++)
		if (s->where[i].token) {
			if (w->n_token == ARRAY_LEN(w->token))
				return problem_invalid(why, "too many restrictions on token()");
			w->token[w->n_token++] = &s->where[i];
		}
	w->partition = ARENA_ARRAY(a, const struct relation *, t->n_partition);
	for (int i = 0; i < t->n_partition; i++) {
		uint32_t at = 0;
		const struct relation *r = on(s, &t->columns[i], &at);

		if (r && (r->op == OP_EQ || r->op == OP_IN)) {
			w->partition[i] = r;
			found++;
			if (on(s, &t->columns[i], &at))
				return problem_invalid(why,
					"%s cannot be restricted by more than one relation if it includes an "
					"Equal",
					t->columns[i].name);
		} else if (r && s->kind == STMT_SELECT && !s->filtering) {
			return problem_invalid(why,
				"Only EQ and IN relation are supported on the partition key (unless you "
				"use the token() function or allow filtering)");
		}
	}
	if (found == t->n_partition && !w->n_token)
		return 0;
	for (int i = 0; i < t->n_partition; i++) {
		uint32_t at = 0;
		const struct relation *r;

		while ((r = on(s, &t->columns[i], &at)))
			filter(w, r, true);
	}
	w->partition = NULL;
	return 0;
}

static void plan_clustering(struct stmt *s, struct where *w)
{
	const struct table *t = s->table;
	bool open = w->partition != NULL, seen_in = false, gap = false;

	for (int i = 0; i < t->n_clustering; i++) {
		const struct column *c = &t->columns[t->n_partition + i];
		uint32_t at = 0, n = 0;
		const struct relation *r;

		while ((r = on(s, c, &at))) {
			n++;
			if (open && r->op == OP_EQ) {
				w->prefix[w->n_prefix++] = r;
			} else if (open && r->op != OP_IN && r->op != OP_NE &&
				   w->n_slice < ARRAY_LEN(w->slice)) {
				w->slice[w->n_slice++] = r;
			} else {
				/* behind an IN that follows the prefix nothing is more costly than the partition itself */
				filter(w, r,
					!w->partition || gap || r->op == OP_NE ||
						(w->n_slice && r->op != OP_IN) || (!open && !seen_in));
				seen_in |= r->op == OP_IN;
			}
		}
		gap |= n == 0;
		open = open && n == 1 && w->n_prefix == i + 1;
	}
}

int where_plan(struct stmt *s, struct arena *a, struct problem *why)
{
	struct where *w = ARENA_NEW(a, struct where);
	const struct table *t = s->table;

	w->table = t;
	w->filters = ARENA_ARRAY(a, const struct relation *, s->n_where + 1);
	if (plan_partition(s, w, a, why) < 0)
		return -EINVAL;
	plan_clustering(s, w);
	for (uint32_t i = 0; i < s->n_where; i++)
		if (!s->where[i].token && s->where[i].column->kind >= COLUMN_STATIC)
			filter(w, &s->where[i], !(s->where[i].column->indexed && s->where[i].op == OP_EQ));
	s->plan = w;
	if (s->kind == STMT_SELECT && w->needs_filtering && !s->filtering)
		return problem_invalid(why, NEEDS_FILTERING);
	return 0;
}

/* ---- values */

static int not_null(const struct exec *x, const struct relation *r, const struct cql_value *v)
{
	if (v->state == CQL_VALUE_UNSET)
		return problem_invalid(x->why, "Invalid unset value for column %s", r->column->name);
	if (v->state == CQL_VALUE_NULL)
		return problem_invalid(
			x->why, "Invalid null value in condition for column %s", r->column->name);
	return 0;
}

/* IN ?: the bound list's elements. */
static int bound_list(const struct exec *x, const struct relation *r, struct cql_view **values, uint32_t *n)
{
	const struct type *sub = r->column->type, *list = type_make(CQL_T_LIST, false, &sub, 1);
	struct cql_value v;
	size_t at = 0;

	if (term_value(x, r->value, list, r->column->name, &v) < 0 || not_null(x, r, &v) < 0)
		return -EINVAL;
	*n = 0;
	*values = ARENA_ARRAY(x->a, struct cql_view, value_count(v.view) + 1);
	for (struct cql_value e; value_element(v.view, &at, &e);)
		(*values)[(*n)++] = e.view;
	return 0;
}

int where_values(const struct exec *x, const struct relation *r, struct cql_view **values, uint32_t *n)
{
	bool in = r->op == OP_IN;

	if (in && r->value->kind == TERM_MARKER)
		return bound_list(x, r, values, n);
	*n = in ? r->value->n : 1;
	*values = ARENA_ARRAY(x->a, struct cql_view, *n + 1);
	for (uint32_t i = 0; i < *n; i++) {
		struct cql_value v;

		if (term_value(x, in ? r->value->items[i] : r->value, r->column->type, r->column->name, &v) <
				0 ||
			not_null(x, r, &v) < 0)
			return -EINVAL;
		(*values)[i] = v.view;
	}
	return 0;
}

struct cql_view where_routing_key(struct arena *a, const struct cql_view *c, uint16_t n)
{
	size_t size = 0, at = 0;

	if (n == 1)
		return c[0];
	for (int i = 0; i < n; i++)
		size += 3 + c[i].n;
	uint8_t *p = arena_bytes(a, size);

	for (int i = 0; i < n; i++) {
		p[at] = (uint8_t)(c[i].n >> 8);
		p[at + 1] = (uint8_t)c[i].n;
		if (c[i].n)
			memcpy(p + at + 2, c[i].p, c[i].n);
		p[at + 2 + c[i].n] = 0;
		at += 3 + c[i].n;
	}
	return (struct cql_view){p, size};
}

static int check_key(const struct exec *x, struct cql_view key, bool single)
{
	if (key.n == 0 && single)
		return problem_invalid(x->why, "Key may not be empty");
	if (key.n > 65535)
		return problem_invalid(x->why, "Key length of %zu is longer than maximum of 65535", key.n);
	return 0;
}

int where_keys(const struct exec *x, const struct where *w, struct where_key **keys, uint32_t *n)
{
	uint16_t parts = w->table->n_partition;
	struct cql_view **values = ARENA_ARRAY(x->a, struct cql_view *, parts);
	struct cql_view *one = ARENA_ARRAY(x->a, struct cql_view, parts);
	uint32_t *counts = ARENA_ARRAY(x->a, uint32_t, parts);
	uint64_t all = 1;

	for (int i = 0; i < parts; i++) {
		if (where_values(x, w->partition[i], &values[i], &counts[i]) < 0)
			return -EINVAL;
		counts[i] = value_sort(w->table->columns[i].type, values[i], counts[i]);
		all *= counts[i];
		if (all > WHERE_MAX_KEYS)
			return problem_invalid(
				x->why, "more than %d partitions in one statement", WHERE_MAX_KEYS);
	}
	*keys = ARENA_ARRAY(x->a, struct where_key, all + 1);
	for (uint64_t k = 0; k < all; k++) {
		uint64_t rest = k;

		for (int i = parts - 1; i >= 0; i--) {
			one[i] = values[i][rest % counts[i]];
			rest /= counts[i];
			if (one[i].n > 65535)
				return problem_invalid(x->why,
					"Key length of %zu is longer than maximum of 65535", one[i].n);
		}
		struct cql_view key = where_routing_key(x->a, one, parts);

		if (check_key(x, key, parts == 1) < 0)
			return -EINVAL;
		(*keys)[k] = (struct where_key){token_of(key), key};
	}
	*n = (uint32_t)all;
	return 0;
}

int where_bounds(const struct exec *x, const struct where *w, struct bound *from, struct bound *to)
{
	struct cql_view *v;
	uint32_t n;

	from->n = to->n = w->n_prefix;
	from->side = -1;
	to->side = 1;
	for (int i = 0; i < w->n_prefix; i++) {
		if (where_values(x, w->prefix[i], &v, &n) < 0)
			return -EINVAL;
		from->values[i] = to->values[i] = v[0];
	}
	for (int i = 0; i < w->n_slice; i++) {
		const struct relation *r = w->slice[i];
		bool low = (r->op == OP_GT || r->op == OP_GE) != r->column->descending;
		bool inclusive = r->op == OP_GE || r->op == OP_LE;
		struct bound *b = low ? from : to;

		if (where_values(x, r, &v, &n) < 0)
			return -EINVAL;
		if (b->n > w->n_prefix)
			return problem_invalid(x->why,
				"More than one restriction was found for the %s bound on %s",
				low ? "start" : "end", r->column->name);
		b->values[b->n++] = v[0];
		b->side = low == inclusive ? -1 : 1;
	}
	return 0;
}

/* token(k) > token(5) or > 12 or > ? */
static int token_value(const struct exec *x, const struct where *w, const struct relation *r, int64_t *out)
{
	const struct term *t = r->value;
	struct cql_value v;

	if (t->kind != TERM_CALL) {
		if (term_value(x, t, type_of_id(CQL_T_BIGINT), "partition key token", &v) < 0)
			return -EINVAL;
		if (v.state != CQL_VALUE_SET || v.view.n != 8)
			return problem_invalid(x->why, "Invalid null token value");
		*out = value_i64(v.view);
		return 0;
	}
	struct cql_view *parts = ARENA_ARRAY(x->a, struct cql_view, w->table->n_partition);

	for (uint32_t i = 0; i < t->n; i++) {
		const struct column *c = &w->table->columns[i];

		if (term_value(x, t->items[i], c->type, c->name, &v) < 0)
			return -EINVAL;
		if (v.state != CQL_VALUE_SET)
			return problem_invalid(
				x->why, "Invalid null value in condition for column %s", c->name);
		parts[i] = v.view;
	}
	*out = token_of(where_routing_key(x->a, parts, w->table->n_partition));
	return 0;
}

int where_tokens(const struct exec *x, const struct where *w, int64_t *lo, int64_t *hi)
{
	bool none = false;

	*lo = INT64_MIN;
	*hi = INT64_MAX;
	for (uint32_t i = 0; i < w->n_token; i++) {
		int64_t v = 0;

		if (token_value(x, w, w->token[i], &v) < 0)
			return -EINVAL;
		enum relation_op op = w->token[i]->op;

		/* an upper bound of the least token means the end of the ring (Cassandra's minimum token) */
		if (v == INT64_MIN && (op == OP_LT || op == OP_LE))
			continue;
		none |= (op == OP_GT && v == INT64_MAX) || (op == OP_LT && v == INT64_MIN);
		if (op == OP_GT || op == OP_GE || op == OP_EQ)
			*lo = v + (op == OP_GT && v != INT64_MAX) > *lo ? v + (op == OP_GT && v != INT64_MAX)
									: *lo;
		if (op == OP_LT || op == OP_LE || op == OP_EQ)
			*hi = v - (op == OP_LT) < *hi ? v - (op == OP_LT) : *hi;
	}
	if (none) {
		*lo = INT64_MAX;
		*hi = INT64_MIN;
	}
	return 0;
}

/* ---- row by row */

int where_filters(const struct exec *x, const struct where *w, struct where_filter **out)
{
	*out = ARENA_ARRAY(x->a, struct where_filter, w->n_filters + 1);
	for (uint32_t i = 0; i < w->n_filters; i++) {
		struct where_filter *f = &(*out)[i];

		f->column = w->filters[i]->column;
		f->op = w->filters[i]->op;
		if (where_values(x, w->filters[i], &f->values, &f->n) < 0)
			return -EINVAL;
	}
	return 0;
}

bool where_column(const struct table *t, const struct column *c, const struct partition *p,
	const struct row *r, uint32_t now, struct cql_view *out)
{
	if (c->kind == COLUMN_PARTITION) {
		const uint8_t *k = p->key;

		*out = store_key(p);
		for (int i = 0; t->n_partition > 1; i++) {
			size_t n = (size_t)k[0] << 8 | k[1];

			*out = (struct cql_view){k + 2, n};
			if (i == c->position)
				break;
			k += 3 + n;
		}
		return true;
	}
	if (c->kind == COLUMN_CLUSTERING) {
		uint32_t at = 0, n;

		if (!r)
			return false;
		for (int i = 0;; i++) {
			memcpy(&n, r->key + at, 4);
			if (i == c->position)
				break;
			at += 4 + n;
		}
		*out = (struct cql_view){r->key + at + 4, n};
		return true;
	}
	const struct row *from = c->kind == COLUMN_STATIC ? p->statics : r;
	const struct cell *cell = from ? store_cell(from, c->id) : NULL;

	if (!cell || !store_cell_alive(cell, now))
		return false;
	*out = store_value(cell);
	return true;
}

bool where_compare(const struct type *t, enum relation_op op, struct cql_view a,
	const struct cql_view *values, uint32_t n)
{
	if (op == OP_IN) {
		for (uint32_t i = 0; i < n; i++)
			if (value_compare(t, a, values[i]) == 0)
				return true;
		return false;
	}
	int c = value_compare(t, a, values[0]);

	return op == OP_EQ   ? c == 0
	       : op == OP_NE ? c != 0
	       : op == OP_LT ? c < 0
	       : op == OP_LE ? c <= 0
	       : op == OP_GT ? c > 0
			     : c >= 0;
}

bool where_match(const struct exec *x, const struct where *w, const struct where_filter *f, uint32_t n,
	const struct partition *p, const struct row *r)
{
	for (uint32_t i = 0; i < n; i++) {
		struct cql_view v;

		if (!where_column(w->table, f[i].column, p, r, x->now, &v) ||
			!where_compare(f[i].column->type, f[i].op, v, f[i].values, f[i].n))
			return false;
	}
	return true;
}
