#include "mirror/session.h"

#include "base/log.h"
#include "client/out.h"
#include "client/pack.h"
#include "mirror/worker.h"

#include <errno.h>
#include <string.h>

#define FINISH_MS  5000
#define REFUSED_NS 10000000000ull /* a client whose version was refused closes by itself, long before */
#define SMALL      (64u << 10)    /* below that a session goes on even when memory is short */
#define WEIGHT     (16u << 10) /* unit in which sessions are weighed, so that small ones touch nothing shared */

static const char *session_state_name(enum session_state st)
{
	static const char *const NAMES[SESSION_STATES] = {
		[SESSION_FIRST] = "first",
		[SESSION_HANDSHAKE] = "handshake",
		[SESSION_READY] = "ready",
		[SESSION_DRAINING] = "draining",
		[SESSION_OPAQUE] = "opaque",
		[SESSION_OVER] = "over",
	};

	return NAMES[st];
}

static const uint8_t NEXT[SESSION_STATES] = {
	[SESSION_FIRST] = 1 << SESSION_HANDSHAKE | 1 << SESSION_OPAQUE | 1 << SESSION_OVER,
	[SESSION_HANDSHAKE] = 1 << SESSION_READY | 1 << SESSION_OVER,
	[SESSION_READY] = 1 << SESSION_DRAINING | 1 << SESSION_OVER,
	[SESSION_DRAINING] = 1 << SESSION_OVER,
	[SESSION_OPAQUE] = 1 << SESSION_OVER,
};

void session_set_state(struct session *s, enum session_state to)
{
	if (!(NEXT[s->state] & 1 << to)) {
		log_error("bad_session_state", "session=%llu from=%s to=%s", (unsigned long long)s->id,
			session_state_name(s->state), session_state_name(to));
		abort();
	}
	log_debug("session", "app=%s session=%llu from=%s to=%s", s->app->name, (unsigned long long)s->id,
		session_state_name(s->state), session_state_name(to));
	if (s->state == SESSION_OPAQUE)
		opaque_end(s);
	s->state = to;
}

int session_open(struct worker *w, struct app *a, int fd, const struct endpoint *app_addr,
	const struct endpoint *origin, uint32_t pid)
{
	static _Atomic uint64_t last_id;
	auto_close int own = fd;
	struct session *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->w = w;
	s->app = a;
	s->stats = &a->stats[w->index];
	s->policy = app_policy(a);
	s->id = atomic_fetch_add(&last_id, 1) + 1;
	s->app_addr = *app_addr;
	s->origin_addr = *origin;
	s->pid = pid;
	s->gather = OUT_EMPTY;
	list_init(&s->age);
	list_init(&s->link);
	pipe_init(&s->front, pack_libs(), w->scratch, false, CQL_MAX_BODY, &FRONT_PIPE_OPS, s);
	leg_init(&s->leg[ORIGIN], s, ORIGIN);
	leg_init(&s->leg[TARGET], s, TARGET);
	int err = wire_adopt(&w->hub, TAKE_FD(own), &FRONT_WIRE_OPS, s, &s->front.wire);
	if (!err)
		err = leg_origin_dial(&s->leg[ORIGIN], origin);
	if (err) {
		session_free(s);
		return err;
	}
	list_push(&w->sessions, &s->link);
	STAT_ADD(s->stats->open, 1);
	STAT_ADD(s->stats->sessions, 1);
	return 0;
}

void session_free(struct session *s)
{
	while (!list_empty(&s->age))
		inflight_free(list_entry(s->age.next, struct inflight, age));
	leg_fini(&s->leg[ORIGIN]);
	leg_fini(&s->leg[TARGET]);
	pipe_close(&s->front, false);
	out_free(&s->gather);
	if (s->token)
		explicit_bzero(s->token, s->token_n);
	free(s->token);
	policy_unref(s->policy);
	list_del(&s->link);
	free(s);
}

static size_t memory(const struct session *s)
{
	return s->kept + s->gather.len + pipe_memory(&s->front) + pipe_memory(&s->leg[ORIGIN].pipe) +
	       pipe_memory(&s->leg[TARGET].pipe) + s->leg[ORIGIN].gather.len + s->leg[TARGET].gather.len;
}

/* What all sessions hold together is known at once, not at the next tick: in 10 ms many could take in their session_buffer. */
static void weigh(struct session *s, size_t now)
{
	struct worker_env *env = s->w->env;

	if (now / WEIGHT != s->weighed / WEIGHT || (!now && s->weighed)) {
		atomic_fetch_add_explicit(&env->used, now - s->weighed, memory_order_relaxed);
		s->weighed = now;
	}
	s->w->memory_short = atomic_load_explicit(&env->used, memory_order_relaxed) > env->memory;
}

