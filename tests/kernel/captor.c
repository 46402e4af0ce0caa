/*
 * Drives libkern for the kernel tests: commands on stdin, one a line; each is answered by one line of JSON on stdout,
 * {"ok":true,…} or {"ok":false,"errno":N,"reason":"…"}.
 *
 *   captor RUN_DIR APP                  a keeper of one app (the commands are in the table at the end)
 *   captor foreign CGROUP HOOK          hooks a program that tolerates no other, prints "ready", unhooks at the end of stdin
 */
#include "kern/attach.h"
#include "kern/cgroup.h"
#include "kern/direct.h"
#include "kern/pins.h"
#include "kern/probe.h"
#include "kern/targets.h"
#include "kern/through.h"
#include "kern/watch.h"
#include "stand_in.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define WORDS 64

struct captor {
	const char *run_dir, *app;
	struct capture *c;
	struct gate_listeners listeners;
	bool listening;
	struct stand_in mirror;
	struct watch *watch;
	struct reason why;
	char *arg[WORDS];
	unsigned n_args;
	bool quit;
};

static void json_text(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		if ((unsigned char)*s >= ' ')
			putchar(*s);
	}
	putchar('"');
}

static int endpoints_of(struct captor *k, unsigned from, struct endpoint e[WORDS])
{
	int n = 0;

	for (unsigned i = from; i < k->n_args; i++) {
		int err = endpoint_parse(k->arg[i], 9042, &e[n++]);
		if (err)
			return reason_set(&k->why, err, "endpoint %s", k->arg[i]);
	}
	return n;
}

static unsigned number(struct captor *k, unsigned i, unsigned otherwise)
{
	return i < k->n_args ? (unsigned)strtoul(k->arg[i], NULL, 10) : otherwise;
}

static const char *word(struct captor *k, unsigned i)
{
	return i < k->n_args ? k->arg[i] : "";
}

static int do_probe(struct captor *k)
{
	struct probe_row rows[PROBE_ROWS];
	size_t n = probe_all(rows);

	(void)k;
	printf(",\"rows\":[");
	for (size_t i = 0; i < n; i++) {
		printf("%s{\"name\":\"%s\",\"ok\":%s,\"detail\":", i ? "," : "", rows[i].name,
			rows[i].ok ? "true" : "false");
		json_text(rows[i].detail);
		printf("}");
	}
	printf("]");
	return 0;
}

static int do_open(struct captor *k)
{
	struct capture_opts o = {.run_dir = k->run_dir, .app = k->app, .connections = number(k, 1, 0)};
	int err = capture_open(&o, &k->c, &k->why);

	if (!err)
		printf(",\"resumed\":%s,\"cgroup\":%llu,\"closed\":%s",
			capture_resumed(k->c) ? "true" : "false", (unsigned long long)attach_cgroup_id(k->c),
			gate_policy_closed(k->c) ? "true" : "false");
	return err;
}

static int do_close(struct captor *k)
{
	capture_close(k->c);
	k->c = NULL;
	return 0;
}

static int do_listen(struct captor *k)
{
	int err = gate_listen(k->c, &k->listeners, &k->why);

	k->listening = !err;
	if (!err)
		printf(",\"port4\":%u,\"port6\":%u,\"bank\":%u", k->listeners.port4, k->listeners.port6,
			k->listeners.bank);
	return err;
}

static int do_mirror(struct captor *k)
{
	unsigned workers = number(k, 1, 1);
	int err = k->listening ? 0 : -ENOTCONN;

	if (!err)
		err = gate_workers(k->c, workers);
	if (!err)
		err = stand_in_start(&k->listeners, capture_flows_fd(k->c), capture_heartbeat_fd(k->c),
			workers, &k->mirror);
	k->listening = false;
	if (!err)
		printf(",\"pid\":%d", (int)k->mirror.pid);
	return err;
}

static int do_tell(struct captor *k)
{
	char text[64], answer[128];
	int err;

	snprintf(text, sizeof text, "%.20s %.20s", word(k, 1), word(k, 2));
	err = stand_in_ask(&k->mirror, text, answer, sizeof answer);
	if (!err)
		printf(",%s", answer);
	return err;
}

static int do_workers(struct captor *k)
{
	return gate_workers(k->c, number(k, 1, 1));
}

static int do_policy(struct captor *k)
{
	return gate_policy(k->c, !strcmp(word(k, 1), "closed"));
}

static int do_endpoints(struct captor *k)
{
	struct endpoint e[WORDS];
	int n = endpoints_of(k, 1, e);

	return n < 0 ? n : targets_replace(k->c, e, (size_t)n);
}

static int do_attach(struct captor *k)
{
	return attach_to(k->c, word(k, 1), &k->why);
}

static int do_drop(struct captor *k)
{
	return attach_drop(k->c, &k->why);
}

