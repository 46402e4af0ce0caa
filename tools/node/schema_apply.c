/* DDL (schema.h). */
#include "schema.h"
#include "md5.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct ddl {
	struct schema *s;
	const struct stmt *st;
	struct cql_view current; /* keyspace */
	void (*before_drop)(void *ctx, struct table *t);
	void *ctx;
	struct schema_event *event;
	struct problem *why;
};

static int changed(
	struct ddl *d, const char *change, const char *target, struct cql_view keyspace, struct cql_view name)
{
	d->s->changes++;
	*d->event = (struct schema_event){change, target, keyspace, name};
	return 1;
}

/* ---- keyspaces */

static int replication(struct ddl *d, struct keyspace *k)
{
	for (uint32_t i = 0; i < d->st->n_options; i++) {
		const struct with_option *o = &d->st->options[i];

		if (cql_view_is(o->name, "durable_writes")) {
			k->durable_writes = !cql_view_is(o->value->text, "false");
			continue;
		}
		if (!cql_view_is(o->name, "replication") || o->value->kind != TERM_MAP)
			return problem_set(
				d->why, CQL_E_CONFIG, "Unknown or malformed property '%.*s'", PV(o->name));
		json_t *map = json_object();

		for (uint32_t m = 0; m + 1 < o->value->n; m += 2) {
			char *name = must_copy(o->value->items[m]->text);

			json_object_set_new(map, name,
				json_stringn((const char *)o->value->items[m + 1]->text.p,
					o->value->items[m + 1]->text.n));
			free(name);
		}
		const char *class = json_string_value(json_object_get(map, "class"));

		if (!class) {
			json_decref(map);
			return problem_set(d->why, CQL_E_CONFIG, "Missing replication strategy class");
		}
		if (!strchr(class, '.')) {
			char full[128];

			snprintf(full, sizeof(full), "org.apache.cassandra.locator.%s", class);
			json_object_set_new(map, "class", json_string(full));
		}
		json_decref(k->replication);
		k->replication = map;
	}
	return 0;
}

static int create_keyspace(struct ddl *d)
{
	if (schema_keyspace(d->s, d->st->keyspace)) {
		if (d->st->if_not_exists)
			return 0;
		snprintf(d->why->keyspace, sizeof(d->why->keyspace), "%.*s", PV(d->st->keyspace));
		return problem_set(d->why, CQL_E_ALREADY_EXISTS, "Cannot add existing keyspace \"%.*s\"",
			PV(d->st->keyspace));
	}
	if (d->st->keyspace.n == 0 || d->st->keyspace.n > 48)
		return problem_invalid(
			d->why, "Keyspace name must not be empty or more than 48 characters long");
	struct keyspace fresh = {.durable_writes = true, .replication = NULL};

	if (replication(d, &fresh) < 0)
		return -EINVAL;
	if (!fresh.replication)
		return problem_set(d->why, CQL_E_CONFIG, "Missing mandatory option 'replication'");
	struct keyspace *k = must_alloc(sizeof(*k)), **link = &d->s->keyspaces;

	*k = fresh;
	k->name = must_copy(d->st->keyspace);
	while (*link)
		link = &(*link)->next;
	*link = k;
	return changed(d, "CREATED", "KEYSPACE", d->st->keyspace, (struct cql_view){0});
}

/* The keyspace of an ALTER or DROP; 0: none, and that is fine. */
static int existing_keyspace(struct ddl *d, struct keyspace **out)
{
	*out = schema_keyspace(d->s, d->st->keyspace);
	if (*out && (*out)->system)
		return problem_set(
			d->why, CQL_E_UNAUTHORIZED, "%s keyspace is not user-modifiable.", (*out)->name);
	if (*out)
		return 1;
	if (d->st->if_exists)
		return 0;
	return problem_invalid(d->why, "Keyspace '%.*s' doesn't exist", PV(d->st->keyspace));
}

static int alter_keyspace(struct ddl *d)
{
	struct keyspace *k;
	int r = existing_keyspace(d, &k);

	if (r <= 0)
		return r;
	if (replication(d, k) < 0)
		return -EINVAL;
	return changed(d, "UPDATED", "KEYSPACE", d->st->keyspace, (struct cql_view){0});
}

