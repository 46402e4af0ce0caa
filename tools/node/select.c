#include "select.h"
#include "cluster.h"
#include "paging.h"
#include "result.h"
#include "term.h"
#include "token.h"
#include "value.h"
#include "where.h"
#include <errno.h>
#include <string.h>

struct scan {
	struct exec *x;
	struct stmt *s;
	struct table *t;
	struct bound from, to;
	struct where_filter *filters;
	struct cql_writer *rows;
	int32_t left;       /* of LIMIT */
	int32_t per, given; /* PER PARTITION LIMIT, and rows of this partition */
	int32_t page_left;
	int64_t count; /* rows written, or counted */
	const struct partition *p;
	const struct row *r; /* at hand; NULL: static part alone */
	struct paging last;  /* the row given last */
	bool more;
};

/* ---- cells */

static bool column_of_row(void *ctx, struct cql_view name, const struct type **type, struct cql_value *out)
{
	const struct scan *k = ctx;
	const struct column *c = schema_column(k->t, name);

	if (!c)
		return false;
	*type = c->type;
	*out = (struct cql_value){.state = CQL_VALUE_NULL};
	if (where_column(k->t, c, k->p, k->r, k->x->now, &out->view))
		out->state = CQL_VALUE_SET;
	return true;
}

static void write_number(struct cql_writer *w, int64_t v, size_t n)
{
	uint8_t b[8];

	value_put_i64(b, v);
	cql_write_bytes(w, (struct cql_view){b + 8 - n, n});
}

static void write_column(struct scan *k, const struct column *c)
{
	struct cql_view v;

	if (where_column(k->t, c, k->p, k->r, k->x->now, &v))
		cql_write_bytes(k->rows, v);
	else
		cql_write_null(k->rows);
}

static void write_mark(struct scan *k, const struct selector *sel)
{
	const struct row *from = sel->column->kind == COLUMN_STATIC ? k->p->statics : k->r;
	const struct cell *c = from ? store_cell(from, sel->column->id) : NULL;

	if (!c || !store_cell_alive(c, k->x->now) || (sel->kind == SELECT_TTL && !c->ttl))
		cql_write_null(k->rows);
	else if (sel->kind == SELECT_TTL)
		write_number(k->rows, c->expiry - k->x->now, 4);
	else
		write_number(k->rows, c->timestamp, 8);
}

static int write_row(struct scan *k)
{
	for (uint32_t i = 0; i < k->s->n_selectors; i++) {
		const struct selector *sel = &k->s->selectors[i];
		struct cql_value v;

		switch (sel->kind) {
		case SELECT_COLUMN:
			write_column(k, sel->column);
			break;
		case SELECT_WRITETIME:
		case SELECT_TTL:
			write_mark(k, sel);
			break;
		case SELECT_TOKEN:
			write_number(k->rows, k->p->token, 8);
			break;
		case SELECT_TERM:
			if (term_value(k->x, sel->term, sel->type, "arg0", &v) < 0)
				return -EINVAL;
			if (v.state == CQL_VALUE_SET)
				cql_write_bytes(k->rows, v.view);
			else
				cql_write_null(k->rows);
			break;
		case SELECT_COUNT:
		default:
			return 0;
		}
	}
	if (k->rows->len > SELECT_MAX_BYTES)
		return problem_invalid(
			k->x->why, "the answer is longer than %u bytes: use paging", SELECT_MAX_BYTES);
	return 0;
}

/* ---- rows. Each of these: 0 go on, 1 enough, negative a problem. */

/* A live row that the query means. r NULL: the partition's static part alone, or DISTINCT. */
static int emit(struct scan *k, const struct partition *p, const struct row *r)
{
	k->p = p;
	k->r = r;
	if (k->s->plan->n_filters && !where_match(k->x, k->s->plan, k->filters, k->s->plan->n_filters, p, r))
		return 0;
	if (k->s->aggregate) {
		k->count++;
		return 0;
	}
	if (k->left == 0)
		return 1;
	if (k->page_left == 0) {
		k->more = true;
		return 1;
	}
	if (write_row(k) < 0)
		return -EINVAL;
	k->count++;
	k->given++;
	k->page_left--;
	if (k->left != INT32_MAX)
		k->left--;
	k->last = (struct paging){.in_partition = r && !k->s->distinct,
		.has_row = r != NULL,
		.left = k->left,
		.given = k->given,
		.key = store_key(p)};
	if (r)
		k->last.row = (struct cql_view){r->key, r->key_len};
	return 0;
}

