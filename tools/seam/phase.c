#include "cli.h"

#include <stdio.h>

static int run(struct cli *cli, int argc, char **argv)
{
	const char *words[2] = {NULL, NULL}, *percent = NULL, *table = NULL;
	bool force = false;
	const struct cli_option options[] = {{"percent", required_argument, &percent, NULL},
		{"table", required_argument, &table, NULL}, {"force", no_argument, NULL, &force}, {0}};
	json_t *data = NULL;
	int err = cli_parse(cli, &VERB_PHASE, argc, argv, options, words, 2);

	if (err)
		return err == CLI_HELP ? 0 : err;
	if (!words[0])
		return cli_usage(&VERB_PHASE, "which app?");
	int r = client_ask(cli,
		json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:b}", "verb", "phase", "app", words[0], "phase",
			words[1], "percent", percent, "table", table, "force", force),
		300, &data);
	if (json_is_object(data) && cli->json) {
		out_json(data);
	} else if (json_is_object(data)) {
		printf("%s  %s", out_text(data, "app"), out_text(data, "phase"));
		if (json_is_string(json_object_get(data, "previous")))
			printf(" (before: %s)", out_text(data, "previous"));
		if (json_object_get(data, "t0"))
			printf("  T0 %s", out_text(data, "t0"));
		putchar('\n');
	}
	json_decref(data);
	return r;
}

const struct verb VERB_PHASE = {
	.name = "phase",
	.usage = "phase APP [PHASE [--percent N] [--table KS.T] [--force]]",
	.summary = "show an app's phase, or change it while traffic flows",
	.help = "PHASE: passthrough or dual-write; observe, shadow-read, target-read and target-only are not "
		"in this version.\n"
		"Returns when every worker has the phase, every session the connections that it needs, and "
		"the last request of the\n"
		"former phase has ended: that moment is T0.",
	.run = run,
};
