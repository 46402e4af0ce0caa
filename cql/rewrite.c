#include "cql/rewrite.h"

/* Where the copy stands: everything of `body` before `at` is in `out` already, exchanged or not. */
struct copy {
	struct cql_view body;
	size_t at;
	struct cql_writer *out;
	size_t start; /* of the rewritten body in `out` */
};

static void copy_to(struct copy *c, size_t end)
{
	cql_write_raw(c->out, c->body.p + c->at, end - c->at);
	c->at = end;
}

bool cql_rewrite_is_copy(const struct cql_rewrite *rw, const struct cql_header *h)
{
	return !rw->add_timestamp && !rw->clear_skip_metadata && !rw->id.n && !rw->result_metadata_id.n &&
	       !rw->child_id && !(rw->strip && h->flags & (CQL_FLAG_TRACING | CQL_FLAG_PAYLOAD));
}

static struct copy begin(struct cql_view body, const struct cql_prefix *prefix, const struct cql_rewrite *rw,
	struct cql_writer *out)
{
	struct copy c = {.body = body, .out = out, .start = out->len};

	/* Most of what is exchanged is no longer than what was there; the timestamp is new. */
	cql_writer_reserve(out, body.n + sizeof rw->timestamp);
	if (rw->strip)
		c.at = prefix->size;
	return c;
}

static void end(
	struct copy *c, const struct cql_header *h, const struct cql_rewrite *rw, struct cql_header *head)
{
	copy_to(c, c->body.n);
	*head = *h;
	head->flags &= ~CQL_FLAG_COMPRESSED; /* bodies come here unpacked */
	if (rw->strip)
		head->flags &= ~(CQL_FLAG_TRACING | CQL_FLAG_PAYLOAD);
	head->length = (uint32_t)(c->out->len - c->start);
}

static void params(struct copy *c, uint8_t version, const struct cql_params *p, const struct cql_rewrite *rw)
{
	bool add = rw->add_timestamp && !(p->flags & CQL_Q_TIMESTAMP);
	uint32_t flags = p->flags | (add ? CQL_Q_TIMESTAMP : 0);

	if (rw->clear_skip_metadata)
		flags &= ~(uint32_t)CQL_Q_SKIP_METADATA;
	if (flags != p->flags) {
		copy_to(c, p->flags_at);
		if (version >= CQL_V5)
			cql_write_i32(c->out, (int32_t)flags);
		else
			cql_write_u8(c->out, (uint8_t)flags);
		c->at += version >= CQL_V5 ? 4 : 1;
	}
	if (add) {
		copy_to(c, p->timestamp_at);
		cql_write_i64(c->out, rw->timestamp);
	}
}

static void exchange(struct copy *c, size_t at, struct cql_view old, struct cql_view id)
{
	if (!id.n)
		return;
	copy_to(c, at);
	cql_write_short_bytes(c->out, id);
	c->at += 2 + old.n;
}

void cql_rewrite_query(const struct cql_header *h, struct cql_view body, const struct cql_query *q,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head)
{
	struct copy c = begin(body, &q->prefix, rw, out);

	params(&c, h->version, &q->params, rw);
	end(&c, h, rw, head);
}

void cql_rewrite_execute(const struct cql_header *h, struct cql_view body, const struct cql_execute *x,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head)
{
	struct copy c = begin(body, &x->prefix, rw, out);

	exchange(&c, x->id_at, x->id, rw->id);
	if (h->version >= CQL_V5)
		exchange(&c, x->id_at + 2 + x->id.n, x->result_metadata_id, rw->result_metadata_id);
	params(&c, h->version, &x->params, rw);
	end(&c, h, rw, head);
}

void cql_rewrite_batch(const struct cql_header *h, struct cql_view body, const struct cql_batch *b,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head)
{
	struct copy c = begin(body, &b->prefix, rw, out);
	uint32_t at = b->children_at;
	struct cql_batch_child child;

	while (rw->child_id && cql_batch_next(b, h->version, &at, &child))
		if (child.prepared)
			exchange(&c, child.at + 1, child.text_or_id, rw->child_id(rw->ctx, child.text_or_id));
	params(&c, h->version, &b->params, rw);
	end(&c, h, rw, head);
}

void cql_rewrite_prepare(const struct cql_header *h, struct cql_view body, const struct cql_prepare *p,
	const struct cql_rewrite *rw, struct cql_writer *out, struct cql_header *head)
{
	struct copy c = begin(body, &p->prefix, rw, out);

	end(&c, h, rw, head);
}
