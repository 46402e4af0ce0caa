/*
 * Default timestamps: one clock for the process, µs since 1970, strictly increasing, so that both clusters store the same writetime and a
 * later write of the app wins. It runs ahead of the wall clock only while more than one write a microsecond asks.
 */
#pragma once
#include <stdint.h>

int64_t stamp_next(void);
