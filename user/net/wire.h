/*
 * A wire: one byte stream, read and written on one thread's libuv loop. Nothing of CQL, nothing of TLS.
 *
 * Input is not kept: bytes are read into the hub's one buffer and offered to on_input; what it doesn't consume is saved and offered
 * again, with more behind it. So an idle wire holds no buffer. Output that the socket doesn't take at once is queued without limit:
 * the owner watches wire_backlog() and stops its sources.
 *
 * Callbacks come from the loop only, never from inside a call of this header, and never after wire_close().
 */
#pragma once
#include "base/attr.h"
#include "base/endpoint.h"
#include <stdbool.h>
#include <uv.h>

/* One a thread. `buffer` must be at least twice what on_input may leave unconsumed. */
struct wire_hub {
	uv_loop_t *loop;
	uint8_t *buffer;
	size_t cap;
};

#define WIRE_BUFFER (512u << 10)

int wire_hub_init(struct wire_hub *h, uv_loop_t *loop) must_check;
void wire_hub_fini(struct wire_hub *h);

struct wire;

struct wire_ops {
	void (*on_open)(void *ctx);                                /* a dialled wire is connected */
	size_t (*on_input)(void *ctx, const uint8_t *p, size_t n); /* returns how many bytes it consumed */
	void (*on_end)(void *ctx,
		int err); /* once: 0 = end of file, else negative errno; the wire still must be closed */
	void (*on_drain)(void *ctx); /* the backlog fell to zero after it had not been */
};

/* Takes a connected socket (also on failure). Starts reading. */
int wire_adopt(
	struct wire_hub *h, int fd, const struct wire_ops *ops, void *ctx, struct wire **out) must_check;
/* Connects within timeout_ms, then on_open, or on_end (-ETIMEDOUT, -ECONNREFUSED, …). Bytes written before are sent after. */
int wire_dial(struct wire_hub *h, const struct endpoint *to, unsigned timeout_ms, const struct wire_ops *ops,
	void *ctx, struct wire **out) must_check;
/* Stop or go on reading. Saved input is offered again from the loop when reading goes on. */
void wire_reading(struct wire *w, bool on);
/* Sends or queues; the bytes are copied as far as needed. Errors come by on_end. */
void wire_write(struct wire *w, const uint8_t *p, size_t n);
size_t wire_backlog(const struct wire *w); /* bytes queued toward the peer */
size_t wire_held(const struct wire *w);    /* bytes of input saved */
/* Closes after what the kernel took; queued bytes are dropped. With reset the peer sees RST. NULL is fine. */
void wire_close(struct wire *w, bool reset);
/* Closes once the backlog is out, at the latest after timeout_ms. No callbacks come any more. */
void wire_finish(struct wire *w, unsigned timeout_ms);
