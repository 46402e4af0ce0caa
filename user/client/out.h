/* A cql_writer on the heap. Zero it, or OUT_EMPTY, before use; out_free() empties it again. */
#pragma once
#include "cql/bytes.h"

bool out_grow(struct cql_writer *w, size_t need);
void out_free(struct cql_writer *w);
#define OUT_EMPTY ((struct cql_writer){.grow = out_grow})
