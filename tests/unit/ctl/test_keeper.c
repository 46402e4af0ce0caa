/* The real keeper, in a process of its own, against a kernel part and mirrors that are made up (fake.h). */
#include "unit/ctl/fake.h"
#include "ctl/state.h"
#include "ctl/when.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <cmocka.h>

#define DEADLINE_NS (20 * UINT64_C(1000000000))

static char dir[64];
static pid_t keeper;

static const char FILE_TEXT[] =
	"run_dir: %s/run\nstate_dir: %s/state\nworkers: 2\nstop_timeout: 2s\n"
	"clusters:\n  old: {contact_points: [10.0.0.1]}\n  new: {contact_points: [10.1.0.1]}\n"
	"apps:\n  shop: {origin: old, target: new, match: {cgroup: /shop}, request_timeout: 3s}\n"
	"  other: {origin: old, target: new}\n";

static void keeper_start(void)
{
	keeper = fork();
	if (keeper)
		return;
	struct config *c;
	struct reason why;
	char path[128];
	snprintf(path, sizeof path, "%s/log", dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDERR_FILENO);
	close(fd);
	snprintf(path, sizeof path, "%s/seam.yaml", dir);
	if (config_load(path, CONFIG_WITH_SECRETS, &c, &why))
		_exit(9);
	int r = keeper_run(c, &FAKE_ENV);
	config_free(c);
	_exit(r);
}

static json_t *ask_in_time(const char *request, int *exit, uint64_t until)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	static char text[1 << 20];
	size_t n = 0;
	json_t *data = NULL;

	*exit = -1;
	snprintf(a.sun_path, sizeof a.sun_path, "%s/run/seamd.sock", dir);
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	while (connect(fd, (struct sockaddr *)&a, sizeof a))
		if (clock_mono_ns() > until || usleep(5000))
			return NULL;
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while (n < sizeof text - 1) {
		ssize_t r = read(fd, text + n, sizeof text - 1 - n);
		if (r <= 0)
			return NULL;
		n += (size_t)r;
		text[n] = 0;
		char *last = text;
		for (char *nl; (nl = strchr(last, '\n')); last = nl + 1) {
			json_t *j = json_loadb(last, (size_t)(nl - last), 0, NULL);
			if (json_object_get(j, "exit")) {
				*exit = (int)json_integer_value(json_object_get(j, "exit"));
				data = json_incref(json_object_get(j, "data"));
				const char *m = json_string_value(json_object_get(j, "message"));
				if (m && json_is_object(data))
					json_object_set_new(data, "message", json_string(m));
			}
			json_decref(j);
		}
		if (*exit >= 0)
			return data;
	}
	return NULL;
}

/* Asks, checks the exit code, and returns the data (json_decref it). */
static json_t *ask(const char *request, int want)
{
	int exit;
	json_t *j = ask_in_time(request, &exit, clock_mono_ns() + DEADLINE_NS);

	if (exit != want) {
		char *text = json_dumps(j, JSON_ENCODE_ANY);
		fail_msg("%s: exit %d, not %d: %s", request, exit, want, text);
	}
	return j;
}

static const char *member(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "";
}

static json_t *app_status(const char *name)
{
	char request[80];
	json_t *j, *app;

	snprintf(request, sizeof request, "{\"verb\":\"status\",\"app\":\"%s\"}\n", name);
	j = ask(request, 0);
	app = json_incref(json_array_get(json_object_get(j, "apps"), 0));
	json_decref(j);
	return app;
}

static bool in_state(const char *name, const char *state)
{
	json_t *a = app_status(name);
	bool is = !strcmp(member(a, "state"), state);

	json_decref(a);
	return is;
}

/* -1: no gap at all; 0: the last one is closed; 1: it is open. */
static int gap(const char *reason)
{
	json_t *a = app_status("shop"), *gaps = json_object_get(a, "gaps");
	size_t n = json_array_size(gaps);
	const json_t *last = n ? json_array_get(gaps, n - 1) : NULL;
	int r = !n ? -1 : json_is_null(json_object_get(last, "to")) ? 1 : 0;

	if (n && reason && !strstr(member(last, "reason"), reason))
		r = -2;
	json_decref(a);
	return r;
}

