/* Version 1 (time) and version 4 (random) uuids. */
#pragma once
#include <stdint.h>

void uuid_random(uint8_t out[16]);
/* Of this moment, no two alike in one process; a node part of the process's own. */
void uuid_time(uint8_t out[16], int64_t now_us);
/* Milliseconds since 1970 in a version 1 uuid. */
int64_t uuid_unix_ms(const uint8_t p[16]);
/* The least and greatest version 1 uuid of a millisecond (CQL's minTimeuuid, maxTimeuuid). */
void uuid_bound(uint8_t out[16], int64_t ms, int greatest);
