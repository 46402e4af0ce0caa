#include "client/out.h"

#include <stdlib.h>

bool out_grow(struct cql_writer *w, size_t need)
{
	size_t cap = w->cap ? w->cap : 512;

	if (need > SIZE_MAX / 4 - w->len)
		return false;
	while (cap - w->len < need)
		cap *= 2;
	uint8_t *p = realloc(w->p, cap);
	if (!p)
		return false;
	w->p = p;
	w->cap = cap;
	return true;
}

void out_free(struct cql_writer *w)
{
	free(w->p);
	*w = OUT_EMPTY;
}