static double last_gap_length(void)
{
	json_t *a = app_status("shop"), *gaps = json_object_get(a, "gaps");
	const json_t *last = json_array_get(gaps, json_array_size(gaps) - 1);
	int64_t from = 0, to = 0;

	assert_int_equal(when_parse(member(last, "from"), &from), 0);
	assert_int_equal(when_parse(member(last, "to"), &to), 0);
	json_decref(a);
	return (double)(to - from) / 1e6;
}

#define WAIT_FOR(condition)                                                                                  \
	do {                                                                                                 \
		uint64_t until_ = clock_mono_ns() + DEADLINE_NS;                                             \
		while (!(condition)) {                                                                       \
			if (clock_mono_ns() > until_)                                                        \
				fail_msg("never: %s", #condition);                                           \
			usleep(20000);                                                                       \
		}                                                                                            \
	} while (0)

static void keeper_end(int signal, int want)
{
	int status;

	kill(keeper, signal);
	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	keeper = 0;
	if (want >= 0) {
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), want);
	}
}

static void to_dual_write(void)
{
	keeper_start();
	WAIT_FOR(in_state("shop", "attached"));
	json_t *j = ask("{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"dual-write\"}\n", 0);
	assert_string_equal(member(j, "phase"), "dual-write");
	assert_string_equal(member(j, "previous"), "passthrough");
	assert_int_equal(json_array_size(json_object_get(j, "refused")), 0);
	assert_true(*member(j, "t0"));
	json_decref(j);
	assert_true(fake->app[0].mirror_dual);
	assert_int_equal(gap(NULL), -1);
}

static void drop(json_t *j)
{
	json_decref(j);
}

static void journey(void **state)
{
	(void)state;
	to_dual_write();
	drop(ask("{\"verb\":\"attach\",\"app\":\"shop\"}\n", 0));
	assert_int_equal(fake->app[0].attaches, 1);
	json_t *a = app_status("shop");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(a, "sessions"), "total")), 5);
	assert_string_equal(member(json_object_get(a, "target"), "state"), "up");
	drop(a);
	json_t *j = ask("{\"verb\":\"detach\",\"app\":\"shop\"}\n", 0);
	assert_string_equal(member(j, "state"), "detached");
	drop(j);
	assert_false(fake->app[0].attached);
	assert_false(fake->app[0].mirror_dual);
	assert_int_equal(gap("detached"), 1);
	drop(ask("{\"verb\":\"detach\",\"app\":\"shop\"}\n", 0));
	drop(ask("{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"passthrough\"}\n", 3));
	drop(ask("{\"verb\":\"sessions\",\"app\":\"shop\"}\n", 3));
	drop(ask("{\"verb\":\"attach\",\"app\":\"shop\"}\n", 0));
	assert_true(fake->app[0].attached);
	assert_true(fake->app[0].mirror_dual); /* the phase is the app's: a detach does not change it */
	WAIT_FOR(gap("detached") == 0);
	drop(ask("{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"passthrough\"}\n", 0));
	assert_int_equal(gap("phase does not mirror"), 1);
	j = ask("{\"verb\":\"sessions\"}\n", 0);
	assert_int_equal(json_array_size(j), 1);
	drop(j);
	keeper_end(SIGTERM, 0);
	assert_false(fake->app[0].attached);
}

