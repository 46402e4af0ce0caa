/*
 * A leg: a session's connection to one cluster.
 *
 *   Origin:  DIALING → RELAYING                   the client's own handshake and requests pass; lost: the session closes
 *   Target:  NONE → DIALING → STARTING → [AUTH] → [KEYSPACE] → READY      lost → DIALING, or DOWN while the breaker is open
 *
 *   state      what may be sent                                  what comes
 *   NONE       nothing: the phase needs no leg                   –
 *   DOWN       nothing: parts fail at once (REFUSED)             – ; the tick dials when the breaker lets it
 *   DIALING    parts wait in `waiting`                           –
 *   STARTING   STARTUP was sent                                  READY, AUTHENTICATE, ERROR
 *   AUTH       AUTH_RESPONSE was sent                            AUTH_SUCCESS, ERROR
 *   KEYSPACE   USE was sent                                      RESULT, ERROR
 *   READY      anything, unless `held` > 0 (the keyspace barrier) answers
 *   RELAYING   anything (Origin)                                 answers, events
 */
#pragma once
#include "mirror/ids.h"
#include "mirror/inflight.h"
#include "mirror/pipe.h"

enum leg_state {
	LEG_NONE,
	LEG_DOWN,
	LEG_DIALING,
	LEG_STARTING,
	LEG_AUTH,
	LEG_KEYSPACE,
	LEG_READY,
	LEG_RELAYING,
	LEG_STATES
};

#define LEG_ZOMBIES_MAX 1024 /* semantics §3 */
#define LEG_DIAL_MS     2000
/*
 * A session gets its leg before its first write (semantics §2): that long a write waits for the first one, and for the first PREPARE of its
 * statement, whatever follower_wait says. A login with a password costs about 100 ms, a PREPARE on a cold server as much.
 */
#define LEG_FIRST_NS 2000000000ull
#define LEG_REST_NS  5000000000ull /* after a login that was the client's own and was refused */
#define LEG_START_NS                                                                                         \
	3000000000ull /* for each step of the handshake, or request_timeout if that is shorter: a frozen node is given up then */

/* Requests of Seam's own on a leg. */
enum task_kind { TASK_PREPARE, TASK_USE, TASK_AGREE_LOCAL, TASK_AGREE_PEERS };
struct task {
	struct owed owed;
	enum task_kind kind;
	struct list link;             /* of leg->tasks */
	int id;                       /* -1: AGREE that waits for its next look */
	bool borrowed;                /* PREPARE: its USE left the session's keyspace */
	struct prepared *prepared;    /* PREPARE; USE: that is done to prepare this one */
	struct list waiting;          /* parts that need it */
	char keyspace[TABLE_CAP / 2]; /* USE */
	struct inflight *agree;       /* AGREE: the DDL whose answer waits; NULL: it is gone */
	uint8_t version[16];          /* AGREE: schema version of the node asked */
	uint64_t started_ns, next_ns;
};

struct leg {
	struct session *s;
	enum cluster which;
	enum leg_state state;
	struct pipe pipe;
	struct ids ids;
	unsigned zombies;
	struct cql_writer gather; /* an answer that must be seen whole */
	bool relaying_piece;      /* the envelope under way goes straight to the app */
	bool discarding;
	uint64_t state_ns; /* since when it is in its state */
	uint64_t heard_ns; /* when something last came */
	/* Target only */
	struct list waiting; /* parts, oldest first */
	struct list tasks;
	unsigned held; /* USEs whose answer from Origin is awaited: what came later waits */
	bool moving; /* its keyspace must change: nothing more goes until all that was sent there has been answered */
	bool syncing; /* a USE of Seam's own is under way: the leg's keyspace is in motion, everything waits */
	char keyspace[TABLE_CAP / 2]; /* that the leg is in; "" none */
	char missing[TABLE_CAP /
		     2]; /* a keyspace that Target did not have at missing_ns: asked again after a while */
	uint64_t missing_ns;
	unsigned rotor, tried;
	uint64_t first_ns; /* since when the session's first leg is being made; 0: it was, or was given up */
	bool login_refused;
	uint64_t rest_until_ns; /* DOWN on its own account: no dial before */
	bool admitted;          /* by an open breaker, which must be told */
	struct endpoint at;
	char why[128]; /* the last failure */
};

void leg_init(struct leg *l, struct session *s, enum cluster which);
void leg_fini(struct leg *l);
void leg_set_state(struct leg *l, enum leg_state to); /* checked and logged */

/* leg.c: both */
int leg_send(struct leg *l, struct owed *owner, int wish, const struct cql_header *h,
	struct cql_view body) must_check; /* id or -1 */
void leg_zombie(struct leg *l, int id);   /* the owner is gone, the answer may still come */
/* leg.c: Origin's */
int leg_origin_dial(struct leg *l, const struct endpoint *to) must_check;
/* leg_target.c: life */
void leg_target_start(struct leg *l); /* NONE or DOWN → dials, or DOWN */
void leg_target_stop(struct leg *l);  /* → NONE; parts still there fail */
void leg_target_lost(struct leg *l, const char *why);
void leg_target_tick(struct leg *l, uint64_t now_ns);
/* leg_handshake.c */
void leg_handshake_begin(struct leg *l);
void leg_handshake_envelope(struct leg *l, const struct cql_header *h, struct cql_view body);
/* leg_send.c: parts */
void leg_submit(struct leg *l, struct inflight *r); /* sends, queues, or settles the part */
void leg_drain(struct leg *l);                      /* what waited, as far as it can go now */
void leg_unqueue(struct part *p);
void leg_fail_waiting(struct leg *l, enum outcome why);
/* The statement that a BATCH's child is, by Target's id: a reference, or NULL. */
struct prepared *leg_batch_child(struct leg *l, struct inflight *r, struct cql_view target_id);
/* leg_task.c */
void leg_prepare(struct leg *l, struct prepared *p, struct part *waiting);
/* Bring the leg into the session's keyspace, behind a barrier; then what waited goes. */
void leg_sync_keyspace(struct leg *l);
void leg_keyspace_missing(struct leg *l);                       /* Target does not have l->keyspace */
void leg_use_text(char *out, size_t cap, const char *keyspace); /* USE "ks" */
void leg_agree(
	struct leg *l, struct inflight *r); /* settles r's part once Target's nodes agree on the schema */
void leg_task_answer(struct leg *l, struct task *t, const struct cql_header *h, struct cql_view body);
void leg_tasks_lost(struct leg *l); /* their parts wait again */
void leg_tasks_tick(struct leg *l, uint64_t now_ns);
/* leg_reply.c */
void leg_reply_piece(struct leg *l, const struct cql_piece *piece);
