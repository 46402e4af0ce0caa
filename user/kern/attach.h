/* Hooking a cgroup, and letting it go. */
#pragma once
#include "kern/capture.h"

/*
 * Hook `path` (a directory of the cgroup v2 tree) and all below it. Atomic to the caller: on failure nothing stays hooked or pinned.
 * Links and maps are pinned when it returns 0, and the next connect() in the cgroup is captured. Attached there already: 0, no change;
 * attached elsewhere, or to an earlier cgroup of the same path: moved (unhooked there first).
 * Refused, with the reason: -EDEADLK this process is itself in the cgroup (its own connects would come back to it), -EPERM a program
 * that forbids others sits on the cgroup or above it (named), -ENOENT no such cgroup, -ENOTDIR/-EXDEV not a cgroup v2 directory.
 */
int attach_to(struct capture *c, const char *path, struct reason *why) must_check;
/* Would `pid`'s own connects be captured, were `path` attached? For the keeper to ask about the mirror. 1, 0 or negative errno. */
int attach_covers(const char *path, int pid) must_check;
/* Unhook and unpin; when it returns the next connect is direct. Sockets captured before stay connected. Not attached: 0. */
int attach_drop(struct capture *c, struct reason *why) must_check;

bool attach_is(const struct capture *c);
uint64_t attach_cgroup_id(const struct capture *c); /* 0 when not attached */
/*
 * Is what should be hooked still hooked? 0 yes. -ENOTCONN not attached; -ENOENT `path` is gone; -ESTALE `path` is a new cgroup under
 * the old name, or the hooks were taken off by somebody else: attach_to(c, path) mends it. The reason says which.
 */
int attach_verify(const struct capture *c, const char *path, struct reason *why) must_check;

/*
 * Needs no capture and no daemon (root): unlink whatever is pinned for run_dir + app. The next connect is direct when it returns.
 * *links is the number of links that were unlinked: 0 = the app was not attached.
 */
int attach_unlink(const char *run_dir, const char *app, unsigned *links, struct reason *why) must_check;
