/* Programs of others on our cgroups. Private to user/kern. */
#pragma once
#include "base/reason.h"
#include <linux/bpf.h>
#include <stdbool.h>

/*
 * Who forbids us to attach? A program that was attached without BPF_F_ALLOW_MULTI, on `path` or on the nearest ancestor that has one
 * (kernel/bpf/cgroup.c, hierarchy_allows_attach()). True: the reason names cgroup, hook, program and its id.
 */
bool foreign_blocker(const char *path, enum bpf_attach_type type, struct reason *why);

/*
 * Does another Seam capture one of the endpoints in map `mine` for this very cgroup already? Of two on one cgroup only the one that was
 * attached first would see the connections, and the other would think that all is captured. -EBUSY: the reason names it. 0: none.
 * Programs that end between two looks are none. Needs CAP_SYS_ADMIN (programs and maps by id).
 */
int foreign_rival(const char *path, int mine, struct reason *why) must_check;
