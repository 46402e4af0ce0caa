#include "mirror/stamp.h"

#include "base/clock.h"

#include <stdatomic.h>

static _Atomic int64_t last;

int64_t stamp_next(void)
{
	int64_t now = clock_wall_us(), was = atomic_load(&last), next;

	do
		next = now > was ? now : was + 1;
	while (!atomic_compare_exchange_weak(&last, &was, next));
	return next;
}
