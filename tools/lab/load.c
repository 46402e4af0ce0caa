/*
 * lab-load: a client of the lab in C. A bounded rate of prepared, pipelined writes and reads over several connections a node, each row of
 * contents that follow from its id; it behaves as drivers do when told to renew its connections or when it loses one, and counts what it sees.
 *
 *   lab-load --table KS.TABLE --nodes ADDR[:PORT],… [--connections N] [--rate PER_S] [--version 3|4|5] [--seconds N]
 *
 * stdin, a command a line:   report · renew (to each node a new connection, then the old one is closed) · rewrite FROM TO (rows of these ids once
 *                            more) · stop (all answers awaited, then the end; so does the end of stdin)
 * stdout, a JSON line each:  {"event":"ready"} once every connection is up, then the answers "report", "renewed", "rewritten", "stopped", each with
 *   {"requests","writes","reads","errors","connections_lost","wrong","outstanding","written","written_ok","connections","last_error_age_s","first_error"}
 *   A report comes unasked five times a second as "tick". requests: those that ended; written: the highest id so far; written_ok: rows whose
 *   write was acknowledged; errors: requests that ended badly; wrong: reads whose row was not what its id says;
 *   connections_lost: connections that ended though nobody here closed them.
 */
#include "base/clock.h"
#include "cql/frame.h"
#include "tools/lab/peer.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NODES   16
#define MAX_SLOTS   64
#define TICK_MS     10
#define REPORT_MS   200
#define TIMEOUT_MS  15000
#define RETRY_MIN   100 /* ms between tries to get a lost connection back, doubled up to RETRY_MAX */
#define RETRY_MAX   1000
#define ACKED       512 /* rows acknowledged last, from which the next one to read is taken */
#define REWRITE_MAX 32  /* rows under way of a rewrite */

/* One connection that the client wants to have. */
struct slot {
	struct endpoint to;
	struct peer *now;  /* carries requests once up */
	struct peer *next; /* takes over once up */
	struct peer *old;  /* closed once its last answer came */
	bool renew;        /* a next one is wanted */
	uint64_t retry_ms,
		wait_ms; /* when the next try may be made (CLOCK_MONOTONIC), and how long to wait after it */
};

static struct load {
	uv_loop_t loop;
	struct wire_hub hub;
	uv_timer_t tick, report;
	uv_pipe_t in;
	char line[256];
	size_t line_n;
	struct peer_opts peer;
	struct slot slots[MAX_SLOTS];
	unsigned n_slots, turn;
	struct peer *dead[MAX_SLOTS *
			  3]; /* ended inside a callback; freed by the next tick, before anything is opened */
	unsigned n_dead;
	double rate, due;
	uint64_t begun_ns, until_ns;
	int64_t written;
	int64_t acked[ACKED];
	uint64_t n_acked;
	uint64_t requests, writes, reads, errors, lost, wrong, written_ok, turns;
	unsigned outstanding;
	uint64_t last_error_ns;
	char first_error[PEER_WHY];
	int64_t again_next, again_to; /* rows still to be rewritten */
	unsigned again_outstanding;
	uint64_t again_rows, again_errors;
	bool ready, renewing, rewriting, stopping;
} L;

static void say(const char *event)
{
	double age = L.last_error_ns ? (double)(clock_mono_ns() - L.last_error_ns) / 1e9 : -1;
	unsigned up = 0;

	for (unsigned i = 0; i < L.n_slots; i++)
		up += peer_up(L.slots[i].now) + peer_up(L.slots[i].next) + (L.slots[i].old != NULL);
	printf("{\"event\":\"%s\",\"requests\":%llu,\"writes\":%llu,\"reads\":%llu,\"errors\":%llu,"
	       "\"connections_lost\":%llu,"
	       "\"wrong\":%llu,\"outstanding\":%u,\"written\":%lld,\"written_ok\":%llu,\"connections\":%u,"
	       "\"last_error_age_s\":",
		event, (unsigned long long)L.requests, (unsigned long long)L.writes,
		(unsigned long long)L.reads, (unsigned long long)L.errors, (unsigned long long)L.lost,
		(unsigned long long)L.wrong, L.outstanding, (long long)L.written,
		(unsigned long long)L.written_ok, up);
	if (age < 0)
		printf("null");
	else
		printf("%.3f", age);
	printf(",\"rewritten\":%llu,\"rewrite_errors\":%llu,\"first_error\":\"%s\"}\n",
		(unsigned long long)L.again_rows, (unsigned long long)L.again_errors, L.first_error);
	fflush(stdout);
}

