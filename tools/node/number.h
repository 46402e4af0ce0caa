/* Integers of any size between decimal digits and two's complement: varint and the unscaled part of decimal (spec §6). */
#pragma once
#include "arena.h"

#define NUMBER_DIGITS 2000

/* `digits` are only digits, at most NUMBER_DIGITS. Shortest form, big-endian. */
struct cql_view number_parse(struct cql_view digits, bool negative, struct arena *a);
char *number_format(struct cql_view v); /* "-123"; free() it */
