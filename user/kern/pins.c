#include "kern/pins.h"

#include <bpf/bpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PINS_SEAM PINS_ROOT "/seam"

/* FNV-1a, 64 bits: names a folder, guards nothing. */
static uint64_t hash_text(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3;
	return h;
}

/* Absolute, slashes squeezed, none at the end. Symbolic links are not followed: the folder may be gone when this is asked. */
static int normalise(const char *path, char *out, size_t cap)
{
	size_t n = 0;

	if (path[0] != '/') {
		if (!getcwd(out, cap))
			return -errno;
		n = strlen(out);
		if (n + 1 >= cap)
			return -ENAMETOOLONG;
		out[n++] = '/';
	}
	for (const char *p = path; *p; p++) {
		if (*p == '/' && n && out[n - 1] == '/')
			continue;
		if (n + 1 >= cap)
			return -ENAMETOOLONG;
		out[n++] = *p;
	}
	while (n > 1 && out[n - 1] == '/')
		n--;
	out[n] = 0;
	return 0;
}

static int run_folder(const char *run_dir, char out[PINS_PATH])
{
	char full[PINS_PATH];
	int err = normalise(run_dir, full, sizeof full);

	if (err)
		return err;
	snprintf(out, PINS_PATH, PINS_SEAM "/%016llx", (unsigned long long)hash_text(full));
	return 0;
}

static bool is_plain(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

int pins_dir(const char *run_dir, const char *app, char out[PINS_PATH])
{
	char dir[PINS_PATH], name[PINS_PATH];
	size_t n = 0;
	int err = run_folder(run_dir, dir);

	if (err)
		return err;
	if (!*app)
		return -EINVAL;
	for (const char *p = app; *p; p++) {
		if (n + 4 > 250)
			return -ENAMETOOLONG;
		if (is_plain(*p))
			name[n++] = *p;
		else
			n += (size_t)sprintf(name + n, "%%%02x", (unsigned char)*p);
	}
	name[n] = 0;
	if ((size_t)snprintf(out, PINS_PATH, "%.200s/%s", dir, name) >= PINS_PATH)
		return -ENAMETOOLONG;
	return 0;
}

static void unescape(const char *name, char *out)
{
	unsigned c;

	for (; *name; name++) {
		if (*name == '%' && sscanf(name + 1, "%2x", &c) == 1) {
			*out++ = (char)c;
			name += 2;
		} else {
			*out++ = *name;
		}
	}
	*out = 0;
}

int pins_mount(struct reason *why)
{
	struct statfs fs;
	int err;

	if (!statfs(PINS_ROOT, &fs) && fs.f_type == BPF_FS_MAGIC)
		return 0;
	if (mount("bpf", PINS_ROOT, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700")) {
		err = -errno;
		return reason_set(why, err,
			"no bpf file system at " PINS_ROOT ", and mounting one failed: %s", strerror(-err));
	}
	return 0;
}

static int make_dir(const char *path, struct reason *why)
{
	if (mkdir(path, 0700) && errno != EEXIST) {
		int err = -errno;
		return reason_set(why, err, "mkdir %s: %s", path, strerror(-err));
	}
	return 0;
}

int pins_make(const char *dir, struct reason *why)
{
	char part[PINS_PATH];

	snprintf(part, sizeof part, "%s", dir);
	for (char *p = part + strlen(PINS_SEAM); p; p = strchr(p + 1, '/')) {
		char was = *p;
		int err;

		*p = 0;
		err = make_dir(part, why);
		if (err)
			return err;
		*p = was;
	}
	return make_dir(dir, why);
}

/*
 * A link is detached before its pin goes: another process (a stopped daemon, somebody's bpftool) may hold it open, and then
 * unlinking alone would leave the hook where it is.
 */
static int drop(const char *path, bool link)
{
	if (link) {
		auto_close int fd = bpf_obj_get(path);

		if (fd >= 0 && bpf_link_detach(fd) && errno != EOPNOTSUPP && errno != ENOENT)
			return -errno;
	}
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

/* One pass over `dir`: unlink what begins with `prefix`. */
static int drop_all(const char *dir, const char *prefix, unsigned *links, struct reason *why)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int err = 0;

	if (!d)
		return errno == ENOENT ? 0 : reason_set(why, -errno, "%s: %s", dir, strerror(errno));
	while (!err && (e = readdir(d))) {
		char path[PINS_PATH + 260];
		bool link = strncmp(e->d_name, "link_", 5) == 0;

		if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		err = drop(path, link);
		if (err)
			reason_set(why, err, "%s: %s", path, strerror(-err));
		else
			*links += link;
	}
	closedir(d);
	return err;
}

int pins_unlink(const char *dir, unsigned *links, struct reason *why)
{
	/* The connect hooks go first: a socket that none has rewritten needs none of the others. */
	static const char *const order[] = {"link_connect", "link_", ""};
	char parent[PINS_PATH];
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		int err = drop_all(dir, order[i], &n, why);
		if (err)
			return err;
	}
	*links = n;
	if (rmdir(dir) && errno != ENOENT)
		return reason_set(why, -errno, "rmdir %s: %s", dir, strerror(errno));
	/* Other apps, other daemons: these stay while somebody lives in them. */
	snprintf(parent, sizeof parent, "%s", dir);
	*strrchr(parent, '/') = 0;
	if (!rmdir(parent))
		rmdir(PINS_SEAM);
	return 0;
}

int pins_list(const char *run_dir, void (*tell)(void *arg, const char *app), void *arg)
{
	char dir[PINS_PATH];
	struct dirent *e;
	int n = 0, err = run_folder(run_dir, dir);
	DIR *d;

	if (err)
		return err;
	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(d))) {
		char app[260];

		if (e->d_name[0] == '.')
			continue;
		unescape(e->d_name, app);
		tell(arg, app);
		n++;
	}
	closedir(d);
	return n;
}
