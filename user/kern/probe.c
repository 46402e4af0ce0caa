#include "kern/probe.h"

#include "bpf/capture.skel.h"
#include "kern/cgroup.h"
#include "kern/diag.h"
#include "kern/pins.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

/* Instructions of the tiny programs (linux/filter.h of the kernel has these macros, the UAPI has not). */
#define INSN(c, d, s, o, i)                                                                                  \
	((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOV(d, i)     INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOVR(d, s)    INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD(d, i)     INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define ST0(d, o)     INSN(BPF_ST | BPF_MEM | BPF_W, d, 0, o, 0)
#define CALL(f)       INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define JEQ0(d, o)    INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, 0)
#define MAP_LO(d, fd) INSN(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, fd)
#define MAP_HI        INSN(0, 0, 0, 0, 0)
#define EXIT          INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	(void)level, (void)fmt, (void)ap;
	return 0;
}

static void set(struct probe_row *r, const char *name, int err, const char *good, const char *bad)
{
	r->name = name;
	r->ok = err >= 0;
	if (r->ok)
		snprintf(r->detail, sizeof r->detail, "%s", good);
	else
		snprintf(r->detail, sizeof r->detail, "%s (%s)", bad, strerror(-err));
}

static int load(enum bpf_prog_type type, enum bpf_attach_type at, const struct bpf_insn *insns, size_t n)
{
	LIBBPF_OPTS(bpf_prog_load_opts, o, .expected_attach_type = at);
	int fd = bpf_prog_load(type, "seam_probe", "Dual BSD/GPL", insns, n, &o);

	return fd < 0 ? -errno : fd;
}

static int load_and_forget(
	enum bpf_prog_type type, enum bpf_attach_type at, const struct bpf_insn *insns, size_t n)
{
	int fd = load(type, at, insns, n);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int map(enum bpf_map_type type, __u32 key, __u32 value, __u32 n, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = flags);
	int fd = bpf_map_create(type, "seam_probe", key, value, n, &o);

	return fd < 0 ? -errno : fd;
}

static int try_map(enum bpf_map_type type, __u32 key, __u32 value, __u32 n)
{
	int fd = map(type, key, value, n, 0);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int try_hook(enum bpf_prog_type type, enum bpf_attach_type at)
{
	const struct bpf_insn allow[] = {MOV(BPF_REG_0, 1), EXIT};

	return load_and_forget(type, at, allow, ARRAY_LEN(allow));
}

static int try_sockmap_lookup(void)
{
	auto_close int fd = map(BPF_MAP_TYPE_SOCKMAP, 4, 8, 1, 0);
	const struct bpf_insn prog[] = {
		ST0(BPF_REG_10, -4),
		MOVR(BPF_REG_2, BPF_REG_10),
		ADD(BPF_REG_2, -4),
		MAP_LO(BPF_REG_1, fd),
		MAP_HI,
		CALL(BPF_FUNC_map_lookup_elem),
		JEQ0(BPF_REG_0, 2),
		MOVR(BPF_REG_1, BPF_REG_0),
		CALL(BPF_FUNC_sk_release),
		MOV(BPF_REG_0, 1),
		EXIT,
	};

	if (fd < 0)
		return fd;
	return load_and_forget(
		BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, prog, ARRAY_LEN(prog));
}

static int try_set_retval(void)
{
	const struct bpf_insn prog[] = {
		MOV(BPF_REG_1, -ECONNREFUSED), CALL(BPF_FUNC_set_retval), MOV(BPF_REG_0, 0), EXIT};

	return load_and_forget(
		BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, prog, ARRAY_LEN(prog));
}

static int try_mmap(void)
{
	auto_close int fd = map(BPF_MAP_TYPE_ARRAY, 4, 8, 1, BPF_F_MMAPABLE);
	void *page;

	if (fd < 0)
		return fd;
	page = mmap(NULL, 8, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	munmap(page, 8);
	return 0;
}

/* What the mirror does: no capabilities, an inherited fd, look up and delete. In a child, since privileges don't come back. */
static int try_unprivileged(void)
{
	auto_close int fd = map(BPF_MAP_TYPE_HASH, 4, 4, 4, 0);
	__u32 key = 1, value = 2;
	int status;
	pid_t pid;

	if (fd < 0)
		return fd;
	if (bpf_map_update_elem(fd, &key, &value, BPF_ANY))
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
			setresuid(NOBODY, NOBODY, NOBODY))
			_exit(errno);
		_exit(bpf_map_lookup_and_delete_elem(fd, &key, &value) ? errno : value == 2 ? 0 : EIO);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

static int see_cgroup(void *arg, const struct diag_socket *s)
{
	int *seen = arg;

	*seen = s->cgroup ? 1 : -1;
	return -ECANCELED;
}

static int try_sock_diag(void)
{
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int seen = 0, err;

	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof sa) || listen(fd, 1))
		return -errno;
	err = diag_dump(1u << TCP_LISTEN, see_cgroup, &seen);
	if (seen)
		return seen > 0 ? 0 : -EOPNOTSUPP;
	return err ? err : -ENOENT;
}

static int try_netns_cookie(void)
{
	auto_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t cookie;
	socklen_t len = sizeof cookie;

	return fd < 0 || getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) ? -errno : 0;
}

