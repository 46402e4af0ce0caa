#include "ctl/config.h"
#include "ctl/credentials.h"
#include "ctl/schema.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MIB                     UINT64_C(1048576)
#define HOUR                    UINT64_C(3600000)
#define LIST_MAX                4096 /* items of any list: what the kernel part has room for (bpf/abi.h, ABI_ENDPOINTS) */
#define AT(type, field)         .at = offsetof(struct type, field)
#define IN(type, object, field) .at = offsetof(struct type, object.field) - offsetof(struct type, object)

/* What take() functions share while one file is read. */
struct reading {
	struct config *c;
	enum config_secrets secrets;
};

static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	return n && n <= CONFIG_APP_NAME &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n &&
	       isalnum((unsigned char)name[0]);
}

static int need_name(struct schema *s, size_t line, const char *name, const char *what)
{
	if (name_ok(name))
		return 0;
	return schema_error(s, line,
		"\"%.80s\" is no name of %s, expected at most %d letters, digits, _ . - that begin with a "
		"letter or digit",
		name, what, CONFIG_APP_NAME);
}

static int push_text(char ***list, size_t *n, const char *text)
{
	char **more = reallocarray(*list, *n + 1, sizeof **list);

	if (!more)
		return -ENOMEM;
	*list = more;
	more[*n] = strdup(text);
	if (!more[*n])
		return -ENOMEM;
	++*n;
	return 0;
}

/* ---- clusters */

/* "host", "host:port", "[v6]:port", "v6" to "host:port" with brackets where they belong. False: none of these. */
static bool host_and_port(const char *text, uint16_t port, char out[300])
{
	struct endpoint e;
	char ip[ENDPOINT_TEXT];
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
	char *end;

	if (!endpoint_parse(text, port, &e)) {
		strcpy(out, endpoint_format(&e, ip));
		return e.port != 0;
	}
	/* All digits and dots, yet no address: a mistyped address, not a name. */
	if (!n || n > 253 || strspn(text, "0123456789.") >= n || text[0] == '-' || text[0] == '.')
		return false;
	if (text[n] == ':') {
		long p = strtol(text + n + 1, &end, 10);
		if (!isdigit((unsigned char)text[n + 1]) || *end || p < 1 || p > 65535)
			return false;
		port = (uint16_t)p;
	} else if (text[n]) {
		return false;
	}
	snprintf(out, 300, "%.*s:%u", (int)n, text, port);
	return true;
}

struct cluster_reading {
	struct config_cluster *cluster;
	uint16_t port;
};

static int take_contact_point(struct schema *s, const char *text, size_t line, void *ctx)
{
	struct cluster_reading *r = ctx;
	char point[300];

	if (!host_and_port(text, r->port, point))
		return schema_error(s, line,
			"contact point \"%.80s\", expected HOST, HOST:PORT, ADDRESS or [V6]:PORT", text);
	if (r->cluster->n_contact_points == LIST_MAX)
		return schema_error(s, line, "more than %d contact points, expected fewer", LIST_MAX);
	return push_text(&r->cluster->contact_points, &r->cluster->n_contact_points, point);
}

static int take_endpoint(struct schema *s, const char *text, size_t line, void *ctx)
{
	struct cluster_reading *r = ctx;
	struct config_cluster *c = r->cluster;
	struct endpoint e, *more;

	if (endpoint_parse(text, r->port, &e))
		return schema_error(s, line,
			"endpoint \"%.80s\", expected ADDRESS, ADDRESS:PORT or [V6]:PORT, no name", text);
	if (c->n_endpoints == LIST_MAX)
		return schema_error(s, line, "more than %d endpoints, expected fewer", LIST_MAX);
	more = reallocarray(c->endpoints, c->n_endpoints + 1, sizeof e);
	if (!more)
		return -ENOMEM;
	c->endpoints = more;
	more[c->n_endpoints++] = e;
	return 0;
}

