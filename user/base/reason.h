/*
 * A reason: why something was refused or closed, in words for an operator.
 *
 * Functions that can fail for a reason that a person must read take a `struct reason *` (never NULL) beside their
 * negative errno. It is written on failure only, and is always NUL-terminated.
 */
#pragma once
#include "base/attr.h"

#define REASON_MAX 512

struct reason {
	char text[REASON_MAX];
};

/* Write the reason and return `err` (0 or negative errno), so that one expression says both: return reason_set(...). */
int reason_set(struct reason *why, int err, const char *fmt, ...) printf_like(3, 4);
