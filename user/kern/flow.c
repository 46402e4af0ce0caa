#include "kern/flow.h"

#include "bpf/abi.h"
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static int socket_name(int sock, int (*get)(int, struct sockaddr *, socklen_t *), struct endpoint *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;

	if (get(sock, (struct sockaddr *)&ss, &len))
		return -errno;
	return endpoint_from_sockaddr((struct sockaddr *)&ss, out);
}

/* glibc's prototypes of these differ in attributes only; plain wrappers spare a cast. */
static int peer(int s, struct sockaddr *a, socklen_t *n)
{
	return getpeername(s, a, n);
}
static int self(int s, struct sockaddr *a, socklen_t *n)
{
	return getsockname(s, a, n);
}

int flow_take(int flows_fd, int sock, struct flow *out)
{
	struct abi_tuple key = {0};
	struct abi_flow f;
	struct endpoint app, here;
	uint64_t cookie;
	socklen_t len = sizeof cookie;
	int err;

	if (getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len))
		return -errno;
	err = socket_name(sock, peer, &app);
	if (!err)
		err = socket_name(sock, self, &here);
	if (err)
		return err;
	key.netns = cookie;
	memcpy(key.local, app.ip, sizeof key.local);
	memcpy(key.remote, here.ip, sizeof key.remote);
	key.lport = app.port;
	key.rport = here.port;
	if (bpf_map_lookup_and_delete_elem(flows_fd, &key, &f))
		return -errno;
	memcpy(out->dst.ip, f.dst.ip, sizeof out->dst.ip);
	out->dst.port = f.dst.port;
	out->app = app;
	out->cgroup = f.cgroup;
	out->pid = f.pid;
	out->uid = f.uid;
	return 0;
}
