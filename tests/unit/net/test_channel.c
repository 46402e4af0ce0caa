#include "net/channel.h"
#include "base/clock.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define DEADLINE_NS (5 * UINT64_C(1000000000))

/* What one end saw. */
struct seen {
	struct channel *c;
	char *text;
	size_t length;
	unsigned messages, n_fds, ends;
	int err;
	int fds[CHANNEL_FDS];
	bool close_on_message;
};

static void on_message(void *ctx, char *text, size_t length, int fds[CHANNEL_FDS], unsigned n_fds)
{
	struct seen *s = ctx;

	assert_int_equal(strlen(text), length);
	s->messages++;
	free(s->text);
	s->text = strdup(text);
	s->length = length;
	s->n_fds = n_fds;
	for (unsigned i = 0; i < n_fds; i++)
		s->fds[i] = TAKE_FD(fds[i]);
	if (s->close_on_message) {
		channel_close(s->c);
		s->c = NULL;
	}
}

static void on_end(void *ctx, int err)
{
	struct seen *s = ctx;

	s->ends++;
	s->err = err;
	channel_close(s->c);
	s->c = NULL;
}

struct pair {
	uv_loop_t loop;
	struct seen left, right;
	int raw; /* right's fd when it isn't a channel */
};

static void on_tick(uv_timer_t *t)
{
	(void)t;
}

/* Runs the loop until *n reaches `want`; fails at the deadline. */
static void run_until(struct pair *p, const unsigned *n, unsigned want)
{
	uint64_t end = clock_mono_ns() + DEADLINE_NS;
	uv_timer_t tick;

	uv_timer_init(&p->loop, &tick);
	uv_timer_start(&tick, on_tick, 10, 10);
	while (*n < want && clock_mono_ns() < end)
		uv_run(&p->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&p->loop, UV_RUN_NOWAIT);
	assert_int_equal(*n, want);
}

static int open_end(uv_loop_t *loop, int fd, struct seen *s)
{
	struct channel_opts o = {.on_message = on_message, .on_end = on_end, .ctx = s};

	return channel_open(loop, fd, &o, &s->c);
}

static void pair_open(struct pair *p, bool right_is_raw)
{
	int fds[2];

	memset(p, 0, sizeof *p);
	assert_int_equal(uv_loop_init(&p->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(open_end(&p->loop, fds[0], &p->left), 0);
	p->raw = fds[1];
	if (right_is_raw)
		return;
	p->raw = -1;
	assert_int_equal(open_end(&p->loop, fds[1], &p->right), 0);
}

static void pair_close(struct pair *p)
{
	channel_close(p->left.c);
	channel_close(p->right.c);
	if (p->raw >= 0)
		close(p->raw);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&p->loop), 0);
	free(p->left.text);
	free(p->right.text);
}

static void whole_messages_in_order(void **state)
{
	struct pair p;
	char text[32];

	(void)state;
	pair_open(&p, false);
	for (unsigned i = 0; i < 200; i++) {
		int n = snprintf(text, sizeof text, "{\"n\":%u}", i);
		assert_int_equal(channel_send(p.left.c, text, (size_t)n, NULL, 0), 0);
	}
	run_until(&p, &p.right.messages, 200);
	assert_string_equal(p.right.text, "{\"n\":199}");
	pair_close(&p);
}

static void empty_message(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, false);
	assert_int_equal(channel_send(p.left.c, "", 0, NULL, 0), 0);
	assert_int_equal(channel_send(p.left.c, "x", 1, NULL, 0), 0);
	run_until(&p, &p.right.messages, 2);
	assert_string_equal(p.right.text, "x");
	pair_close(&p);
}

static void a_message_larger_than_the_socket_buffer(void **state)
{
	struct pair p;
	size_t n = CHANNEL_MAX;
	auto_free char *big = malloc(n);

	(void)state;
	memset(big, 'a', n);
	big[n - 1] = 'z';
	pair_open(&p, false);
	assert_int_equal(channel_send(p.left.c, big, n + 1, NULL, 0), -EINVAL);
	assert_int_equal(channel_send(p.left.c, big, n, NULL, 0), 0);
	run_until(&p, &p.right.messages, 1);
	assert_int_equal(p.right.length, n);
	assert_memory_equal(p.right.text, big, n);
	pair_close(&p);
}

