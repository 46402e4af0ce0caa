/* What a table holds, for tests that compare clusters (control.c says in which form). */
#include "control.h"
#include "base/clock.h"
#include "value.h"
#include "where.h"
#include <errno.h>
#include <string.h>

#define DUMP_MAX (1u << 30)

struct dump {
	struct cql_writer out;
	struct table *t;
	uint32_t now;
	long rows;
};

static json_t *key_part(
	const struct dump *d, const struct partition *p, const struct row *r, enum column_kind kind)
{
	json_t *j = json_object();

	for (int i = 0; i < d->t->n_columns; i++) {
		const struct column *c = &d->t->columns[i];
		struct cql_view v;

		if (c->kind == kind && where_column(d->t, c, p, r, d->now, &v))
			json_object_set_new(j, c->name, value_json(c->type, v));
	}
	return j;
}

static void lifetime(json_t *j, uint32_t ttl, uint32_t expiry)
{
	json_object_set_new(j, "ttl", ttl ? json_integer(ttl) : json_null());
	if (ttl)
		json_object_set_new(j, "expires", json_integer(expiry));
}

static json_t *cells(const struct dump *d, const struct row *r, enum column_kind kind)
{
	json_t *j = json_object();

	for (int i = 0; i < d->t->n_columns; i++) {
		const struct column *c = &d->t->columns[i];
		const struct cell *cell = c->kind == kind ? store_cell(r, c->id) : NULL;

		if (!cell || !store_cell_alive(cell, d->now))
			continue;
		json_t *one = json_object();

		json_object_set_new(one, "value", value_json(c->type, store_value(cell)));
		json_object_set_new(one, "writetime", json_integer(cell->timestamp));
		lifetime(one, cell->ttl, cell->expiry);
		json_object_set_new(j, c->name, one);
	}
	return j;
}

static bool append(struct dump *d, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	cql_write_view(&d->out, cql_view_of(text));
	cql_write_u8(&d->out, '\n');
	free(text);
	return !d->out.failed && d->out.len < DUMP_MAX;
}

/* r NULL: the static part. */
static bool line(struct dump *d, const struct partition *p, const struct row *r)
{
	json_t *j = json_object();
	bool marker =
		r && r->live != STORE_NONE && (r->live_expiry == STORE_NEVER || r->live_expiry > d->now);

	json_object_set_new(j, "key", key_part(d, p, NULL, COLUMN_PARTITION));
	json_object_set_new(j, "clustering", r ? key_part(d, p, r, COLUMN_CLUSTERING) : json_null());
	json_object_set_new(
		j, "cells", r ? cells(d, r, COLUMN_REGULAR) : cells(d, p->statics, COLUMN_STATIC));
	json_object_set_new(j, "writetime", marker ? json_integer(r->live) : json_null());
	lifetime(j, marker ? r->live_ttl : 0, marker ? r->live_expiry : 0);
	d->rows++;
	return append(d, j);
}

static bool partition(struct dump *d, const struct partition *p)
{
	if (p->statics && store_row_alive(p->statics, d->now) && !line(d, p, NULL))
		return false;
	for (struct tree_node *n = tree_first(&p->rows); n; n = tree_next(n)) {
		const struct row *r = container_of(n, struct row, node);

		if (store_row_alive(r, d->now) && !line(d, p, r))
			return false;
	}
	return true;
}

char *dump_table(struct cluster *c, const char *name, size_t *len, struct problem *why)
{
	struct dump d = {.out = BUFFER_INIT, .now = (uint32_t)(clock_wall_us() / 1000000)};
	const char *dot = strchr(name, '.');

	if (!dot) {
		problem_invalid(why, "dump takes ks.table");
		return NULL;
	}
	if (schema_find(&c->schema, (struct cql_view){(const uint8_t *)name, (size_t)(dot - name)},
		    (struct cql_view){0}, cql_view_of(dot + 1), &d.t, why) < 0)
		return NULL;
	for (struct tree_node *n = tree_first(&d.t->store.partitions); n; n = tree_next(n))
		if (!partition(&d, container_of(n, struct partition, node))) {
			buffer_free(&d.out);
			problem_invalid(why, "the dump is longer than %u bytes", DUMP_MAX);
			return NULL;
		}
	append(&d, json_pack("{s:I}", "end", (json_int_t)d.rows));
	*len = d.out.len;
	return (char *)d.out.p;
}
