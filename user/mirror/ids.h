/*
 * Stream ids of one leg: which request each outstanding id belongs to. Toward a cluster an id is the client's while that number is
 * free, else another free one. 32 768 ids as the protocol has them; memory grows with the highest number in use.
 */
#pragma once
#include "base/attr.h"
#include <stdbool.h>

#define IDS_PAGE  256
#define IDS_PAGES 128

struct ids {
	void **page[IDS_PAGES];
	unsigned used;
	uint16_t rotor; /* where the search for a free number begins */
};

/* Give `owner` (not NULL) an id, `wish` if it is free and not negative. Returns the id, or -1: all are taken, or no memory. */
int ids_take(struct ids *t, int wish, void *owner) must_check;
void *ids_owner(const struct ids *t, int id);        /* NULL: not outstanding */
void ids_change(struct ids *t, int id, void *owner); /* an outstanding id gets another owner */
void ids_free(struct ids *t, int id);
void ids_each(struct ids *t, void (*fn)(void *ctx, int id, void *owner),
	void *ctx); /* fn may free the id it is given */
void ids_fini(struct ids *t);
