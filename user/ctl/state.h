/*
 * What must survive a restart: state_dir/state.json, written whole (temporary file, fsync, rename, fsync of the folder), and
 * state_dir/APP.detached, left by a `seam detach` that found no daemon.
 *
 * Moments are wall clock, µs since 1970. Strings belong to the state.
 */
#pragma once
#include "base/reason.h"
#include "ctl/phases.h"

#define STATE_GAPS   256  /* an app's; then the two oldest become one */
#define STATE_FLAGS  1024 /* an app's; then a flag goes to the whole app */
#define STATE_REASON 64

struct state_gap {
	int64_t from, to; /* to 0: open */
	char reason[STATE_REASON];
};

struct state_flag {
	char *table; /* NULL: the whole app */
	char reason[STATE_REASON];
	int64_t since;
};

/* By what an operator named the app's processes. A pid is turned into its cgroup when it is given. */
enum state_form { STATE_NONE, STATE_CGROUP, STATE_UNIT };

struct state_app {
	char *name;
	enum phases_id phase, previous;
	bool has_phase; /* false: the config's initial phase counts */
	bool has_previous;
	bool mirrored; /* was in a mirroring phase once */
	bool attached; /* when this was written */
	bool detached; /* by hand: `match` doesn't override it */
	bool forced;   /* attached with --force in spite of the versions */
	enum state_form form;
	char *where; /* cgroup path or unit; NULL with STATE_NONE: the config's match */
	struct state_gap *gaps;
	size_t n_gaps;
	struct state_flag *flags;
	size_t n_flags;
};

struct state_forced {
	int64_t at;
	char app[65], what[STATE_REASON], why[256];
};

struct state_cluster {
	char *name;
	unsigned versions; /* bit v: native protocol version v was seen there */
};

struct state {
	char *dir;
	int64_t alive; /* when it was last written: Seam lived then */
	struct state_app *apps;
	size_t n_apps;
	struct state_cluster *clusters;
	size_t n_clusters;
	struct state_forced *forced; /* the last 64 */
	size_t n_forced;
};

/* No file: an empty state. A file that is cut, corrupt or of another version: -EBADMSG, and the reason says so. */
int state_load(const char *dir, struct state **out, struct reason *why) must_check;
/* Durable when it returns 0; else the former file stands. */
int state_save(struct state *s, struct reason *why) must_check;
void state_free(struct state *s);

/* Find, or make; NULL: no memory. Pointers are good until the next one is made. */
struct state_app *state_app(struct state *s, const char *name);
struct state_cluster *state_cluster(struct state *s, const char *name);

int state_where(struct state_app *a, enum state_form form, const char *where) must_check;
/* At most one gap is open; -EALREADY when one is. `from` may lie before the end of the last one: that is then continued. */
int state_gap_open(struct state_app *a, int64_t from, const char *reason) must_check;
bool state_gap_close(struct state_app *a, int64_t to); /* false: none open */
const struct state_gap *state_gap_current(const struct state_app *a);
/* 1: new; 0: known already; or -ENOMEM. */
int state_flag(struct state_app *a, const char *table, const char *reason, int64_t since) must_check;
int state_force(struct state *s, const char *app, const char *what, const char *why, int64_t at) must_check;

/* The mark of a detach without daemon. take: 1 it was there (removed now), 0 not. */
int state_mark_detached(const char *dir, const char *app, struct reason *why) must_check;
int state_take_mark(const char *dir, const char *app) must_check;
