/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is remembered of a connection. `conns` comes first and goes last, so `flows` and `peers`, which hold at most one entry for
 * each entry of `conns`, can't be full when `conns` was not.
 */
#pragma once
#include "bpf/maps.bpf.h"

static __always_inline void count(__u32 reason, __u64 now)
{
	struct abi_through *t = bpf_map_lookup_elem(&through, &reason);

	if (!t)
		return;
	if (t->count == t->acked)
		t->first = now;
	t->last = now;
	__sync_fetch_and_add(&t->count, 1);
}

static __always_inline void tell(struct abi_endpoint *dst, __u32 reason)
{
	__u64 now = bpf_ktime_get_ns();
	struct abi_event *e = bpf_ringbuf_reserve(&events, sizeof *e, 0);

	count(reason, now);
	if (!e) {
		count(ABI_EVENT_LOST, now);
		return;
	}
	e->stamp = now;
	e->cgroup = bpf_get_current_cgroup_id();
	e->dst = *dst;
	e->reason = reason;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->uid = (__u32)bpf_get_current_uid_gid();
	bpf_get_current_comm(e->comm, sizeof e->comm);
	bpf_ringbuf_submit(e, 0);
}

static __always_inline void conn_forget(__u64 cookie)
{
	struct abi_conn *c = bpf_map_lookup_elem(&conns, &cookie);

	if (!c)
		return;
	if (c->flow) {
		struct abi_flow *f = bpf_map_lookup_elem(&flows, &c->tuple);
		__u64 *p = bpf_map_lookup_elem(&peers, &c->tuple);

		/* Another socket may own the same addresses by now, when our last close came late. */
		if (f && f->cookie == cookie)
			bpf_map_delete_elem(&flows, &c->tuple);
		if (p && *p == cookie)
			bpf_map_delete_elem(&peers, &c->tuple);
	}
	bpf_map_delete_elem(&conns, &cookie);
}

static __always_inline long conn_reserve(__u64 cookie, __u64 netns, struct abi_endpoint *dst)
{
	struct abi_conn c = {.netns = netns, .dst = *dst};

	c.cgroup = bpf_get_current_cgroup_id();
	c.pid = bpf_get_current_pid_tgid() >> 32;
	c.uid = (__u32)bpf_get_current_uid_gid();
	return bpf_map_update_elem(&conns, &cookie, &c, BPF_ANY);
}

/* The SYN is about to leave with these addresses. */
static __always_inline void conn_started(__u64 cookie, struct abi_tuple *t)
{
	struct abi_conn *c = bpf_map_lookup_elem(&conns, &cookie);
	struct abi_flow f = {.cookie = cookie};

	if (!c)
		return;
	f.stamp = bpf_ktime_get_ns();
	f.cgroup = c->cgroup;
	f.dst = c->dst;
	f.pid = c->pid;
	f.uid = c->uid;
	t->netns = c->netns;
	c->tuple = *t;
	c->flow = 1;
	if (bpf_map_update_elem(&flows, t, &f, BPF_ANY))
		count(ABI_FLOW_LOST, f.stamp);
	/* Without it only an MPTCP socket's getpeername() shows the loopback. */
	bpf_map_update_elem(&peers, t, &cookie, BPF_ANY);
}

static __always_inline struct abi_conn *conn_of(__u64 cookie, struct abi_tuple *t)
{
	struct abi_conn *c = bpf_map_lookup_elem(&conns, &cookie);
	__u64 *subflow;

	if (c)
		return c;
	subflow = bpf_map_lookup_elem(&peers, t);
	return subflow ? bpf_map_lookup_elem(&conns, subflow) : 0;
}
