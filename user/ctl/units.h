/* Amounts as an operator writes them: a whole number and a unit, no blank between. -EINVAL: no such amount; -ERANGE: too much. */
#pragma once
#include "base/attr.h"

int units_duration(const char *text, uint64_t *ms) must_check;     /* 250ms 12s 5min 1h */
int units_size(const char *text, uint64_t *bytes) must_check;      /* 512B 64KiB 16MiB 1GiB */
int units_percent(const char *text, uint64_t *percent) must_check; /* 0% to 100% */
int units_number(const char *text, uint64_t *n) must_check;
