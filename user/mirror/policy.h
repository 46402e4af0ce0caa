/*
 * What an app's migration asks of each request. A policy never changes: a phase switch makes a new one, with the next epoch, and each
 * request finishes under the policy it started with. Shared between threads by reference count.
 */
#pragma once
#include "base/attr.h"
#include <stdatomic.h>
#include <stdbool.h>

enum cluster { ORIGIN, TARGET, CLUSTERS };

/* Phases that exist; their names are the CLI's. In all of them Origin is the authority. */
enum phase { PHASE_PASSTHROUGH, PHASE_DUAL_WRITE, PHASES };

enum failure { FAILURE_FAIL, FAILURE_COUNT }; /* what a write's answer is when only the follower failed */

#define POLICY_EXCLUDES 256
#define NAME_CAP        64  /* app and cluster names, with NUL */
#define TABLE_CAP       512 /* "keyspace.table", with NUL */

struct policy {
	atomic_uint refs;
	enum phase phase;
	bool leg_ahead; /* a phase that mirrors comes next: sessions get their Target legs before any write needs one */
	uint64_t epoch;
	enum failure failure;
	uint64_t follower_wait_ns, request_timeout_ns;
	bool forward_auth; /* target_auth: forward */
	bool schema_both;
	uint32_t session_buffer; /* bytes */
	uint32_t frame;          /* longest body */
	size_t n_exclude;
	char (*exclude)[TABLE_CAP]; /* "ks" or "ks.t", folded */
};

struct policy *policy_ref(struct policy *p);
void policy_unref(struct policy *p); /* NULL is fine */
const char *phase_name(enum phase p);
/* -1: none of those that exist */
int phase_from_name(const char *name);
/* Is the table (folded names) named by `exclude`, itself or by its keyspace? */
bool policy_excludes(const struct policy *p, const char *keyspace, const char *table);
static inline bool policy_mirrors(const struct policy *p)
{
	return p->phase == PHASE_DUAL_WRITE;
}
static inline bool policy_wants_leg(const struct policy *p)
{
	return policy_mirrors(p) || p->leg_ahead;
}
