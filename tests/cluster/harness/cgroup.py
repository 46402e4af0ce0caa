"""Sub-cgroups of the v2 hierarchy for the apps under test. The root cgroup is never touched."""
import os
import signal

from .wait import until


def mount():
    """Where cgroup v2 is mounted: /sys/fs/cgroup, or below it on hosts that keep v1 beside it."""
    with open("/proc/self/mountinfo") as f:
        for line in f:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2" and fields[3] == "/":
                return fields[4]
    raise RuntimeError("no cgroup v2 hierarchy is mounted")


class Cgroup:
    def __init__(self, path):
        self.path = path
        os.makedirs(path)

    @property
    def pids(self):
        with open(os.path.join(self.path, "cgroup.procs")) as f:
            return [int(line) for line in f]

    def wrap(self, command):
        """The command, started inside: it joins before it becomes the program."""
        return ["/bin/sh", "-c", 'echo 0 >"$0/cgroup.procs" && exec "$@"', self.path] + command

    def child(self, name):
        return Cgroup(os.path.join(self.path, name))

    def remove(self):
        """Ends what still runs in it; returns what that was."""
        if not os.path.isdir(self.path):
            return []
        left = self.pids
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        until("%s is empty" % self.path, lambda: not self.pids, 10)
        os.rmdir(self.path)
        return left
