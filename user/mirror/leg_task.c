/* Requests of Seam's own on a leg: PREPARE where a statement is not known, USE, and the wait for schema agreement. */
#include "base/log.h"
#include "base/text.h"
#include "client/out.h"
#include "mirror/worker.h"

#include <stdio.h>
#include <string.h>

#define AGREE_NS      10000000000ull
#define AGREE_LOOK_NS 100000000ull
#define MISSING_NS    1000000000ull

static struct task *task_new(struct leg *l, enum task_kind kind)
{
	struct task *t = calloc(1, sizeof *t);

	if (!t)
		return NULL;
	t->owed.kind = OWED_TASK;
	t->kind = kind;
	t->id = -1;
	t->started_ns = l->s->w->now_ns;
	list_init(&t->waiting);
	list_push(&l->tasks, &t->link);
	return t;
}

static void task_free(struct task *t)
{
	list_del(&t->link);
	prepared_unref(t->prepared);
	free(t);
}

static struct part *take_waiting(struct task *t)
{
	struct part *p = list_entry(t->waiting.next, struct part, queue);

	list_del(&p->queue);
	p->prepare_ns = 0;
	return p;
}

/* Every part that waited ends so; `h` is the answer that they get, if any. */
static void settle_waiting(
	struct leg *l, struct task *t, enum outcome o, const struct cql_header *h, struct cql_view body)
{
	while (!list_empty(&t->waiting)) {
		struct part *p = take_waiting(t);
		inflight_settle(inflight_of(p), l->which, o, h, body);
	}
}

static bool ask(struct leg *l, struct task *t, uint8_t opcode, struct cql_writer *body)
{
	struct cql_header h = {.version = l->s->version, .opcode = opcode};

	t->id = body->failed ? -1 : leg_send(l, &t->owed, -1, &h, (struct cql_view){body->p, body->len});
	out_free(body);
	return t->id >= 0;
}

static bool ask_text(struct leg *l, struct task *t, const char *text)
{
	struct cql_writer w = OUT_EMPTY;
	const struct cql_query_opts o = {.consistency = CQL_ONE};

	cql_query_write(&w, l->s->version, cql_view_of(text), &o);
	return ask(l, t, CQL_QUERY, &w);
}

void leg_use_text(char *out, size_t cap, const char *keyspace)
{
	size_t n = (size_t)snprintf(out, cap, "USE \"");

	for (; *keyspace && n + 4 < cap; keyspace++) {
		out[n++] = *keyspace;
		if (*keyspace == '"')
			out[n++] = '"';
	}
	out[n++] = '"';
	out[n] = 0;
}

static bool ask_prepare(struct leg *l, struct task *t)
{
	struct cql_writer w = OUT_EMPTY;
	const struct prepared *p = t->prepared;
	bool flag = l->s->version >= CQL_V5 && p->class.needs_keyspace;

	cql_prepare_write(&w, l->s->version, (struct cql_view){(const uint8_t *)p->text, p->text_n},
		flag ? cql_view_of(p->keyspace) : (struct cql_view){0});
	return ask(l, t, CQL_PREPARE, &w);
}

/* v3 and v4 prepare unqualified names in the connection's keyspace: borrow that, and come back (leg_sync_keyspace). */
static bool must_borrow(const struct leg *l, const struct prepared *p)
{
	return l->which == TARGET && l->s->version < CQL_V5 && p->class.needs_keyspace &&
	       strcmp(p->keyspace, l->keyspace);
}

void leg_prepare(struct leg *l, struct prepared *p, struct part *waiting)
{
	char text[TABLE_CAP];
	bool sent;

	waiting->prepare_ns = l->s->w->now_ns;
	list_for_each (it, &l->tasks) {
		struct task *t = list_entry(it, struct task, link);
		if (t->prepared == p) {
			list_push(&t->waiting, &waiting->queue);
			return;
		}
	}
	/* A server runs one connection's requests side by side: a keyspace may change only while none is under way. */
	if (l->which == TARGET && (l->syncing || (must_borrow(l, p) && l->ids.used))) {
		l->moving |= !l->syncing;
		waiting->queued = true;
		list_push(l->waiting.next, &waiting->queue); /* at the front */
		return;
	}
	struct task *t = task_new(l, must_borrow(l, p) ? TASK_USE : TASK_PREPARE);
	if (!t) {
		inflight_settle(inflight_of(waiting), l->which, OUTCOME_REFUSED, NULL, (struct cql_view){0});
		return;
	}
	t->prepared = prepared_ref(p);
	list_push(&t->waiting, &waiting->queue);
	if (t->kind == TASK_USE) {
		l->syncing = t->borrowed = true;
		text_copy(t->keyspace, sizeof t->keyspace, p->keyspace);
		leg_use_text(text, sizeof text, t->keyspace);
		sent = ask_text(l, t, text);
	} else {
		sent = ask_prepare(l, t);
	}
	if (!sent) {
		l->syncing &= !t->borrowed;
		settle_waiting(l, t, OUTCOME_REFUSED, NULL, (struct cql_view){0});
		task_free(t);
	}
}

