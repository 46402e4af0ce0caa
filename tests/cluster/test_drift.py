"""Target's schema is not Origin's: the write is never silently lost, and never lands in another place."""
from cassandra.query import BatchStatement

from harness.case import case
from harness.wait import until


# ---- app parts

def write(app, table, first):
    """A prepared, a simple and a batched write; what each said."""
    session = app.session()
    said = []

    def run(*what):
        try:
            session.execute(*what)
            said.append("ok")
        except Exception as exc:
            said.append(type(exc).__name__)
    insert = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % table)
    run(insert, (first, "prepared"))
    run("INSERT INTO %s (id, v) VALUES (%d, 'simple')" % (table, first + 1))
    batch = BatchStatement()
    batch.add(insert, (first + 2, "batch"))
    run(batch)
    return said


def hold_and_write(app, table):
    session = app.hold("drift", app.session())
    app.keep["insert"] = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % table)
    session.execute(app.keep["insert"], (10, "Target lacks the table"))


def write_held(app, row):
    app.keep["drift"].execute(app.keep["insert"], (row, "the same session and id"))


def drop_held(app):
    app.drop("drift")


def write_unqualified(app, known, unknown):
    session = app.session(known)
    session.execute("INSERT INTO drift_place (id, v) VALUES (1, 'known')")
    session.execute("USE %s" % unknown)
    for i in range(2, 5):
        session.execute("INSERT INTO drift_place (id, v) VALUES (%d, 'unknown')" % i)
    session.execute("USE %s" % known)
    session.execute("INSERT INTO drift_place (id, v) VALUES (9, 'known again')")


# ---- cases

@case(app="lenient", control=False)
def drift_counted(t):
    table = t.table("id int PRIMARY KEY, v text", where=("origin",))
    before = t.count("target.failed_writes")
    assert t.call(write, table, 1) == ["ok"] * 3
    t.grows("target.failed_writes", before, 3)
    assert any(f["table"] == table for f in t.status()["flagged"]), t.status()["flagged"]
    t.call(hold_and_write, table)
    try:
        t.table("id int PRIMARY KEY, v text", where=("target",))
        # mended on the live session, by the same id

        def lands():
            lands.row += 1
            t.call(write_held, lands.row)
            return lands.row in t.ids(t.target, table)
        lands.row = 100
        until("writes reach the table that Target has now", lands, 15, 0.5)
    finally:
        t.call(drop_held)


@case(control=False)
def drift_fails(t):
    """Policy fail: the app sees Target's error, and Origin has the row."""
    table = t.table("id int PRIMARY KEY, v text", where=("origin",))
    assert t.call(write, table, 1) == ["InvalidRequest"] * 3
    assert t.ids(t.origin, table) == {1, 2, 3}


@case(app="lenient", control=False)
def drift_of_types(t):
    """A column of another type: sent there, the bytes would be read as something else."""
    table = t.table("id int PRIMARY KEY, v text", where=("origin",))
    t.table("id int PRIMARY KEY, v blob", where=("target",))
    before = t.count("target.failed_writes")
    assert t.call(write, table, 1) == ["ok"] * 3
    assert t.ids(t.origin, table) == {1, 2, 3}
    assert not t.ids(t.target, table), t.ids(t.target, table)
    t.grows("target.failed_writes", before, 3)


@case(app="lenient", control=False)
def drift_of_keyspaces(t):
    """USE of a keyspace that Target lacks: what is unqualified then must not run in the one before."""
    lacking = t.ks + "lacking"
    t.origin.run("CREATE KEYSPACE %s WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}" % lacking)
    known = t.table("id int PRIMARY KEY, v text", "drift_place")
    t.origin.run("CREATE TABLE %s.drift_place (id int PRIMARY KEY, v text)" % lacking)
    before = t.count("target.failed_writes")
    t.call(write_unqualified, t.ks, lacking)
    assert t.ids(t.origin, lacking + ".drift_place") == {2, 3, 4}
    t.same(known, rows=2)
    t.grows("target.failed_writes", before, 3)
