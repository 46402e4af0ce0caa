/*
 * A link: one connection of Seam's own to one node, for discovery, schema and checks; not for an app's traffic.
 *
 * It finds the highest released version that the node takes (5, 4, 3), logs in with PLAIN when asked, and then runs one query after the
 * other or several at once, up to LINK_QUERIES. Every query is answered exactly once, with -ECONNRESET when the link ends first.
 */
#pragma once
#include "base/endpoint.h"
#include "base/reason.h"
#include "cql/error.h"
#include "cql/result.h"
#include "net/wire.h"

#define LINK_QUERIES 64

struct link_opts {
	struct endpoint to;
	const char *user, *password; /* NULL: none. Copied. */
	bool events;                 /* REGISTER for all */
	unsigned timeout_ms;         /* for connecting, for the handshake, and for each query */
	unsigned max_version;        /* 0: CQL_V5 */
};

struct link;

/* What the node said. Views live for the call. */
struct link_reply {
	int err; /* 0; -ECONNRESET, -ETIMEDOUT, -EBADMSG; -EREMOTEIO: `error` is what the node answered */
	uint8_t version;
	struct cql_view result; /* RESULT body proper */
	struct cql_server_error error;
};
typedef void (*link_reply_fn)(void *ctx, const struct link_reply *r);

struct link_ops {
	void (*on_ready)(void *ctx, uint8_t version,
		struct cql_view supported); /* supported: body of SUPPORTED, kept by the link */
	void (*on_event)(void *ctx, const struct cql_event *e);
	void (*on_end)(void *ctx, const struct reason *why); /* once; call link_close() then or later */
};

int link_open(struct wire_hub *hub, const struct link_opts *o, const struct link_ops *ops, void *ctx,
	struct link **out) must_check;
/* Consistency LOCAL_ONE for reads of system tables. -ENOBUFS when too many are under way. */
int link_query(struct link *l, const char *text, link_reply_fn fn, void *ctx) must_check;
/* Pending queries are answered before it returns. NULL is fine. */
void link_close(struct link *l);
