/* QUERY, PREPARE, EXECUTE, BATCH (conn.h): read, broken on purpose if a fault says so, run, answered. */
#include "conn.h"
#include "client/pack.h"
#include "parse.h"
#include "resolve.h"
#include "statement.h"
#include "uuid.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct held {
	struct list link;
	uv_timer_t timer;
	struct conn *conn; /* NULL: it is gone */
	struct cql_header head;
	struct cql_view body;
};

/* One request: its views borrow from the body, its answer goes to `out`. */
struct request {
	struct conn *conn;
	const struct cql_header *head;
	struct cql_view body;
	struct cql_writer *out;
	struct problem why;
	struct outcome outcome;
	struct exec x;
};

void request_error(struct conn *c, int16_t stream, int32_t code, const char *text)
{
	struct cql_server_error e = {.code = code, .message = cql_view_of(text ? text : "malformed message")};
	struct cql_writer *out = &c->node->cluster->body;

	out->len = 0;
	cql_error_write(out, c->version ? c->version : c->node->cluster->o.max_version, &e);
	conn_answer(c, stream, CQL_ERROR, (struct cql_view){0}, (struct cql_view){out->p, out->len});
}

static void answer_problem(struct request *q)
{
	const struct problem *p = &q->why;
	struct cql_server_error e = {.code = p->code,
		.message = cql_view_of(p->text),
		.keyspace = cql_view_of(p->keyspace),
		.name = cql_view_of(p->name),
		.id = {p->id, p->id_len},
		.consistency = q->x.consistency,
		.block_for = 1,
		.n_failures = 0,
		.write_type = cql_view_of("SIMPLE")};

	q->out->len = 0;
	q->out->failed = false;
	cql_error_write(q->out, q->conn->version, &e);
	conn_answer(q->conn, q->head->stream, CQL_ERROR, (struct cql_view){0},
		(struct cql_view){q->out->p, q->out->len});
}

static int malformed(struct request *q, const struct cql_error *err)
{
	return problem_set(&q->why, CQL_E_PROTOCOL, "%s (at byte %u of the body)",
		err->why ? err->why : "malformed", err->offset);
}

/* ---- parameters */

static void begin(struct request *q)
{
	struct cluster *k = q->conn->node->cluster;

	q->x = (struct exec){.cluster = k,
		.node = q->conn->node,
		.a = &k->arena,
		.why = &q->why,
		.version = q->conn->version,
		.keyspace = q->conn->keyspace ? cql_view_of(q->conn->keyspace) : (struct cql_view){0},
		.now_us = cluster_now_us(k)};
	q->x.now = (uint32_t)(q->x.now_us / 1000000);
	q->x.timestamp = q->x.now_us;
}

static int common(struct request *q, const struct cql_params *p)
{
	struct exec *x = &q->x;

	x->consistency = p->consistency;
	x->skip_metadata = p->flags & CQL_Q_SKIP_METADATA;
	if (p->flags & CQL_Q_KEYSPACE && p->keyspace.n)
		x->keyspace = p->keyspace;
	if (p->flags & CQL_Q_TIMESTAMP) {
		if (p->timestamp == INT64_MIN)
			return problem_set(&q->why, CQL_E_PROTOCOL,
				"Out of bound timestamp, must be in [%lld, %lld]", (long long)INT64_MIN + 1,
				(long long)INT64_MAX);
		x->timestamp = p->timestamp;
	}
	if (p->flags & CQL_Q_NOW)
		x->now = (uint32_t)p->now_in_seconds;
	if (p->flags & CQL_Q_PAGE_SIZE) {
		if (p->page_size == 0)
			return problem_set(&q->why, CQL_E_PROTOCOL, "The page size cannot be 0");
		x->page_size = p->page_size;
	}
	if (p->flags & CQL_Q_PAGING_STATE)
		x->paging_state = p->paging_state;
	return 0;
}

/* Bound values to the statement's markers, by place or by name. */
static int bind_values(
	struct request *q, const struct stmt *s, struct cql_view encoded, uint16_t n, bool names)
{
	struct cql_value *values = ARENA_ARRAY(q->x.a, struct cql_value, s->n_markers + 1u), v;
	bool *seen = ARENA_ARRAY(q->x.a, bool, s->n_markers + 1u);
	struct cql_view name;
	struct cql_reader r;
	uint32_t i = 0;

