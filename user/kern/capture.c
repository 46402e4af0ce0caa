#include "kern/capture.h"

#include "base/log.h"
#include "bpf/capture.skel.h"
#include "kern/object.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define THROUGH_BYTES (ABI_REASONS * sizeof(struct abi_through))

const struct object_hook object_hooks[OBJECT_HOOKS] = {
	{"link_sockops", BPF_CGROUP_SOCK_OPS},
	{"link_release", BPF_CGROUP_INET_SOCK_RELEASE},
	{"link_getpeername4", BPF_CGROUP_INET4_GETPEERNAME},
	{"link_getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
	{"link_connect4", BPF_CGROUP_INET4_CONNECT},
	{"link_connect6", BPF_CGROUP_INET6_CONNECT},
};

int object_hook_fd(const struct capture *c, size_t hook)
{
	const struct bpf_program *const progs[OBJECT_HOOKS] = {
		c->skel->progs.seam_sockops,
		c->skel->progs.seam_release,
		c->skel->progs.seam_getpeername4,
		c->skel->progs.seam_getpeername6,
		c->skel->progs.seam_connect4,
		c->skel->progs.seam_connect6,
	};
	return bpf_program__fd(progs[hook]);
}

struct bpf_map *object_map(const struct capture *c, size_t i)
{
	struct bpf_map *const maps[OBJECT_MAPS] = {
		c->skel->maps.through, /* first: the evidence must survive whatever becomes of the others */
		c->skel->maps.policy,
		c->skel->maps.gate,
		c->skel->maps.heartbeat,
		c->skel->maps.events,
		c->skel->maps.endpoints,
		c->skel->maps.ports,
		c->skel->maps.conns,
		c->skel->maps.flows,
		c->skel->maps.peers,
	};
	return maps[i];
}

void object_map_pin(const struct capture *c, size_t i, char out[PINS_PATH + 32])
{
	snprintf(out, PINS_PATH + 32, "%s/map_%s", c->dir, bpf_map__name(object_map(c, i)));
}

/* The mirror is forked from this process: what it may write to, it is given on purpose. */
static int keep_from_child(void *page, size_t len)
{
	return madvise(page, len, MADV_DONTFORK) ? -errno : 0;
}

int object_policy_write(struct capture *c, const struct abi_policy *p)
{
	__u32 zero = 0;

	if (bpf_map_update_elem(bpf_map__fd(c->skel->maps.policy), &zero, p, BPF_ANY))
		return -errno;
	c->policy = *p;
	return 0;
}

int object_beat(struct capture *c)
{
	int err;

	heartbeat_unmap(&c->beat);
	err = heartbeat_map(bpf_map__fd(c->skel->maps.heartbeat), c->policy.bank, &c->beat);
	return err ? err : keep_from_child(c->beat.page, sizeof(struct abi_heartbeat) * ABI_BANKS);
}

uint64_t object_linked(const char *dir)
{
	uint64_t all = 0;

	for (size_t i = 0; i < OBJECT_HOOKS; i++) {
		struct bpf_link_info info = {0};
		__u32 len = sizeof info;
		char path[PINS_PATH + 32];
		auto_close int fd = -1;

		snprintf(path, sizeof path, "%s/%s", dir, object_hooks[i].pin);
		fd = bpf_obj_get(path);
		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			return 0;
		if (info.type != BPF_LINK_TYPE_CGROUP || info.cgroup.attach_type != object_hooks[i].type)
			return 0;
		if (!info.cgroup.cgroup_id || (all && all != info.cgroup.cgroup_id))
			return 0;
		all = info.cgroup.cgroup_id;
	}
	return all;
}

/* ---- what libbpf says: kept for the reason, and for the debug log */

static char last_words[256];

static int printf_like(2, 0) hear(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	char line[512];

	vsnprintf(line, sizeof line, fmt, ap);
	line[strcspn(line, "\n")] = 0;
	log_debug("libbpf", "text=" LOGV, log_quote(line));
	if (level == LIBBPF_WARN && !last_words[0])
		snprintf(last_words, sizeof last_words, "%.255s", line);
	return 0;
}

/* ---- taking over what an earlier keeper pinned */

static bool same_shape(const struct bpf_map *m, int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof info;

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == (__u32)bpf_map__type(m) &&
	       info.key_size == bpf_map__key_size(m) && info.value_size == bpf_map__value_size(m) &&
	       info.max_entries == bpf_map__max_entries(m) && info.map_flags == bpf_map__map_flags(m);
}

static int reuse(struct capture *c, size_t i)
{
	char path[PINS_PATH + 32];
	auto_close int fd = -1;

	object_map_pin(c, i, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (!same_shape(object_map(c, i), fd))
		return -ESTALE;
	return bpf_map__reuse_fd(object_map(c, i), fd);
}

/* The policy of the pinned maps, whatever else becomes of them: a closed gate must stay closed. */
static int pinned_policy(const char *dir, struct abi_policy *out)
{
	char path[PINS_PATH + 32];
	struct bpf_map_info info = {0};
	__u32 len = sizeof info, zero = 0;
	struct abi_policy p;
	auto_close int fd = -1;

	snprintf(path, sizeof path, "%s/map_policy", dir);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.value_size != sizeof p || bpf_map_lookup_elem(fd, &zero, &p))
		return -ESTALE;
	*out = p;
	return p.abi == ABI_VERSION ? 0 : -ESTALE;
}

/* All maps of the same version and shape, or none of them; `through` by itself. Returns whether all were. */
static bool reuse_all(struct capture *c, bool same_version)
{
	bool all = same_version;
	int err = reuse(c, 0);

	for (size_t i = 1; i < OBJECT_MAPS && all; i++) {
		char path[PINS_PATH + 32];
		auto_close int fd = -1;

		object_map_pin(c, i, path);
		fd = bpf_obj_get(path);
		all = fd >= 0 && same_shape(object_map(c, i), fd);
	}
	for (size_t i = 1; i < OBJECT_MAPS && all; i++)
		all = !reuse(c, i);
	return all && !err;
}

/* The hooks go on with this keeper's programs, one after the other, each exchanged without a moment in which there is none. */
static int take_over(struct capture *c, bool same_maps, struct reason *why)
{
	char path[PINS_PATH + 32];

	for (size_t i = 0; i < OBJECT_HOOKS; i++) {
		auto_close int fd = -1;

		snprintf(path, sizeof path, "%s/%s", c->dir, object_hooks[i].pin);
		fd = bpf_obj_get(path);
		if (fd < 0 || bpf_link_update(fd, object_hook_fd(c, i), NULL))
			return reason_set(why, -errno, "taking over %s: %s", path, strerror(errno));
	}
	for (size_t i = 1; i < OBJECT_MAPS && !same_maps; i++) {
		object_map_pin(c, i, path);
		if (unlink(path) && errno != ENOENT)
			return reason_set(why, -errno, "replacing %s: %s", path, strerror(errno));
		if (bpf_obj_pin(bpf_map__fd(object_map(c, i)), path))
			return reason_set(why, -errno, "pinning %s: %s", path, strerror(errno));
	}
	c->resumed = true;
	return 0;
}

/* Links that don't make a whole hook nothing well: off with them. The maps stay for their evidence. */
static int drop_links(struct capture *c, struct reason *why)
{
	for (size_t i = OBJECT_HOOKS; i-- > 0;) {
		char path[PINS_PATH + 32];
		auto_close int fd = -1;

		snprintf(path, sizeof path, "%s/%s", c->dir, object_hooks[i].pin);
		fd = bpf_obj_get(path);
		if (fd < 0)
			continue;
		bpf_link_detach(fd);
		if (unlink(path) && errno != ENOENT)
			return reason_set(why, -errno, "%s: %s", path, strerror(errno));
	}
	return 0;
}

static int load(struct capture *c, const struct capture_opts *o, struct reason *why)
{
	__u32 conns = o->connections ? o->connections : ABI_CONNS;
	struct abi_policy p = {0};
	int kept = pinned_policy(c->dir, &p), err;
	bool same_maps;

	c->skel = capture_bpf__open();
	if (!c->skel)
		return reason_set(why, -errno, "opening the kernel programs: %s", strerror(errno));
	/* `flows` and `peers` never hold more than `conns`; some room more, since a hash counts its elements by CPU. */
	bpf_map__set_max_entries(c->skel->maps.conns, conns);
	bpf_map__set_max_entries(c->skel->maps.flows, conns + 64);
	bpf_map__set_max_entries(c->skel->maps.peers, conns + 64);
	same_maps = reuse_all(c, !kept);
	last_words[0] = 0;
	err = capture_bpf__load(c->skel);
	if (err)
		return reason_set(
			why, err, "loading the kernel programs: %s (%s)", strerror(-err), last_words);
	if (!same_maps) {
		/* Only what still has a meaning: the bank and the ports belonged to the maps that are gone. */
		struct abi_policy fresh = {
			.abi = ABI_VERSION, .word = p.word, .workers = 1, .netns = p.netns};

		fresh.stale_ns = ABI_STALE_NS;
		p = fresh;
	}
	err = object_policy_write(c, &p);
	if (err)
		return reason_set(why, err, "writing the policy: %s", strerror(-err));
	c->cgroup = object_linked(c->dir);
	return c->cgroup ? take_over(c, same_maps, why) : drop_links(c, why);
}

static int map_memory(struct capture *c, struct reason *why)
{
	void *page;
	int err = object_beat(c);

	if (err)
		return reason_set(why, err, "mapping the heartbeat: %s", strerror(-err));
	page = mmap(NULL, THROUGH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(c->skel->maps.through), 0);
	if (page == MAP_FAILED)
		return reason_set(why, -errno, "mapping the counters: %s", strerror(errno));
	c->through = page;
	err = keep_from_child(page, THROUGH_BYTES);
	if (err)
		return reason_set(why, err, "mapping the counters: %s", strerror(-err));
	c->ring = ring_buffer__new(bpf_map__fd(c->skel->maps.events), object_event, c, NULL);
	if (!c->ring)
		return reason_set(why, -errno, "opening the event ring: %s", strerror(errno));
	return 0;
}

int capture_open(const struct capture_opts *o, struct capture **out, struct reason *why)
{
	struct capture *c;
	int err;

	if (geteuid())
		return reason_set(why, -EPERM, "must be root");
	libbpf_set_print(hear);
	err = pins_mount(why);
	if (err)
		return err;
	c = calloc(1, sizeof *c);
	if (!c || !(c->app = strdup(o->app))) {
		capture_close(c);
		return reason_set(why, -ENOMEM, "out of memory");
	}
	err = pins_dir(o->run_dir, o->app, c->dir);
	if (err)
		reason_set(why, err, "run_dir %.100s, app %.100s: %s", o->run_dir, o->app, strerror(-err));
	else
		err = load(c, o, why);
	if (!err)
		err = map_memory(c, why);
	if (err) {
		capture_close(c);
		return err;
	}
	*out = c;
	return 0;
}

void capture_close(struct capture *c)
{
	if (!c)
		return;
	ring_buffer__free(c->ring);
	if (c->through)
		munmap(c->through, THROUGH_BYTES);
	heartbeat_unmap(&c->beat);
	capture_bpf__destroy(c->skel);
	free(c->app);
	free(c);
}

const char *capture_app(const struct capture *c)
{
	return c->app;
}

bool capture_resumed(const struct capture *c)
{
	return c->resumed;
}

int capture_flows_fd(const struct capture *c)
{
	return bpf_map__fd(c->skel->maps.flows);
}

int capture_heartbeat_fd(const struct capture *c)
{
	return bpf_map__fd(c->skel->maps.heartbeat);
}
