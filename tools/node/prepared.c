#include "prepared.h"
#include "fault.h"
#include "md5.h"
#include "parse.h"
#include "resolve.h"
#include <errno.h>
#include <string.h>

/* As Cassandra's from 4.0.2 on: a statement that names its keyspace has an id of its text alone (CASSANDRA-15252). */
static void id_of(struct cql_view keyspace, struct cql_view text, bool qualified, uint8_t out[16])
{
	struct md5 m;

	md5_init(&m);
	if (!qualified)
		md5_add(&m, keyspace);
	md5_add(&m, text);
	md5_end(&m, out);
}

static struct prepared **bucket(struct prepared_cache *c, const uint8_t id[16])
{
	return &c->buckets[((unsigned)id[0] << 8 | id[1]) % PREPARED_BUCKETS];
}

struct prepared *prepared_find(struct prepared_cache *c, struct cql_view id)
{
	if (id.n != 16)
		return NULL;
	for (struct prepared *p = *bucket(c, id.p); p; p = p->chain)
		if (memcmp(p->id, id.p, 16) == 0)
			return p;
	return NULL;
}

static void forget(struct prepared_cache *c, struct prepared *p)
{
	struct prepared **link = bucket(c, p->id);

	while (*link != p)
		link = &(*link)->chain;
	*link = p->chain;
	*(p->older ? &p->older->newer : &c->oldest) = p->newer;
	*(p->newer ? &p->newer->older : &c->newest) = p->older;
	c->n--;
	arena_free(&p->arena);
	free(p);
}

static void keep(struct prepared_cache *c, struct prepared *p)
{
	if (c->n == PREPARED_MAX)
		forget(c, c->oldest);
	p->chain = *bucket(c, p->id);
	*bucket(c, p->id) = p;
	p->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = p;
	c->newest = p;
	c->n++;
}

int prepared_add(struct prepared_cache *c, const struct schema *schema, struct cql_view keyspace,
	struct cql_view text, struct prepared **out, struct problem *why)
{
	struct prepared *p = must_alloc(sizeof(*p)), *old;

	p->text = arena_copy(&p->arena, text);
	p->keyspace = arena_copy(&p->arena, keyspace);
	if (parse_statement(p->text, &p->arena, &p->stmt, why) < 0 ||
		resolve_statement(schema, p->keyspace, p->stmt, &p->arena, why) < 0) {
		arena_free(&p->arena);
		free(p);
		return -EINVAL;
	}
	id_of(keyspace, text, resolve_is_qualified(p->stmt), p->id);
	old = prepared_find(c, (struct cql_view){p->id, 16});
	if (old) {
		arena_free(&p->arena);
		free(p);
		*out = old;
		return 0;
	}
	p->n_columns = result_columns(p->stmt, &p->arena, &p->columns);
	result_id(p->n_columns ? p->stmt->table : NULL, p->columns, p->n_columns, p->result_id);
	keep(c, p);
	*out = p;
	return 0;
}

static void write_bind(struct cql_writer *w, const struct stmt *s, uint8_t version)
{
	const struct stmt *first = s->kind == STMT_BATCH && s->n_children ? s->children[0] : s;
	struct cql_metadata m = {.n_columns = s->n_markers};
	uint16_t pk[AST_MAX_NAMES];
	uint8_t encoded[2 * AST_MAX_NAMES];
	uint16_t n = resolve_partition_markers(s, pk);
	bool one_table = resolve_is_of_one_table(s);

	for (int i = 0; i < n; i++) {
		encoded[2 * i] = (uint8_t)(pk[i] >> 8);
		encoded[2 * i + 1] = (uint8_t)pk[i];
	}
	m.pk_indexes = (struct cql_view){encoded, 2 * (size_t)n};
	if (first->table) {
		m.keyspace = cql_view_of(first->table->keyspace->name);
		m.table = cql_view_of(first->table->name);
	}
	if (one_table) {
		cql_metadata_write(w, &m, true, version);
	} else { /* each column names its own table (spec §4.2.5.2) */
		cql_write_i32(w, 0);
		cql_write_i32(w, s->n_markers);
		if (version >= CQL_V4)
			cql_write_i32(w, 0);
	}
	for (int i = 0; i < s->n_markers; i++) {
		const struct marker *mk = &s->markers[i];

		if (!one_table) {
			cql_write_string(w, cql_view_of(mk->table->keyspace->name));
			cql_write_string(w, cql_view_of(mk->table->name));
		}
		cql_write_string(w, mk->name);
		type_write(w, mk->type, version);
	}
}

void prepared_write(struct cql_writer *w, const struct prepared *p, uint8_t version)
{
	cql_write_i32(w, CQL_PREPARED);
	cql_write_short_bytes(w, (struct cql_view){p->id, 16});
	if (version >= CQL_V5)
		cql_write_short_bytes(w, (struct cql_view){p->result_id, 16});
	write_bind(w, p->stmt, version);
	result_metadata(w, version, p->n_columns ? p->stmt->table : NULL, p->columns, p->n_columns,
		p->n_columns ? 0 : CQL_M_NO_METADATA, (struct cql_view){0}, (struct cql_view){0});
}

static bool uses(const struct stmt *s, const struct table *t)
{
	if (s->table == t)
		return true;
	for (uint32_t i = 0; i < s->n_children; i++)
		if (s->children[i]->table == t)
			return true;
	return false;
}

void prepared_forget(struct prepared_cache *c, const struct table *t, const char *word)
{
	for (struct prepared *p = c->oldest, *next; p; p = next) {
		next = p->newer;
		if ((!t || uses(p->stmt, t)) && (!word || fault_has_word(p->text, word)))
			forget(c, p);
	}
}
