#include "store.h"
#include "value.h"
#include <string.h>

static uint64_t total;

uint64_t store_bytes(void)
{
	return total;
}

/* ---- partitions */

struct partition_key {
	int64_t token;
	struct cql_view key;
};

static int compare_partition(const struct tree_node *n, const void *key)
{
	const struct partition *p = container_of(n, struct partition, node);
	const struct partition_key *k = key;

	if (p->token != k->token)
		return p->token < k->token ? -1 : 1;
	return value_compare_bytes((struct cql_view){p->key, p->key_len}, k->key);
}

struct partition *store_partition(struct store *s, int64_t token, struct cql_view key, bool make)
{
	struct partition_key k = {token, key};
	struct tree_slot slot;
	struct tree_node *n = tree_find(&s->partitions, compare_partition, &k, &slot);

	if (n)
		return container_of(n, struct partition, node);
	if (!make)
		return NULL;
	struct partition *p = must_alloc(sizeof(*p) + key.n);

	p->token = token;
	p->deleted = STORE_NONE;
	p->key_len = (uint32_t)key.n;
	memcpy(p->key, key.p, key.n);
	tree_insert(&s->partitions, &p->node, &slot);
	total += sizeof(*p) + key.n;
	return p;
}

struct partition *store_seek(const struct store *s, int64_t token, struct cql_view key, bool at)
{
	struct partition_key k = {token, key};
	struct tree_node *n = tree_ceil(&s->partitions, compare_partition, &k);

	if (n && !at && key.p && compare_partition(n, &k) == 0)
		n = tree_next(n);
	return n ? container_of(n, struct partition, node) : NULL;
}

struct partition *store_next(const struct partition *p)
{
	struct tree_node *n = tree_next(&p->node);

	return n ? container_of(n, struct partition, node) : NULL;
}

struct cql_view store_key(const struct partition *p)
{
	return (struct cql_view){p->key, p->key_len};
}

/* ---- rows */

static struct cql_view next_value(const struct row *r, uint32_t *at)
{
	uint32_t n;

	memcpy(&n, r->key + *at, 4);
	struct cql_view v = {r->key + *at + 4, n};

	*at += 4 + n;
	return v;
}

static int compare_values(const struct store *s, int i, struct cql_view a, struct cql_view b)
{
	int c = value_compare(s->clustering[i], a, b);

	return s->descending[i] ? -c : c;
}

int store_row_compare(const struct store *s, const struct row *r, const struct bound *b)
{
	uint32_t at = 0;

	for (int i = 0; i < b->n; i++) {
		int c = compare_values(s, i, next_value(r, &at), b->values[i]);

		if (c)
			return c;
	}
	return -b->side;
}

struct row_key {
	const struct store *store;
	const struct bound *bound;
};

static int compare_row(const struct tree_node *n, const void *key)
{
	const struct row_key *k = key;

	return store_row_compare(k->store, container_of(n, struct row, node), k->bound);
}

static struct row *new_row(const struct bound *b)
{
	size_t size = 0;

	for (int i = 0; i < b->n; i++)
		size += 4 + b->values[i].n;
	struct row *r = must_alloc(sizeof(*r) + size);
	uint8_t *p = r->key;

	for (int i = 0; i < b->n; i++) {
		uint32_t n = (uint32_t)b->values[i].n;

		memcpy(p, &n, 4);
		if (n)
			memcpy(p + 4, b->values[i].p, n);
		p += 4 + n;
	}
	r->key_len = (uint32_t)size;
	r->live = r->deleted = STORE_NONE;
	r->live_expiry = STORE_NEVER;
	total += sizeof(*r) + size;
	return r;
}

struct row *store_row(struct store *s, struct partition *p, const struct bound *b, bool make)
{
	struct row_key k = {s, b};
	struct tree_slot slot;
	struct tree_node *n = tree_find(&p->rows, compare_row, &k, &slot);

	if (n)
		return container_of(n, struct row, node);
	if (!make)
		return NULL;
	struct row *r = new_row(b);

	tree_insert(&p->rows, &r->node, &slot);
	return r;
}

struct row *store_static_row(struct partition *p, bool make)
{
	static const struct bound nothing;

	if (!p->statics && make)
		p->statics = new_row(&nothing);
	return p->statics;
}

struct row *store_row_from(
	const struct store *s, const struct partition *p, const struct bound *b, bool reverse)
{
	struct row_key k = {s, b};
	struct tree_node *n =
		reverse ? tree_floor(&p->rows, compare_row, &k) : tree_ceil(&p->rows, compare_row, &k);

	return n ? container_of(n, struct row, node) : NULL;
}

struct row *store_row_next(const struct row *r, bool reverse)
{
	struct tree_node *n = reverse ? tree_prev(&r->node) : tree_next(&r->node);

