#include "client/topology.h"

#include "client/out.h"
#include "client/peers.h"
#include "cql/startup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIAL_MS     3000
#define RETRY_MS    500
#define RETRY_MAX   5000
#define DEBOUNCE_MS 100

struct contact {
	char *host;
	char port[8];
};

struct topology {
	struct wire_hub *hub;
	void (*on_change)(void *, const struct topology_view *);
	void *ctx;
	char *user, *password;
	uint16_t port;
	struct contact contacts[TOPOLOGY_CONTACTS];
	size_t n_names;
	size_t next; /* which of contacts, then known nodes, is tried next */
	struct topology_view v;
	struct cql_writer supported;
	struct topology_node *fresh; /* the round under way */
	size_t n_fresh;
	struct link *link;
	uv_timer_t timer; /* next round, or next try */
	uv_getaddrinfo_t resolve;
	bool resolving, closing, in_round;
	unsigned retry_ms;
	struct endpoint at; /* of the link */
};

static void try_next(struct topology *t);

static void publish(struct topology *t)
{
	if (!t->closing)
		t->on_change(t->ctx, &t->v);
}

static void on_round(uv_timer_t *timer);

static void again_in(struct topology *t, unsigned ms)
{
	if (!t->closing)
		uv_timer_start(&t->timer, on_round, ms, 0);
}

static void lost(struct topology *t, const char *why)
{
	if (t->closing)
		return;
	t->in_round = false;
	t->v.connected = false;
	snprintf(t->v.error, sizeof t->v.error, "%s", why);
	link_close(TAKE_PTR(t->link));
	free(TAKE_PTR(t->fresh));
	t->n_fresh = 0;
	t->next++;
	size_t all = t->n_names + t->v.n_nodes;
	if (t->next % all == 0) {
		publish(t);
		t->retry_ms = t->retry_ms ? t->retry_ms * 2 : RETRY_MS;
		if (t->retry_ms > RETRY_MAX)
			t->retry_ms = RETRY_MAX;
		again_in(t, t->retry_ms);
	} else {
		again_in(t, 0);
	}
}

/* The round is complete: what it found becomes the view. Nodes keep the DOWN that an event told, as far as they stay. */
static void round_done(struct topology *t)
{
	for (size_t i = 0; i < t->n_fresh; i++)
		for (size_t k = 0; k < t->v.n_nodes; k++)
			if (endpoint_equal(&t->fresh[i].at, &t->v.nodes[k].at))
				t->fresh[i].up = t->v.nodes[k].up;
	free(t->v.nodes);
	t->v.nodes = TAKE_PTR(t->fresh);
	t->v.n_nodes = t->n_fresh;
	t->n_fresh = 0;
	t->in_round = false;
	t->v.ok = t->v.connected = true;
	t->v.error[0] = 0;
	t->retry_ms = 0;
	publish(t);
	again_in(t, TOPOLOGY_REFRESH_MS);
}

static void bad_round(struct topology *t, const struct link_reply *r, const char *what)
{
	char text[REASON_MAX];

	if (r->err == -EREMOTEIO)
		snprintf(text, sizeof text, "%s: %.*s", what, (int)r->error.message.n,
			(const char *)r->error.message.p);
	else
		snprintf(text, sizeof text, "%s: %s", what, strerror(-r->err));
	lost(t, text);
}

static void on_old_peers(void *ctx, const struct link_reply *r)
{
	struct topology *t = ctx;

	if (t->closing || r->err == -ECONNRESET)
		return; /* the link's end says it */
	if (r->err || peers_read(r->version, r->result, t->port, &t->fresh, &t->n_fresh))
		bad_round(t, r, "system.peers");
	else
		round_done(t);
}

static void on_peers(void *ctx, const struct link_reply *r)
{
	struct topology *t = ctx;

	if (t->closing || r->err == -ECONNRESET)
		return;
	if (r->err == -EREMOTEIO && link_query(t->link, "SELECT * FROM system.peers", on_old_peers, t) == 0)
		return;
	if (r->err || peers_read(r->version, r->result, t->port, &t->fresh, &t->n_fresh))
		bad_round(t, r, "system.peers_v2");
	else
		round_done(t);
}

