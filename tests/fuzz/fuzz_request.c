/* Any body as any request: views lie in it, and what rewriting makes of it reads as what was asked for. */
#include "fuzz.h"

#include "cql/rewrite.h"

#define OTHER ((struct cql_view){(const uint8_t *)"another id", 10})

static struct cql_view child_id(void *ctx, struct cql_view id)
{
	(void)ctx;
	return id.n & 1 ? OTHER : (struct cql_view){0};
}

static void check_params(const struct cql_params *p, struct cql_view body, uint8_t version)
{
	struct cql_view name;
	struct cql_value v;
	struct cql_reader r;
	uint16_t n = 0;

	MUST(inside(p->values, body) && inside(p->paging_state.view, body) && inside(p->keyspace, body));
	MUST(p->start <= p->flags_at && p->flags_at < p->timestamp_at && p->timestamp_at <= body.n);
	cql_reader_init(&r, p->values);
	while (cql_values_next(&r, p->flags & CQL_Q_NAMES, version, &name, &v)) {
		MUST(inside(name, body) && inside(v.view, body));
		n++;
	}
	MUST(cql_reader_ok(&r) && n == p->n_values);
}

/* Old and new parameters of one request. */
static void check_rewritten(
	const struct cql_params *old, const struct cql_params *now, const struct cql_rewrite *rw)
{
	uint32_t flags = old->flags | (rw->add_timestamp ? CQL_Q_TIMESTAMP : 0);

	if (rw->clear_skip_metadata)
		flags &= ~(uint32_t)CQL_Q_SKIP_METADATA;
	MUST(now->flags == flags);
	MUST(now->consistency == old->consistency && now->serial == old->serial &&
		now->page_size == old->page_size);
	MUST(cql_view_equal(now->values, old->values) && cql_view_equal(now->keyspace, old->keyspace));
	if (flags & CQL_Q_TIMESTAMP)
		MUST(now->timestamp == (old->flags & CQL_Q_TIMESTAMP ? old->timestamp : rw->timestamp));
}

static void query(
	const struct cql_header *h, struct cql_view body, const struct cql_rewrite *rw, struct cql_writer *w)
{
	struct cql_error err = {0};
	struct cql_query q, now;
	struct cql_header head;

	if (!cql_query_read(h, body, &q, &err)) {
		MUST(err.why && err.offset <= body.n);
		return;
	}
	MUST(inside(q.text, body));
	check_params(&q.params, body, h->version);
	cql_rewrite_query(h, body, &q, rw, w, &head);
	MUST(head.length == w->len && cql_query_read(&head, sink_view(w), &now, &err));
	MUST(cql_view_equal(q.text, now.text));
	check_rewritten(&q.params, &now.params, rw);
}

static void execute(
	const struct cql_header *h, struct cql_view body, const struct cql_rewrite *rw, struct cql_writer *w)
{
	struct cql_error err = {0};
	struct cql_execute x, now;
	struct cql_header head;

	if (!cql_execute_read(h, body, &x, &err)) {
		MUST(err.why && err.offset <= body.n);
		return;
	}
	MUST(inside(x.id, body) && inside(x.result_metadata_id, body));
	check_params(&x.params, body, h->version);
	cql_rewrite_execute(h, body, &x, rw, w, &head);
	MUST(head.length == w->len && cql_execute_read(&head, sink_view(w), &now, &err));
	MUST(cql_view_equal(now.id, rw->id.n ? rw->id : x.id));
	check_rewritten(&x.params, &now.params, rw);
}

static void batch(
	const struct cql_header *h, struct cql_view body, const struct cql_rewrite *rw, struct cql_writer *w)
{
	struct cql_batch_child c, c2;
	struct cql_error err = {0};
	struct cql_batch b, now;
	struct cql_header head;
	uint32_t at, at2;
	unsigned n = 0;

	if (!cql_batch_read(h, body, &b, &err)) {
		MUST(err.why && err.offset <= body.n);
		return;
	}
	check_params(&b.params, body, h->version);
	cql_rewrite_batch(h, body, &b, rw, w, &head);
	MUST(head.length == w->len && cql_batch_read(&head, sink_view(w), &now, &err));
	check_rewritten(&b.params, &now.params, rw);
	at = b.children_at;
	at2 = now.children_at;
	for (; cql_batch_next(&b, h->version, &at, &c); n++) {
		bool other = rw->child_id && c.prepared && c.text_or_id.n & 1;

		MUST(cql_batch_next(&now, h->version, &at2, &c2));
		MUST(inside(c.text_or_id, body) && cql_view_equal(c.values, c2.values));
		MUST(cql_view_equal(c2.text_or_id, other ? OTHER : c.text_or_id));
	}
	MUST(n == b.n && at == b.params.start && at2 == now.params.start);
}

static void prepare(
	const struct cql_header *h, struct cql_view body, const struct cql_rewrite *rw, struct cql_writer *w)
{
	struct cql_error err = {0};
	struct cql_prepare p, now;
	struct cql_header head;

	if (!cql_prepare_read(h, body, &p, &err)) {
		MUST(err.why && err.offset <= body.n);
		return;
	}
	cql_rewrite_prepare(h, body, &p, rw, w, &head);
	MUST(head.length == w->len && cql_prepare_read(&head, sink_view(w), &now, &err));
	MUST(cql_view_equal(p.text, now.text) && cql_view_equal(p.keyspace, now.keyspace));
}

/* A peek at a part never says what the whole would not. */
static void peek(const struct cql_header *h, struct cql_view body, size_t n)
{
	struct cql_view part = tight(body.p, n < body.n ? n : body.n), some, all;
	struct cql_error err;
	int r = cql_query_peek(h, part, &some, &err);

	if (r == 0)
		MUST(cql_query_peek(h, body, &all, &err) == 0 && cql_view_equal(all, some));
	if (r < 0)
		MUST(cql_query_peek(h, body, &all, &err) < 0);
	r = cql_execute_peek(h, part, &some, &err);
	if (r == 0)
		MUST(cql_execute_peek(h, body, &all, &err) == 0 && cql_view_equal(all, some));
	if (r < 0)
		MUST(cql_execute_peek(h, body, &all, &err) < 0);
	tight_free(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const kinds[])(const struct cql_header *, struct cql_view, const struct cql_rewrite *,
		struct cql_writer *) = {query, execute, batch, prepare};
	struct cql_writer w = SINK;
	struct cql_rewrite rw;
	struct cql_header h;
	struct cql_view body;

	if (size < 4)
		return 0;
	body = tight(data + 4, size - 4);
	h = (struct cql_header){.version = (uint8_t)(CQL_V3 + data[0] % 3),
		.flags = data[1] & ~CQL_FLAG_WARNING,
		.length = (uint32_t)body.n};
	rw = (struct cql_rewrite){.strip = data[2] & 1,
		.add_timestamp = data[2] & 2,
		.timestamp = 4242,
		.clear_skip_metadata = data[2] & 4,
		.id = data[2] & 8 ? OTHER : (struct cql_view){0},
		.result_metadata_id = data[2] & 16 ? OTHER : (struct cql_view){0},
		.child_id = data[2] & 32 ? child_id : NULL};
	kinds[data[0] / 3 % 4](&h, body, &rw, &w);
	peek(&h, body, data[3]);
	free(w.p);
	tight_free(body);
	return 0;
}