/* Lists wait until the cluster's port is known; their nodes are kept till then. */
struct cluster_lists {
	struct config_cluster cluster; /* first: the keys' offsets are into it */
	yaml_node_t *contact_points, *endpoints;
};

static int keep_contact_points(struct schema *s, yaml_node_t *v, void *object)
{
	(void)s;
	((struct cluster_lists *)object)->contact_points = v;
	return 0;
}

static int keep_endpoints(struct schema *s, yaml_node_t *v, void *object)
{
	(void)s;
	((struct cluster_lists *)object)->endpoints = v;
	return 0;
}

enum { CLUSTER_CREDENTIALS = 4 };
static const struct schema_key CLUSTER_KEYS[] = {
	{"contact_points", SCHEMA_OWN, .take = keep_contact_points},
	{"port", SCHEMA_NUMBER, AT(config_cluster, port), 1, 65535, .expected = "1 to 65535"},
	{"datacenter", SCHEMA_TEXT, AT(config_cluster, datacenter)},
	{"endpoints", SCHEMA_OWN, .take = keep_endpoints},
	[CLUSTER_CREDENTIALS] = {"credentials", SCHEMA_TEXT, AT(config_cluster, credentials)},
	{0},
};

static void cluster_free(struct config_cluster *c)
{
	for (size_t i = 0; i < c->n_contact_points; i++)
		free(c->contact_points[i]);
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->contact_points);
	free(c->endpoints);
	free(c->name);
	free(c->datacenter);
	free(c->credentials);
	free(c->user);
	free(c->password);
}

static int finish_cluster(struct schema *s, struct cluster_lists *l, size_t line, const size_t *lines,
	enum config_secrets secrets)
{
	struct cluster_reading r = {.cluster = &l->cluster, .port = (uint16_t)l->cluster.port};
	struct config_cluster *c = &l->cluster;
	struct reason why;
	int err = 0;

	if (l->contact_points)
		err = schema_texts(s, l->contact_points, "contact_points", take_contact_point, &r);
	if (!err && l->endpoints)
		err = schema_texts(s, l->endpoints, "endpoints", take_endpoint, &r);
	if (!err && !c->n_contact_points)
		err = schema_error(
			s, line, "cluster %s has no contact_points, expected at least one", c->name);
	if (!err && c->credentials && secrets == CONFIG_WITH_SECRETS &&
		credentials_load(c->credentials, &c->user, &c->password, &why))
		err = schema_error(s, lines[CLUSTER_CREDENTIALS], "%s", why.text);
	return err;
}

static int take_cluster(struct schema *s, const char *name, size_t line, yaml_node_t *value, void *ctx)
{
	struct reading *r = ctx;
	struct cluster_lists l = {.cluster = {.port = 9042}};
	size_t lines[ARRAY_LEN(CLUSTER_KEYS)] = {0};
	char what[CONFIG_APP_NAME + 16];
	struct config_cluster *more;
	int err = need_name(s, line, name, "a cluster");

	if (err)
		return err;
	more = reallocarray(r->c->clusters, r->c->n_clusters + 1, sizeof *more);
	if (!more)
		return -ENOMEM;
	r->c->clusters = more;
	l.cluster.name = strdup(name);
	snprintf(what, sizeof what, "cluster %s", name);
	err = l.cluster.name ? schema_object(s, value, what, CLUSTER_KEYS, &l, lines) : -ENOMEM;
	if (!err)
		err = finish_cluster(s, &l, line, lines, r->secrets);
	if (err)
		cluster_free(&l.cluster);
	else
		more[r->c->n_clusters++] = l.cluster;
	return err;
}

/* ---- apps */

static bool table_ok(const char *text)
{
	size_t n = strlen(text), dots = 0;

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] <= ' ' || text[i] == '"')
			return false;
		dots += text[i] == '.';
	}
	return n && dots <= 1 && text[0] != '.' && text[n - 1] != '.';
}

