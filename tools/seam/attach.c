#include "cli.h"

#include <stdio.h>
#include <string.h>

static void print_drop_in(const char *app, const char *unit)
{
	const char *dot = strrchr(unit, '.');
	bool full = dot && !strchr(dot, '/');

	fprintf(stderr,
		"So that %s is captured from its first connection on, after a reboot too, put this into "
		"/etc/systemd/system/%s%s.d/seam.conf:\n\n"
		"[Unit]\nWants=seamd.service\nAfter=seamd.service\n\n[Service]\nExecStartPre=+seam attach "
		"%s\n\n",
		app, unit, full ? "" : ".service", app);
}

static int run(struct cli *cli, int argc, char **argv)
{
	const char *app = NULL, *cgroup = NULL, *unit = NULL, *pid = NULL, *existing = NULL;
	bool force = false;
	const struct cli_option options[] = {{"cgroup", required_argument, &cgroup, NULL},
		{"unit", required_argument, &unit, NULL}, {"pid", required_argument, &pid, NULL},
		{"existing", required_argument, &existing, NULL}, {"force", no_argument, NULL, &force}, {0}};
	json_t *data = NULL, *request;
	int err = cli_parse(cli, &VERB_ATTACH, argc, argv, options, &app, 1);

	if (err)
		return err == CLI_HELP ? 0 : err;
	if (!app)
		return cli_usage(&VERB_ATTACH, "which app?");
	if (!!cgroup + !!unit + !!pid > 1)
		return cli_usage(&VERB_ATTACH, "--cgroup, --unit and --pid exclude each other");
	if (existing && strcmp(existing, "leave") && strcmp(existing, "recycle"))
		return cli_usage(&VERB_ATTACH, "--existing expects leave or recycle");
	request = json_pack("{s:s, s:s, s:b}", "verb", "attach", "app", app, "force", force);
	if (cgroup)
		json_object_set_new(request, "cgroup", json_string(cgroup));
	if (unit)
		json_object_set_new(request, "unit", json_string(unit));
	if (existing)
		json_object_set_new(request, "existing", json_string(existing));
	if (pid) {
		char *end;
		long n = strtol(pid, &end, 10);
		if (*end || n < 1) {
			json_decref(request);
			return cli_usage(&VERB_ATTACH, "--pid expects a process id");
		}
		json_object_set_new(request, "pid", json_integer(n));
	}
	int r = client_ask(cli, request, 60, &data);
	if (cli->json && json_is_object(data))
		out_json(data);
	else if (json_is_object(data) && r == 0)
		out_app(data);
	if (unit && r == 0)
		print_drop_in(app, unit);
	json_decref(data);
	return r;
}

const struct verb VERB_ATTACH = {
	.name = "attach",
	.usage = "attach APP [--cgroup PATH | --unit UNIT | --pid PID] [--existing leave|recycle] [--force]",
	.summary = "capture an app's new connections to Origin",
	.help = "Returns once the next connect of the app is captured. Without a place, `match` of the "
		"config or the place of\n"
		"the last attach counts. An app that is attached already: no change. With --unit the lines "
		"for the unit's drop-in\n"
		"go to stderr. --force attaches although Origin speaks a protocol version that Target or "
		"Seam does not.\n"
		"--existing recycle: not in this version.",
	.run = run,
};