static void refusals(void **state)
{
	static const struct {
		const char *request;
		int exit;
	} rows[] = {
		{"{\"verb\":\"attach\"}\n", 2},
		{"{\"verb\":\"attach\",\"app\":\"nobody\"}\n", 2},
		{"{\"verb\":\"attach\",\"app\":\"other\"}\n", 2},
		{"{\"verb\":\"attach\",\"app\":\"other\",\"existing\":\"recycle\"}\n", 1},
		{"{\"verb\":\"attach\",\"app\":\"other\",\"cgroup\":\"/absent\"}\n", 1},
		{"{\"verb\":\"attach\",\"app\":\"other\",\"pid\":99}\n", 1},
		{"{\"verb\":\"attach\",\"app\":\"other\",\"cgroup\":\"/x\",\"unit\":\"y\"}\n", 2},
		{"{\"verb\":\"attach\",\"app\":\"shop\",\"cgroup\":\"/elsewhere\"}\n", 1},
		{"{\"verb\":\"detach\",\"app\":\"shop\",\"drain\":\"\"}\n", 1},
		{"{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"observe\"}\n", 1},
		{"{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"shadow-read\"}\n", 1},
		{"{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"target-read\"}\n", 1},
		{"{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"target-only\"}\n", 1},
		{"{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"dual-write\",\"percent\":\"5\"}\n", 1},
		{"{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"nonsense\"}\n", 2},
		{"{\"verb\":\"phase\",\"app\":\"other\"}\n", 3},
		{"{\"verb\":\"sing\"}\n", 2},
		{"{\"app\":\"shop\"}\n", 2},
	};

	(void)state;
	fake->app[1].cgroup_id = 10; /* other is where shop is */
	keeper_start();
	WAIT_FOR(in_state("shop", "attached"));
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		drop(ask(rows[i].request, rows[i].exit));
	/* the same cgroup and shared endpoints: one app must go first */
	json_t *j = ask("{\"verb\":\"attach\",\"app\":\"other\",\"cgroup\":\"/other\"}\n", 1);
	assert_non_null(strstr(member(j, "message"), "same cgroup"));
	assert_string_equal(member(j, "state"), "detached");
	drop(j);
	fake->app[1].cgroup_id = 11;
	fake->app[1].refuse_attach = true;
	j = ask("{\"verb\":\"attach\",\"app\":\"other\",\"cgroup\":\"/other\"}\n", 1);
	assert_non_null(strstr(member(j, "message"), "a program sits above"));
	drop(j);
	fake->app[1].refuse_attach = false;
	j = ask("{\"verb\":\"attach\",\"app\":\"other\",\"cgroup\":\"/other\"}\n", 0);
	assert_string_equal(member(j, "state"), "attached");
	drop(j);
	fake->refuse_phase = true;
	j = ask("{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"dual-write\"}\n", 1);
	assert_string_equal(member(j, "phase"), "passthrough");
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(j, "refused"), 0)), "no leg to 10.1.0.1");
	drop(j);
	assert_int_equal(gap(NULL), -1);
	keeper_end(SIGTERM, 0);
}

static void versions(void **state)
{
	(void)state;
	fake->versions[1] = 0; /* Target has never answered */
	keeper_start();
	WAIT_FOR(in_state("shop", "refused"));
	json_t *a = app_status("shop");
	assert_non_null(strstr(member(a, "reason"), "never been known"));
	drop(a);
	assert_false(fake->app[0].attached);
	keeper_end(SIGTERM, 0);
	fake->versions[1] = 1u << 3 | 1u << 4; /* too old for what Origin speaks */
	keeper_start();
	WAIT_FOR(in_state("shop", "refused"));
	a = app_status("shop");
	assert_non_null(strstr(member(a, "reason"), "speaks v5"));
	drop(a);
	drop(ask("{\"verb\":\"attach\",\"app\":\"shop\"}\n", 1));
	drop(ask("{\"verb\":\"attach\",\"app\":\"shop\",\"force\":true}\n", 0));
	assert_true(fake->app[0].attached);
	keeper_end(SIGTERM, 0);
	fake->versions[1] = 0; /* known once, forced once: a restart with Target away attaches again */
	keeper_start();
	WAIT_FOR(in_state("shop", "attached"));
	keeper_end(SIGTERM, 0);
	struct state *s = NULL;
	struct reason why;
	char path[128];
	snprintf(path, sizeof path, "%s/state", dir);
	assert_int_equal(state_load(path, &s, &why), 0);
	assert_int_equal(s->n_forced, 1);
	assert_non_null(strstr(s->forced[0].why, "speaks v5"));
	assert_int_equal(state_cluster(s, "new")->versions, 1u << 3 | 1u << 4);
	state_free(s);
}

static void betas_are_no_reason(void **state)
{
	(void)state;
	fake->versions[0] |= 1u << 6;
	keeper_start();
	WAIT_FOR(in_state("shop", "attached"));
	keeper_end(SIGTERM, 0);
}

static void waiting_for_a_cgroup(void **state)
{
	(void)state;
	fake->app[0].cgroup_there = false;
	keeper_start();
	WAIT_FOR(in_state("shop", "waiting"));
	fake->app[0].cgroup_there = true;
	WAIT_FOR(in_state("shop", "attached"));
	fake->app[0].cgroup_there = false;
	WAIT_FOR(in_state("shop", "waiting"));
	keeper_end(SIGTERM, 0);
}

