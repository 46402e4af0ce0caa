/* system_schema and system_virtual_schema: the schema as drivers read it. */
#include "system.h"
#include "fill.h"
#include <string.h>

#define for_each_keyspace(k, c) for (struct keyspace *k = (c)->schema.keyspaces; k; k = k->next)
#define for_each_table(t, k)    for (struct table *t = (k)->tables; t; t = t->next)

static void fill_keyspaces(struct cluster *c, struct node *n, struct table *t)
{
	struct fill f;

	(void)n;
	fill_begin(&f, t, &c->arena);
	for_each_keyspace(k, c)
	{
		if (k->is_virtual)
			continue;
		fill_text(&f, "keyspace_name", k->name);
		fill_bool(&f, "durable_writes", k->durable_writes);
		fill_map(&f, "replication", k->replication);
		fill_row(&f);
	}
}

/* Options that seam-node takes and does not act on have Cassandra's defaults. */
static void table_options(struct fill *f, const struct table *t)
{
	static const char *const caching[] = {"keys", "ALL", "rows_per_partition", "NONE"};
	static const char *const compaction[] = {"class",
		"org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy", "max_threshold", "32",
		"min_threshold", "4"};
	static const char *const compression[] = {
		"chunk_length_in_kb", "16", "class", "org.apache.cassandra.io.compress.LZ4Compressor"};

	fill_text(f, "additional_write_policy", "99p");
	fill_double(f, "bloom_filter_fp_chance", 0.01);
	fill_texts(f, "caching", caching, 2);
	fill_bool(f, "cdc", false);
	fill_text(f, "comment", t->comment ? t->comment : "");
	fill_texts(f, "compaction", compaction, 3);
	fill_texts(f, "compression", compression, 2);
	fill_double(f, "crc_check_chance", 1);
	fill_double(f, "dclocal_read_repair_chance", 0);
	fill_int(f, "default_time_to_live", t->default_ttl);
	fill_texts(f, "extensions", NULL, 0);
	fill_int(f, "gc_grace_seconds", t->gc_grace);
	fill_int(f, "max_index_interval", 2048);
	fill_int(f, "memtable_flush_period_in_ms", 0);
	fill_int(f, "min_index_interval", 128);
	fill_text(f, "read_repair", "BLOCKING");
	fill_double(f, "read_repair_chance", 0);
	fill_text(f, "speculative_retry", "99p");
}

static void fill_tables(struct cluster *c, struct node *n, struct table *out)
{
	static const char *const flags[] = {"compound", "counter"};
	struct fill f;

	(void)n;
	fill_begin(&f, out, &c->arena);
	for_each_keyspace(k, c)
	{
		if (k->is_virtual)
			continue;
		for_each_table(t, k)
		{
			fill_text(&f, "keyspace_name", k->name);
			fill_text(&f, "table_name", t->name);
			fill_bytes(&f, "id", t->id, 16);
			fill_texts(&f, "flags", flags, t->counter ? 2 : 1);
			table_options(&f, t);
			fill_row(&f);
		}
	}
}

static void columns_of(struct fill *f, const struct keyspace *k, const struct table *t)
{
	static const char *const kinds[] = {"partition_key", "clustering", "static", "regular"};

	for (int i = 0; i < t->n_columns; i++) {
		const struct column *col = &t->columns[i];

		fill_text(f, "keyspace_name", k->name);
		fill_text(f, "table_name", t->name);
		fill_text(f, "column_name", col->name);
		fill_bytes(f, "column_name_bytes", (const uint8_t *)col->name, strlen(col->name));
		fill_text(f, "kind", kinds[col->kind]);
		fill_int(f, "position", col->kind <= COLUMN_CLUSTERING ? col->position : -1);
		fill_text(f, "clustering_order",
			col->kind != COLUMN_CLUSTERING ? "none"
			: col->descending              ? "desc"
						       : "asc");
		fill_text(f, "type", col->type->name);
		fill_row(f);
	}
}

static void fill_columns(struct cluster *c, struct node *n, struct table *out)
{
	struct fill f;

	(void)n;
	fill_begin(&f, out, &c->arena);
	for_each_keyspace(k, c) for_each_table(t, k) if (!k->is_virtual) columns_of(&f, k, t);
}

static void fill_indexes(struct cluster *c, struct node *n, struct table *out)
{
	struct fill f;

	(void)n;
	fill_begin(&f, out, &c->arena);
	for_each_keyspace(k, c) for_each_table(t, k) for (const struct index *x = t->indexes; x;
							  x = x->next) for (int i = 0; i < t->n_columns; i++)
	{
		const char *options[] = {"target", t->columns[i].name};

		if (t->columns[i].id != x->column)
			continue;
		fill_text(&f, "keyspace_name", k->name);
		fill_text(&f, "table_name", t->name);
		fill_text(&f, "index_name", x->name);
		fill_text(&f, "kind", "COMPOSITES");
		fill_texts(&f, "options", options, 1);
		fill_row(&f);
	}
}

static void fill_nothing(struct cluster *c, struct node *n, struct table *t)
{
	(void)c;
	(void)n;
	store_clear(&t->store);
}

