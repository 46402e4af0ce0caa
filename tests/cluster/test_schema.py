"""DDL reaches both clusters, keyspaces stay with Origin, and events come from Origin alone."""
from cassandra import ConsistencyLevel

from harness.case import case
from harness.rows import Table
from harness.wait import until


# ---- app parts

def run_ddl(app, keyspace, protocol):
    session = app.session(protocol=protocol, schema=True, timeout=60)
    name = "%s.ddl_%d" % (keyspace, protocol)
    texts = ["CREATE TYPE {n}_type (a int, b text)",
             "CREATE TABLE IF NOT EXISTS {n} (k int, c int, v text, u frozen<ddl_{p}_type>, PRIMARY KEY (k, c)) "
             "WITH CLUSTERING ORDER BY (c DESC) AND comment = 'by the app'",
             "CREATE TABLE IF NOT EXISTS {n} (k int PRIMARY KEY)",
             "ALTER TABLE {n} ADD w bigint",
             "CREATE INDEX ddl_{p}_v ON {n} (v)",
             "CREATE TABLE {n}_gone (k int PRIMARY KEY)",
             "DROP TABLE {n}_gone",
             "ALTER TYPE {n}_type ADD c int",
             "INSERT INTO {n} (k, c, v, w, u) VALUES (1, 1, 'right behind the DDL', 5, {{a: 1, b: 'b', c: 3}})",
             "CREATE TABLE {n}_emptied (k int PRIMARY KEY, v int)",
             "INSERT INTO {n}_emptied (k, v) VALUES (1, 1)",
             "TRUNCATE TABLE {n}_emptied",
             "INSERT INTO {n}_emptied (k, v) VALUES (2, 2)"]
    for text in texts:
        session.execute(text.format(n=name, p=protocol))
    return sorted(t for t in session.cluster.metadata.keyspaces[keyspace].tables if t.startswith("ddl_%d" % protocol))


def run_admin(app, keyspace):
    session = app.session()
    session.execute("CREATE KEYSPACE %s_extra WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}" % keyspace)
    session.execute("CREATE ROLE %s_role WITH PASSWORD = 'x' AND LOGIN = true" % keyspace)
    roles = [r.role for r in session.execute("LIST ROLES")]
    described = [tuple(r)[:3] for r in session.execute("DESCRIBE KEYSPACES") if r.name == keyspace + "_extra"]
    session.execute("DROP ROLE %s_role" % keyspace)
    session.execute("DROP KEYSPACE %s_extra" % keyspace)
    return keyspace + "_role" in roles, described


def watch(app):
    session = app.hold("watch", app.session(schema=True))
    seen = app.keep["events"] = []
    session.cluster.control_connection._connection.register_watchers({"SCHEMA_CHANGE": seen.append})


def watched(app, keyspace):
    """Names that events told of, and tables that the driver learned from them."""
    tables = app.keep["watch"].cluster.metadata.keyspaces[keyspace].tables
    return [e.get("table") for e in app.keep["events"]], sorted(t for t in tables if t.startswith("event_"))


def unwatch(app):
    app.drop("watch")


# ---- cases

def shape(session, table):
    """What a cluster says of a table, as far as both versions know the words."""
    full = Table(session, table)
    keyspace, name = table.split(".")
    options = session.run("SELECT comment, gc_grace_seconds FROM system_schema.tables WHERE keyspace_name = %s AND "
                          "table_name = %s", (keyspace, name), ConsistencyLevel.ONE)
    indexes = session.run("SELECT index_name FROM system_schema.indexes WHERE keyspace_name = %s AND table_name = %s",
                          (keyspace, name), ConsistencyLevel.ONE)
    return full.describe(), [tuple(o) for o in options], sorted(i.index_name for i in indexes)


def tables_of(session, keyspace, prefix):
    rows = session.run("SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s", (keyspace,), ConsistencyLevel.ONE)
    return sorted(r.table_name for r in rows if r.table_name.startswith(prefix))


def keyspaces_of(session):
    return {r.keyspace_name for r in session.run("SELECT keyspace_name FROM system_schema.keyspaces",
                                                 consistency=ConsistencyLevel.ONE)}


@case(pairs=("41", "50"))
def ddl(t):
    for protocol in (4, 5) if t.pair.name == "41" else (5,):
        t.seen("tables v%d" % protocol, t.call(run_ddl, t.ks, protocol, seconds=180))
        name = "%s.ddl_%d" % (t.ks, protocol)
        if t.seam:
            # the answer came after Target's: nothing to wait for
            for table in (name, name + "_emptied"):
                assert shape(t.origin, table) == shape(t.target, table), (shape(t.origin, table), shape(t.target, table))
            assert tables_of(t.target, t.ks, "ddl_%d" % protocol) == tables_of(t.origin, t.ks, "ddl_%d" % protocol)
        t.same(name, rows=1)
        t.same(name + "_emptied", rows=1)


@case()
def keyspaces_and_roles(t):
    before = t.count("unmirrored.schema") if t.seam else 0
    t.seen("answers", t.call(run_admin, t.ks))
    if t.seam:
        assert t.ks + "_extra" not in keyspaces_of(t.target)
        # two keyspace statements and two of roles: all went to Origin alone
        t.grows("unmirrored.schema", before, 4)


@case()
def events(t):
    t.call(watch)
    try:
        if t.seam:
            t.ddl("CREATE TABLE %s.event_of_target (k int PRIMARY KEY)" % t.ks, where=("target",))
        t.ddl("CREATE TABLE %s.event_of_origin (k int PRIMARY KEY)" % t.ks, where=("origin",))
        until("the event reaches the app", lambda: t.call(watched, t.ks)[1] == ["event_of_origin"], 15)
        t.ddl("DROP TABLE %s.event_of_origin" % t.ks, where=("origin",))
        until("the second event reaches the app", lambda: t.call(watched, t.ks)[1] == [], 15)
        told = t.call(watched, t.ks)[0]
        assert told.count("event_of_origin") == 2 and "event_of_target" not in told, told
    finally:
        t.call(unwatch)