static void mirror_killed(void **state)
{
	(void)state;
	to_dual_write();
	int first = fake->mirror_pid;
	kill(first, SIGKILL);
	fake->app[0].beating = false;
	fake->app[0].beat_ns = clock_mono_ns();
	WAIT_FOR(fake->mirrors == 2 && fake->app[0].listens == 2);
	assert_true(fake->app[0].attached); /* never unhooked meanwhile */
	WAIT_FOR(gap("mirror down") == 0);
	assert_true(last_gap_length() >= 3.0); /* request_timeout */
	json_t *a = app_status("shop");
	WAIT_FOR(({
		drop(a);
		a = app_status("shop");
		json_integer_value(json_object_get(json_object_get(a, "sessions"), "total")) ==
			10; /* both mirrors' */
	}));
	drop(a);
	keeper_end(SIGTERM, 0);
}

static void a_silent_mirror_is_killed(void **state)
{
	(void)state;
	to_dual_write();
	fake->mute = true;
	WAIT_FOR(kill(fake->mirror_pid, 0) || fake->mirrors > 1);
	fake->mute = false;
	WAIT_FOR(fake->mirrors > 1);
	WAIT_FOR(gap("mirror down") == 0);
	keeper_end(SIGTERM, 0);
}

static void a_silent_worker_costs_the_mirror_its_life(void **state)
{
	(void)state;
	to_dual_write();
	fake->app[0].beat_ns = clock_mono_ns();
	fake->app[0].beating = false;
	WAIT_FOR(fake->mirrors == 2);
	WAIT_FOR(gap(NULL) == 0);
	keeper_end(SIGTERM, 0);
}

static void keeper_killed(void **state)
{
	(void)state;
	to_dual_write();
	fake->outlive = true;
	fake->open = 4;
	int elder = fake->mirror_pid;
	keeper_end(SIGKILL, -1);
	WAIT_FOR(!fake->app[0].beating);
	assert_true(fake->app[0].attached);
	keeper_start();
	WAIT_FOR(fake->successors == 1 && fake->app[0].listens == 2);
	assert_int_equal(fake->app[0].attaches, 1);
	WAIT_FOR(gap("daemon down") == 0);
	assert_true(last_gap_length() >= 3.0);
	json_t *j = ask("{\"verb\":\"status\"}\n", 0);
	assert_int_equal(json_integer_value(json_array_get(
				 json_object_get(json_object_get(j, "daemon"), "elder_mirrors"), 0)),
		elder);
	drop(j);
	json_t *a = app_status("shop");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(a, "sessions"), "open")), 8);
	drop(a);
	unsigned before = fake->app[0].phases;
	drop(ask("{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"passthrough\"}\n", 0));
	assert_int_equal(fake->app[0].phases, before + 2); /* the elder too */
	drop(ask("{\"verb\":\"phase\",\"app\":\"shop\",\"phase\":\"dual-write\"}\n", 0));
	drop(ask("{\"verb\":\"detach\",\"app\":\"shop\"}\n", 0));
	before = fake->app[0].phases;
	drop(ask("{\"verb\":\"attach\",\"app\":\"shop\"}\n", 0));
	assert_int_equal(fake->app[0].phases,
		before + 2); /* its sessions mirror again before the app counts as attached */
	keeper_end(SIGTERM, 0);
	WAIT_FOR(kill(elder, 0)); /* and reaped, by whoever adopted it */
}

static void a_dumb_elder_is_killed(void **state)
{
	(void)state;
	to_dual_write();
	fake->outlive = true;
	int elder = fake->mirror_pid;
	keeper_end(SIGKILL, -1);
	kill(elder, SIGSTOP);
	keeper_start();
	WAIT_FOR(kill(elder, 0));
	WAIT_FOR(in_state("shop", "attached"));
	keeper_end(SIGTERM, 0);
}

static void stop_and_start(void **state)
{
	(void)state;
	to_dual_write();
	keeper_end(SIGTERM, 0);
	assert_false(fake->app[0].attached);
	keeper_start();
	WAIT_FOR(in_state("shop", "attached"));
	WAIT_FOR(gap("daemon stopped") == 0);
	json_t *a = app_status("shop");
	assert_string_equal(member(a, "phase"), "dual-write");
	drop(a);
	drop(ask("{\"verb\":\"detach\",\"app\":\"shop\"}\n", 0));
	keeper_end(SIGTERM, 0);
	keeper_start();
	WAIT_FOR(in_state("shop", "detached")); /* match does not override it */
	assert_int_equal(gap("detached"), 1);
	keeper_end(SIGTERM, 0);
}

