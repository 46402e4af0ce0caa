/*
 * One app's view of whether Target can be reached, shared by all its sessions: when every node was tried in vain the breaker opens, all
 * legs stay down, and one at a time is let through to try again, after a pause that doubles from BREAKER_MIN_NS to BREAKER_MAX_NS.
 * Thread-safe; a leg that was admitted while the breaker was open says ok or failed exactly once.
 */
#pragma once
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define BREAKER_MIN_NS 100000000ull
#define BREAKER_MAX_NS 2000000000ull

struct breaker {
	_Atomic uint64_t open_until; /* 0: closed */
	_Atomic uint64_t pause;
	atomic_bool probing;
};

/* May a leg dial now? */
bool breaker_admit(struct breaker *b, uint64_t now_ns);
bool breaker_is_open(const struct breaker *b);
void breaker_ok(struct breaker *b);
void breaker_failed(struct breaker *b, uint64_t now_ns);
void breaker_gave_up(struct breaker *b); /* admitted, but the session ended before it knew */
