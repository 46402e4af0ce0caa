/*
 * Prepared statements of one app, shared by its sessions on all workers: Origin's id (the only one the client ever sees) → text,
 * keyspace, class, and what Target calls it.
 *
 * Statements live per node on the servers, and ids are MD5s that differ between clusters by version and keyspace (cql.md §8), so Target's id
 * is kept once learned; a Target node that doesn't know it says UNPREPARED and the leg prepares it there.
 * The protocol version is part of the key: metadata differ by version.
 * Bounded: beyond `limit` the least recently used of a sample goes; the client then sees UNPREPARED and every driver prepares again.
 */
#pragma once
#include "base/list.h"
#include "cql/classify.h"
#include "cql/result.h"
#include "mirror/policy.h"
#include <pthread.h>

#define PREPARED_ID_MAX 64

/* What Target calls a statement. Zeroed before it is filled, so that two can be compared whole. */
struct prepared_told {
	uint8_t id[PREPARED_ID_MAX], result_metadata_id[PREPARED_ID_MAX];
	uint8_t id_n, result_metadata_id_n;
	bool same_bind, same_result; /* as Origin's metadata */
};

struct prepared_target {
	struct prepared_target *older;
	struct prepared_told told;
};

struct prepared {
	struct prepared *chain; /* of the hash bucket */
	atomic_uint refs;
	_Atomic uint64_t used; /* tick of the last use */
	uint8_t version;
	uint8_t id_n, id[PREPARED_ID_MAX];
	struct cql_class class;       /* its views lie in text */
	char keyspace[TABLE_CAP / 2]; /* that the client was in, or gave (v5); folded; "" if none */
	uint8_t *origin;              /* Origin's PREPARED, body proper */
	size_t origin_n;
	/*
	 * All that Target ever called it, each once, and the one that holds now (NULL: none is known yet). They live as long as the statement, since a
	 * reader may still hold one; during an upgrade two nodes' words take turns.
	 */
	_Atomic(struct prepared_target *) targets, target;
	size_t text_n;
	char text[]; /* and NUL */
};

struct prepared_cache;

struct prepared_cache *prepared_cache_new(size_t limit);
void prepared_cache_free(struct prepared_cache *c);
/* A reference, or NULL. */
struct prepared *prepared_find(struct prepared_cache *c, uint8_t version, struct cql_view id);
/*
 * Learn what Origin answered to a PREPARE (body proper of a PREPARED). Returns a reference (an entry that says the same already stands), or NULL
 * when the body is malformed or memory is short.
 */
struct prepared *prepared_learn(struct prepared_cache *c, uint8_t version, struct cql_view text,
	const char *keyspace, struct cql_view origin_body);
/* Learn what Target answered. -EBADMSG, -ENOMEM. */
int prepared_learn_target(struct prepared *p, struct cql_view target_body) must_check;
static inline const struct prepared_told *prepared_target(struct prepared *p)
{
	const struct prepared_target *t = atomic_load_explicit(&p->target, memory_order_acquire);

	return t ? &t->told : NULL;
}
struct prepared *prepared_ref(struct prepared *p);
void prepared_unref(struct prepared *p); /* NULL is fine */
size_t prepared_count(struct prepared_cache *c);
