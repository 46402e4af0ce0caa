/*
 * Memory that is given back all at once: a statement's tree, or what one request needs. Nothing here fails: a node that is out of
 * memory says so and aborts, as every allocation of tools/node does (a test machine, not a database); sizes are bounded by the frames' bound.
 */
#pragma once
#include "base/attr.h"
#include "cql/bytes.h"

struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	max_align_t data[];
};
struct arena {
	struct arena_chunk *head; /* zero: empty */
};

void *arena_alloc(struct arena *a, size_t n); /* zeroed, aligned for anything */
void *arena_bytes(struct arena *a, size_t n); /* the same, not zeroed */
struct cql_view arena_copy(struct arena *a, struct cql_view v);
char *arena_text(struct arena *a, struct cql_view v); /* with NUL */
void arena_reset(struct arena *a);                    /* keeps one chunk */
void arena_free(struct arena *a);
#define ARENA_NEW(a, type)      ((type *)arena_alloc(a, sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc(a, sizeof(type) * (n)))

/* malloc and friends that abort. */
void *must_alloc(size_t n); /* zeroed */
void *must_realloc(void *p, size_t n);
char *must_copy(struct cql_view v); /* with NUL */

/* cql_writer.grow over realloc; free with buffer_free(). */
bool buffer_grow(struct cql_writer *w, size_t need);
void buffer_free(struct cql_writer *w);
#define BUFFER_INIT ((struct cql_writer){.grow = buffer_grow})
#define BUFFER_MAX  (1u << 30) /* what one buffer may hold: an answer and its copy are below it */