	if (!names && n != s->n_markers)
		return problem_invalid(
			&q->why, "there were %u markers(?) in CQL but %u bound variables", s->n_markers, n);
	cql_reader_init(&r, encoded);
	for (; i < n && cql_values_next(&r, names, q->conn->version, &name, &v); i++) {
		if (!names) {
			values[i] = v;
			continue;
		}
		for (int k = 0; k < s->n_markers; k++)
			if (cql_view_equal(s->markers[k].name, name)) {
				values[k] = v;
				seen[k] = true;
			}
	}
	if (!cql_reader_ok(&r))
		return malformed(q, &r.error);
	for (int k = 0; names && k < s->n_markers; k++)
		if (!seen[k])
			return problem_invalid(&q->why,
				"Invalid unset value for bind variable %.*s: it is not among the named "
				"values",
				PV(s->markers[k].name));
	q->x.values = values;
	return 0;
}

/* ---- the four */

static int run_query(struct request *q)
{
	struct cql_query m;
	struct cql_error err = {0};
	struct stmt *s;

	if (!cql_query_read(q->head, q->body, &m, &err))
		return malformed(q, &err);
	if (common(q, &m.params) < 0 || parse_statement(m.text, q->x.a, &s, &q->why) < 0 ||
		resolve_statement(&q->x.cluster->schema, q->x.keyspace, s, q->x.a, &q->why) < 0 ||
		bind_values(q, s, m.params.values, m.params.n_values, m.params.flags & CQL_Q_NAMES) < 0)
		return -EINVAL;
	q->x.skip_metadata = false; /* there is no metadata that the client could know */
	return statement_run(&q->x, s, (struct cql_view){0}, q->out, &q->outcome);
}

static int run_prepare(struct request *q)
{
	struct cql_prepare m;
	struct cql_error err = {0};
	struct prepared *p;

	if (!cql_prepare_read(q->head, q->body, &m, &err))
		return malformed(q, &err);
	if (prepared_add(q->conn->node->prepared, &q->x.cluster->schema,
		    m.keyspace.n ? m.keyspace : q->x.keyspace, m.text, &p, &q->why) < 0)
		return -EINVAL;
	prepared_write(q->out, p, q->conn->version);
	return 0;
}

static int find_prepared(struct request *q, struct cql_view id, struct prepared **out)
{
	*out = prepared_find(q->conn->node->prepared, id);
	if (*out)
		return 0;
	char hex[33] = "";

	q->why.id_len = (uint8_t)(id.n > 16 ? 16 : id.n);
	memcpy(q->why.id, id.p, q->why.id_len);
	for (int i = 0; i < q->why.id_len; i++)
		snprintf(hex + 2 * i, 3, "%02x", id.p[i]);
	return problem_set(&q->why, CQL_E_UNPREPARED,
		"Prepared query with ID %s not found (either the query was not prepared on this host (maybe "
		"the host has been restarted?) or you have prepared too many queries and it has been evicted "
		"from the internal cache)",
		hex);
}

static int run_execute(struct request *q)
{
	struct cql_execute m;
	struct cql_error err = {0};
	struct prepared *p;

	if (!cql_execute_read(q->head, q->body, &m, &err))
		return malformed(q, &err);
	if (find_prepared(q, m.id, &p) < 0 || common(q, &m.params) < 0 ||
		bind_values(q, p->stmt, m.params.values, m.params.n_values, m.params.flags & CQL_Q_NAMES) < 0)
		return -EINVAL;
	q->x.keyspace = p->keyspace; /* what it was prepared with */
	return statement_run(&q->x, p->stmt,
		q->conn->version >= CQL_V5 ? m.result_metadata_id : (struct cql_view){0}, q->out,
		&q->outcome);
}

static int batch_child(struct request *q, const struct cql_batch_child *ch, struct statement_batch *b)
{
	struct prepared *p;
	struct stmt *s;

	if (ch->prepared) {
		if (find_prepared(q, ch->text_or_id, &p) < 0)
			return -EINVAL;
		s = p->stmt;
	} else if (parse_statement(ch->text_or_id, q->x.a, &s, &q->why) < 0) {
		return -EINVAL;
	}
	if (s->kind != STMT_INSERT && s->kind != STMT_UPDATE && s->kind != STMT_DELETE)
		return problem_invalid(&q->why,
			"Invalid statement in batch: only UPDATE, INSERT and DELETE statements are allowed.");
	if (!ch->prepared && resolve_statement(&q->x.cluster->schema, q->x.keyspace, s, q->x.a, &q->why) < 0)
		return -EINVAL;
	if (bind_values(q, s, ch->values, ch->n_values, false) < 0)
		return -EINVAL;
	return statement_batch_add(&q->x, b, s, q->x.timestamp);
}