static int do_verify(struct captor *k)
{
	return attach_verify(k->c, word(k, 1), &k->why);
}

static int do_unlink(struct captor *k)
{
	unsigned links = 0;
	int err = attach_unlink(k->run_dir, k->app, &links, &k->why);

	printf(",\"links\":%u", links);
	return err;
}

static int do_gate(struct captor *k)
{
	struct gate_state s;
	int err = gate_state(k->c, &s);

	if (!err)
		printf(",\"listener4\":%s,\"listener6\":%s,\"alive\":%s,\"oldest\":%llu,\"last\":%llu",
			s.listener4 ? "true" : "false", s.listener6 ? "true" : "false",
			s.alive ? "true" : "false", (unsigned long long)s.oldest_ns,
			(unsigned long long)s.last_ns);
	return err;
}

static void print_counts(const struct through_count t[ABI_REASONS])
{
	for (unsigned i = 0; i < ABI_REASONS; i++)
		printf(",\"%s\":%llu,\"%s_pending\":%llu,\"%s_first\":%llu,\"%s_last\":%llu", through_name(i),
			(unsigned long long)t[i].count, through_name(i),
			(unsigned long long)(t[i].count - t[i].acked), through_name(i),
			(unsigned long long)t[i].first, through_name(i), (unsigned long long)t[i].last);
}

static int do_through(struct captor *k)
{
	struct through_count t[ABI_REASONS];

	through_read(k->c, t);
	print_counts(t);
	return 0;
}

static int do_ack(struct captor *k)
{
	struct through_count t[ABI_REASONS];

	through_read(k->c, t);
	for (unsigned i = 0; i < ABI_REASONS; i++) {
		if (!strcmp(word(k, 1), through_name(i)))
			through_ack(k->c, i, t[i].count);
	}
	return 0;
}

static int do_peek(struct captor *k)
{
	struct through_count t[ABI_REASONS];
	int err = through_peek(k->run_dir, k->app, t);

	if (!err)
		print_counts(t);
	return err;
}

static void print_event(void *arg, const struct through_event *e)
{
	char dst[ENDPOINT_TEXT];
	unsigned *n = arg;

	printf("%s{\"reason\":\"%s\",\"dst\":\"%s\",\"pid\":%u,\"uid\":%u,\"stamp\":%llu,\"comm\":",
		(*n)++ ? "," : "", through_name(e->reason), endpoint_format(&e->dst, dst), e->pid, e->uid,
		(unsigned long long)e->stamp);
	json_text(e->comm);
	printf("}");
}

static int do_events(struct captor *k)
{
	unsigned n = 0;
	int got;

	printf(",\"events\":[");
	got = through_events(k->c, number(k, 1, 1000), print_event, &n);
	printf("],\"got\":%d", got);
	return got < 0 ? got : 0;
}

static int do_direct(struct captor *k)
{
	struct endpoint e[WORDS];
	struct direct d = {0};
	int n = endpoints_of(k, 2, e), err;

	if (n < 0)
		return n;
	err = direct_count(word(k, 1), e, (size_t)n, &d, &k->why);
	if (err)
		return err;
	printf(",\"n\":%zu,\"per\":[", d.n);
	for (int i = 0; i < n; i++)
		printf("%s%zu", i ? "," : "", d.per_endpoint[i]);
	printf("],\"local\":[");
	for (size_t i = 0; i < d.n && i < 10; i++) {
		char text[ENDPOINT_TEXT];
		printf("%s\"%s\"", i ? "," : "", endpoint_format(&d.conns[i].local, text));
	}
	printf("]");
	direct_free(&d);
	return 0;
}

static int do_unit(struct captor *k)
{
	char path[CGROUP_PATH];
	int err = cgroup_of_unit(word(k, 1), path, &k->why);

	if (!err)
		printf(",\"path\":\"%s\"", path);
	return err;
}

static int do_of_pid(struct captor *k)
{
	char path[CGROUP_PATH];
	int err = cgroup_of_pid((pid_t)number(k, 1, 0), path, &k->why);

	if (!err)
		printf(",\"path\":\"%s\"", path);
	return err;
}

/* watch cgroup PATH | watch unit NAME | watch check: "woken" says whether the fd was readable */
static int do_watch(struct captor *k)
{
	struct watch_match m = {0};
	char path[CGROUP_PATH];
	uint64_t id;
	int err;

	if (!strcmp(word(k, 1), "check")) {
		fd_set set;
		struct timeval limit = {.tv_sec = number(k, 2, 0)};

		FD_ZERO(&set);
		FD_SET(watch_fd(k->watch), &set);
		printf(",\"woken\":%d", select(watch_fd(k->watch) + 1, &set, NULL, NULL, &limit));
	} else {
		m.cgroup = !strcmp(word(k, 1), "cgroup") ? word(k, 2) : NULL;
		m.unit = m.cgroup ? NULL : word(k, 2);
		err = watch_open(&m, &k->watch, &k->why);
		if (err)
			return err;
	}
	err = watch_check(k->watch, path, &id, &k->why);
	if (!err)
		printf(",\"path\":\"%s\",\"id\":%llu", path, (unsigned long long)id);
	return err;
}