void session_end(struct session *s, const char *reason)
{
	char app[ENDPOINT_TEXT], origin[ENDPOINT_TEXT];

	if (s->state == SESSION_OVER)
		return;
	log_info("session_closed", "app=%s session=%llu client=%s origin=%s requests=%llu reason=" LOGV,
		s->app->name, (unsigned long long)s->id, endpoint_format(&s->app_addr, app),
		endpoint_format(&s->origin_addr, origin), (unsigned long long)s->requests, log_quote(reason));
	session_set_state(s, SESSION_OVER);
	weigh(s, 0);
	while (!list_empty(&s->age))
		inflight_abandon(list_entry(s->age.next, struct inflight, age));
	pipe_finish(&s->front, FINISH_MS);
	pipe_finish(&s->leg[ORIGIN].pipe, FINISH_MS);
	pipe_flush(&s->leg[TARGET].pipe);
	struct wire *target = TAKE_PTR(s->leg[TARGET].pipe.wire);
	if (s->leg[TARGET].state != LEG_NONE)
		leg_target_stop(&s->leg[TARGET]);
	wire_finish(target, FINISH_MS);
	STAT_ADD(s->stats->open, -1);
	list_del(&s->link);
	list_push(&s->w->over, &s->link);
}

void session_app_gone(struct session *s, const char *reason)
{
	if (s->state != SESSION_READY || !s->in_flight || s->relay) {
		session_end(s, reason);
		return;
	}
	session_set_state(s, SESSION_DRAINING);
	pipe_finish(&s->front, FINISH_MS);
}

void session_refuse_version(struct session *s)
{
	s->refused_ns = s->w->now_ns;
}

void session_ready(struct session *s)
{
	session_set_state(s, SESSION_READY);
	if (policy_wants_leg(s->policy))
		leg_target_start(&s->leg[TARGET]);
}

void session_set_policy(struct session *s, struct policy *p)
{
	policy_unref(s->policy);
	s->policy = policy_ref(p);
	leg_target_tick(&s->leg[TARGET], s->w->now_ns);
}

bool session_is_settled(const struct session *s, const char **why)
{
	const struct leg *t = &s->leg[TARGET];

	if (s->state == SESSION_READY && policy_wants_leg(s->policy) && t->state != LEG_READY) {
		*why = t->why[0] ? t->why : "the Target leg is not ready";
		return false;
	}
	if (s->policy->leg_ahead)
		return true;
	list_for_each (it, &s->age) {
		if (list_entry(it, struct inflight, age)->policy->epoch < s->policy->epoch) {
			*why = "a request of the former phase has not ended";
			return false;
		}
		break; /* oldest first */
	}
	return true;
}

void session_flush(struct session *s)
{
	if (s->state == SESSION_OVER || s->state == SESSION_OPAQUE)
		return;
	/* Origin first: the authority's work begins at once. */
	pipe_flush(&s->leg[ORIGIN].pipe);
	pipe_flush(&s->leg[TARGET].pipe);
	pipe_flush(&s->front);
}

void session_pace(struct session *s)
{
	size_t limit = s->policy->session_buffer;

	if (s->state == SESSION_OVER)
		return;
	weigh(s, memory(s));
	if (s->state == SESSION_OPAQUE)
		return;
	bool app_slow = pipe_backlog(&s->front) > (s->w->memory_short ? SMALL : limit);
	/* One thing after the other until READY: what comes after it is in another framing, and may be a write. */
	bool in_handshake = s->state == SESSION_HANDSHAKE && s->in_flight;
	bool stop = app_slow || pipe_backlog(&s->leg[ORIGIN].pipe) > limit ||
		    s->kept - s->kept_for_target > limit || in_handshake ||
		    (s->w->memory_short && memory(s) > SMALL);
	pipe_pause(&s->front, stop);
	pipe_pause(&s->leg[ORIGIN].pipe, app_slow);
}

void session_tick(struct session *s, uint64_t now)
{
	struct leg *origin = &s->leg[ORIGIN];

	if (s->state == SESSION_OPAQUE) {
		session_pace(s);
		return;
	}
	for (struct list *it = s->age.next, *next; it != &s->age; it = next) {
		next = it->next;
		inflight_tick(list_entry(it, struct inflight, age), now);
	}
	leg_tasks_tick(origin, now);
	leg_target_tick(&s->leg[TARGET], now);
	if (origin->pipe.paused)
		origin->heard_ns = now; /* it is we who do not listen */
	if (origin->zombies > LEG_ZOMBIES_MAX)
		session_end(s, "origin leaves too many requests without an answer");
	else if (s->state == SESSION_DRAINING && !s->in_flight && !pipe_backlog(&s->leg[TARGET].pipe))
		session_end(s, "the app closed");
	else if (s->keyspace_lost)
		session_end(s, "origin did not answer a USE: nobody knows its keyspace");
	else if (origin->relaying_piece && now - origin->heard_ns > s->policy->request_timeout_ns)
		session_end(s,
			"origin stopped in the middle of an answer"); /* nothing well-formed can follow half of one */
	else if (s->w->leaving && !s->in_flight && s->mode == FRONT_IDLE && !origin->relaying_piece)
		session_end(s, "seamd stops");
	else if (s->refused_ns && now - s->refused_ns > REFUSED_NS)
		session_end(s, "its protocol version was refused");
	session_flush(s);
	session_pace(s);
}
