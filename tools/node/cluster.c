#include "cluster.h"
#include "base/clock.h"
#include "cql/segment.h"
#include "md5.h"
#include "parse.h"
#include "uuid.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

void cluster_init(struct cluster *c, uv_loop_t *loop, const struct cluster_opts *o)
{
	*c = (struct cluster){.loop = loop,
		.o = *o,
		.scratch = BUFFER_INIT,
		.unpacked = BUFFER_INIT,
		.body = BUFFER_INIT,
		.packed = BUFFER_INIT};
	fault_init(&c->faults);
	c->segment = must_alloc(CQL_SEGMENT_MAX_PAYLOAD);
	uuid_random(c->schema_version);
	system_init(c);
}

int cluster_add_node(struct cluster *c, const char *address)
{
	struct node *n = &c->nodes[c->n_nodes];
	struct endpoint e;
	struct md5 m;

	if (c->n_nodes == CLUSTER_MAX_NODES)
		return -E2BIG;
	if (endpoint_parse(address, c->o.port, &e) < 0)
		return -EINVAL;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (memcmp(c->nodes[i].endpoint.ip, e.ip, 16) == 0)
			return -EEXIST;
	*n = (struct node){.cluster = c, .endpoint = e};
	n->ip_len = endpoint_is_v4(&e) ? 4 : 16;
	memcpy(n->ip, e.ip + 16 - n->ip_len, n->ip_len);
	inet_ntop(n->ip_len == 4 ? AF_INET : AF_INET6, n->ip, n->address, sizeof(n->address));
	/* stable per cluster and address: a node that comes back is the same host to a driver */
	md5_init(&m);
	md5_add(&m, cql_view_of(c->o.name));
	md5_add(&m, (struct cql_view){e.ip, 16});
	md5_end(&m, n->host_id);
	n->host_id[6] = (n->host_id[6] & 0x0f) | 0x40;
	n->host_id[8] = (n->host_id[8] & 0x3f) | 0x80;
	n->prepared = must_alloc(sizeof(*n->prepared));
	list_init(&n->conns);
	c->n_nodes++;
	return 0;
}

void cluster_deal_tokens(struct cluster *c)
{
	uint64_t step = UINT64_MAX / ((uint64_t)c->n_nodes * CLUSTER_TOKENS);

	for (uint32_t i = 0; i < c->n_nodes; i++)
		for (int t = 0; t < CLUSTER_TOKENS; t++)
			c->nodes[i].tokens[t] =
				(int64_t)((uint64_t)INT64_MIN + 1 + step * ((uint64_t)t * c->n_nodes + i));
}

void cluster_free(struct cluster *c)
{
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		prepared_forget(c->nodes[i].prepared, NULL, NULL);
		free(c->nodes[i].prepared);
	}
	fault_clear(&c->faults);
	schema_free(&c->schema);
	type_free_all();
	arena_free(&c->arena);
	buffer_free(&c->scratch);
	buffer_free(&c->unpacked);
	buffer_free(&c->body);
	buffer_free(&c->packed);
	free(c->segment);
}

struct node *cluster_node(struct cluster *c, const char *address)
{
	struct endpoint e;

	if (endpoint_parse(address, c->o.port, &e) < 0)
		return NULL;
	for (uint32_t i = 0; i < c->n_nodes; i++)
		if (memcmp(c->nodes[i].endpoint.ip, e.ip, 16) == 0)
			return &c->nodes[i];
	return NULL;
}

int64_t cluster_now_us(struct cluster *c)
{
	int64_t now = clock_wall_us();

	c->last_us = now > c->last_us ? now : c->last_us + 1;
	return c->last_us;
}

static void before_drop(void *ctx, struct table *t)
{
	struct cluster *c = ctx;

	for (uint32_t i = 0; i < c->n_nodes; i++)
		prepared_forget(c->nodes[i].prepared, t, NULL);
}

int cluster_change_schema(struct cluster *c, const struct stmt *s, struct cql_view keyspace,
	struct schema_event *e, struct problem *why)
{
	int r = schema_apply(&c->schema, s, keyspace, before_drop, c, e, why);

	if (r > 0)
		uuid_random(c->schema_version);
	return r;
}
