/* Moments as text: RFC 3339, UTC, milliseconds. */
#pragma once
#include "base/attr.h"

#define WHEN_TEXT 32

const char *when_format(int64_t wall_us, char out[WHEN_TEXT]);
int when_parse(const char *text, int64_t *wall_us) must_check; /* what when_format() writes; -EINVAL */
