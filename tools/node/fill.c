#include "fill.h"
#include "token.h"
#include "value.h"
#include "where.h"
#include <stdio.h>
#include <string.h>

void fill_begin(struct fill *f, struct table *t, struct arena *a)
{
	*f = (struct fill){.t = t, .a = a};
	store_clear(&t->store);
}

static int index_of(const struct fill *f, const char *column)
{
	for (int i = 0; i < f->t->n_columns && i < (int)ARRAY_LEN(f->values); i++)
		if (strcmp(f->t->columns[i].name, column) == 0)
			return i;
	fprintf(stderr, "seam-node: %s has no column %s\n", f->t->name, column);
	abort();
}

static void put(struct fill *f, const char *column, struct cql_view v)
{
	int i = index_of(f, column);

	f->values[i] = v;
	f->set[i] = true;
}

void fill_bytes(struct fill *f, const char *column, const uint8_t *p, size_t n)
{
	put(f, column, arena_copy(f->a, (struct cql_view){p, n}));
}

void fill_text(struct fill *f, const char *column, const char *text)
{
	put(f, column, arena_copy(f->a, cql_view_of(text)));
}

void fill_int(struct fill *f, const char *column, int32_t v)
{
	uint8_t b[8];

	value_put_i64(b, v);
	fill_bytes(f, column, b + 4, 4);
}

void fill_bool(struct fill *f, const char *column, bool v)
{
	uint8_t b = v;

	fill_bytes(f, column, &b, 1);
}

void fill_double(struct fill *f, const char *column, double v)
{
	int64_t bits;
	uint8_t b[8];

	memcpy(&bits, &v, 8);
	value_put_i64(b, bits);
	fill_bytes(f, column, b, 8);
}

void fill_texts(struct fill *f, const char *column, const char *const *texts, uint32_t n)
{
	const struct type *t = f->t->columns[index_of(f, column)].type;
	uint32_t step = t->id == CQL_T_MAP ? 2 : 1;
	struct cql_view *items = ARENA_ARRAY(f->a, struct cql_view, n * step + 1);

	for (uint32_t i = 0; i < n * step; i++)
		items[i] = cql_view_of(texts[i]);
	put(f, column, value_collect(t, items, n, f->a));
}

void fill_map(struct fill *f, const char *column, const json_t *map)
{
	const char **texts = ARENA_ARRAY(f->a, const char *, 2 * json_object_size(map) + 1), *name;
	uint32_t n = 0;
	json_t *v;

	json_object_foreach ((json_t *)map, name, v) {
		texts[2 * n] = name;
		texts[2 * n + 1] = json_string_value(v) ? json_string_value(v) : "";
		n++;
	}
	fill_texts(f, column, texts, n);
}

void fill_row(struct fill *f)
{
	struct table *t = f->t;
	struct bound at = {.n = t->n_clustering};
	struct cql_view key = where_routing_key(f->a, f->values, t->n_partition);

	for (int i = 0; i < t->n_clustering; i++)
		at.values[i] = f->values[t->n_partition + i];
	struct partition *p = store_partition(&t->store, token_of(key), key, true);
	struct row *r = store_row(&t->store, p, &at, true);

	store_put_live(&t->store, p, r, 1, 0, STORE_NEVER);
	for (int i = t->n_partition + t->n_clustering; i < t->n_columns; i++) {
		struct cell c = {.timestamp = 1, .expiry = STORE_NEVER, .column = t->columns[i].id};

		if (f->set[i])
			store_put(&t->store, p, r, &c, f->values[i]);
	}
	memset(f->set, 0, sizeof(f->set));
	memset(f->values, 0, sizeof(f->values));
}