static void fill_virtual_keyspaces(struct cluster *c, struct node *n, struct table *out)
{
	struct fill f;

	(void)n;
	fill_begin(&f, out, &c->arena);
	for_each_keyspace(k, c) if (k->is_virtual)
	{
		fill_text(&f, "keyspace_name", k->name);
		fill_row(&f);
	}
}

static void fill_virtual_tables(struct cluster *c, struct node *n, struct table *out)
{
	struct fill f;

	(void)n;
	fill_begin(&f, out, &c->arena);
	for_each_keyspace(k, c) for_each_table(t, k) if (k->is_virtual)
	{
		fill_text(&f, "keyspace_name", k->name);
		fill_text(&f, "table_name", t->name);
		fill_text(&f, "comment", "virtual schema");
		fill_row(&f);
	}
}

static void fill_virtual_columns(struct cluster *c, struct node *n, struct table *out)
{
	struct fill f;

	(void)n;
	fill_begin(&f, out, &c->arena);
	for_each_keyspace(k, c) for_each_table(t, k) if (k->is_virtual) columns_of(&f, k, t);
}

#define OPTIONS                                                                                              \
	"additional_write_policy text, bloom_filter_fp_chance double, caching frozen<map<text, text>>, cdc " \
	"boolean, "                                                                                          \
	"comment text, compaction frozen<map<text, text>>, compression frozen<map<text, text>>, "            \
	"crc_check_chance double, "                                                                          \
	"dclocal_read_repair_chance double, default_time_to_live int, extensions frozen<map<text, blob>>, "  \
	"gc_grace_seconds int, id uuid, max_index_interval int, memtable_flush_period_in_ms int, "           \
	"min_index_interval int, "                                                                           \
	"read_repair text, read_repair_chance double, speculative_retry text, "
#define COLUMNS                                                                                              \
	"(keyspace_name text, table_name text, column_name text, clustering_order text, column_name_bytes "  \
	"blob, kind text, "                                                                                  \
	"position int, type text, PRIMARY KEY (keyspace_name, table_name, column_name))"

const struct system_table system_schema_tables[] = {
	{"CREATE TABLE system_schema.keyspaces (keyspace_name text PRIMARY KEY, durable_writes boolean, "
	 "replication frozen<map<text, text>>)",
		fill_keyspaces},
	{"CREATE TABLE system_schema.tables (keyspace_name text, table_name text, flags "
	 "frozen<set<text>>, " OPTIONS "PRIMARY KEY (keyspace_name, table_name))",
		fill_tables},
	{"CREATE TABLE system_schema.columns " COLUMNS, fill_columns},
	{"CREATE TABLE system_schema.dropped_columns (keyspace_name text, table_name text, column_name text, "
	 "dropped_time timestamp, kind text, type text, PRIMARY KEY (keyspace_name, table_name, "
	 "column_name))",
		fill_nothing},
	{"CREATE TABLE system_schema.triggers (keyspace_name text, table_name text, trigger_name text, "
	 "options frozen<map<text, text>>, PRIMARY KEY (keyspace_name, table_name, trigger_name))",
		fill_nothing},
	{"CREATE TABLE system_schema.views (keyspace_name text, view_name text, base_table_id uuid, "
	 "base_table_name text, "
	 "include_all_columns boolean, where_clause text, " OPTIONS "PRIMARY KEY (keyspace_name, view_name))",
		fill_nothing},
	{"CREATE TABLE system_schema.indexes (keyspace_name text, table_name text, index_name text, kind "
	 "text, "
	 "options frozen<map<text, text>>, PRIMARY KEY (keyspace_name, table_name, index_name))",
		fill_indexes},
	{"CREATE TABLE system_schema.types (keyspace_name text, type_name text, field_names "
	 "frozen<list<text>>, "
	 "field_types frozen<list<text>>, PRIMARY KEY (keyspace_name, type_name))",
		fill_nothing},
	{"CREATE TABLE system_schema.functions (keyspace_name text, function_name text, argument_types "
	 "frozen<list<text>>, "
	 "argument_names frozen<list<text>>, body text, called_on_null_input boolean, language text, "
	 "return_type text, "
	 "PRIMARY KEY (keyspace_name, function_name, argument_types))",
		fill_nothing},
	{"CREATE TABLE system_schema.aggregates (keyspace_name text, aggregate_name text, argument_types "
	 "frozen<list<text>>, "
	 "final_func text, initcond text, return_type text, state_func text, state_type text, deterministic "
	 "boolean, "
	 "PRIMARY KEY (keyspace_name, aggregate_name, argument_types))",
		fill_nothing},
	{"CREATE TABLE system_virtual_schema.keyspaces (keyspace_name text PRIMARY KEY)",
		fill_virtual_keyspaces},
	{"CREATE TABLE system_virtual_schema.tables (keyspace_name text, table_name text, comment text, "
	 "PRIMARY KEY (keyspace_name, table_name))",
		fill_virtual_tables},
	{"CREATE TABLE system_virtual_schema.columns " COLUMNS, fill_virtual_columns},
};
const size_t system_schema_count = ARRAY_LEN(system_schema_tables);
