#include "kern/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define DEPTH 32         /* deeper trees are not looked into */
#define MANY  (1u << 20) /* cgroups or processes in one tree; more is an error, not a loop */

/*
 * The mount of the v2 tree that shows its root, from lines like
 * "42 31 0:39 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw" (proc(5)).
 */
int cgroup_mount(char out[CGROUP_PATH], struct reason *why)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[3 * CGROUP_PATH];
	bool found = false, v1 = false;

	if (!f)
		return reason_set(why, -errno, "/proc/self/mountinfo: %s", strerror(errno));
	while (!found && fgets(line, sizeof line, f)) {
		char root[CGROUP_PATH], where[CGROUP_PATH];
		const char *type = strstr(line, " - ");

		if (!type || sscanf(line, "%*s %*s %*s %4095s %4095s", root, where) != 2)
			continue;
		v1 = v1 || strncmp(type, " - cgroup ", 10) == 0;
		if (strncmp(type, " - cgroup2 ", 11) != 0 || strncmp(root, "/..", 3) == 0)
			continue;
		snprintf(out, CGROUP_PATH, "%s", where);
		found = true;
	}
	fclose(f);
	if (found)
		return 0;
	return reason_set(why, -ENOTSUP,
		v1 ? "only cgroup v1 is mounted: Seam needs the cgroup v2 tree (boot with "
		     "systemd.unified_cgroup_hierarchy=1, or mount it)"
		   : "no cgroup v2 tree is mounted");
}

int cgroup_id(const char *path, uint64_t *out)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h = {.handle_bytes = MAX_HANDLE_SZ}};
	struct statfs fs;
	int mount;

	if (statfs(path, &fs))
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -EXDEV;
	/* kernfs hands out its 64-bit node id as the handle: the very id that the kernel's cgroup_id() is (kernfs_encode_fh). */
	if (name_to_handle_at(AT_FDCWD, path, &u.h, &mount, 0))
		return -errno;
	if (u.h.handle_bytes != sizeof *out)
		return -EXDEV;
	memcpy(out, u.h.f_handle, sizeof *out);
	return 0;
}

int cgroup_of_pid(pid_t pid, char out[CGROUP_PATH], struct reason *why)
{
	char name[64], line[CGROUP_PATH], root[CGROUP_PATH];
	bool found = false;
	FILE *f;
	int err = cgroup_mount(root, why);

	if (err)
		return err;
	snprintf(name, sizeof name, "/proc/%d/cgroup", (int)pid);
	f = fopen(name, "re");
	if (!f)
		return reason_set(why, errno == ENOENT ? -ESRCH : -errno, "no process %d", (int)pid);
	while (!found && fgets(line, sizeof line, f)) {
		char *end = line + strcspn(line, "\n");
		char *deleted;

		*end = 0;
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		deleted = strstr(line, " (deleted)");
		if (deleted && !deleted[10])
			*deleted = 0;
		if ((size_t)snprintf(out, CGROUP_PATH, "%s%s", root, line[4] ? line + 3 : "") >= CGROUP_PATH)
			err = reason_set(why, -ENAMETOOLONG, "cgroup of process %d: path too long", (int)pid);
		found = true;
	}
	fclose(f);
	return found ? err : reason_set(why, -ENOTSUP, "process %d is in no cgroup of the v2 tree", (int)pid);
}

/* Visits `path` and all below it, parents first, until `see` returns non-zero. */
static int walk(const char *path, unsigned depth, int (*see)(void *arg, const char *path), void *arg)
{
	struct dirent *e;
	int err = see(arg, path);
	DIR *d;

	if (err || depth >= DEPTH)
		return err;
	d = opendir(path);
	if (!d)
		return errno == ENOENT ? 0 : -errno; /* went away while we looked */
	while (!err && (e = readdir(d))) {
		auto_free char *sub = NULL;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		if (asprintf(&sub, "%s/%s", path, e->d_name) < 0)
			err = -ENOMEM;
		else
			err = walk(sub, depth + 1, see, arg);
	}
	closedir(d);
	return err;
}

struct unit_search {
	char name[256], system[CGROUP_PATH];
	char found[2][CGROUP_PATH];
	unsigned n;
	bool in_system;
};

static int see_unit(void *arg, const char *path)
{
	struct unit_search *s = arg;
	const char *base = strrchr(path, '/');
	bool in_system = cgroup_within(path, s->system);

	if (!base || strcmp(base + 1, s->name) != 0)
		return 0;
	if (in_system && !s->in_system)
		s->n = 0;
	else if (s->in_system && !in_system)
		return 0;
	s->in_system = in_system;
	if (s->n < 2)
		snprintf(s->found[s->n], CGROUP_PATH, "%s", path);
	s->n++;
	return 0;
}

