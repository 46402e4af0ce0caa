"""Real Apache Cassandra: clusters of nodes on loopback addresses, each a JVM of ours."""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack

from cassandra import ConsistencyLevel, DriverException
from cassandra.cluster import NoHostAvailable
from cassandra.protocol import ConfigurationException

from .wait import until

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(os.path.dirname(HERE), "cassandra")
PORT = 9042
READY = b"Starting listening for CQL clients"
# OPTIONS, v4, no body: a node that answers it is one that a driver can use.
OPTIONS = bytes([0x04, 0, 0, 1, 0x05, 0, 0, 0, 0])
PR_SET_PDEATHSIG = 1


def fetch(version):
    """The folder of jars, fetched once into the cache."""
    done = subprocess.run([os.path.join(SCRIPTS, "fetch"), version], stdout=subprocess.PIPE, timeout=1800, check=False)
    if done.returncode:
        raise RuntimeError("Apache Cassandra %s could not be fetched" % version)
    return done.stdout.decode().strip()


def die_with_parent():
    """In the child: a killed test run must not leave JVMs behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def answers(address):
    """True when the node speaks CQL."""
    try:
        with socket.create_connection((address, PORT), timeout=2) as s:
            s.settimeout(2)
            s.sendall(OPTIONS)
            return len(s.recv(9)) > 0
    except OSError:
        return False


class Node:
    """One node. start() returns at once; ready() waits."""

    def __init__(self, lib, state, address, seed, cluster, auth):
        self.address, self.state = address, state
        self._command = [os.path.join(SCRIPTS, "node"), lib, state, address, seed, cluster] + (["auth"] if auth else [])
        self._process = None
        self._from = 0
        os.makedirs(state)

    @property
    def log(self):
        return os.path.join(self.state, "out")

    @property
    def pid(self):
        return self._process.pid if self._process else None

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        assert not self.running, "%s runs already" % self.address
        with open(self.log, "ab") as out:
            self._from = out.tell()
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                             start_new_session=True, preexec_fn=die_with_parent)

    def _said(self, what):
        with open(self.log, "rb") as out:
            out.seek(self._from)
            return what in out.read()

    def _tail(self, lines=15):
        with open(self.log, errors="replace") as out:
            return "".join(out.readlines()[-lines:])

    def must_run(self):
        if not self.running:
            raise RuntimeError("node %s ended early:\n%s" % (self.address, self._tail()))

    def talks_to_others(self):
        """Its storage port listens: a second node may be started with this one as its seed."""
        self.must_run()
        return self._said(b"Starting up server gossip") or self._said(b"JOINING") or self._said(READY)

    def ready(self, seconds=180):
        def check():
            self.must_run()
            return self._said(READY) and answers(self.address)
        until(lambda: "node %s ready:\n%s" % (self.address, self._tail()), check, seconds, 0.25)

    def signal(self, number):
        """To the JVM and all that it started."""
        os.killpg(self._process.pid, number)

    def stop(self, hard=False, seconds=40):
        """hard: as a crash. Otherwise Cassandra drains first."""
        if not self.running:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGKILL if hard else signal.SIGTERM)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            self._process.wait(20)


class Cluster:
    """Nodes under one name. The first address is the seed."""

    def __init__(self, name, version, addresses, state, auth=None):
        """auth: (user, password) of the superuser that the tests use; made once the cluster is up."""
        self.name, self.version, self.auth, self.state = name, version, auth, state
        lib = fetch(version)
        self.nodes = [Node(lib, os.path.join(state, "%s-%d" % (name, i + 1)), a, addresses[0], name, auth)
                      for i, a in enumerate(addresses)]

    @property
    def addresses(self):
        return [n.address for n in self.nodes]

    def node(self, address):
        found = [n for n in self.nodes if n.address == address]
        if not found:
            raise ValueError("no node has the address %s" % address)
        return found[0]

    def start(self):
        """The seed at once; the others need it to listen (see wait_ready)."""
        self.nodes[0].start()

    def wait_ready(self, seconds=240):
        deadline = time.monotonic() + seconds
        left = lambda: max(1, deadline - time.monotonic())
        for node in self.nodes[1:]:
            until("%s listens for other nodes" % self.nodes[0].address, self.nodes[0].talks_to_others, left())
            node.start()
        for node in self.nodes:
            node.ready(left())
        if self.auth:
            self._make_users(left())

    def _make_users(self, seconds):
        """Every node holds the roles, so that each can log clients in while the others are down."""
        from .client import connect
        with ExitStack() as stack:
            sessions = [stack.enter_context(until(
                "%s lets its superuser in" % a,
                lambda a=a: connect(self, ("cassandra", "cassandra"), quiet=True, addresses=[a]), seconds, 0.5))
                for a in self.addresses]
            # a node that has not seen the others or this change yet would write a role for itself alone
            until("the nodes of %s agree on one another" % self.name, lambda: self._spread_roles(sessions), seconds, 0.25)
            until("the nodes of %s agree on their schema" % self.name, lambda: self._agree(sessions), seconds, 0.25)
            self.make_role(sessions[0], *self.auth)
        for address in self.addresses:
            until("%s lets %s in" % (address, self.auth[0]),
                  lambda a=address: self._lets_in(a), seconds, 0.25)

    def _lets_in(self, address):
        from .client import connect
        session = connect(self, quiet=True, addresses=[address])
        if session:
            session.close()
        return session

    def _spread_roles(self, sessions):
        try:
            sessions[0].run("ALTER KEYSPACE system_auth WITH replication = {'class': 'SimpleStrategy',"
                            " 'replication_factor': %d}" % len(self.nodes))
            return True
        except ConfigurationException:
            # refused while a node is still on its way in
            return False

    @staticmethod
    def _agree(sessions):
        try:
            versions = {s.run("SELECT schema_version FROM system.local", consistency=ConsistencyLevel.ONE)[0].schema_version
                        for s in sessions}
            for session in sessions:
                session.run("SELECT role FROM system_auth.roles", consistency=ConsistencyLevel.ALL)
            return len(versions) == 1
        except (DriverException, NoHostAvailable):
            return False

    @staticmethod
    def make_role(session, user, password):
        session.run("CREATE ROLE IF NOT EXISTS %s WITH PASSWORD = '%s' AND LOGIN = true AND SUPERUSER = true"
                    % (user, password))

    def stop(self):
        """For good: the state goes too, so there is nothing to drain for."""
        for node in self.nodes:
            node.stop(hard=True)
        for node in self.nodes:
            shutil.rmtree(node.state, ignore_errors=True)
