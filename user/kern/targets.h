/* Which addresses are Origin: connects to one of them are captured; to one of their ports at another address, counted and told. */
#pragma once
#include "base/endpoint.h"
#include "kern/capture.h"

/*
 * Make `e[0..n)` the set, live: new ones are added before old ones go, so an endpoint in both sets is never missing.
 * Duplicates are fine. -E2BIG above ABI_ENDPOINTS: nothing changed.
 */
int targets_replace(struct capture *c, const struct endpoint *e, size_t n) must_check;