static int run_batch(struct request *q)
{
	struct statement_batch b = {0};
	struct cql_batch m;
	struct cql_batch_child ch;
	struct cql_error err = {0};
	uint32_t at;

	if (!cql_batch_read(q->head, q->body, &m, &err))
		return malformed(q, &err);
	if (common(q, &m.params) < 0)
		return -EINVAL;
	at = m.children_at;
	while (cql_batch_next(&m, q->conn->version, &at, &ch))
		if (batch_child(q, &ch, &b) < 0)
			return -EINVAL;
	return statement_batch_run(&q->x, &b, m.type, q->out);
}

static int run(struct request *q)
{
	switch (q->head->opcode) {
	case CQL_QUERY:
		return run_query(q);
	case CQL_PREPARE:
		return run_prepare(q);
	case CQL_EXECUTE:
		return run_execute(q);
	case CQL_BATCH:
		return run_batch(q);
	default:
		return problem_set(
			&q->why, CQL_E_PROTOCOL, "Unexpected message %s", cql_opcode_name(q->head->opcode));
	}
}

static void use_keyspace(struct conn *c, struct cql_view name)
{
	free(c->keyspace);
	c->keyspace = must_copy(name);
}

/* After the answer: a change of the schema to all that registered. */
static void announce(struct request *q)
{
	const struct schema_event *s = &q->outcome.event;
	struct cql_event e = {.type = cql_view_of("SCHEMA_CHANGE"),
		.change = cql_view_of(s->change),
		.target = cql_view_of(s->target),
		.keyspace = s->keyspace,
		.name = s->name};

	server_broadcast(q->x.cluster, CONN_SCHEMA, &e);
}

/* Run and, if wanted, answer. */
static void execute(struct conn *c, const struct cql_header *h, struct cql_view body, bool answer)
{
	struct cluster *k = c->node->cluster;
	struct request q = {.conn = c, .head = h, .body = body, .out = &k->body};
	uint8_t trace[16];

	begin(&q);
	q.out->len = 0;
	q.out->failed = false;
	if (run(&q) < 0) {
		if (answer)
			answer_problem(&q);
	} else {
		if (q.outcome.use.n)
			use_keyspace(c, q.outcome.use);
		uuid_time(trace, q.x.now_us);
		if (answer)
			conn_answer(c, h->stream, CQL_RESULT,
				(struct cql_view){trace, h->flags & CQL_FLAG_TRACING ? 16 : 0},
				(struct cql_view){q.out->p, q.out->len});
		if (q.outcome.event.change)
			announce(&q);
	}
	if (k->scratch.cap > (16u << 20))
		buffer_free(&k->scratch);
	if (k->body.cap > (16u << 20))
		buffer_free(&k->body);
	arena_reset(&k->arena);
}

/* ---- faults */

static bool text_matches(struct conn *c, const struct cql_header *h, struct cql_view body, const char *word)
{
	struct cql_error err;
	struct prepared *p;

	if (h->opcode == CQL_QUERY) {
		struct cql_query m;

		return cql_query_read(h, body, &m, &err) && fault_has_word(m.text, word);
	}
	if (h->opcode == CQL_PREPARE) {
		struct cql_prepare m;

		return cql_prepare_read(h, body, &m, &err) && fault_has_word(m.text, word);
	}
	if (h->opcode == CQL_EXECUTE) {
		struct cql_execute m;

		return cql_execute_read(h, body, &m, &err) && (p = prepared_find(c->node->prepared, m.id)) &&
		       fault_has_word(p->text, word);
	}
	struct cql_batch m;
	struct cql_batch_child ch;

	if (!cql_batch_read(h, body, &m, &err))
		return false;
	for (uint32_t at = m.children_at; cql_batch_next(&m, c->version, &at, &ch);) {
		if (!ch.prepared && fault_has_word(ch.text_or_id, word))
			return true;
		if (ch.prepared && (p = prepared_find(c->node->prepared, ch.text_or_id)) &&
			fault_has_word(p->text, word))
			return true;
	}
	return false;
}

static struct fault *find_fault(struct conn *c, const struct cql_header *h, struct cql_view body)
{
	list_for_each (it, &c->node->cluster->faults.list) {
		struct fault *f = list_entry(it, struct fault, link);

		if (f->kind > FAULT_DROP || !fault_fits(f, c->node, &c->client))
			continue;
		if (!f->match || text_matches(c, h, body, f->match))
			return f;
	}
	return NULL;
}