static int drop_keyspace(struct ddl *d)
{
	struct keyspace *k, **link = &d->s->keyspaces;
	int r = existing_keyspace(d, &k);

	if (r <= 0)
		return r;
	while (k->tables) {
		struct table *t = k->tables;

		d->before_drop(d->ctx, t);
		k->tables = t->next;
		schema_free_table(t);
	}
	while (*link != k)
		link = &(*link)->next;
	*link = k->next;
	json_decref(k->replication);
	free(k->name);
	free(k);
	return changed(d, "DROPPED", "KEYSPACE", d->st->keyspace, (struct cql_view){0});
}

/* ---- tables */

static int by_name(const void *a, const void *b)
{
	const struct column *x = a, *y = b;

	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	if (x->kind <= COLUMN_CLUSTERING)
		return x->position - y->position;
	return strcmp(x->name, y->name);
}

/* After a change of columns: order, counts, how clustering compares. */
static void settle(struct table *t)
{
	qsort(t->columns, t->n_columns, sizeof(*t->columns), by_name);
	t->n_partition = t->n_clustering = t->n_static = 0;
	for (int i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];

		t->n_partition += c->kind == COLUMN_PARTITION;
		t->n_static += c->kind == COLUMN_STATIC;
		if (c->kind != COLUMN_CLUSTERING)
			continue;
		t->store.clustering[t->n_clustering] = c->type;
		t->store.descending[t->n_clustering++] = c->descending;
	}
	t->store.n_clustering = t->n_clustering;
}

static bool column_name_ok(struct cql_view name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] == 0)
			return false;
	return name.n > 0;
}

static int add_column(struct ddl *d, struct table *t, const struct column_def *def)
{
	struct column c = {.type = def->type,
		.kind = def->is_static ? COLUMN_STATIC : COLUMN_REGULAR,
		.id = t->next_column};

	if (schema_column(t, def->name))
		return problem_invalid(d->why, "Column with name '%.*s' already exists", PV(def->name));
	if (t->n_columns >= AST_MAX_NAMES || !column_name_ok(def->name) || t->next_column == UINT16_MAX)
		return problem_invalid(d->why,
			"column '%.*s': its name, or the number of columns, is more than seam-node takes",
			PV(def->name));
	t->columns = must_realloc(t->columns, (t->n_columns + 1) * sizeof(c));
	c.name = must_copy(def->name);
	t->next_column++;
	t->columns[t->n_columns++] = c;
	return 0;
}

static int set_key(
	struct ddl *d, struct table *t, const struct cql_view *names, uint32_t n, enum column_kind kind)
{
	for (uint32_t i = 0; i < n; i++) {
		struct column *c = (struct column *)schema_column(t, names[i]);

		if (!c)
			return problem_invalid(
				d->why, "Unknown column '%.*s' referenced in PRIMARY KEY", PV(names[i]));
		if (c->kind != COLUMN_REGULAR)
			return problem_invalid(
				d->why, "PRIMARY KEY column '%s' is static or named twice", c->name);
		if (type_is_multicell(c->type) || c->type->id == CQL_T_COUNTER ||
			c->type->id == CQL_T_DURATION)
			return problem_invalid(d->why, "%s is not supported for PRIMARY KEY column '%s'",
				c->type->name, c->name);
		c->kind = kind;
		c->position = (uint16_t)i;
	}
	return 0;
}

static int options(struct ddl *d, struct table *t)
{
	for (uint32_t i = 0; i < d->st->n_options; i++) {
		const struct with_option *o = &d->st->options[i];
		bool number = o->value->kind == TERM_NUMBER;

		if (cql_view_is(o->name, "comment")) {
			free(t->comment);
			t->comment = must_copy(o->value->text);
		} else if (cql_view_is(o->name, "default_time_to_live") ||
			   cql_view_is(o->name, "gc_grace_seconds")) {
			char text[16] = "";

			if (!number || o->value->negative || o->value->text.n > 9)
				return problem_set(d->why, CQL_E_CONFIG, "%.*s must be a number of seconds",
					PV(o->name));
			memcpy(text, o->value->text.p, o->value->text.n);
			*(o->name.p[0] == 'd' ? &t->default_ttl : &t->gc_grace) = atoi(text);
		}
	}
	return 0;
}

