"""What the lab uses of this host: loopback addresses, cgroups, processes, and what the kernel says of connections."""
import ctypes
import os
import random
import signal
import socket
import struct
import subprocess
import time

LOCK_PORT = 17042
PR_SET_PDEATHSIG = 1


interrupted = []  # signals that asked for the end: kept, since an exception can get lost in a library's callback


def interrupt(number, _):
    interrupted.append(number)
    raise KeyboardInterrupt


def check_interrupted():
    if interrupted:
        raise KeyboardInterrupt


class Late(AssertionError):
    """The deadline came first."""


def until(what, condition, seconds, every=0.1):
    """Ask condition() until it is true, and return what it said. what: for the message, a string or a function."""
    deadline = time.monotonic() + seconds
    while True:
        said = condition()
        if said:
            return said
        check_interrupted()
        if time.monotonic() >= deadline:
            raise Late("after %g s still not: %s" % (seconds, what() if callable(what) else what))
        time.sleep(every)


class Block:
    """127.a.b.1 to .250, ours while the lock socket lives (it goes with the process, whatever ends that)."""

    def __init__(self, a, b):
        """OSError when another run has it."""
        self.a, self.b = a, b
        self._lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._lock.bind(("127.%d.%d.254" % (a, b), LOCK_PORT))
            self._lock.listen(1)
        except OSError:
            self._lock.close()
            raise

    @classmethod
    def free(cls, tries=200):
        for _ in range(tries):
            try:
                return cls(random.randint(10, 63), random.randint(1, 254))
            except OSError:
                continue
        raise RuntimeError("no free block of loopback addresses in %d tries" % tries)

    @property
    def name(self):
        return "%dx%d" % (self.a, self.b)

    def addresses(self, side, nodes):
        """Of cluster `side` (0, 1), one a node."""
        return ["127.%d.%d.%d" % (self.a, self.b, side * 10 + n + 1) for n in range(nodes)]

    def close(self):
        self._lock.close()


def cgroup_mount():
    """Where cgroup v2 is mounted: /sys/fs/cgroup, or below it on hosts that keep v1 beside it."""
    with open("/proc/self/mountinfo") as f:
        for line in f:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                return fields[4]
    raise RuntimeError("no cgroup v2 hierarchy is mounted")


class Cgroup:
    """A cgroup of the lab's own below the mount."""

    def __init__(self, name):
        self.path = os.path.join(cgroup_mount(), name)
        os.makedirs(self.path, exist_ok=True)

    def pids(self):
        try:
            with open(os.path.join(self.path, "cgroup.procs")) as f:
                return [int(line) for line in f]
        except FileNotFoundError:
            return []

    def wrap(self, command):
        """The command, started inside: it joins before it becomes the program."""
        return ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', self.path] + command

    def remove(self):
        for pid in self.pids():
            kill(pid)
        until("%s is empty" % self.path, lambda: not self.pids(), 10)
        if os.path.isdir(self.path):
            os.rmdir(self.path)


def spawn(command, end_with_us=signal.SIGKILL, **options):
    """A child in a session of its own (a ^C is for the lab alone), which the kernel ends when the lab is killed."""
    libc = ctypes.CDLL(None)
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen(command, start_new_session=True,
                            preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, end_with_us), **options)


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap(process, seconds):
    """Wait, then by force; the exit code."""
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
        return None


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes_with(argument):
    """Pids of processes that have this word on their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                if argument.encode() in f.read().split(b"\0") and alive(int(pid)):
                    found.append(int(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def peers_of(pids):
    """Remote "address:port" of every established TCP connection of the processes, as the kernel has it: where the bytes really go."""
    inodes = set()
    for pid in pids:
        try:
            for fd in os.listdir("/proc/%d/fd" % pid):
                link = os.readlink("/proc/%d/fd/%s" % (pid, fd))
                if link.startswith("socket:["):
                    inodes.add(link[8:-1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = []
    with open("/proc/net/tcp") as f:
        for line in list(f)[1:]:
            fields = line.split()
            if fields[9] in inodes and fields[3] == "01":
                address, port = fields[2].split(":")
                found.append("%s:%d" % (socket.inet_ntoa(struct.pack("=I", int(address, 16))), int(port, 16)))
    return found
