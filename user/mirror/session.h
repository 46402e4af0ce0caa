/*
 * A session: one captured connection of an app, with its legs. One worker owns it for life.
 *
 *   state      what is awaited                                    leaves to
 *   FIRST      the app's first byte, Origin's connect             HANDSHAKE, OPAQUE, OVER
 *   HANDSHAKE  STARTUP … READY or AUTH_SUCCESS                    READY, OVER
 *   READY      requests                                           DRAINING, OVER
 *   DRAINING   the app is gone; requests it sent come to an end   OVER
 *   OPAQUE     bytes that are no CQL, relayed as they are         OVER
 *   OVER       nothing: freed by the worker's next tick
 */
#pragma once
#include "cql/startup.h"
#include "mirror/app.h"
#include "mirror/leg.h"

enum session_state {
	SESSION_FIRST,
	SESSION_HANDSHAKE,
	SESSION_READY,
	SESSION_DRAINING,
	SESSION_OPAQUE,
	SESSION_OVER,
	SESSION_STATES
};

struct worker;

/* The front's way with the envelope under way. */
enum front_mode { FRONT_IDLE, FRONT_GATHER, FRONT_RELAY, FRONT_DISCARD };

struct session {
	struct list link; /* of the worker */
	struct worker *w;
	struct app *app;
	struct app_stats *stats; /* the worker's share */
	struct policy *policy;
	enum session_state state;
	uint64_t id, refused_ns;
	struct endpoint app_addr, origin_addr;
	uint32_t pid;
	/* the app's side */
	struct pipe front;
	enum front_mode mode;
	struct cql_writer gather;
	uint8_t version; /* 0 until known */
	enum cql_compression compression;
	char driver[64], driver_version[32], user[64];
	uint8_t *
		token; /* the client's SASL PLAIN token, for target_auth: forward; cleared when the session ends */
	size_t token_n;
	char keyspace[TABLE_CAP / 2]; /* folded; that Origin's connection is in */
	struct leg leg[CLUSTERS];
	struct list age; /* inflights */
	unsigned in_flight;
	size_t kept;            /* bytes of requests and answers held */
	size_t kept_for_target; /* of these, requests that Origin has answered: they never stop the client */
	size_t weighed;         /* what of its memory is in the worker_env's sum */
	size_t longest;         /* request held, since none was */
	uint64_t requests;
	bool keyspace_lost;     /* a USE was never answered: it may have moved Origin's connection, or not */
	struct inflight *relay; /* FRONT_RELAY: the long request on its way to Origin */
};

/* Takes fd, also on failure. `first` bytes are still in the socket. */
int session_open(struct worker *w, struct app *a, int fd, const struct endpoint *app_addr,
	const struct endpoint *origin, uint32_t pid) must_check;
void session_set_policy(struct session *s, struct policy *p); /* takes a reference of its own */
/* Has every request of an earlier policy ended, and is the leg there that the policy needs? */
bool session_is_settled(const struct session *s, const char **why);
void session_ready(struct session *s);                   /* READY or AUTH_SUCCESS went to the client */
void session_end(struct session *s, const char *reason); /* the app's side closes once its output is out */
void session_app_gone(struct session *s, const char *reason); /* what it had asked comes to its end first */
void session_refuse_version(struct session *s); /* told so: now the client closes, or is closed */
void session_set_state(struct session *s, enum session_state to); /* checked and logged */
void session_pace(struct session *s);                             /* stop or go on reading, by budgets */
void session_flush(struct session *s);
void session_tick(struct session *s, uint64_t now_ns);
void session_free(struct session *s);
/* front.c */
extern const struct wire_ops FRONT_WIRE_OPS;
extern const struct pipe_ops FRONT_PIPE_OPS;
/* handshake.c: until READY */
void handshake_request(struct session *s, const struct cql_header *h, struct cql_view body);
/* Origin's answer in that state; `plain` is the body proper, unpacked. It goes to the client here. */
void handshake_reply(struct session *s, int16_t stream, const struct cql_header *h, struct cql_view body,
	struct cql_view plain);
/* SUPPORTED as both clusters can do it, to the client. */
void handshake_supported(
	struct session *s, int16_t stream, const struct cql_header *h, struct cql_view plain);
/* request.c: from READY on */
void request_whole(struct session *s, const struct cql_header *h, struct cql_view body);
/*
 * May the long envelope pass to Origin unread? `front` is what has come of its body. True: *kind says what it is, and request_relay() begins
 * it. False: gather it.
 */
bool request_may_pass(
	struct session *s, const struct cql_header *h, struct cql_view front, enum request_kind *kind);
void request_relay(struct session *s, const struct cql_header *h, enum request_kind kind);
/* answer.c: what the app gets */
void answer_reply(struct session *s, int16_t stream, const struct cql_header *h, struct cql_view body);
void answer_error(struct session *s, int16_t stream, int32_t code, const char *text);
void answer_timeout(struct inflight *r);
void answer_unprepared(struct session *s, int16_t stream, struct cql_view id);
void answer_version(struct session *s, uint8_t asked);
/* opaque.c: bytes as they are */
void opaque_begin(struct session *s);
size_t opaque_input(struct session *s, bool from_app, const uint8_t *p, size_t n);
void opaque_drained(struct session *s);
void opaque_end(struct session *s);
