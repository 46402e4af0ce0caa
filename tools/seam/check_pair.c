/* Origin beside Target: versions, schema; and who speaks to Origin around Seam. */
#include "check.h"
#include "kern/cgroup.h"
#include "kern/direct.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static bool excluded(const struct config_app *a, const char *table)
{
	size_t ks = strcspn(table, ".");

	for (size_t i = 0; i < a->n_exclude; i++)
		if (!strcmp(a->exclude[i], table) ||
			(strlen(a->exclude[i]) == ks && !strncmp(a->exclude[i], table, ks)))
			return true;
	return false;
}

static void check_versions(const struct config_app *a, const struct check_cluster *o,
	const struct check_cluster *t, json_t *checks)
{
	char row[CONFIG_APP_NAME + 32];
	unsigned lacking = o->versions & ~t->versions;

	snprintf(row, sizeof row, "versions %s", a->name);
	if (lacking)
		check_add(checks, row, "fail", "Origin speaks v%d, Target does not: attach refuses (--force)",
			31 - __builtin_clz(lacking));
	else
		check_add(checks, row, "ok", "Target speaks whatever Origin does");
}

static void check_schema(const struct config_app *a, const struct check_cluster *o,
	const struct check_cluster *t, json_t *checks)
{
	char row[CONFIG_APP_NAME + 32], example[300] = "";
	size_t tables = 0, unlike = 0;
	const char *name;
	json_t *columns;

	snprintf(row, sizeof row, "schema %s", a->name);
	if (!o->columns || !t->columns) {
		check_add(checks, row, "warn", "cannot be read on %s", o->columns ? "Target" : "Origin");
		return;
	}
	json_object_foreach (o->columns, name, columns) {
		const json_t *there = json_object_get(t->columns, name);
		if (excluded(a, name))
			continue;
		tables++;
		if (json_equal(columns, there))
			continue;
		if (!unlike++)
			snprintf(example, sizeof example, "%.200s is %s on Target", name,
				there ? "unlike" : "missing");
	}
	if (unlike)
		check_add(checks, row, "warn", "%zu of %zu tables: %s", unlike, tables, example);
	else
		check_add(checks, row, "ok", "%zu tables, columns equal on both", tables);
}

void check_pair(const struct config_app *a, const struct check_cluster *origin,
	const struct check_cluster *target, json_t *checks)
{
	if (!origin->reached || !target->reached)
		return;
	check_versions(a, origin, target, checks);
	check_schema(a, origin, target, checks);
}

/* ---- who speaks to Origin */

static bool comm_is_mirror(const char *pid)
{
	char path[300], comm[32] = "";

	snprintf(path, sizeof path, "/proc/%.20s/comm", pid);
	FILE *f = fopen(path, "re");
	if (f && !fgets(comm, sizeof comm, f))
		comm[0] = 0;
	if (f)
		fclose(f);
	return !strcmp(comm, "seamd-mirror\n");
}

/* Inodes of the sockets of every mirror: its legs to Origin are no client's. */
static void mirror_inodes(json_t *inodes)
{
	DIR *proc = opendir("/proc");
	struct dirent *e, *f;

	while (proc && (e = readdir(proc))) {
		char path[300], link[64], key[32];
		unsigned long inode;
		if (e->d_name[0] < '1' || e->d_name[0] > '9' || !comm_is_mirror(e->d_name))
			continue;
		snprintf(path, sizeof path, "/proc/%.20s/fd", e->d_name);
		DIR *fds = opendir(path);
		while (fds && (f = readdir(fds))) {
			ssize_t n = readlinkat(dirfd(fds), f->d_name, link, sizeof link - 1);
			link[n > 0 ? n : 0] = 0;
			if (sscanf(link, "socket:[%lu]", &inode) == 1) {
				snprintf(key, sizeof key, "%lu", inode);
				json_object_set_new(inodes, key, json_true());
			}
		}
		if (fds)
			closedir(fds);
	}
	if (proc)
		closedir(proc);
}

static void check_this_host(const struct config_app *a, const struct check_cluster *origin, json_t *checks)
{
	char row[CONFIG_APP_NAME + 48], top[CGROUP_PATH], key[32];
	struct endpoint all[CHECK_NODES + 64];
	json_t *inodes = json_object();
	struct direct d;
	struct reason why = {""};
	size_t n = origin->n_nodes, around = 0;

	snprintf(row, sizeof row, "clients of %s on this host", origin->c->name);
	memcpy(all, origin->nodes, n * sizeof *all);
	for (size_t i = 0; i < origin->c->n_endpoints && n < ARRAY_LEN(all); i++)
		all[n++] = origin->c->endpoints[i];
	if (cgroup_mount(top, &why) || direct_count(top, all, n, &d, &why)) {
		check_add(checks, row, "warn", "cannot be counted: %s", why.text);
		json_decref(inodes);
		return;
	}
	mirror_inodes(inodes);
	for (size_t i = 0; i < d.n; i++) {
		snprintf(key, sizeof key, "%u", d.conns[i].inode);
		around += !json_object_get(inodes, key);
	}
	direct_free(&d);
	json_decref(inodes);
	if (around)
		check_add(checks, row, "warn", "%zu connections go to Origin around Seam (app %s)", around,
			a->name);
	else
		check_add(checks, row, "ok", "none around Seam");
}

static bool is_ours(const char *address)
{
	struct ifaddrs *list = NULL;
	struct endpoint e, mine;
	bool found = !strncmp(address, "127.", 4);

	if (endpoint_parse(address, 1, &e) || getifaddrs(&list))
		return found;
	for (struct ifaddrs *i = list; i && !found; i = i->ifa_next)
		found = i->ifa_addr && !endpoint_from_sockaddr(i->ifa_addr, &mine) &&
			!memcmp(mine.ip, e.ip, sizeof e.ip);
	freeifaddrs(list);
	return found;
}

void check_clients(const struct config_app *a, const struct check_cluster *origin, json_t *checks)
{
	char row[CONFIG_APP_NAME + 48], example[64] = "";
	size_t others = 0, i;
	json_t *v;

	if (!origin->reached)
		return;
	check_this_host(a, origin, checks);
	snprintf(row, sizeof row, "clients of %s on other hosts", origin->c->name);
	if (!origin->clients) {
		check_add(checks, row, "warn",
			"Origin has no list of clients (before Cassandra 4.0): look at each host");
		return;
	}
	json_array_foreach (origin->clients, i, v)
		if (!is_ours(json_string_value(v)) && !others++)
			snprintf(example, sizeof example, "%s", json_string_value(v));
	if (others)
		check_add(checks, row, "warn",
			"%zu connections, from %s for one: each host needs its own Seam", others, example);
	else
		check_add(checks, row, "ok", "none");
}
