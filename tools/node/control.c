/*
 * The control socket: a unix stream socket; one JSON object a line in, one a line out: {"ok":true} or {"error":"…"}.
 *
 *   {"fault":KIND, …}   KIND, and the fields that it reads:
 *       delay            ms: the request waits, then runs
 *       hang             it is never answered
 *       error            code (default 4097, OVERLOADED): it is answered with that error
 *       drop             its connection is closed
 *       forget_prepared  at once: prepared statements are forgotten (of node, with match in their text)
 *       freeze           the node neither reads nor writes nor accepts (with client: that connection alone), until clear;
 *                        with ms: for that long
 *       slow_read        connections are read 1 KiB each ms (default 10)
 *       refuse_version   code (default 5): that protocol version and those above it are refused on new connections
 *     Filters, each optional: node ADDRESS, client ADDR:PORT, match WORD (in the statement's text, any case; of EXECUTE and BATCH: in
 *     that of the prepared ones too), times N (then the fault is gone). delay, hang, error and drop concern QUERY, PREPARE, EXECUTE and
 *     BATCH, never the handshake, OPTIONS or REGISTER. "executed":true: hang, error and drop come after the request has run.
 *   {"clear":true}      no more faults; what was frozen goes on. Requests that hang stay so.
 *   {"kill":ADDRESS}    listener and connections closed; STATUS_CHANGE DOWN on the other nodes
 *   {"start":ADDRESS}   listens again; STATUS_CHANGE UP
 *   {"dump":"ks.table"} lines of rows, each
 *       {"key":{"k":1},"clustering":{"c":2},"cells":{"v":{"value":"x","writetime":1700000000000000,"ttl":null}},"writetime":…,"ttl":…}
 *     in token order, rows in clustering order, then {"end":N}. "writetime" and "ttl" of the row are INSERT's row marker (null: none); ttl is
 *     what was written, "expires" the second of expiry. Static cells stand in a line of their own with "clustering":null. Null cells are left out.
 *     Values: value.h.
 */
#include "control.h"
#include "server.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_LINE    65536
#define MAX_CLIENTS 64

struct client {
	struct list link;
	uv_pipe_t pipe;
	struct control *control;
	char line[MAX_LINE];
	size_t n;
	bool closing;
};
struct control {
	uv_pipe_t pipe;
	uv_timer_t thaw; /* freeze with ms */
	struct cluster *cluster;
	struct list clients;
	unsigned n_clients;
	int handles;
	char *path;
};
struct reply {
	uv_write_t req;
	struct client *client;
	char *text;
};

/* ---- answers */

static void on_client_closed(uv_handle_t *h)
{
	free(h->data);
}

static void drop_client(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	list_del(&c->link);
	c->control->n_clients--;
	uv_close((uv_handle_t *)&c->pipe, on_client_closed);
}

static void on_replied(uv_write_t *req, int status)
{
	struct reply *r = container_of(req, struct reply, req);

	if (status < 0 && status != UV_ECANCELED)
		drop_client(r->client);
	free(r->text);
	free(r);
}

/* Takes text. */
static void reply_text(struct client *c, char *text, size_t n)
{
	struct reply *r = must_alloc(sizeof(*r));
	uv_buf_t buf = uv_buf_init(text, (unsigned)n);

	*r = (struct reply){.client = c, .text = text};
	if (uv_write(&r->req, (uv_stream_t *)&c->pipe, &buf, 1, on_replied) < 0) {
		free(text);
		free(r);
		drop_client(c);
	}
}

static void reply(struct client *c, const char *error)
{
	json_t *j = error ? json_pack("{s:s}", "error", error) : json_pack("{s:b}", "ok", 1);
	char *text = json_dumps(j, JSON_COMPACT);
	size_t n = strlen(text);

	text = must_realloc(text, n + 2);
	memcpy(text + n, "\n", 2);
	json_decref(j);
	reply_text(c, text, n + 1);
}

/* ---- requests. Each returns NULL or what is wrong. */

static void thaw(struct cluster *c)
{
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		server_set_frozen(&c->nodes[i], false);
		list_for_each_safe (it, &c->nodes[i].conns)
			conn_set_slow(list_entry(it, struct conn, link), 0);
	}
}

