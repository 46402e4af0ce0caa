#include "cli.h"

#include <stdio.h>

static int run(struct cli *cli, int argc, char **argv)
{
	const char *app = NULL;
	json_t *data = NULL, *v;
	size_t i;
	int err = cli_parse(cli, &VERB_STATUS, argc, argv, NULL, &app, 1);

	if (err)
		return err == CLI_HELP ? 0 : err;
	int r = client_ask(cli, json_pack("{s:s, s:s*}", "verb", "status", "app", app), 30, &data);
	if (r == 0 && cli->json) {
		out_json(data);
	} else if (r == 0) {
		const json_t *d = json_object_get(data, "daemon");
		printf("seamd %s  %s  pid %lld, mirror %lld, up %lld s\n", out_text(d, "version"),
			out_text(d, "state"), out_number(d, "pid"), out_number(d, "mirror_pid"),
			out_number(d, "uptime_s"));
		json_array_foreach (json_object_get(data, "apps"), i, v) {
			putchar('\n');
			out_app(v);
		}
	}
	json_decref(data);
	return r;
}

const struct verb VERB_STATUS = {
	.name = "status",
	.usage = "status [APP] [--json]",
	.summary = "what is attached, in which phase, and what needs attention",
	.help = "captured, not_captured, opaque and open are of now; the other numbers count since the "
		"daemon started.",
	.run = run,
};