static void on_held_closed(uv_handle_t *t)
{
	free(t->data);
}

static void let_go(struct held *d)
{
	struct cluster *k = d->conn->node->cluster;

	list_del(&d->link);
	k->held--;
	k->held_bytes -= d->body.n;
	free((void *)d->body.p);
	uv_close((uv_handle_t *)&d->timer, on_held_closed);
}

static void on_held(uv_timer_t *t)
{
	struct held *d = t->data;
	struct conn *c = d->conn;

	if (c->frozen || c->node->frozen) { /* a stopped process's timers stand still too: look again */
		uv_timer_start(t, on_held, 10, 0);
		return;
	}
	list_del(&d->link); /* the answer may close the connection, which lets go of all that it holds */
	execute(c, &d->head, d->body, true);
	let_go(d);
	conn_flush(c);
}

void request_forget_held(struct conn *c)
{
	list_for_each_safe (it, &c->held)
		let_go(list_entry(it, struct held, link));
}

static void hold(struct conn *c, const struct cql_header *h, struct cql_view body, uint32_t ms)
{
	struct cluster *k = c->node->cluster;

	if (k->held >= HELD_MAX || k->held_bytes + body.n > HELD_MAX_BYTES) {
		request_error(c, h->stream, CQL_E_OVERLOADED,
			"more requests are held by a delay than seam-node keeps");
		return;
	}
	struct held *d = must_alloc(sizeof(*d));

	*d = (struct held){.conn = c, .head = *h, .body = {(uint8_t *)must_copy(body), body.n}};
	k->held++;
	k->held_bytes += body.n;
	list_init(&d->link);
	list_push(&c->held, &d->link);
	uv_timer_init(k->loop, &d->timer);
	d->timer.data = d;
	uv_timer_start(&d->timer, on_held, ms, 0);
}

static void answer_fault(struct conn *c, const struct cql_header *h, struct cql_view body, int32_t code)
{
	struct request q = {.conn = c, .head = h, .body = body, .out = &c->node->cluster->body};
	struct cql_execute m;
	struct cql_error err;

	begin(&q);
	q.x.consistency = CQL_ONE;
	problem_set(&q.why, code, "seam-node: a fault (%s)", cql_error_name(code));
	if (h->opcode == CQL_EXECUTE && cql_execute_read(h, body, &m, &err) && m.id.n <= 16) {
		memcpy(q.why.id, m.id.p, m.id.n);
		q.why.id_len = (uint8_t)m.id.n;
	}
	answer_problem(&q);
}

/* True: the fault took the request. */
static bool broken(struct conn *c, const struct cql_header *h, struct cql_view body)
{
	struct fault *f = find_fault(c, h, body);

	if (!f)
		return false;
	enum fault_kind kind = f->kind;
	int32_t code = f->code;

	if (f->executed && kind != FAULT_DELAY)
		execute(c, h, body, false);
	if (kind == FAULT_DELAY)
		hold(c, h, body, f->ms);
	else if (kind == FAULT_ERROR)
		answer_fault(c, h, body, code);
	fault_use(f);
	if (kind == FAULT_DROP)
		conn_close(c);
	return true;
}

void request_handle(struct conn *c, const struct cql_header *h, struct cql_view body)
{
	struct cluster *k = c->node->cluster;
	struct cql_header plain = *h;
	struct cql_error err = {0};

	if (h->flags & CQL_FLAG_COMPRESSED && h->version < CQL_V5) {
		k->unpacked.len = 0;
		if (k->unpacked.cap > (16u << 20))
			buffer_free(&k->unpacked);
		if (!c->compression || !cql_body_unpack(pack_libs(), c->compression, body, CQL_MAX_BODY,
					       &k->unpacked, &err)) {
			request_error(c, h->stream, CQL_E_PROTOCOL,
				c->compression ? err.why
					       : "a compressed frame without negotiated compression");
			return;
		}
		body = (struct cql_view){k->unpacked.p, k->unpacked.len};
		plain.flags &= (uint8_t)~CQL_FLAG_COMPRESSED;
	}
	plain.length = (uint32_t)body.n;
	if (handshake_handle(c, &plain, body))
		return;
	if (fault_any(&k->faults) && broken(c, &plain, body))
		return;
	execute(c, &plain, body, true);
}
