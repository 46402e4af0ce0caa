/* Mirrors: starting ours, talking to any, ending those that no longer answer. */
#include "base/clock.h"
#include "ctl/keeper_int.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_LAST_MS  5000
#define LIVED_WELL_NS    (30 * SECOND_NS)

struct ask {
	struct list link;
	unsigned id;
	uint64_t deadline_ns;
	const char *op;
	keeper_answered *done;
	void *ctx;
};

/* ---- asking */

static void ask_done(struct ask *a, int err, const json_t *answer)
{
	list_del(&a->link);
	a->done(a->ctx, err, answer);
	free(a);
}

static void forget(void *ctx, int err, const json_t *answer)
{
	(void)ctx;
	(void)err;
	(void)answer;
}

int keeper_ask(struct keeper_mirror *m, const char *op, json_t *fields, const int *fds, unsigned n_fds,
	uint64_t patience_ns, keeper_answered *done, void *ctx)
{
	struct ask *a = calloc(1, sizeof *a);
	json_t *j = fields ? fields : json_object();
	int err = -ENOMEM;

	if (a && j) {
		*a = (struct ask){.id = ++m->k->next_ask, .op = op, .done = done, .ctx = ctx};
		json_object_set_new(j, "op", json_string(op));
		json_object_set_new(j, "id", json_integer(a->id));
		auto_free char *text = json_dumps(j, JSON_COMPACT);
		if (text)
			err = m->channel ? channel_send(m->channel, text, strlen(text), fds, n_fds) : -EPIPE;
	}
	json_decref(j);
	if (err) {
		free(a);
		return err;
	}
	a->deadline_ns = clock_mono_ns() + patience_ns;
	list_push(&m->asks, &a->link);
	return 0;
}

void keeper_tell(struct keeper_mirror *m, const char *op, json_t *fields)
{
	/* Nobody waits for it, and a phase may take its time. */
	int err = keeper_ask(m, op, fields, NULL, 0, 10 * m->k->patience_ns, forget, NULL);

	if (err)
		log_warn(
			"mirror_not_told", "pid=%d op=%s error=" LOGV, m->pid, op, log_quote(strerror(-err)));
}

void keeper_refusals(const json_t *answer, char *out, size_t size)
{
	size_t i, n = 0;
	json_t *v;

	out[0] = 0;
	json_array_foreach (json_object_get(answer, "refused"), i, v)
		if (json_is_string(v) && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? "; " : "", json_string_value(v));
	if (!n)
		snprintf(out, size, "the mirror refused without a reason");
}

static void on_answer(struct keeper_mirror *m, const json_t *j)
{
	json_int_t id = json_integer_value(json_object_get(j, "id"));

	list_for_each_safe (l, &m->asks) {
		struct ask *a = list_entry(l, struct ask, link);
		if (a->id == id) {
			ask_done(a, json_is_true(json_object_get(j, "ok")) ? 0 : -EPERM, j);
			return;
		}
	}
	log_warn("mirror_stray_answer", "pid=%d id=%lld", m->pid, (long long)id);
}

static void on_message(void *ctx, char *text, size_t length, int fds[CHANNEL_FDS], unsigned n_fds)
{
	struct keeper_mirror *m = ctx;
	json_t *j = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
	const char *op = json_string_value(json_object_get(j, "op"));

	(void)fds; /* a mirror has none to give: the channel closes them */
	(void)n_fds;
	if (!op)
		keeper_mirror_kill(m, "what it said is no message");
	else if (!strcmp(op, "answer"))
		on_answer(m, j);
	else if (!strcmp(op, "topology") && !m->elder)
		keeper_topology(m->k, j);
	else if (!strcmp(op, "flag"))
		keeper_flag(m->k, j);
	/* "opaque" only says that a number changed: the status that is asked for each second has it */
	json_decref(j);
}

/* ---- ending */

/* Asks end with the mirror. Each callback may ask others, never this one: its channel is gone. */
static void fail_asks(struct keeper_mirror *m)
{
	while (!list_empty(&m->asks))
		ask_done(list_entry(m->asks.next, struct ask, link), -EPIPE, NULL);
}

void keeper_mirror_kill(struct keeper_mirror *m, const char *why)
{
	if (m->killed)
		return;
	m->killed = true;
	log_error("mirror_killed", "pid=%d reason=" LOGV, m->pid, log_quote(why));
	/* Debian 12's glibc has pidfd_send_signal() only since 2.36, and some hosts build with less. */
	if (m->pidfd >= 0 ? syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0)
			  : kill(m->pid, SIGKILL))
		log_warn("mirror_kill_failed", "pid=%d error=%m", m->pid);
}

void keeper_mirror_free(struct keeper_mirror *m)
{
	char path[160];

	channel_close(m->channel);
	m->channel = NULL;
	fail_asks(m);
	snprintf(path, sizeof path, "%s/mirror.%d.sock", m->k->config->run_dir, m->pid);
	unlink(path);
	if (m->pidfd >= 0)
		close(m->pidfd);
	free(m->counts);
	free(m);
}

/* What happened since the daemon's start doesn't unhappen with the mirror that counted it. */
static void keep_counts(const struct keeper_mirror *m)
{
	for (size_t i = 0; i < m->k->config->n_apps; i++)
		for (int c = COUNT_TURNED_AWAY; c < COUNTS; c++)
			m->k->apps[i].past.n[c] += m->counts[i].n[c];
}

