#include "ctl/control.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <cmocka.h>

static char dir[] = "/tmp/seam-test-control-XXXXXX";
static char path[128];
static uv_loop_t loop;
static struct control *control;
static struct control_request *held;

static void on_request(void *ctx, struct control_request *r, const json_t *request)
{
	const char *verb = json_string_value(json_object_get(request, "verb"));

	(void)ctx;
	if (verb && !strcmp(verb, "hold")) {
		held = r;
		return;
	}
	control_progress(r, "on it");
	control_answer(r, 0, json_pack("{s:s}", "verb", verb ? verb : "?"), NULL);
}

static int setup(void **state)
{
	struct control_opts o = {.path = path, .on_request = on_request};
	struct reason why;

	(void)state;
	held = NULL;
	assert_int_equal(uv_loop_init(&loop), 0);
	return control_open(&loop, &o, &control, &why);
}

static int teardown(void **state)
{
	(void)state;
	control_close(control);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(access(path, F_OK), -1);
	return 0;
}

static int dial(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	return fd;
}

static void tell(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* Runs the loop until `fd` has given `lines` lines or its end; returns what came. */
static const char *hear(int fd, unsigned lines)
{
	static char text[4096];
	uint64_t end = clock_mono_ns() + 5000000000u;
	size_t n = 0;

	while (clock_mono_ns() < end) {
		ssize_t r = read(fd, text + n, sizeof text - 1 - n);
		if (r == 0 || (r < 0 && errno != EAGAIN))
			break;
		for (ssize_t i = 0; i < r; i++)
			lines -= text[n + (size_t)i] == '\n';
		n += r > 0 ? (size_t)r : 0;
		if (!lines)
			break;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	text[n] = 0;
	return text;
}

static void asks_and_answers(void **state)
{
	int fd = dial();
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	tell(fd, "{\"verb\":\"a\"}\n");
	assert_string_equal(hear(fd, 2),
		"{\"progress\":\"on it\"}\n{\"exit\":0,\"data\":{\"verb\":\"a\"},\"message\":null}\n");
	tell(fd, "{\"verb\":\"b\"}\n{\"ver"); /* the next on the same connection, and a part of a third */
	assert_non_null(strstr(hear(fd, 2), "\"b\""));
	tell(fd, "b\":\"c\"}\n");
	assert_non_null(strstr(hear(fd, 2), "\"c\""));
	close(fd);
}

static void bad_requests(void **state)
{
	static const char *const rows[] = {
		"\n", "nonsense\n", "[]\n", "{\"verb\":\"a\",\"verb\":\"b\"}\n", "{\"a\":\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int fd = dial();
		tell(fd, rows[i]);
		assert_non_null(strstr(hear(fd, 1), "\"exit\":2"));
		tell(fd, "{\"verb\":\"a\"}\n"); /* and the client may go on */
		assert_non_null(strstr(hear(fd, 2), "\"exit\":0"));
		close(fd);
	}
}

static void an_endless_line_ends_the_client(void **state)
{
	static char big[CONTROL_LINE + 4096];
	int fd = dial(), other = dial();
	size_t sent = 0;
	uint64_t end = clock_mono_ns() + 5000000000u;

	(void)state;
	memset(big, 'x', sizeof big);
	while (sent < sizeof big && clock_mono_ns() < end) {
		ssize_t n = send(fd, big + sent, sizeof big - sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		sent += n > 0 ? (size_t)n : 0;
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	assert_string_equal(hear(fd, 1), "");
	tell(other, "{\"verb\":\"a\"}\n");
	assert_non_null(strstr(hear(other, 2), "\"exit\":0"));
	close(fd);
	close(other);
}

static void a_client_that_left_is_answered_into_the_void(void **state)
{
	int fd = dial();

	(void)state;
	tell(fd, "{\"verb\":\"hold\"}\n");
	uint64_t end = clock_mono_ns() + 5000000000u;
	while (!held && clock_mono_ns() < end)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert_non_null(held);
	close(fd);
	for (int i = 0; i < 10; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	control_progress(held, "still");
	control_answer(held, 0, json_object(), "late");
}

static void silent_clients_make_room(void **state)
{
	int fds[CONTROL_CLIENTS + 20];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = dial();
		for (int k = 0; k < 3; k++)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
	tell(fds[ARRAY_LEN(fds) - 1], "{\"verb\":\"a\"}\n");
	assert_non_null(strstr(hear(fds[ARRAY_LEN(fds) - 1], 2), "\"exit\":0"));
	assert_string_equal(hear(fds[0], 1), ""); /* the oldest went */
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof path, "%s/seamd.sock", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(asks_and_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(an_endless_line_ends_the_client, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_client_that_left_is_answered_into_the_void, setup, teardown),
		cmocka_unit_test_setup_teardown(silent_clients_make_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