static void on_local(void *ctx, const struct link_reply *r)
{
	struct topology *t = ctx;

	if (t->closing || r->err == -ECONNRESET)
		return;
	if (r->err ||
		peers_read_local(r->version, r->result, &t->at, t->port, &t->v, &t->fresh, &t->n_fresh)) {
		bad_round(t, r, "system.local");
		return;
	}
	if (link_query(t->link, "SELECT * FROM system.peers_v2", on_peers, t))
		lost(t, "no room for a query");
}

static void start_round(struct topology *t)
{
	t->in_round = true;
	free(TAKE_PTR(t->fresh));
	t->n_fresh = 0;
	if (link_query(t->link, "SELECT * FROM system.local WHERE key='local'", on_local, t))
		lost(t, "no room for a query");
}

/* PROTOCOL_VERSIONS is "3/v3", "5/v5-beta" …; servers before 4.0 don't send it: then what was negotiated, and what is below. */
static void read_versions(struct topology *t, uint8_t negotiated, struct cql_view supported)
{
	struct cql_supported it;
	struct cql_error err;
	struct cql_view name, values;
	bool told = false;

	memset(t->v.versions, 0, sizeof t->v.versions);
	if (cql_supported_open(supported, &it, &err)) {
		while (cql_supported_next(&it, &name, &values, &err) > 0) {
			if (!cql_view_is(name, "PROTOCOL_VERSIONS"))
				continue;
			told = true;
			t->v.versions[3] = cql_string_list_has(values, cql_view_of("3/v3"));
			t->v.versions[4] = cql_string_list_has(values, cql_view_of("4/v4"));
			t->v.versions[5] = cql_string_list_has(values, cql_view_of("5/v5"));
		}
	}
	for (uint8_t v = CQL_V3; !told && v <= negotiated; v++)
		t->v.versions[v] = true;
}

static void on_ready(void *ctx, uint8_t version, struct cql_view supported)
{
	struct topology *t = ctx;

	out_free(&t->supported);
	cql_write_view(&t->supported, supported);
	t->v.supported = (struct cql_view){t->supported.p, t->supported.len};
	read_versions(t, version, t->v.supported);
	/* An UP that came while nobody listened is not told again. */
	for (size_t i = 0; i < t->v.n_nodes; i++)
		t->v.nodes[i].up = true;
	start_round(t);
}

static void on_event(void *ctx, const struct cql_event *e)
{
	struct topology *t = ctx;
	struct endpoint at = {.port = (uint16_t)e->port};

	if (cql_view_is(e->type, "SCHEMA_CHANGE"))
		return;
	if (cql_view_is(e->type, "STATUS_CHANGE") && peers_address(e->address, at.ip)) {
		for (size_t i = 0; i < t->v.n_nodes; i++)
			if (endpoint_equal(&at, &t->v.nodes[i].at))
				t->v.nodes[i].up = cql_view_is(e->change, "UP");
		publish(t);
	}
	if (t->link && !t->in_round)
		again_in(t, DEBOUNCE_MS);
}

static void on_link_end(void *ctx, const struct reason *why)
{
	lost(ctx, why->text);
}

static const struct link_ops LINK_OPS = {.on_ready = on_ready, .on_event = on_event, .on_end = on_link_end};

static void dial(struct topology *t, const struct endpoint *at)
{
	const struct link_opts o = {
		.to = *at, .user = t->user, .password = t->password, .events = true, .timeout_ms = DIAL_MS};

	t->at = *at;
	if (link_open(t->hub, &o, &LINK_OPS, t, &t->link))
		lost(t, "out of memory or descriptors");
}

