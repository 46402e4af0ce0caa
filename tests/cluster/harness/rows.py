"""Whether two clusters hold the same: every row of a table, with writetimes and times to live."""
from cassandra import ConsistencyLevel

from .wait import Late, until

TTL_SLACK = 5
SHOWN = 5


class Table:
    """What a table is made of, as its cluster says."""

    def __init__(self, session, name):
        self.name = name
        keyspace, table = name.split(".")
        found = session.run("SELECT column_name, kind, type, position FROM system_schema.columns WHERE keyspace_name = %s"
                            " AND table_name = %s", (keyspace, table), ConsistencyLevel.ONE)
        assert found, "there is no table %s" % name
        order = {"partition_key": 0, "clustering": 1, "static": 2, "regular": 3}
        self.columns = sorted(((order[r.kind], r.position, r.column_name, r.type) for r in found))

    @property
    def key(self):
        return [c[2] for c in self.columns if c[0] < 2]

    @property
    def plain(self):
        """Columns with one writetime each: native and frozen types, but no counters."""
        return [c[2] for c in self.columns if c[0] >= 2 and (c[3].isalpha() or c[3].startswith("frozen<"))
                and c[3] != "counter"]

    def read(self, session):
        """Key → (values, writetimes, ttls)."""
        names = [c[2] for c in self.columns]
        stamps = ["writetime(%s)" % c for c in self.plain]
        lives = ["ttl(%s)" % c for c in self.plain]
        rows = session.run("SELECT %s FROM %s" % (", ".join(names + stamps + lives), self.name))
        n, s = len(names), len(stamps)
        return {tuple(map(repr, r[:len(self.key)])): (tuple(map(repr, r[:n])), tuple(r[n:n + s]), tuple(r[n + s:]))
                for r in rows}

    def describe(self):
        """For comparing the shapes of two tables; a type's spelling differs between versions only in blanks."""
        return [(c[0], c[2], c[3].replace(" ", "")) for c in self.columns]


def alike(a, b):
    near = all(x is y is None or (x is not None and y is not None and abs(x - y) <= TTL_SLACK)
               for x, y in zip(a[2], b[2]))
    return a[0] == b[0] and a[1] == b[1] and near


def differences(origin, target, name):
    """Rows of the two sides that differ: (missing on target, extra there, different); and how many rows are on origin."""
    table = Table(origin, name)
    theirs = Table(target, name)
    assert table.describe() == theirs.describe(), "%s has another shape on Target: %s, %s" % (
        name, table.describe(), theirs.describe())
    here, there = table.read(origin), table.read(target)
    missing = {k: here[k] for k in here.keys() - there.keys()}
    extra = {k: there[k] for k in there.keys() - here.keys()}
    unlike = {k: (here[k], there[k]) for k in here.keys() & there.keys() if not alike(here[k], there[k])}
    return missing, extra, unlike, len(here)


def assert_same(origin, target, name, seconds=10):
    """The two sides become equal within the time (a follower may be a moment behind); returns the number of rows."""
    last = {}

    def check():
        last["found"] = differences(origin, target, name)
        return not any(last["found"][:3])
    try:
        until("", check, seconds, 0.3)
    except Late:
        missing, extra, unlike, rows = last["found"]
        some = lambda d: "".join("\n    %s: %s" % kv for kv in sorted(d.items())[:SHOWN])
        raise AssertionError("%s: %d rows on Origin; on Target %d missing, %d extra, %d different%s%s%s" % (
            name, rows, len(missing), len(extra), len(unlike), some(missing), some(extra), some(unlike))) from None
    return last["found"][3]
