#include "kern/watch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#define EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR)
#define DEPTH  6 /* how deep slices are watched; a unit further down is found by the caller's timer */

struct watch {
	int fd;
	char *cgroup, *unit;
};

int watch_open(const struct watch_match *m, struct watch **out, struct reason *why)
{
	struct watch *w;

	if (!m->cgroup == !m->unit)
		return reason_set(why, -EINVAL, "either a cgroup or a unit");
	w = calloc(1, sizeof *w);
	if (!w)
		return reason_set(why, -ENOMEM, "out of memory");
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	w->cgroup = m->cgroup ? strdup(m->cgroup) : NULL;
	w->unit = m->unit ? strdup(m->unit) : NULL;
	if (w->fd < 0 || (!w->cgroup && !w->unit)) {
		int err = w->fd < 0 ? -errno : -ENOMEM;
		watch_close(w);
		return reason_set(why, err, "inotify: %s", strerror(-err));
	}
	*out = w;
	return 0;
}

int watch_fd(const struct watch *w)
{
	return w->fd;
}

void watch_close(struct watch *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w->cgroup);
	free(w->unit);
	free(w);
}

static void drain(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof buf) > 0)
		;
}

/* A unit's cgroup sits in a slice, or in the tree of a user's manager: watch those. A watch on the same directory twice is one. */
static void watch_slices(int fd, const char *path, unsigned depth)
{
	struct dirent *e;
	DIR *d;

	if (inotify_add_watch(fd, path, EVENTS) < 0 || depth >= DEPTH)
		return;
	d = opendir(path);
	if (!d)
		return;
	while ((e = readdir(d))) {
		const char *dot = strrchr(e->d_name, '.');
		auto_free char *sub = NULL;

		if (e->d_type != DT_DIR || !dot ||
			(strcmp(dot, ".slice") != 0 && strncmp(e->d_name, "user@", 5) != 0))
			continue;
		if (asprintf(&sub, "%s/%s", path, e->d_name) >= 0)
			watch_slices(fd, sub, depth + 1);
		else
			sub = NULL;
	}
	closedir(d);
}

/* The parent, or as much of it as is there: what is missing will be made in the last one that is. */
static void watch_parents(int fd, const char *root, const char *typed)
{
	char at[2 * CGROUP_PATH];

	snprintf(
		at, sizeof at, "%s%s%.4000s", typed[0] == '/' ? "" : root, typed[0] == '/' ? "" : "/", typed);
	for (char *slash; (slash = strrchr(at, '/')) && slash > at;) {
		*slash = 0;
		if (!cgroup_within(at, root) || inotify_add_watch(fd, at, EVENTS) >= 0)
			return;
	}
}

int watch_check(struct watch *w, char path[CGROUP_PATH], uint64_t *id, struct reason *why)
{
	char root[CGROUP_PATH], found[CGROUP_PATH];
	uint64_t n;
	int err = cgroup_mount(root, why);

	if (err)
		return err;
	/* Watch first, look then: what comes in between makes the fd readable again. */
	drain(w->fd);
	if (w->unit)
		watch_slices(w->fd, root, 0);
	else
		watch_parents(w->fd, root, w->cgroup);
	err = w->unit ? cgroup_of_unit(w->unit, found, why) : cgroup_resolve(w->cgroup, found, why);
	if (err)
		return err;
	err = cgroup_id(found, &n);
	if (err)
		return reason_set(why, err, "cgroup %.300s: %s", found, strerror(-err));
	memcpy(path, found, strlen(found) + 1);
	*id = n;
	return 0;
}