static int clustering_order(struct ddl *d, struct table *t)
{
	for (uint32_t i = 0; i < d->st->n_order; i++) {
		struct column *c = (struct column *)schema_column(t, d->st->order[i]);

		if (!c || c->kind != COLUMN_CLUSTERING || c->position != i)
			return problem_invalid(d->why,
				"'%.*s' is not the clustering column that CLUSTERING ORDER BY must name here",
				PV(d->st->order[i]));
		c->descending = d->st->order_desc[i];
	}
	return 0;
}

static int check_counters(struct ddl *d, struct table *t)
{
	int counters = 0, others = 0;

	for (int i = 0; i < t->n_columns; i++) {
		const struct column *c = &t->columns[i];

		if (c->kind == COLUMN_STATIC && !d->st->n_clustering && d->st->kind == STMT_CREATE_TABLE)
			return problem_invalid(d->why, "Static columns are only useful (and thus allowed) if "
						       "the table has at least one clustering column");
		if (c->kind >= COLUMN_STATIC)
			*(c->type->id == CQL_T_COUNTER ? &counters : &others) += 1;
	}
	if (counters && others)
		return problem_invalid(
			d->why, "Cannot mix counter and non counter columns in the same table");
	t->counter = counters > 0;
	return 0;
}

static int define(struct ddl *d, struct table *t)
{
	const struct stmt *st = d->st;

	for (uint32_t i = 0; i < st->n_columns; i++)
		if (add_column(d, t, &st->columns[i]) < 0)
			return -EINVAL;
	if (!st->n_partition_key)
		return problem_invalid(d->why,
			"No PRIMARY KEY specified for table '%s.%s' (exactly one required)",
			t->keyspace->name, t->name);
	if (st->n_clustering > STORE_CLUSTERING)
		return problem_invalid(d->why, "more than %d clustering columns", STORE_CLUSTERING);
	if (set_key(d, t, st->partition_key, st->n_partition_key, COLUMN_PARTITION) < 0 ||
		set_key(d, t, st->clustering, st->n_clustering, COLUMN_CLUSTERING) < 0 ||
		clustering_order(d, t) < 0 || check_counters(d, t) < 0)
		return -EINVAL;
	settle(t);
	return options(d, t);
}

/* An id that is the same in every run that makes the same tables in the same order. */
static void table_id(const struct ddl *d, const struct keyspace *k, struct table *t)
{
	struct md5 m;

	md5_init(&m);
	md5_add(&m, cql_view_of(k->name));
	md5_add(&m, cql_view_of(t->name));
	md5_add(&m, (struct cql_view){(const uint8_t *)&d->s->changes, sizeof(d->s->changes)});
	md5_end(&m, t->id);
	t->id[6] = (t->id[6] & 0x0f) | 0x30;
	t->id[8] = (t->id[8] & 0x3f) | 0x80;
}

static int create_table(struct ddl *d)
{
	struct cql_view ks = d->st->keyspace.n ? d->st->keyspace : d->current;
	struct keyspace *k = schema_keyspace(d->s, ks);

	if (!ks.n)
		return problem_invalid(d->why, "No keyspace has been specified. USE a keyspace, or "
					       "explicitly specify keyspace.tablename");
	if (!k)
		return problem_invalid(d->why, "Keyspace '%.*s' doesn't exist", PV(ks));
	if (k->system)
		return problem_set(
			d->why, CQL_E_UNAUTHORIZED, "%s keyspace is not user-modifiable.", k->name);
	if (schema_table(k, d->st->name)) {
		if (d->st->if_not_exists)
			return 0;
		snprintf(d->why->keyspace, sizeof(d->why->keyspace), "%.*s", PV(ks));
		snprintf(d->why->name, sizeof(d->why->name), "%.*s", PV(d->st->name));
		return problem_set(d->why, CQL_E_ALREADY_EXISTS,
			"Cannot add already existing table \"%.*s\" to keyspace \"%.*s\"", PV(d->st->name),
			PV(ks));
	}
	if (d->st->name.n == 0 || d->st->name.n > 48 || memchr(d->st->name.p, 0, d->st->name.n))
		return problem_invalid(
			d->why, "Table name must not be empty or more than 48 characters long");
	struct table *t = must_alloc(sizeof(*t)), **link = &k->tables;

	*t = (struct table){.keyspace = k, .name = must_copy(d->st->name), .gc_grace = 864000};
	if (define(d, t) < 0) {
		schema_free_table(t);
		return -EINVAL;
	}
	table_id(d, k, t);
	while (*link)
		link = &(*link)->next;
	*link = t;
	return changed(d, "CREATED", "TABLE", cql_view_of(k->name), cql_view_of(t->name));
}