static void on_end(void *ctx, int err)
{
	struct keeper_mirror *m = ctx;
	struct keeper *k = m->k;

	channel_close(m->channel);
	m->channel = NULL;
	if (m->elder) {
		if (err)
			keeper_mirror_kill(m, strerror(-err));
		log_info("elder_gone", "pid=%d", m->pid);
		keep_counts(m);
		list_del(&m->link);
		keeper_mirror_free(m);
		keeper_stop_step(k);
		return;
	}
	if (!k->stopping)
		log_warn("mirror_channel_ended", "pid=%d error=" LOGV, m->pid,
			log_quote(err ? strerror(-err) : "none"));
	/* Without a channel it is of no use; while it dies the kernel takes its listeners out of the gate. When we stop, it has been
	   told to go by itself. */
	if (!k->stopping)
		keeper_mirror_kill(m, "its channel ended");
}

struct keeper_mirror *keeper_mirror_new(struct keeper *k)
{
	struct keeper_mirror *m = calloc(1, sizeof *m);
	struct keeper_counts *counts = calloc(k->config->n_apps + 1, sizeof *counts);

	if (!m || !counts) {
		free(m);
		free(counts);
		return NULL;
	}
	*m = (struct keeper_mirror){.k = k, .pidfd = -1, .started_ns = clock_mono_ns(), .counts = counts};
	list_init(&m->asks);
	list_init(&m->link);
	return m;
}

int keeper_mirror_open(struct keeper_mirror *m, int fd)
{
	struct channel_opts o = {.on_message = on_message, .on_end = on_end, .ctx = m};

	return channel_open(&m->k->loop, fd, &o, &m->channel);
}

size_t keeper_mirrors(struct keeper *k, struct keeper_mirror **out, size_t room)
{
	size_t n = 0;

	if (k->mirror && k->mirror->channel && k->mirror->configured)
		out[n++] = k->mirror;
	list_for_each (l, &k->elders)
		if (n < room - 1)
			out[n++] = list_entry(l, struct keeper_mirror, link);
	out[n] = NULL;
	return n;
}

/* ---- ours */

static void on_restart(uv_timer_t *t)
{
	keeper_mirror_start(container_of(t, struct keeper, restart));
}

static void restart_later(struct keeper *k)
{
	if (k->stopping)
		return;
	uv_timer_start(&k->restart, on_restart, k->backoff_ms, 0);
	k->backoff_ms = k->backoff_ms ? k->backoff_ms * 2 : BACKOFF_FIRST_MS;
	if (k->backoff_ms > BACKOFF_LAST_MS)
		k->backoff_ms = BACKOFF_LAST_MS;
}

static void on_configured(void *ctx, int err, const json_t *answer)
{
	struct keeper_mirror *m = ctx;
	struct keeper *k = m->k;
	char why[300];

	if (err == -EPERM) {
		keeper_refusals(answer, why, sizeof why);
		keeper_mirror_kill(m, why);
	}
	if (err)
		return;
	m->configured = true;
	for (size_t i = 0; i < k->config->n_apps; i++)
		keeper_app_step(&k->apps[i]);
}

void keeper_mirror_start(struct keeper *k)
{
	struct keeper_mirror *m;
	struct reason why = {"no memory"};
	int fd = -1, err = -ENOMEM;

	if (k->mirror || k->stopping)
		return;
	m = keeper_mirror_new(k);
	if (m)
		err = k->env->mirror_start(k->config, &fd, &m->pid, &why);
	if (err) {
		if (m)
			keeper_mirror_free(m);
		log_error("mirror_not_started", "error=" LOGV, log_quote(why.text));
		restart_later(k);
		return;
	}
	k->mirror = m;
	log_info("mirror_started", "pid=%d", m->pid);
	for (size_t i = 0; i < k->config->n_apps; i++)
		k->apps[i].mirror_phase = keeper_app_told(&k->apps[i]);
	err = keeper_mirror_open(m, fd);
	if (!err)
		err = keeper_ask(
			m, "config", keeper_config_json(k), NULL, 0, k->patience_ns, on_configured, m);
	if (err)
		keeper_mirror_kill(m, strerror(-err));
}

void keeper_mirror_reap(struct keeper *k)
{
	struct keeper_mirror *m = k->mirror;
	int status;

	if (!m || waitpid(m->pid, &status, WNOHANG) != m->pid)
		return;
	if (k->stopping && WIFEXITED(status) && !WEXITSTATUS(status))
		log_info("mirror_ended", "pid=%d", m->pid);
	else
		log_error("mirror_died", "pid=%d %s=%d", m->pid, WIFSIGNALED(status) ? "signal" : "exit",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (clock_mono_ns() - m->started_ns > LIVED_WELL_NS)
		k->backoff_ms = 0;
	k->mirror = NULL;
	keep_counts(m);
	for (size_t i = 0; i < k->config->n_apps; i++)
		keeper_app_mirror_gone(&k->apps[i]);
	keeper_mirror_free(m);
	restart_later(k);
	keeper_stop_step(k);
}

static void on_status(void *ctx, int err, const json_t *answer)
{
	if (!err)
		keeper_take_status(ctx, answer);
}

void keeper_mirror_tick(struct keeper_mirror *m, uint64_t now)
{
	if (!m->channel || m->killed)
		return;
	list_for_each (l, &m->asks) {
		struct ask *a = list_entry(l, struct ask, link);
		char why[80];
		if (now < a->deadline_ns)
			continue;
		snprintf(why, sizeof why, "no answer to %s in time", a->op);
		keeper_mirror_kill(m, why);
		return;
	}
	if (!m->configured && !m->elder)
		return;
	int err = keeper_ask(m, "status", NULL, NULL, 0, m->k->patience_ns, on_status, m);
	if (err && err != -EPIPE)
		keeper_mirror_kill(m, strerror(-err));
}