	return n ? container_of(n, struct row, node) : NULL;
}

/* ---- cells */

struct cql_view store_value(const struct cell *c)
{
	return (struct cql_view){c->len > sizeof(c->small) ? c->big : c->small, c->len};
}

static void free_value(struct cell *c)
{
	if (c->len > sizeof(c->small)) {
		total -= c->len;
		free(c->big);
	}
	c->len = 0;
}

static void set_value(struct cell *c, struct cql_view v)
{
	c->len = (uint32_t)v.n;
	if (v.n > sizeof(c->small)) {
		c->big = must_alloc(v.n);
		total += v.n;
		memcpy(c->big, v.p, v.n);
	} else if (v.n) {
		memcpy(c->small, v.p, v.n);
	}
}

static struct cell *find_cell(const struct row *r, uint16_t column, uint16_t *at)
{
	uint16_t i = 0;

	while (i < r->n && r->cells[i].column < column)
		i++;
	if (at)
		*at = i;
	return i < r->n && r->cells[i].column == column ? &r->cells[i] : NULL;
}

const struct cell *store_cell(const struct row *r, uint16_t column)
{
	return find_cell(r, column, NULL);
}

static struct cell *new_cell(struct row *r, uint16_t at)
{
	if (r->n == r->cap) {
		uint16_t cap = r->cap ? (uint16_t)(r->cap * 2) : 2;

		r->cells = must_realloc(r->cells, cap * sizeof(*r->cells));
		total += (cap - r->cap) * sizeof(*r->cells);
		r->cap = cap;
	}
	memmove(r->cells + at + 1, r->cells + at, (r->n - at) * sizeof(*r->cells));
	r->n++;
	return &r->cells[at];
}

static bool in_range(const struct store *s, const struct row *r, const struct range *g)
{
	return store_row_compare(s, r, &g->from) > 0 && store_row_compare(s, r, &g->to) < 0;
}

/* The newest deletion over a row. */
static int64_t deleted_at(const struct store *s, const struct partition *p, const struct row *r)
{
	int64_t ts = p->deleted > r->deleted ? p->deleted : r->deleted;

	if (r == p->statics)
		return ts;
	for (uint32_t i = 0; i < p->n_ranges; i++)
		if (p->ranges[i].deleted > ts && in_range(s, r, &p->ranges[i]))
			ts = p->ranges[i].deleted;
	return ts;
}

/* Does the new cell win over the one that stands? See the head of store.h. */
static bool wins(const struct cell *neu, struct cql_view value, const struct cell *old)
{
	bool neu_mortal = neu->tombstone || neu->ttl, old_mortal = old->tombstone || old->ttl;

	if (neu->timestamp != old->timestamp)
		return neu->timestamp > old->timestamp;
	if (neu_mortal != old_mortal)
		return neu_mortal;
	if (neu->tombstone != old->tombstone)
		return neu->tombstone;
	if (neu_mortal && neu->expiry != old->expiry)
		return neu->expiry > old->expiry;
	return value_compare_bytes(value, store_value(old)) > 0;
}

void store_put(const struct store *s, struct partition *p, struct row *r, const struct cell *c,
	struct cql_view value)
{
	uint16_t at;
	struct cell *old = find_cell(r, c->column, &at);

	if (c->timestamp <= deleted_at(s, p, r) || (old && !wins(c, value, old)))
		return;
	if (old)
		free_value(old);
	else
		old = new_cell(r, at);
	*old = *c;
	set_value(old, value);
}

void store_put_live(
	const struct store *s, struct partition *p, struct row *r, int64_t ts, uint32_t ttl, uint32_t expiry)
{
	if (ts <= deleted_at(s, p, r) || ts < r->live)
		return;
	if (ts == r->live) { /* the one that expires, then the one that does so later */
		if (!ttl || (r->live_ttl && expiry <= r->live_expiry))
			return;
	}
	r->live = ts;
	r->live_ttl = ttl;
	r->live_expiry = expiry;
}

void store_add(
	const struct store *s, struct partition *p, struct row *r, uint16_t column, int64_t delta, int64_t ts)
{
	uint16_t at;
	struct cell *c = find_cell(r, column, &at);

	if ((c && c->tombstone) || ts <= deleted_at(s, p, r))
		return;
	if (c)
		delta = (int64_t)((uint64_t)delta + (uint64_t)value_i64(store_value(c)));
	else
		c = new_cell(r, at);
	*c = (struct cell){.timestamp = ts, .expiry = STORE_NEVER, .len = 8, .column = column};
	value_put_i64(c->small, delta);
}

