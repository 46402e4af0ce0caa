"""A test, as test_*.py declare it, and what it is given."""
import threading

from .app import Load
from .rows import assert_same
from .wait import until

CASES = []


class Skipped(Exception):
    """The case can't be run here; the message says why."""


class Case:
    def __init__(self, function, pairs, app, control, disruptive):
        self.function, self.pairs, self.app = function, pairs, app
        self.control, self.disruptive = control, disruptive
        self.name = function.__name__
        self.module = function.__module__


def case(pairs=("41",), app="strict", control=True, disruptive=False):
    """Declare a test. pairs: which Targets it runs with (41: Cassandra 4.1, 50: 5.0). app: strict (follower_failure
    fail) or lenient (count). control: the same test means something without Seam, and shows there that it is right.
    disruptive: it takes nodes or processes down, so it runs last (and has its own control beside it)."""
    def declare(function):
        CASES.append(Case(function, pairs, app, control, disruptive))
        return function
    return declare


class Context:
    """What a case is given. seam is None in a control run, where the app talks to Origin directly."""

    def __init__(self, pair, made, seam):
        self.pair, self.case, self.seam = pair, made, seam
        self.world = pair.world
        self.app = pair.app_name(made.app)
        self.auth = pair.world.app_auth
        self.ks = pair.keyspace if seam else pair.control_keyspace
        self.worker = pair.workers[made.app if seam else "control"]
        self.origin, self.target = pair.origin_session, pair.target_session
        self._loads = []

    # ---- tables and rows

    def table(self, columns, name=None, where=("origin", "target")):
        """Make KS.NAME (default t_CASE) on the clusters that this run has, directly; returns its full name."""
        full = "%s.%s" % (self.ks, name or "t_" + self.case.name)
        self.ddl("CREATE TABLE %s (%s)" % (full, columns), where)
        return full

    def ddl(self, text, where=("origin", "target")):
        """On the clusters themselves, beside Seam; both at once."""
        sessions = [s for w, s in (("origin", self.origin), ("target", self.target)) if w in where]
        if not self.seam:
            sessions = sessions[:1]
        failed = []

        def run(session):
            try:
                session.run(text)
            except Exception as exc:
                failed.append(exc)
        threads = [threading.Thread(target=run, args=(s,)) for s in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]

    def same(self, *tables, rows=None, seconds=10):
        """Every row equal on both clusters, with its writetime; without Seam: the rows are there."""
        for table in tables:
            found = assert_same(self.origin, self.target if self.seam else self.origin, table, seconds)
            assert found > 0 if rows is None else found == rows, "%s has %d rows, expected %s" % (table, found, rows)

    def ids(self, session, table):
        """All values of a table's id column, as a set."""
        return {r.id for r in session.run("SELECT id FROM %s" % table)}

    def seen(self, what, value):
        """The app must see through Seam what it sees without: the control's value is kept, Seam's compared with it."""
        value = repr(value).replace(self.ks, "KS")
        key = (self.case.name, what)
        if not self.seam:
            self.world.seen[key] = value
        elif key in self.world.seen:
            assert value == self.world.seen[key], "%s: through Seam\n  %s\nwithout\n  %s" % (
                what, value, self.world.seen[key])

    # ---- the app

    def call(self, part, *args, **kw):
        return self.worker.call(part, *args, **kw)

    def load(self, table, app=None, **options):
        """Traffic by the app; ended with the case."""
        cgroup = self.pair.cgroups[(app or self.case.app) if self.seam else "control"]
        return self._load(cgroup, table, options)

    def direct_load(self, table, **options):
        """The same, never captured: what goes wrong here is not Seam's doing."""
        return self._load(self.pair.cgroups["control"], table, options)

    def _load(self, cgroup, table, options):
        made = Load(cgroup, self.pair.origin.addresses, self.auth, table, **options)
        self._loads.append(made)
        return made

    def end(self):
        for load in self._loads:
            load.close()

    # ---- Seam

    def status(self):
        return self.seam.status(self.app)

    def count(self, path):
        """A number in the app's status: count("unmirrored.lwt")."""
        at = self.status()
        for word in path.split("."):
            at = at[word]
        return at

    def grows(self, path, before, by, seconds=5):
        """The counter comes to before + by, and not beyond."""
        if not self.seam:
            return
        until(lambda: "%s is %s, expected %d" % (path, self.count(path), before + by),
              lambda: self.count(path) >= before + by, seconds)
        now = self.count(path)
        assert now == before + by, "%s went from %d to %d, expected %d" % (path, before, now, before + by)


def progress(load, requests, seconds=30):
    """Wait until so many more requests of the load have ended; returns the report."""
    goal = load.report()["requests"] + requests
    last = {}

    def check():
        last.update(load.report())
        return last["requests"] >= goal
    until(lambda: "%d requests of the load: %s" % (goal, last), check, seconds, 0.2)
    return last


def assert_calm(report, what):
    """Not one error, not one lost connection, not one wrong row."""
    assert not report["errors"] and not report["connections_lost"] and not report["wrong"], "%s: %s" % (what, report)
