#include "ctl/control.h"
#include "base/list.h"
#include "base/log.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>

struct client {
	struct list link; /* in age order */
	struct control *control;
	uv_pipe_t pipe;
	uv_timer_t patience;
	struct control_request *asked; /* being answered */
	char *line;
	size_t got;
	unsigned handles; /* that must close before the client is freed */
	bool closing;
};

struct control_request {
	struct client *client; /* NULL: gone */
};

struct control {
	struct control_opts o;
	uv_loop_t *loop;
	uv_pipe_t pipe;
	struct list clients;
	unsigned n_clients;
	char path[128];
	bool closing;
};

struct write {
	uv_write_t req;
	char *text;
};

static void client_forget(struct client *c)
{
	if (c->asked)
		c->asked->client = NULL;
	c->asked = NULL;
}

static void free_if_last(struct control *c)
{
	if (c->closing && !c->n_clients && !uv_is_active((uv_handle_t *)&c->pipe) && !c->pipe.data)
		free(c);
}

static void on_client_handle_closed(uv_handle_t *h)
{
	struct client *c = h->data;

	if (--c->handles)
		return;
	struct control *control = c->control;
	control->n_clients--;
	free(c->line);
	free(c);
	free_if_last(control);
}

static void client_close(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	client_forget(c);
	list_del(&c->link);
	uv_close((uv_handle_t *)&c->pipe, on_client_handle_closed);
	uv_close((uv_handle_t *)&c->patience, on_client_handle_closed);
}

static void on_impatient(uv_timer_t *t)
{
	client_close(t->data);
}

static void be_patient(struct client *c, bool bounded)
{
	if (bounded)
		uv_timer_start(&c->patience, on_impatient, CONTROL_PATIENCE_MS, 0);
	else
		uv_timer_stop(&c->patience);
}

static void on_written(uv_write_t *req, int status)
{
	struct write *w = container_of(req, struct write, req);
	struct client *c = req->handle->data;

	free(w->text);
	free(w);
	if (status < 0)
		client_close(c);
}

/* Steals `j`. A client that takes nothing has a few progress lines and one answer queued at most, until its patience ends. */
static void say(struct client *c, json_t *j)
{
	struct write *w = calloc(1, sizeof *w);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	size_t n = text ? strlen(text) : 0;

	json_decref(j);
	if (!w || !text || c->closing) {
		free(w);
		free(text);
		client_close(c);
		return;
	}
	text[n] = '\n'; /* in place of the NUL: the length rules */
	w->text = text;
	uv_buf_t buf = uv_buf_init(text, (unsigned)(n + 1));
	if (uv_write(&w->req, (uv_stream_t *)&c->pipe, &buf, 1, on_written)) {
		free(text);
		free(w);
		client_close(c);
	}
}

void control_progress(struct control_request *r, const char *text)
{
	/* Who doesn't read must not make us hoard lines: progress is for those who watch. */
	if (r->client && uv_stream_get_write_queue_size((uv_stream_t *)&r->client->pipe) < CONTROL_LINE)
		say(r->client, json_pack("{s:s}", "progress", text));
}

static void take_line(struct client *c);

void control_answer(struct control_request *r, int exit, json_t *data, const char *message)
{
	struct client *c = r->client;

	free(r);
	if (!c) {
		json_decref(data);
		return;
	}
	c->asked = NULL;
	say(c, json_pack("{s:i, s:o?, s:s?}", "exit", exit, "data", data ? data : json_null(), "message",
		       message));
	if (c->closing)
		return;
	be_patient(c, true);
	take_line(c);
}

static void refuse(struct client *c, const char *why)
{
	say(c, json_pack("{s:i, s:n, s:s}", "exit", 2, "data", "message", why));
}

