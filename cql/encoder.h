/*
 * The other direction: envelopes in, wire bytes appended to a writer. Plain framing is a copy. In segments small envelopes share one
 * self-contained segment until flush; a long one goes in slices of its own, its header whole in the first (spec v5 §2.2).
 *
 * A flush amid an envelope that was begun closes what there is of it as a slice; so an envelope that comes in parts never holds back what was
 * written.
 *
 * The open segment lies at the end of `out`, its header not written yet: call cql_encoder_flush() before bytes of `out` are sent, and keep
 * all of `out` from the open segment on where it is until then. A segment's header is always contiguous in `out`, and so leaves in one piece
 * (the Python driver fails on headers that arrive in parts).
 */
#pragma once
#include "cql/frame.h"
#include "cql/segment.h"

struct cql_encoder {
	const struct cql_pack *pack;
	uint8_t *
		scratch; /* CQL_SEGMENT_MAX_PAYLOAD bytes, for packing; used inside calls only; may be NULL without lz4 */
	bool segments, lz4;
	bool open;           /* a segment is being filled */
	bool self_contained; /* … with whole envelopes */
	bool split;          /* the envelope begun has left a segment behind already */
	size_t open_at;      /* where in `out` its header will stand */
	uint32_t body_left;  /* of the envelope begun with cql_encode_begin() */
};

void cql_encoder_init(struct cql_encoder *e, const struct cql_pack *pack, uint8_t *scratch);
void cql_encoder_use_segments(struct cql_encoder *e, bool lz4);
/* A whole envelope; h->length is set from body.n. Between begin and the end of its body nothing else may be encoded. */
void cql_encode(
	struct cql_encoder *e, struct cql_writer *out, const struct cql_header *h, struct cql_view body);
/* An envelope whose body comes in parts, h->length bytes in all. */
void cql_encode_begin(struct cql_encoder *e, struct cql_writer *out, const struct cql_header *h);
void cql_encode_body(struct cql_encoder *e, struct cql_writer *out, struct cql_view part);
/* Close the open segment. Failure (memory) is out->failed, as everywhere. */
void cql_encoder_flush(struct cql_encoder *e, struct cql_writer *out);