static void on_thaw(uv_timer_t *t)
{
	struct control *k = t->data;
	struct cluster *c = k->cluster;

	list_for_each_safe (it, &c->faults.list) {
		struct fault *f = list_entry(it, struct fault, link);

		if (f->kind == FAULT_FREEZE) {
			f->times = 1;
			fault_use(f);
		}
	}
	for (uint32_t i = 0; i < c->n_nodes; i++)
		server_set_frozen(&c->nodes[i], false);
}

static const char *filters(struct cluster *c, const json_t *j, struct fault *f)
{
	const char *node = json_string_value(json_object_get(j, "node")),
		   *client = json_string_value(json_object_get(j, "client"));
	const json_t *times = json_object_get(j, "times");

	if (node && !(f->node = cluster_node(c, node)))
		return "no such node";
	if (client && endpoint_parse(client, 0, &f->client) < 0)
		return "client is no ADDR:PORT";
	f->has_client = client != NULL;
	f->match = (char *)json_string_value(json_object_get(j, "match"));
	f->times = UINT32_MAX;
	if (times) {
		if (!json_is_integer(times) || json_integer_value(times) <= 0 ||
			json_integer_value(times) >= UINT32_MAX)
			return "times must be a number above 0";
		f->times = (uint32_t)json_integer_value(times);
	}
	f->executed = json_is_true(json_object_get(j, "executed"));
	return NULL;
}

static const char *const kinds[] = {
	[FAULT_DELAY] = "delay",
	[FAULT_HANG] = "hang",
	[FAULT_ERROR] = "error",
	[FAULT_DROP] = "drop",
	[FAULT_FREEZE] = "freeze",
	[FAULT_SLOW_READ] = "slow_read",
	[FAULT_REFUSE_VERSION] = "refuse_version",
};

/* What is not a matter of single requests. */
static void begin(struct control *k, struct fault *f)
{
	struct cluster *c = k->cluster;

	for (uint32_t i = 0; i < c->n_nodes; i++) {
		struct node *n = &c->nodes[i];

		if (f->kind == FAULT_FREEZE && !f->has_client && (!f->node || f->node == n))
			server_set_frozen(n, true);
		list_for_each_safe (it, &n->conns) {
			struct conn *conn = list_entry(it, struct conn, link);

			if (!fault_fits(f, n, &conn->client))
				continue;
			if (f->kind == FAULT_FREEZE)
				conn_set_frozen(conn, true);
			if (f->kind == FAULT_SLOW_READ)
				conn_set_slow(conn, f->ms);
		}
	}
	if (f->kind == FAULT_FREEZE && f->ms)
		uv_timer_start(&k->thaw, on_thaw, f->ms, 0);
}

static const char *forget(struct cluster *c, const struct fault *f)
{
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (!f->node || f->node == &c->nodes[i])
			prepared_forget(c->nodes[i].prepared, NULL, f->match);
	return NULL;
}

static const char *set_fault(struct control *k, const json_t *j, const char *name)
{
	json_int_t ms = json_integer_value(json_object_get(j, "ms"));
	const json_t *code = json_object_get(j, "code");
	struct fault f = {.kind = FAULT_NONE};
	const char *wrong = filters(k->cluster, j, &f);

	if (wrong)
		return wrong;
	if (strcmp(name, "forget_prepared") == 0)
		return forget(k->cluster, &f);
	for (size_t i = FAULT_DELAY; i < ARRAY_LEN(kinds); i++)
		if (strcmp(name, kinds[i]) == 0)
			f.kind = (enum fault_kind)i;
	if (f.kind == FAULT_NONE)
		return "unknown fault";
	if (ms < 0 || ms > 3600000)
		return "ms must be from 0 to 3600000";
	if (code && !json_is_integer(code))
		return "code must be a number";
	f.ms = f.kind == FAULT_SLOW_READ && !ms ? 10 : (uint32_t)ms;
	f.code = code                             ? (int32_t)json_integer_value(code)
		 : f.kind == FAULT_REFUSE_VERSION ? CQL_V5
						  : CQL_E_OVERLOADED;
	if (f.kind == FAULT_REFUSE_VERSION && (f.code <= CQL_V3 || f.code > CQL_V5))
		return "code must be a protocol version: 4 or 5";
	fault_add(&k->cluster->faults, &f);
	begin(k, &f);
	return NULL;
}