/* Looks for one whole request in what has come; the rest waits until it is answered. */
static void take_line(struct client *c)
{
	char *end = memchr(c->line, '\n', c->got);
	json_t *request;

	if (c->asked || c->closing)
		return;
	if (!end) {
		if (c->got == CONTROL_LINE) {
			log_warn("control_refused", "error=" LOGV, log_quote("a request longer than 64 KiB"));
			client_close(c);
		}
		return;
	}
	size_t n = (size_t)(end - c->line);
	request = json_loadb(c->line, n, JSON_REJECT_DUPLICATES, NULL);
	c->got -= n + 1;
	memmove(c->line, end + 1, c->got);
	if (!json_is_object(request)) {
		json_decref(request);
		refuse(c, "the request is no JSON object");
		be_patient(c, true);
		take_line(c);
		return;
	}
	c->asked = calloc(1, sizeof *c->asked);
	if (!c->asked) {
		json_decref(request);
		client_close(c);
		return;
	}
	c->asked->client = c;
	be_patient(c, false);
	c->control->o.on_request(c->control->o.ctx, c->asked, request);
	json_decref(request);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *buf)
{
	struct client *c = h->data;

	(void)hint;
	*buf = uv_buf_init(c->line + c->got, (unsigned)(CONTROL_LINE - c->got));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = s->data;

	(void)buf;
	if (n < 0) { /* ENOBUFS too: a client that goes on talking while its request is answered */
		client_close(c);
		return;
	}
	c->got += (size_t)n;
	take_line(c);
}

/* Room for one more: the one that has been silent for longest makes it. */
static void evict(struct control *c)
{
	list_for_each (l, &c->clients) {
		struct client *old = list_entry(l, struct client, link);
		if (!old->asked) {
			client_close(old);
			return;
		}
	}
	client_close(list_entry(c->clients.next, struct client, link));
}

static void on_connection(uv_stream_t *s, int status)
{
	struct control *c = container_of((uv_pipe_t *)s, struct control, pipe);
	struct client *n = calloc(1, sizeof *n);

	if (status < 0 || !n) {
		free(n);
		return;
	}
	n->line = malloc(CONTROL_LINE);
	n->control = c;
	list_init(&n->link);
	uv_pipe_init(c->loop, &n->pipe, 0);
	uv_timer_init(c->loop, &n->patience);
	n->pipe.data = n->patience.data = n;
	n->handles = 2;
	if (c->n_clients++ >= CONTROL_CLIENTS && !list_empty(&c->clients))
		evict(c);
	list_push(&c->clients, &n->link);
	if (!n->line || uv_accept(s, (uv_stream_t *)&n->pipe) ||
		uv_read_start((uv_stream_t *)&n->pipe, on_alloc, on_read)) {
		client_close(n);
		return;
	}
	be_patient(n, true);
}

static int hand_to_group(const char *path)
{
	const struct group *g = getgrnam("seam");

	/* Without the group, or as another user than root (tests), the socket stays its owner's. */
	if (g && geteuid() == 0 && chown(path, 0, g->gr_gid))
		return -errno;
	return chmod(path, 0660) ? -errno : 0;
}

static void on_listener_closed(uv_handle_t *h)
{
	struct control *c = container_of((uv_pipe_t *)h, struct control, pipe);

	c->pipe.data = NULL;
	free_if_last(c);
}

int control_open(uv_loop_t *loop, const struct control_opts *o, struct control **out, struct reason *why)
{
	struct control *c = calloc(1, sizeof *c);
	int err;

	if (!c)
		return reason_set(why, -ENOMEM, "no memory");
	c->o = *o;
	c->loop = loop;
	list_init(&c->clients);
	strncpy(c->path, o->path, sizeof c->path - 1);
	uv_pipe_init(loop, &c->pipe, 0);
	c->pipe.data = c;
	unlink(c->path);
	mode_t mask = umask(0177); /* nobody gets in between bind and chmod */
	err = uv_pipe_bind(&c->pipe, c->path);
	umask(mask);
	if (!err)
		err = hand_to_group(c->path);
	if (!err)
		err = uv_listen((uv_stream_t *)&c->pipe, 16, on_connection);
	if (!err) {
		*out = c;
		return 0;
	}
	c->closing = true;
	uv_close((uv_handle_t *)&c->pipe, on_listener_closed);
	return reason_set(why, err, "control socket %s: %s", o->path, strerror(-err));
}

void control_close(struct control *c)
{
	if (!c || c->closing)
		return;
	c->closing = true;
	unlink(c->path);
	list_for_each_safe (l, &c->clients)
		client_close(list_entry(l, struct client, link));
	uv_close((uv_handle_t *)&c->pipe, on_listener_closed);
}
