/*
 * Where a request goes: semantics §3 as a function. Pure: no I/O, no clock, no state.
 */
#pragma once
#include "cql/classify.h"
#include "mirror/policy.h"

/* How the answers of both clusters become the one that the app sees (merge.h). */
enum rule {
	RULE_ORIGIN, /* one cluster, its answer */
	RULE_WRITE,  /* both, semantics §4 */
	RULE_SCHEMA, /* both; Origin's answer once Target has answered too; Target's failure is flagged, never shown */
	RULE_PREPARE, /* both at once; Origin's answer at once */
	RULE_USE,     /* Origin, then Target follows behind a barrier; Origin's answer at once */
};

enum unmirrored {
	MIRRORED, /* nothing to count */
	UNMIRRORED_LWT,
	UNMIRRORED_FUNCTIONS, /* goes to both, and each stores a value of its own */
	UNMIRRORED_SCHEMA,
	UNMIRRORED_EXCLUDED,
	UNMIRRORED_OTHER,
	UNMIRRORED_KINDS,
};

enum request_kind { REQUEST_READ, REQUEST_WRITE, REQUEST_OTHER, REQUEST_KINDS };

struct plan {
	enum rule rule;
	enum unmirrored unmirrored;
	enum request_kind kind;
	bool refused;        /* a BATCH that mixes excluded with mirrored tables: INVALID */
	bool needs_keyspace; /* on the follower only while it is in the session's keyspace */
	bool lwt;            /* WRITE_TIMEOUT's type is CAS then */
	bool slow;           /* TRUNCATE and DDL: request_timeout does not apply */
	bool use;            /* USE */
	bool stamp;          /* a default timestamp is to be given if the request has none */
};

/* What is planned for one statement. `keyspace`: folded, in which unqualified names are looked up; "" if none. */
struct plan route_statement(const struct policy *p, const struct cql_class *c, const char *keyspace);
/*
 * A BATCH frame: begin, then each child's statement, then end. A child that could not be classified, or that no BATCH may hold, makes
 * the whole batch Origin's alone.
 */
struct route_batch {
	struct plan plan;
	unsigned mirrored, excluded;
	bool lwt, functions, other;
};
void route_batch_begin(struct route_batch *b);
void route_batch_child(
	struct route_batch *b, const struct policy *p, const struct cql_class *c, const char *keyspace);
struct plan route_batch_end(const struct route_batch *b, const struct policy *p);
const char *unmirrored_name(enum unmirrored u);
