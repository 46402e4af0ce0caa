#include "cli.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define DEFAULT_SOCKET "/run/seam/seamd.sock"
#define ANSWER_MAX     (64u << 20)

static const char *path_of(const struct cli *cli)
{
	const char *env = getenv("SEAM_SOCKET");

	return cli->socket ? cli->socket : env && *env ? env : DEFAULT_SOCKET;
}

static int dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof a.sun_path)
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
		return -errno;
	return TAKE_FD(fd);
}

static int send_line(int fd, json_t *request)
{
	auto_free char *text = json_dumps(request, JSON_COMPACT);
	size_t n = text ? strlen(text) : 0, sent = 0;

	if (!text)
		return -ENOMEM;
	text[n++] = '\n';
	while (sent < n) {
		ssize_t w = send(fd, text + sent, n - sent, MSG_NOSIGNAL);
		if (w < 0)
			return -errno;
		sent += (size_t)w;
	}
	return 0;
}

/* What came and was not a whole line yet. */
struct inbox {
	char *text;
	size_t n, room;
};

static int grow(struct inbox *in)
{
	char *more;

	if (in->room - in->n >= 4096)
		return 0;
	if (in->room >= ANSWER_MAX)
		return -EMSGSIZE;
	in->room = in->room ? in->room * 2 : 65536;
	more = realloc(in->text, in->room);
	if (!more)
		return -ENOMEM;
	in->text = more;
	return 0;
}

/* 1 and one line's JSON in *out, or negative errno. */
static int next_line(int fd, struct inbox *in, uint64_t deadline_ns, json_t **out)
{
	for (;;) {
		char *end = in->n ? memchr(in->text, '\n', in->n) : NULL;
		if (end) {
			size_t length = (size_t)(end - in->text) + 1;
			*out = json_loadb(in->text, length - 1, 0, NULL);
			memmove(in->text, end + 1, in->n -= length);
			return *out ? 1 : -EBADMSG;
		}
		uint64_t now = clock_mono_ns();
		struct pollfd p = {.fd = fd, .events = POLLIN};
		if (now >= deadline_ns)
			return -ETIMEDOUT;
		int r = poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1);
		if (r <= 0)
			continue;
		if (grow(in))
			return -EMSGSIZE;
		ssize_t got = read(fd, in->text + in->n, in->room - in->n);
		if (got <= 0)
			return got ? -errno : -ECONNRESET;
		in->n += (size_t)got;
	}
}

/* Until the line with "exit". Progress goes to stderr. */
static int converse(int fd, struct inbox *in, uint64_t deadline_ns, json_t **data, char *message, size_t size)
{
	for (;;) {
		json_t *line = NULL;
		int r = next_line(fd, in, deadline_ns, &line);
		const char *text;
		if (r < 0)
			return r;
		text = json_string_value(json_object_get(line, "progress"));
		if (text) {
			fprintf(stderr, "%s\n", text);
			json_decref(line);
			continue;
		}
		const json_t *exit = json_object_get(line, "exit");
		r = json_is_integer(exit) ? (int)json_integer_value(exit) : -EBADMSG;
		text = json_string_value(json_object_get(line, "message"));
		snprintf(message, size, "%s", text ? text : "");
		if (data)
			*data = json_incref(json_object_get(line, "data"));
		json_decref(line);
		return r;
	}
}

int client_try(const struct cli *cli, json_t *request, unsigned patience_s, json_t **data, bool *absent)
{
	const char *path = path_of(cli);
	struct inbox in = {0};
	char message[1024] = "";
	auto_close int fd = dial(path);
	int r = fd < 0 ? fd : send_line(fd, request);

	*absent = false;
	json_decref(request);
	if (r == 0)
		r = converse(fd, &in, clock_mono_ns() + patience_s * UINT64_C(1000000000), data, message,
			sizeof message);
	free(in.text);
	if (r >= 0) {
		if (*message)
			cli_fail(r, "%s", message);
		return r;
	}
	*absent = r != -EACCES && r != -EPERM;
	if (fd >= 0)
		return cli_fail(EXIT_ABSENT, "the daemon at %s does not answer: %s", path, strerror(-r));
	if (r == -EACCES)
		return cli_fail(EXIT_REFUSED, "%s: permission denied; members of the group seam may", path);
	return cli_fail(EXIT_ABSENT, "no daemon runs at %s: %s", path, strerror(-r));
}

int client_ask(const struct cli *cli, json_t *request, unsigned patience_s, json_t **data)
{
	bool absent;

	return client_try(cli, request, patience_s, data, &absent);
}
