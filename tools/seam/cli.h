/* The command line: what all verbs share. stdout is data, stderr is talk. */
#pragma once
#include "base/attr.h"
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

/* Exit codes: docs and scripts rely on them. */
enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_ABSENT = 3, EXIT_FINDINGS = 4 };

struct cli {
	const char *socket; /* NULL: the environment's, else the default */
	bool json;
};

struct verb {
	const char *name;
	const char *usage;                                  /* after "seam " */
	const char *summary;                                /* one line */
	const char *help;                                   /* more of them */
	int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the verb. Returns an exit code. */
};

extern const struct verb VERB_ATTACH, VERB_DETACH, VERB_STATUS, VERB_PHASE, VERB_SESSIONS, VERB_CHECK,
	VERB_VERSION, VERB_HELP;
const struct verb *cli_verb(const char *name); /* main.c; NULL: no such */
void cli_list_verbs(void);

/* "seam: …" to stderr; returns `exit`. */
int cli_fail(int exit, const char *fmt, ...) printf_like(2, 3);
int cli_usage(const struct verb *v, const char *fmt, ...) printf_like(2, 3);

/*
 * One verb's arguments. `options` may hold --json and --socket too: they are understood everywhere. Operands go to `operands`, NULL for
 * those absent. Returns 0, or the exit code of a usage error (or of --help: CLI_HELP, when all is done).
 */
#define CLI_HELP (-1)
struct cli_option {
	const char *name;
	int has_arg;        /* of getopt_long() */
	const char **value; /* has_arg required or optional: the text ("" for an absent optional one) */
	bool *flag;
};
int cli_parse(struct cli *cli, const struct verb *v, int argc, char **argv, const struct cli_option *options,
	const char **operands, int max_operands) must_check;

/* client.c: ask the daemon. Steals `request`. Returns its exit code (EXIT_ABSENT: no daemon there; *message says it), data in *data. */
int client_ask(const struct cli *cli, json_t *request, unsigned patience_s, json_t **data);
/* The same, but what went wrong is not printed: *absent tells a daemon that doesn't run, or doesn't answer, from a refusal. */
int client_try(const struct cli *cli, json_t *request, unsigned patience_s, json_t **data, bool *absent);

/* out.c: tables. */
struct out_table;
struct out_table *out_table(const char *const *heads, unsigned columns);
void out_cell(struct out_table *t, const char *text); /* row after row, left to right */
void out_print(struct out_table *t);                  /* and free it */
void out_json(const json_t *j);
enum out_tone { OUT_GOOD, OUT_WARN, OUT_BAD, OUT_PLAIN };
/* `text` in colour when stdout is a terminal and NO_COLOR is unset; one of eight buffers in turn. */
const char *out_tone(enum out_tone tone, const char *text);
void out_app(const json_t *app); /* one app of `seam status` */
/* Members of JSON objects as text; "-" when absent. */
const char *out_text(const json_t *object, const char *key);
long long out_number(const json_t *object, const char *key);
