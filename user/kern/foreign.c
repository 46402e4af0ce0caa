#include "kern/foreign.h"

#include "bpf/abi.h"
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

/* The map of a program that is named so; -1: it has none. */
static int map_of(int prog, const char *name, __u32 key_size)
{
	__u32 maps[32] = {0};
	struct bpf_prog_info info = {.nr_map_ids = ARRAY_LEN(maps), .map_ids = (__u64)(uintptr_t)maps};
	__u32 len = sizeof info;

	if (bpf_obj_get_info_by_fd(prog, &info, &len))
		return -1;
	for (__u32 i = 0; i < info.nr_map_ids && i < ARRAY_LEN(maps); i++) {
		struct bpf_map_info m = {0};
		__u32 m_len = sizeof m;
		auto_close int fd = bpf_map_get_fd_by_id(maps[i]);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &m, &m_len) && m.key_size == key_size &&
			!strcmp(m.name, name))
			return TAKE_FD(fd);
	}
	return -1;
}

static bool shares_one(int mine, int theirs)
{
	struct abi_endpoint at, next;
	__u32 value;
	void *after = NULL;

	while (!bpf_map_get_next_key(mine, after, &next)) {
		at = next;
		after = &at;
		if (!bpf_map_lookup_elem(theirs, &at, &value))
			return true;
	}
	return false;
}

int foreign_rival(const char *path, int mine, struct reason *why)
{
	__u32 flags = 0, ids[64] = {0}, n = ARRAY_LEN(ids);
	auto_close int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cgroup < 0 || bpf_prog_query(cgroup, BPF_CGROUP_INET4_CONNECT, 0, &flags, ids, &n))
		return 0; /* the attach itself will say what is wrong */
	for (__u32 i = 0; i < n; i++) {
		struct bpf_prog_info info = {0};
		__u32 len = sizeof info;
		auto_close int prog = bpf_prog_get_fd_by_id(ids[i]);

		if (prog < 0 || bpf_obj_get_info_by_fd(prog, &info, &len) ||
			strcmp(info.name, "seam_connect4") != 0)
			continue;
		auto_close int theirs = map_of(prog, "endpoints", sizeof(struct abi_endpoint));
		if (theirs >= 0 && shares_one(mine, theirs))
			return reason_set(why, -EBUSY,
				"another Seam captures the same endpoints of cgroup %.250s (program id %u): "
				"detach it first, "
				"with its own run_dir",
				path, ids[i]);
	}
	return 0;
}
