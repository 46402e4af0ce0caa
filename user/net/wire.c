#include "net/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/tcp.h>

struct wire {
	uv_tcp_t tcp;
	uv_timer_t timer; /* of the dial, then of finish */
	uv_async_t again; /* offers saved input after reading went on; made only when needed */
	struct wire_hub *hub;
	struct wire_ops ops;
	void *ctx;
	uv_connect_t connect;
	uint8_t *saved; /* input not consumed */
	size_t saved_n;
	uint8_t *queue; /* output behind the write under way */
	size_t queue_n, queue_cap;
	size_t writing_n;
	uint8_t *writing;
	uv_write_t write;
	int fault;       /* found inside a call; told from the loop */
	uint8_t handles; /* not closed yet: freed at zero */
	bool offering;   /* saved input waits for on_again() */
	bool open, reading, started, ended, closed, finishing, has_timer, has_again;
};

int wire_hub_init(struct wire_hub *h, uv_loop_t *loop)
{
	uint8_t *p = malloc(WIRE_BUFFER);

	if (!p)
		return -ENOMEM;
	*h = (struct wire_hub){.loop = loop, .buffer = p, .cap = WIRE_BUFFER};
	return 0;
}

void wire_hub_fini(struct wire_hub *h)
{
	free(TAKE_PTR(h->buffer));
}

static void on_closed(uv_handle_t *handle)
{
	struct wire *w = handle->data;

	if (--w->handles)
		return;
	free(w->saved);
	free(w->queue);
	free(w->writing);
	free(w);
}

static void close_handles(struct wire *w)
{
	uv_close((uv_handle_t *)&w->tcp, on_closed);
	if (w->has_timer)
		uv_close((uv_handle_t *)&w->timer, on_closed);
	if (w->has_again)
		uv_close((uv_handle_t *)&w->again, on_closed);
}

static void end(struct wire *w, int err)
{
	if (w->started)
		uv_read_stop((uv_stream_t *)&w->tcp);
	w->started = false;
	if (w->closed) {
		if (w->finishing) {
			w->finishing = false;
			close_handles(w);
		}
		return;
	}
	if (w->ended)
		return;
	w->ended = true;
	w->ops.on_end(w->ctx, err);
}

/* Offer `n` bytes, keep what was left. `p` may lie in saved or in the hub's buffer. */
static void offer(struct wire *w, const uint8_t *p, size_t n)
{
	size_t used = w->ops.on_input(w->ctx, p, n);
	uint8_t *keep = NULL;

	if (w->closed)
		return;
	if (used < n) {
		keep = malloc(n - used);
		if (!keep) {
			end(w, -ENOMEM);
			return;
		}
		memcpy(keep, p + used, n - used);
	}
	free(w->saved);
	w->saved = keep;
	w->saved_n = n - used;
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
	struct wire *w = handle->data;

	(void)hint;
	if (w->saved_n)
		memcpy(w->hub->buffer, w->saved, w->saved_n);
	*buf = uv_buf_init((char *)w->hub->buffer + w->saved_n, (unsigned)(w->hub->cap - w->saved_n));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct wire *w = stream->data;

	(void)buf;
	if (n > 0 && !w->closed)
		offer(w, w->hub->buffer, w->saved_n + (size_t)n);
	else if (n == UV_ENOBUFS)
		end(w, -EMSGSIZE); /* the owner left more than half a hub buffer */
	else if (n < 0)
		end(w, n == UV_EOF ? 0 : (int)n);
}

static void call_again(struct wire *w);

static void apply_reading(struct wire *w)
{
	bool want = w->open && w->reading && !w->ended && !w->closed && !w->offering;

	if (want == w->started)
		return;
	w->started = want;
	if (!want) {
		uv_read_stop((uv_stream_t *)&w->tcp);
		return;
	}
	int err = uv_read_start((uv_stream_t *)&w->tcp, on_alloc, on_read);
	if (err) {
		w->started = false;
		w->fault = err;
		call_again(w);
	}
}

static void on_again(uv_async_t *a)
{
	struct wire *w = a->data;

	if (w->fault)
		end(w, w->fault);
	if (w->closed || w->ended)
		return;
	w->offering = false;
	if (w->reading && w->saved_n) {
		uint8_t *p = TAKE_PTR(w->saved);
		size_t n = w->saved_n;
		w->saved_n = 0;
		offer(w, p, n);
		free(p);
	}
	if (!w->closed)
		apply_reading(w);
}

/* Have on_again() called from the loop. An async handle costs memory, so that a wire has one only once it needed it. */
static void call_again(struct wire *w)
{
	if (!w->has_again) {
		if (uv_async_init(w->hub->loop, &w->again, on_again))
			return; /* eventfd or memory gone: the next read or write reports it */
		w->again.data = w;
		w->has_again = true;
		w->handles++;
	}
	uv_async_send(&w->again);
}

void wire_reading(struct wire *w, bool on)
{
	if (w->reading == on || w->closed)
		return;
	w->reading = on;
	/* What was saved goes first, and may fill the hub's whole buffer: nothing is read before it was offered. */
	w->offering = on && w->saved_n;
	apply_reading(w);
	if (w->offering)
		call_again(w);
}

static void pump(struct wire *w);

static void on_written(uv_write_t *req, int status)
{
	struct wire *w = req->handle->data;

	free(TAKE_PTR(w->writing));
	w->writing_n = 0;
	if (status == UV_ECANCELED)
		return;
	if (status < 0) {
		end(w, status);
		return;
	}
	pump(w);
	if (w->writing_n)
		return;
	if (w->finishing) {
		w->finishing = false;
		close_handles(w);
	} else if (!w->closed && w->ops.on_drain) {
		w->ops.on_drain(w->ctx);
	}
}