static void error(const char *why)
{
	L.errors++;
	L.last_error_ns = clock_mono_ns();
	if (L.first_error[0])
		return;
	/* what a server says is no JSON: only what needs no escape stays */
	size_t n = 0;
	for (; why[n] && n < sizeof L.first_error - 1; n++) {
		char c = why[n];
		L.first_error[n] = c < ' ' || c > '~' || c == '"' || c == '\\' ? '.' : c;
	}
	L.first_error[n] = 0;
}

static void on_done(void *ctx, const struct peer_request *r, enum peer_outcome o, const char *why)
{
	(void)ctx;
	L.outstanding--;
	L.requests++;
	*(r->write ? &L.writes : &L.reads) += 1;
	if (r->again) {
		L.again_outstanding--;
		L.again_rows++;
		L.again_errors += o != PEER_OK;
	}
	if (o == PEER_FAILED) {
		error(why);
	} else if (o == PEER_WRONG) {
		L.wrong++;
		error(why);
	} else if (r->write && !r->again) {
		L.acked[L.n_acked++ % ACKED] = r->id;
		L.written_ok++;
	}
}

static void on_up(void *ctx, struct peer *p)
{
	struct slot *s = ctx;

	s->wait_ms = RETRY_MIN;
	if (p != s->next)
		return;
	s->old = s->now;
	s->now = TAKE_PTR(s->next);
	s->renew = false;
}

static void on_end(void *ctx, struct peer *p, bool was_up, const char *why)
{
	struct slot *s = ctx;

	L.dead[L.n_dead++] = p;
	s->retry_ms = clock_mono_ns() / 1000000 + s->wait_ms;
	s->wait_ms = s->wait_ms * 2 > RETRY_MAX ? RETRY_MAX : s->wait_ms * 2;
	if (was_up)
		L.lost++;
	/* a try to get a lost connection back may fail: the requests that miss the connection are counted */
	if (was_up || p == s->next)
		error(why);
	if (p == s->now)
		s->now = NULL;
	else if (p == s->next)
		s->next = NULL;
	else
		s->old = NULL;
}

static const struct peer_ops OPS = {.on_up = on_up, .on_done = on_done, .on_end = on_end};

static void fatal(const char *why)
{
	printf("{\"event\":\"failed\",\"reason\":\"%s\"}\n", why);
	fflush(stdout);
	exit(1);
}

static struct peer *dial(struct slot *s)
{
	struct peer_opts o = L.peer;
	struct peer *p = NULL;

	o.to = s->to;
	if (peer_open(&L.hub, &o, &OPS, s, &p))
		fatal("no memory or no file descriptor for a connection");
	return p;
}

/* ---- requests */

static void ask(struct peer *p, int64_t id, bool write, bool again)
{
	/* counted before: an answer may come from inside the call only if the peer breaks its word */
	L.outstanding++;
	L.again_outstanding += again;
	if (!p || peer_ask(p, id, write, again))
		on_done(NULL, &(struct peer_request){.id = id, .write = write, .again = again}, PEER_FAILED,
			p ? "all streams are taken" : "no connection");
}

/* The next connection that can carry requests, in turn; NULL: none. */
static struct peer *next_peer(void)
{
	for (unsigned i = 0; i < L.n_slots; i++) {
		struct peer *p = L.slots[L.turn++ % L.n_slots].now;
		if (peer_up(p))
			return p;
	}
	return NULL;
}

/* Half writes; a quarter reads of the row acknowledged last, wherever that was written; a quarter reads of any acknowledged lately. */
static void one(struct peer *p)
{
	uint64_t turn = L.turns++, n = L.n_acked < ACKED ? L.n_acked : ACKED;

	if (turn % 2 == 0 || !n)
		ask(p, ++L.written, true, false);
	else if (turn % 4 == 1)
		ask(p, L.acked[(L.n_acked - 1) % ACKED], false, false);
	else
		ask(p, L.acked[turn * 7919 % n], false, false);
}