static bool open_ended(const struct scan *k)
{
	return k->from.n == 0 && k->to.n == 0;
}

static int scan_rows(struct scan *k, const struct partition *p, const struct bound *start)
{
	bool reverse = k->s->descending, any = start != NULL;
	const struct bound *end = reverse ? &k->from : &k->to;
	const struct row *r = store_row_from(&k->t->store, p,
		start     ? start
		: reverse ? &k->to
			  : &k->from,
		reverse);

	for (; r; r = store_row_next(r, reverse)) {
		int c = store_row_compare(&k->t->store, r, end), done;

		if (reverse ? c < 0 : c > 0)
			break;
		if (!store_row_alive(r, k->x->now))
			continue;
		any = true;
		if (k->given >= k->per)
			return 0;
		done = emit(k, p, r);
		if (done)
			return done;
	}
	if (!any && p->statics && open_ended(k) && store_row_alive(p->statics, k->x->now))
		return emit(k, p, NULL);
	return 0;
}

/* Is anything alive in it? */
static bool partition_alive(const struct scan *k, const struct partition *p)
{
	if (p->statics && store_row_alive(p->statics, k->x->now))
		return true;
	for (struct tree_node *n = tree_first(&p->rows); n; n = tree_next(n))
		if (store_row_alive(container_of(n, struct row, node), k->x->now))
			return true;
	return false;
}

static int scan_partition(struct scan *k, const struct partition *p, const struct paging *resume)
{
	k->given = resume ? resume->given : 0;
	if (k->s->distinct)
		return partition_alive(k, p) ? emit(k, p, NULL) : 0;
	if (!resume)
		return scan_rows(k, p, NULL);
	struct bound at = {.n = k->t->n_clustering, .side = k->s->descending ? -1 : 1};
	size_t off = 0;

	for (int i = 0; i < at.n; i++) {
		uint32_t n;

		memcpy(&n, resume->row.p + off, 4);
		at.values[i] = (struct cql_view){resume->row.p + off + 4, n};
		off += 4 + n;
	}
	/* A state of another query may point before the stretch that this one asks for. */
	const struct row *first = store_row_from(&k->t->store, p, &at, k->s->descending);
	const struct bound *begin = k->s->descending ? &k->to : &k->from;
	int c = first ? store_row_compare(&k->t->store, first, begin) : 0;

	if (first && (k->s->descending ? c > 0 : c < 0))
		return scan_rows(k, p, begin);
	return scan_rows(k, p, &at);
}

static int scan_keys(struct scan *k, const struct paging *resume)
{
	struct where_key *keys;
	uint32_t n, i = 0;
	int done = 0;

	if (where_keys(k->x, k->s->plan, &keys, &n) < 0)
		return -EINVAL;
	while (resume && i < n && !cql_view_equal(keys[i].key, resume->key))
		i++;
	if (resume && !resume->in_partition)
		i++;
	for (; i < n && done == 0; i++) {
		struct partition *p = store_partition(&k->t->store, keys[i].token, keys[i].key, false);
		bool again = p && resume && resume->in_partition && cql_view_equal(keys[i].key, resume->key);

		if (p)
			done = scan_partition(k, p, again ? resume : NULL);
	}
	return done;
}

