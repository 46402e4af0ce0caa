#include "cql/request.h"

/* What stands behind a request's known fields is left alone, as servers do: newer drivers may write more (spec v5 §2.4). */

static bool report(const struct cql_reader *r, struct cql_error *err)
{
	if (cql_reader_ok(r))
		return true;
	*err = r->error;
	return false;
}

static uint32_t offset(const struct cql_reader *r)
{
	return (uint32_t)cql_reader_offset(r);
}

/* Unset values came with v4. */
static bool may_be_unset(uint8_t version)
{
	return version >= CQL_V4;
}

static struct cql_view read_values(struct cql_reader *r, uint16_t n, bool names, uint8_t version)
{
	const uint8_t *at = r->p;

	for (; n && cql_reader_ok(r); n--) {
		if (names)
			cql_read_string(r);
		cql_read_value(r, may_be_unset(version));
	}
	return (struct cql_view){at, (size_t)(r->p - at)};
}

/*
 * In a BATCH too servers read all of these, though the spec forbids the first four there (QueryOptions.codec is shared): so must we,
 * or our offsets would be others than theirs.
 */
static void read_params(struct cql_reader *r, uint8_t version, struct cql_params *p)
{
	p->start = offset(r);
	p->consistency = cql_read_u16(r);
	p->flags_at = offset(r);
	p->flags = version >= CQL_V5 ? (uint32_t)cql_read_i32(r) : cql_read_u8(r);
	if (p->flags & CQL_Q_VALUES) {
		p->n_values = cql_read_u16(r);
		p->values = read_values(r, p->n_values, p->flags & CQL_Q_NAMES, version);
	}
	if (p->flags & CQL_Q_PAGE_SIZE)
		p->page_size = cql_read_i32(r);
	if (p->flags & CQL_Q_PAGING_STATE)
		p->paging_state = cql_read_bytes(r);
	if (p->flags & CQL_Q_SERIAL)
		p->serial = cql_read_u16(r);
	p->timestamp_at = offset(r);
	if (p->flags & CQL_Q_TIMESTAMP)
		p->timestamp = cql_read_i64(r);
	if (version < CQL_V5)
		return;
	if (p->flags & CQL_Q_KEYSPACE)
		p->keyspace = cql_read_string(r);
	if (p->flags & CQL_Q_NOW)
		p->now_in_seconds = cql_read_i32(r);
}

bool cql_query_read(
	const struct cql_header *h, struct cql_view body, struct cql_query *out, struct cql_error *err)
{
	struct cql_query q = {0};
	struct cql_reader r;

	cql_reader_init(&r, body);
	cql_prefix_read(h, &r, &q.prefix);
	q.text = cql_read_long_string(&r);
	read_params(&r, h->version, &q.params);
	if (!report(&r, err))
		return false;
	*out = q;
	return true;
}

bool cql_prepare_read(
	const struct cql_header *h, struct cql_view body, struct cql_prepare *out, struct cql_error *err)
{
	struct cql_prepare p = {0};
	struct cql_reader r;

	cql_reader_init(&r, body);
	cql_prefix_read(h, &r, &p.prefix);
	p.text = cql_read_long_string(&r);
	if (h->version >= CQL_V5 && cql_read_i32(&r) & 1)
		p.keyspace = cql_read_string(&r);
	if (!report(&r, err))
		return false;
	*out = p;
	return true;
}

bool cql_execute_read(
	const struct cql_header *h, struct cql_view body, struct cql_execute *out, struct cql_error *err)
{
	struct cql_execute x = {0};
	struct cql_reader r;

	cql_reader_init(&r, body);
	cql_prefix_read(h, &r, &x.prefix);
	x.id_at = offset(&r);
	x.id = cql_read_short_bytes(&r);
	if (h->version >= CQL_V5)
		x.result_metadata_id = cql_read_short_bytes(&r);
	read_params(&r, h->version, &x.params);
	if (!report(&r, err))
		return false;
	*out = x;
	return true;
}

static void read_child(struct cql_reader *r, uint8_t version, struct cql_batch_child *c)
{
	uint8_t kind;

	c->at = offset(r);
	kind = cql_read_u8(r);
	if (kind > 1) {
		r->p--;
		cql_reader_fail(r, "unknown kind of statement in a batch");
	}
	c->prepared = kind == 1;
	c->text_or_id = kind ? cql_read_short_bytes(r) : cql_read_long_string(r);
	c->n_values = cql_read_u16(r);
	c->values = read_values(r, c->n_values, false, version);
	c->size = offset(r) - c->at;
}

