/* Sockets of the caller's network namespace, by sock_diag (man 7 sock_diag). Private to user/kern. */
#pragma once
#include "base/endpoint.h"

struct diag_socket {
	struct endpoint local, remote;
	uint64_t cookie, cgroup; /* cgroup 0: the kernel does not say (before 5.9) */
	uint32_t inode;
	uint8_t state; /* TCP_ESTABLISHED, ... */
};

/*
 * Tell each TCP socket whose state's bit is in `states` (1 << TCP_ESTABLISHED), both families. Ends at the first non-zero of `tell`
 * and returns that. -ETIMEDOUT when the kernel stops answering.
 */
int diag_dump(uint32_t states, int (*tell)(void *arg, const struct diag_socket *s), void *arg) must_check;
