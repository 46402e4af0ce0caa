#include "schema.h"
#include <errno.h>
#include <string.h>

struct keyspace *schema_keyspace(const struct schema *s, struct cql_view name)
{
	for (struct keyspace *k = s->keyspaces; k; k = k->next)
		if (cql_view_is(name, k->name))
			return k;
	return NULL;
}

struct table *schema_table(const struct keyspace *k, struct cql_view name)
{
	for (struct table *t = k->tables; t; t = t->next)
		if (cql_view_is(name, t->name))
			return t;
	return NULL;
}

const struct column *schema_column(const struct table *t, struct cql_view name)
{
	for (int i = 0; i < t->n_columns; i++)
		if (cql_view_is(name, t->columns[i].name))
			return &t->columns[i];
	return NULL;
}

int schema_find(const struct schema *s, struct cql_view keyspace, struct cql_view current,
	struct cql_view table, struct table **out, struct problem *why)
{
	struct cql_view name = keyspace.n ? keyspace : current;

	if (!name.n)
		return problem_invalid(why, "No keyspace has been specified. USE a keyspace, or explicitly "
					    "specify keyspace.tablename");
	struct keyspace *k = schema_keyspace(s, name);

	if (!k)
		return problem_invalid(why, "keyspace %.*s does not exist", PV(name));
	struct table *t = schema_table(k, table);

	if (!t)
		return problem_invalid(why, "table %.*s does not exist", PV(table));
	*out = t;
	return 0;
}

void schema_free_table(struct table *t)
{
	store_clear(&t->store);
	for (int i = 0; i < t->n_columns; i++)
		free(t->columns[i].name);
	free(t->columns);
	while (t->indexes) {
		struct index *x = t->indexes;

		t->indexes = x->next;
		free(x->name);
		free(x);
	}
	free(t->comment);
	free(t->name);
	free(t);
}

void schema_free(struct schema *s)
{
	while (s->keyspaces) {
		struct keyspace *k = s->keyspaces;

		s->keyspaces = k->next;
		while (k->tables) {
			struct table *t = k->tables;

			k->tables = t->next;
			schema_free_table(t);
		}
		json_decref(k->replication);
		free(k->name);
		free(k);
	}
}
