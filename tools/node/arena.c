#include "arena.h"
#include <stdio.h>
#include <string.h>

#define CHUNK 16384

static void *or_abort(void *p)
{
	if (p)
		return p;
	fputs("seam-node: out of memory\n", stderr);
	abort();
}

void *must_alloc(size_t n)
{
	return or_abort(calloc(1, n ? n : 1));
}

void *must_realloc(void *p, size_t n)
{
	return or_abort(realloc(p, n ? n : 1));
}

char *must_copy(struct cql_view v)
{
	char *p = must_alloc(v.n + 1);

	if (v.n)
		memcpy(p, v.p, v.n);
	return p;
}

void *arena_bytes(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->head;

	n = (n + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
	if (!c || c->cap - c->used < n) {
		size_t cap = n > CHUNK ? n : CHUNK;

		c = or_abort(malloc(sizeof(*c) + cap));
		c->cap = cap;
		c->used = 0;
		c->next = a->head;
		a->head = c;
	}
	void *p = (char *)c->data + c->used;
	c->used += n;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	return memset(arena_bytes(a, n), 0, n);
}

struct cql_view arena_copy(struct arena *a, struct cql_view v)
{
	uint8_t *p = arena_bytes(a, v.n);

	if (v.n)
		memcpy(p, v.p, v.n);
	return (struct cql_view){p, v.n};
}

char *arena_text(struct arena *a, struct cql_view v)
{
	char *p = arena_bytes(a, v.n + 1);

	if (v.n)
		memcpy(p, v.p, v.n);
	p[v.n] = 0;
	return p;
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *keep = NULL, *next;

	for (struct arena_chunk *c = a->head; c; c = next) {
		next = c->next;
		if (!keep && c->cap == CHUNK)
			keep = c;
		else
			free(c);
	}
	if (keep) {
		keep->used = 0;
		keep->next = NULL;
	}
	a->head = keep;
}

void arena_free(struct arena *a)
{
	for (struct arena_chunk *c = a->head, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	a->head = NULL;
}

bool buffer_grow(struct cql_writer *w, size_t need)
{
	size_t cap = w->cap ? w->cap : 1024;

	if (need > BUFFER_MAX - w->len)
		return false;
	while (cap < w->len + need)
		cap *= 2;
	w->p = must_realloc(w->p, cap);
	w->cap = cap;
	return true;
}

void buffer_free(struct cql_writer *w)
{
	free(w->p);
	*w = BUFFER_INIT;
}