static void print_app(void *arg, const char *app)
{
	unsigned *n = arg;

	printf("%s", (*n)++ ? "," : "");
	json_text(app);
}

static int do_list(struct captor *k)
{
	unsigned n = 0;
	int got;

	printf(",\"apps\":[");
	got = pins_list(k->run_dir, print_app, &n);
	printf("]");
	return got < 0 ? got : 0;
}

static int do_pins(struct captor *k)
{
	char dir[PINS_PATH];
	int err = pins_dir(k->run_dir, k->app, dir);

	if (!err)
		printf(",\"dir\":\"%s\"", dir);
	return err;
}

/* Keep one link open, as a debugger's bpftool might. */
static int do_hold(struct captor *k)
{
	char dir[PINS_PATH], path[PINS_PATH + 32];
	int err = pins_dir(k->run_dir, k->app, dir);

	if (err)
		return err;
	snprintf(path, sizeof path, "%s/link_connect4", dir);
	return bpf_obj_get(path) < 0 ? -errno : 0;
}

static int do_quit(struct captor *k)
{
	k->quit = true;
	return 0;
}

static const struct {
	const char *verb;
	int (*run)(struct captor *k);
	bool needs_capture;
} verbs[] = {
	{"probe", do_probe, false},
	{"open", do_open, false},
	{"close", do_close, false},
	{"listen", do_listen, true},
	{"mirror", do_mirror, true},
	{"tell", do_tell, false},
	{"workers", do_workers, true},
	{"policy", do_policy, true},
	{"endpoints", do_endpoints, true},
	{"attach", do_attach, true},
	{"drop", do_drop, true},
	{"verify", do_verify, true},
	{"unlink", do_unlink, false},
	{"gate", do_gate, true},
	{"through", do_through, true},
	{"ack", do_ack, true},
	{"peek", do_peek, false},
	{"events", do_events, true},
	{"direct", do_direct, false},
	{"unit", do_unit, false},
	{"of_pid", do_of_pid, false},
	{"watch", do_watch, false},
	{"list", do_list, false},
	{"pins", do_pins, false},
	{"hold", do_hold, false},
	{"quit", do_quit, false},
};

static void answer(struct captor *k, char *line)
{
	int err = -ENOSYS;

	k->n_args = 0;
	k->why.text[0] = 0;
	for (char *save, *w = strtok_r(line, " \n", &save); w && k->n_args < WORDS;
		w = strtok_r(NULL, " \n", &save))
		k->arg[k->n_args++] = w;
	printf("{\"verb\":\"%s\"", word(k, 0));
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (!strcmp(word(k, 0), verbs[i].verb))
			err = verbs[i].needs_capture && !k->c ? -ENOTCONN : verbs[i].run(k);
	}
	printf(",\"ok\":%s,\"errno\":%d,\"reason\":", err ? "false" : "true", -err);
	json_text(err && !k->why.text[0] ? strerror(-err) : k->why.text);
	printf("}\n");
	fflush(stdout);
}

static int foreign(const char *cgroup, const char *hook)
{
	const struct bpf_insn allow[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1}, {.code = BPF_JMP | BPF_EXIT}};
	bool release = !strcmp(hook, "release");
	LIBBPF_OPTS(bpf_prog_load_opts, o,
		.expected_attach_type = release ? BPF_CGROUP_INET_SOCK_RELEASE : BPF_CGROUP_INET4_CONNECT);
	int prog = bpf_prog_load(release ? BPF_PROG_TYPE_CGROUP_SOCK : BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
		"foreign_fw", "GPL", allow, 2, &o);
	int dir = open(cgroup, O_RDONLY | O_DIRECTORY);

	if (prog < 0 || dir < 0 || bpf_prog_attach(prog, dir, o.expected_attach_type, 0)) {
		printf("failed: %s\n", strerror(errno));
		return 1;
	}
	printf("ready\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return bpf_prog_detach2(prog, dir, o.expected_attach_type) != 0;
}

int main(int argc, char **argv)
{
	char line[4096];
	struct captor k = {.run_dir = argv[1]};

	if (argc == 4 && !strcmp(argv[1], "foreign"))
		return foreign(argv[2], argv[3]);
	if (argc != 3)
		return 2;
	k.app = argv[2];
	k.mirror.control = -1;
	while (!k.quit && fgets(line, sizeof line, stdin))
		answer(&k, line);
	if (k.listening) {
		close(k.listeners.fd4);
		close(k.listeners.fd6);
	}
	watch_close(k.watch);
	capture_close(k.c);
	if (k.mirror.control >= 0)
		close(k.mirror.control);
	return 0;
}