int cgroup_of_unit(const char *unit, char out[CGROUP_PATH], struct reason *why)
{
	auto_free struct unit_search *s = calloc(1, sizeof *s);
	char root[CGROUP_PATH];
	int err = cgroup_mount(root, why);

	if (err)
		return err;
	if (!s)
		return reason_set(why, -ENOMEM, "out of memory");
	if (!*unit || strchr(unit, '/') || strlen(unit) > 240)
		return reason_set(why, -EINVAL, "not the name of a unit: %.100s", unit);
	snprintf(s->name, sizeof s->name, "%s%s", unit, strchr(unit, '.') ? "" : ".service");
	if ((size_t)snprintf(s->system, sizeof s->system, "%s/system.slice", root) >= sizeof s->system)
		return reason_set(why, -ENAMETOOLONG, "path of the cgroup tree too long");
	err = walk(root, 0, see_unit, s);
	if (err)
		return reason_set(why, err, "looking for the cgroup of %s: %s", s->name, strerror(-err));
	if (!s->n)
		return reason_set(why, -ENOENT, "no cgroup of unit %s: it does not run", s->name);
	if (s->n > 1)
		return reason_set(why, -ENOTUNIQ,
			"unit %s has %u cgroups, e.g. %.150s and %.150s: name one with --cgroup", s->name,
			s->n, s->found[0], s->found[1]);
	memcpy(out, s->found[0], CGROUP_PATH);
	return 0;
}

int cgroup_resolve(const char *typed, char out[CGROUP_PATH], struct reason *why)
{
	char root[CGROUP_PATH], full[2 * CGROUP_PATH];
	auto_free char *real = NULL;
	uint64_t id;
	int err = cgroup_mount(root, why);

	if (err)
		return err;
	snprintf(full, sizeof full, "%s%s%.4000s", typed[0] == '/' ? "" : root, typed[0] == '/' ? "" : "/",
		typed);
	real = realpath(full, NULL);
	if (!real)
		return reason_set(why, -errno, "no cgroup %.200s: %s", full, strerror(errno));
	err = cgroup_id(real, &id);
	if (err || strlen(real) >= CGROUP_PATH)
		return reason_set(why, err ? err : -ENAMETOOLONG,
			"%.200s is no directory of the cgroup v2 tree at %.200s", real, root);
	memcpy(out, real, strlen(real) + 1);
	return 0;
}

bool cgroup_within(const char *path, const char *top)
{
	size_t n = strlen(top);

	return strncmp(path, top, n) == 0 && (path[n] == 0 || path[n] == '/');
}

struct bag {
	void *items;
	size_t n, cap, size;
};

static int bag_add(struct bag *b, const void *item)
{
	if (b->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 64;
		void *more = cap > MANY ? NULL : reallocarray(b->items, cap, b->size);

		if (!more)
			return -ENOMEM;
		b->items = more;
		b->cap = cap;
	}
	memcpy((char *)b->items + b->n++ * b->size, item, b->size);
	return 0;
}

static int see_id(void *arg, const char *path)
{
	uint64_t id;
	int err = cgroup_id(path, &id);

	return err == -ENOENT ? 0 : err ? err : bag_add(arg, &id);
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int cgroup_ids(const char *path, uint64_t **ids, size_t *n)
{
	struct bag b = {.size = sizeof(uint64_t)};
	int err = walk(path, 0, see_id, &b);

	if (!err && !b.n)
		err = -ENOENT;
	if (err) {
		free(b.items);
		return err;
	}
	qsort(b.items, b.n, sizeof(uint64_t), by_id);
	*ids = b.items;
	*n = b.n;
	return 0;
}

bool cgroup_ids_has(const uint64_t *ids, size_t n, uint64_t id)
{
	return n && bsearch(&id, ids, n, sizeof id, by_id);
}

static int see_pids(void *arg, const char *path)
{
	auto_free char *name = NULL;
	int err = 0, pid;
	FILE *f;

	if (asprintf(&name, "%s/cgroup.procs", path) < 0)
		return -ENOMEM;
	f = fopen(name, "re");
	if (!f)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	/* A threaded sub-cgroup refuses the read (EOPNOTSUPP): its processes are listed by its domain. */
	while (!err && fscanf(f, "%d", &pid) == 1) {
		pid_t p = pid;
		err = bag_add(arg, &p);
	}
	fclose(f);
	return err;
}

int cgroup_pids(const char *path, pid_t **pids, size_t *n)
{
	struct bag b = {.size = sizeof(pid_t)};
	int err = walk(path, 0, see_pids, &b);

	if (err) {
		free(b.items);
		return err;
	}
	*pids = b.items;
	*n = b.n;
	return 0;
}