static int take_exclusion(struct schema *s, const char *text, size_t line, void *ctx)
{
	struct config_app *a = ctx;

	if (!table_ok(text))
		return schema_error(
			s, line, "exclude has \"%.80s\", expected KEYSPACE or KEYSPACE.TABLE", text);
	if (a->n_exclude == LIST_MAX)
		return schema_error(s, line, "more than %d exclusions, expected fewer", LIST_MAX);
	return push_text(&a->exclude, &a->n_exclude, text);
}

static int take_exclude(struct schema *s, yaml_node_t *v, void *object)
{
	return schema_texts(s, v, "exclude", take_exclusion, object);
}

static const struct schema_key MATCH_KEYS[] = {
	{"unit", SCHEMA_TEXT, AT(config_match, unit)},
	{"cgroup", SCHEMA_TEXT, AT(config_match, cgroup)},
	{0},
};

static int take_match(struct schema *s, yaml_node_t *v, void *object)
{
	struct config_app *a = object;
	int err = schema_object(s, v, "match", MATCH_KEYS, &a->match, NULL);

	if (!err && !a->match.unit == !a->match.cgroup)
		err = schema_error(s, schema_line(v), "match names %s, expected one of unit and cgroup",
			a->match.unit ? "both" : "nothing");
	return err;
}

static const struct schema_key SHADOW_KEYS[] = {
	{"sample", SCHEMA_PERCENT, IN(config_app, shadow, sample)},
	{0},
};
static const struct schema_key JOURNAL_KEYS[] = {
	{"max_size", SCHEMA_SIZE, IN(config_app, journal, max_size), MIB, .expected = "at least 1MiB"},
	{"warn_at", SCHEMA_PERCENT, IN(config_app, journal, warn_at)},
	{"at_limit", SCHEMA_WORD, IN(config_app, journal, at_limit), .words = "fail"},
	{0},
};
static const struct schema_key LIMIT_KEYS[] = {
	{"session_buffer", SCHEMA_SIZE, IN(config_app, limits, session_buffer), 65536, 1024 * MIB,
		.expected = "64KiB to 1GiB"},
	{"frame", SCHEMA_SIZE, IN(config_app, limits, frame), 131072, 1024 * MIB,
		.expected = "128KiB to 1GiB"},
	{"prepared", SCHEMA_NUMBER, IN(config_app, limits, prepared), 1, 100000000,
		.expected = "1 to 100000000"},
	{0},
};

static const struct schema_key APP_KEYS[] = {
	{"origin", SCHEMA_TEXT, AT(config_app, origin)},
	{"target", SCHEMA_TEXT, AT(config_app, target)},
	{"match", SCHEMA_OWN, .take = take_match},
	{"phase", SCHEMA_WORD, AT(config_app, phase), .words = PHASES_WORDS, .later = PHASES_LATER},
	{"existing", SCHEMA_WORD, AT(config_app, existing), .words = "leave", .later = "recycle"},
	{"data_path", SCHEMA_WORD, AT(config_app, data_path), .words = "auto tcp", .later = "sockmap"},
	{"follower_failure", SCHEMA_WORD, AT(config_app, follower_failure), .words = "count fail",
		.later = "journal"},
	{"follower_wait", SCHEMA_DURATION, AT(config_app, follower_wait), 1, HOUR, .expected = "1ms to 1h"},
	{"target_auth", SCHEMA_WORD, AT(config_app, target_auth), .words = "seam forward"},
	{"exclude", SCHEMA_OWN, .take = take_exclude},
	{"request_timeout", SCHEMA_DURATION, AT(config_app, request_timeout), 10, HOUR,
		.expected = "10ms to 1h"},
	{"schema", SCHEMA_WORD, AT(config_app, schema), .words = "both origin"},
	{"shadow", SCHEMA_OBJECT, AT(config_app, shadow), .keys = SHADOW_KEYS},
	{"journal", SCHEMA_OBJECT, AT(config_app, journal), .keys = JOURNAL_KEYS},
	{"limits", SCHEMA_OBJECT, AT(config_app, limits), .keys = LIMIT_KEYS},
	{0},
};

