/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Does the mirror live? See user/kern/gate.h. */
#pragma once
#include "bpf/maps.bpf.h"

static __always_inline bool gate_listens(__u32 slot)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&gate, &slot);
	bool listens;

	if (!sk)
		return false;
	listens = sk->state == BPF_TCP_LISTEN;
	bpf_sk_release(sk);
	return listens;
}

/* Every worker that has not retired has stamped lately, and there is one at least. */
static __always_inline bool gate_beats(struct abi_policy *p)
{
	__u32 bank = p->bank, n = p->workers;
	struct abi_heartbeat *h = bpf_map_lookup_elem(&heartbeat, &bank);
	__u64 now = bpf_ktime_get_ns(), stale = p->stale_ns;
	bool any = false;

	if (!h)
		return false;
	for (__u32 i = 0; i < ABI_WORKERS; i++) {
		__u64 s = *(volatile __u64 *)&h->stamp[i];

		if (i >= n)
			break;
		if (s == ABI_RETIRED)
			continue;
		if (s + stale < now)
			return false;
		any = true;
	}
	return any;
}

static __always_inline bool gate_alive(struct abi_policy *p, __u32 slot)
{
	return gate_listens(slot) && gate_beats(p);
}
