#include "kern/foreign.h"

#include "kern/cgroup.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static const char *hook_name(enum bpf_attach_type type)
{
	const char *name = libbpf_bpf_attach_type_str(type);

	return name ? name : "?";
}

static bool blocks(const char *path, const char *at, enum bpf_attach_type type, struct reason *why)
{
	struct bpf_prog_info info = {0};
	__u32 flags = 0, ids[64] = {0}, n = ARRAY_LEN(ids), len = sizeof info;
	auto_close int cgroup = open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC), prog = -1;

	if (cgroup < 0 || bpf_prog_query(cgroup, type, 0, &flags, ids, &n) || !n || flags & BPF_F_ALLOW_MULTI)
		return false;
	/* Above us, one that allows to be overridden does not forbid; beside us it does. */
	if (flags & BPF_F_ALLOW_OVERRIDE && strcmp(path, at) != 0)
		return false;
	prog = bpf_prog_get_fd_by_id(ids[0]);
	if (prog >= 0 && bpf_obj_get_info_by_fd(prog, &info, &len))
		info.name[0] = 0;
	reason_set(why, -EPERM,
		"a program that shares its hook with no other sits on cgroup %.250s: %s, program \"%s\", id "
		"%u (see: bpftool prog show id %u)",
		at, hook_name(type), info.name[0] ? info.name : "?", ids[0], ids[0]);
	return true;
}

bool foreign_blocker(const char *path, enum bpf_attach_type type, struct reason *why)
{
	char at[CGROUP_PATH], root[CGROUP_PATH];
	struct reason ignored;

	if (cgroup_mount(root, &ignored))
		return false;
	snprintf(at, sizeof at, "%s", path);
	while (cgroup_within(at, root)) {
		if (blocks(path, at, type, why))
			return true;
		*strrchr(at, '/') = 0;
	}
	return false;
}
