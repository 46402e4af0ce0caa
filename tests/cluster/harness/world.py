"""The clusters of a run, and the pairs of them between which apps are migrated."""
import os
import shutil
import tempfile

from . import cgroup, client, room
from .app import Worker
from .block import Block
from .cassandra import Cluster
from .seam import Daemon
from .wait import until

SMALL = "{'class': 'SimpleStrategy', 'replication_factor': %d}"
APP_AUTH = ("app", "Origin-word-1")
SEAM_ORIGIN_AUTH = ("seam_origin", "Origin-word-2")
SEAM_TARGET_AUTH = ("seam_target", "Target-word-2")


class World:
    """Started once a run: Origin, two nodes of 5.0 with logins; Target 4.1 without; Target 5.0 with."""

    app_auth = APP_AUTH

    def __init__(self, wanted):
        self.block = Block()
        self.id = self.block.prefix.rstrip(".").replace("127.", "").replace(".", "x")
        self.state = tempfile.mkdtemp(prefix="seam-cluster-%s-" % self.id, dir=room.folder())
        os.chmod(self.state, 0o755)
        at = self.block.address
        self.origin = Cluster("origin", "5.0", [at(1, 1), at(1, 2)], self.state, APP_AUTH)
        self.targets = {}
        if "41" in wanted:
            self.targets["41"] = Cluster("target41", "4.1", [at(2, 1)], self.state)
        if "50" in wanted:
            self.targets["50"] = Cluster("target50", "5.0", [at(3, 1)], self.state, SEAM_TARGET_AUTH)
        self.cgroup = None
        self.pairs = []
        # what the app saw without Seam: (case, what) → text
        self.seen = {}

    def start(self):
        clusters = [self.origin] + list(self.targets.values())
        for one in clusters:
            one.start()
        for one in clusters:
            one.wait_ready()
        self.cgroup = cgroup.Cgroup(os.path.join(cgroup.mount(), "seam-cluster-" + self.id))
        with client.connect(self.origin) as session:
            Cluster.make_role(session, *SEAM_ORIGIN_AUTH)
        for name, target in self.targets.items():
            self.pairs.append(Pair(self, name, target))

    def stop(self, keep):
        """Returns what was left behind, as text."""
        left = []
        for pair in self.pairs:
            left += pair.stop()
        if self.cgroup:
            left += ["process %d in %s" % (p, self.cgroup.path) for p in self.cgroup.remove()]
        for one in [self.origin] + list(self.targets.values()):
            one.stop()
        self.block.close()
        if not keep:
            shutil.rmtree(self.state, ignore_errors=True)
        return left


class Pair:
    """Origin and one Target, a keyspace on both, a daemon between them, and the apps with their cgroups."""

    def __init__(self, world, name, target):
        self.world, self.name, self.origin, self.target = world, name, world.origin, target
        self.keyspace, self.control_keyspace = "s" + name, "c" + name
        self.origin_session = client.connect(self.origin)
        self.target_session = client.connect(target)
        for keyspace in (self.keyspace, self.control_keyspace):
            self.origin_session.run("CREATE KEYSPACE %s WITH replication = %s" % (keyspace, SMALL % len(self.origin.nodes)))
        self.target_session.run("CREATE KEYSPACE %s WITH replication = %s" % (self.keyspace, SMALL % len(target.nodes)))
        if target.auth:
            # for the app that forwards its own login
            self.target.make_role(self.target_session, *APP_AUTH)
        self.cgroups = {n: world.cgroup.child(n + name) for n in ("control", "strict", "lenient")}
        self.workers = {n: Worker(c, self.origin.addresses, APP_AUTH) for n, c in self.cgroups.items()}
        self.daemon = None

    def renew_origin_session(self):
        """After a node was away: drivers take their time to find it again, tests have none."""
        self.origin_session.close()
        self.origin_session = until("Origin takes a session", lambda: client.connect(self.origin, quiet=True), 30)

    def renew_target_session(self):
        self.target_session.close()
        self.target_session = until("Target takes a session", lambda: client.connect(self.target, quiet=True), 30)

    def app_name(self, app):
        """Unique on the host, so that pins can be told from those of another run."""
        return "%s-%s-%s" % (app, self.name, self.world.id)

    def _apps(self):
        """4.1: attached by the command line, one app a policy. 5.0: by match and phase in the config; one app with
        Seam's own login on Target, one that forwards the client's."""
        common = {"request_timeout": "3s", "exclude": [self.keyspace + ".excluded"]}
        strict = dict(common, follower_failure="fail")
        lenient = dict(common, follower_failure="count", follower_wait="50ms")
        if self.name == "50":
            strict.update(match={"cgroup": self.cgroups["strict"].path}, phase="dual-write")
            lenient.update(match={"cgroup": self.cgroups["lenient"].path}, phase="dual-write", target_auth="forward")
        return {self.app_name("strict"): strict, self.app_name("lenient"): lenient}

    def start_daemon(self):
        if not self.daemon:
            self.daemon = Daemon(os.path.join(self.world.state, "seam" + self.name), self.origin, self.target, self._apps(),
                                 {"origin": SEAM_ORIGIN_AUTH, self.target.name: self.target.auth})
        self.restore()

    def restore(self):
        """What each case finds: all nodes up, the daemon running, both apps attached and in dual-write."""
        for cluster in (self.origin, self.target):
            for node in cluster.nodes:
                if not node.running:
                    node.start()
                    node.ready()
        self.renew_origin_session()
        self.renew_target_session()
        if not self.daemon:
            return
        if not self.daemon.running:
            self.daemon.start()
        for app in ("strict", "lenient"):
            name = self.app_name(app)
            if self.daemon.status(name)["state"] != "attached":
                self.daemon.attach(name, self.cgroups[app])
            if self.daemon.status(name)["phase"] != "dual-write":
                self.daemon.phase(name, "dual-write")

    def stop_daemon(self):
        """As an operator ends it; returns what stayed behind."""
        if not self.daemon:
            return []
        daemon, self.daemon = self.daemon, None
        left = []
        try:
            if daemon.running:
                for app in daemon.apps:
                    daemon.detach(app)
                code = daemon.stop()
                left += [] if code == 0 else ["exit code %d after SIGTERM" % code]
            left += daemon.leftovers()
        except (AssertionError, OSError) as exc:
            left.append(str(exc))
        daemon.clean_up()
        return ["%s: %s" % (daemon.state, what) for what in left]

    def stop(self):
        left = []
        for worker in self.workers.values():
            worker.close()
        left += self.stop_daemon()
        for group in self.cgroups.values():
            left += ["process %d in %s" % (p, group.path) for p in group.remove()]
        self.origin_session.close()
        self.target_session.close()
        return left
