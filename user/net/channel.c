#include "net/channel.h"
#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#define HEADER 4
/* Room for one fd too many, and maybe another in its padding. */
#define CONTROL CMSG_SPACE((CHANNEL_FDS + 1) * sizeof(int))
#define BURST   64 /* messages a wake-up, so that a busy peer leaves the loop its other work */

struct frame {
	struct list link;
	size_t length, sent;
	int fds[CHANNEL_FDS];
	unsigned n_fds;
	char bytes[]; /* header, then the text */
};

struct channel {
	uv_poll_t poll;
	int fd;
	bool closing, ended;
	struct channel_opts o;
	struct list queue;
	size_t queued;
	/* the frame that comes in */
	uint8_t header[HEADER];
	char *text;
	size_t length, got; /* `got` counts the header too */
	int fds[CHANNEL_FDS];
	unsigned n_fds;
};

static void close_fds(int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void frame_free(struct channel *c, struct frame *f)
{
	list_del(&f->link);
	c->queued -= f->length;
	close_fds(f->fds, f->n_fds);
	free(f);
}

static void end(struct channel *c, int err)
{
	if (c->ended)
		return;
	c->ended = true;
	uv_poll_stop(&c->poll);
	c->o.on_end(c->o.ctx, err);
}

/* One sendmsg(2) for what is left of a frame. The fds ride on its first byte and are ours no more once that has left. */
static ssize_t send_some(struct channel *c, struct frame *f)
{
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof f->fds)];
	} control;
	struct iovec iov = {.iov_base = f->bytes + f->sent, .iov_len = f->length - f->sent};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (f->n_fds) {
		size_t bytes = f->n_fds * sizeof f->fds[0];
		memset(&control, 0, sizeof control);
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(bytes);
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(h), f->fds, bytes);
	}
	ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n > 0) {
		f->sent += (size_t)n;
		close_fds(f->fds, f->n_fds);
		f->n_fds = 0;
	}
	return n < 0 ? -errno : n;
}

