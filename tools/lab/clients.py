"""The two clients as the lab sees them: a process each in the app's cgroup, commands in, JSON lines out."""
import collections
import json
import os
import subprocess
import threading
import time

import host

ZERO = {"requests": 0, "errors": 0, "connections_lost": 0, "wrong": 0, "outstanding": 0, "written": 0, "connections": 0,
        "last_error_age_s": None, "first_error": ""}


class Client:
    """One of them. A thread of its own takes in what it says."""

    def __init__(self, name, command, table, cgroup, log):
        self.name, self.table = name, table
        with open(log, "ab") as err:
            self.process = host.spawn(cgroup.wrap(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err,
                                      universal_newlines=True, env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        self._lock = threading.Condition()
        self.last = dict(ZERO, at=time.monotonic())
        self._answers = collections.deque()
        self._over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        for line in self.process.stdout:
            said = json.loads(line)
            with self._lock:
                if "requests" in said:
                    self.last = dict(said, at=time.monotonic())
                if said["event"] != "tick":
                    self._answers.append(said)
                self._lock.notify_all()
        with self._lock:
            self._over = True
            self._lock.notify_all()

    def expect(self, event, seconds):
        deadline = time.monotonic() + seconds
        with self._lock:
            while not self._answers:
                if self._over:
                    raise RuntimeError("%s ended" % self.name)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise host.Late("%s did not say %s within %g s: %s" % (self.name, event, seconds, self.last))
                self._lock.wait(left)
            said = self._answers.popleft()
        if said["event"] != event:
            raise RuntimeError("%s: %s" % (self.name, said.get("reason", said)))
        return said

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command, event, seconds=30):
        self.tell(command)
        return self.expect(event, seconds)

    def end(self):
        """By force if need be."""
        if self.process.poll() is None:
            self.process.kill()
        host.reap(self.process, 10)
        self._thread.join(10)
        for pipe in (self.process.stdin, self.process.stdout):
            try:
                pipe.close()
            except OSError:
                pass


class Clients:
    """Both, and sums over them."""

    def __init__(self):
        self.all = []

    def add(self, client):
        self.all.append(client)

    def ready(self):
        for client in self.all:
            client.expect("ready", 30)

    def report(self):
        """Fresh sums; errors and the like since the start."""
        for client in self.all:
            client.tell("report")
        said = [client.expect("report", 10) for client in self.all]
        ages = [s["last_error_age_s"] for s in said if s["last_error_age_s"] is not None]
        whole = {k: sum(s[k] for s in said) for k in ("requests", "writes", "errors", "connections_lost", "wrong", "outstanding",
                                                      "written", "written_ok", "connections")}
        return dict(whole, last_error_age_s=min(ages) if ages else None, first_error=self.first_error())

    def first_error(self):
        return "; ".join("%s: %s" % (c.name, c.last["first_error"]) for c in self.all if c.last["first_error"])

    def count(self, what):
        """As last heard, without asking."""
        return sum(c.last[what] for c in self.all)

    def renew(self):
        """New sessions, then the old ones closed; both at once, as a deployment goes."""
        for client in self.all:
            client.tell("renew")
        for client in self.all:
            client.expect("renewed", 30)

    def rewrite(self, ranges):
        """table → (first id, last id)."""
        asked = [c for c in self.all if c.table in ranges]
        for client in asked:
            client.tell("rewrite %d %d" % ranges[client.table])
        for client in asked:
            said = client.expect("rewritten", 30)
            if said["rewrite_errors"]:
                raise AssertionError("%s: %d rows could not be rewritten" % (client.name, said["rewrite_errors"]))

    def stop(self):
        for client in self.all:
            client.tell("stop")
        return [client.expect("stopped", 30) for client in self.all]

    def pids(self):
        return [c.process.pid for c in self.all]

    def end(self):
        for client in self.all:
            client.end()