/* The table of an ALTER or DROP. 0: there is none, and that is fine. */
static int existing_table(struct ddl *d, struct table **out)
{
	int err = schema_find(d->s, d->st->keyspace, d->current, d->st->name, out, d->why);

	if (err < 0 && d->st->if_exists && (d->st->keyspace.n || d->current.n))
		return 0;
	if (err < 0)
		return err;
	if ((*out)->keyspace->system)
		return problem_set(d->why, CQL_E_UNAUTHORIZED, "%s keyspace is not user-modifiable.",
			(*out)->keyspace->name);
	return 1;
}

static int drop_columns(struct ddl *d, struct table *t)
{
	for (uint32_t i = 0; i < d->st->n_names; i++) {
		const struct column *c = schema_column(t, d->st->names[i]);

		if (!c)
			return problem_invalid(d->why, "Column %.*s was not found in table '%s.%s'",
				PV(d->st->names[i]), t->keyspace->name, t->name);
		if (c->kind <= COLUMN_CLUSTERING)
			return problem_invalid(d->why, "Cannot drop PRIMARY KEY column %s", c->name);
		if (c->indexed)
			return problem_invalid(
				d->why, "Cannot drop column %s because it has a dependent index", c->name);
	}
	for (uint32_t i = 0; i < d->st->n_names; i++) {
		struct column *c = (struct column *)schema_column(t, d->st->names[i]);

		if (!c) /* named twice */
			continue;
		free(c->name);
		memmove(c, c + 1, (size_t)(t->columns + t->n_columns - c - 1) * sizeof(*c));
		t->n_columns--;
	}
	return 0;
}

static int rename_columns(struct ddl *d, struct table *t)
{
	for (uint32_t i = 0; i + 1 < d->st->n_names; i += 2) {
		struct column *c = (struct column *)schema_column(t, d->st->names[i]);

		if (!c || c->kind > COLUMN_CLUSTERING)
			return problem_invalid(d->why,
				"Cannot rename column %.*s: it is not part of the PRIMARY KEY",
				PV(d->st->names[i]));
		if (schema_column(t, d->st->names[i + 1]) || !column_name_ok(d->st->names[i + 1]))
			return problem_invalid(d->why,
				"Cannot rename column %s to %.*s: another column has that name", c->name,
				PV(d->st->names[i + 1]));
		free(c->name);
		c->name = must_copy(d->st->names[i + 1]);
	}
	return 0;
}

static int alter_table(struct ddl *d)
{
	struct table *t;
	int r = existing_table(d, &t);

	if (r <= 0)
		return r;
	d->before_drop(d->ctx, t);
	for (uint32_t i = 0; i < d->st->n_columns && r >= 0; i++) {
		bool counter = d->st->columns[i].type->id == CQL_T_COUNTER;

		if (counter != t->counter && t->n_columns > t->n_partition + t->n_clustering)
			r = problem_invalid(
				d->why, "Cannot mix counter and non counter columns in the same table");
		else if (d->st->columns[i].is_static && !t->n_clustering)
			r = problem_invalid(d->why,
				"Static columns are only allowed if the table has clustering columns");
		else
			r = add_column(d, t, &d->st->columns[i]);
	}
	if (r >= 0 && d->st->drop)
		r = drop_columns(d, t);
	if (r >= 0 && d->st->rename)
		r = rename_columns(d, t);
	if (r >= 0)
		r = options(d, t);
	settle(t);
	return r < 0 ? r
		     : changed(d, "UPDATED", "TABLE", cql_view_of(t->keyspace->name), cql_view_of(t->name));
}

