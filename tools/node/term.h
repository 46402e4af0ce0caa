/* Terms to values. */
#pragma once
#include "exec.h"

/* Can a term be of that type? Also types the markers in it: a marker is called `name` unless it has a name of its own. Once, when resolving. */
int term_resolve(struct stmt *s, struct term *t, const char *name, const struct type *type, struct arena *a,
	struct problem *why) must_check;
/* The value, checked and in its canonical form. `column` is for messages. */
int term_value(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_value *out) must_check;
/* The type that a call gives; NULL: no such function. */
const struct type *term_call_type(const struct term *t);
/* A number out of a term that must be an integer literal or marker: LIMIT, TTL, TIMESTAMP. *set is false when it is unset or absent (t NULL). */
int term_integer(const struct exec *x, const struct term *t, const struct type *type, const char *what,
	int64_t *out, bool *set) must_check;
/* literal.c: a literal of a native type. */
int term_literal(const struct exec *x, const struct term *t, const struct type *type, const char *column,
	struct cql_view *out);
