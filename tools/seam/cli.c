#include "cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 16

int cli_fail(int exit, const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("seam: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return exit;
}

int cli_usage(const struct verb *v, const char *fmt, ...)
{
	va_list ap;

	fputs("seam: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nusage: seam %s\n", v->usage);
	return EXIT_USAGE;
}

static int take_operands(const struct verb *v, int argc, char **argv, const char **operands, int max)
{
	for (int i = 0; i < max; i++)
		operands[i] = optind + i < argc ? argv[optind + i] : NULL;
	if (argc - optind > max)
		return cli_usage(v, "\"%s\" is one word too many", argv[optind + max]);
	return 0;
}

int cli_parse(struct cli *cli, const struct verb *v, int argc, char **argv, const struct cli_option *options,
	const char **operands, int max_operands)
{
	struct option o[OPTIONS_MAX] = {{"socket", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}};
	int n = 3, c;

	for (const struct cli_option *p = options; p && p->name; p++, n++)
		o[n] = (struct option){p->name, p->has_arg, NULL, 256 + (int)(p - options)};
	optind = 0; /* glibc: start anew, with another argv */
	while ((c = getopt_long(argc, argv, "h", o, NULL)) >= 0) {
		if (c == 's') {
			cli->socket = optarg;
		} else if (c == 'j') {
			cli->json = true;
		} else if (c == 'h') {
			printf("usage: seam %s\n\n%s\n", v->usage, v->help);
			return CLI_HELP;
		} else if (c >= 256) {
			const struct cli_option *p = &options[c - 256];
			if (p->flag)
				*p->flag = true;
			if (p->value)
				*p->value = optarg ? optarg : "";
		} else {
			fprintf(stderr, "usage: seam %s\n", v->usage);
			return EXIT_USAGE;
		}
	}
	return take_operands(v, argc, argv, operands, max_operands);
}
