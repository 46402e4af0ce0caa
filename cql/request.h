/*
 * QUERY, PREPARE, EXECUTE, BATCH, REGISTER as views (spec §4.1.3–4.1.8). Bodies are plain (unpacked) and whole, custom payload included when
 * the header says so. Offsets count from the start of `body`.
 */
#pragma once
#include "cql/frame.h"

/* Query flags. One byte in v3 and v4, an [int] in v5. */
enum {
	CQL_Q_VALUES = 0x01,
	CQL_Q_SKIP_METADATA = 0x02,
	CQL_Q_PAGE_SIZE = 0x04,
	CQL_Q_PAGING_STATE = 0x08,
	CQL_Q_SERIAL = 0x10,
	CQL_Q_TIMESTAMP = 0x20,
	CQL_Q_NAMES = 0x40,
	CQL_Q_KEYSPACE = 0x80,
	CQL_Q_NOW = 0x100,
};

/* <query_parameters> of QUERY and EXECUTE; in a BATCH the part behind the statements. */
struct cql_params {
	uint16_t consistency, serial; /* serial only with CQL_Q_SERIAL */
	uint32_t flags;
	uint16_t n_values;
	struct cql_view values; /* encoded: n_values × ([name] [value]) */
	int32_t page_size;
	struct cql_value paging_state;
	int64_t timestamp;
	struct cql_view keyspace;
	int32_t now_in_seconds;
	uint32_t start;        /* offset of the consistency */
	uint32_t flags_at;     /* offset of the flags */
	uint32_t timestamp_at; /* offset of the timestamp: where it stands, or where it would */
};

struct cql_query {
	struct cql_prefix prefix;
	struct cql_view text;
	struct cql_params params;
};
struct cql_prepare {
	struct cql_prefix prefix;
	struct cql_view text;
	struct cql_view keyspace; /* v5, empty if none */
};
struct cql_execute {
	struct cql_prefix prefix;
	struct cql_view id, result_metadata_id; /* the latter v5 */
	uint32_t id_at;                         /* offset of the [short bytes] id */
	struct cql_params params;
};

enum cql_batch_type { CQL_BATCH_LOGGED, CQL_BATCH_UNLOGGED, CQL_BATCH_COUNTER };
struct cql_batch_child {
	bool prepared;
	struct cql_view text_or_id;
	uint32_t at;   /* offset of the child's kind byte */
	uint32_t size; /* of the whole child */
	uint16_t n_values;
	struct cql_view values;
};
struct cql_batch {
	struct cql_prefix prefix;
	uint8_t type;
	uint16_t n; /* children */
	uint32_t children_at;
	struct cql_params
		params; /* no driver sets values, page size or paging state here; a server reads them */
	struct cql_view body;
};

bool cql_query_read(
	const struct cql_header *h, struct cql_view body, struct cql_query *out, struct cql_error *err);
bool cql_prepare_read(
	const struct cql_header *h, struct cql_view body, struct cql_prepare *out, struct cql_error *err);
bool cql_execute_read(
	const struct cql_header *h, struct cql_view body, struct cql_execute *out, struct cql_error *err);
bool cql_batch_read(
	const struct cql_header *h, struct cql_view body, struct cql_batch *out, struct cql_error *err);
/* Only the part that routing needs, from the front of a body of which the rest may not have come yet: 0 ok, 1 more bytes needed, -1 *err. */
int cql_query_peek(
	const struct cql_header *h, struct cql_view front, struct cql_view *text, struct cql_error *err);
int cql_execute_peek(
	const struct cql_header *h, struct cql_view front, struct cql_view *id, struct cql_error *err);

/* Children of a batch that was read: start with *at = batch->children_at; false at the end. */
bool cql_batch_next(const struct cql_batch *b, uint8_t version, uint32_t *at, struct cql_batch_child *out);
/* Bound values: start with r = reader over params->values; false at the end. `name` is empty without CQL_Q_NAMES. */
bool cql_values_next(
	struct cql_reader *r, bool names, uint8_t version, struct cql_view *name, struct cql_value *out);

struct cql_query_opts {
	uint16_t consistency;
	int32_t page_size; /* 0: none */
	struct cql_view paging_state;
};
/* Bodies of Seam's own requests, no values. */
void cql_query_write(
	struct cql_writer *w, uint8_t version, struct cql_view text, const struct cql_query_opts *o);
void cql_prepare_write(struct cql_writer *w, uint8_t version, struct cql_view text, struct cql_view keyspace);
