/* Feeds a decoder with bytes as a socket would, from memory that moves between two calls, and gathers what comes out. */
#pragma once
#include "unit/cql/sink.h"

#include "client/pack.h"
#include "cql/decoder.h"
#include "cql/encoder.h"

enum framing { PLAIN, LZ4_BODIES, SNAPPY_BODIES, SEGMENTS, SEGMENTS_LZ4, N_FRAMINGS };

struct feeder {
	struct cql_decoder d;
	struct cql_writer held; /* came and not consumed */
	struct cql_writer got;  /* envelopes, headers and bodies */
	size_t envelopes, pieces, most_held;
	size_t envelope_at; /* in `got`: of the envelope being gathered */
	bool amid;
	bool discard; /* gather nothing, only count: for what is too big */
	uint64_t body_bytes;
	uint8_t scratch[CQL_SEGMENT_MAX_PAYLOAD];
};

static inline struct feeder *feeder_new(enum framing framing, bool responses, uint32_t whole)
{
	struct feeder *f = calloc(1, sizeof *f);

	assert_non_null(f);
	f->held = f->got = SINK;
	cql_decoder_init(&f->d, &(struct cql_decoder_opts){.pack = pack_libs(),
					.responses = responses,
					.max_body = CQL_MAX_BODY,
					.whole = whole,
					.scratch = f->scratch});
	if (framing >= SEGMENTS)
		cql_decoder_use_segments(&f->d, framing == SEGMENTS_LZ4);
	return f;
}

static inline void feeder_free(struct feeder *f)
{
	sink_free(&f->held);
	sink_free(&f->got);
	free(f);
}

static inline void feeder_piece(struct feeder *f, const struct cql_piece *p)
{
	uint8_t head[CQL_HEADER_SIZE];

	assert_int_equal(p->first, !f->amid);
	f->amid = !p->last;
	f->pieces++;
	f->envelopes += p->last;
	f->body_bytes += p->body.n;
	cql_header_write(head, &p->head);
	if (p->first && p->last) {
		assert_int_equal(p->raw.n, CQL_HEADER_SIZE + p->head.length);
		assert_memory_equal(p->raw.p, head, sizeof head);
		assert_ptr_equal(p->raw.p + CQL_HEADER_SIZE, p->body.p);
		assert_true(p->raw.n <= f->d.o.whole);
	} else {
		assert_null(p->raw.p);
	}
	if (f->discard)
		return;
	if (p->first) {
		f->envelope_at = f->got.len;
		cql_write_raw(&f->got, head, sizeof head);
	}
	cql_write_view(&f->got, p->body);
	if (p->last)
		assert_int_equal(f->got.len - f->envelope_at, CQL_HEADER_SIZE + p->head.length);
}

/* Returns what pull said at last: 0, or -1. */
static inline int feeder_feed(struct feeder *f, const uint8_t *p, size_t n)
{
	struct cql_view all, in;
	struct cql_piece piece;
	int r;

	cql_write_raw(&f->held, p, n);
	all = in = tight(f->held.p, f->held.len);
	while ((r = cql_decoder_pull(&f->d, &in, &piece)) > 0)
		feeder_piece(f, &piece);
	f->held.len = 0;
	cql_write_view(&f->held, in);
	if (in.n > f->most_held)
		f->most_held = in.n;
	tight_free(all);
	return r;
}
