/* The keeper's own structures; for keeper*.c alone. One thread, one loop. */
#pragma once
#include "base/list.h"
#include "base/log.h"
#include "ctl/control.h"
#include "ctl/keeper.h"
#include "ctl/state.h"
#include "net/channel.h"
#include <jansson.h>
#include <uv.h>

#define SECOND_NS UINT64_C(1000000000)
#define MIRROR_PATIENCE_NS                                                                                   \
	(10 * SECOND_NS)  /* an answer, or a sign of life, that takes longer costs the mirror its life */
#define KEEPER_UNKNOWN 64 /* addresses at Origin's port that an app used and that are no endpoints */

/* What a mirror counts for an app; the order is the table's in keeper_status.c. */
enum keeper_count {
	COUNT_CAPTURED, /* these three are of now, the rest since the mirror's start */
	COUNT_OPAQUE,
	COUNT_OPEN,
	COUNT_TURNED_AWAY,
	COUNT_TOTAL,
	COUNT_READS,
	COUNT_WRITES,
	COUNT_OTHER,
	COUNT_FAILED,
	COUNT_UNMIRRORED_LWT,
	COUNT_UNMIRRORED_FUNCTIONS,
	COUNT_UNMIRRORED_SCHEMA,
	COUNT_UNMIRRORED_EXCLUDED,
	COUNT_UNMIRRORED_OTHER,
	COUNT_FAILED_WRITES,
	COUNT_DIVERGED,
	COUNTS
};

struct keeper_counts {
	uint64_t n[COUNTS];
	bool target_up;
};

struct keeper;

/* A mirror's process and its channel: ours, or one that outlived a former keeper. */
struct keeper_mirror {
	struct list link; /* among the elders */
	struct keeper *k;
	struct channel *channel;
	struct list asks;
	pid_t pid;
	int pidfd;                             /* elder only: a number alone may belong to another by now */
	bool elder, configured, killed, heard; /* heard: it has told its status */
	uint64_t started_ns;
	struct keeper_counts *counts; /* one for each app of the config */
};

/* `answer` is borrowed; NULL when err: -ETIMEDOUT, -EPIPE the mirror went. A refusal is -EPERM with the answer. */
typedef void keeper_answered(void *ctx, int err, const json_t *answer);

struct keeper_cluster {
	const struct config_cluster *c;
	bool heard; /* a topology came since the daemon's start, well or badly */
	char error[256];
	struct endpoint *endpoints; /* the last good ones */
	size_t n_endpoints;
	unsigned versions; /* bit v; 0: not known since the start */
};

enum keeper_state { KEEPER_DETACHED, KEEPER_WAITING, KEEPER_REFUSED, KEEPER_ATTACHED, KEEPER_DETACHING };

/* What an operator wants of an app. */
struct keeper_wish {
	bool want, detached, forced;
	enum state_form form;
	char *where;
};

struct keeper_app {
	struct keeper *k;
	unsigned index;
	const struct config_app *c;
	struct keeper_cluster *origin, *target;
	enum keeper_state state;
	char reason[REASON_MAX]; /* of refused, waiting, or of what is still waited for */
	bool want, decided, busy;
	uint64_t pending_since_ns; /* 0: nothing is pending */
	struct capture *capture;
	struct watch *watch;
	uv_poll_t *event_poll, *watch_poll;
	char path[KEEPER_PATH]; /* where it is, or was last */
	uint64_t cgroup_id;
	bool listening, listen_asked, restore_failed;
	unsigned restoring;                     /* mirrors asked to take the phase again */
	enum phases_id mirror_phase;            /* what the mirror was told last */
	struct control_request *attach_request; /* answered when the app is attached or refused */
	struct keeper_wish former;              /* comes back when that is refused */
	struct control_request
		*detach_request; /* answered when every mirror knows, or has been slow to say so */
	uint64_t detach_since_ns;
	uint64_t netns_seen; /* connects of another network namespace that were let through */
	bool other_netns; /* … and whose connections nobody here can see: they may live as long as the cgroup */
	size_t not_captured;
	bool not_captured_known;
	struct endpoint unknown[KEEPER_UNKNOWN];
	size_t n_unknown;
	struct keeper_counts past; /* of mirrors that died since the daemon's start */
};

struct keeper {
	const struct config *config;
	const struct keeper_env *env;
	uv_loop_t loop;
	uv_poll_t signal_poll;
	uv_timer_t tick, restart, stop_timer;
	int signal_fd, run_lock, state_lock;
	struct state *state;
	struct control *control;
	struct keeper_mirror *mirror; /* NULL while none runs */
	struct list elders;
	unsigned workers, backoff_ms, next_ask;
	struct keeper_cluster *clusters;
	struct keeper_app *apps;
	uint64_t started_ns, kept_ns, patience_ns;
	bool ready, stopping;
};

