// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The capture of one app: its connects to Origin land on the mirror's listener, and nothing else of it is touched.
 *
 * Life of a captured connection, in the order in which the kernel calls:
 *   connect4/6     decide; take a place in `conns`; rewrite the address     (socket lock held; before a local port is chosen)
 *   sockops        TCP_CONNECT: local port chosen, SYN not sent: write `flows`, so that accept() can never come first
 *   getpeername    the app sees the address that it asked for
 *   sockops        STATE → CLOSE, or sock_release: all that is left of it goes
 *
 * Only contexts of the UAPI are used, so the object needs no BTF of the running kernel and no relocation.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"
#include "bpf/maps.bpf.h"
#include "bpf/conn.bpf.h"
#include "bpf/gate.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define STREAM       1 /* SOCK_STREAM */
#define TCP          6 /* IPPROTO_TCP; an MPTCP socket connects by a subflow, which shows this too */
#define INET         2 /* AF_INET */
#define ECONNREFUSED 111
#define LOOPBACK4    0x7f000001
#define MAPPED       0xffff /* third word of ::ffff:0:0/96 */

enum { DENY, ALLOW };        /* what a cgroup program returns */
enum { PASS, TAKE, REFUSE }; /* what we do with a connect */

static __always_inline bool is_mapped(const __u32 ip[4])
{
	return !ip[0] && !ip[1] && ip[2] == bpf_htonl(MAPPED);
}

/* A connect that we would have taken and can't. Closed means that Origin no longer holds every write: better refused than lost. */
static __always_inline int let_through(struct abi_policy *p, struct abi_endpoint *dst, enum abi_reason r)
{
	if (p->word == ABI_CLOSED) {
		tell(dst, ABI_REFUSED);
		return REFUSE;
	}
	tell(dst, r);
	return PASS;
}

/* `slot`: the gate's, which is also the family that the connection will have. */
static __always_inline int decide(
	struct bpf_sock_addr *ctx, struct abi_policy *p, struct abi_endpoint *dst, __u32 slot)
{
	__u64 cookie, netns;

	if (ctx->type != STREAM || ctx->protocol != TCP)
		return PASS;
	/* Whatever this socket was before (AF_UNSPEC, a failed connect), it now begins anew. */
	cookie = bpf_get_socket_cookie(ctx);
	conn_forget(cookie);
	/* A program nearer to the app refused already: its word stands, and no place may be taken for nothing. */
	if (bpf_get_retval() < 0)
		return PASS;
	if (!bpf_map_lookup_elem(&endpoints, dst)) {
		__u32 port = dst->port;

		if (bpf_map_lookup_elem(&ports, &port))
			tell(dst, ABI_UNKNOWN);
		return PASS;
	}
	netns = bpf_get_netns_cookie(ctx);
	if (netns != p->netns && p->netns)
		return let_through(p, dst, ABI_NETNS);
	if (ctx->sk && ctx->sk->bound_dev_if)
		return let_through(p, dst, ABI_BOUND_DEV);
	if (!gate_alive(p, slot))
		return let_through(p, dst, ABI_GATE);
	if (conn_reserve(cookie, netns, dst))
		return let_through(p, dst, ABI_FULL);
	count(ABI_CAPTURED, bpf_ktime_get_ns());
	return TAKE;
}

static __always_inline int refuse(void)
{
	bpf_set_retval(-ECONNREFUSED);
	return DENY;
}

SEC("cgroup/connect4")
int seam_connect4(struct bpf_sock_addr *ctx)
{
	struct abi_endpoint dst = {.ip = {0, 0, bpf_htonl(MAPPED), ctx->user_ip4}};
	struct abi_policy *p = policy_get();
	volatile __u32 port = ctx->user_port; /* the context allows no narrow load of it */

	dst.port = bpf_ntohs((__u16)port);
	if (!p)
		return ALLOW;
	switch (decide(ctx, p, &dst, ABI_GATE4)) {
	case REFUSE:
		return refuse();
	case TAKE:
		ctx->user_ip4 = bpf_htonl(LOOPBACK4);
		ctx->user_port = bpf_htons(p->port4);
	}
	return ALLOW;
}

/* A v4-mapped destination stays one: the kernel connects it by IPv4 and never calls connect4 for it. */
SEC("cgroup/connect6")
int seam_connect6(struct bpf_sock_addr *ctx)
{
	struct abi_endpoint dst = {
		.ip = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]}};
	bool mapped = is_mapped(dst.ip);
	struct abi_policy *p = policy_get();
	volatile __u32 port = ctx->user_port;

	dst.port = bpf_ntohs((__u16)port);
	if (!p)
		return ALLOW;
	switch (decide(ctx, p, &dst, mapped ? ABI_GATE4 : ABI_GATE6)) {
	case REFUSE:
		return refuse();
	case TAKE:
		if (mapped) {
			ctx->user_ip6[3] = bpf_htonl(LOOPBACK4);
			ctx->user_port = bpf_htons(p->port4);
			return ALLOW;
		}
		ctx->user_ip6[0] = 0;
		ctx->user_ip6[1] = 0;
		ctx->user_ip6[2] = 0;
		ctx->user_ip6[3] = bpf_htonl(1);
		ctx->user_port = bpf_htons(p->port6);
	}
	return ALLOW;
}

