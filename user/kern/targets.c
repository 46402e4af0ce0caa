#include "kern/targets.h"

#include "bpf/capture.skel.h"
#include "kern/object.h"
#include <errno.h>
#include <string.h>

static void to_abi(const struct endpoint *e, struct abi_endpoint *out)
{
	*out = (struct abi_endpoint){.port = e->port};
	memcpy(out->ip, e->ip, sizeof out->ip);
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct abi_endpoint));
}

static bool wants_endpoint(const struct abi_endpoint *set, size_t n, const void *key)
{
	return n && bsearch(key, set, n, sizeof *set, compare);
}

static bool wants_port(const struct abi_endpoint *set, size_t n, const void *key)
{
	for (size_t i = 0; i < n; i++) {
		if (set[i].port == *(const __u32 *)key)
			return true;
	}
	return false;
}

/*
 * Delete what `wants` doesn't. get_next_key on a hash that shrinks may begin anew, so the keys are gathered first; the map holds
 * two sets at most.
 */
static int prune(int map, size_t key_size, const struct abi_endpoint *set, size_t n,
	bool (*wants)(const struct abi_endpoint *, size_t, const void *))
{
	auto_free char *keys = calloc(2 * ABI_ENDPOINTS, key_size);
	void *last = NULL;
	size_t have = 0;

	if (!keys)
		return -ENOMEM;
	while (have < 2 * ABI_ENDPOINTS && !bpf_map_get_next_key(map, last, keys + have * key_size))
		last = keys + have++ * key_size;
	for (size_t i = 0; i < have; i++) {
		void *key = keys + i * key_size;

		if (!wants(set, n, key) && bpf_map_delete_elem(map, key) && errno != ENOENT)
			return -errno;
	}
	return 0;
}

int targets_replace(struct capture *c, const struct endpoint *e, size_t n)
{
	int endpoints = bpf_map__fd(c->skel->maps.endpoints), ports = bpf_map__fd(c->skel->maps.ports);
	auto_free struct abi_endpoint *set = calloc(n + 1, sizeof *set);
	__u32 one = 1;
	int err;

	if (n > ABI_ENDPOINTS)
		return -E2BIG;
	if (!set)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		to_abi(&e[i], &set[i]);
	if (n)
		qsort(set, n, sizeof *set, compare);
	/* A port counts as Origin's only while its addresses are in the map: else its connects would show as unknown for a moment. */
	for (size_t i = 0; i < n; i++) {
		if (bpf_map_update_elem(endpoints, &set[i], &one, BPF_ANY))
			return -errno;
	}
	for (size_t i = 0; i < n; i++) {
		__u32 port = set[i].port;

		if (bpf_map_update_elem(ports, &port, &one, BPF_ANY))
			return -errno;
	}
	err = prune(ports, sizeof(__u32), set, n, wants_port);
	return err ? err : prune(endpoints, sizeof *set, set, n, wants_endpoint);
}
