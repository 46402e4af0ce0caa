#include "kern/diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/time.h>

#define REPLY (64 * 1024) /* bytes a read: the kernel fills dumps in pieces of at most 32 KiB */

static int ask(int fd, uint8_t family, uint32_t states)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 r;
	} q = {
		.h = {.nlmsg_len = sizeof q,
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
		.r = {.sdiag_family = family, .sdiag_protocol = IPPROTO_TCP, .idiag_states = states},
	};

	return send(fd, &q, sizeof q, 0) == (ssize_t)sizeof q ? 0 : -errno;
}

static void address(uint8_t family, const __be32 *raw, __be16 port, struct endpoint *out)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (family == AF_INET) {
		memcpy(out->ip, mapped, sizeof mapped);
		memcpy(out->ip + 12, raw, 4);
	} else {
		memcpy(out->ip, raw, 16);
	}
	out->port = ntohs(port);
}

static void parse(const struct inet_diag_msg *m, size_t len, struct diag_socket *out)
{
	const char *p = (const char *)m + NLMSG_ALIGN(sizeof *m);
	const char *end = (const char *)m + len;

	*out = (struct diag_socket){.inode = m->idiag_inode, .state = m->idiag_state};
	out->cookie = (uint64_t)m->id.idiag_cookie[1] << 32 | m->id.idiag_cookie[0];
	address(m->idiag_family, m->id.idiag_src, m->id.idiag_sport, &out->local);
	address(m->idiag_family, m->id.idiag_dst, m->id.idiag_dport, &out->remote);
	while (p + sizeof(struct nlattr) <= end) {
		struct nlattr a;

		memcpy(&a, p, sizeof a);
		if (a.nla_len < sizeof a || p + a.nla_len > end)
			break;
		if (a.nla_type == INET_DIAG_CGROUP_ID && a.nla_len >= sizeof a + sizeof out->cgroup)
			memcpy(&out->cgroup, p + sizeof a, sizeof out->cgroup);
		p += NLA_ALIGN(a.nla_len);
	}
}

/* 1: more to come; 0: done; else what went wrong, or what `tell` said. */
static int hear(const char *buf, size_t n, int (*tell)(void *arg, const struct diag_socket *s), void *arg)
{
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
	int left = (int)n;

	for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
		struct diag_socket s;
		int err;

		if (h->nlmsg_type == NLMSG_DONE)
			return 0;
		if (h->nlmsg_type == NLMSG_ERROR)
			return ((const struct nlmsgerr *)NLMSG_DATA(h))->error;
		if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
			h->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
			continue;
		parse(NLMSG_DATA(h), h->nlmsg_len - NLMSG_HDRLEN, &s);
		err = tell(arg, &s);
		if (err)
			return err;
	}
	return 1;
}

static int dump(uint8_t family, uint32_t states, char *buf,
	int (*tell)(void *arg, const struct diag_socket *s), void *arg)
{
	auto_close int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	struct timeval limit = {.tv_sec = 1};
	int err;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit))
		return -errno;
	err = ask(fd, family, states);
	if (err)
		return err;
	do {
		ssize_t n = recv(fd, buf, REPLY, 0);

		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		err = hear(buf, (size_t)n, tell, arg);
	} while (err == 1);
	return err;
}

int diag_dump(uint32_t states, int (*tell)(void *arg, const struct diag_socket *s), void *arg)
{
	auto_free char *buf = malloc(REPLY);
	int err;

	if (!buf)
		return -ENOMEM;
	err = dump(AF_INET, states, buf, tell, arg);
	if (err)
		return err;
	err = dump(AF_INET6, states, buf, tell, arg);
	return err == -ENOENT ? 0 : err; /* no handler: a kernel without IPv6 */
}
