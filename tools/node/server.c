#include "server.h"
#include <errno.h>

struct server {
	uv_tcp_t tcp;
	bool waiting; /* a client that was not accepted, since the node was frozen */
};

static void on_client(uv_stream_t *s, int status)
{
	struct node *n = s->data;

	if (status < 0)
		return; /* out of descriptors, or the client went: the next one tells */
	if (n->frozen) {
		n->server->waiting = true; /* libuv stops accepting until this one is taken */
		return;
	}
	conn_open(n, s);
}

static void on_closed(uv_handle_t *h)
{
	free(container_of((uv_tcp_t *)h, struct server, tcp));
}

static void announce(struct node *n, const char *change)
{
	struct cql_event e = {.type = cql_view_of("STATUS_CHANGE"),
		.change = cql_view_of(change),
		.address = {n->ip, n->ip_len},
		.port = n->endpoint.port};

	server_broadcast(n->cluster, CONN_STATUS, &e);
}

int server_start(struct node *n)
{
	struct server *s = must_alloc(sizeof(*s));
	struct sockaddr_storage sa;
	int err;

	endpoint_to_sockaddr(&n->endpoint, &sa);
	uv_tcp_init(n->cluster->loop, &s->tcp);
	s->tcp.data = n;
	err = uv_tcp_bind(&s->tcp, (struct sockaddr *)&sa, 0);
	if (err == 0)
		err = uv_listen((uv_stream_t *)&s->tcp, 1024, on_client);
	if (err < 0) {
		uv_close((uv_handle_t *)&s->tcp, on_closed);
		return err;
	}
	n->server = s;
	n->up = true;
	announce(n, "UP");
	return 0;
}

void server_kill(struct node *n)
{
	if (!n->up)
		return;
	uv_close((uv_handle_t *)&n->server->tcp, on_closed);
	n->server = NULL;
	n->up = n->frozen = false;
	list_for_each_safe (it, &n->conns)
		conn_close(list_entry(it, struct conn, link));
	announce(n, "DOWN");
}

void server_set_frozen(struct node *n, bool frozen)
{
	n->frozen = frozen;
	list_for_each_safe (it, &n->conns)
		conn_set_frozen(list_entry(it, struct conn, link), frozen);
	if (n->server && n->server->waiting && !frozen) {
		n->server->waiting = false;
		conn_open(n, (uv_stream_t *)&n->server->tcp);
	}
}

void server_broadcast(struct cluster *c, uint8_t kind, const struct cql_event *e)
{
	for (uint32_t i = 0; i < c->n_nodes; i++)
		list_for_each_safe (it, &c->nodes[i].conns) {
			struct conn *conn = list_entry(it, struct conn, link);

			if (!(conn->events & kind))
				continue;
			conn_event(conn, e);
			conn_flush(conn);
		}
}
