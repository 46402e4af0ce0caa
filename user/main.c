/*
 * seamd: order of life on one screen, and the only place that sees both the kernel part and the data path. The keeper gets the
 * kernel part as functions (struct keeper_env), the mirror what little it needs of it (struct mirror_env).
 */
#include "base/log.h"
#include "ctl/keeper.h"
#include "kern/attach.h"
#include "kern/cgroup.h"
#include "kern/direct.h"
#include "kern/flow.h"
#include "kern/gate.h"
#include "kern/heartbeat.h"
#include "kern/pins.h"
#include "kern/targets.h"
#include "kern/through.h"
#include "kern/watch.h"
#include "mirror/mirror.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

_Static_assert(ABI_REASONS <= KEEPER_REASONS, "room for all reasons");

/* ---- what the keeper sees of the kernel part */

static int kernel_open(const char *run_dir, const char *app, struct capture **out, struct reason *why)
{
	const struct capture_opts o = {.run_dir = run_dir, .app = app};

	return capture_open(&o, out, why);
}

static int kernel_listen(struct capture *c, struct keeper_listeners *out, struct reason *why)
{
	struct gate_listeners l;
	int err = gate_listen(c, &l, why);

	if (!err)
		*out = (struct keeper_listeners){.fd4 = l.fd4, .fd6 = l.fd6, .bank = l.bank};
	return err;
}

static int kernel_gate(const struct capture *c, struct keeper_gate *out)
{
	struct gate_state g;
	int err = gate_state(c, &g);

	if (!err)
		*out = (struct keeper_gate){.alive = g.alive, .oldest_ns = g.oldest_ns};
	return err;
}

/* Reasons for which a connect goes to Origin around the mirror: each is a possible gap. */
static bool goes_around(unsigned reason)
{
	return reason == ABI_NETNS || reason == ABI_BOUND_DEV || reason == ABI_FULL ||
	       reason == ABI_UNKNOWN || reason == ABI_GATE;
}

static void kernel_through(const struct capture *c, struct keeper_through *out)
{
	struct through_count t[ABI_REASONS];

	memset(out, 0, sizeof *out);
	through_read(c, t);
	out->captured = t[ABI_CAPTURED].count;
	out->other_netns = t[ABI_NETNS].count;
	for (unsigned r = 0; r < ABI_REASONS; r++) {
		out->count[r] = t[r].count;
		if (!goes_around(r) || t[r].count == t[r].acked)
			continue;
		out->unacked += t[r].count - t[r].acked;
		if (t[r].first && (!out->first_ns || t[r].first < out->first_ns))
			out->first_ns = t[r].first;
	}
}

static void kernel_ack(struct capture *c, const struct keeper_through *seen)
{
	for (unsigned r = 0; r < ABI_REASONS; r++)
		if (goes_around(r))
			through_ack(c, (enum abi_reason)r, seen->count[r]);
}

struct teller {
	void (*tell)(void *arg, const struct keeper_event *e);
	void *arg;
};

static void pass_event(void *arg, const struct through_event *e)
{
	const struct teller *t = arg;
	const struct keeper_event k = {.reason = through_name(e->reason),
		.unknown = e->reason == ABI_UNKNOWN,
		.dst = e->dst,
		.pid = e->pid,
		.uid = e->uid,
		.comm = e->comm};

	t->tell(t->arg, &k);
}

static int kernel_events(
	struct capture *c, unsigned max, void (*tell)(void *, const struct keeper_event *), void *arg)
{
	struct teller t = {tell, arg};

	return through_events(c, max, pass_event, &t);
}

static int kernel_watch(const char *cgroup, const char *unit, struct watch **out, struct reason *why)
{
	const struct watch_match m = {.cgroup = cgroup, .unit = unit};

	return watch_open(&m, out, why);
}

static int kernel_direct(
	const char *cgroup, const struct endpoint *e, size_t n, size_t *out, struct reason *why)
{
	struct direct d;
	int err = direct_count(cgroup, e, n, &d, why);

	if (err)
		return err;
	*out = d.n;
	direct_free(&d);
	return 0;
}

/* ---- the mirror's process */

static int mirror_take_flow(int flows_fd, int sock, struct mirror_flow *out)
{
	struct flow f;
	int err = flow_take(flows_fd, sock, &f);

	if (!err)
		*out = (struct mirror_flow){.dst = f.dst, .app = f.app, .pid = f.pid};
	return err;
}

static void *mirror_heartbeat_open(int fd, unsigned bank)
{
	struct heartbeat *h = calloc(1, sizeof *h);

	if (h && heartbeat_map(fd, bank, h)) {
		free(h);
		return NULL;
	}
	return h;
}

static void mirror_heartbeat_stamp(void *h, unsigned worker, uint64_t now_ns)
{
	heartbeat_stamp(h, worker, now_ns);
}

static void mirror_heartbeat_close(void *h)
{
	heartbeat_unmap(h);
	free(h);
}

static int listen_for_successor(const char *run_dir)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	snprintf(a.sun_path, sizeof a.sun_path, "%.80s/mirror.%d.sock", run_dir, (int)getpid());
	unlink(a.sun_path);
	mode_t mask = umask(0177);
	int err = bind(fd, (struct sockaddr *)&a, sizeof a) || listen(fd, 4) ? -errno : 0;
	umask(mask);
	return err ? err : TAKE_FD(fd);
}

