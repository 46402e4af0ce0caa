#include "kern/direct.h"

#include "kern/cgroup.h"
#include "kern/diag.h"
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>

#define STATES (1u << TCP_SYN_SENT | 1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT)
#define MANY   (1u << 20) /* sockets; a host with more has other worries */

struct sorted {
	struct endpoint e;
	size_t at; /* in the caller's list */
};

struct search {
	const uint64_t *ids; /* of the app's cgroups */
	size_t n_ids;
	struct sorted *ends;
	size_t n_ends;
	struct direct_conn *mine, *strange; /* strange: to an endpoint, but of another cgroup */
	size_t n_mine, cap_mine, n_strange, cap_strange;
};

static int by_endpoint(const void *a, const void *b)
{
	const struct endpoint *x = a, *y = b;
	int order = memcmp(x->ip, y->ip, sizeof x->ip);

	return order ? order : (int)x->port - (int)y->port;
}

static int push(struct direct_conn **list, size_t *n, size_t *cap, const struct direct_conn *c)
{
	if (*n == *cap) {
		size_t more = *cap ? 2 * *cap : 64;
		struct direct_conn *grown = more > MANY ? NULL : reallocarray(*list, more, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		*list = grown;
		*cap = more;
	}
	(*list)[(*n)++] = *c;
	return 0;
}

static int see(void *arg, const struct diag_socket *s)
{
	struct search *q = arg;
	struct direct_conn c = {
		.local = s->local, .remote = s->remote, .cookie = s->cookie, .inode = s->inode};

	if (!q->n_ends || !bsearch(&s->remote, q->ends, q->n_ends, sizeof *q->ends, by_endpoint))
		return 0;
	if (cgroup_ids_has(q->ids, q->n_ids, s->cgroup))
		return push(&q->mine, &q->n_mine, &q->cap_mine, &c);
	return s->inode ? push(&q->strange, &q->n_strange, &q->cap_strange, &c) : 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct direct_conn *x = a, *y = b;

	return (x->inode > y->inode) - (x->inode < y->inode);
}

/* Moves the strange sockets that this process holds to ours. */
static int look_into(struct search *q, pid_t pid)
{
	char dir[64], link[128];
	struct dirent *e;
	int err = 0;
	DIR *d;

	snprintf(dir, sizeof dir, "/proc/%d/fd", (int)pid);
	d = opendir(dir);
	if (!d)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno; /* it ended */
	while (!err && q->n_strange && (e = readdir(d))) {
		struct direct_conn key = {0}, *hit;
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof link - 1);

		if (n < 0)
			continue;
		link[n] = 0;
		if (sscanf(link, "socket:[%u]", &key.inode) != 1)
			continue;
		hit = bsearch(&key, q->strange, q->n_strange, sizeof key, by_inode);
		if (!hit)
			continue;
		err = push(&q->mine, &q->n_mine, &q->cap_mine, hit);
		memmove(hit, hit + 1, (size_t)(q->strange + q->n_strange - hit - 1) * sizeof *hit);
		q->n_strange--; /* found: another process that shares it is no second connection */
	}
	closedir(d);
	return err;
}

static int by_process(struct search *q, const char *cgroup)
{
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	int err = 0;

	if (!q->n_strange)
		return 0;
	err = cgroup_pids(cgroup, &pids, &n);
	qsort(q->strange, q->n_strange, sizeof *q->strange, by_inode);
	for (size_t i = 0; !err && i < n && q->n_strange; i++)
		err = look_into(q, pids[i]);
	return err;
}

static int fill(struct search *q, size_t n, struct direct *out)
{
	size_t *per = calloc(n + 1, sizeof *per);

	if (!per)
		return -ENOMEM;
	for (size_t i = 0; i < q->n_mine; i++) {
		struct sorted *s =
			bsearch(&q->mine[i].remote, q->ends, q->n_ends, sizeof *q->ends, by_endpoint);

		per[s->at]++;
	}
	*out = (struct direct){.conns = TAKE_PTR(q->mine), .n = q->n_mine, .per_endpoint = per};
	return 0;
}

int direct_count(
	const char *cgroup, const struct endpoint *e, size_t n, struct direct *out, struct reason *why)
{
	auto_free uint64_t *ids = NULL;
	auto_free struct sorted *ends = calloc(n + 1, sizeof *ends);
	struct search q = {.ends = ends, .n_ends = n};
	int err;

	if (!ends)
		return reason_set(why, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		ends[i] = (struct sorted){.e = e[i], .at = i};
	if (n)
		qsort(ends, n, sizeof *ends, by_endpoint);
	err = cgroup_ids(cgroup, &ids, &q.n_ids);
	if (err == -ENOENT)
		err = q.n_ids = 0;
	q.ids = ids;
	if (!err)
		err = diag_dump(STATES, see, &q);
	if (!err)
		err = by_process(&q, cgroup);
	if (!err)
		err = fill(&q, n, out);
	free(q.mine);
	free(q.strange);
	return err ? reason_set(why, err, "looking for direct connections: %s", strerror(-err)) : 0;
}

void direct_free(struct direct *d)
{
	free(d->conns);
	free(d->per_endpoint);
	*d = (struct direct){0};
}