/* Hand the queue to libuv, whole. */
static void pump(struct wire *w)
{
	if (!w->open || w->writing_n || !w->queue_n)
		return;
	w->writing = TAKE_PTR(w->queue);
	w->writing_n = w->queue_n;
	w->queue_n = w->queue_cap = 0;
	uv_buf_t b = uv_buf_init((char *)w->writing, (unsigned)w->writing_n);
	int err = uv_write(&w->write, (uv_stream_t *)&w->tcp, &b, 1, on_written);
	if (err) {
		free(TAKE_PTR(w->writing));
		w->writing_n = 0;
		w->fault = err;
		call_again(w);
	}
}

static bool enqueue(struct wire *w, const uint8_t *p, size_t n)
{
	if (w->queue_cap - w->queue_n < n) {
		size_t cap = w->queue_cap ? w->queue_cap : 4096;
		while (cap - w->queue_n < n)
			cap *= 2;
		uint8_t *q = realloc(w->queue, cap);
		if (!q)
			return false;
		w->queue = q;
		w->queue_cap = cap;
	}
	memcpy(w->queue + w->queue_n, p, n);
	w->queue_n += n;
	return true;
}

void wire_write(struct wire *w, const uint8_t *p, size_t n)
{
	if (w->closed || w->ended || !n)
		return;
	if (w->open && !w->writing_n && !w->queue_n) {
		uv_buf_t b = uv_buf_init((char *)p, (unsigned)n);
		int done = uv_try_write((uv_stream_t *)&w->tcp, &b, 1);
		/* an error shows again in uv_write below, which reports it from the loop */
		if (done > 0) {
			p += done;
			n -= (size_t)done;
		}
	}
	if (!n)
		return;
	if (enqueue(w, p, n)) {
		pump(w);
	} else {
		w->fault = -ENOMEM;
		call_again(w);
	}
}

size_t wire_backlog(const struct wire *w)
{
	return w->writing_n + w->queue_n;
}

size_t wire_held(const struct wire *w)
{
	return w->saved_n;
}

static void on_timer(uv_timer_t *t)
{
	struct wire *w = t->data;

	if (w->finishing) {
		w->finishing = false;
		close_handles(w);
	} else if (!w->open) {
		end(w, -ETIMEDOUT);
	}
}

static int start_timer(struct wire *w, unsigned ms)
{
	if (!w->has_timer) {
		int err = uv_timer_init(w->hub->loop, &w->timer);
		if (err)
			return err;
		w->timer.data = w;
		w->has_timer = true;
		w->handles++;
	}
	return uv_timer_start(&w->timer, on_timer, ms, 0);
}

static struct wire *make(struct wire_hub *h, const struct wire_ops *ops, void *ctx)
{
	struct wire *w = calloc(1, sizeof *w);

	if (!w)
		return NULL;
	w->hub = h;
	w->ops = *ops;
	w->ctx = ctx;
	w->reading = true;
	w->tcp.data = w;
	if (uv_tcp_init(h->loop, &w->tcp)) {
		free(w);
		return NULL;
	}
	w->handles = 1;
	return w;
}

int wire_adopt(struct wire_hub *h, int fd, const struct wire_ops *ops, void *ctx, struct wire **out)
{
	auto_close int own = fd;
	struct wire *w = make(h, ops, ctx);

	if (!w)
		return -ENOMEM;
	int err = uv_tcp_open(&w->tcp, own);
	if (err) {
		wire_close(w, false);
		return err;
	}
	TAKE_FD(own);
	uv_tcp_nodelay(&w->tcp, 1);
	w->open = true;
	apply_reading(w);
	*out = w;
	return 0;
}

static void on_connected(uv_connect_t *c, int status)
{
	struct wire *w = c->handle->data;

	if (status == UV_ECANCELED || w->closed)
		return;
	uv_timer_stop(&w->timer);
	if (status < 0) {
		end(w, status);
		return;
	}
	w->open = true;
	uv_tcp_nodelay(&w->tcp, 1);
	apply_reading(w);
	pump(w);
	if (w->ops.on_open)
		w->ops.on_open(w->ctx);
}

int wire_dial(struct wire_hub *h, const struct endpoint *to, unsigned timeout_ms, const struct wire_ops *ops,
	void *ctx, struct wire **out)
{
	struct wire *w = make(h, ops, ctx);
	struct sockaddr_storage ss;

	if (!w)
		return -ENOMEM;
	endpoint_to_sockaddr(to, &ss);
	int err = start_timer(w, timeout_ms);
	if (!err)
		err = uv_tcp_connect(&w->connect, &w->tcp, (const struct sockaddr *)&ss, on_connected);
	if (err) {
		wire_close(w, false);
		return err;
	}
	*out = w;
	return 0;
}

void wire_close(struct wire *w, bool reset)
{
	if (!w || w->closed)
		return;
	w->closed = true;
	w->started = false;
	if (reset && w->open) {
		struct linger l = {.l_onoff = 1};
		uv_os_fd_t fd;
		if (uv_fileno((uv_handle_t *)&w->tcp, &fd) == 0)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
	}
	close_handles(w);
}

void wire_finish(struct wire *w, unsigned timeout_ms)
{
	if (!w || w->closed)
		return;
	if (w->ended || !w->open || !wire_backlog(w) || start_timer(w, timeout_ms)) {
		wire_close(w, false);
		return;
	}
	w->closed = w->finishing = true;
	if (w->started)
		uv_read_stop((uv_stream_t *)&w->tcp);
	w->started = false;
}