static int drop_privileges(void)
{
	const struct passwd *p = getpwnam("seam"), *none;
	gid_t gid = 65534;

	if (geteuid() != 0) /* a developer's run: nothing to drop */
		return 0;
	if (!p)
		p = getpwnam("nobody");
	if (!p)
		return -ENOENT;
	uid_t uid = p->pw_uid;
	none = getpwnam("nobody");
	if (none)
		gid = none->pw_gid;
	/* Never the group seam, which may command the keeper by its control socket. */
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid) ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return 0;
}

/* No exec: the child is this program. It keeps its channel and its socket, nothing else of the keeper's. Never returns. */
static void mirror_process(const struct config *c, int channel)
{
	enum { CHANNEL = 3, TAKEOVER = 4, FIRST_ELSE = 5 };
	struct mirror_env env = {
		.channel = CHANNEL,
		.takeover = TAKEOVER,
		.take_flow = mirror_take_flow,
		.heartbeat_open = mirror_heartbeat_open,
		.heartbeat_stamp = mirror_heartbeat_stamp,
		.heartbeat_close = mirror_heartbeat_close,
	};
	sigset_t none;

	prctl(PR_SET_NAME, "seamd-mirror");
	/* A terminal's ^C or a hasty kill of the group must end the keeper alone: it then tells us to stop. */
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	int takeover = listen_for_successor(c->run_dir);
	if (takeover < 0) {
		log_error("mirror_unreachable", "error=" LOGV, log_quote(strerror(-takeover)));
		_exit(1);
	}
	int high = fcntl(takeover, F_DUPFD_CLOEXEC, 64), high_channel = fcntl(channel, F_DUPFD_CLOEXEC, 64);
	if (high < 0 || high_channel < 0 || dup3(high_channel, CHANNEL, O_CLOEXEC) < 0 ||
		dup3(high, TAKEOVER, O_CLOEXEC) < 0 || syscall(SYS_close_range, FIRST_ELSE, ~0u, 0))
		_exit(1);
	int err = drop_privileges();
	if (err) {
		log_error("privileges_not_dropped", "error=" LOGV, log_quote(strerror(-err)));
		_exit(1);
	}
	exit(mirror_run(&env));
}

static int start_mirror(const struct config *c, int *channel_fd, pid_t *pid, struct reason *why)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return reason_set(why, -errno, "socketpair: %s", strerror(errno));
	pid_t p = fork();
	if (p == 0)
		mirror_process(c, pair[1]);
	close(pair[1]);
	if (p < 0) {
		close(pair[0]);
		return reason_set(why, -errno, "fork: %s", strerror(errno));
	}
	*channel_fd = pair[0];
	*pid = p;
	return 0;
}

static const struct keeper_env ENV = {
	.capture_open = kernel_open,
	.capture_close = capture_close,
	.capture_resumed = capture_resumed,
	.flows_fd = capture_flows_fd,
	.heartbeat_fd = capture_heartbeat_fd,
	.targets_replace = targets_replace,
	.gate_listen = kernel_listen,
	.gate_workers = gate_workers,
	.gate_state = kernel_gate,
	.attach_to = attach_to,
	.attach_drop = attach_drop,
	.attach_is = attach_is,
	.attach_verify = attach_verify,
	.attach_unlink = attach_unlink,
	.pins_list = pins_list,
	.through_read = kernel_through,
	.through_ack = kernel_ack,
	.event_fd = through_event_fd,
	.events = kernel_events,
	.watch_open = kernel_watch,
	.watch_fd = watch_fd,
	.watch_check = watch_check,
	.watch_close = watch_close,
	.cgroup_of_pid = cgroup_of_pid,
	.cgroup_resolve = cgroup_resolve,
	.direct_count = kernel_direct,
	.mirror_start = start_mirror,
};

static int usage(FILE *to, int exit)
{
	fputs("usage: seamd [--config FILE] [--check-config] [--version]\n", to);
	return exit;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, 'k'}, {"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'}, {0}};
	const char *file = CONFIG_FILE;
	struct config *c = NULL;
	struct reason why;
	struct rlimit files;
	bool check = false;
	int o;

	while ((o = getopt_long(argc, argv, "c:h", options, NULL)) >= 0) {
		if (o == 'c')
			file = optarg;
		else if (o == 'k')
			check = true;
		else if (o == 'v')
			return printf("seamd %s\n", SEAM_VERSION) < 0;
		else
			return usage(o == 'h' ? stdout : stderr, o == 'h' ? 0 : 2);
	}
	if (optind < argc)
		return usage(stderr, 2);
	if (config_load(file, CONFIG_WITH_SECRETS, &c, &why)) {
		fprintf(stderr, "%s\n", why.text);
		return 2;
	}
	log_setup((enum log_format)c->log.format, (enum log_level)c->log.level);
	if (!getrlimit(RLIMIT_NOFILE, &files)) { /* a session is two or three descriptors */
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	int r = check ? 0 : keeper_run(c, &ENV);
	if (check)
		printf("%s: good\n", file);
	config_free(c);
	return r;
}
