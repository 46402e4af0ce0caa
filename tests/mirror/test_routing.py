"""Where each request goes: rows of the routing table, in dual-write and in passthrough."""
import cql
import fake

INSERT = "INSERT INTO ks.t (k) VALUES (1)"


def where(rig, c, text, origin=1, target=1, **kw):
    """Asks, and says how often each cluster got it. Returns the answer."""
    before = len(rig.origin.seen(text)), len(rig.target.seen(text))
    answer = c.query(text, **kw)
    after = len(rig.origin.seen(text)) - before[0], len(rig.target.seen(text)) - before[1]
    assert after == (origin, target), "%s: went to (origin, target) %r, wanted %r" % (text, after, (origin, target))
    return answer


def test_reads_go_to_origin(new):
    rig = new()
    c = rig.client()
    for n, text in enumerate(("SELECT k FROM ks.t", "select json * from ks.t", "SELECT * FROM system.local", "DESCRIBE TABLE ks.t", "LIST ROLES",
                              "SELECT /* c */ k FROM \"ks\".\"t\" -- x\nLIMIT 1")):
        c.good(where(rig, c, text, 1, 0))
    rig.expect(reads=4, writes=0, failed=0, lwt=0)
    assert not rig.flags()


def test_writes_go_to_both(new):
    rig = new()
    c = rig.client()
    c.ok("USE ks")
    texts = (INSERT, "UPDATE ks.t SET v = 1 WHERE k = 1", "DELETE FROM ks.t WHERE k = 1", "INSERT INTO t (k) VALUES (9)",
             "BEGIN BATCH INSERT INTO ks.t (k) VALUES (2) UPDATE ks.t SET v = 1 WHERE k = 1 APPLY BATCH",
             "BEGIN COUNTER BATCH UPDATE ks.c SET n = n + 1 WHERE k = 1 APPLY BATCH")
    for text in texts:
        c.good(where(rig, c, text))
    c.good(c.batch([("INSERT INTO ks.t (k) VALUES (7)", []), ("DELETE FROM t WHERE k = 2", [])]))
    assert len(rig.origin.seen("VALUES (7)")) == len(rig.target.seen("VALUES (7)")) == 1
    rig.expect(reads=0, writes=len(texts) + 1, failed=0, failed_writes=0, diverged=0, functions=0)
    assert not rig.flags()


def test_passthrough_goes_to_origin_alone(new):
    rig = new(phase="passthrough")
    c = rig.client()
    for text in (INSERT, "SELECT k FROM ks.t", "CREATE TABLE ks.n (k int PRIMARY KEY)", "TRUNCATE ks.t", "USE ks",
                 "INSERT INTO ks.t (k) VALUES (now()) IF NOT EXISTS", "GRANT ALL ON ks.t TO r"):
        c.good(where(rig, c, text, 1, 0))
    assert rig.origin.seen(INSERT)[0].timestamp is None, "passthrough changes nothing"
    rig.expect(lwt=0, functions=0, schema=0, excluded=0, failed=0, failed_writes=0, reads=1, writes=2)
    assert not rig.flags() and not rig.target.legs()


def test_lwt_goes_to_origin(new):
    rig = new()
    c = rig.client()
    c.good(where(rig, c, "INSERT INTO ks.t (k) VALUES (1) IF NOT EXISTS", 1, 0))
    c.good(where(rig, c, "UPDATE ks.t SET v = 1 WHERE k = 1 IF v = 2", 1, 0))
    c.good(where(rig, c, "BEGIN BATCH INSERT INTO ks.u (k) VALUES (1) IF NOT EXISTS APPLY BATCH", 1, 0))
    c.good(c.batch([("INSERT INTO ks.w (k) VALUES (1) IF NOT EXISTS", []), (INSERT, [])]))
    assert not rig.target.seen("ks.w")
    assert not [r for r in rig.origin.log if r.timestamp], "an LWT gets no timestamp"
    rig.expect(lwt=4, writes=4, failed=0)
    rig.keeper.wait_said("flag", app="shop", table="ks.t", reason="unmirrored")
    rig.keeper.wait_said("flag", app="shop", table="ks.u", reason="unmirrored")
    rig.keeper.wait_said("flag", app="shop", table="ks.w", reason="unmirrored")
    assert len(rig.flags()) == len(set(rig.flags())), "a flag is pushed once: %r" % rig.flags()


