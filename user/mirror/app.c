#include "mirror/app.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

struct app *app_new(const char *name, unsigned n_workers, struct policy *policy, size_t prepared_limit)
{
	struct app *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	text_copy(a->name, sizeof a->name, name);
	a->n_workers = n_workers;
	a->stats = aligned_alloc(_Alignof(struct app_stats), n_workers * sizeof *a->stats);
	a->prepared = prepared_cache_new(prepared_limit);
	a->flagged = calloc(APP_FLAGGED, sizeof *a->flagged);
	if (!a->stats || !a->prepared || !a->flagged) {
		prepared_cache_free(a->prepared);
		free(a->stats);
		free(a->flagged);
		free(a);
		return NULL;
	}
	memset(a->stats, 0, n_workers * sizeof *a->stats);
	pthread_mutex_init(&a->lock, NULL);
	a->policy = policy;
	return a;
}

void app_free(struct app *a)
{
	if (!a)
		return;
	policy_unref(a->policy);
	prepared_cache_free(a->prepared);
	pthread_mutex_destroy(&a->lock);
	free(a->stats);
	free(a->flagged);
	free(a);
}

struct policy *app_policy(struct app *a)
{
	pthread_mutex_lock(&a->lock);
	struct policy *p = policy_ref(a->policy);
	pthread_mutex_unlock(&a->lock);
	return p;
}

void app_set_policy(struct app *a, struct policy *p)
{
	pthread_mutex_lock(&a->lock);
	struct policy *was = a->policy;
	a->policy = p;
	pthread_mutex_unlock(&a->lock);
	policy_unref(was);
}

const char *flag_name(enum flag f)
{
	static const char *const NAMES[FLAGS] = {
		[FLAG_FAILED_WRITES] = "failed_writes",
		[FLAG_DIVERGED] = "diverged",
		[FLAG_UNMIRRORED] = "unmirrored",
		[FLAG_OPAQUE] = "opaque",
		[FLAG_SCHEMA] = "schema",
	};

	return NAMES[f];
}

/* True: it is new. */
static bool remember(struct app *a, const char *table, enum flag f)
{
	for (size_t i = 0; i < a->n_flagged; i++)
		if (a->flagged[i].flag == f && !strcmp(a->flagged[i].table, table))
			return false;
	if (a->n_flagged < APP_FLAGGED) {
		snprintf(a->flagged[a->n_flagged].table, TABLE_CAP, "%s", table);
		a->flagged[a->n_flagged++].flag = f;
	}
	return true;
}

void app_flag(struct app *a, const char *table, enum flag f)
{
	pthread_mutex_lock(&a->lock);
	if (a->n_flagged >= APP_FLAGGED - FLAGS)
		table = NULL;
	bool fresh = remember(a, table ? table : "", f);
	pthread_mutex_unlock(&a->lock);
	if (fresh)
		a->on_flag(a->ctx, a, table, f);
}

void app_flag_class(struct app *a, const struct cql_class *c, const char *keyspace, enum flag f)
{
	char ks[TABLE_CAP / 2], table[TABLE_CAP / 2], full[TABLE_CAP];

	if (!c->n_tables || c->more_tables)
		app_flag(a, NULL, f);
	for (unsigned i = 0; i < c->n_tables; i++) {
		const struct cql_table *t = &c->tables[i];
		cql_name_fold(t->table, table, sizeof table);
		if (t->keyspace.text.n)
			cql_name_fold(t->keyspace, ks, sizeof ks);
		snprintf(full, sizeof full, "%s.%s", t->keyspace.text.n ? ks : keyspace, table);
		app_flag(a, full, f);
	}
}

void app_flag_batch(
	struct app *a, uint8_t version, const struct cql_batch *b, const char *keyspace, enum flag f)
{
	struct cql_batch_child child;
	struct cql_class c;

	for (uint32_t at = b->children_at; cql_batch_next(b, version, &at, &child);) {
		struct prepared *p =
			child.prepared ? prepared_find(a->prepared, version, child.text_or_id) : NULL;
		if (p) {
			app_flag_class(a, &p->class, p->keyspace, f);
		} else if (child.prepared) {
			app_flag(a, NULL, f); /* forgotten since: nobody knows its table */
		} else {
			cql_classify(child.text_or_id, &c);
			app_flag_class(a, &c, keyspace, f);
		}
		prepared_unref(p);
	}
}