static const struct config_app APP_DEFAULTS = {
	.phase = PHASES_PASSTHROUGH,
	.follower_failure = CONFIG_FOLLOWER_FAIL,
	.follower_wait = 50,
	.request_timeout = 12000,
	.shadow = {.sample = 100},
	.journal = {.max_size = 1024 * MIB, .warn_at = 50},
	.limits = {.session_buffer = 4 * MIB, .frame = 256 * MIB, .prepared = 100000},
};

static void app_free(struct config_app *a)
{
	for (size_t i = 0; i < a->n_exclude; i++)
		free(a->exclude[i]);
	free(a->exclude);
	free(a->name);
	free(a->origin);
	free(a->target);
	free(a->match.unit);
	free(a->match.cgroup);
}

static int take_app(struct schema *s, const char *name, size_t line, yaml_node_t *value, void *ctx)
{
	struct reading *r = ctx;
	struct config_app a = APP_DEFAULTS, *more;
	char what[CONFIG_APP_NAME + 16];
	int err = need_name(s, line, name, "an app");

	if (err)
		return err;
	more = reallocarray(r->c->apps, r->c->n_apps + 1, sizeof *more);
	if (!more)
		return -ENOMEM;
	r->c->apps = more;
	a.line = line;
	a.name = strdup(name);
	snprintf(what, sizeof what, "app %s", name);
	err = a.name ? schema_object(s, value, what, APP_KEYS, &a, NULL) : -ENOMEM;
	if (!err && (!a.origin || !a.target))
		err = schema_error(s, line, "app %s has no %s, expected a cluster's name", name,
			a.origin ? "target" : "origin");
	if (!err && !strcmp(a.origin, a.target))
		err = schema_error(s, line, "app %s has %s as origin and as target, expected two clusters",
			name, a.origin);
	if (err)
		app_free(&a);
	else
		more[r->c->n_apps++] = a;
	return err;
}

/* Clusters may stand below the apps that name them, so this is looked at when all has been read. */
static int check_clusters_exist(struct schema *s, const struct config *c)
{
	for (size_t i = 0; i < c->n_apps; i++) {
		const struct config_app *a = &c->apps[i];
		const char *missing = !config_cluster(c, a->origin)   ? a->origin
				      : !config_cluster(c, a->target) ? a->target
								      : NULL;
		if (missing)
			return schema_error(s, a->line,
				"app %s names cluster \"%.60s\", expected one that stands under clusters",
				a->name, missing);
	}
	return 0;
}

/* ---- the file */

/* The keys' offsets are into the config, which comes first. */
struct whole {
	struct config c;
	struct reading *r;
};

static int take_clusters(struct schema *s, yaml_node_t *v, void *object)
{
	return schema_names(s, v, "clusters", take_cluster, ((struct whole *)object)->r);
}

static int take_apps(struct schema *s, yaml_node_t *v, void *object)
{
	return schema_names(s, v, "apps", take_app, ((struct whole *)object)->r);
}

static int take_workers(struct schema *s, yaml_node_t *v, void *object)
{
	const char *text = schema_text(s, v, "workers");

	if (!text)
		return -EINVAL;
	if (!strcmp(text, "auto"))
		return 0;
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || n < 1 || n > 64)
		return schema_error(
			s, schema_line(v), "workers is \"%.40s\", expected auto or 1 to 64", text);
	((struct config *)object)->workers = n;
	return 0;
}

static int take_metrics(struct schema *s, yaml_node_t *v, void *object)
{
	const char *text = schema_text(s, v, "metrics");
	struct endpoint e;

	(void)object;
	if (!text)
		return -EINVAL;
	if (!strcmp(text, "off"))
		return 0;
	if (endpoint_parse(text, 0, &e) || !e.port)
		return schema_error(
			s, schema_line(v), "metrics is \"%.60s\", expected ADDRESS:PORT or off", text);
	return schema_error(s, schema_line(v), "metrics: %s is not in this version, expected off", text);
}

