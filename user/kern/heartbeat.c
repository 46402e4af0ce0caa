#include "kern/heartbeat.h"

#include <errno.h>
#include <sys/mman.h>

#define PAGE (sizeof(struct abi_heartbeat) * ABI_BANKS)

int heartbeat_map(int fd, unsigned bank, struct heartbeat *out)
{
	void *page;

	if (bank >= ABI_BANKS)
		return -EINVAL;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	out->page = page;
	out->stamp = ((struct abi_heartbeat *)page)[bank].stamp;
	return 0;
}

void heartbeat_unmap(struct heartbeat *h)
{
	if (h->page)
		munmap(h->page, PAGE);
	h->page = NULL;
	h->stamp = NULL;
}

void heartbeat_stamp(struct heartbeat *h, unsigned worker, uint64_t now)
{
	if (h->stamp && worker < ABI_WORKERS)
		__atomic_store_n(&h->stamp[worker], now, __ATOMIC_RELAXED);
}

void heartbeat_retire(struct heartbeat *h, unsigned worker)
{
	heartbeat_stamp(h, worker, ABI_RETIRED);
}

uint64_t heartbeat_oldest(const struct heartbeat *h, unsigned n, uint64_t now, unsigned *worker)
{
	uint64_t oldest = UINT64_MAX;

	for (unsigned i = 0; h->stamp && i < n && i < ABI_WORKERS; i++) {
		uint64_t s = __atomic_load_n(&h->stamp[i], __ATOMIC_RELAXED);

		if (s == ABI_RETIRED || s >= oldest)
			continue;
		oldest = s;
		if (worker)
			*worker = i;
	}
	if (oldest == UINT64_MAX || oldest == 0)
		return UINT64_MAX;
	return oldest < now ? now - oldest : 0;
}
