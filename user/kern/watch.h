/*
 * Waiting for a cgroup that comes, goes, or comes again under the same name: an app that restarts in its unit.
 *
 *   watch_open(&m, &w);  poll(watch_fd(w));  on readable and each second or so: watch_check(w, path, &id)
 *
 * The inotify fd only says "look again"; watch_check() looks at the tree itself, so a lost or surplus event does no harm.
 */
#pragma once
#include "kern/cgroup.h"

struct watch;
struct watch_match {
	const char *cgroup; /* a path, absolute or relative to the v2 mount; or NULL */
	const char *unit;   /* a systemd unit; or NULL */
};

int watch_open(const struct watch_match *m, struct watch **out, struct reason *why) must_check;
int watch_fd(const struct watch *w);
/* Drain, set the watches anew, look. 0: it is there, path and id filled. -ENOENT: not there. -ENOTUNIQ: see cgroup_of_unit(). */
int watch_check(struct watch *w, char path[CGROUP_PATH], uint64_t *id, struct reason *why) must_check;
void watch_close(struct watch *w);
