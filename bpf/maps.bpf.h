/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The maps; abi.h has their layouts. Sizes of `conns`, `flows`, `peers` are set at load; `endpoints` and `ports` hold two sets, since a
 * new one is added before the old one goes.
 */
#pragma once
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "bpf/abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct abi_policy);
} policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, ABI_GATES);
	__type(key, __u32);
	__type(value, __u64);
} gate SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ABI_BANKS);
	__type(key, __u32);
	__type(value, struct abi_heartbeat);
} heartbeat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, ABI_REASONS);
	__type(key, __u32);
	__type(value, struct abi_through);
} through SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, ABI_EVENTS);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * ABI_ENDPOINTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct abi_endpoint);
	__type(value, __u32);
} endpoints SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * ABI_ENDPOINTS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ABI_CONNS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct abi_conn);
} conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ABI_CONNS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct abi_tuple);
	__type(value, struct abi_flow);
} flows SEC(".maps");

/* tuple → cookie: getpeername() on an MPTCP socket asks for a socket whose cookie is not the one that connected (its subflow). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ABI_CONNS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct abi_tuple);
	__type(value, __u64);
} peers SEC(".maps");

static __always_inline struct abi_policy *policy_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&policy, &zero);
}
