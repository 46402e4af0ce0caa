/* One cluster, asked over Seam's own links: nodes, versions, login, clocks, schema, clients. */
#include "base/clock.h"
#include "check.h"
#include "client/topology.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS   5000
#define CLOCK_WARN_MS 100
#define COLUMNS       8

void check_add(json_t *checks, const char *name, const char *state, const char *fmt, ...)
{
	char detail[REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(detail, sizeof detail, fmt, ap);
	va_end(ap);
	json_array_append_new(
		checks, json_pack("{s:s, s:s, s:s}", "name", name, "state", state, "detail", detail));
}

/* ---- a loop that runs until something is so */

struct place {
	uv_loop_t loop;
	struct wire_hub hub;
	uv_timer_t alarm;
	bool late, done;
};

static void on_alarm(uv_timer_t *t)
{
	container_of(t, struct place, alarm)->late = true;
}

static int place_open(struct place *p)
{
	memset(p, 0, sizeof *p);
	int err = uv_loop_init(&p->loop);
	if (err)
		return err;
	uv_timer_init(&p->loop, &p->alarm);
	return wire_hub_init(&p->hub, &p->loop);
}

static void place_run(struct place *p)
{
	p->done = p->late = false;
	uv_timer_start(&p->alarm, on_alarm, PATIENCE_MS, 0);
	while (!p->done && !p->late)
		uv_run(&p->loop, UV_RUN_ONCE);
	uv_timer_stop(&p->alarm);
}

static void place_close(struct place *p)
{
	uv_close((uv_handle_t *)&p->alarm, NULL);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
	wire_hub_fini(&p->hub);
}

/* ---- the cluster as a whole */

struct look {
	struct place *place;
	struct check_cluster *k;
	char error[REASON_MAX], release[TOPOLOGY_NAME], name[TOPOLOGY_NAME];
};

static void on_view(void *ctx, const struct topology_view *v)
{
	struct look *l = ctx;

	snprintf(l->error, sizeof l->error, "%s", v->error);
	l->place->done = v->ok || *v->error;
	if (!v->ok)
		return;
	l->k->reached = true;
	l->k->n_nodes = v->n_nodes < CHECK_NODES ? v->n_nodes : CHECK_NODES;
	for (size_t i = 0; i < l->k->n_nodes; i++)
		l->k->nodes[i] = v->nodes[i].at;
	for (unsigned i = 0; i < ARRAY_LEN(v->versions); i++)
		l->k->versions |= v->versions[i] ? 1u << i : 0;
	strcpy(l->release, v->release);
	strcpy(l->name, v->cluster_name);
}

static void find(struct place *p, struct check_cluster *k, json_t *checks)
{
	const struct config_cluster *c = k->c;
	const struct topology_opts o = {.name = c->name,
		.contact_points = (const char *const *)c->contact_points,
		.n_contact_points = c->n_contact_points,
		.port = (uint16_t)c->port,
		.user = c->user,
		.password = c->password};
	struct look l = {.place = p, .k = k};
	struct topology *t = NULL;
	char row[CONFIG_APP_NAME + 32], versions[32] = "";

	snprintf(row, sizeof row, "cluster %s", c->name);
	int err = topology_open(&p->hub, &o, on_view, &l, &t);
	if (!err)
		place_run(p);
	topology_close(t);
	if (!k->reached) {
		check_add(checks, row, "fail", "not reached, or the login failed: %s",
			err        ? strerror(-err)
			: *l.error ? l.error
				   : "no answer within 5 s");
		return;
	}
	for (unsigned v = 0; v < 32; v++)
		if (k->versions & 1u << v)
			snprintf(versions + strlen(versions), sizeof versions - strlen(versions), " v%u", v);
	check_add(checks, row, "ok", "%s, release %s, %zu nodes, protocol%s, %s", l.name, l.release,
		k->n_nodes, versions, c->user ? "logged in" : "no login configured");
}

/* ---- its nodes one by one */

struct node {
	struct place *place;
	struct check_cluster *k;
	struct link *link;
	uint64_t asked_ns;
	int64_t asked_us, ahead_us;
	unsigned pending;
	bool ready, clock_read, first;
	char error[REASON_MAX];
};

static void answered(struct node *n)
{
	n->place->done = !--n->pending;
}

/* Cells of one row as text; "" where null. */
static bool next_row(const struct cql_rows *rows, struct cql_reader *r, char out[][128], unsigned n)
{
	struct cql_value cells[COLUMNS];

	if (!cql_row_next(rows, r, cells, COLUMNS))
		return false;
	for (unsigned i = 0; i < n; i++) {
		size_t length = cells[i].state == CQL_VALUE_SET ? cells[i].view.n : 0;
		snprintf(out[i], 128, "%.*s", length > 127 ? 127 : (int)length,
			length ? (const char *)cells[i].view.p : "");
	}
	return true;
}

static bool begin_rows(const struct link_reply *reply, struct cql_rows *rows, struct cql_reader *r)
{
	struct cql_error err;

	if (reply->err || !cql_rows_read(reply->version, reply->result, rows, &err) ||
		rows->metadata.n_columns > COLUMNS)
		return false;
	cql_reader_init(r, rows->cells);
	return true;
}

static void on_clock(void *ctx, const struct link_reply *reply)
{
	struct node *n = ctx;
	struct cql_value cells[COLUMNS];
	struct cql_rows rows;
	struct cql_reader r;

	if (begin_rows(reply, &rows, &r) && cql_row_next(&rows, &r, cells, COLUMNS) &&
		cells[0].state == CQL_VALUE_SET && cells[0].view.n == 8) {
		uint64_t took_us = (clock_mono_ns() - n->asked_ns) / 1000;
		int64_t ms = 0;
		for (int i = 0; i < 8; i++)
			ms = (int64_t)((uint64_t)ms << 8 | cells[0].view.p[i]);
		n->ahead_us = ms * 1000 - n->asked_us - (int64_t)took_us / 2;
		n->clock_read = true;
	}
	answered(n);
}

static bool is_system(const char *keyspace)
{
	return !strncmp(keyspace, "system", 6);
}

static void on_columns(void *ctx, const struct link_reply *reply)
{
	struct node *n = ctx;
	struct cql_rows rows;
	struct cql_reader r;
	char cell[5][128], table[260], what[260];

	if (begin_rows(reply, &rows, &r) && !n->k->columns) {
		n->k->columns = json_object();
		while (next_row(&rows, &r, cell, 5)) {
			if (is_system(cell[0]))
				continue;
			snprintf(table, sizeof table, "%s.%s", cell[0], cell[1]);
			snprintf(what, sizeof what, "%s %s", cell[3], cell[4]);
			if (!json_object_get(n->k->columns, table))
				json_object_set_new(n->k->columns, table, json_object());
			json_object_set_new(
				json_object_get(n->k->columns, table), cell[2], json_string(what));
		}
	}
	answered(n);
}

static void on_clients(void *ctx, const struct link_reply *reply)
{
	struct node *n = ctx;
	struct cql_value cells[COLUMNS];
	struct cql_rows rows;
	struct cql_reader r;

	if (begin_rows(reply, &rows, &r)) {
		if (!n->k->clients)
			n->k->clients = json_array();
		while (cql_row_next(&rows, &r, cells, COLUMNS)) {
			struct endpoint e = {.port = 1};
			char text[ENDPOINT_TEXT];
			size_t length = cells[0].state == CQL_VALUE_SET ? cells[0].view.n : 0;
			if (length == 16)
				memcpy(e.ip, cells[0].view.p, 16);
			else if (length == 4)
				memcpy(e.ip + 12, cells[0].view.p, 4), e.ip[10] = e.ip[11] = 0xff;
			else
				continue;
			*strrchr(endpoint_format(&e, text), ':') = 0;
			json_array_append_new(n->k->clients, json_string(text));
		}
	}
	answered(n);
}

static void ask(struct node *n, const char *text, link_reply_fn fn)
{
	n->pending++;
	if (link_query(n->link, text, fn, n))
		answered(n);
}

static void on_ready(void *ctx, uint8_t version, struct cql_view supported)
{
	struct node *n = ctx;

	(void)version;
	(void)supported;
	n->ready = true;
	n->pending = 1; /* ours: so that an answer at once does not end it */
	n->asked_ns = clock_mono_ns();
	n->asked_us = clock_wall_us();
	ask(n, "SELECT toTimestamp(now()) FROM system.local", on_clock);
	ask(n, "SELECT address FROM system_views.clients", on_clients);
	if (n->first)
		ask(n, "SELECT keyspace_name, table_name, column_name, kind, type FROM system_schema.columns",
			on_columns);
	answered(n);
}

static void on_end(void *ctx, const struct reason *why)
{
	struct node *n = ctx;

	snprintf(n->error, sizeof n->error, "%s", why->text);
	n->place->done = true;
}

static void visit(struct place *p, struct check_cluster *k, size_t i, json_t *checks)
{
	static const struct link_ops ops = {.on_ready = on_ready, .on_end = on_end};
	const struct link_opts o = {.to = k->nodes[i],
		.user = k->c->user,
		.password = k->c->password,
		.timeout_ms = PATIENCE_MS - 1000};
	struct node n = {.place = p, .k = k, .first = i == 0};
	char row[CONFIG_APP_NAME + ENDPOINT_TEXT + 16], at[ENDPOINT_TEXT];
	int err = link_open(&p->hub, &o, &ops, &n, &n.link);

	if (!err)
		place_run(p);
	link_close(n.link);
	snprintf(row, sizeof row, "node %s %s", k->c->name, endpoint_format(&k->nodes[i], at));
	if (!n.ready)
		check_add(checks, row, "fail", "%s",
			err        ? strerror(-err)
			: *n.error ? n.error
				   : "no answer within 5 s");
	else if (!n.clock_read)
		check_add(checks, row, "warn", "answers; its clock cannot be read");
	else
		check_add(checks, row, llabs(n.ahead_us) > CLOCK_WARN_MS * 1000 ? "warn" : "ok",
			"answers; its clock is %+.0f ms off ours", (double)n.ahead_us / 1000);
}

void check_cluster_probe(struct check_cluster *k, json_t *checks)
{
	struct place p;

	if (place_open(&p)) {
		check_add(checks, "event loop", "fail", "cannot be made");
		return;
	}
	find(&p, k, checks);
	for (size_t i = 0; i < k->n_nodes; i++)
		visit(&p, k, i, checks);
	place_close(&p);
}

void check_cluster_free(struct check_cluster *k)
{
	json_decref(k->columns);
	json_decref(k->clients);
}
