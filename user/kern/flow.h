/*
 * Who is this that we accepted, and where did it want to go? May be called in the unprivileged mirror: it needs nothing but the
 * inherited map fd and the accepted socket. (kernels >= 5.19 allow map access by fd without capabilities; probe.h checks it.)
 */
#pragma once
#include "base/attr.h"
#include "base/endpoint.h"

struct flow {
	struct endpoint dst; /* the Origin node that the app asked for */
	struct endpoint app; /* the app's own address, as accept() shows it */
	uint64_t cgroup;     /* id of the cgroup of the task that called connect() */
	uint32_t pid, uid;   /* of that task (pid = process), in the initial namespaces */
};

/*
 * Look up and delete the flow of accepted socket `sock`: each flow is good for one accept. -ENOENT: a stranger; close it unread.
 * (Also an app that closed again before we accepted.) Any other error: close it too.
 */
int flow_take(int flows_fd, int sock, struct flow *out) must_check;
