/*
 * The cgroup v2 tree: paths, ids, who is where. Paths are absolute file-system paths without a trailing slash.
 * A cgroup's id (what bpf_get_current_cgroup_id(), bpf_link_info and INET_DIAG_CGROUP_ID show) names one life of a directory:
 * removed and made again under the same name it has another.
 */
#pragma once
#include "base/attr.h"
#include "base/reason.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CGROUP_PATH 4096

/* Where the v2 tree is mounted: /sys/fs/cgroup, or /sys/fs/cgroup/unified on a hybrid host. -ENOTSUP: v1 only. */
int cgroup_mount(char out[CGROUP_PATH], struct reason *why) must_check;
/* Id of a v2 cgroup directory. -ENOENT, -EXDEV when it is no cgroup v2 directory. */
int cgroup_id(const char *path, uint64_t *out) must_check;
/* The cgroup that `pid` is in; -ESRCH. */
int cgroup_of_pid(pid_t pid, char out[CGROUP_PATH], struct reason *why) must_check;
/*
 * The cgroup of a systemd unit: the directory of that name ("shop" means "shop.service"), in whatever slice. system.slice wins over
 * others; several elsewhere (user units): -ENOTUNIQ, the reason names two. -ENOENT: the unit does not run.
 */
int cgroup_of_unit(const char *unit, char out[CGROUP_PATH], struct reason *why) must_check;
/* Make a path that a user typed canonical: absolute, or relative to the v2 mount. -ENOENT, -EXDEV. */
int cgroup_resolve(const char *typed, char out[CGROUP_PATH], struct reason *why) must_check;
/* Is `path` at or below `top`? Textual; both canonical. */
bool cgroup_within(const char *path, const char *top);

/* Ids of `path` and of every cgroup below it, sorted. Returned array is the caller's to free(). */
int cgroup_ids(const char *path, uint64_t **ids, size_t *n) must_check;
bool cgroup_ids_has(const uint64_t *ids, size_t n, uint64_t id);
/* Every process at and below `path` (pids, unsorted). The array is the caller's to free(). */
int cgroup_pids(const char *path, pid_t **pids, size_t *n) must_check;
