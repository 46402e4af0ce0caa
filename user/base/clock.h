/* The only place that asks for the time. */
#pragma once
#include <stdint.h>

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC: what bpf_ktime_get_ns() reads */
int64_t clock_wall_us(void);  /* CLOCK_REALTIME, µs since 1970 */
