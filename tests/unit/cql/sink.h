/* A writer that grows on the heap, and small shorthands, for the tests of cql/. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cql/frame.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline bool sink_grow(struct cql_writer *w, size_t need)
{
	size_t cap = w->len + need + w->cap;
	uint8_t *p = realloc(w->p, cap);

	if (!p)
		return false;
	w->p = p;
	w->cap = cap;
	return true;
}

#define SINK ((struct cql_writer){.grow = sink_grow})

static inline void sink_free(struct cql_writer *w)
{
	free(w->p);
	*w = SINK;
}

static inline struct cql_view sink_view(const struct cql_writer *w)
{
	assert_false(w->failed);
	return (struct cql_view){w->p, w->len};
}

/* A copy of exactly n bytes on the heap: whoever reads behind it meets the sanitizer. */
static inline struct cql_view tight(const void *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	assert_non_null(copy);
	if (n)
		memcpy(copy, p, n);
	return (struct cql_view){copy, n};
}

static inline void tight_free(struct cql_view v)
{
	free((void *)v.p);
}

#define V(text) ((struct cql_view){(const uint8_t *)(text), sizeof(text) - 1})

static inline void assert_view(struct cql_view got, struct cql_view want)
{
	assert_int_equal(got.n, want.n);
	if (want.n)
		assert_memory_equal(got.p, want.p, want.n);
}
