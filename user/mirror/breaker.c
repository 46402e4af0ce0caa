#include "mirror/breaker.h"

bool breaker_admit(struct breaker *b, uint64_t now)
{
	uint64_t until = atomic_load(&b->open_until);
	bool expected = false;

	if (!until)
		return true;
	if (now < until)
		return false;
	return atomic_compare_exchange_strong(&b->probing, &expected, true);
}

bool breaker_is_open(const struct breaker *b)
{
	return atomic_load(&b->open_until) != 0;
}

void breaker_ok(struct breaker *b)
{
	atomic_store(&b->pause, 0);
	atomic_store(&b->open_until, 0);
	atomic_store(&b->probing, false);
}

void breaker_failed(struct breaker *b, uint64_t now)
{
	uint64_t pause = atomic_load(&b->pause);

	/* Many legs fail at once when a cluster goes: only the first of a round, or the probe, makes the pause longer. */
	if (now >= atomic_load(&b->open_until)) {
		pause = pause ? pause * 2 : BREAKER_MIN_NS;
		pause = pause > BREAKER_MAX_NS ? BREAKER_MAX_NS : pause;
		atomic_store(&b->pause, pause);
		atomic_store(&b->open_until, now + pause);
	}
	atomic_store(&b->probing, false);
}

void breaker_gave_up(struct breaker *b)
{
	atomic_store(&b->probing, false);
}