static bool same_file(int a, int b)
{
	struct stat x, y;

	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* The second message's fds stay with it, however the bytes before were read; the sender may close its own at once. */
static void fds_ride_with_their_message(void **state)
{
	struct pair p;
	int pipes[2], zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	(void)state;
	pair_open(&p, false);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(channel_send(p.left.c, "plain", 5, NULL, 0), 0);
	assert_int_equal(channel_send(p.left.c, "with", 4, (int[]){pipes[0], zero}, 2), 0);
	assert_int_equal(channel_send(p.left.c, "plain", 5, NULL, 0), 0);
	run_until(&p, &p.right.messages, 3);
	assert_int_equal(p.right.n_fds, 0);
	assert_true(same_file(p.right.fds[0], pipes[0]));
	assert_true(same_file(p.right.fds[1], zero));
	assert_int_equal(channel_send(p.left.c, "x", 1, (int[]){9999}, 1), -EBADF);
	int many[CHANNEL_FDS + 1] = {0};
	assert_int_equal(channel_send(p.left.c, "x", 1, many, CHANNEL_FDS + 1), -EINVAL);
	close(p.right.fds[0]);
	close(p.right.fds[1]);
	close(pipes[0]);
	close(pipes[1]);
	close(zero);
	pair_close(&p);
}

static void end_of_file_is_said_once_after_the_last_message(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, false);
	assert_int_equal(channel_send(p.left.c, "last", 4, NULL, 0), 0);
	channel_close(p.left.c);
	p.left.c = NULL;
	run_until(&p, &p.right.ends, 1);
	assert_int_equal(p.right.err, 0);
	assert_int_equal(p.right.messages, 1);
	pair_close(&p);
}

static void send_to_a_peer_that_went(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, true);
	close(p.raw);
	p.raw = -1;
	assert_int_equal(channel_send(p.left.c, "x", 1, NULL, 0), 0);
	run_until(&p, &p.left.ends, 1);
	pair_close(&p);
}

static void closing_inside_a_callback(void **state)
{
	struct pair p;

	(void)state;
	pair_open(&p, false);
	p.right.close_on_message = true;
	assert_int_equal(channel_send(p.left.c, "a", 1, NULL, 0), 0);
	assert_int_equal(channel_send(p.left.c, "b", 1, NULL, 0), 0);
	run_until(&p, &p.left.ends, 1);
	assert_int_equal(p.right.messages, 1);
	assert_int_equal(p.right.ends, 0);
	pair_close(&p);
}

static void backlog_is_bounded(void **state)
{
	struct pair p;
	size_t n = CHANNEL_MAX;
	auto_free char *big = calloc(1, n);
	int err = 0;

	(void)state;
	pair_open(&p, true); /* nobody reads */
	for (int i = 0; i < 8 && !err; i++)
		err = channel_send(p.left.c, big, n, NULL, 0);
	assert_int_equal(err, -ENOBUFS);
	pair_close(&p);
}

static void broken_framing_ends_the_channel(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		bool then_close;
		int err;
	} rows[] = {
		{"\x01\x00\x00\x01", 4, false, -EPROTO}, /* one more than the limit */
		{"\xff\xff\xff\xff", 4, false, -EPROTO},
		{"\x05\x00", 2, true, -EPROTO}, /* cut in the header */
		{"\x05\x00\x00\x00"
		 "ab",
			6, true, -EPROTO}, /* cut in the text */
		{"", 0, true, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct pair p;
		pair_open(&p, true);
		assert_int_equal(write(p.raw, rows[i].bytes, rows[i].n), rows[i].n);
		if (rows[i].then_close) {
			close(p.raw);
			p.raw = -1;
		}
		run_until(&p, &p.left.ends, 1);
		assert_int_equal(p.left.err, rows[i].err);
		assert_int_equal(p.left.messages, 0);
		pair_close(&p);
	}
}

static void send_raw_fds(int to, const void *bytes, size_t length, unsigned n)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(16 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = length};
	struct msghdr m = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int fds[16] = {0};

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, n * sizeof(int));
	assert_int_equal(sendmsg(to, &m, 0), length);
}

static unsigned open_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* Too many fds, or fds inside a frame: the channel ends, and none of them stays open. */
static void stray_fds(void **state)
{
	(void)state;
	for (int row = 0; row < 3; row++) {
		struct pair p;
		pair_open(&p, true);
		unsigned before = open_fds();
		if (row == 0)
			send_raw_fds(p.raw, "\x01\x00\x00\x00x", 5, CHANNEL_FDS + 1);
		if (row == 1)
			send_raw_fds(p.raw, "\x01\x00\x00\x00x", 5, CHANNEL_FDS + 4);
		if (row == 2) {
			assert_int_equal(write(p.raw, "\x03\x00\x00\x00x", 5), 5);
			send_raw_fds(p.raw, "yz", 2, 1);
		}
		run_until(&p, &p.left.ends, 1);
		assert_int_equal(p.left.err, -EPROTO);
		assert_int_equal(p.left.messages, 0);
		assert_int_equal(open_fds(), before - 1); /* the channel's own */
		pair_close(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_messages_in_order),
		cmocka_unit_test(empty_message),
		cmocka_unit_test(a_message_larger_than_the_socket_buffer),
		cmocka_unit_test(fds_ride_with_their_message),
		cmocka_unit_test(end_of_file_is_said_once_after_the_last_message),
		cmocka_unit_test(send_to_a_peer_that_went),
		cmocka_unit_test(closing_inside_a_callback),
		cmocka_unit_test(backlog_is_bounded),
		cmocka_unit_test(broken_framing_ends_the_channel),
		cmocka_unit_test(stray_fds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
