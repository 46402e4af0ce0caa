#include "kern/gate.h"

#include "base/clock.h"
#include "bpf/capture.skel.h"
#include "kern/object.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG                                                                                              \
	65535 /* the kernel cuts it to net.core.somaxconn; a full queue would make connects wait for a second SYN */

static int open_listener(const struct sockaddr *sa, socklen_t len, uint16_t *port)
{
	auto_close int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 at;
	socklen_t n = sizeof at;
	int one = 1;

	if (fd < 0)
		return -errno;
	if (sa->sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one))
		return -errno;
	if (bind(fd, sa, len) || listen(fd, BACKLOG) || getsockname(fd, (struct sockaddr *)&at, &n))
		return -errno;
	*port = ntohs(at.sin6_port); /* at the same place in both families */
	return TAKE_FD(fd);
}

/* A gate's slot: `fd` < 0 empties it. */
static int set_slot(const struct capture *c, __u32 slot, int fd)
{
	int map = bpf_map__fd(c->skel->maps.gate);
	__u64 value = (__u64)fd;

	if (fd < 0)
		return bpf_map_delete_elem(map, &slot) && errno != ENOENT && errno != EINVAL ? -errno : 0;
	return bpf_map_update_elem(map, &slot, &value, BPF_ANY) ? -errno : 0;
}

/*
 * The order matters. The new bank first: with it the gate is dead, whatever a connect finds halfway through the rest, until the new
 * mirror's workers stamp.
 */
static int install(struct capture *c, const struct gate_listeners *l, uint64_t netns)
{
	struct abi_policy p = c->policy;
	struct abi_heartbeat none = {0};
	__u32 bank = l->bank;
	int err;

	if (bpf_map_update_elem(bpf_map__fd(c->skel->maps.heartbeat), &bank, &none, BPF_ANY))
		return -errno;
	p.bank = bank;
	err = object_policy_write(c, &p);
	if (err)
		return err;
	p.port4 = l->port4;
	p.port6 = l->port6;
	p.netns = netns;
	err = object_policy_write(c, &p);
	if (!err)
		err = set_slot(c, ABI_GATE4, l->fd4);
	if (!err)
		err = set_slot(c, ABI_GATE6, l->fd6);
	return err ? err : object_beat(c);
}

int gate_listen(struct capture *c, struct gate_listeners *out, struct reason *why)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct gate_listeners l = {.fd6 = -1, .bank = (c->policy.bank + 1) % ABI_BANKS};
	auto_close int fd4 = open_listener((struct sockaddr *)&v4, sizeof v4, &l.port4), fd6 = -1;
	uint64_t netns;
	socklen_t len = sizeof netns;
	int err;

	if (fd4 < 0)
		return reason_set(why, fd4, "listening on 127.0.0.1: %s", strerror(-fd4));
	fd6 = open_listener((struct sockaddr *)&v6, sizeof v6, &l.port6);
	if (fd6 < 0 && fd6 != -EADDRNOTAVAIL && fd6 != -EAFNOSUPPORT)
		return reason_set(why, fd6, "listening on ::1: %s", strerror(-fd6));
	if (getsockopt(fd4, SOL_SOCKET, SO_NETNS_COOKIE, &netns, &len))
		return reason_set(why, -errno, "SO_NETNS_COOKIE: %s", strerror(errno));
	l.fd4 = fd4;
	l.fd6 = fd6 < 0 ? -1 : fd6;
	err = install(c, &l, netns);
	if (err)
		return reason_set(why, err, "putting the listeners in the gate: %s", strerror(-err));
	fd4 = fd6 = -1;
	*out = l;
	return 0;
}

int gate_workers(struct capture *c, unsigned n)
{
	struct abi_policy p = c->policy;

	if (n < 1 || n > ABI_WORKERS)
		return -EINVAL;
	p.workers = n;
	return object_policy_write(c, &p);
}

int gate_policy(struct capture *c, bool closed)
{
	struct abi_policy p = c->policy;

	p.word = closed ? ABI_CLOSED : ABI_OPEN;
	return object_policy_write(c, &p);
}

bool gate_policy_closed(const struct capture *c)
{
	return c->policy.word == ABI_CLOSED;
}

static int has_slot(const struct capture *c, __u32 slot, bool *out)
{
	__u64 cookie; /* that is what a SOCKMAP shows to user space */

	if (!bpf_map_lookup_elem(bpf_map__fd(c->skel->maps.gate), &slot, &cookie))
		*out = true;
	else if (errno == ENOENT)
		*out = false;
	else
		return -errno;
	return 0;
}

int gate_state(const struct capture *c, struct gate_state *out)
{
	struct gate_state s = {0};
	uint64_t now = clock_mono_ns();
	int err = has_slot(c, ABI_GATE4, &s.listener4);

	if (!err)
		err = has_slot(c, ABI_GATE6, &s.listener6);
	if (err)
		return err;
	s.oldest_ns = heartbeat_oldest(&c->beat, c->policy.workers, now, NULL);
	s.last_ns = s.oldest_ns == UINT64_MAX ? 0 : now - s.oldest_ns;
	s.alive = s.listener4 && s.oldest_ns <= c->policy.stale_ns;
	*out = s;
	return 0;
}
