#include "ctl/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CREDENTIALS_MAX 4096

static int check_file(const char *file, int fd, struct reason *why)
{
	struct stat st;

	if (fstat(fd, &st))
		return reason_set(why, -EINVAL, "credentials file %s: %s, expected a readable file", file,
			strerror(errno));
	if (!S_ISREG(st.st_mode))
		return reason_set(why, -EINVAL, "credentials %s is not a file, expected one", file);
	if (st.st_mode & 077)
		return reason_set(why, -EINVAL, "credentials file %s has mode %04o, expected 0600", file,
			st.st_mode & 07777u);
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return reason_set(why, -EINVAL,
			"credentials file %s belongs to uid %u, expected root or uid %u", file,
			(unsigned)st.st_uid, (unsigned)geteuid());
	if (st.st_size > CREDENTIALS_MAX)
		return reason_set(why, -EINVAL,
			"credentials file %s is larger than %d bytes, expected two lines", file,
			CREDENTIALS_MAX);
	return 0;
}

/* The value of `key: value` in one line, blanks around it dropped; NULL when it is another line. */
static char *value_of(char *line, const char *key)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, n) || line[n] != ':')
		return NULL;
	line += n + 1;
	line += strspn(line, " \t");
	for (n = strlen(line); n && strchr(" \t\r", line[n - 1]); n--)
		line[n - 1] = 0;
	if (n >= 2 && (line[0] == '"' || line[0] == '\'') && line[n - 1] == line[0]) {
		line[n - 1] = 0;
		line++;
	}
	return line;
}

static int parse(const char *file, char *text, char **user, char **password, struct reason *why)
{
	char *found[2] = {NULL, NULL}, *save = NULL;
	static const char *const keys[] = {"user", "password"};
	unsigned at = 0;

	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		at++;
		if (!line[strspn(line, " \t\r")])
			continue;
		int i = 0;
		while (i < 2 && (found[i] || !(save = value_of(line, keys[i]))))
			i++;
		if (i == 2) /* never show the line: it may be a password */
			return reason_set(why, -EINVAL,
				"%s:%u: neither user nor password, or one of them twice, expected the lines "
				"user: NAME and password: WORD",
				file, at);
		found[i] = save;
	}
	if (!found[0] || !*found[0] || !found[1])
		return reason_set(why, -EINVAL,
			"%s:%u: %s is missing, expected the lines user: NAME and password: WORD", file, at,
			!found[0] || !*found[0] ? "user" : "password");
	auto_free char *u = strdup(found[0]), *p = strdup(found[1]);
	if (!u || !p)
		return reason_set(why, -ENOMEM, "no memory");
	*user = TAKE_PTR(u);
	*password = TAKE_PTR(p);
	return 0;
}

int credentials_load(const char *file, char **user, char **password, struct reason *why)
{
	auto_close int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a fifo must not hold us up */
	char text[CREDENTIALS_MAX + 1];
	int err;

	if (fd < 0)
		return reason_set(why, -EINVAL,
			"credentials file %s cannot be opened: %s, expected a readable file", file,
			strerror(errno));
	err = check_file(file, fd, why);
	if (err)
		return err;
	ssize_t n = read(fd, text, CREDENTIALS_MAX);
	if (n < 0 || memchr(text, 0, (size_t)n))
		err = reason_set(
			why, -EINVAL, "credentials file %s cannot be read, expected two lines of text", file);
	if (!err) {
		text[n] = 0;
		err = parse(file, text, user, password, why);
	}
	explicit_bzero(text, sizeof text);
	return err;
}
