#include "kern/through.h"

#include "bpf/capture.skel.h"
#include "kern/object.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *through_name(enum abi_reason r)
{
	static const char *const names[ABI_REASONS] = {
		[ABI_CAPTURED] = "captured",
		[ABI_NETNS] = "other_netns",
		[ABI_BOUND_DEV] = "bound_device",
		[ABI_FULL] = "full",
		[ABI_UNKNOWN] = "unknown_address",
		[ABI_GATE] = "gate_open",
		[ABI_REFUSED] = "refused",
		[ABI_FLOW_LOST] = "flow_lost",
		[ABI_EVENT_LOST] = "event_lost",
	};
	return (unsigned)r < ABI_REASONS ? names[r] : "?";
}

/* A connect may be counted while we read: `count` is read first, so that what it counts has its stamps. */
static void convert(const struct abi_through *t, struct through_count *out)
{
	out->count = __atomic_load_n(&t->count, __ATOMIC_ACQUIRE);
	out->acked = __atomic_load_n(&t->acked, __ATOMIC_RELAXED);
	out->first = out->count > out->acked ? __atomic_load_n(&t->first, __ATOMIC_RELAXED) : 0;
	out->last = __atomic_load_n(&t->last, __ATOMIC_RELAXED);
}

void through_read(const struct capture *c, struct through_count out[ABI_REASONS])
{
	for (size_t i = 0; i < ABI_REASONS; i++)
		convert(&c->through[i], &out[i]);
}

void through_ack(struct capture *c, enum abi_reason r, uint64_t count)
{
	__atomic_store_n(&c->through[r].acked, count, __ATOMIC_RELAXED);
}

int through_peek(const char *run_dir, const char *app, struct through_count out[ABI_REASONS])
{
	struct abi_through all[ABI_REASONS];
	struct bpf_map_info info = {0};
	__u32 len = sizeof info;
	char dir[PINS_PATH], path[PINS_PATH + 32];
	auto_close int fd = -1;
	int err = pins_dir(run_dir, app, dir);

	if (err)
		return err;
	snprintf(path, sizeof path, "%s/map_through", dir);
	fd = bpf_obj_get(path);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		return -errno;
	if (info.value_size != sizeof *all || info.max_entries != ABI_REASONS)
		return -ESTALE;
	for (__u32 i = 0; i < ABI_REASONS; i++) {
		if (bpf_map_lookup_elem(fd, &i, &all[i]))
			return -errno;
	}
	for (size_t i = 0; i < ABI_REASONS; i++)
		convert(&all[i], &out[i]);
	return 0;
}

int through_event_fd(const struct capture *c)
{
	return ring_buffer__epoll_fd(c->ring);
}

int object_event(void *arg, void *data, size_t len)
{
	struct capture *c = arg;
	struct abi_event in;
	struct through_event e;

	if (len < sizeof in)
		return 0;
	memcpy(&in, data, sizeof in);
	e = (struct through_event){.reason = in.reason,
		.stamp = in.stamp,
		.cgroup = in.cgroup,
		.pid = in.pid,
		.uid = in.uid,
		.dst.port = in.dst.port};
	memcpy(e.dst.ip, in.dst.ip, sizeof e.dst.ip);
	memcpy(e.comm, in.comm, sizeof e.comm);
	e.comm[sizeof e.comm - 1] = 0;
	c->tell(c->tell_arg, &e);
	/* A negative return ends the drain after this event; the ring has been advanced past it. */
	return --c->tell_left ? 0 : -ECANCELED;
}

int through_events(
	struct capture *c, unsigned max, void (*tell)(void *arg, const struct through_event *e), void *arg)
{
	int got;

	if (!max)
		return 0;
	c->tell = tell;
	c->tell_arg = arg;
	c->tell_left = max;
	got = ring_buffer__consume(c->ring);
	return got == -ECANCELED ? (int)max : got;
}
