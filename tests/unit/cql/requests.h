/* Requests put together field by field as the spec lists them, for readers and rewriting to be held against. */
#pragma once
#include "unit/cql/sink.h"

#include "cql/request.h"

#define TEXT  V("INSERT INTO ks.t (k, v) VALUES (?, ?)")
#define ID    V("0123456789abcdef")
#define RM_ID V("result-metadata!")
#define STAMP INT64_C(0x0102030405060708)

struct wanted {
	uint8_t version;
	uint32_t flags; /* of the query */
	bool payload;   /* a custom payload before it */
};

static inline struct cql_header head_of(const struct wanted *s, uint8_t opcode, size_t n)
{
	return (struct cql_header){.version = s->version,
		.opcode = opcode,
		.stream = 77,
		.flags = s->payload ? CQL_FLAG_PAYLOAD | CQL_FLAG_TRACING : CQL_FLAG_TRACING,
		.length = (uint32_t)n};
}

static inline void put_prefix(struct cql_writer *w, const struct wanted *s)
{
	if (!s->payload)
		return;
	cql_write_u16(w, 2);
	cql_write_string(w, V("key"));
	cql_write_bytes(w, V("value"));
	cql_write_string(w, V("nothing"));
	cql_write_null(w);
}

static inline void put_flags(struct cql_writer *w, uint8_t version, uint32_t flags)
{
	if (version >= CQL_V5)
		cql_write_i32(w, (int32_t)flags);
	else
		cql_write_u8(w, (uint8_t)flags);
}

static inline void put_values(struct cql_writer *w, uint8_t version, bool names)
{
	cql_write_u16(w, 3);
	if (names)
		cql_write_string(w, V("a"));
	cql_write_bytes(w, V("one"));
	if (names)
		cql_write_string(w, V("b"));
	cql_write_null(w);
	if (names)
		cql_write_string(w, V("c"));
	cql_write_i32(w, version >= CQL_V4 ? -2 : 0);
}

/* With `stamp` the timestamp goes in even though s->flags lacks it: what rewriting must make of it. */
static inline void put_params(struct cql_writer *w, const struct wanted *s, bool stamp)
{
	uint32_t flags = s->flags | (stamp ? CQL_Q_TIMESTAMP : 0);

	cql_write_u16(w, CQL_LOCAL_QUORUM);
	put_flags(w, s->version, flags);
	if (flags & CQL_Q_VALUES)
		put_values(w, s->version, flags & CQL_Q_NAMES);
	if (flags & CQL_Q_PAGE_SIZE)
		cql_write_i32(w, 5000);
	if (flags & CQL_Q_PAGING_STATE)
		cql_write_bytes(w, V("state"));
	if (flags & CQL_Q_SERIAL)
		cql_write_u16(w, CQL_LOCAL_SERIAL);
	if (flags & CQL_Q_TIMESTAMP)
		cql_write_i64(w, stamp && !(s->flags & CQL_Q_TIMESTAMP) ? 4242 : STAMP);
	if (flags & CQL_Q_KEYSPACE)
		cql_write_string(w, V("other_ks"));
	if (flags & CQL_Q_NOW)
		cql_write_i32(w, 1700000000);
}

static inline void put_query(struct cql_writer *w, const struct wanted *s, bool stamp)
{
	put_prefix(w, s);
	cql_write_long_string(w, TEXT);
	put_params(w, s, stamp);
}

static inline void put_execute(
	struct cql_writer *w, const struct wanted *s, bool stamp, struct cql_view id, struct cql_view rm_id)
{
	put_prefix(w, s);
	cql_write_short_bytes(w, id);
	if (s->version >= CQL_V5)
		cql_write_short_bytes(w, rm_id);
	put_params(w, s, stamp);
}

/* A text, a prepared child with values, another prepared one without. */
static inline void put_batch(struct cql_writer *w, const struct wanted *s, bool stamp, struct cql_view id,
	struct cql_view other_id)
{
	put_prefix(w, s);
	cql_write_u8(w, CQL_BATCH_UNLOGGED);
	cql_write_u16(w, 3);
	cql_write_u8(w, 0);
	cql_write_long_string(w, TEXT);
	put_values(w, s->version, false);
	cql_write_u8(w, 1);
	cql_write_short_bytes(w, id);
	put_values(w, s->version, false);
	cql_write_u8(w, 1);
	cql_write_short_bytes(w, other_id);
	cql_write_u16(w, 0);
	put_params(w, s, stamp);
}

static inline void put_prepare(struct cql_writer *w, const struct wanted *s)
{
	put_prefix(w, s);
	cql_write_long_string(w, TEXT);
	if (s->version < CQL_V5)
		return;
	cql_write_i32(w, s->flags & CQL_Q_KEYSPACE ? 1 : 0);
	if (s->flags & CQL_Q_KEYSPACE)
		cql_write_string(w, V("other_ks"));
}

/* Every combination of version, flags and payload that can be: for (struct wanted s = WANTED; wanted_ok(&s); wanted_next(&s)). */
#define WANTED                                                                                               \
	{                                                                                                    \
		.version = CQL_V3                                                                            \
	}

static inline bool wanted_ok(const struct wanted *s)
{
	return s->version <= CQL_V5;
}

static inline void wanted_next(struct wanted *s)
{
	if (s->version >= CQL_V4 && !s->payload) {
		s->payload = true;
		return;
	}
	s->payload = false;
	s->flags++;
	if (s->flags < (s->version >= CQL_V5 ? 0x200u : 0x80u))
		return;
	s->flags = 0;
	s->version++;
}