static int drop_table(struct ddl *d)
{
	struct table *t;
	int r = existing_table(d, &t);

	if (r <= 0)
		return r;
	struct table **link = &t->keyspace->tables;
	struct keyspace *k = t->keyspace;

	d->before_drop(d->ctx, t);
	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
	schema_free_table(t);
	return changed(d, "DROPPED", "TABLE", cql_view_of(k->name), d->st->name);
}

/* ---- indexes: they only make filtering legal, and show in the schema */

static int create_index(struct ddl *d)
{
	struct table *t;
	char name[160];

	if (schema_find(d->s, d->st->keyspace, d->current, d->st->name, &t, d->why) < 0)
		return -EINVAL;
	struct column *c = (struct column *)schema_column(t, d->st->names[0]);

	if (!c || t->keyspace->system)
		return problem_invalid(d->why, "Undefined column name %.*s in table %s.%s",
			PV(d->st->names[0]), t->keyspace->name, t->name);
	if (d->st->index.n)
		snprintf(name, sizeof(name), "%.*s", PV(d->st->index));
	else
		snprintf(name, sizeof(name), "%.64s_%.64s_idx", t->name, c->name);
	for (struct table *o = t->keyspace->tables; o; o = o->next)
		for (struct index *x = o->indexes; x; x = x->next)
			if (strcmp(x->name, name) == 0)
				return d->st->if_not_exists
					       ? 0
					       : problem_invalid(d->why, "Index '%s' already exists", name);
	d->before_drop(d->ctx, t);
	struct index *x = must_alloc(sizeof(*x));

	*x = (struct index){must_copy(cql_view_of(name)), c->id, t->indexes};
	t->indexes = x;
	c->indexed = true;
	return changed(d, "UPDATED", "TABLE", cql_view_of(t->keyspace->name), cql_view_of(t->name));
}

static int drop_index(struct ddl *d)
{
	struct cql_view ks = d->st->keyspace.n ? d->st->keyspace : d->current;
	struct keyspace *k = schema_keyspace(d->s, ks);

	for (struct table *t = k ? k->tables : NULL; t; t = t->next)
		for (struct index **link = &t->indexes; *link; link = &(*link)->next) {
			struct index *x = *link;

			if (!cql_view_is(d->st->name, x->name))
				continue;
			d->before_drop(d->ctx, t);
			for (int i = 0; i < t->n_columns; i++)
				if (t->columns[i].id == x->column)
					t->columns[i].indexed = false;
			*link = x->next;
			free(x->name);
			free(x);
			return changed(d, "UPDATED", "TABLE", cql_view_of(k->name), cql_view_of(t->name));
		}
	return d->st->if_exists ? 0 : problem_invalid(d->why, "Index '%.*s' doesn't exist", PV(d->st->name));
}

int schema_apply(struct schema *s, const struct stmt *st, struct cql_view current,
	void (*before_drop)(void *ctx, struct table *t), void *ctx, struct schema_event *event,
	struct problem *why)
{
	struct ddl d = {s, st, current, before_drop, ctx, event, why};

	switch ((int)st->kind) {
	case STMT_CREATE_KEYSPACE:
		return create_keyspace(&d);
	case STMT_ALTER_KEYSPACE:
		return alter_keyspace(&d);
	case STMT_DROP_KEYSPACE:
		return drop_keyspace(&d);
	case STMT_CREATE_TABLE:
		return create_table(&d);
	case STMT_ALTER_TABLE:
		return alter_table(&d);
	case STMT_DROP_TABLE:
		return drop_table(&d);
	case STMT_CREATE_INDEX:
		return create_index(&d);
	case STMT_DROP_INDEX:
		return drop_index(&d);
	default:
		return problem_invalid(why, "not a schema statement");
	}
}
