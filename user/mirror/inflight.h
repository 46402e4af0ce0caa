/*
 * One request in progress: its share on each leg, what came back, its deadline. Lives from the moment it is decoded until nothing that
 * can still come changes what is counted; the app's answer may be out long before.
 *
 * Ownership: a session owns its inflights (list `age`, oldest first). A leg's id table points at a part; when the request ends while
 * the leg still owes an answer, the id becomes a zombie (leg.h), never a dangling pointer.
 */
#pragma once
#include "base/list.h"
#include "cql/error.h"
#include "cql/request.h"
#include "mirror/merge.h"
#include "mirror/prepared.h"

struct session;
struct leg;
struct task;

/* What an outstanding stream id stands for. First member of whatever the id table points at. */
enum owed_kind { OWED_PART, OWED_TASK, OWED_ZOMBIE };
struct owed {
	enum owed_kind kind;
};

/* A request's share on one leg. */
struct part {
	struct owed owed;
	enum cluster which;
	bool asked; /* the plan sends it there */
	enum outcome outcome;
	int id;                 /* stream on the leg; -1: not sent, or answered */
	uint8_t mends;          /* times that UNPREPARED was mended */
	uint64_t prepare_ns;    /* since when it waits for a PREPARE of Seam's own; 0: it doesn't */
	bool queued;            /* in the leg's waiting list */
	struct task *agreeing;  /* the wait for schema agreement that will settle it */
	struct list queue;      /* while it waits: in the leg's waiting list or in a task's */
	struct cql_header head; /* the answer, if it had to be kept */
	uint8_t *body;
	size_t body_n;
};

#define MENDS_MAX 8 /* a BATCH can lack several; a node that forgets each time is given up */

struct inflight {
	struct list age;
	struct session *s;
	struct policy *policy;
	struct plan plan;
	uint64_t deadline_ns;
	uint64_t late_ns; /* when a pending follower is late; 0: the authority has not answered */
	int16_t client_stream;
	uint8_t opcode;
	uint16_t consistency;
	uint8_t batch_type; /* BATCH: its type; else CQL_BATCH_LOGGED */
	bool answered;
	bool for_target;   /* Origin has answered: body_n counts in the session's kept_for_target */
	bool pinned, done; /* finished while somebody still works on it: freed by inflight_unpin() */
	bool stamped;
	int64_t timestamp;
	struct prepared *prepared; /* of an EXECUTE; of a PREPARE once Origin answered */
	struct cql_header head;    /* the request, plain, if a copy had to be kept */
	uint8_t *body;
	size_t body_n;
	char keyspace[TABLE_CAP / 2]; /* that unqualified names meant */
	struct part part[CLUSTERS];
};

static inline struct inflight *inflight_of(struct part *p)
{
	return container_of(p - p->which, struct inflight, part[0]);
}

struct inflight *inflight_new(struct session *s, const struct cql_header *h, const struct plan *plan);
/* Keep a copy of the request for the second leg, for a mend, for flags. -ENOMEM. */
int inflight_keep(struct inflight *r, struct cql_view body) must_check;
void inflight_free(struct inflight *r);
void inflight_unpin(struct inflight *r); /* r may be gone afterwards */
/*
 * A part came to its end with `outcome`; `head` and `body` are the answer, if there was one (NULL head: none). Decides, answers, counts,
 * frees: r may be gone afterwards.
 */
void inflight_settle(struct inflight *r, enum cluster which, enum outcome outcome,
	const struct cql_header *head, struct cql_view body);
/* Called by the tick: deadlines and late followers. True: r is gone. */
bool inflight_tick(struct inflight *r, uint64_t now_ns);
/* The session ends: count what was left in doubt. Frees r. */
void inflight_abandon(struct inflight *r);