/*
 * One of the addresses of a context or a socket, in the one form: the IPv4 field mapped, or the IPv6 field. A mapped AF_INET6 socket
 * has a valid IPv4 field. A macro with a barrier, for the sake of the verifier: each load keeps its own fixed offset, since
 * arithmetic on a context or socket pointer (which clang makes when it merges loads) is forbidden.
 */
#define ADDRESS(to, v4, ip4, ip6)                                                                            \
	({                                                                                                   \
		__u32 z = ip4, a = ip6[0], b = ip6[1], c = ip6[2], d = ip6[3];                               \
		asm volatile("" : "+r"(z), "+r"(a), "+r"(b), "+r"(c), "+r"(d));                              \
		address_set(to, v4, z, a, b, c, d);                                                          \
	})

static __always_inline void address_set(__u32 to[4], bool v4, __u32 z, __u32 a, __u32 b, __u32 c, __u32 d)
{
	to[0] = v4 ? 0 : a;
	to[1] = v4 ? 0 : b;
	to[2] = v4 ? bpf_htonl(MAPPED) : c;
	to[3] = v4 ? z : d;
}

SEC("cgroup/getpeername4")
int seam_getpeername4(struct bpf_sock_addr *ctx)
{
	struct abi_tuple t = {.remote = {0, 0, bpf_htonl(MAPPED), ctx->user_ip4}};
	volatile __u32 port = ctx->user_port;
	struct abi_conn *c;

	t.rport = bpf_ntohs((__u16)port);
	if (ctx->sk) {
		ADDRESS(t.local, is_mapped(t.remote), ctx->sk->src_ip4, ctx->sk->src_ip6);
		t.lport = ctx->sk->src_port;
	}
	t.netns = bpf_get_netns_cookie(ctx);
	c = conn_of(bpf_get_socket_cookie(ctx), &t);
	if (c) {
		ctx->user_ip4 = c->dst.ip[3];
		ctx->user_port = bpf_htons(c->dst.port);
	}
	return ALLOW;
}

SEC("cgroup/getpeername6")
int seam_getpeername6(struct bpf_sock_addr *ctx)
{
	struct abi_tuple t = {
		.remote = {ctx->user_ip6[0], ctx->user_ip6[1], ctx->user_ip6[2], ctx->user_ip6[3]}};
	volatile __u32 port = ctx->user_port;
	struct abi_conn *c;

	t.rport = bpf_ntohs((__u16)port);
	if (ctx->sk) {
		ADDRESS(t.local, is_mapped(t.remote), ctx->sk->src_ip4, ctx->sk->src_ip6);
		t.lport = ctx->sk->src_port;
	}
	t.netns = bpf_get_netns_cookie(ctx);
	c = conn_of(bpf_get_socket_cookie(ctx), &t);
	if (c) {
		ctx->user_ip6[0] = c->dst.ip[0];
		ctx->user_ip6[1] = c->dst.ip[1];
		ctx->user_ip6[2] = c->dst.ip[2];
		ctx->user_ip6[3] = c->dst.ip[3];
		ctx->user_port = bpf_htons(c->dst.port);
	}
	return ALLOW;
}

/* The socket's own addresses, in the one form. */
static __always_inline void tuple_of(struct bpf_sock_ops *ctx, struct abi_tuple *t)
{
	ADDRESS(t->remote, ctx->family == INET, ctx->remote_ip4, ctx->remote_ip6);
	ADDRESS(t->local, is_mapped(t->remote), ctx->local_ip4, ctx->local_ip6);
	t->lport = ctx->local_port;             /* host order */
	t->rport = bpf_ntohl(ctx->remote_port); /* network order, in the high half */
}

SEC("sockops")
int seam_sockops(struct bpf_sock_ops *ctx)
{
	__u64 cookie;

	switch (ctx->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB: {
		struct abi_tuple t = {};

		cookie = bpf_get_socket_cookie(ctx);
		if (!bpf_map_lookup_elem(&conns, &cookie))
			break;
		tuple_of(ctx, &t);
		conn_started(cookie, &t);
		/* Other programs of the hierarchy may have asked for callbacks of their own. */
		bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
		break;
	}
	case BPF_SOCK_OPS_STATE_CB:
		if (ctx->args[1] == BPF_TCP_CLOSE)
			conn_forget(bpf_get_socket_cookie(ctx));
		break;
	}
	return 1;
}

/* The last close() of a socket: the one sign of life's end for a socket that never got as far as a SYN. */
SEC("cgroup/sock_release")
int seam_release(struct bpf_sock *ctx)
{
	conn_forget(bpf_get_socket_cookie(ctx));
	return ALLOW;
}
