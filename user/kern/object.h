/* What the files of a capture share. Private to user/kern. */
#pragma once
#include "bpf/abi.h"
#include "kern/capture.h"
#include "kern/heartbeat.h"
#include "kern/pins.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct capture_bpf;
struct through_event;

enum { OBJECT_HOOKS = 6, OBJECT_MAPS = 10 };

struct capture {
	char *app;
	char dir[PINS_PATH];
	struct capture_bpf *skel;
	struct abi_policy policy;    /* what the map holds: we are its only writer */
	struct heartbeat beat;       /* the whole page, at the bank in force */
	struct abi_through *through; /* ABI_REASONS of them */
	struct ring_buffer *ring;
	bool resumed;
	uint64_t
		cgroup; /* of the pinned links; 0: not attached. The links' fds are not kept: unlinking a pin must be enough to detach */
	/* while through_events() runs */
	void (*tell)(void *arg, const struct through_event *e);
	void *tell_arg;
	unsigned tell_left;
};

/* One row a hook, in the order of attaching: the connect hooks last, so that what they need is there before them. */
struct object_hook {
	const char *pin;
	enum bpf_attach_type type;
};
extern const struct object_hook object_hooks[OBJECT_HOOKS];
int object_hook_fd(const struct capture *c, size_t hook); /* program fd */

/* "map_NAME" in the pin directory. Maps come in any order. */
struct bpf_map *object_map(const struct capture *c, size_t i);
void object_map_pin(const struct capture *c, size_t i, char out[PINS_PATH + 32]);
int object_policy_write(struct capture *c, const struct abi_policy *p) must_check;
/* Set `c->beat` to the bank of `c->policy`. */
int object_beat(struct capture *c) must_check;
/* Id of the cgroup that all pinned links hook; 0 when there is none, one is missing, or they disagree. */
uint64_t object_linked(const char *dir);
/* The ring buffer's callback, in through.c. */
int object_event(void *arg, void *data, size_t len);