static int flush(struct channel *c)
{
	while (!list_empty(&c->queue)) {
		struct frame *f = list_entry(c->queue.next, struct frame, link);
		ssize_t n = send_some(c, f);
		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return 0;
		if (n < 0)
			return (int)n;
		if (f->sent == f->length)
			frame_free(c, f);
	}
	return 0;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_for_what_is_due(struct channel *c)
{
	if (!c->closing && !c->ended)
		uv_poll_start(&c->poll, UV_READABLE | (list_empty(&c->queue) ? 0 : UV_WRITABLE), on_poll);
}

static int keep_fds(struct channel *c, struct msghdr *m, bool at_start)
{
	int err = m->msg_flags & MSG_CTRUNC ? -EPROTO : 0;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned n = (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		int fds[CONTROL / sizeof(int)];
		memcpy(fds, CMSG_DATA(h), n * sizeof fds[0]);
		if (!at_start || c->n_fds + n > CHANNEL_FDS) {
			close_fds(fds, n);
			err = -EPROTO;
			continue;
		}
		memcpy(c->fds + c->n_fds, fds, n * sizeof fds[0]);
		c->n_fds += n;
	}
	return err;
}

/* Reads never cross a frame's header or end, so fds can only come with the first byte of the frame that they belong to. */
static ssize_t read_some(struct channel *c)
{
	union {
		struct cmsghdr h;
		char room[CONTROL];
	} control;
	struct iovec iov = {.iov_base = c->header + c->got, .iov_len = HEADER - c->got};
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	if (c->got >= HEADER)
		iov = (struct iovec){
			.iov_base = c->text + (c->got - HEADER), .iov_len = c->length - (c->got - HEADER)};
	ssize_t n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	int err = keep_fds(c, &m, c->got == 0);
	c->got += (size_t)n;
	return err ? err : n;
}

static int begin_text(struct channel *c)
{
	c->length = (size_t)c->header[0] | (size_t)c->header[1] << 8 | (size_t)c->header[2] << 16 |
		    (size_t)c->header[3] << 24;
	if (c->length > CHANNEL_MAX)
		return -EPROTO;
	c->text = malloc(c->length + 1);
	return c->text ? 0 : -ENOMEM;
}

static void deliver(struct channel *c)
{
	auto_free char *text = TAKE_PTR(c->text);
	int fds[CHANNEL_FDS];
	unsigned n = c->n_fds;

	memcpy(fds, c->fds, sizeof fds);
	text[c->length] = 0;
	c->got = 0;
	c->n_fds = 0;
	c->o.on_message(c->o.ctx, text, c->length, fds, n);
	close_fds(fds, n);
}

/* 1: a message was delivered or more may be read; 0: nothing now; else the end, -ENODATA for a clean one. */
static int read_step(struct channel *c)
{
	ssize_t n = 1;
	bool mid_frame = c->got > 0;

	if (c->got < HEADER || c->got - HEADER < c->length)
		n = read_some(c);
	if (n == -EINTR)
		return 1;
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return (int)n;
	if (n == 0)
		return mid_frame ? -EPROTO : -ENODATA;
	if (c->got == HEADER && !c->text) {
		int err = begin_text(c);
		if (err)
			return err;
	}
	if (c->text && c->got == HEADER + c->length)
		deliver(c);
	return 1;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct channel *c = container_of(poll, struct channel, poll);
	int r = status < 0 ? status : 1;

	if (r > 0 && events & UV_WRITABLE) {
		int err = flush(c);
		if (err && err != -EPIPE) /* a peer that went may have left messages: reading finds the end */
			r = err;
		if (err == -EPIPE)
			while (!list_empty(&c->queue))
				frame_free(c, list_entry(c->queue.next, struct frame, link));
	}
	for (int i = 0; i < BURST && r > 0 && !c->closing; i++)
		r = read_step(c);
	if (c->closing)
		return;
	if (r < 0)
		end(c, r == -ENODATA ? 0 : r);
	else
		poll_for_what_is_due(c);
}

int channel_open(uv_loop_t *loop, int fd, const struct channel_opts *o, struct channel **out)
{
	auto_close int mine = fd;
	auto_free struct channel *c = calloc(1, sizeof *c);
	int flags = fcntl(fd, F_GETFL);

	if (!c)
		return -ENOMEM;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	c->o = *o;
	list_init(&c->queue);
	int err = uv_poll_init(loop, &c->poll, fd);
	if (err)
		return err;
	c->fd = TAKE_FD(mine);
	poll_for_what_is_due(c);
	*out = TAKE_PTR(c);
	return 0;
}

int channel_send(struct channel *c, const char *text, size_t len, const int *fds, unsigned n_fds)
{
	if (len > CHANNEL_MAX || n_fds > CHANNEL_FDS)
		return -EINVAL;
	if (c->ended || c->closing)
		return -EPIPE;
	if (c->queued + len + HEADER > CHANNEL_BACKLOG)
		return -ENOBUFS;
	struct frame *f = malloc(sizeof *f + HEADER + len);
	if (!f)
		return -ENOMEM;
	*f = (struct frame){.length = HEADER + len};
	list_init(&f->link);
	for (int i = 0; i < HEADER; i++)
		f->bytes[i] = (char)(len >> 8 * i);
	memcpy(f->bytes + HEADER, text, len);
	for (; f->n_fds < n_fds; f->n_fds++) {
		f->fds[f->n_fds] = fcntl(fds[f->n_fds], F_DUPFD_CLOEXEC, 0);
		if (f->fds[f->n_fds] < 0) {
			int err = -errno;
			close_fds(f->fds, f->n_fds);
			free(f);
			return err;
		}
	}
	list_push(&c->queue, &f->link);
	c->queued += f->length;
	/* An error shows again, and is handled, when the loop finds the socket writable. */
	if (flush(c) < 0 || !list_empty(&c->queue))
		poll_for_what_is_due(c);
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct channel *c = container_of((uv_poll_t *)h, struct channel, poll);

	while (!list_empty(&c->queue))
		frame_free(c, list_entry(c->queue.next, struct frame, link));
	close_fds(c->fds, c->n_fds);
	close(c->fd);
	free(c->text);
	free(c);
}

void channel_close(struct channel *c)
{
	if (!c || c->closing)
		return;
	c->closing = true;
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_closed);
}
