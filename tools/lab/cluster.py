"""The two clusters of the lab: built-in nodes, or real Apache Cassandra. Both have start(), kill(), revive(), stop(), run() and rows()."""
import json
import logging
import os
import select
import socket
import subprocess
import time

from cassandra.cluster import Cluster as Driver, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.query import SimpleStatement

import host

PORT = 9042
logging.getLogger("cassandra").setLevel(logging.CRITICAL)


class Lines:
    """Lines of a pipe or socket with a deadline each."""

    def __init__(self, fd, who):
        self._fd, self._who, self._held = fd, who, b""

    def next(self, seconds):
        deadline = time.monotonic() + seconds
        while b"\n" not in self._held:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                raise host.Late("%s said nothing for %g s" % (self._who, seconds))
            piece = os.read(self._fd, 65536)
            if not piece:
                raise RuntimeError("%s ended" % self._who)
            self._held += piece
        line, self._held = self._held.split(b"\n", 1)
        return line.decode()


class Cluster:
    """What both kinds have in common."""

    def __init__(self, name, addresses, folder):
        self.name, self.addresses = name, addresses
        self.log = os.path.join(folder, name + ".log")
        self.process = None

    def _spawn(self, command, **options):
        with open(self.log, "ab") as log:
            self.process = host.spawn(command, stdout=subprocess.PIPE, stderr=log, **options)
        self._said = Lines(self.process.stdout.fileno(), self.name)

    def _ask(self, verb):
        """The verb for every node, at once where the cluster can."""
        for address in self.addresses:
            self._command({verb: address})

    def kill(self):
        self._ask("kill")

    def revive(self):
        self._ask("start")

    def stop(self):
        if self.process:
            self.process.terminate()
            host.reap(self.process, 30)
            self.process.stdout.close()
            self.process = None

    def session(self):
        """Direct, never captured: the lab is in no cgroup of the app's."""
        profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy(self.addresses), request_timeout=20)
        driver = Driver(self.addresses, port=PORT, protocol_version=4, compression=False, connect_timeout=10,
                        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                        schema_metadata_enabled=False, token_metadata_enabled=False)
        return driver

    def run(self, *statements):
        driver = self.session()
        try:
            session = driver.connect()
            for text in statements:
                session.execute(text)
        finally:
            driver.shutdown()

    def rows(self, tables):
        """(table, id) → (w, v, writetime in µs) of every row."""
        driver = self.session()
        try:
            session = driver.connect()
            found = {}
            for table in tables:
                text = SimpleStatement("SELECT id, w, v, writetime(v) FROM %s" % table, fetch_size=2000)
                for row in session.execute(text):
                    found[table, row[0]] = tuple(row[1:])
            return found
        finally:
            driver.shutdown()


class BuiltIn(Cluster):
    """seam-node: one process, a node on each address, one store for all."""
    what = "seam-node"

    def __init__(self, name, addresses, folder, build):
        super().__init__(name, addresses, folder)
        self._program = os.path.join(build, "seam-node")
        self._control = os.path.join(folder, name + ".sock")

    def start(self):
        self._spawn([self._program, "--cluster", self.name, "--address", ",".join(self.addresses), "--control", self._control])

    def ready(self):
        said = self._said.next(15)
        if said != "ready":
            raise RuntimeError("%s said %r" % (self.name, said))

    def _command(self, said):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(self._control)
            s.sendall(json.dumps(said).encode() + b"\n")
            answer = json.loads(Lines(s.fileno(), self.name).next(10))
        if answer != {"ok": True}:
            raise RuntimeError("%s: %s: %s" % (self.name, said, answer))


class Cassandra(Cluster):
    """Apache Cassandra, fetched and run by what the cluster tests have."""

    def __init__(self, name, addresses, folder, version, tests):
        super().__init__(name, addresses, folder)
        self.what = "Apache Cassandra " + version
        self._command_line = [os.path.join(tests, "cassandra", "up"), "--version", version, "--name", name,
                              "--nodes", str(len(addresses)), "--address", ",".join(addresses)]

    def start(self):
        self._spawn(self._command_line, stdin=subprocess.PIPE)

    def ready(self):
        said = json.loads(self._said.next(900))
        if said.get("event") != "ready":
            raise RuntimeError("%s said %s" % (self.name, said))

    def _command(self, said):
        self.process.stdin.write(json.dumps(said).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self._said.next(120))
        if answer != {"ok": True}:
            raise RuntimeError("%s: %s: %s" % (self.name, said, answer))

    def kill(self):
        """By SIGTERM: after a SIGKILL Cassandra may lack the writes that it acknowledged in the last 100 ms (its commit log is marked
        so often, CASSANDRA-13987), and nobody but Cassandra could count those."""
        self._ask("stop")

    def stop(self):
        if self.process:
            self.process.stdin.close()
        super().stop()
