/*
 * One attachment as the data path sees it: its policy, its two sites, its prepared statements, its counters. Made and freed by the main
 * thread while no worker has a session of it; everything else here is safe from any thread.
 */
#pragma once
#include "cql/request.h"
#include "mirror/breaker.h"
#include "mirror/prepared.h"
#include "mirror/route.h"
#include "mirror/site.h"

/* Counted by each worker on its own, added up for `status`. */
struct app_stats {
	_Alignas(128) _Atomic uint64_t requests[REQUEST_KINDS];
	_Atomic uint64_t failed; /* errors that Seam made itself */
	_Atomic uint64_t unmirrored[UNMIRRORED_KINDS];
	_Atomic uint64_t failed_writes, diverged;
	_Atomic uint64_t sessions; /* since the start */
	_Atomic int64_t open, opaque;
	_Atomic int64_t legs_up; /* Target legs that are ready now */
};
#define STAT_ADD(field, n) atomic_fetch_add_explicit(&(field), n, memory_order_relaxed)

enum flag { FLAG_FAILED_WRITES, FLAG_DIVERGED, FLAG_UNMIRRORED, FLAG_OPAQUE, FLAG_SCHEMA, FLAGS };

#define APP_FLAGGED 4096 /* (table, flag) pairs remembered; beyond that the whole app is flagged */

struct app {
	char name[NAME_CAP];
	struct site *site[CLUSTERS];
	struct prepared_cache *prepared;
	struct breaker breaker;
	unsigned n_workers;
	struct app_stats *stats; /* [n_workers] */
	atomic_uint_fast64_t turned_away;
	pthread_mutex_t lock; /* of what follows */
	struct policy *policy;
	struct {
		char table[TABLE_CAP];
		enum flag flag;
	} * flagged;
	size_t n_flagged;
	/* Tell the keeper, from any thread. table NULL: the whole app. */
	void (*on_flag)(void *ctx, struct app *a, const char *table, enum flag f);
	void *ctx;
};

struct app *app_new(const char *name, unsigned n_workers, struct policy *policy, size_t prepared_limit);
void app_free(struct app *a);
struct policy *app_policy(struct app *a);             /* a reference */
void app_set_policy(struct app *a, struct policy *p); /* takes the reference */
/* Remember a flag and report it once. table "ks.t", or NULL for the whole app. */
void app_flag(struct app *a, const char *table, enum flag f);
const char *flag_name(enum flag f);
/* Flag each table of a statement, or the app when no table is known. */
void app_flag_class(struct app *a, const struct cql_class *c, const char *keyspace, enum flag f);
/* The same for each statement of a BATCH frame. */
void app_flag_batch(
	struct app *a, uint8_t version, const struct cql_batch *b, const char *keyspace, enum flag f);
