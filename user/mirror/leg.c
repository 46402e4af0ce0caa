#include "mirror/leg.h"

#include "base/log.h"
#include "client/out.h"
#include "client/pack.h"
#include "mirror/worker.h"

#include <string.h>

static const char *leg_state_name(enum leg_state st)
{
	static const char *const NAMES[LEG_STATES] = {
		[LEG_NONE] = "none",
		[LEG_DOWN] = "down",
		[LEG_DIALING] = "dialing",
		[LEG_STARTING] = "starting",
		[LEG_AUTH] = "auth",
		[LEG_KEYSPACE] = "keyspace",
		[LEG_READY] = "ready",
		[LEG_RELAYING] = "relaying",
	};

	return NAMES[st];
}

/* From each state, the states that may follow. */
static const uint16_t NEXT[LEG_STATES] = {
	[LEG_NONE] = 1 << LEG_DIALING | 1 << LEG_DOWN,
	[LEG_DOWN] = 1 << LEG_DIALING | 1 << LEG_NONE,
	[LEG_DIALING] =
		1 << LEG_STARTING | 1 << LEG_DOWN | 1 << LEG_NONE | 1 << LEG_RELAYING | 1 << LEG_DIALING,
	[LEG_STARTING] = 1 << LEG_AUTH | 1 << LEG_KEYSPACE | 1 << LEG_READY | 1 << LEG_DIALING |
			 1 << LEG_DOWN | 1 << LEG_NONE,
	[LEG_AUTH] = 1 << LEG_KEYSPACE | 1 << LEG_READY | 1 << LEG_DIALING | 1 << LEG_DOWN | 1 << LEG_NONE,
	[LEG_KEYSPACE] = 1 << LEG_READY | 1 << LEG_DIALING | 1 << LEG_DOWN | 1 << LEG_NONE,
	[LEG_READY] = 1 << LEG_DIALING | 1 << LEG_DOWN | 1 << LEG_NONE,
	[LEG_RELAYING] = 1 << LEG_NONE,
};

void leg_set_state(struct leg *l, enum leg_state to)
{
	if (!(NEXT[l->state] & 1 << to)) {
		log_error("bad_leg_state", "session=%llu leg=%s from=%s to=%s", (unsigned long long)l->s->id,
			l->which == ORIGIN ? "origin" : "target", leg_state_name(l->state),
			leg_state_name(to));
		abort();
	}
	log_debug("leg", "session=%llu leg=%s from=%s to=%s", (unsigned long long)l->s->id,
		l->which == ORIGIN ? "origin" : "target", leg_state_name(l->state), leg_state_name(to));
	if (l->which == TARGET)
		STAT_ADD(l->s->stats->legs_up, (to == LEG_READY) - (l->state == LEG_READY));
	l->state = to;
	l->state_ns = l->s->w->now_ns;
}

static void on_piece(void *ctx, const struct cql_piece *piece)
{
	struct leg *l = ctx;

	l->heard_ns = l->s->w->now_ns;
	leg_reply_piece(l, piece);
}

static void on_fault(void *ctx)
{
	struct leg *l = ctx;

	if (l->which == TARGET)
		leg_target_lost(l, l->pipe.dec.error.why);
	else
		session_end(l->s, "origin sent what is no CQL");
}

static void on_batch(void *ctx)
{
	struct leg *l = ctx;

	session_flush(l->s);
	session_pace(l->s);
}

static void on_broken(void *ctx)
{
	struct leg *l = ctx;

	if (l->which == TARGET)
		leg_target_lost(l, "out of memory");
	else
		session_end(l->s, "out of memory");
}

static const struct pipe_ops PIPE_OPS = {
	.on_piece = on_piece, .on_fault = on_fault, .on_batch = on_batch, .on_broken = on_broken};

void leg_init(struct leg *l, struct session *s, enum cluster which)
{
	*l = (struct leg){.s = s, .which = which, .gather = OUT_EMPTY};
	list_init(&l->waiting);
	list_init(&l->tasks);
	pipe_init(&l->pipe, pack_libs(), s->w->scratch, true, CQL_MAX_BODY, &PIPE_OPS, l);
}

void leg_fini(struct leg *l)
{
	leg_tasks_lost(l);
	pipe_close(&l->pipe, false);
	ids_fini(&l->ids);
	out_free(&l->gather);
}

int leg_send(struct leg *l, struct owed *owner, int wish, const struct cql_header *h, struct cql_view body)
{
	struct cql_header mine = *h;
	/* Silence is counted from the first thing that was asked. */
	if (!l->ids.used)
		l->heard_ns = l->s->w->now_ns;
	int id = ids_take(&l->ids, wish, owner);

	if (id < 0)
		return -1;
	mine.stream = (int16_t)id;
	pipe_send(&l->pipe, &mine, body);
	return id;
}

void leg_zombie(struct leg *l, int id)
{
	static struct owed zombie = {OWED_ZOMBIE};

	ids_change(&l->ids, id, &zombie);
	l->zombies++;
}

/* ---- Origin's wire: the client's own connection, one to one */

static void origin_open(void *ctx)
{
	struct leg *l = ctx;

	if (l->state == LEG_DIALING)
		leg_set_state(l, LEG_RELAYING);
}

static size_t origin_input(void *ctx, const uint8_t *p, size_t n)
{
	struct leg *l = ctx;

	if (l->s->state == SESSION_OPAQUE)
		return opaque_input(l->s, false, p, n);
	return pipe_input(&l->pipe, p, n);
}

static void origin_end(void *ctx, int err)
{
	struct leg *l = ctx;

	pipe_close(&l->pipe, false);
	session_end(l->s, err ? strerror(-err) : "origin closed the connection");
}

static void origin_drain(void *ctx)
{
	struct leg *l = ctx;

	if (l->s->state == SESSION_OPAQUE)
		opaque_drained(l->s);
	else
		session_pace(l->s);
}

static const struct wire_ops ORIGIN_WIRE = {
	.on_open = origin_open, .on_input = origin_input, .on_end = origin_end, .on_drain = origin_drain};

int leg_origin_dial(struct leg *l, const struct endpoint *to)
{
	l->at = *to;
	leg_set_state(l, LEG_DIALING);
	return wire_dial(&l->s->w->hub, to, (unsigned)(l->s->policy->request_timeout_ns / 1000000),
		&ORIGIN_WIRE, l, &l->pipe.wire);
}