static const struct schema_key LOG_KEYS[] = {
	{"format", SCHEMA_WORD, IN(config, log, format), .words = "logfmt json"},
	{"level", SCHEMA_WORD, IN(config, log, level), .words = "debug info warn error"},
	{0},
};
static const struct schema_key FILE_KEYS[] = {
	{"run_dir", SCHEMA_TEXT, AT(config, run_dir)},
	{"state_dir", SCHEMA_TEXT, AT(config, state_dir)},
	{"workers", SCHEMA_OWN, .take = take_workers},
	{"stop_timeout", SCHEMA_DURATION, AT(config, stop_timeout), 0, HOUR, .expected = "at most 1h"},
	{"memory", SCHEMA_SIZE, AT(config, memory), 16 * MIB, .expected = "at least 16MiB"},
	{"metrics", SCHEMA_OWN, .take = take_metrics},
	{"log", SCHEMA_OBJECT, AT(config, log), .keys = LOG_KEYS},
	{"clusters", SCHEMA_OWN, .take = take_clusters},
	{"apps", SCHEMA_OWN, .take = take_apps},
	{0},
};

static int check_dir(struct schema *s, size_t line, const char *key, const char *path)
{
	/* The control socket's path must fit into sun_path: 108 bytes with "/mirror.4194304.sock". */
	if (path[0] == '/' && strlen(path) <= 80)
		return 0;
	return schema_error(s, line ? line : 1,
		"%s is \"%.100s\", expected an absolute path of at most 80 bytes", key, path);
}

static int take_file(struct schema *s, yaml_node_t *root, void *ctx)
{
	struct reading *r = ctx;
	struct whole w = {.c = *r->c, .r = r};
	size_t lines[ARRAY_LEN(FILE_KEYS)] = {0};
	int err;

	if (!root)
		return schema_error(s, 1, "the file is empty, expected clusters and apps");
	err = schema_object(s, root, "the file", FILE_KEYS, &w, lines);
	/* clusters and apps were put into r->c: the rest is carried over to it */
	w.c.clusters = r->c->clusters;
	w.c.n_clusters = r->c->n_clusters;
	w.c.apps = r->c->apps;
	w.c.n_apps = r->c->n_apps;
	*r->c = w.c;
	if (!err)
		err = check_dir(s, lines[0], "run_dir", w.c.run_dir);
	if (!err)
		err = check_dir(s, lines[1], "state_dir", w.c.state_dir);
	if (!err)
		err = check_clusters_exist(s, r->c);
	return err;
}

int config_load(const char *file, enum config_secrets secrets, struct config **out, struct reason *why)
{
	struct config *c = calloc(1, sizeof *c);
	struct reading r = {.c = c, .secrets = secrets};
	int err;

	if (!c)
		return reason_set(why, -ENOMEM, "no memory");
	reason_set(why, 0, "no memory");
	*c = (struct config){
		.run_dir = strdup(CONFIG_RUN_DIR),
		.state_dir = strdup(CONFIG_STATE_DIR),
		.stop_timeout = 30000,
		.memory = 1024 * MIB,
		.log = {.format = LOG_LOGFMT, .level = LOG_INFO},
	};
	err = c->run_dir && c->state_dir ? schema_read(file, take_file, &r, why) : -ENOMEM;
	if (err)
		config_free(c);
	else
		*out = c;
	return err;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_clusters; i++)
		cluster_free(&c->clusters[i]);
	for (size_t i = 0; i < c->n_apps; i++)
		app_free(&c->apps[i]);
	free(c->clusters);
	free(c->apps);
	free(c->run_dir);
	free(c->state_dir);
	free(c);
}

const struct config_app *config_app(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_apps; i++)
		if (!strcmp(c->apps[i].name, name))
			return &c->apps[i];
	return NULL;
}

const struct config_cluster *config_cluster(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_clusters; i++)
		if (!strcmp(c->clusters[i].name, name))
			return &c->clusters[i];
	return NULL;
}
