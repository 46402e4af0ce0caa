#include "base/clock.h"
#include "ctl/state.h"
#include "ctl/when.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define VERSION   1
#define FILE_MAX  (64 << 20)
#define PATH_ROOM 256

/* ---- writing */

static json_t *when_json(int64_t us)
{
	char text[WHEN_TEXT];

	return us ? json_string(when_format(us, text)) : json_null();
}

static json_t *app_json(const struct state_app *a)
{
	json_t *gaps = json_array(), *flags = json_array();

	for (size_t i = 0; i < a->n_gaps; i++)
		json_array_append_new(
			gaps, json_pack("{s:o, s:o, s:s}", "from", when_json(a->gaps[i].from), "to",
				      when_json(a->gaps[i].to), "reason", a->gaps[i].reason));
	for (size_t i = 0; i < a->n_flags; i++)
		json_array_append_new(
			flags, json_pack("{s:s?, s:s, s:o}", "table", a->flags[i].table, "reason",
				       a->flags[i].reason, "since", when_json(a->flags[i].since)));
	return json_pack("{s:s?, s:s?, s:b, s:b, s:b, s:b, s:i, s:s?, s:o, s:o}", "phase",
		a->has_phase ? phases_name(a->phase) : NULL, "previous",
		a->has_previous ? phases_name(a->previous) : NULL, "mirrored", a->mirrored, "attached",
		a->attached, "detached", a->detached, "forced", a->forced, "form", (int)a->form, "where",
		a->where, "gaps", gaps, "flags", flags);
}

static json_t *state_json(const struct state *s)
{
	json_t *apps = json_object(), *clusters = json_object(), *forced = json_array();

	for (size_t i = 0; i < s->n_apps; i++)
		json_object_set_new(apps, s->apps[i].name, app_json(&s->apps[i]));
	for (size_t i = 0; i < s->n_clusters; i++)
		json_object_set_new(clusters, s->clusters[i].name,
			json_pack("{s:i}", "versions", (int)s->clusters[i].versions));
	for (size_t i = 0; i < s->n_forced; i++)
		json_array_append_new(forced,
			json_pack("{s:o, s:s, s:s, s:s}", "at", when_json(s->forced[i].at), "app",
				s->forced[i].app, "what", s->forced[i].what, "why", s->forced[i].why));
	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "version", VERSION, "alive", when_json(s->alive),
		"apps", apps, "clusters", clusters, "forced", forced);
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t w = write(fd, text, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		text += w;
		n -= (size_t)w;
	}
	return 0;
}

/* `name` in `dir` holds `text`, durably, or is as before. */
static int put_durably(const char *dir, const char *name, const char *text)
{
	char temporary[PATH_ROOM];
	auto_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_close int fd = -1;
	int err = 0;

	if (dirfd < 0)
		return -errno;
	snprintf(temporary, sizeof temporary, "%s.new", name);
	fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text, strlen(text));
	if (!err && fsync(fd))
		err = -errno;
	if (!err && renameat(dirfd, temporary, dirfd, name))
		err = -errno;
	if (!err && fsync(dirfd))
		err = -errno;
	if (err)
		unlinkat(dirfd, temporary, 0);
	return err;
}

int state_save(struct state *s, struct reason *why)
{
	int64_t before = s->alive;
	int err = -ENOMEM;

	s->alive = clock_wall_us();
	json_t *j = state_json(s);
	auto_free char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
	json_decref(j);
	if (text)
		err = put_durably(s->dir, "state.json", text);
	if (!err)
		return 0;
	s->alive = before;
	return reason_set(why, err, "%s/state.json cannot be written: %s", s->dir, strerror(-err));
}

/* ---- reading: anything unexpected is corruption */

static bool get_when(const json_t *j, int64_t *out)
{
	*out = 0;
	return json_is_null(j) || (json_is_string(j) && !when_parse(json_string_value(j), out));
}

static bool get_bool(const json_t *j, const char *key, bool *out)
{
	const json_t *v = json_object_get(j, key);

	*out = json_is_true(v);
	return json_is_boolean(v);
}

static bool get_phase(const json_t *v, bool *has, enum phases_id *out)
{
	*has = json_is_string(v);
	return json_is_null(v) || (*has && !phases_parse(json_string_value(v), out));
}

static bool read_gaps(const json_t *list, struct state_app *a)
{
	size_t i;
	json_t *j;

	if (!json_is_array(list))
		return false;
	json_array_foreach (list, i, j) {
		const char *reason = json_string_value(json_object_get(j, "reason"));
		int64_t from, to;
		if (!reason || !get_when(json_object_get(j, "from"), &from) || !from ||
			!get_when(json_object_get(j, "to"), &to) || state_gap_open(a, from, reason))
			return false;
		if (to && !state_gap_close(a, to))
			return false;
	}
	return true;
}

