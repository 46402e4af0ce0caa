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
