#include "cli.h"
#include "ctl/config.h"
#include "ctl/state.h"
#include "kern/attach.h"

#include <stdio.h>
#include <string.h>

/* The mark first: a daemon that wakes up to missing hooks must find it, or it would put them back. */
static int detach_alone(struct cli *cli, const struct config *c, const char *app)
{
	struct reason why = {""};
	unsigned links = 0;
	int marked = state_mark_detached(c->state_dir, app, &why);

	if (marked)
		cli_fail(0, "%s", why.text);
	int err = attach_unlink(c->run_dir, app, &links, &why);
	if (err)
		return cli_fail(EXIT_REFUSED, "%s", why.text);
	fprintf(stderr, links ? "unhooked without the daemon: new connections go to Origin directly\n"
			      : "nothing was hooked\n");
	if (cli->json) {
		json_t *j = json_pack("{s:s, s:s}", "name", app, "state", "detached");
		out_json(j);
		json_decref(j);
	} else {
		printf("%s  detached\n", app);
	}
	return marked ? EXIT_REFUSED : EXIT_DONE;
}

static int run(struct cli *cli, int argc, char **argv)
{
	const char *app = NULL, *file = NULL, *drain = NULL;
	bool force = false, absent = false;
	const struct cli_option options[] = {{"config", required_argument, &file, NULL},
		{"drain", optional_argument, &drain, NULL}, {"force", no_argument, NULL, &force}, {0}};
	json_t *data = NULL;
	struct config *c = NULL;
	struct reason why;
	char path[160];
	int err = cli_parse(cli, &VERB_DETACH, argc, argv, options, &app, 1);

	if (err)
		return err == CLI_HELP ? 0 : err;
	if (!app)
		return cli_usage(&VERB_DETACH, "which app?");
	if (drain)
		return cli_fail(EXIT_REFUSED, "--drain is not in this version");
	if (file && config_load(file, CONFIG_NO_SECRETS, &c, &why))
		return cli_fail(EXIT_USAGE, "%s", why.text);
	if (c && !cli->socket) {
		snprintf(path, sizeof path, "%s/seamd.sock", c->run_dir);
		cli->socket = path;
	}
	int r = client_try(cli, json_pack("{s:s, s:s, s:b}", "verb", "detach", "app", app, "force", force), 5,
		&data, &absent);
	if (absent) {
		if (!c && config_load(CONFIG_FILE, CONFIG_NO_SECRETS, &c, &why))
			r = cli_fail(EXIT_ABSENT, "%s; --config names the daemon's folders", why.text);
		else if (!config_app(c, app))
			r = cli_fail(EXIT_USAGE, "no app \"%s\" in the config", app);
		else
			r = detach_alone(cli, c, app);
	} else if (cli->json && json_is_object(data)) {
		out_json(data);
	} else if (json_is_object(data) && r == 0) {
		out_app(data);
	}
	json_decref(data);
	config_free(c);
	return r;
}

const struct verb VERB_DETACH = {
	.name = "detach",
	.usage = "detach APP [--config FILE] [--drain[=TIMEOUT]] [--force]",
	.summary = "let an app go: its next connections are direct",
	.help = "Returns once the next connect is direct. Live sessions go on through Seam in passthrough; "
		"no request fails.\n"
		"Works without the daemon too (as root): FILE, default " CONFIG_FILE
		", names run_dir and state_dir.\n"
		"--drain: not in this version.",
	.run = run,
};
