/*
 * A peer: one connection of the load client to one node. It starts up (no login), prepares the lab's two statements, then carries
 * pipelined EXECUTEs. Rows are (id bigint, w bigint, v text); all of a row follows from its id, so whoever reads it knows what must stand there.
 *
 * Every request is answered exactly once through on_done; with a failure when the connection ends first.
 */
#pragma once
#include "base/endpoint.h"
#include "net/wire.h"

#define PEER_STREAMS 128
#define PEER_WHY     256

struct peer_opts {
	struct endpoint to;
	uint8_t version;             /* of the protocol: 3, 4, 5 */
	const char *insert, *select; /* what is prepared; must outlive the peer */
	unsigned timeout_ms;         /* for the handshake, and for each request */
};

struct peer_request {
	int64_t id;
	bool write;
	bool again;        /* a row that was written before */
	uint64_t since_ns; /* CLOCK_MONOTONIC */
};

enum peer_outcome {
	PEER_OK,
	PEER_FAILED, /* the node answered with an error, or the connection ended: a write's outcome is unknown */
	PEER_WRONG, /* a read came back without the row, or with other values */
};

struct peer;

struct peer_ops {
	void (*on_up)(void *ctx, struct peer *p);
	void (*on_done)(void *ctx, const struct peer_request *r, enum peer_outcome o, const char *why);
	void (*on_end)(void *ctx, struct peer *p, bool was_up,
		const char *why); /* once; peer_close() then, but not inside it */
};

int peer_open(struct wire_hub *hub, const struct peer_opts *o, const struct peer_ops *ops, void *ctx,
	struct peer **out) must_check;
bool peer_up(const struct peer *p);
unsigned peer_outstanding(const struct peer *p);
/* Write or read row `id`. -ENOBUFS: all streams are taken; -ENOTCONN: not up. Only on 0 will on_done be called. */
int peer_ask(struct peer *p, int64_t id, bool write, bool again) must_check;
/* Ends the peer when its handshake or its oldest request is over time. */
void peer_check(struct peer *p);
/* Not from inside a callback. No callbacks come any more, not even for what is outstanding. NULL is fine. */
void peer_close(struct peer *p);
