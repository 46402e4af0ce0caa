"""Apps under test, as the harness sees them: a process in a cgroup of its own."""
import json
import os
import select
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection

HERE = os.path.dirname(os.path.abspath(__file__))
APPS = os.path.join(os.path.dirname(HERE), "apps")
PYTHON = "/usr/bin/python3"


class PartFailed(AssertionError):
    """An app part raised; the message is its traceback."""


class Worker:
    """Runs app parts (see apps/worker.py). Started at the first call, so a cgroup may be attached before."""

    def __init__(self, cgroup, contacts, auth):
        self.cgroup, self.contacts, self.auth = cgroup, contacts, auth
        self._process = self._link = None

    @property
    def pid(self):
        return self._process.pid

    def _start(self):
        ours, theirs = socket.socketpair()
        with theirs:
            command = [PYTHON, os.path.join(APPS, "worker.py"), str(theirs.fileno())]
            self._process = subprocess.Popen(self.cgroup.wrap(command), stdin=subprocess.DEVNULL,
                                             pass_fds=[theirs.fileno()])
        self._link = Connection(ours.detach())

    def begin(self, part, *args):
        """Start a part; end() waits for it."""
        if self._process is None:
            self._start()
        module = part.__module__
        self._link.send((module, part.__name__, args, self.contacts, self.auth))

    def end(self, seconds=90):
        if not self._link.poll(seconds):
            self.close(hard=True)
            raise PartFailed("the app part did not return within %d s" % seconds)
        try:
            good, said = self._link.recv()
        except (EOFError, ConnectionError):
            self.close(hard=True)
            raise PartFailed("the app process ended in the middle of a part") from None
        if not good:
            raise PartFailed(said)
        return said

    def call(self, part, *args, seconds=90):
        self.begin(part, *args)
        return self.end(seconds)

    def close(self, hard=False):
        if self._process is None:
            return
        self._link.close()
        if hard:
            self._process.kill()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        self._process = self._link = None


class Load:
    """apps/load.py: bounded traffic that counts every error; JSON lines both ways (see there)."""

    def __init__(self, cgroup, contacts, auth, table, **options):
        command = [PYTHON, os.path.join(APPS, "load.py"), "--contacts", ",".join(contacts), "--table", table]
        if auth:
            command += ["--user", auth[0]]
        for name, value in options.items():
            command += ["--" + name.replace("_", "-"), str(value)]
        env = dict(os.environ, LOAD_PASSWORD=auth[1] if auth else "")
        self._process = subprocess.Popen(cgroup.wrap(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        self._held = b""
        self.expect("ready", 30)

    def _line(self, deadline):
        while b"\n" not in self._held:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                raise PartFailed("the load app said nothing in time")
            piece = os.read(self._process.stdout.fileno(), 65536)
            if not piece:
                raise PartFailed("the load app ended (exit %s)" % self._process.wait(10))
            self._held += piece
        line, self._held = self._held.split(b"\n", 1)
        return json.loads(line)

    def expect(self, event, seconds=40):
        deadline = time.monotonic() + seconds
        while True:
            said = self._line(deadline)
            if said["event"] == event:
                return said
            if said["event"] == "failed":
                raise PartFailed("the load app: %s" % said["reason"])

    def ask(self, cmd, event, seconds=40, **more):
        self._process.stdin.write(json.dumps(dict(cmd=cmd, **more)).encode() + b"\n")
        self._process.stdin.flush()
        return self.expect(event, seconds)

    def report(self):
        return self.ask("report", "report")

    def renew(self):
        """As a deployment does: a new session takes over, then the old one is closed."""
        opened = self.ask("open", "opened")
        self.ask("use", "used", session=opened["session"])
        self.ask("close", "closed", session=opened["session"] - 1)

    def stop(self):
        """Its last report."""
        said = self.ask("stop", "report")
        self.close()
        return said

    def close(self):
        if self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        self._process.stdout.close()


if __name__ == "__main__":
    sys.exit("a module of the cluster tests, no program")
