/* Text in fixed room. */
#pragma once
#include "base/attr.h"
#include <string.h>

/* Copy as much of `in` as fits, always with NUL. */
static inline void text_copy(char *out, size_t cap, const char *in)
{
	size_t n = strnlen(in, cap - 1);

	memcpy(out, in, n);
	out[n] = 0;
}
