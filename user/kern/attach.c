#include "kern/attach.h"

#include "bpf/capture.skel.h"
#include "kern/cgroup.h"
#include "kern/foreign.h"
#include "kern/object.h"
#include "kern/sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int pin_maps(struct capture *c, struct reason *why)
{
	for (size_t i = 0; i < OBJECT_MAPS; i++) {
		char path[PINS_PATH + 32];

		object_map_pin(c, i, path);
		/* One may be there from before a crash: the same map that we took over, or an old one of another shape. */
		if (unlink(path) && errno != ENOENT)
			return reason_set(why, -errno, "replacing %s: %s", path, strerror(errno));
		if (bpf_obj_pin(bpf_map__fd(object_map(c, i)), path))
			return reason_set(why, -errno, "pinning %s: %s", path, strerror(errno));
	}
	return 0;
}

static int hook(struct capture *c, size_t i, const char *path, int cgroup, struct reason *why)
{
	const struct object_hook *h = &object_hooks[i];
	char pin[PINS_PATH + 32];
	auto_close int link = bpf_link_create(object_hook_fd(c, i), cgroup, h->type, NULL);

	if (link < 0) {
		int err = -errno;

		if (err == -EPERM && foreign_blocker(path, h->type, why))
			return err;
		return reason_set(why, err, "hooking %s into %.200s: %s", h->pin + 5, path, strerror(-err));
	}
	snprintf(pin, sizeof pin, "%s/%s", c->dir, h->pin);
	if (bpf_obj_pin(link, pin))
		return reason_set(why, -errno, "pinning %s: %s", pin, strerror(errno));
	return 0;
}

int attach_covers(const char *path, int pid)
{
	char self[CGROUP_PATH];
	auto_free char *real = NULL;
	struct reason ignored;
	int err = cgroup_of_pid(pid, self, &ignored);

	if (err)
		return err == -ENOTSUP ? 0 : err;
	real = realpath(path, NULL);
	if (!real)
		return -errno;
	return cgroup_within(self, real);
}

/* Everything that may refuse, before anything changes. */
static int admit(const char *path, uint64_t *id, struct reason *why)
{
	int err = cgroup_id(path, id);

	if (err == -EXDEV)
		return reason_set(why, err, "%.300s is no directory of the cgroup v2 tree", path);
	if (err)
		return reason_set(why, err, "cgroup %.300s: %s", path, strerror(-err));
	err = attach_covers(path, getpid());
	if (err < 0)
		return reason_set(why, err, "where is this process? %s", strerror(-err));
	if (err)
		return reason_set(why, -EDEADLK,
			"the daemon itself is in %.300s or below it: its own connections to Origin would "
			"come back to it",
			path);
	return 0;
}

int attach_to(struct capture *c, const char *path, struct reason *why)
{
	auto_close int cgroup = -1;
	struct reason ignored;
	uint64_t id;
	int err = admit(path, &id, why);

	if (err)
		return err;
	if (c->cgroup == id && !attach_verify(c, path, &ignored))
		return 0;
	err = attach_drop(c, why);
	if (!err)
		err = foreign_rival(path, bpf_map__fd(c->skel->maps.endpoints), why);
	if (!err)
		err = sweep_conns(c, why);
	if (!err)
		err = pins_make(c->dir, why);
	if (err)
		return err;
	cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup < 0)
		err = reason_set(why, -errno, "cgroup %.300s: %s", path, strerror(errno));
	if (!err)
		err = pin_maps(c, why);
	for (size_t i = 0; i < OBJECT_HOOKS && !err; i++)
		err = hook(c, i, path, cgroup, why);
	if (!err && object_linked(c->dir) != id)
		err = reason_set(why, -ESTALE, "cgroup %.300s was removed meanwhile", path);
	if (err) {
		unsigned n;
		int undo = pins_unlink(c->dir, &n, &ignored);
		(void)undo; /* what stopped us is the better thing to tell */
		return err;
	}
	c->cgroup = id;
	return 0;
}

int attach_drop(struct capture *c, struct reason *why)
{
	unsigned n;
	int err = pins_unlink(c->dir, &n, why);

	if (!err)
		c->cgroup = 0;
	return err;
}

bool attach_is(const struct capture *c)
{
	return c->cgroup != 0;
}

uint64_t attach_cgroup_id(const struct capture *c)
{
	return c->cgroup;
}

int attach_verify(const struct capture *c, const char *path, struct reason *why)
{
	uint64_t id, linked;
	int err;

	if (!c->cgroup)
		return reason_set(why, -ENOTCONN, "not attached");
	err = cgroup_id(path, &id);
	if (err)
		return reason_set(why, err, "cgroup %.300s: %s", path, strerror(-err));
	if (id != c->cgroup)
		return reason_set(why, -ESTALE, "cgroup %.300s was removed and made again", path);
	linked = object_linked(c->dir);
	if (linked != id)
		return reason_set(why, -ESTALE, "hooks of %.200s were taken off: not all of %.200s is there",
			path, c->dir);
	return 0;
}

int attach_unlink(const char *run_dir, const char *app, unsigned *links, struct reason *why)
{
	char dir[PINS_PATH];
	int err = pins_dir(run_dir, app, dir);

	if (err)
		return reason_set(why, err, "run_dir %.100s, app %.100s: %s", run_dir, app, strerror(-err));
	return pins_unlink(dir, links, why);
}