static int scan_tokens(struct scan *k, const struct paging *resume)
{
	struct partition *p;
	int64_t lo, hi;
	int done = 0;

	if (where_tokens(k->x, k->s->plan, &lo, &hi) < 0)
		return -EINVAL;
	if (resume && token_of(resume->key) >= lo)
		p = store_seek(&k->t->store, token_of(resume->key), resume->key, resume->in_partition);
	else
		p = store_seek(&k->t->store, lo, (struct cql_view){0}, true);
	for (; p && p->token <= hi && done == 0; p = store_next(p)) {
		bool again = resume && resume->in_partition && cql_view_equal(store_key(p), resume->key);

		done = scan_partition(k, p, again ? resume : NULL);
	}
	return done;
}

/* ---- the statement */

static int limits(struct scan *k, const struct paging *resume)
{
	int64_t v;
	bool set;

	k->left = k->per = INT32_MAX;
	if (term_integer(k->x, k->s->limit, type_of_id(CQL_T_INT), "limit", &v, &set) < 0)
		return -EINVAL;
	if (set && v <= 0)
		return problem_invalid(k->x->why, "LIMIT must be strictly positive");
	if (set)
		k->left = (int32_t)v;
	if (resume)
		k->left = resume->left;
	if (term_integer(
		    k->x, k->s->partition_limit, type_of_id(CQL_T_INT), "per partition limit", &v, &set) < 0)
		return -EINVAL;
	if (set && v <= 0)
		return problem_invalid(k->x->why, "PER PARTITION LIMIT must be strictly positive");
	if (set)
		k->per = (int32_t)v;
	k->page_left = k->x->page_size > 0 ? k->x->page_size : INT32_MAX;
	return 0;
}

static void write_head(struct scan *k, struct cql_view known_id, struct cql_writer *body)
{
	struct cql_view state = {0}, new_id = {0};
	struct result_column *cols;
	uint32_t flags = 0, n = result_columns(k->s, k->x->a, &cols);
	uint8_t id[16];

	if (k->x->skip_metadata)
		flags |= CQL_M_NO_METADATA;
	if (k->more) {
		flags |= CQL_M_MORE_PAGES;
		state = paging_write(&k->last, k->x->a);
	}
	if (known_id.n) {
		result_id(k->t, cols, n, id);
		if (!cql_view_equal(known_id, (struct cql_view){id, 16})) {
			new_id = (struct cql_view){id, 16};
			flags = (flags & ~(uint32_t)CQL_M_NO_METADATA) | CQL_M_CHANGED;
		}
	}
	cql_write_i32(body, CQL_ROWS);
	result_metadata(body, k->x->version, k->t, cols, n, flags, state, new_id);
}

int select_run(struct exec *x, struct stmt *s, struct cql_view known_id, struct cql_writer *body)
{
	struct scan k = {.x = x, .s = s, .t = s->table, .rows = cluster_scratch(x->cluster)};
	struct paging resume, *from = NULL;

	if (k.t->fill)
		k.t->fill(x->cluster, x->node, k.t);
	k.rows->len = 0;
	x->column = column_of_row;
	x->column_ctx = &k;
	if (x->paging_state.state == CQL_VALUE_SET && x->paging_state.view.n) {
		if (paging_read(x->paging_state.view, &resume, x->why) < 0)
			return -EINVAL;
		if (resume.in_partition && !paging_row_fits(&resume, k.t->n_clustering))
			return problem_set(x->why, CQL_E_PROTOCOL, "Invalid value for the paging state");
		from = &resume;
	}
	if (limits(&k, from) < 0 || where_bounds(x, s->plan, &k.from, &k.to) < 0 ||
		where_filters(x, s->plan, &k.filters) < 0)
		return -EINVAL;
	if ((s->plan->partition ? scan_keys(&k, from) : scan_tokens(&k, from)) < 0)
		return -EINVAL;
	if (s->aggregate) {
		write_number(k.rows, k.count, 8);
		k.count = 1;
	}
	write_head(&k, known_id, body);
	cql_write_i32(body, (int32_t)k.count);
	cql_write_raw(body, k.rows->p, k.rows->len);
	if (k.rows->failed || body->failed)
		return problem_set(x->why, CQL_E_SERVER, "an answer longer than %u bytes", BUFFER_MAX);
	return 0;
}
