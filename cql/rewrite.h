/*
 * A request as another cluster must see it: the same bytes, with parts exchanged. Copies once, into `out`.
 */
#pragma once
#include "cql/request.h"

struct cql_rewrite {
	bool strip; /* take out the custom payload and clear the header's tracing and payload flags (Target never sees them) */
	bool add_timestamp; /* set CQL_Q_TIMESTAMP with `timestamp`; only when the request has none */
	int64_t timestamp;  /* µs */
	bool clear_skip_metadata;
	struct cql_view id;                 /* EXECUTE: the other cluster's id; empty: keep */
	struct cql_view result_metadata_id; /* EXECUTE v5: likewise */
	/* BATCH: the other cluster's id of a prepared child; NULL, or an empty view: keep. */
	struct cql_view (*child_id)(void *ctx, struct cql_view id);
	void *ctx;
};

/* Nothing to change: the bytes can be sent as they are. */
bool cql_rewrite_is_copy(const struct cql_rewrite *rw, const struct cql_header *h);
/*
 * Append the rewritten body to `out` and set *head (flags, length; stream as in h). Since `body` is unpacked, the head never says COMPRESSED.
 */
void cql_rewrite_query(const struct cql_header *h, struct cql_view body, const struct cql_query *q,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head);
void cql_rewrite_execute(const struct cql_header *h, struct cql_view body, const struct cql_execute *x,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head);
void cql_rewrite_batch(const struct cql_header *h, struct cql_view body, const struct cql_batch *b,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head);
void cql_rewrite_prepare(const struct cql_header *h, struct cql_view body, const struct cql_prepare *p,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head);
