/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What the kernel programs and user space say to each other: the layout of every map. The only header both sides include.
 *
 * Each app has its own instance of the object and so its own maps. docs/kernel-contract.md says who writes and who reads each,
 * in which order, and what is left after a crash. A change of any layout here raises ABI_VERSION: a new daemon that finds pins of
 * another version replaces the maps (all but `through`, whose layout must only ever grow into its spare words).
 *
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (a JVM's sockets are AF_INET6 and name IPv4 nodes so; the accepted
 * side of the same connection is AF_INET: one form makes both the same key). Ports are in host order. Stamps are CLOCK_MONOTONIC ns,
 * which is what bpf_ktime_get_ns() reads.
 */
#pragma once
#include <linux/types.h>

#define ABI_VERSION 1

#define ABI_WORKERS   64            /* most workers a mirror may have */
#define ABI_BANKS     8             /* heartbeat pages; one a mirror, taken in turn */
#define ABI_ENDPOINTS 4096          /* most endpoints an app may have */
#define ABI_CONNS     65536         /* default for most captured connections of an app */
#define ABI_EVENTS    (256 * 1024)  /* bytes of the event ring */
#define ABI_STALE_NS  1000000000ULL /* a worker silent for so long is hung */
#define ABI_RETIRED   (~(__u64)0)   /* heartbeat of a worker that ended on purpose: not counted */

struct abi_endpoint {
	__u32 ip[4]; /* network order */
	__u16 port;  /* host order */
	__u16 zero;
};

/* One TCP connection as the app's socket sees it; the accepted side has local and remote exchanged. */
struct abi_tuple {
	__u64 netns; /* SO_NETNS_COOKIE */
	__u32 local[4], remote[4];
	__u16 lport, rport;
	__u32 zero;
};

/* `flows`: tuple → this. Written before the SYN leaves, deleted by whoever accepts. */
struct abi_flow {
	__u64 cookie; /* of the app's socket */
	__u64 cgroup; /* id of the cgroup of the task that connected */
	__u64 stamp;
	struct abi_endpoint dst; /* where the app wanted to go */
	__u32 pid, uid;
	__u32 zero;
};

/* `conns`: socket cookie → this. A place in it is the capacity that a connect must have before it is rewritten. */
struct abi_conn {
	__u64 cgroup, netns;
	struct abi_endpoint dst;
	__u32 pid, uid;
	__u32 flow; /* 1: `tuple` is set, and `flows` and `peers` may hold it */
	struct abi_tuple tuple;
};

enum abi_word { ABI_OPEN = 0, ABI_CLOSED = 1 };

/* `policy`: one element, written by the keeper alone. */
struct abi_policy {
	__u32 abi;  /* ABI_VERSION */
	__u32 word; /* enum abi_word: what a connect meets when the gate is dead */
	__u32 workers;
	__u32 bank;         /* the heartbeat page in force */
	__u16 port4, port6; /* of the listeners on 127.0.0.1 and ::1; 0: none */
	__u32 zero;
	__u64 netns; /* the listeners' */
	__u64 stale_ns;
};

/* `heartbeat`: ABI_BANKS of these, mmapable, written by the mirror's workers. */
struct abi_heartbeat {
	__u64 stamp[ABI_WORKERS]; /* 0: has not lived yet */
};

/* What became of a connect to an endpoint, or to an endpoint's port. Index into `through`. */
enum abi_reason {
	ABI_CAPTURED, /* rewritten */
	ABI_NETNS,    /* let through: socket of a network namespace other than the listeners' */
	ABI_BOUND_DEV, /* let through: SO_BINDTODEVICE; the loopback is out of its reach and the SYN would be lost */
	ABI_FULL,    /* let through: `conns` is full */
	ABI_UNKNOWN, /* let through: an endpoint's port at an address that is not one */
	ABI_GATE,    /* let through: mirror dead or hung, policy open */
	ABI_REFUSED, /* ECONNREFUSED: mirror dead or hung, policy closed */
	ABI_FLOW_LOST, /* rewritten, but the flow could not be written: the mirror will close it as a stranger's */
	ABI_EVENT_LOST, /* no room in the event ring; the counters above still have it */
	ABI_REASONS
};

/* `through`: one a reason, mmapable. The programs write all but `acked`, user space writes `acked` alone. */
struct abi_through {
	__u64 count;
	__u64 first; /* stamp of the first one after `acked` */
	__u64 last;
	__u64 acked; /* up to this count, the evidence has been kept elsewhere */
	__u64 spare[4];
};

/* `events`: ring buffer; one for each connect that was let through or refused. */
struct abi_event {
	__u64 stamp;
	__u64 cgroup;
	struct abi_endpoint dst;
	__u32 reason; /* enum abi_reason */
	__u32 pid, uid;
	char comm[16];
};

enum abi_gate { ABI_GATE4, ABI_GATE6, ABI_GATES }; /* slots of the SOCKMAP `gate` */

#define ABI_SIZE(type, n)      _Static_assert(sizeof(type) == (n), "size of " #type)
#define ABI_OFFSET(type, f, n) _Static_assert(__builtin_offsetof(type, f) == (n), "offset of " #f)
ABI_SIZE(struct abi_endpoint, 20);
ABI_OFFSET(struct abi_endpoint, port, 16);
ABI_SIZE(struct abi_tuple, 48);
ABI_OFFSET(struct abi_tuple, remote, 24);
ABI_OFFSET(struct abi_tuple, lport, 40);
ABI_SIZE(struct abi_flow, 56);
ABI_OFFSET(struct abi_flow, dst, 24);
ABI_OFFSET(struct abi_flow, pid, 44);
ABI_SIZE(struct abi_conn, 96);
ABI_OFFSET(struct abi_conn, dst, 16);
ABI_OFFSET(struct abi_conn, flow, 44);
ABI_OFFSET(struct abi_conn, tuple, 48);
ABI_SIZE(struct abi_policy, 40);
ABI_OFFSET(struct abi_policy, bank, 12);
ABI_OFFSET(struct abi_policy, netns, 24);
ABI_SIZE(struct abi_heartbeat, 512);
ABI_SIZE(struct abi_through, 64);
ABI_OFFSET(struct abi_through, acked, 24);
ABI_SIZE(struct abi_event, 64);
ABI_OFFSET(struct abi_event, reason, 36);
ABI_OFFSET(struct abi_event, comm, 48);
