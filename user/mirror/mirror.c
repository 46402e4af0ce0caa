#include "mirror/mirror.h"

#include "base/log.h"
#include "mirror/world.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>

int mirror_run(const struct mirror_env *env)
{
	struct world w;

	/*
	 * What a stuck session held goes back when it ends. Left alone, glibc raises this threshold with the first big block that is freed, and keeps
	 * later ones in its heaps.
	 */
	mallopt(M_MMAP_THRESHOLD, 256 << 10);

	/* The keeper stops us by word or by SIGKILL; a terminal's ^C is the keeper's to handle. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	int err = world_init(&w, env);
	if (err) {
		log_error("mirror_start", "error=" LOGV, log_quote(strerror(-err)));
		return 1;
	}
	world_run(&w);
	return 0;
}