def test_functions_go_to_both_and_are_counted(new):
    rig = new()
    c = rig.client()
    c.good(where(rig, c, "INSERT INTO ks.t (k, u) VALUES (1, now())"))
    c.good(where(rig, c, "INSERT INTO ks.t (k, u) VALUES (2, uuid())"))
    c.good(where(rig, c, "INSERT INTO ks.t (k, u) VALUES (3, 'now()')"))
    rig.expect(functions=2, writes=3, failed_writes=0)
    rig.keeper.wait_said("flag", table="ks.t", reason="unmirrored")
    assert rig.flags() == [("ks.t", "unmirrored")]


def test_excluded_tables(new):
    rig = new(exclude=["priv", "ks.logs"])
    c = rig.client()
    c.good(where(rig, c, "INSERT INTO ks.logs (k) VALUES (1)", 1, 0))
    c.good(where(rig, c, "INSERT INTO PRIV.x (k) VALUES (1)", 1, 0))
    c.good(where(rig, c, "SELECT k FROM ks.logs", 1, 0))
    c.good(where(rig, c, "TRUNCATE ks.logs", 1, 0))
    c.ok("USE ks")
    c.good(where(rig, c, "INSERT INTO Logs (k) VALUES (2)", 1, 0))
    c.good(where(rig, c, "INSERT INTO t (k) VALUES (3)", 1, 1))
    mixed = "BEGIN BATCH INSERT INTO ks.logs (k) VALUES (4) INSERT INTO ks.t (k) VALUES (4) APPLY BATCH"
    c.bad(where(rig, c, mixed, 0, 0), cql.INVALID)
    c.bad(c.batch([("INSERT INTO ks.logs (k) VALUES (5)", []), ("INSERT INTO ks.t (k) VALUES (5)", [])]), cql.INVALID)
    assert not rig.origin.seen("VALUES (5)") and not rig.target.seen("VALUES (5)")
    c.good(c.batch([("INSERT INTO ks.logs (k) VALUES (6)", []), ("INSERT INTO priv.t (k) VALUES (6)", [])]))
    assert rig.origin.seen("VALUES (6)") and not rig.target.seen("VALUES (6)")
    ident = c.prepare("INSERT INTO ks.logs (k) VALUES (?)")
    c.good(c.execute(ident, values=[b"\0\0\0\1"]))
    assert not rig.target.seen("ks.logs", cql.EXECUTE)
    rig.expect(excluded=6, failed=2, failed_writes=0)
    assert not rig.flags(), "what is excluded is so on purpose"


def test_unclassifiable_goes_to_origin_alone(new):
    rig = new()
    c = rig.client()
    c.bad(where(rig, c, "FROBNICATE ks.t", 1, 0), cql.SYNTAX)
    c.bad(where(rig, c, "", 1, 0), cql.SYNTAX)
    rig.expect(failed=0, reads=0, writes=0, unmirrored_other=2)
    rig.keeper.wait_said("flag", table=None, reason="unmirrored")
    assert rig.flags() == [(None, "unmirrored")]


def test_schema_goes_to_both(new):
    rig = new()
    c = rig.client()
    for text in ("CREATE TABLE ks.n (k int PRIMARY KEY)", "ALTER TABLE ks.n ADD v int", "DROP INDEX ks.i", "TRUNCATE ks.n"):
        c.good(where(rig, c, text))
    rig.expect(schema=0, failed=0, failed_writes=0)
    assert not rig.flags()


def test_schema_of_origin_only(new):
    rig = new(schema="origin")
    c = rig.client()
    c.good(where(rig, c, "CREATE TABLE ks.n (k int PRIMARY KEY)", 1, 0))
    c.good(where(rig, c, "TRUNCATE ks.n", 1, 0))
    rig.expect(schema=2)
    rig.keeper.wait_said("flag", table="ks.n", reason="unmirrored")


def test_keyspaces_and_roles_go_to_origin(new):
    rig = new()
    c = rig.client()
    for text in ("CREATE KEYSPACE n WITH replication = {}", "DROP KEYSPACE n", "CREATE ROLE r", "GRANT SELECT ON ks.t TO r", "ALTER USER u"):
        where(rig, c, text, 1, 0)
    rig.expect(schema=5)
    assert "CREATE ROLE" not in rig.log() and "GRANT" not in rig.log(), "role statements are never logged"


def test_options_never_wait_for_target(new):
    target = fake.Node("target", tag="T", compression=("lz4",), versions=(3, 4))
    rig = new(target=target)
    c = rig.client(ready=False)
    got = c.options()
    assert got["COMPRESSION"] == ["lz4"] and got["PROTOCOL_VERSIONS"] == ["3/v3", "4/v4"], got
    assert "SCYLLA_SHARD" not in got and got["CQL_VERSION"] == ["3.4.7"]
    c.start()
    rig.leg_ready()
    target.rule(lambda r: True, fake.silent)
    assert c.options()["COMPRESSION"] == ["lz4"], "also after STARTUP"
    packed = rig.client(compression="lz4")
    assert packed.options()["COMPRESSION"] == ["lz4"], "also when Origin packs its answer"
    assert not [r for r in target.seen(opcode=cql.OPTIONS) if r.connection.driver == "tests"]