void leg_keyspace_missing(struct leg *l)
{
	/* Unqualified statements fail as invalid, since their keyspace is not the leg's; the rest goes on. */
	memcpy(l->missing, l->keyspace, sizeof l->missing);
	l->missing_ns = l->s->w->now_ns;
	l->keyspace[0] = 0;
	app_flag(l->s->app, NULL, FLAG_SCHEMA);
}

void leg_sync_keyspace(struct leg *l)
{
	const char *want = l->s->keyspace;
	char text[TABLE_CAP];

	if (l->state != LEG_READY || l->syncing || l->held)
		return;
	if (l->moving && l->ids.used)
		return; /* the tick comes back */
	l->moving = false;
	bool missing = !strcmp(want, l->missing) && l->s->w->now_ns - l->missing_ns < MISSING_NS;
	if (!want[0] || missing || !strcmp(want, l->keyspace)) {
		leg_drain(l);
		return;
	}
	if (l->ids.used) {
		l->moving = true;
		return;
	}
	struct task *t = task_new(l, TASK_USE);
	if (t) {
		text_copy(t->keyspace, sizeof t->keyspace, want);
		leg_use_text(text, sizeof text, want);
		l->syncing = true;
		if (ask_text(l, t, text))
			return;
		task_free(t);
	}
	l->syncing = false;
	leg_target_lost(l, "could not follow a USE");
}

static void use_answered(struct leg *l, struct task *t, const struct cql_header *h, struct cql_view body)
{
	bool ok = h->opcode == CQL_RESULT;
	bool mine = !strcmp(t->keyspace, l->s->keyspace);

	if (ok) {
		text_copy(l->keyspace, sizeof l->keyspace, t->keyspace);
		l->missing[0] = 0;
	}
	if (t->prepared) {
		if (ok) {
			t->kind = TASK_PREPARE;
			if (ask_prepare(l, t))
				return;
		}
		settle_waiting(l, t, ok ? OUTCOME_REFUSED : OUTCOME_INVALID, ok ? NULL : h, body);
		task_free(t);
		l->syncing = false;
		leg_sync_keyspace(l);
		return;
	}
	task_free(t);
	l->syncing = false;
	if (!ok && mine) {
		text_copy(l->keyspace, sizeof l->keyspace, l->s->keyspace);
		leg_keyspace_missing(l);
		leg_drain(l);
		return;
	}
	leg_sync_keyspace(l);
}

static void prepare_answered(struct leg *l, struct task *t, const struct cql_header *h, struct cql_view body)
{
	struct cql_server_error e = {.code = CQL_E_SERVER};
	struct cql_error err;
	bool borrowed = t->borrowed;
	struct list ready;

	list_init(&ready);
	if (h->opcode == CQL_RESULT && cql_result_kind(body) == CQL_PREPARED &&
		(l->which == ORIGIN || prepared_learn_target(t->prepared, body) == 0)) {
		while (!list_empty(&t->waiting))
			list_push(&ready, &take_waiting(t)->queue);
	} else {
		enum outcome o = OUTCOME_REFUSED;
		if (h->opcode == CQL_ERROR && cql_error_read(l->s->version, body, &e, &err) &&
			merge_outcome(e.code) == OUTCOME_INVALID)
			o = OUTCOME_INVALID;
		settle_waiting(l, t, o, h->opcode == CQL_ERROR ? h : NULL, body);
	}
	task_free(t);
	if (borrowed) {
		l->syncing = false;
		leg_sync_keyspace(l);
	}
	while (!list_empty(&ready)) {
		struct part *p = list_entry(ready.next, struct part, queue);
		list_del(&p->queue);
		leg_submit(l, inflight_of(p));
	}
}

/* ---- schema agreement: every node of Target has the version that the node which ran the DDL has */