static void detached_by_mark(void **state)
{
	char path[128];
	struct reason why;

	(void)state;
	to_dual_write();
	snprintf(path, sizeof path, "%s/state", dir);
	assert_int_equal(state_mark_detached(path, "shop", &why), 0);
	fake->app[0].attached = false; /* what seam detach does when the daemon doesn't answer */
	WAIT_FOR(in_state("shop", "detached"));
	assert_int_equal(gap("detached"), 1);
	assert_int_equal(fake->app[0].attaches, 1);
	keeper_end(SIGKILL, -1);
	drop(NULL);
	assert_int_equal(state_mark_detached(path, "shop", &why), 0);
	keeper_start();
	WAIT_FOR(in_state("shop", "detached"));
	keeper_end(SIGTERM, 0);
}

static void not_captured_is_a_gap(void **state)
{
	(void)state;
	to_dual_write();
	fake->app[0].direct = 2;
	WAIT_FOR(gap("connections not captured") == 1);
	json_t *a = app_status("shop");
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(a, "connections"), "not_captured")), 2);
	drop(a);
	fake->app[0].direct = 0;
	WAIT_FOR(gap("connections not captured") == 0);
	fake->opaque = 1;
	WAIT_FOR(gap("opaque sessions") == 1);
	fake->opaque = 0;
	WAIT_FOR(gap("opaque sessions") == 0);
	/* one that came and went between two looks: the counters have it */
	fake->app[0].first_ns = clock_mono_ns();
	fake->app[0].unacked = 1;
	WAIT_FOR(fake->app[0].acks == 1);
	WAIT_FOR(gap(NULL) == 0);
	assert_int_equal(fake->app[0].unacked, 0);
	keeper_end(SIGTERM, 0);
}

static void one_daemon_a_folder(void **state)
{
	int status;

	(void)state;
	keeper_start();
	WAIT_FOR(in_state("shop", "attached"));
	pid_t first = keeper;
	keeper_start();
	assert_int_equal(waitpid(keeper, &status, 0), keeper);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	keeper = first;
	assert_true(in_state("shop", "attached"));
	keeper_end(SIGTERM, 0);
}

static void ready_once(void **state)
{
	char path[128], text[65536];
	unsigned n = 0;

	(void)state;
	keeper_start();
	WAIT_FOR(in_state("shop", "attached"));
	kill(keeper, SIGHUP);
	kill(fake->mirror_pid, SIGKILL);
	WAIT_FOR(fake->mirrors == 2);
	keeper_end(SIGTERM, 0);
	snprintf(path, sizeof path, "%s/log", dir);
	FILE *f = fopen(path, "re");
	text[fread(text, 1, sizeof text - 1, f)] = 0;
	fclose(f);
	for (const char *p = text; (p = strstr(p, "msg=ready")); p++)
		n++;
	assert_int_equal(n, 1);
	assert_non_null(strstr(text, "msg=reload_ignored"));
}

static int setup(void **state)
{
	char path[128];

	(void)state;
	fake_setup();
	strcpy(dir, "/tmp/seam-test-keeper-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/seam.yaml", dir);
	FILE *f = fopen(path, "we");
	fprintf(f, FILE_TEXT, dir, dir);
	return fclose(f);
}

static int teardown(void **state)
{
	char command[160];

	(void)state;
	if (keeper > 0) { /* a test that failed: nothing of it may stay */
		fake->outlive = false;
		kill(keeper, SIGKILL);
		waitpid(keeper, NULL, 0);
		kill(fake->mirror_pid, SIGKILL);
		snprintf(command, sizeof command, "cat %s/log >&2", dir);
		(void)!system(command);
	}
	keeper = 0;
	snprintf(command, sizeof command, "rm -rf %s", dir);
	return system(command);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(journey),
		TEST(refusals),
		TEST(versions),
		TEST(betas_are_no_reason),
		TEST(waiting_for_a_cgroup),
		TEST(mirror_killed),
		TEST(a_silent_mirror_is_killed),
		TEST(a_silent_worker_costs_the_mirror_its_life),
		TEST(keeper_killed),
		TEST(a_dumb_elder_is_killed),
		TEST(stop_and_start),
		TEST(detached_by_mark),
		TEST(not_captured_is_a_gap),
		TEST(one_daemon_a_folder),
		TEST(ready_once),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