bool cql_batch_read(
	const struct cql_header *h, struct cql_view body, struct cql_batch *out, struct cql_error *err)
{
	struct cql_batch b = {.body = body};
	struct cql_batch_child child;
	struct cql_reader r;

	cql_reader_init(&r, body);
	cql_prefix_read(h, &r, &b.prefix);
	b.type = cql_read_u8(&r);
	if (b.type > CQL_BATCH_COUNTER) {
		r.p--;
		cql_reader_fail(&r, "unknown kind of batch");
	}
	b.n = cql_read_u16(&r);
	b.children_at = offset(&r);
	for (uint16_t i = 0; i < b.n && cql_reader_ok(&r); i++)
		read_child(&r, h->version, &child);
	read_params(&r, h->version, &b.params);
	if (!report(&r, err))
		return false;
	*out = b;
	return true;
}

/* A reader that ran into the end of a front may do better with more bytes; one that has the whole body may not. */
static int peeked(
	const struct cql_header *h, struct cql_view front, const struct cql_reader *r, struct cql_error *err)
{
	if (cql_reader_ok(r))
		return 0;
	if (r->error.why == cql_truncated && front.n < h->length)
		return 1;
	*err = r->error;
	return -1;
}

int cql_query_peek(
	const struct cql_header *h, struct cql_view front, struct cql_view *text, struct cql_error *err)
{
	struct cql_prefix prefix;
	struct cql_reader r;
	struct cql_view got;
	int state;

	cql_reader_init(&r, front);
	cql_prefix_read(h, &r, &prefix);
	got = cql_read_long_string(&r);
	state = peeked(h, front, &r, err);
	if (state == 0)
		*text = got;
	return state;
}

int cql_execute_peek(
	const struct cql_header *h, struct cql_view front, struct cql_view *id, struct cql_error *err)
{
	struct cql_prefix prefix;
	struct cql_reader r;
	struct cql_view got;
	int state;

	cql_reader_init(&r, front);
	cql_prefix_read(h, &r, &prefix);
	got = cql_read_short_bytes(&r);
	state = peeked(h, front, &r, err);
	if (state == 0)
		*id = got;
	return state;
}

bool cql_batch_next(const struct cql_batch *b, uint8_t version, uint32_t *at, struct cql_batch_child *out)
{
	struct cql_batch_child child = {0};
	struct cql_reader r;

	if (*at >= b->params.start)
		return false;
	cql_reader_init(&r, b->body);
	cql_read_raw(&r, *at);
	read_child(&r, version, &child);
	if (!cql_reader_ok(&r))
		return false;
	*at = offset(&r);
	*out = child;
	return true;
}

bool cql_values_next(
	struct cql_reader *r, bool names, uint8_t version, struct cql_view *name, struct cql_value *out)
{
	struct cql_view n = {0};
	struct cql_value v;

	if (!cql_reader_left(r))
		return false;
	if (names)
		n = cql_read_string(r);
	v = cql_read_value(r, may_be_unset(version));
	if (!cql_reader_ok(r))
		return false;
	*name = n;
	*out = v;
	return true;
}

void cql_query_write(
	struct cql_writer *w, uint8_t version, struct cql_view text, const struct cql_query_opts *o)
{
	uint8_t flags = (o->page_size ? CQL_Q_PAGE_SIZE : 0) | (o->paging_state.n ? CQL_Q_PAGING_STATE : 0);

	cql_write_long_string(w, text);
	cql_write_u16(w, o->consistency);
	if (version >= CQL_V5)
		cql_write_i32(w, flags);
	else
		cql_write_u8(w, flags);
	if (o->page_size)
		cql_write_i32(w, o->page_size);
	if (o->paging_state.n)
		cql_write_bytes(w, o->paging_state);
}

void cql_prepare_write(struct cql_writer *w, uint8_t version, struct cql_view text, struct cql_view keyspace)
{
	cql_write_long_string(w, text);
	if (version < CQL_V5)
		return;
	cql_write_i32(w, keyspace.n ? 1 : 0);
	if (keyspace.n)
		cql_write_string(w, keyspace);
}
