#include "cli.h"

#include <stdio.h>

static int run(struct cli *cli, int argc, char **argv)
{
	static const char *const columns[] = {"app_addr", "origin", "target", "driver", "driver_version",
		"protocol", "compression", "keyspace", "user", "in_flight", "requests", "path"};
	const char *app = NULL;
	json_t *data = NULL, *v;
	size_t i;
	int err = cli_parse(cli, &VERB_SESSIONS, argc, argv, NULL, &app, 1);

	if (err)
		return err == CLI_HELP ? 0 : err;
	int r = client_ask(cli, json_pack("{s:s, s:s*}", "verb", "sessions", "app", app), 30, &data);
	if (json_is_array(data) && cli->json) {
		out_json(data);
	} else if (json_is_array(data) && r == 0) {
		struct out_table *t = out_table(columns, ARRAY_LEN(columns));
		json_array_foreach (data, i, v)
			for (size_t c = 0; c < ARRAY_LEN(columns); c++) {
				const json_t *cell = json_object_get(v, columns[c]);
				char number[32];
				snprintf(number, sizeof number, "%lld", (long long)json_integer_value(cell));
				out_cell(t, json_is_integer(cell) ? number : out_text(v, columns[c]));
			}
		out_print(t);
	}
	json_decref(data);
	return r;
}

const struct verb VERB_SESSIONS = {
	.name = "sessions",
	.usage = "sessions [APP] [--json]",
	.summary = "one row for each captured connection",
	.help = "app_addr is the app's own address, origin and target are the nodes that its session speaks "
		"to.",
	.run = run,
};
