/*
 * A channel: whole messages, with file descriptors, over a connected unix stream socket on a libuv loop.
 *
 * One frame is a 4-byte little-endian length, then that many bytes. fds ride on the frame's first byte (SCM_RIGHTS, at most
 * CHANNEL_FDS). A peer that breaks the framing, or sends more than CHANNEL_MAX, ends the channel with -EPROTO.
 * All calls from the loop's thread. Writes are queued up to CHANNEL_BACKLOG bytes, then channel_send() says -ENOBUFS.
 */
#pragma once
#include "base/attr.h"
#include <uv.h>

#define CHANNEL_FDS     8
#define CHANNEL_MAX     (16u << 20)
#define CHANNEL_BACKLOG (64u << 20)

struct channel;

struct channel_opts {
	/* `text` is NUL-terminated and lives for the call. The callee owns the fds in `fds` that it sets to -1; the rest is closed. */
	void (*on_message)(void *ctx, char *text, size_t len, int fds[CHANNEL_FDS], unsigned n_fds);
	void (*on_end)(void *ctx,
		int err); /* once: 0 at end of file, else negative errno. Call channel_close() then. */
	void *ctx;
};

/* Takes `fd` (made non-blocking), also on failure. */
int channel_open(uv_loop_t *loop, int fd, const struct channel_opts *o, struct channel **out) must_check;
/* Copies `text`; duplicates the fds, so that the caller may close its own. */
int channel_send(struct channel *c, const char *text, size_t len, const int *fds, unsigned n_fds) must_check;
/* Frees in the close callback. NULL is fine. No callback comes after this. */
void channel_close(struct channel *c);