static const char *start(struct cluster *c, const char *name)
{
	struct node *n = cluster_node(c, name);

	if (!n)
		return "no such node";
	if (n->up)
		return NULL;
	int err = server_start(n);

	return err < 0 ? uv_strerror(err) : NULL;
}

static const char *run(struct client *c, const json_t *j)
{
	struct cluster *k = c->control->cluster;
	const char *fault = json_string_value(json_object_get(j, "fault")),
		   *kill = json_string_value(json_object_get(j, "kill"));
	const char *name = json_string_value(json_object_get(j, "start"));

	if (fault)
		return set_fault(c->control, j, fault);
	if (json_is_true(json_object_get(j, "clear"))) {
		fault_clear(&k->faults);
		uv_timer_stop(&c->control->thaw);
		thaw(k);
		return NULL;
	}
	if (kill) {
		if (!cluster_node(k, kill))
			return "no such node";
		server_kill(cluster_node(k, kill));
		return NULL;
	}
	return name ? start(k, name) : "expected one of fault, clear, kill, start, dump";
}

static void handle(struct client *c, const char *line, size_t n)
{
	json_error_t err;
	json_t *j = json_loadb(line, n, 0, &err);
	const char *dump = json_string_value(json_object_get(j, "dump"));
	struct problem why;

	if (!json_is_object(j)) {
		reply(c, j ? "expected an object" : err.text);
	} else if (dump) {
		size_t len;
		char *text = dump_table(c->control->cluster, dump, &len, &why);

		if (text)
			reply_text(c, text, len);
		else
			reply(c, why.text);
	} else {
		reply(c, run(c, j));
	}
	json_decref(j);
}

/* ---- lines */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct client *c = h->data;

	(void)suggested;
	*buf = uv_buf_init(c->line + c->n, (unsigned)(MAX_LINE - c->n));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = s->data;
	char *end;

	(void)buf;
	if (n < 0) {
		drop_client(c);
		return;
	}
	c->n += (size_t)n;
	while (!c->closing && (end = memchr(c->line, '\n', c->n))) {
		size_t len = (size_t)(end - c->line);

		handle(c, c->line, len);
		c->n -= len + 1;
		memmove(c->line, end + 1, c->n);
	}
	if (c->n == MAX_LINE)
		drop_client(c);
}

static void on_connect(uv_stream_t *s, int status)
{
	struct control *k = s->data;
	struct client *c;

	if (status < 0)
		return;
	c = must_alloc(sizeof(*c));
	c->control = k;
	uv_pipe_init(k->cluster->loop, &c->pipe, 0);
	c->pipe.data = c;
	list_init(&c->link);
	list_push(&k->clients, &c->link);
	k->n_clients++;
	if (uv_accept(s, (uv_stream_t *)&c->pipe) < 0 || k->n_clients > MAX_CLIENTS ||
		uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) < 0)
		drop_client(c);
}

static void on_control_closed(uv_handle_t *h)
{
	struct control *k = h->data;

	if (--k->handles)
		return;
	free(k->path);
	free(k);
}

int control_open(struct cluster *c, const char *path, struct control **out)
{
	struct control *k;
	struct stat st;
	int err;

	*out = NULL;
	if (!path)
		return 0;
	/* a socket left by a node that was killed is in the way; nothing else is taken away */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	k = must_alloc(sizeof(*k));
	k->cluster = c;
	k->handles = 2;
	list_init(&k->clients);
	uv_pipe_init(c->loop, &k->pipe, 0);
	uv_timer_init(c->loop, &k->thaw);
	k->pipe.data = k->thaw.data = k;
	err = uv_pipe_bind(&k->pipe, path);
	if (err == 0) {
		k->path = must_copy(cql_view_of(path));
		err = uv_listen((uv_stream_t *)&k->pipe, 16, on_connect);
	}
	if (err < 0) {
		control_close(k);
		return err;
	}
	*out = k;
	return 0;
}

void control_close(struct control *k)
{
	if (!k)
		return;
	list_for_each_safe (it, &k->clients)
		drop_client(list_entry(it, struct client, link));
	uv_close((uv_handle_t *)&k->pipe, on_control_closed);
	uv_close((uv_handle_t *)&k->thaw, on_control_closed);
}
