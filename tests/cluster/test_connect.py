"""Connecting: capture, versions, compression, logins, and what the driver reads of the cluster."""
from cassandra.cluster import NoHostAvailable
from cassandra.query import BatchStatement

from harness.case import case
from harness.wait import until


# ---- app parts (run in the app's process)

def who_am_i(app):
    session = app.session(schema=True)
    local = session.execute("SELECT cluster_name, release_version, rpc_address FROM system.local").one()
    hosts = sorted(h.address for h in session.cluster.metadata.all_hosts())
    return local.cluster_name, local.release_version, hosts


def open_and_hold(app, name):
    session = app.hold(name, app.session(schema=True))
    return sorted(str(h.address) for h in session.get_pools() for h in [h.host])


def drop(app, name):
    app.drop(name)


def read_schema(app, keyspace):
    metadata = app.session(schema=True).cluster.metadata
    ours = metadata.keyspaces[keyspace]
    # DDL texts, without what other cases make at the same time
    tables = {name: t.as_cql_query() for name, t in ours.tables.items() if name.startswith("read_schema")}
    keys = [metadata.get_replicas(keyspace, b"key%d" % i) for i in range(16)]
    return tables, sorted(ours.user_types), [sorted(h.address for h in k) for k in keys]


def use_version(app, table, protocol, compression):
    session = app.session(protocol=protocol, compression=compression)
    used = session.cluster.protocol_version
    packed = session.cluster.control_connection._connection._compressor is not None
    insert = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % table)
    tag = "%s%s" % (used, compression or "")
    text = tag + "·" * 900
    for i in range(10):
        session.execute(insert, (tag + "-p%d" % i, text))
    session.execute("INSERT INTO " + table + " (id, v) VALUES (%s, %s)", (tag + "-s", text))
    batch = BatchStatement()
    batch.add(insert, (tag + "-b1", text))
    batch.add("INSERT INTO " + table + " (id, v) VALUES (%s, %s)", (tag + "-b2", text))
    session.execute(batch)
    read = session.execute("SELECT v FROM " + table + " WHERE id = %s", (tag + "-p3",)).one().v
    assert read == text, read
    return used, packed


def log_in_wrongly(app, protocol):
    try:
        app.session(protocol=protocol, auth=("app", "wrong"))
    except NoHostAvailable as exc:
        return sorted({"%s: %s" % (type(e).__name__, e.args[0]) for e in exc.errors.values()})
    return "let in"


def log_in_without(app):
    made = app.driver(auth=None)
    made.auth_provider = None
    try:
        made.connect()
    except NoHostAvailable as exc:
        return sorted({type(e).__name__ for e in exc.errors.values()})
    return "let in"


# ---- cases

@case(pairs=("41", "50"))
def connect(t):
    before = t.count("sessions.total") if t.seam else 0
    name, release, hosts = t.call(who_am_i)
    assert name == "origin" and release.startswith("5.0"), (name, release)
    assert hosts == sorted(t.pair.origin.addresses), hosts
    if t.seam:
        assert t.count("sessions.total") >= before + 2, t.status()
        assert t.count("connections.not_captured") == 0, t.status()


@case(pairs=("41", "50"))
def sessions_listed(t):
    t.call(open_and_hold, "listed")
    try:
        if not t.seam:
            return
        # the Target legs are dialled once the client's handshake is over
        until("every session has its Target leg", lambda: all(r["target"] for r in t.seam.cli("sessions", t.app).json))
        rows = t.seam.cli("sessions", t.app).json
        keys = {"app_addr", "origin", "target", "driver", "driver_version", "protocol", "compression", "keyspace", "user",
                "in_flight", "requests", "path"}
        assert rows and all(keys <= set(r) for r in rows), rows
        captured = t.count("connections.captured")
        assert len(rows) == captured == t.count("sessions.open") >= 3, (captured, rows)
        assert {r["origin"].rsplit(":", 1)[0] for r in rows} == set(t.pair.origin.addresses), rows
        assert {r["target"].rsplit(":", 1)[0] for r in rows} == set(t.pair.target.addresses), rows
        assert all("Python" in r["driver"] and r["user"] == t.auth[0] and str(r["protocol"]).strip("v") == "4"
                   for r in rows), rows
    finally:
        t.call(drop, "listed")
    until("closed sessions leave the status", lambda: t.count("sessions.open") == 0, 10)
    assert t.count("connections.captured") == 0


@case()
def read_schema_metadata(t):
    t.ddl("CREATE TYPE %s.read_schema_type (a int, b text)" % t.ks)
    t.table("k text, c int, s text static, v list<int>, u frozen<read_schema_type>, PRIMARY KEY (k, c)", "read_schema_a")
    t.table("k text PRIMARY KEY, n counter", "read_schema_b")
    t.seen("schema", t.call(read_schema, t.ks))


@case(pairs=("41", "50"))
def versions(t):
    table = t.table("id text PRIMARY KEY, v text")
    rows = 0
    for protocol in (3, 4, 5, None):
        used, packed = t.call(use_version, table, protocol, False)
        assert used == (protocol or 5) and not packed, (protocol, used, packed)
        rows += 0 if protocol is None else 13
    t.same(table, rows=rows)


@case(pairs=("41", "50"))
def compression(t):
    table = t.table("id text PRIMARY KEY, v text")
    for protocol, how in ((3, "lz4"), (4, "lz4"), (5, "lz4"), (3, "snappy"), (4, "snappy")):
        used, packed = t.call(use_version, table, protocol, how)
        assert used == protocol and packed, (protocol, how, used, packed)
    t.same(table, rows=5 * 13)


@case(pairs=("41", "50"))
def wrong_password(t):
    failed = t.count("requests.failed") if t.seam else 0
    for protocol in (4, 5):
        said = t.call(log_in_wrongly, protocol)
        assert said != "let in" and all("AuthenticationFailed" in s for s in said), said
        t.seen("v%d" % protocol, said)
    t.seen("no login", t.call(log_in_without))
    if t.seam:
        assert t.count("requests.failed") == failed, t.status()
    assert t.call(who_am_i)[0] == "origin"
