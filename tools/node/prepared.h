/* A node's prepared statements. They keep their tree resolved, so that EXECUTE only binds. */
#pragma once
#include "arena.h"
#include "exec.h"
#include "result.h"

#define PREPARED_MAX     100000 /* a node's; beyond it the oldest goes, as Cassandra's cache does */
#define PREPARED_BUCKETS 4096

struct prepared {
	struct prepared *chain;
	struct prepared *older, *newer;
	uint8_t id[16], result_id[16];
	struct arena arena; /* all below lies in it */
	struct cql_view text, keyspace;
	struct stmt *stmt;
	struct result_column *columns;
	uint32_t n_columns;
};
struct prepared_cache {
	struct prepared *buckets[PREPARED_BUCKETS];
	struct prepared *oldest, *newest;
	uint32_t n;
};

struct prepared *prepared_find(struct prepared_cache *c, struct cql_view id);
/* Parse, resolve, keep. The same text again gives the same entry. */
int prepared_add(struct prepared_cache *c, const struct schema *schema, struct cql_view keyspace,
	struct cql_view text, struct prepared **out, struct problem *why) must_check;
void prepared_write(struct cql_writer *body, const struct prepared *p, uint8_t version); /* RESULT Prepared */
/* Forget those that use the table; NULL: all. `word`: only those whose text holds it (fault_has_word); NULL: whatever it holds. */
void prepared_forget(struct prepared_cache *c, const struct table *t, const char *word);
