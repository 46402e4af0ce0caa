/* seam: the command line. It knows its verbs and asks the daemon. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const struct verb *const VERBS[] = {&VERB_CHECK, &VERB_ATTACH, &VERB_DETACH, &VERB_STATUS, &VERB_PHASE,
	&VERB_SESSIONS, &VERB_VERSION, &VERB_HELP};

/* Words of the surface whose time comes. */
static const char *const LATER[] = {"findings", "journal", "events", "plan", "copy", "verify", "repair",
	"count", "export", "import", "shadow", "completion"};

const struct verb *cli_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(VERBS); i++)
		if (!strcmp(VERBS[i]->name, name))
			return VERBS[i];
	return NULL;
}

void cli_list_verbs(void)
{
	for (size_t i = 0; i < ARRAY_LEN(VERBS); i++)
		printf("  %-9s %s\n", VERBS[i]->name, VERBS[i]->summary);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'}, {0}};
	struct cli cli = {.socket = NULL};
	const char *verb = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "+h", options, NULL)) >= 0) {
		if (c == 's')
			cli.socket = optarg;
		else if (c == 'j')
			cli.json = true;
		else if (c == 'h')
			verb = "help";
		else if (c == 'v')
			verb = "version";
		else
			return EXIT_USAGE;
	}
	if (verb)
		return cli_verb(verb)->run(&cli, 1, (char *[]){(char *)verb, NULL});
	if (optind == argc) {
		cli_fail(EXIT_USAGE, "which verb? `seam help` lists them");
		return EXIT_USAGE;
	}
	verb = argv[optind];
	const struct verb *v = cli_verb(verb);
	if (v)
		return v->run(&cli, argc - optind, argv + optind);
	for (size_t i = 0; i < ARRAY_LEN(LATER); i++)
		if (!strcmp(LATER[i], verb))
			return cli_fail(EXIT_REFUSED, "%s: not in this version", verb);
	return cli_fail(EXIT_USAGE, "no verb \"%s\"; `seam help` lists them", verb);
}
