#include "mirror/prepared.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>

#define BUCKETS 16384
#define SAMPLE  32
#define TARGETS_MAX                                                                                          \
	64 /* what Target called one statement since it was learned: one, or one for each version while it is upgraded */

struct prepared_cache {
	pthread_rwlock_t lock;
	size_t count, limit;
	_Atomic uint64_t tick;
	unsigned hand; /* where eviction looks next */
	struct prepared *bucket[BUCKETS];
};

static unsigned bucket_of(uint8_t version, struct cql_view id)
{
	uint64_t h = 14695981039346656037ull ^ version; /* FNV-1a */

	for (size_t i = 0; i < id.n; i++)
		h = (h ^ id.p[i]) * 1099511628211ull;
	return (unsigned)(h % BUCKETS);
}

struct prepared_cache *prepared_cache_new(size_t limit)
{
	struct prepared_cache *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->limit = limit ? limit : 1;
	pthread_rwlock_init(&c->lock, NULL);
	return c;
}

struct prepared *prepared_ref(struct prepared *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void prepared_unref(struct prepared *p)
{
	if (!p || atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) > 1)
		return;
	for (struct prepared_target *t = atomic_load(&p->targets), *older; t; t = older) {
		older = t->older;
		free(t);
	}
	free(p->origin);
	free(p);
}

void prepared_cache_free(struct prepared_cache *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		while (c->bucket[i]) {
			struct prepared *p = c->bucket[i];
			c->bucket[i] = p->chain;
			prepared_unref(p);
		}
	}
	pthread_rwlock_destroy(&c->lock);
	free(c);
}

static struct prepared *look_up(struct prepared_cache *c, unsigned b, uint8_t version, struct cql_view id)
{
	for (struct prepared *p = c->bucket[b]; p; p = p->chain)
		if (p->version == version && p->id_n == id.n && !memcmp(p->id, id.p, id.n))
			return p;
	return NULL;
}

struct prepared *prepared_find(struct prepared_cache *c, uint8_t version, struct cql_view id)
{
	unsigned b = bucket_of(version, id);

	pthread_rwlock_rdlock(&c->lock);
	struct prepared *p = look_up(c, b, version, id);
	if (p) {
		prepared_ref(p);
		atomic_store_explicit(&p->used, atomic_fetch_add_explicit(&c->tick, 1, memory_order_relaxed),
			memory_order_relaxed);
	}
	pthread_rwlock_unlock(&c->lock);
	return p;
}

/* Under the write lock. */
static void take_out(struct prepared_cache *c, unsigned b, struct prepared *p)
{
	struct prepared **at = &c->bucket[b];

	while (*at != p)
		at = &(*at)->chain;
	*at = p->chain;
	c->count--;
	prepared_unref(p);
}

/* Under the write lock. */
static void evict_one(struct prepared_cache *c)
{
	struct prepared **oldest = NULL;
	unsigned seen = 0;

	for (unsigned i = 0; i < BUCKETS && seen < SAMPLE; i++, c->hand = (c->hand + 1) % BUCKETS)
		for (struct prepared **at = &c->bucket[c->hand]; *at; at = &(*at)->chain, seen++)
			if (!oldest || (*at)->used < (*oldest)->used)
				oldest = at;
	if (!oldest)
		return;
	struct prepared *p = *oldest;
	*oldest = p->chain;
	c->count--;
	prepared_unref(p);
}

static struct prepared *make(uint8_t version, struct cql_view text, const char *keyspace,
	struct cql_view body, const struct cql_prepared *told)
{
	struct prepared *p = calloc(1, sizeof *p + text.n + 1);

	if (!p)
		return NULL;
	p->origin = malloc(body.n);
	if (!p->origin) {
		free(p);
		return NULL;
	}
	memcpy(p->origin, body.p, body.n);
	p->origin_n = body.n;
	memcpy(p->text, text.p, text.n);
	p->text_n = text.n;
	p->version = version;
	p->id_n = (uint8_t)told->id.n;
	memcpy(p->id, told->id.p, told->id.n);
	text_copy(p->keyspace, sizeof p->keyspace, keyspace);
	cql_classify((struct cql_view){(const uint8_t *)p->text, p->text_n}, &p->class);
	p->refs = 1;
	return p;
}

struct prepared *prepared_learn(struct prepared_cache *c, uint8_t version, struct cql_view text,
	const char *keyspace, struct cql_view body)
{
	struct cql_prepared told;
	struct cql_error err;

	if (!cql_prepared_read(version, body, &told, &err) || !told.id.n || told.id.n > PREPARED_ID_MAX)
		return NULL;
	unsigned b = bucket_of(version, told.id);
	pthread_rwlock_wrlock(&c->lock);
	struct prepared *p = look_up(c, b, version, told.id);
	/* The same text under the same id, but its table was made anew with other columns: what was learned of both sides is void. */
	if (p && (p->origin_n != body.n || memcmp(p->origin, body.p, body.n))) {
		take_out(c, b, p);
		p = NULL;
	}
	if (!p) {
		p = make(version, text, keyspace, body, &told);
		if (p) {
			if (c->count >= c->limit)
				evict_one(c);
			p->chain = c->bucket[b];
			p->used = atomic_fetch_add(&c->tick, 1);
			c->bucket[b] = p;
			c->count++;
		}
	}
	if (p)
		prepared_ref(p);
	pthread_rwlock_unlock(&c->lock);
	return p;
}

int prepared_learn_target(struct prepared *p, struct cql_view body)
{
	struct cql_prepared origin, told;
	struct cql_error err;

	if (!cql_prepared_read(p->version, body, &told, &err) || !told.id.n || told.id.n > PREPARED_ID_MAX ||
		told.result_metadata_id.n > PREPARED_ID_MAX)
		return -EBADMSG;
	if (!cql_prepared_read(p->version, (struct cql_view){p->origin, p->origin_n}, &origin, &err))
		return -EBADMSG;
	struct prepared_target *t = calloc(1, sizeof *t), *was = atomic_load(&p->targets);
	if (!t)
		return -ENOMEM;
	t->told.id_n = (uint8_t)told.id.n;
	memcpy(t->told.id, told.id.p, told.id.n);
	t->told.result_metadata_id_n = (uint8_t)told.result_metadata_id.n;
	if (told.result_metadata_id.n)
		memcpy(t->told.result_metadata_id, told.result_metadata_id.p, told.result_metadata_id.n);
	t->told.same_bind = cql_metadata_equal(&origin.bind, &told.bind);
	t->told.same_result = cql_metadata_equal(&origin.result, &told.result);
	unsigned n = 0;
	for (struct prepared_target *o = was; o; o = o->older, n++)
		if (!memcmp(&o->told, &t->told, sizeof t->told)) {
			free(t);
			atomic_store_explicit(&p->target, o, memory_order_release);
			return 0;
		}
	if (n >= TARGETS_MAX) {
		free(t);
		return -EBADMSG;
	}
	do
		t->older = was;
	while (!atomic_compare_exchange_weak(&p->targets, &was, t));
	atomic_store_explicit(&p->target, t, memory_order_release);
	return 0;
}

size_t prepared_count(struct prepared_cache *c)
{
	pthread_rwlock_rdlock(&c->lock);
	size_t n = c->count;
	pthread_rwlock_unlock(&c->lock);
	return n;
}