static void agreed(struct leg *l, struct task *t, bool yes)
{
	struct inflight *r = t->agree;

	if (!yes)
		log_warn("schema_agreement", "app=%s cluster=target state=missing after_s=10",
			l->s->app->name);
	task_free(t);
	if (r)
		r->part[TARGET].agreeing = NULL;
	if (r)
		inflight_settle(r, TARGET, yes ? OUTCOME_OK : OUTCOME_UNKNOWN, NULL, (struct cql_view){0});
}

void leg_agree(struct leg *l, struct inflight *r)
{
	struct task *t = task_new(l, TASK_AGREE_LOCAL);

	if (!t) {
		inflight_settle(r, TARGET, OUTCOME_UNKNOWN, NULL, (struct cql_view){0});
		return;
	}
	t->agree = r;
	r->part[TARGET].agreeing = t;
	if (!ask_text(l, t, "SELECT schema_version FROM system.local WHERE key='local'"))
		agreed(l, t, false);
}

/* Does every row's schema_version equal `want` (rows without one are nodes that are gone)? With `first`, take it as what is wanted. */
static bool versions_agree(uint8_t version, struct cql_view body, uint8_t want[16], bool first)
{
	struct cql_rows rows;
	struct cql_error err;
	struct cql_reader rd;
	struct cql_value cell;

	if (!cql_rows_read(version, body, &rows, &err) || rows.metadata.n_columns != 1)
		return false;
	cql_reader_init(&rd, rows.cells);
	while (cql_row_next(&rows, &rd, &cell, 1)) {
		if (cell.state != CQL_VALUE_SET || cell.view.n != 16)
			continue;
		if (first)
			memcpy(want, cell.view.p, 16);
		else if (memcmp(want, cell.view.p, 16))
			return false;
	}
	return true;
}

static void agree_answered(struct leg *l, struct task *t, const struct cql_header *h, struct cql_view body)
{
	bool local = t->kind == TASK_AGREE_LOCAL;
	bool good = h->opcode == CQL_RESULT && versions_agree(l->s->version, body, t->version, local);

	t->id = -1;
	if (!t->agree) {
		task_free(t);
	} else if (good && !local) {
		agreed(l, t, true);
	} else if (good) {
		t->kind = TASK_AGREE_PEERS;
		if (!ask_text(l, t, "SELECT schema_version FROM system.peers"))
			agreed(l, t, false);
	} else {
		t->kind = TASK_AGREE_LOCAL;
		t->next_ns = l->s->w->now_ns + AGREE_LOOK_NS;
	}
}

void leg_tasks_tick(struct leg *l, uint64_t now)
{
	for (struct list *it = l->tasks.next, *next; it != &l->tasks; it = next) {
		struct task *t = list_entry(it, struct task, link);
		next = it->next;
		if (t->kind != TASK_AGREE_LOCAL && t->kind != TASK_AGREE_PEERS) {
			if (now - t->started_ns > l->s->policy->request_timeout_ns) {
				if (l->which == ORIGIN) {
					leg_zombie(l, t->id);
					settle_waiting(l, t, OUTCOME_UNKNOWN, NULL, (struct cql_view){0});
					task_free(t);
				} else {
					leg_target_lost(l, "no answer to a PREPARE or USE of Seam's own");
				}
				return;
			}
			continue;
		}
		if (now - t->started_ns > AGREE_NS) {
			if (t->id >= 0)
				leg_zombie(l, t->id);
			agreed(l, t, false);
			return; /* the list may have changed: the rest at the next tick */
		}
		if (t->id < 0 && now >= t->next_ns &&
			!ask_text(l, t, "SELECT schema_version FROM system.local WHERE key='local'")) {
			agreed(l, t, false);
			return;
		}
	}
}

void leg_task_answer(struct leg *l, struct task *t, const struct cql_header *h, struct cql_view body)
{
	switch (t->kind) {
	case TASK_USE:
		use_answered(l, t, h, body);
		break;
	case TASK_PREPARE:
		prepare_answered(l, t, h, body);
		break;
	case TASK_AGREE_LOCAL:
	case TASK_AGREE_PEERS:
		agree_answered(l, t, h, body);
		break;
	}
}

void leg_tasks_lost(struct leg *l)
{
	while (!list_empty(&l->tasks)) {
		struct task *t = list_entry(l->tasks.next, struct task, link);
		struct inflight *r = t->agree;
		while (!list_empty(&t->waiting)) {
			struct part *p = take_waiting(t);
			p->queued = true;
			list_push(&l->waiting, &p->queue);
		}
		task_free(t);
		if (r) {
			r->part[TARGET].agreeing = NULL;
			inflight_settle(r, TARGET, OUTCOME_UNKNOWN, NULL, (struct cql_view){0});
		}
	}
}
