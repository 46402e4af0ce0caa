/* Mirrors that outlived a former keeper: their sessions are counted, follow phases and detach, and are never left to themselves. */
#include "base/clock.h"
#include "ctl/keeper_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

static int dial(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof a.sun_path)
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof a))
		return -errno;
	return TAKE_FD(fd);
}

/* Who listens there, by the kernel's word: the file's name is not evidence enough to kill by. */
static int listener_of(int fd, pid_t *pid)
{
	struct ucred cred;
	socklen_t n = sizeof cred;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n))
		return -errno;
	int pidfd = (int)syscall(SYS_pidfd_open, cred.pid, 0);
	if (pidfd < 0)
		return -errno;
	*pid = cred.pid;
	return pidfd;
}

static void take_over(struct keeper *k, const char *path)
{
	struct keeper_mirror *m = keeper_mirror_new(k);
	auto_close int fd = dial(path);
	int err = m ? fd : -ENOMEM;

	if (err >= 0)
		err = m->pidfd = listener_of(fd, &m->pid);
	if (err >= 0) {
		m->elder = true;
		err = keeper_mirror_open(m, TAKE_FD(fd));
	}
	if (err < 0) {
		/* Nobody listens any more, or nobody can: whoever is behind it has no listeners and no keeper. */
		log_info("elder_not_there", "path=%s error=" LOGV, path, log_quote(strerror(-err)));
		if (err == -ECONNREFUSED || err == -ESRCH)
			unlink(path);
		if (m)
			keeper_mirror_free(m);
		return;
	}
	list_push(&k->elders, &m->link);
	log_info("elder_taken_over", "pid=%d", m->pid);
	keeper_tell(m, "config", keeper_config_json(k));
	for (size_t i = 0; i < k->config->n_apps; i++)
		if (!k->apps[i].want)
			keeper_tell(m, "unlisten", json_pack("{s:s}", "app", k->config->apps[i].name));
		else /* it may have been told another phase that never was kept */
			keeper_tell(m, "phase",
				json_pack("{s:s s:s}", "app", k->config->apps[i].name, "phase",
					phases_name(keeper_app_phase(&k->apps[i]))));
	keeper_mirror_tick(m, clock_mono_ns()); /* asks for its status: no answer, no elder */
}

void keeper_elders_find(struct keeper *k)
{
	DIR *d = opendir(k->config->run_dir);
	struct dirent *e;
	unsigned n = 0;

	while (d && (e = readdir(d))) {
		char path[400];
		int pid, end = 0;
		if (sscanf(e->d_name, "mirror.%d.sock%n", &pid, &end) != 1 || !end || e->d_name[end])
			continue;
		snprintf(path, sizeof path, "%s/%s", k->config->run_dir, e->d_name);
		if (n++ < KEEPER_MIRRORS - 2)
			take_over(k, path);
		else
			log_warn("elder_ignored", "path=%s reason=" LOGV, path,
				log_quote("there are too many"));
	}
	if (d)
		closedir(d);
}
