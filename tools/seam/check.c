/* `seam check`: can it work here? Needs no daemon. */
#include "check.h"
#include "kern/probe.h"

#include <stdio.h>
#include <string.h>

static void check_kernel(json_t *checks)
{
	struct probe_row rows[PROBE_ROWS];
	size_t n = probe_all(rows);

	for (size_t i = 0; i < n; i++)
		check_add(checks, rows[i].name, rows[i].ok ? "ok" : "fail", "%s", rows[i].detail);
}

static struct config *check_config(json_t *checks, const char *file)
{
	struct config *c = NULL;
	struct reason why;

	if (config_load(file, CONFIG_WITH_SECRETS, &c, &why)) {
		check_add(checks, "config", "fail", "%s", why.text);
		return NULL;
	}
	check_add(checks, "config", "ok", "%s: %zu clusters, %zu apps", file, c->n_clusters, c->n_apps);
	return c;
}

static void check_clusters(json_t *checks, const struct config *c)
{
	struct check_cluster *k = calloc(c->n_clusters + 1, sizeof *k);

	if (!k)
		return;
	for (size_t i = 0; i < c->n_clusters; i++) {
		k[i].c = &c->clusters[i];
		check_cluster_probe(&k[i], checks);
	}
	for (size_t i = 0; i < c->n_apps; i++) {
		const struct config_app *a = &c->apps[i];
		struct check_cluster *origin = &k[config_cluster(c, a->origin) - c->clusters];
		check_pair(a, origin, &k[config_cluster(c, a->target) - c->clusters], checks);
		check_clients(a, origin, checks);
	}
	for (size_t i = 0; i < c->n_clusters; i++)
		check_cluster_free(&k[i]);
	free(k);
}

static int print(const struct cli *cli, json_t *checks)
{
	static const char *const heads[] = {"check", "state", "detail"};
	struct out_table *t = cli->json ? NULL : out_table(heads, ARRAY_LEN(heads));
	bool failed = false;
	size_t i;
	json_t *v;

	json_array_foreach (checks, i, v) {
		const char *state = out_text(v, "state");
		failed |= !strcmp(state, "fail");
		if (!t)
			continue;
		out_cell(t, out_text(v, "name"));
		out_cell(t, out_tone(!strcmp(state, "ok")     ? OUT_GOOD
				     : !strcmp(state, "warn") ? OUT_WARN
							      : OUT_BAD,
				    state));
		out_cell(t, out_text(v, "detail"));
	}
	if (t) {
		out_print(t);
	} else {
		json_t *j = json_pack("{s:O}", "checks", checks);
		out_json(j);
		json_decref(j);
	}
	return failed ? EXIT_REFUSED : EXIT_DONE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const char *file = CONFIG_FILE;
	const struct cli_option options[] = {{"config", required_argument, &file, NULL}, {0}};
	json_t *checks;
	int err = cli_parse(cli, &VERB_CHECK, argc, argv, options, NULL, 0);

	if (err)
		return err == CLI_HELP ? 0 : err;
	checks = json_array();
	check_kernel(checks);
	struct config *c = check_config(checks, file);
	if (c)
		check_clusters(checks, c);
	config_free(c);
	int r = print(cli, checks);
	json_decref(checks);
	return r;
}

const struct verb VERB_CHECK = {
	.name = "check",
	.usage = "check [--config FILE]",
	.summary = "can it work here: kernel, privileges, config, clusters",
	.help = "Needs no daemon. Each row is tried, not guessed from a version. Exits 1 if any fails.",
	.run = run,
};
