/*
 * The mirror without a kernel part: `rig FD [FD]` runs mirror_run() with the keeper's channel on the first descriptor and a takeover
 * listener on the second. What the kernel part would offer is played by two memory files that ride in the place of the maps: the "flows map"
 * holds the text of the one Origin address that every connection of the app wanted, the "heartbeat map" a uint64_t per worker.
 */
#include "base/endpoint.h"
#include "base/log.h"
#include "mirror/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEARTBEAT_SIZE 4096

static int take_flow(int flows_fd, int sock, struct mirror_flow *out)
{
	char text[ENDPOINT_TEXT] = "";
	struct sockaddr_storage ss;
	socklen_t len = sizeof ss;
	struct mirror_flow flow = {.pid = (uint32_t)getpid()};

	if (pread(flows_fd, text, sizeof text - 1, 0) < 0 || getpeername(sock, (struct sockaddr *)&ss, &len))
		return -errno;
	if (endpoint_parse(text, 0, &flow.dst))
		return -ENOENT;
	int err = endpoint_from_sockaddr((struct sockaddr *)&ss, &flow.app);
	if (!err)
		*out = flow;
	return err;
}

static void *heartbeat_open(int fd, unsigned bank)
{
	(void)bank;
	void *p = mmap(NULL, HEARTBEAT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

static void heartbeat_stamp(void *hb, unsigned worker, uint64_t now_ns)
{
	((_Atomic uint64_t *)hb)[worker] = now_ns;
}

static void heartbeat_close(void *hb)
{
	munmap(hb, HEARTBEAT_SIZE);
}

int main(int argc, char **argv)
{
	const char *level = getenv("RIG_LOG");
	const struct mirror_env env = {
		.channel = argc > 1 ? atoi(argv[1]) : -1,
		.takeover = argc > 2 ? atoi(argv[2]) : -1,
		.take_flow = take_flow,
		.heartbeat_open = heartbeat_open,
		.heartbeat_stamp = heartbeat_stamp,
		.heartbeat_close = heartbeat_close,
	};

	if (env.channel < 0)
		return 2;
	log_setup(LOG_LOGFMT, level && !strcmp(level, "debug") ? LOG_DEBUG : LOG_INFO);
	return mirror_run(&env);
}