bool store_cell_alive(const struct cell *c, uint32_t now)
{
	return !c->tombstone && (c->expiry == STORE_NEVER || c->expiry > now);
}

bool store_row_alive(const struct row *r, uint32_t now)
{
	if (r->live != STORE_NONE && (r->live_expiry == STORE_NEVER || r->live_expiry > now))
		return true;
	for (int i = 0; i < r->n; i++)
		if (store_cell_alive(&r->cells[i], now))
			return true;
	return false;
}

/* ---- deletions */

/* Take out what a deletion hides. */
static void prune(struct row *r, int64_t ts)
{
	uint16_t kept = 0;

	if (r->live <= ts) {
		r->live = STORE_NONE;
		r->live_ttl = 0;
		r->live_expiry = STORE_NEVER;
	}
	if (r->deleted <= ts)
		r->deleted = STORE_NONE;
	for (int i = 0; i < r->n; i++) {
		if (r->cells[i].timestamp <= ts)
			free_value(&r->cells[i]);
		else
			r->cells[kept++] = r->cells[i];
	}
	r->n = kept;
}

void store_delete_row(struct row *r, int64_t ts)
{
	if (ts <= r->deleted)
		return;
	prune(r, ts);
	r->deleted = ts;
}

static void free_range(struct range *g)
{
	for (int i = 0; i < g->from.n; i++)
		free((void *)g->from.values[i].p);
	for (int i = 0; i < g->to.n; i++)
		free((void *)g->to.values[i].p);
}

void store_delete_partition(struct partition *p, int64_t ts)
{
	uint32_t kept = 0;

	if (ts <= p->deleted)
		return;
	p->deleted = ts;
	if (p->statics)
		prune(p->statics, ts);
	for (struct tree_node *n = tree_first(&p->rows); n; n = tree_next(n))
		prune(container_of(n, struct row, node), ts);
	for (uint32_t i = 0; i < p->n_ranges; i++) {
		if (p->ranges[i].deleted <= ts)
			free_range(&p->ranges[i]);
		else
			p->ranges[kept++] = p->ranges[i];
	}
	p->n_ranges = kept;
}

static bool same_bound(const struct bound *a, const struct bound *b)
{
	if (a->n != b->n || a->side != b->side)
		return false;
	for (int i = 0; i < a->n; i++)
		if (!cql_view_equal(a->values[i], b->values[i]))
			return false;
	return true;
}

static struct bound own_bound(const struct bound *b)
{
	struct bound out = {.n = b->n, .side = b->side};

	for (int i = 0; i < b->n; i++)
		out.values[i] = (struct cql_view){(uint8_t *)must_copy(b->values[i]), b->values[i].n};
	return out;
}

bool store_delete_range(const struct store *s, struct partition *p, const struct bound *from,
	const struct bound *to, int64_t ts)
{
	struct range *g = NULL;

	for (uint32_t i = 0; i < p->n_ranges && !g; i++)
		if (same_bound(&p->ranges[i].from, from) && same_bound(&p->ranges[i].to, to))
			g = &p->ranges[i];
	if (!g) {
		if (p->n_ranges == STORE_MAX_RANGES)
			return false;
		if ((p->n_ranges & (p->n_ranges - 1)) == 0)
			p->ranges = must_realloc(
				p->ranges, (p->n_ranges ? 2 * (size_t)p->n_ranges : 1) * sizeof(*g));
		g = &p->ranges[p->n_ranges++];
		*g = (struct range){own_bound(from), own_bound(to), STORE_NONE};
		total += sizeof(*g);
	}
	if (ts > g->deleted)
		g->deleted = ts;
	for (struct row *r = store_row_from(s, p, from, false); r && store_row_compare(s, r, to) < 0;
		r = store_row_next(r, false))
		prune(r, ts);
	return true;
}

/* ---- the end */

static void free_row(struct tree_node *n, void *ctx)
{
	struct row *r = container_of(n, struct row, node);

	(void)ctx;
	for (int i = 0; i < r->n; i++)
		free_value(&r->cells[i]);
	total -= r->cap * sizeof(*r->cells) + sizeof(*r) + r->key_len;
	free(r->cells);
	free(r);
}

static void free_partition(struct tree_node *n, void *ctx)
{
	struct partition *p = container_of(n, struct partition, node);

	tree_clear(&p->rows, free_row, ctx);
	if (p->statics)
		free_row(&p->statics->node, ctx);
	for (uint32_t i = 0; i < p->n_ranges; i++)
		free_range(&p->ranges[i]);
	total -= p->n_ranges * sizeof(*p->ranges);
	free(p->ranges);
	total -= sizeof(*p) + p->key_len;
	free(p);
}

void store_clear(struct store *s)
{
	tree_clear(&s->partitions, free_partition, NULL);
}
