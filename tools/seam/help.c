#include "cli.h"

#include <stdio.h>
#include <sys/utsname.h>

static int run_version(struct cli *cli, int argc, char **argv)
{
	struct utsname u = {.release = "?"};
	int err = cli_parse(cli, &VERB_VERSION, argc, argv, NULL, NULL, 0);

	if (err)
		return err == CLI_HELP ? 0 : err;
	uname(&u);
	if (cli->json) {
		json_t *j = json_pack("{s:s, s:s}", "version", SEAM_VERSION, "kernel", u.release);
		out_json(j);
		json_decref(j);
	} else {
		printf("seam %s (Linux %s)\n", SEAM_VERSION, u.release);
	}
	return 0;
}

static int run_help(struct cli *cli, int argc, char **argv)
{
	const char *name = NULL;
	int err = cli_parse(cli, &VERB_HELP, argc, argv, NULL, &name, 1);

	if (err)
		return err == CLI_HELP ? 0 : err;
	const struct verb *v = name ? cli_verb(name) : NULL;
	if (name && !v)
		return cli_usage(&VERB_HELP, "no verb \"%s\"", name);
	if (v) {
		printf("usage: seam %s\n\n%s\n", v->usage, v->help);
		return 0;
	}
	printf("usage: seam [--socket PATH] [--json] VERB …\n\n"
	       "Moves a live application from one Cassandra cluster (Origin) to another (Target).\n\n");
	cli_list_verbs();
	printf("\n`seam help VERB` says more. The daemon's socket: --socket, else $SEAM_SOCKET, else "
	       "/run/seam/seamd.sock.\n"
	       "Exit codes: 0 done, 1 failure or refusal, 2 usage, 3 daemon not running or app not attached, "
	       "4 findings.\n");
	return 0;
}

const struct verb VERB_VERSION = {.name = "version",
	.usage = "version",
	.summary = "this program's version",
	.help = "Also: seam --version.",
	.run = run_version};

const struct verb VERB_HELP = {.name = "help",
	.usage = "help [VERB]",
	.summary = "this list, or one verb's",
	.help = "Also: seam VERB --help.",
	.run = run_help};