static void send_due(double seconds)
{
	struct peer *p = next_peer();

	L.due += L.rate * seconds;
	/* a stall is not caught up with: that would be a burst that no app makes */
	if (L.due > L.rate / 10 + 1)
		L.due = L.rate / 10 + 1;
	for (; L.due >= 1; L.due--)
		one(p); /* on one connection, so that requests are pipelined */
	p = L.rewriting ? next_peer() : NULL;
	while (p && L.again_next <= L.again_to && L.again_outstanding < REWRITE_MAX)
		ask(p, L.again_next++, true, true);
	if (L.rewriting && L.again_next > L.again_to && !L.again_outstanding) {
		L.rewriting = false;
		say("rewritten");
	}
}

/* ---- connections */

static void bury(void)
{
	while (L.n_dead)
		peer_close(L.dead[--L.n_dead]);
}

static void tend(struct slot *s, uint64_t now_ms, bool *all_up, bool *all_renewed)
{
	if (s->old && !peer_outstanding(s->old)) {
		peer_close(s->old);
		s->old = NULL;
	}
	if (now_ms >= s->retry_ms && !L.stopping) {
		if (!s->now && !s->next)
			s->now = dial(s);
		else if (s->renew && !s->next && peer_up(s->now))
			s->next = dial(s);
	}
	*all_up = *all_up && peer_up(s->now);
	*all_renewed = *all_renewed && !s->renew && !s->old;
	if (s->now)
		peer_check(s->now);
	if (s->next)
		peer_check(s->next);
	if (s->old)
		peer_check(s->old);
}

static void end(void)
{
	say("stopped");
	bury();
	for (unsigned i = 0; i < L.n_slots; i++) {
		peer_close(L.slots[i].now);
		peer_close(L.slots[i].next);
		peer_close(L.slots[i].old);
		L.slots[i].now = L.slots[i].next = L.slots[i].old = NULL;
	}
	uv_timer_stop(&L.tick);
	uv_timer_stop(&L.report);
	uv_read_stop((uv_stream_t *)&L.in);
}

static void on_tick(uv_timer_t *t)
{
	uint64_t now = clock_mono_ns();
	bool all_up = true, all_renewed = true;
	double passed = (double)(now - L.begun_ns) / 1e9;

	(void)t;
	L.begun_ns = now;
	bury();
	for (unsigned i = 0; i < L.n_slots; i++)
		tend(&L.slots[i], now / 1000000, &all_up, &all_renewed);
	if (L.stopping) {
		if (!L.outstanding)
			end();
		return;
	}
	if (!L.ready && all_up) {
		L.ready = true;
		say("ready");
	} else if (!L.ready && now > L.until_ns) {
		fatal("a node could not be reached");
	}
	if (L.renewing && all_renewed && all_up) {
		L.renewing = false;
		say("renewed");
	}
	if (L.ready)
		send_due(passed);
	L.stopping = L.stopping || (L.ready && now > L.until_ns);
}

static void on_report(uv_timer_t *t)
{
	(void)t;
	if (L.ready)
		say("tick");
}

/* ---- commands */

static void obey(const char *line)
{
	long long from, to;

	if (!strcmp(line, "report")) {
		say("report");
	} else if (!strcmp(line, "renew") && !L.renewing) {
		L.renewing = true;
		for (unsigned i = 0; i < L.n_slots; i++)
			L.slots[i].renew = true;
	} else if (sscanf(line, "rewrite %lld %lld", &from, &to) == 2 && from > 0 && from <= to &&
		   to <= L.written && !L.rewriting) {
		L.rewriting = true;
		L.again_next = from;
		L.again_to = to;
		L.again_rows = L.again_errors = 0;
	} else if (!strcmp(line, "stop")) {
		L.stopping = true;
	} else {
		printf("{\"event\":\"failed\",\"reason\":\"not a command, or not now\"}\n");
		fflush(stdout);
	}
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	(void)h;
	(void)hint;
	if (L.line_n == sizeof L.line - 1)
		L.line_n = 0; /* no command is so long: obey() will refuse what is left of it */
	*b = uv_buf_init(L.line + L.line_n, (unsigned)(sizeof L.line - 1 - L.line_n));
}

