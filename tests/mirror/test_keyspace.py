"""USE: the Target leg follows, and nothing that needs the new keyspace goes before it."""
import time

import cql
import fake
from rig import until


def test_barrier(new):
    for version in (3, 4, 5):
        rig = new()
        c = rig.client(version)
        rig.leg_ready()
        c.ok("USE ks")
        gate = fake.Gate()
        rig.target.rule("USE \"other\"", gate.hold)
        c.ok("USE other")
        first = c.send_query("INSERT INTO t (k) VALUES (1)")
        qualified = c.send_query("INSERT INTO ks.t (k) VALUES (2)")
        rig.target.wait('USE "other"')
        rig.origin.wait("INSERT", count=2)
        time.sleep(0.1)
        assert not rig.target.seen("INSERT INTO t "), "sent before Target answered the USE"
        gate.open()
        c.good(c.receive(first))
        c.good(c.receive(qualified))
        assert rig.target.seen("INSERT INTO t ")[0].connection.keyspace == "other"
        assert rig.sessions()[0]["keyspace"] == "other"
        rig.expect(failed=0, failed_writes=0)


def test_origin_s_answer_does_not_wait(new):
    rig = new()
    c = rig.client()
    rig.leg_ready()
    rig.target.rule("USE", fake.silent)
    began = time.monotonic()
    c.ok("USE ks")
    c.ok("SELECT k FROM t")
    assert time.monotonic() - began < 0.5


def test_use_that_origin_refuses(new):
    rig = new()
    c = rig.client()
    rig.leg_ready()
    c.ok("USE ks")
    c.bad(c.query("USE nowhere"), cql.INVALID)
    c.ok("INSERT INTO t (k) VALUES (1)")
    assert rig.target.seen("INSERT INTO t ")[0].connection.keyspace == "ks"
    assert not rig.target.seen("nowhere")
    rig.expect(failed=0, failed_writes=0)


def test_keyspace_missing_on_target(new):
    """Unqualified statements count as invalid and never run in the old keyspace."""
    for failure in ("fail", "count"):
        rig = new(failure=failure)
        rig.target.keyspaces.remove("other")
        c = rig.client()
        rig.leg_ready()
        c.ok("USE ks")
        c.ok("INSERT INTO t (k) VALUES (1)")
        c.ok("USE other")
        for request in (lambda: c.query("INSERT INTO t (k) VALUES (2)"), lambda: c.batch([("INSERT INTO t (k) VALUES (3)", [])])):
            answer = request()
            if failure == "fail":
                c.bad(answer, cql.INVALID)
            else:
                c.good(answer)
        c.ok("INSERT INTO ks.t (k) VALUES (4)")
        time.sleep(0.05)
        assert not rig.target.seen("VALUES (2)") and not rig.target.seen("VALUES (3)") and rig.target.seen("VALUES (4)")
        rig.expect(failed_writes=2, diverged=0)
        rig.keeper.wait_said("flag", table="other.t", reason="schema")
        c.ok("USE ks")
        c.ok("INSERT INTO t (k) VALUES (5)")
        assert rig.target.seen("VALUES (5)")[0].connection.keyspace == "ks"
        rig.expect(failed_writes=2)
        # it appears
        rig.target.keyspaces.add("other")
        c.ok("USE other")
        until(lambda: c.query("INSERT INTO t (k) VALUES (6)").opcode == cql.RESULT and rig.target.seen("VALUES (6)"), "the keyspace is found", 4)


def test_leg_comes_up_in_the_session_s_keyspace(new):
    rig = new(phase="passthrough")
    c = rig.client()
    c.ok("USE ks")
    assert rig.phase("dual-write")["ok"]
    c.ok("INSERT INTO t (k) VALUES (1)")
    assert rig.target.seen("INSERT INTO t ")[0].connection.keyspace == "ks"
    # after a loss too
    rig.target.legs()[0].kill()
    until(lambda: not rig.sessions()[0]["target"] or rig.target.legs(), "the loss")
    c.ok("INSERT INTO t (k) VALUES (2)")
    assert rig.target.seen("VALUES (2)")[0].connection.keyspace == "ks"


def test_client_moves_on_while_the_leg_comes_up(new):
    rig = new()
    gate = fake.Gate()
    rig.target.rule("USE", gate.hold)
    hello = fake.Gate()
    rig.target.rule(cql.STARTUP, hello.hold)
    c = rig.client()
    c.ok("USE ks")
    hello.open()
    rig.target.wait('USE "ks"')
    c.ok("USE other")
    stream = c.send_query("INSERT INTO t (k) VALUES (1)")
    rig.origin.wait("INSERT")
    gate.open()
    c.good(c.receive(stream))
    assert rig.target.seen("INSERT")[0].connection.keyspace == "other"
    rig.expect(failed=0, failed_writes=0)


def test_use_under_way_at_the_switch(new):
    """The USE began in passthrough, and its answer came in dual-write."""
    rig = new(phase="passthrough", request_timeout_ms=3000)
    c = rig.client()
    c.ok("USE ks")
    gate = fake.Gate()
    rig.origin.rule("USE", gate.hold)
    use = c.send_query("USE other")
    rig.origin.wait("USE other")
    switch = rig.keeper.send("phase", app="shop", phase="dual-write")
    until(lambda: c.ok("DELETE FROM ks.p WHERE k = 1") and rig.target.seen("ks.p"), "new requests are mirrored")
    gate.open()
    c.good(c.receive(use))
    c.ok("INSERT INTO t (k) VALUES (1)")
    assert rig.target.seen("INSERT")[0].connection.keyspace == "other"
    assert rig.keeper.wait(switch)["ok"]
    rig.expect(failed=0, failed_writes=0)


def test_quoted_keyspace(new):
    rig = new()
    for n in rig.nodes:
        n.keyspaces.add("Mixed")
    c = rig.client()
    c.ok('USE "Mixed"')
    c.ok("INSERT INTO t (k) VALUES (1)")
    assert rig.target.wait("INSERT")[0].connection.keyspace == "Mixed"
    rig.expect(failed=0, failed_writes=0)
