/*
 * What the mirror's main thread holds: sites, apps with their listeners, workers, the keepers it listens to. Main thread only, but
 * for what app.h and worker.h say.
 */
#pragma once
#include "mirror/mirror.h"
#include "mirror/worker.h"
#include "net/channel.h"
#include <jansson.h>

#define WORLD_APPS  64
#define WORLD_SITES 64

struct world;
struct turn;

/* One listener that is watched. */
struct lookout {
	uv_poll_t poll;
	struct door *door;
	int fd;
	bool resting; /* no descriptors left: looked at again at the next turn of world.timer */
};

/* An app's door: its listeners, the flows that belong to them, the heartbeat that says the door is open. */
struct door {
	struct world *world;
	struct app *app;
	int flows_fd;
	struct lookout *lookout[2]; /* v4, v6; NULL: closed */
	void *heartbeat;            /* under world.lock: workers stamp it */
	struct turn *turn;          /* the phase switch under way */
};

struct keeper_line {
	struct world *world;
	struct channel *channel;
	bool first; /* the keeper that started us */
};

struct world {
	const struct mirror_env *env;
	uv_loop_t loop;
	struct wire_hub hub;
	struct mailbox mail; /* main_post() */
	pthread_mutex_t lock;
	struct list turns; /* phase switches under way */
	uv_timer_t timer;
	struct worker_env worker_env;
	struct worker *workers;
	unsigned n_workers;
	struct site *sites[WORLD_SITES];
	unsigned n_sites;
	struct door *doors[WORLD_APPS]; /* under lock when they become more: workers walk them */
	unsigned n_doors;
	struct keeper_line lines[4];
	uv_poll_t takeover;
	uint64_t epoch;
	bool configured, leaving, last_call;
	uint64_t stop_at_ns; /* leaving: when to give up on the last sessions */
};

/* world.c */
int world_init(struct world *w, const struct mirror_env *env) must_check;
void world_run(struct world *w);
int main_post(struct world *w, mailbox_fn *fn, void *arg) must_check; /* from any thread */
struct door *world_door(struct world *w, const char *app);
void world_say(struct world *w, json_t *msg); /* to every keeper; takes the reference */
void line_say(struct keeper_line *l, json_t *msg);
void world_leave(struct world *w, uint64_t timeout_ns); /* close the doors, end when the last session does */
/* settings.c: the message `config`. NULL, or what was wrong with it. */
const char *settings_apply(struct world *w, json_t *msg);
/* A keeper that comes later hears of every flag that stands. */
void settings_flags_again(struct world *w, struct keeper_line *l);
struct policy *settings_policy(struct world *w, const struct policy *like, enum phase phase);
/* door.c */
int door_open(struct door *d, int v4, int v6, int flows_fd, int heartbeat_fd,
	unsigned bank) must_check; /* takes the fds */
void door_close(struct door *d);
void door_wake(struct door *d); /* lookouts that rest look out again */
/* command.c: messages of a keeper */
void command_message(struct keeper_line *l, json_t *msg, int fds[CHANNEL_FDS], unsigned n_fds);
/* turn.c: a phase switch, across all workers; answers `id` on the line when it is through */
void turn_begin(struct world *w, struct keeper_line *l, json_int_t id, struct door *d, enum phase to);
void turns_drop(struct world *w); /* the workers are gone: nothing comes of them any more */
/* report.c */
json_t *report_status(struct world *w);
void report_sessions(struct world *w, struct keeper_line *l, json_int_t id, const char *app);
json_t *report_topology(const struct site *s, const struct topology_view *v);