static void remember_contact(struct topology *t, const struct endpoint *at)
{
	for (size_t i = 0; i < t->v.n_contacts; i++)
		if (endpoint_equal(at, &t->v.contacts[i]))
			return;
	if (t->v.n_contacts < TOPOLOGY_CONTACTS)
		t->v.contacts[t->v.n_contacts++] = *at;
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct topology *t = req->data;
	struct endpoint first = {0};
	bool any = false;

	t->resolving = false;
	for (struct addrinfo *a = list; a && !status; a = a->ai_next) {
		struct endpoint at;
		if (endpoint_from_sockaddr(a->ai_addr, &at))
			continue;
		first = any ? first : at;
		any = true;
		remember_contact(t, &at);
	}
	uv_freeaddrinfo(list);
	if (t->closing) {
		topology_close(t);
		return;
	}
	if (!any) {
		char text[REASON_MAX];
		snprintf(text, sizeof text, "%s: %s", t->contacts[t->next % t->n_names].host,
			uv_strerror(status));
		lost(t, text);
		return;
	}
	dial(t, &first);
}

static void try_next(struct topology *t)
{
	static const struct addrinfo HINTS = {.ai_socktype = SOCK_STREAM};
	size_t i = t->next % (t->n_names + t->v.n_nodes);

	if (i >= t->n_names) {
		dial(t, &t->v.nodes[i - t->n_names].at);
		return;
	}
	t->resolve.data = t;
	int err = uv_getaddrinfo(
		t->hub->loop, &t->resolve, on_resolved, t->contacts[i].host, t->contacts[i].port, &HINTS);
	if (err)
		lost(t, uv_strerror(err));
	else
		t->resolving = true;
}

static void on_round(uv_timer_t *timer)
{
	struct topology *t = timer->data;

	if (t->link)
		start_round(t);
	else
		try_next(t);
}

/* "host", "host:port", "[v6]", "[v6]:port", "v6". */
static int add_contact(struct topology *t, const char *text)
{
	struct contact *c = &t->contacts[t->n_names];
	const char *colon = strchr(text, ':'), *port = NULL;
	size_t n = strlen(text);

	if (t->n_names == TOPOLOGY_CONTACTS)
		return -E2BIG;
	if (text[0] == '[') {
		const char *end = strchr(text, ']');
		if (!end)
			return -EINVAL;
		port = end[1] == ':' ? end + 2 : NULL;
		n = (size_t)(end - ++text);
	} else if (colon && !strchr(colon + 1, ':')) {
		port = colon + 1;
		n = (size_t)(colon - text);
	}
	c->host = strndup(text, n);
	if (!c->host)
		return -ENOMEM;
	snprintf(c->port, sizeof c->port, "%u", port ? (unsigned)strtoul(port, NULL, 10) : t->port);
	t->n_names++;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct topology *t = h->data;

	for (size_t i = 0; i < t->n_names; i++)
		free(t->contacts[i].host);
	out_free(&t->supported);
	free(t->v.nodes);
	free(t->fresh);
	free(t->user);
	free(t->password);
	free(t);
}

void topology_close(struct topology *t)
{
	if (!t)
		return;
	t->closing = true;
	link_close(TAKE_PTR(t->link));
	if (t->resolving) {
		uv_cancel((uv_req_t *)&t->resolve); /* on_resolved comes back here */
		return;
	}
	if (!uv_is_closing((uv_handle_t *)&t->timer))
		uv_close((uv_handle_t *)&t->timer, on_closed);
}

int topology_open(struct wire_hub *hub, const struct topology_opts *o,
	void (*on_change)(void *ctx, const struct topology_view *v), void *ctx, struct topology **out)
{
	struct topology *t = calloc(1, sizeof *t);
	int err = 0;

	if (!t)
		return -ENOMEM;
	t->hub = hub;
	t->on_change = on_change;
	t->ctx = ctx;
	t->port = o->port;
	t->user = o->user ? strdup(o->user) : NULL;
	t->password = o->password ? strdup(o->password) : NULL;
	t->supported = OUT_EMPTY;
	t->timer.data = t;
	for (size_t i = 0; i < o->n_contact_points && !err; i++)
		err = add_contact(t, o->contact_points[i]);
	if (!err && !t->n_names)
		err = -EINVAL;
	if (!err)
		err = uv_timer_init(hub->loop, &t->timer);
	if (err) {
		on_closed(&(uv_handle_t){.data = t});
		return err;
	}
	again_in(t, 0);
	*out = t;
	return 0;
}