static bool read_flags(const json_t *list, struct state_app *a)
{
	size_t i;
	json_t *j;

	if (!json_is_array(list))
		return false;
	json_array_foreach (list, i, j) {
		const char *reason = json_string_value(json_object_get(j, "reason"));
		const json_t *table = json_object_get(j, "table");
		int64_t since;
		if (!reason || !(json_is_null(table) || json_is_string(table)) ||
			!get_when(json_object_get(j, "since"), &since) ||
			state_flag(a, json_string_value(table), reason, since) < 0)
			return false;
	}
	return true;
}

static bool read_app(const json_t *j, struct state_app *a)
{
	const json_t *where = json_object_get(j, "where"), *form = json_object_get(j, "form");

	if (!get_phase(json_object_get(j, "phase"), &a->has_phase, &a->phase) ||
		!get_phase(json_object_get(j, "previous"), &a->has_previous, &a->previous))
		return false;
	if (!get_bool(j, "mirrored", &a->mirrored) || !get_bool(j, "attached", &a->attached) ||
		!get_bool(j, "detached", &a->detached) || !get_bool(j, "forced", &a->forced))
		return false;
	json_int_t f = json_integer_value(form);
	if (!json_is_integer(form) || f < STATE_NONE || f > STATE_UNIT ||
		(f == STATE_NONE) != json_is_null(where) ||
		state_where(a, (enum state_form)f, json_string_value(where)))
		return false;
	return read_gaps(json_object_get(j, "gaps"), a) && read_flags(json_object_get(j, "flags"), a);
}

static bool read_forced(const json_t *list, struct state *s)
{
	size_t i;
	json_t *j;

	if (!json_is_array(list))
		return false;
	json_array_foreach (list, i, j) {
		const char *app = json_string_value(json_object_get(j, "app")),
			   *what = json_string_value(json_object_get(j, "what")),
			   *why = json_string_value(json_object_get(j, "why"));
		int64_t at;
		if (!app || !what || !why || !get_when(json_object_get(j, "at"), &at) ||
			state_force(s, app, what, why, at))
			return false;
	}
	return true;
}

static bool read_state(json_t *j, struct state *s)
{
	json_t *apps = json_object_get(j, "apps"), *clusters = json_object_get(j, "clusters"), *v;
	const char *name;

	if (json_integer_value(json_object_get(j, "version")) != VERSION || !json_is_object(apps) ||
		!json_is_object(clusters))
		return false;
	if (!get_when(json_object_get(j, "alive"), &s->alive) ||
		!read_forced(json_object_get(j, "forced"), s))
		return false;
	json_object_foreach (apps, name, v) {
		struct state_app *a = state_app(s, name);
		if (!a || !read_app(v, a))
			return false;
	}
	json_object_foreach (clusters, name, v) {
		struct state_cluster *c = state_cluster(s, name);
		const json_t *versions = json_object_get(v, "versions");
		if (!c || !json_is_integer(versions))
			return false;
		c->versions = (unsigned)json_integer_value(versions);
	}
	return true;
}

static int read_file(const char *path, struct state *s, struct reason *why)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	json_error_t e = {.text = "it is too long"};

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st))
		return reason_set(why, -errno, "%s cannot be read: %s", path, strerror(errno));
	json_t *j = st.st_size > FILE_MAX ? NULL : json_loadfd(fd, JSON_REJECT_DUPLICATES, &e);
	bool ok = j && read_state(j, s);
	const char *what = j ? "fields are missing or wrong" : e.text;

	json_decref(j);
	if (ok)
		return 0;
	return reason_set(why, -EBADMSG,
		"%s is damaged (%.120s): it holds phases, attachments and gaps, so Seam does not start "
		"without it; mend it, or move it away "
		"to begin anew: detach each app first, and then treat all its data as unverified",
		path, what);
}

int state_load(const char *dir, struct state **out, struct reason *why)
{
	struct state *s = calloc(1, sizeof *s);
	char path[PATH_ROOM];
	int err;

	if (!s)
		return reason_set(why, -ENOMEM, "no memory");
	s->dir = strdup(dir);
	snprintf(path, sizeof path, "%s/state.json", dir);
	err = s->dir ? read_file(path, s, why) : reason_set(why, -ENOMEM, "no memory");
	if (err)
		state_free(s);
	else
		*out = s;
	return err;
}

/* ---- the mark */

int state_mark_detached(const char *dir, const char *app, struct reason *why)
{
	char name[PATH_ROOM], text[WHEN_TEXT];

	snprintf(name, sizeof name, "%s.detached", app);
	int err = put_durably(dir, name, when_format(clock_wall_us(), text));
	if (err)
		return reason_set(why, err, "%s/%s cannot be written: %s", dir, name, strerror(-err));
	return 0;
}

int state_take_mark(const char *dir, const char *app)
{
	char path[PATH_ROOM + 80];

	snprintf(path, sizeof path, "%s/%s.detached", dir, app);
	if (!unlink(path))
		return 1;
	return errno == ENOENT ? 0 : -errno;
}
