"""The Target leg's life: it comes, goes and comes back without the app's connection."""
import time

import cql
import fake
from rig import until

INSERT = "INSERT INTO ks.t (k) VALUES (1)"


def test_first_write_waits_for_the_leg(new):
    rig = new()
    rig.target.rule(cql.STARTUP, fake.later(0.3))
    c = rig.client()
    c.ok("SELECT k FROM ks.t")
    c.ok(INSERT)
    assert len(rig.target.seen(INSERT)) == 1
    rig.expect(failed=0, failed_writes=0)


def test_first_write_waits_under_count_too(new):
    """A session gets its leg before its first write, however short follower_wait is; what it is sent then has its time."""
    rig = new(failure="count", follower_wait_ms=60, request_timeout_ms=3000)
    rig.target.rule(cql.STARTUP, fake.later(0.3))
    rig.target.rule("INSERT", fake.later(0.03))
    c = rig.client()
    c.ok(INSERT)
    assert rig.target.seen(INSERT)
    rig.expect(failed=0, failed_writes=0)


def test_lost_and_rebuilt(new):
    """Again and again; not one answer is missing, and prepared statements and keyspace are there again."""
    rig = new(failure="count", follower_wait_ms=2000)
    c = rig.client()
    c.ok("USE ks")
    ident = c.prepare("INSERT INTO t (k) VALUES (?)")
    for n in range(8):
        leg = until(rig.target.legs, "a leg")[0]
        if n % 2:
            rig.target.known.clear()  # the node that comes back knows nothing
        leg.kill(reset=n % 3 == 0)
        until(lambda: not leg.open, "its end")
        c.good(c.execute(ident, values=[cql.integer(n)]))
        c.ok("INSERT INTO t (k) VALUES (%d)" % n)
    got = rig.expect(open=1, total=1, failed=0, diverged=0, writes=16)
    assert got["failed_writes"] <= 8, "only what was sent at the moment of the loss"
    assert got["failed_writes"] + len(rig.target.seen("INSERT INTO t (k) VALUES (", cql.QUERY)) >= 8
    until(lambda: rig.sessions()[0]["target"] == rig.target.address, "the leg")
    assert all(r.connection.keyspace == "ks" for r in rig.target.seen("INSERT", cql.EXECUTE))


def test_target_refuses(new):
    """Down: writes fail or count at once, behind a breaker; up again: they pass, nobody had to reconnect."""
    for failure in ("fail", "count"):
        rig = new(failure=failure)
        c = rig.client()
        rig.leg_ready()
        rig.target.down()
        rig.expect(state="down")
        for n in range(10):
            began = time.monotonic()
            answer = c.query(INSERT)
            if failure == "fail":
                c.bad(answer, cql.WRITE_TIMEOUT)
            else:
                c.good(answer)
            assert time.monotonic() - began < 0.5, "waits for a Target that refuses"
            c.ok("SELECT k FROM ks.t")
        rig.expect(failed_writes=10, diverged=0, open=1, total=1)
        dials = len(rig.target.connections)
        rig.target.up()
        until(lambda: c.query(INSERT).opcode == cql.RESULT and rig.target.seen("ks.t"), "writes pass again", 6)
        rig.expect(state="up", open=1, total=1)
        assert len(rig.target.connections) - dials < 6


def test_breaker_limits_the_dials(new):
    """Many sessions, a Target that ends each handshake: one tries at a time, ever more seldom."""
    rig = new(failure="count")
    for _ in range(20):
        rig.client()
    rig.leg_ready(20)
    rig.target.rule(cql.STARTUP, fake.closes)
    for leg in rig.target.legs():
        leg.kill()
    rig.expect(state="down")
    before = len(rig.target.connections)
    time.sleep(2)
    dials = len(rig.target.connections) - before
    assert dials <= 40, "%d dials in 2 s" % dials
    rig.target.clear()
    rig.leg_ready(20)


def test_next_node_is_tried(new):
    second = fake.Node("target2", tag="T")
    target = fake.Node("target", tag="T")
    target.peers.append(second)
    rig = new(target=target)
    rig.nodes.append(second)
    until(lambda: second.address in rig.keeper.heard("topology", cluster="new")[-1]["endpoints"], "both nodes known")
    for _ in range(8):
        rig.client().ok(INSERT)
    assert second.seen(INSERT) and target.seen(INSERT), "round robin"
    for bad in (fake.closes, fake.fails(cql.SERVER_ERROR, "no"), fake.fails(cql.BAD_CREDENTIALS, "no")):
        second.clear()
        second.rule(cql.STARTUP, bad)
        for _ in range(4):
            rig.client().ok(INSERT)
    second.refuse()
    for _ in range(4):
        rig.client().ok(INSERT)
    rig.expect(failed=0, failed_writes=0)