def test_events_come_from_origin_alone(new):
    rig = new()
    for version in (4, 5):
        c = rig.client(version)
        assert c.ask(cql.REGISTER, cql.string_list(["STATUS_CHANGE", "SCHEMA_CHANGE"])).opcode == cql.READY
        rig.leg_ready(1 if version == 4 else 2)
        assert rig.target.seen(opcode=cql.REGISTER) == []
        body = cql.string("SCHEMA_CHANGE") + cql.string("CREATED") + cql.string("KEYSPACE") + cql.string("n")
        next(s for s in rig.origin.legs() if s.registered and s.version == version).event(body)
        got = c.read()
        assert (got.opcode, got.stream, got.body) == (cql.EVENT, -1, body)
        c.ok(INSERT)


def test_tracing_and_payload_stay_on_origin(new):
    rig = new()
    c = rig.client()
    payload = cql.short(1) + cql.string("who") + cql.value(b"me")
    rig.origin.rule(INSERT, lambda s, r: s.send(r, cql.RESULT, b"t" * 16 + cql.string_list(["careful"]) + cql.VOID, cql.TRACING | cql.WARNING))
    got = c.ask(cql.QUERY, payload + cql.query(4, INSERT), flags=cql.TRACING | cql.PAYLOAD)
    assert got.tracing == b"t" * 16 and got.warnings == ["careful"]
    here, there = rig.origin.wait(INSERT)[0], rig.target.wait(INSERT)[0]
    assert here.flags & (cql.TRACING | cql.PAYLOAD) == cql.TRACING | cql.PAYLOAD and here.env.payload == {"who": b"me"}
    assert not there.flags & (cql.TRACING | cql.PAYLOAD) and there.env.payload is None


def test_timestamps_are_equal(new):
    rig = new()
    last = 0
    for version in (3, 4, 5):
        c = rig.client(version)
        for n in range(3):
            text = "INSERT INTO ks.t (k) VALUES (%d%d)" % (version, n)
            c.ok(text)
            a, b = rig.origin.seen(text)[0], rig.target.seen(text)[0]
            assert a.timestamp and a.timestamp == b.timestamp and a.timestamp > last, (a.timestamp, b.timestamp, last)
            last = a.timestamp
        text = "INSERT INTO ks.t (k) VALUES (%d9)" % version
        c.ok(text, timestamp=12345)
        assert rig.origin.seen(text)[0].timestamp == rig.target.seen(text)[0].timestamp == 12345
        ident = c.prepare("UPDATE ks.t SET v = ? WHERE k = %d" % version)
        c.good(c.execute(ident, values=[b"\0\0\0\5"], page_size=10))
        a, b = (n.seen("WHERE k = %d" % version, cql.EXECUTE)[0] for n in (rig.origin, rig.target))
        assert a.timestamp and a.timestamp == b.timestamp and a.values == b.values == [b"\0\0\0\5"]
        text = "DELETE FROM ks.t WHERE k = %d" % version
        c.good(c.batch([(text, []), (ident, [b"\0\0\0\6"])]))
        a, b = (n.seen(text, cql.BATCH)[0] for n in (rig.origin, rig.target))
        assert a.timestamp and a.timestamp == b.timestamp
        c.good(c.batch([(text + "0", [])], timestamp=77))
        assert rig.origin.seen(text + "0")[0].timestamp == rig.target.seen(text + "0")[0].timestamp == 77
    c.ok("SELECT k FROM ks.t")
    assert rig.origin.seen("SELECT")[0].timestamp is None, "a read needs none"


def test_streams_are_the_client_s(new):
    """Toward each cluster an id is the client's while it is free; the answer carries the client's in any case."""
    rig = new()
    c = rig.client()
    for stream in (0, 1, 255, 256, 4096, 32767):
        text = "INSERT INTO ks.t (k) VALUES (%d)" % stream
        assert c.query(text, stream=stream).stream == stream
        assert rig.origin.seen(text)[0].stream == stream and rig.target.seen(text)[0].stream == stream


def test_handshake_and_unknown_requests_are_origin_s(new):
    rig = new()
    c = rig.client(user="u")
    rig.origin.rule(cql.STARTUP, fake.fails(cql.PROTOCOL, "already"))
    got = c.ask(cql.STARTUP, cql.string_map({"CQL_VERSION": "3.0.0"}))
    c.bad(got, cql.PROTOCOL)
    c.ok(INSERT)
