/* seam-node: a CQL cluster in memory, and what can go wrong with one. docs/node.md says what it is not. */
#include "control.h"
#include "server.h"
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: seam-node --cluster NAME --address ADDR[,ADDR...] [--port 9042] [--auth USER:PASSWORD]\n"
	"                 [--max-protocol 5] [--control PATH] [--version]\n";

struct args {
	struct cluster_opts opts;
	char *addresses, *auth;
	const char *control;
};

static int number(const char *text, long lo, long hi, const char *what)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (*text && !*end && v >= lo && v <= hi)
		return (int)v;
	fprintf(stderr, "seam-node: %s: expected a number from %ld to %ld, not %s\n", what, lo, hi, text);
	exit(2);
}

static void parse_args(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {{"cluster", 1, NULL, 'c'}, {"address", 1, NULL, 'a'},
		{"port", 1, NULL, 'p'}, {"auth", 1, NULL, 'u'}, {"max-protocol", 1, NULL, 'm'},
		{"control", 1, NULL, 's'}, {"version", 0, NULL, 'v'}, {"help", 0, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	int o;

	*a = (struct args){.opts = {.port = 9042, .max_version = CQL_V5}};
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'c')
			a->opts.name = optarg;
		else if (o == 'a')
			a->addresses = optarg;
		else if (o == 'p')
			a->opts.port = (uint16_t)number(optarg, 1, 65535, "--port");
		else if (o == 'u')
			a->auth = optarg;
		else if (o == 'm')
			a->opts.max_version = (uint8_t)number(optarg, CQL_V3, CQL_V5, "--max-protocol");
		else if (o == 's')
			a->control = optarg;
		else if (o == 'v' || o == 'h') {
			fputs(o == 'v' ? "seam-node " SEAM_VERSION "\n" : usage, stdout);
			exit(0);
		} else {
			fputs(usage, stderr);
			exit(2);
		}
	}
	char *colon = a->auth ? strchr(a->auth, ':') : NULL;

	if (optind < argc || !a->opts.name || !a->addresses || (a->auth && !colon)) {
		fputs(usage, stderr);
		exit(2);
	}
	if (colon) {
		*colon = 0;
		a->opts.user = a->auth;
		a->opts.password = colon + 1;
	}
}

static int start_nodes(struct cluster *c, char *addresses)
{
	char *rest;

	for (char *one = strtok_r(addresses, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
		int err = cluster_add_node(c, one);

		if (err < 0) {
			fprintf(stderr, "seam-node: --address %s: %s\n", one, strerror(-err));
			return err;
		}
	}
	if (!c->n_nodes) {
		fprintf(stderr, "seam-node: --address: expected addresses\n");
		return -1;
	}
	cluster_deal_tokens(c);
	for (uint32_t i = 0; i < c->n_nodes; i++) {
		int err = server_start(&c->nodes[i]);

		if (err < 0) {
			fprintf(stderr, "seam-node: %s:%u: %s\n", c->nodes[i].address, c->o.port,
				uv_strerror(err));
			return err;
		}
	}
	return 0;
}

static void on_signal(uv_signal_t *s, int number_)
{
	(void)number_;
	uv_stop(s->loop);
}

int main(int argc, char **argv)
{
	static struct cluster cluster;
	struct control *control = NULL;
	uv_signal_t term, interrupt;
	struct args args;
	uv_loop_t loop;
	int err;

	parse_args(argc, argv, &args);
	signal(SIGPIPE, SIG_IGN);
	uv_loop_init(&loop);
	uv_signal_init(&loop, &term);
	uv_signal_init(&loop, &interrupt);
	uv_signal_start(&term, on_signal, SIGTERM);
	uv_signal_start(&interrupt, on_signal, SIGINT);
	cluster_init(&cluster, &loop, &args.opts);
	err = start_nodes(&cluster, args.addresses);
	if (err == 0) {
		err = control_open(&cluster, args.control, &control);
		if (err < 0)
			fprintf(stderr, "seam-node: --control %s: %s\n", args.control, uv_strerror(err));
	}
	if (err == 0) {
		puts("ready");
		fflush(stdout);
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	for (uint32_t i = 0; i < cluster.n_nodes; i++)
		server_kill(&cluster.nodes[i]);
	control_close(control);
	uv_close((uv_handle_t *)&term, NULL);
	uv_close((uv_handle_t *)&interrupt, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	cluster_free(&cluster);
	return err == 0 ? 0 : 1;
}
