/* The control socket: faults, kill, start, dump. control.c's head says what it understands. */
#pragma once
#include "cluster.h"

struct control;
/* NULL path: none. Negative libuv error. */
int control_open(struct cluster *c, const char *path, struct control **out) must_check;
void control_close(struct control *k); /* NULL is fine */

/* dump.c: a table's live rows in token order, one JSON line each, then {"end":N}; appended to *out, which is malloc'd. NULL: *why. */
char *dump_table(struct cluster *c, const char *name, size_t *len, struct problem *why);