def test_frozen_leg_is_rebuilt(new):
    """Target accepts, and never answers: the session lives on, and when Target answers again so do the writes."""
    for failure in ("fail", "count"):
        rig = new(failure=failure, request_timeout_ms=400)
        c = rig.client()
        rig.leg_ready()
        c.ok(INSERT)
        old = rig.target.legs()[0]
        frozen = [True]
        rig.target.rule(lambda r: frozen and r.connection is old, fake.silent)
        for n in range(6):
            c.query("INSERT INTO ks.t (k) VALUES (2%d)" % n)
            time.sleep(0.15)
        until(lambda: not old.open, "the frozen leg is given up", 4)
        c.ok("INSERT INTO ks.t (k) VALUES (3)")
        rig.leg_ready()
        until(lambda: rig.target.seen("VALUES (3)"), "the write")
        rig.expect(open=1, total=1, diverged=0)


def test_zombies_rebuild_the_leg(new):
    """More than 1024 ids that are owed an answer."""
    rig = new(failure="count", follower_wait_ms=20, request_timeout_ms=20000)
    c = rig.client()
    rig.leg_ready()
    rig.target.rule(lambda r: "0)" in (r.text or ""), fake.silent)
    old = rig.target.legs()[0]
    for base in range(0, 1200, 100):
        for n in range(base, base + 100):
            c.send_query("INSERT INTO ks.t (k) VALUES (%d0)" % n, stream=n)
        for n in range(base, base + 100):
            c.good(c.receive(n))
        c.ok("INSERT INTO ks.t (k) VALUES (7)")
    until(lambda: not old.open, "the leg is given up")
    rig.target.clear()
    rig.leg_ready()
    c.ok("INSERT INTO ks.t (k) VALUES (8)")
    rig.expect(open=1, total=1, failed_writes=1200, failed=0)


def test_zombies_of_origin_close_the_session(new):
    rig = new(request_timeout_ms=300)
    c = rig.client()
    rig.origin.rule("SELECT", fake.silent)
    for n in range(1100):
        c.send_query("SELECT k FROM ks.t", stream=n)
    assert c.is_closed()
    rig.expect(open=0)


def test_unasked_stream_on_target(new):
    rig = new()
    c = rig.client()
    rig.leg_ready()
    rig.target.rule(INSERT, lambda s, r: s.put(cql.envelope(0x84, cql.RESULT, cql.VOID, 7777)), times=1)
    c.bad(c.query(INSERT), cql.WRITE_TIMEOUT)
    c.ok("INSERT INTO ks.t (k) VALUES (2)")
    rig.expect(open=1, failed_writes=1)


def test_garbage_from_target(new):
    rig = new(failure="count")
    for version in (4, 5):
        c = rig.client(version)
        rig.leg_ready(version - 3)
        for junk in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"\xff" * 64, b"\x84\0\0\0\x08\x7f\xff\xff\xff", b"\x04\0\0\1\x07\0\0\0\0"):
            rig.target.rule(INSERT, lambda s, r: s.put(junk), times=1)
            c.ok(INSERT)
            c.ok("INSERT INTO ks.t (k) VALUES (2)")
    rig.expect(failed=0, open=2)


def test_garbage_from_origin(new):
    rig = new()
    for junk in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 64, b"\x84\0\0\0\x08\x7f\xff\xff\xff", cql.envelope(0x84, cql.RESULT, b"", 999)):
        c = rig.client()
        rig.origin.rule(INSERT, lambda s, r: s.put(junk), times=1)
        c.send_query(INSERT)
        assert c.is_closed()
    rig.expect(open=0, total=4)


def test_full_queue_toward_target(new):
    """Target stops reading: what is beyond session_buffer fails at once, and the client is never stopped."""
    rig = new(failure="count", session_buffer=256 << 10, follower_wait_ms=5000, request_timeout_ms=6000)
    c = rig.client()
    rig.leg_ready()
    rig.target.reading.clear()
    rig.target.read_size = 1024
    text = "INSERT INTO ks.t (k, v) VALUES (1, '%s')" % ("x" * 60000)
    sent, began = 200, time.monotonic()
    for n in range(sent):
        c.send_query(text, stream=n)
    until(lambda: len(rig.origin.seen("INSERT")) == sent, "Origin gets all of them", 4)
    c.ok("SELECT k FROM ks.t", stream=999)
    assert time.monotonic() - began < 4
    got = rig.expect(open=1)
    assert got["failed_writes"] >= sent // 2, got
    rig.target.reading.set()
    rig.target.read_size = 1 << 20
    for n in range(sent):
        c.good(c.receive(n))
    rig.expect(writes=sent, failed=0, diverged=0)


def test_writes_kept_for_target_never_stop_the_client(new):
    """Target reads and doesn't answer: the same."""
    rig = new(failure="count", session_buffer=256 << 10, follower_wait_ms=5000, request_timeout_ms=6000)
    c = rig.client()
    rig.leg_ready()
    rig.target.rule("INSERT", fake.silent)
    text = "INSERT INTO ks.t (k, v) VALUES (1, '%s')" % ("x" * 60000)
    for n in range(100):
        c.send_query(text, stream=n)
    until(lambda: len(rig.origin.seen("INSERT")) == 100, "Origin gets all of them", 4)
    c.ok("SELECT k FROM ks.t", stream=999)
