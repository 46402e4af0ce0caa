#include "stand_in.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "kern/flow.h"
#include "kern/heartbeat.h"
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define NOBODY 65534
#define MANY   4096

enum worker_state { RUN, HANG, RETIRE };

static struct {
	struct heartbeat beat;
	enum worker_state state[ABI_WORKERS];
	int flows;
	unsigned accepted, strangers;
	struct pollfd fds[MANY];
	nfds_t n;
	unsigned listeners; /* fds[1..listeners] */
} me;

static void *work(void *arg)
{
	unsigned id = (unsigned)(uintptr_t)arg;
	const struct timespec tick = {.tv_nsec = 50 * 1000 * 1000};

	for (;;) {
		enum worker_state s = __atomic_load_n(&me.state[id], __ATOMIC_RELAXED);

		if (s == RUN)
			heartbeat_stamp(&me.beat, id, clock_mono_ns());
		else if (s == RETIRE)
			heartbeat_retire(&me.beat, id);
		nanosleep(&tick, NULL);
	}
	return NULL;
}

static void drop_privileges(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY) ||
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		_exit(70);
}

static void remove_fd(nfds_t i)
{
	close(me.fds[i].fd);
	me.fds[i] = me.fds[--me.n];
}

static void take(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	char dst[ENDPOINT_TEXT], app[ENDPOINT_TEXT], line[256];
	struct flow f;
	int n;

	if (fd < 0)
		return;
	if (me.n == MANY || flow_take(me.flows, fd, &f)) {
		me.strangers++;
		close(fd);
		return;
	}
	me.accepted++;
	n = snprintf(line, sizeof line, "captured %s pid %u uid %u cgroup %llu app %s\n",
		endpoint_format(&f.dst, dst), f.pid, f.uid, (unsigned long long)f.cgroup,
		endpoint_format(&f.app, app));
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
		close(fd);
		return;
	}
	me.fds[me.n++] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static bool echo(int fd)
{
	char buf[4096];
	ssize_t n = recv(fd, buf, sizeof buf, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	return send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static void close_listeners(void)
{
	heartbeat_unmap(&me.beat);
	for (unsigned i = me.listeners; i > 0; i--)
		remove_fd(i);
	me.listeners = 0;
}

/* False at the end of the keeper. */
static bool obey(int control)
{
	char what[64], verb[16] = "", answer[128];
	unsigned worker = 0;
	ssize_t n = recv(control, what, sizeof what - 1, 0);

	if (n <= 0)
		return false;
	what[n] = 0;
	sscanf(what, "%15s %u", verb, &worker);
	if (!strcmp(verb, "hang") || !strcmp(verb, "run") || !strcmp(verb, "retire"))
		__atomic_store_n(&me.state[worker % ABI_WORKERS],
			*verb == 'h'     ? HANG
			: verb[1] == 'u' ? RUN
					 : RETIRE,
			__ATOMIC_RELAXED);
	snprintf(answer, sizeof answer, "\"accepted\":%u,\"strangers\":%u,\"open\":%u", me.accepted,
		me.strangers, (unsigned)me.n - 1 - me.listeners);
	return send(control, answer, strlen(answer), MSG_NOSIGNAL) > 0;
}

static void loop(int control)
{
	bool keeper = true;

	while (keeper || me.n > 1) {
		if (poll(me.fds, me.n, -1) < 0 && errno != EINTR)
			_exit(71);
		for (nfds_t i = me.n; i-- > 1 + me.listeners;) {
			if (me.fds[i].revents && !echo(me.fds[i].fd))
				remove_fd(i);
		}
		for (unsigned i = 1; i <= me.listeners; i++) {
			if (me.fds[i].revents)
				take(me.fds[i].fd);
		}
		if (me.fds[0].revents && !obey(control)) {
			keeper = false;
			me.fds[0].fd = -1;
			close_listeners();
		}
	}
}

static void child(const struct gate_listeners *l, int flows, int heartbeat, unsigned workers, int control)
{
	me.flows = flows;
	if (heartbeat_map(heartbeat, l->bank, &me.beat))
		_exit(72);
	drop_privileges();
	me.fds[me.n++] = (struct pollfd){.fd = control, .events = POLLIN};
	me.fds[me.n++] = (struct pollfd){.fd = l->fd4, .events = POLLIN};
	if (l->fd6 >= 0)
		me.fds[me.n++] = (struct pollfd){.fd = l->fd6, .events = POLLIN};
	me.listeners = (unsigned)me.n - 1;
	for (unsigned i = 0; i < workers; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, work, (void *)(uintptr_t)i))
			_exit(73);
	}
	loop(control);
	_exit(0);
}

int stand_in_start(const struct gate_listeners *l, int flows_fd, int heartbeat_fd, unsigned workers,
	struct stand_in *out)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(pair[0]);
		close(STDIN_FILENO); /* the test waits for the end of the keeper's */
		close(STDOUT_FILENO);
		child(l, flows_fd, heartbeat_fd, workers, pair[1]);
	}
	close(pair[1]);
	close(l->fd4);
	if (l->fd6 >= 0)
		close(l->fd6);
	*out = (struct stand_in){.pid = pid, .control = pair[0]};
	return 0;
}

int stand_in_ask(struct stand_in *s, const char *what, char *answer, size_t cap)
{
	ssize_t n;

	if (send(s->control, what, strlen(what), MSG_NOSIGNAL) < 0)
		return -errno;
	n = recv(s->control, answer, cap - 1, 0);
	if (n <= 0)
		return n ? -errno : -EPIPE;
	answer[n] = 0;
	return 0;
}
