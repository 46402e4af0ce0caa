#include "kern/sweep.h"

#include "bpf/capture.skel.h"
#include "kern/diag.h"
#include "kern/object.h"
#include <errno.h>
#include <string.h>

struct cookies {
	uint64_t *all;
	bool *alive;
	size_t n;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int see(void *arg, const struct diag_socket *s)
{
	struct cookies *k = arg;
	uint64_t *hit = bsearch(&s->cookie, k->all, k->n, sizeof *k->all, compare);

	/* Without an inode it has been closed: what TCP still has to do with it concerns nobody here. */
	if (hit && s->inode)
		k->alive[hit - k->all] = true;
	return 0;
}

static void forget(struct capture *c, uint64_t cookie)
{
	int conns = bpf_map__fd(c->skel->maps.conns);
	struct abi_conn v;

	if (bpf_map_lookup_elem(conns, &cookie, &v))
		return;
	if (v.flow) {
		bpf_map_delete_elem(bpf_map__fd(c->skel->maps.flows), &v.tuple);
		bpf_map_delete_elem(bpf_map__fd(c->skel->maps.peers), &v.tuple);
	}
	bpf_map_delete_elem(conns, &cookie);
}

int sweep_conns(struct capture *c, struct reason *why)
{
	struct bpf_map *conns = c->skel->maps.conns;
	size_t cap = bpf_map__max_entries(conns);
	auto_free uint64_t *all = calloc(cap, sizeof *all);
	auto_free bool *alive = calloc(cap, sizeof *alive);
	struct cookies k = {.all = all, .alive = alive};
	void *last = NULL;
	int err;

	if (!all || !alive)
		return reason_set(why, -ENOMEM, "out of memory");
	while (k.n < cap && !bpf_map_get_next_key(bpf_map__fd(conns), last, &all[k.n]))
		last = &all[k.n++];
	if (!k.n)
		return 0;
	qsort(all, k.n, sizeof *all, compare);
	err = diag_dump(~0u, see, &k);
	if (err)
		return reason_set(why, err, "looking for living sockets: %s", strerror(-err));
	for (size_t i = 0; i < k.n; i++) {
		if (!alive[i])
			forget(c, all[i]);
	}
	return 0;
}
