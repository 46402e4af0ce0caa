/* What the fuzzers share: a writer that grows, and a check that sanitizers would not make by themselves. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cql/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(what)                                                                                           \
	do {                                                                                                 \
		if (!(what)) {                                                                               \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);            \
			abort();                                                                             \
		}                                                                                            \
	} while (0)

static inline bool sink_grow(struct cql_writer *w, size_t need)
{
	size_t cap = 2 * w->cap + need + 64;
	uint8_t *p = realloc(w->p, cap);

	MUST(p);
	w->p = p;
	w->cap = cap;
	return true;
}
#define SINK ((struct cql_writer){.grow = sink_grow})

static inline struct cql_view sink_view(const struct cql_writer *w)
{
	MUST(!w->failed);
	return (struct cql_view){w->p, w->len};
}

/* The rest of the input on its own heap, so that reading behind it is seen even if the fuzzer's buffer goes on. */
static inline struct cql_view tight(const uint8_t *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	MUST(copy);
	if (n)
		memcpy(copy, p, n);
	return (struct cql_view){copy, n};
}

static inline void tight_free(struct cql_view v)
{
	free((void *)v.p);
}

static inline bool inside(struct cql_view part, struct cql_view whole)
{
	return !part.n ||
	       (part.p >= whole.p && part.n <= whole.n && (size_t)(part.p - whole.p) <= whole.n - part.n);
}