static void on_command(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	(void)s;
	(void)b;
	if (n < 0) {
		L.stopping = true;
		uv_read_stop((uv_stream_t *)&L.in);
		return;
	}
	L.line_n += (size_t)n;
	L.line[L.line_n] = 0;
	char *end;
	while ((end = strchr(L.line, '\n'))) {
		*end = 0;
		obey(L.line);
		L.line_n -= (size_t)(end + 1 - L.line);
		memmove(L.line, end + 1, L.line_n + 1);
	}
}

/* ---- start */

static void add_nodes(char *list, unsigned connections)
{
	struct endpoint nodes[MAX_NODES];
	unsigned n = 0;

	for (char *save, *word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save))
		if (n == MAX_NODES || endpoint_parse(word, 9042, &nodes[n++]))
			fatal("--nodes: at most 16 addresses, ADDR or ADDR:PORT, were expected");
	if (!n || n * connections > MAX_SLOTS)
		fatal("at least one node and at most 64 connections were expected");
	for (unsigned i = 0; i < n * connections; i++)
		L.slots[L.n_slots++] = (struct slot){.to = nodes[i % n], .wait_ms = RETRY_MIN};
}

static void parse(int argc, char **argv)
{
	static const struct option LONG[] = {{"table", 1, 0, 't'}, {"nodes", 1, 0, 'n'},
		{"connections", 1, 0, 'c'}, {"rate", 1, 0, 'r'}, {"version", 1, 0, 'v'},
		{"seconds", 1, 0, 's'}, {0}};
	static char insert[256], select[256];
	char *table = NULL, *nodes = NULL;
	unsigned connections = 2;
	double seconds = 600;
	int c;

	L.rate = 300;
	L.peer = (struct peer_opts){
		.version = CQL_V4, .insert = insert, .select = select, .timeout_ms = TIMEOUT_MS};
	while ((c = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
		if (c == 't')
			table = optarg;
		else if (c == 'n')
			nodes = optarg;
		else if (c == 'c')
			connections = (unsigned)atoi(optarg);
		else if (c == 'r')
			L.rate = atof(optarg);
		else if (c == 'v')
			L.peer.version = (uint8_t)atoi(optarg);
		else if (c == 's')
			seconds = atof(optarg);
		else
			exit(2);
	}
	if (!table || !nodes || optind != argc || !(L.rate > 0 && L.rate <= 20000) ||
		!(seconds > 0 && seconds <= 3600) || L.peer.version < CQL_V3 || L.peer.version > CQL_V5 ||
		!connections || connections > MAX_SLOTS) {
		fprintf(stderr, "usage: lab-load --table KS.TABLE --nodes ADDR[:PORT],... [--connections N] "
				"[--rate PER_S]"
				" [--version 3|4|5] [--seconds N]\n");
		exit(2);
	}
	snprintf(insert, sizeof insert, "INSERT INTO %s (id, w, v) VALUES (?, ?, ?)", table);
	snprintf(select, sizeof select, "SELECT id, w, v FROM %s WHERE id = ?", table);
	add_nodes(nodes, connections);
	L.begun_ns = clock_mono_ns();
	L.until_ns = L.begun_ns + (uint64_t)(seconds * 1e9);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	parse(argc, argv);
	if (uv_loop_init(&L.loop) || wire_hub_init(&L.hub, &L.loop) || uv_timer_init(&L.loop, &L.tick) ||
		uv_timer_init(&L.loop, &L.report) || uv_pipe_init(&L.loop, &L.in, 0) ||
		uv_pipe_open(&L.in, 0) || uv_read_start((uv_stream_t *)&L.in, on_alloc, on_command) ||
		uv_timer_start(&L.tick, on_tick, 0, TICK_MS) ||
		uv_timer_start(&L.report, on_report, REPORT_MS, REPORT_MS))
		fatal("the event loop could not be set up");
	uv_run(&L.loop, UV_RUN_DEFAULT);
	wire_hub_fini(&L.hub);
	return 0;
}