static int link_and_pin(const char *cgroup, const char *pin)
{
	const struct bpf_insn allow[] = {MOV(BPF_REG_0, 1), EXIT};
	auto_close int prog = load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, allow, 2),
		       dir = -1, link = -1;

	if (prog < 0)
		return prog;
	dir = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	link = bpf_link_create(prog, dir, BPF_CGROUP_INET4_CONNECT, NULL);
	if (link < 0 || bpf_obj_pin(link, pin))
		return -errno;
	return unlink(pin) ? -errno : 0;
}

/* In an empty cgroup of its own, made and removed. */
static int try_link(const char *root)
{
	char cgroup[CGROUP_PATH + 64], pin[64];
	int err;

	snprintf(cgroup, sizeof cgroup, "%s/seam-probe-%d", root, (int)getpid());
	snprintf(pin, sizeof pin, PINS_ROOT "/seam-probe-%d", (int)getpid());
	if (mkdir(cgroup, 0700))
		return -errno;
	err = link_and_pin(cgroup, pin);
	if (rmdir(cgroup) && !err)
		err = -errno;
	return err;
}

static int try_programs(void)
{
	struct capture_bpf *skel = capture_bpf__open_and_load();

	if (!skel)
		return -errno;
	capture_bpf__destroy(skel);
	return 0;
}

static size_t probe_hooks(struct probe_row *r)
{
	static const struct {
		const char *name, *use;
		enum bpf_prog_type type;
		enum bpf_attach_type at;
	} hooks[] = {
		{"hook connect4", "takes IPv4 connections", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
			BPF_CGROUP_INET4_CONNECT},
		{"hook connect6", "takes IPv6 and JVMs' connections", BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
			BPF_CGROUP_INET6_CONNECT},
		{"hook getpeername4", "shows the app the address it asked for",
			BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME},
		{"hook getpeername6", "shows the app the address it asked for",
			BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_GETPEERNAME},
		{"hook sockops", "tells the mirror whose connection it accepts", BPF_PROG_TYPE_SOCK_OPS,
			BPF_CGROUP_SOCK_OPS},
		{"hook sock_release", "forgets connections that ended", BPF_PROG_TYPE_CGROUP_SOCK,
			BPF_CGROUP_INET_SOCK_RELEASE},
	};

	for (size_t i = 0; i < ARRAY_LEN(hooks); i++) {
		char bad[128];

		snprintf(bad, sizeof bad, "not in this kernel: it %s", hooks[i].use);
		set(&r[i], hooks[i].name, try_hook(hooks[i].type, hooks[i].at), hooks[i].use, bad);
	}
	return ARRAY_LEN(hooks);
}

static size_t probe_host(struct probe_row *r, char root[CGROUP_PATH])
{
	struct reason why = {0};
	size_t n = 0;
	int err;

	err = geteuid() ? -EPERM : 0;
	set(&r[n++], "privileges", err, "root", "needs root");
	err = try_map(BPF_MAP_TYPE_ARRAY, 4, 8, 1);
	set(&r[n++], "bpf syscall", err, "maps can be made",
		"no maps can be made: kernel without BPF, or not enough privileges");
	root[0] = 0;
	err = cgroup_mount(root, &why);
	set(&r[n++], "cgroup v2", err, root, why.text);
	why.text[0] = 0;
	err = pins_mount(&why);
	set(&r[n++], "bpf file system", err, PINS_ROOT, why.text);
	return n;
}

size_t probe_all(struct probe_row rows[PROBE_ROWS])
{
	libbpf_print_fn_t was = libbpf_set_print(quiet);
	char root[CGROUP_PATH];
	size_t n = probe_host(rows, root);

	n += probe_hooks(rows + n);
	set(&rows[n++], "socket map lookup", try_sockmap_lookup(),
		"the connect hook can see whether the mirror listens",
		"the connect hook can't look into a socket map: no gate");
	set(&rows[n++], "set_retval", try_set_retval(), "a connect can be refused with ECONNREFUSED",
		"the connect hook can't choose an error (Linux 5.18)");
	set(&rows[n++], "mmapable array", try_mmap(), "heartbeat and counters",
		"arrays can't be mapped: no heartbeat (Linux 5.5)");
	set(&rows[n++], "ring buffer", try_map(BPF_MAP_TYPE_RINGBUF, 0, 0, 4096), "events",
		"no event ring (Linux 5.8)");
	set(&rows[n++], "links and pins", root[0] ? try_link(root) : -ENOENT, "hooks outlive the daemon",
		"hooks can't be linked to a cgroup and pinned");
	set(&rows[n++], "unprivileged map access", try_unprivileged(), "the mirror needs no capability",
		"a process without capabilities can't use a map by its fd (Linux 5.19)");
	set(&rows[n++], "socket diagnosis", try_sock_diag(), "direct connections are found by cgroup",
		"sock_diag shows no cgroup of a socket (Linux 5.9)");
	set(&rows[n++], "netns cookie", try_netns_cookie(),
		"connections of other network namespaces are told apart", "no SO_NETNS_COOKIE (Linux 5.14)");
	set(&rows[n++], "capture programs", try_programs(), "accepted by this kernel's verifier",
		"this kernel refuses them");
	libbpf_set_print(was);
	return n;
}
