/*
 * One direction of one connection: wire bytes in, envelopes out. Streaming: nothing here holds a body.
 *
 *   while ((r = cql_decoder_pull(&d, &in, &piece)) > 0) …use piece…
 *
 * `in` is what the socket gave and was not consumed yet; pull moves its start. Bytes that stay in `in` when pull says 0 must be
 * offered again, with more behind them: at most max(whole, CQL_SEGMENT_MAX) bytes.
 *
 * Between two calls those bytes may move; nothing here points to them.
 *
 * An envelope comes as one piece (first && last) when all of it is at hand and it is no longer than `whole` bytes (header included); up to that
 * size pull waits for it on plain framing. A longer one comes as pieces, as its bytes come, the first of which
 * has `whole` bytes on plain framing (so that what stands at a body's front is mostly in it). In segments an envelope that spans segments
 * always comes in pieces. So a caller that must see a whole body gathers pieces, whatever their number.
 */
#pragma once
#include "cql/frame.h"
#include "cql/segment.h"

struct cql_decoder_opts {
	const struct cql_pack *pack;
	bool responses;    /* what comes must be responses (else requests) */
	uint32_t max_body; /* a longer body is an error */
	uint32_t whole;    /* see above; at least CQL_HEADER_SIZE */
	uint8_t *
		scratch; /* CQL_SEGMENT_MAX_PAYLOAD bytes for unpacked segments; may be shared between decoders of one thread, see below */
};

struct cql_piece {
	struct cql_header head; /* the envelope's, in every piece */
	struct cql_view raw;    /* header and body, contiguous; only if first && last */
	struct cql_view body;   /* body bytes of this piece */
	bool first, last;
};

enum cql_decoder_fault {
	CQL_FAULT_NONE,
	CQL_FAULT_VERSION, /* a version that is none of 3, 4, 5, or not the connection's: fault_version says which */
	CQL_FAULT_DIRECTION, /* a response where requests were expected, or the reverse */
	CQL_FAULT_OPCODE,
	CQL_FAULT_LENGTH,  /* body longer than max_body */
	CQL_FAULT_SEGMENT, /* CRC, lengths, envelopes that don't fit their segment */
};

struct cql_decoder {
	struct cql_decoder_opts o;
	uint8_t version; /* 0 until the first envelope; then it must not change */
	bool segments, lz4;
	/* the envelope being read */
	struct cql_header head;
	uint32_t body_left;
	bool in_body;
	/* the segment being read: its payload not yet given out */
	struct cql_view payload;
	bool self_contained, have_segment;
	uint64_t consumed; /* bytes of the connection before `in` */
	enum cql_decoder_fault fault;
	uint8_t fault_version;        /* as on the wire, without the direction bit */
	struct cql_header fault_head; /* as far as it could be read: its stream is what an answer goes to */
	struct cql_error error;       /* offset counts in the connection */
};

void cql_decoder_init(struct cql_decoder *d, const struct cql_decoder_opts *o);
/* From the next byte on the peer sends segments (after READY or AUTHENTICATE of v5, spec v5 §2.1). */
void cql_decoder_use_segments(struct cql_decoder *d, bool lz4);
/* 1: *out is filled, its views borrow from `in` or from scratch until the next call. 0: more bytes are needed. -1: fault, error. It stays so. */
int cql_decoder_pull(struct cql_decoder *d, struct cql_view *in, struct cql_piece *out);
/* Unpacked bytes not given out yet lie in scratch: pull on before another decoder may use it. */
bool cql_decoder_holds_scratch(const struct cql_decoder *d);
