/* Credentials of Seam's own connections: a file of two lines, `user: NAME` and `password: WORD`, for its owner's eyes alone. */
#pragma once
#include "base/reason.h"

/*
 * -EINVAL with the reason: not a file, readable by others than its owner, owned by somebody else than root and the caller,
 * or not these two lines. Both strings are the caller's to free.
 */
int credentials_load(const char *file, char **user, char **password, struct reason *why) must_check;
