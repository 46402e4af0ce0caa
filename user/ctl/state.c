#include "ctl/state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void app_free(struct state_app *a)
{
	for (size_t i = 0; i < a->n_flags; i++)
		free(a->flags[i].table);
	free(a->flags);
	free(a->gaps);
	free(a->where);
	free(a->name);
}

void state_free(struct state *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_apps; i++)
		app_free(&s->apps[i]);
	for (size_t i = 0; i < s->n_clusters; i++)
		free(s->clusters[i].name);
	free(s->apps);
	free(s->clusters);
	free(s->forced);
	free(s->dir);
	free(s);
}

struct state_app *state_app(struct state *s, const char *name)
{
	struct state_app *more;

	for (size_t i = 0; i < s->n_apps; i++)
		if (!strcmp(s->apps[i].name, name))
			return &s->apps[i];
	more = reallocarray(s->apps, s->n_apps + 1, sizeof *more);
	if (!more)
		return NULL;
	s->apps = more;
	more[s->n_apps] = (struct state_app){.name = strdup(name)};
	return more[s->n_apps].name ? &more[s->n_apps++] : NULL;
}

struct state_cluster *state_cluster(struct state *s, const char *name)
{
	struct state_cluster *more;

	for (size_t i = 0; i < s->n_clusters; i++)
		if (!strcmp(s->clusters[i].name, name))
			return &s->clusters[i];
	more = reallocarray(s->clusters, s->n_clusters + 1, sizeof *more);
	if (!more)
		return NULL;
	s->clusters = more;
	more[s->n_clusters] = (struct state_cluster){.name = strdup(name)};
	return more[s->n_clusters].name ? &more[s->n_clusters++] : NULL;
}

int state_where(struct state_app *a, enum state_form form, const char *where)
{
	char *copy = where ? strdup(where) : NULL;

	if (where && !copy)
		return -ENOMEM;
	free(a->where);
	a->where = copy;
	a->form = form;
	return 0;
}

const struct state_gap *state_gap_current(const struct state_app *a)
{
	return a->n_gaps && !a->gaps[a->n_gaps - 1].to ? &a->gaps[a->n_gaps - 1] : NULL;
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	to[n] = 0;
}

int state_gap_open(struct state_app *a, int64_t from, const char *reason)
{
	struct state_gap *last = a->n_gaps ? &a->gaps[a->n_gaps - 1] : NULL, *more;

	if (last && !last->to && from >= last->from)
		return -EALREADY;
	if (last && (!last->to || from <= last->to)) {
		size_t n = strlen(last->reason);
		if (from < last->from)
			last->from = from;
		last->to = 0;
		if (!strstr(last->reason, reason) && n + 2 + strlen(reason) < STATE_REASON)
			sprintf(last->reason + n, ", %s", reason);
		return 0;
	}
	if (a->n_gaps ==
		STATE_GAPS) { /* what lies between two old gaps counts as gap then: too much is safe, too little is not */
		a->gaps[1].from = a->gaps[0].from;
		memmove(a->gaps, a->gaps + 1, --a->n_gaps * sizeof *a->gaps);
	}
	more = reallocarray(a->gaps, a->n_gaps + 1, sizeof *more);
	if (!more)
		return -ENOMEM;
	a->gaps = more;
	more[a->n_gaps] = (struct state_gap){.from = from};
	copy_text(more[a->n_gaps++].reason, STATE_REASON, reason);
	return 0;
}

bool state_gap_close(struct state_app *a, int64_t to)
{
	struct state_gap *last = a->n_gaps ? &a->gaps[a->n_gaps - 1] : NULL;

	if (!last || last->to)
		return false;
	last->to = to > last->from ? to : last->from + 1;
	return true;
}

static bool flagged(const struct state_app *a, const char *table, const char *reason)
{
	for (size_t i = 0; i < a->n_flags; i++) {
		const char *t = a->flags[i].table;
		if (!strcmp(a->flags[i].reason, reason) && (t && table ? !strcmp(t, table) : !t && !table))
			return true;
	}
	return false;
}

int state_flag(struct state_app *a, const char *table, const char *reason, int64_t since)
{
	struct state_flag *more;

	if (flagged(a, table, reason))
		return 0;
	if (a->n_flags >= STATE_FLAGS)
		table = NULL;
	if (flagged(a, table, reason))
		return 0;
	more = reallocarray(a->flags, a->n_flags + 1, sizeof *more);
	if (!more)
		return -ENOMEM;
	a->flags = more;
	more[a->n_flags] = (struct state_flag){.table = table ? strdup(table) : NULL, .since = since};
	if (table && !more[a->n_flags].table)
		return -ENOMEM;
	copy_text(more[a->n_flags++].reason, STATE_REASON, reason);
	return 1;
}

int state_force(struct state *s, const char *app, const char *what, const char *why, int64_t at)
{
	enum { KEPT = 64 };
	struct state_forced *more;

	if (s->n_forced == KEPT)
		memmove(s->forced, s->forced + 1, --s->n_forced * sizeof *s->forced);
	more = reallocarray(s->forced, s->n_forced + 1, sizeof *more);
	if (!more)
		return -ENOMEM;
	s->forced = more;
	struct state_forced *f = &more[s->n_forced++];
	*f = (struct state_forced){.at = at};
	copy_text(f->app, sizeof f->app, app);
	copy_text(f->what, sizeof f->what, what);
	copy_text(f->why, sizeof f->why, why);
	return 0;
}
