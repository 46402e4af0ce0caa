/* One request being executed: who asks, what was bound, what time it is. Lives for the request; everything it makes lies in its arena. */
#pragma once
#include "schema.h"
#include "cql/request.h"

struct cluster;
struct node;
struct exec {
	struct cluster *cluster;
	struct node *node;
	struct arena *a;
	struct problem *why;
	struct cql_view keyspace; /* what names without one mean */
	uint8_t version;
	uint16_t consistency;
	const struct cql_value *values; /* by marker */
	int64_t now_us;                 /* no two requests have the same */
	uint32_t now;                   /* s: what has expired, and from when a TTL counts */
	int64_t timestamp;              /* of writes that name none: the request's, else now_us */
	int32_t page_size;              /* <= 0: none */
	struct cql_value paging_state;
	bool skip_metadata;
	/* In a select list a word is a column of the row at hand. */
	bool (*column)(void *ctx, struct cql_view name, const struct type **type, struct cql_value *out);
	void *column_ctx;
};