/* keeper_mirror.c, keeper_elder.c: the processes */
void keeper_mirror_start(struct keeper *k);
void keeper_mirror_reap(struct keeper *k); /* after SIGCHLD */
void keeper_mirror_kill(struct keeper_mirror *m, const char *why);
void keeper_mirror_tick(struct keeper_mirror *m, uint64_t now);
struct keeper_mirror *keeper_mirror_new(struct keeper *k);
void keeper_mirror_free(struct keeper_mirror *m);
/* Opens m's channel over `fd` (taken). */
int keeper_mirror_open(struct keeper_mirror *m, int fd) must_check;
/* Sends {"op":op,"id":…} + `fields` (stolen) and calls `done` once, never before this returns. On failure `done` is not called. */
int keeper_ask(struct keeper_mirror *m, const char *op, json_t *fields, const int *fds, unsigned n_fds,
	uint64_t patience_ns, keeper_answered *done, void *ctx) must_check;
/* The same, sent to be forgotten. */
void keeper_tell(struct keeper_mirror *m, const char *op, json_t *fields);
/* The mirrors that live: NULL-terminated array of at most `room` - 1, ours first. Returns how many. */
size_t keeper_mirrors(struct keeper *k, struct keeper_mirror **out, size_t room);
json_t *keeper_config_json(struct keeper *k);
void keeper_elders_find(struct keeper *k);
/* "a; b" from an answer's `refused`. */
void keeper_refusals(const json_t *answer, char *out, size_t size);
#define KEEPER_MIRRORS 64

/* keeper_topology.c */
void keeper_topology(struct keeper *k, const json_t *message);
/* All endpoints of the app's Origin; the array is the caller's to free(). */
int keeper_endpoints(const struct keeper_app *a, struct endpoint **out, size_t *n) must_check;
/* May this app be attached, as far as protocol versions go? -EAGAIN not known yet, -EPERM no. */
int keeper_versions(struct keeper_app *a, struct reason *why) must_check;

/* keeper_app.c: attachment */
int keeper_app_open(struct keeper_app *a) must_check;
void keeper_app_step(struct keeper_app *a); /* whatever can be done now toward what is wanted */
void keeper_app_tick(struct keeper_app *a);
void keeper_app_detach_by_mark(struct keeper_app *a); /* keeper_verbs.c */
void keeper_app_detach_wait(struct keeper_app *a);    /* keeper_verbs.c; each tick */
void keeper_app_mirror_gone(struct keeper_app *a);
/* Unhook. 0, or the reason. */
int keeper_app_drop(struct keeper_app *a, struct reason *why) must_check;
void keeper_app_close(struct keeper_app *a);
void keeper_app_watch(struct keeper_app *a);   /* again, after its place changed */
void keeper_app_unwatch(struct keeper_app *a); /* nothing more is wanted: its events would only wake us */
int keeper_app_place(
	struct keeper_app *a, const char **cgroup, const char **unit) must_check; /* -ENOENT: none named */
struct state_app *keeper_app_state(const struct keeper_app *a);
enum phases_id keeper_app_phase(const struct keeper_app *a);
enum phases_id keeper_app_told(const struct keeper_app
		*a); /* the phase that a mirror's config names: none that mirrors while detached */
void keeper_app_count(struct keeper_app *a); /* not_captured, anew */

/* keeper_gap.c */
void keeper_gap_at_start(struct keeper_app *a);
void keeper_gap_tick(struct keeper_app *a);
void keeper_gap_open(struct keeper_app *a, int64_t from, const char *reason);
void keeper_flag(struct keeper *k, const json_t *message);

/* keeper_status.c */
void keeper_take_status(struct keeper_mirror *m, const json_t *answer);
json_t *keeper_status_json(struct keeper *k, const struct keeper_app *only);
json_t *keeper_app_json(struct keeper_app *a);
uint64_t keeper_app_total(const struct keeper_app *a, enum keeper_count c);
const char *keeper_state_name(enum keeper_state s);

/* keeper_verbs.c, keeper_phase.c */
void keeper_request(void *ctx, struct control_request *r, const json_t *request);
void keeper_phase_verb(struct keeper_app *a, struct control_request *r, const json_t *request);

/* keeper.c */
int keeper_save(struct keeper *k, struct reason *why);
void keeper_save_or_log(struct keeper *k);
void keeper_check_ready(struct keeper *k);
void keeper_stop_step(struct keeper *k);
struct keeper_app *keeper_find(struct keeper *k, const char *name);

/* notify.c: tell systemd, if NOTIFY_SOCKET is set. */
void notify_systemd(const char *text);
