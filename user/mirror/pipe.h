/*
 * A pipe: a wire that carries CQL. It decodes what comes in, encodes what goes out, keeps a long envelope under way from being
 * interrupted by others, and counts its bytes in the session's budget.
 *
 * Output is gathered until pipe_flush(), so that what one batch of input caused leaves in one write.
 */
#pragma once
#include "cql/decoder.h"
#include "cql/encoder.h"
#include "net/wire.h"

/* One a worker, shared by its pipes: they never run at the same time. */
struct pipe_scratch {
	uint8_t in[CQL_SEGMENT_MAX_PAYLOAD];
	uint8_t out[CQL_SEGMENT_MAX_PAYLOAD];
};

struct pipe;

struct pipe_ops {
	/* One piece of an envelope. The pipe may be closed inside; then no more comes. */
	void (*on_piece)(void *ctx, const struct cql_piece *piece);
	/* Bytes that are no CQL: see pipe->dec.fault. Nothing more comes. */
	void (*on_fault)(void *ctx);
	void (*on_batch)(void *ctx);  /* all envelopes of one read were given */
	void (*on_broken)(void *ctx); /* memory was short, output is lost: the pipe is closed */
};

struct pipe {
	struct wire *wire; /* NULL: closed */
	struct cql_decoder dec;
	struct cql_encoder enc;
	struct cql_writer out;
	struct cql_writer
		later; /* envelopes that wait for the end of the long one, as (header, body) in plain framing */
	struct pipe_ops ops;
	void *ctx;
	bool paused, faulted, feeding;
};

/* Frames up to this size come whole. */
#define PIPE_WHOLE (64u << 10)

void pipe_init(struct pipe *p, const struct cql_pack *pack, struct pipe_scratch *scratch, bool responses,
	uint32_t max_body, const struct pipe_ops *ops, void *ctx);
/* What the wire read; the owner's wire_ops call it. Returns the bytes consumed. */
size_t pipe_input(struct pipe *p, const uint8_t *bytes, size_t n);
void pipe_use_segments(struct pipe *p, bool lz4);
void pipe_pause(struct pipe *p, bool pause); /* input */
/* A whole envelope. */
void pipe_send(struct pipe *p, const struct cql_header *h, struct cql_view body);
/* A long one. Others sent meanwhile follow it. */
void pipe_send_begin(struct pipe *p, const struct cql_header *h);
void pipe_send_part(struct pipe *p, struct cql_view part);
void pipe_flush(struct pipe *p);
size_t pipe_backlog(const struct pipe *p); /* output that the socket did not take yet */
size_t pipe_memory(const struct pipe *p);
void pipe_close(struct pipe *p, bool reset);           /* idempotent */
void pipe_finish(struct pipe *p, unsigned timeout_ms); /* closes when the output is out */
