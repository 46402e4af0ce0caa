"""What the app sees of a write: rows of the answers' table, under fail and under count."""
import time

import cql
import fake
from rig import until

INSERT = "INSERT INTO ks.t (k) VALUES (1)"
NOT_APPLIED = ((cql.UNAVAILABLE, "unavailable"), (cql.OVERLOADED, "overloaded"))
IN_DOUBT = ((cql.WRITE_TIMEOUT, "timeout"), (cql.SERVER_ERROR, "server error"))
DRIFT = ((cql.INVALID, "invalid"), (cql.SYNTAX, "syntax"), (cql.UNAUTHORIZED, "unauthorized"))


def timed(call):
    began = time.monotonic()
    got = call()
    return got, time.monotonic() - began


def test_follower_fails_under_fail(new):
    rig = new(failure="fail")
    c = rig.client()
    rig.leg_ready()
    n = 0
    for code, word in NOT_APPLIED + IN_DOUBT:
        rig.target.clear()
        rig.target.rule(INSERT, fake.fails(code, word))
        answer, seconds = timed(lambda: c.query(INSERT, consistency=6))
        f = c.bad(answer, cql.WRITE_TIMEOUT)
        n += 1
        assert seconds < 0.5, "known at once, told at once"
        assert (f.write_type, f.consistency, f.received, f.block_for) == ("SIMPLE", 6, 1, 2), vars(f)
    rig.expect(failed=n, failed_writes=n, diverged=0)
    rig.keeper.wait_said("flag", table="ks.t", reason="failed_writes")
    assert rig.flags() == [("ks.t", "failed_writes")]
    assert rig.origin.seen(INSERT) and len(rig.origin.seen(INSERT)) == n, "the authority never runs twice"


def test_follower_fails_under_count(new):
    rig = new(failure="count")
    c = rig.client()
    rig.leg_ready()
    n = 0
    for code, word in NOT_APPLIED + IN_DOUBT + DRIFT:
        rig.target.clear()
        rig.target.rule(INSERT, fake.fails(code, word))
        c.ok(INSERT)
        n += 1
        rig.expect(failed=0, failed_writes=n, diverged=0)
    rig.keeper.wait_said("flag", table="ks.t", reason="failed_writes")
    rig.keeper.wait_said("flag", table="ks.t", reason="schema")
    assert len(rig.flags()) == 2


def test_drift_under_fail_shows_the_follower_s_error(new):
    rig = new(failure="fail")
    c = rig.client()
    for n, (code, word) in enumerate(DRIFT):
        rig.target.clear()
        rig.target.rule(INSERT, fake.fails(code, "no such thing: " + word))
        assert c.bad(c.query(INSERT), code).text == "no such thing: " + word
        rig.expect(failed_writes=n + 1, diverged=0)
    rig.keeper.wait_said("flag", table="ks.t", reason="schema")


def test_follower_silent_under_fail(new):
    rig = new(failure="fail", request_timeout_ms=500)
    c = rig.client()
    rig.leg_ready()
    rig.target.rule(INSERT, fake.silent)
    answer, seconds = timed(lambda: c.query(INSERT, consistency=1))
    f = c.bad(answer, cql.WRITE_TIMEOUT)
    assert 0.45 <= seconds < 1.5 and (f.write_type, f.block_for) == ("SIMPLE", 1), (seconds, vars(f))
    rig.target.rule("ks.b", fake.silent)
    for kind, name in ((0, "BATCH"), (1, "UNLOGGED_BATCH"), (2, "COUNTER")):
        f = c.bad(c.batch([("INSERT INTO ks.b (k) VALUES (1)", [])], kind=kind), cql.WRITE_TIMEOUT)
        assert f.write_type == name, f.write_type
    rig.expect(failed=4, failed_writes=4, diverged=0)
    rig.target.clear()
    c.ok(INSERT)


def test_follower_slow_under_count(new):
    """Slower than follower_wait: the app doesn't wait, the write counts; the late answer harms nobody."""
    rig = new(failure="count", follower_wait_ms=100, request_timeout_ms=3000)
    c = rig.client()
    rig.leg_ready()
    rig.target.rule(INSERT, fake.later(0.05))
    c.ok(INSERT)
    rig.expect(failed_writes=0)
    rig.target.clear()
    rig.target.rule(INSERT, fake.later(0.6))
    answer, seconds = timed(lambda: c.query(INSERT, stream=9))
    c.good(answer)
    assert 0.08 < seconds < 0.5, seconds
    rig.expect(failed_writes=1, failed=0)
    c.ok("INSERT INTO ks.t (k) VALUES (2)", stream=9)  # while the id is still owed on Target
    assert rig.target.wait("VALUES (2)")[0].stream != 9 and rig.origin.seen("VALUES (2)")[0].stream == 9
    time.sleep(0.6)
    c.ok("INSERT INTO ks.t (k) VALUES (3)", stream=9)
    assert rig.target.seen("VALUES (3)")[0].stream == 9, "the number is free again"
    rig.expect(failed_writes=1, diverged=0)
    assert len(rig.target.connections) > 1 and len(rig.target.legs()) == 1


def test_authority_fails(new):
    for failure in ("fail", "count"):
        rig = new(failure=failure)
        c = rig.client()
        rig.leg_ready()
        # error | not sent or error: the authority's, nothing to count
        rig.origin.rule(INSERT, fake.fails(cql.INVALID, "origin says no"))
        no = rig.target.rule(INSERT, fake.fails(cql.INVALID, "target says no"))
        assert c.bad(c.query(INSERT), cql.INVALID).text == "origin says no"
        until(lambda: no.hits, "Target is asked")
        rig.expect(failed=0, failed_writes=0, diverged=0)
        # error | ok
        rig.target.clear()
        assert c.bad(c.query(INSERT), cql.INVALID).text == "origin says no"
        rig.expect(diverged=1)
        # error | in doubt
        rig.target.rule(INSERT, fake.fails(cql.WRITE_TIMEOUT))
        c.bad(c.query(INSERT), cql.INVALID)
        rig.expect(diverged=2)  # which waits for Target's answer, so that the next rule is the next write's
        # error | silent: told at once, counted when the follower is given up
        rig.target.clear()
        rig.target.rule(INSERT, fake.silent)
        answer, seconds = timed(lambda: c.query(INSERT))
        c.bad(answer, cql.INVALID)
        assert seconds < 0.4
        rig.expect(diverged=3, failed=0, failed_writes=0)
        # the authority in doubt itself: its own error
        rig.origin.clear()
        rig.target.clear()
        rig.origin.rule(INSERT, fake.fails(cql.WRITE_TIMEOUT, "late", cql.short(4) + cql.integer(1) + cql.integer(2) + cql.string("CDC")))
        assert c.bad(c.query(INSERT), cql.WRITE_TIMEOUT).write_type == "CDC"
        rig.expect(diverged=4, failed=0, failed_writes=0)
        rig.keeper.wait_said("flag", table="ks.t", reason="diverged")
        assert rig.flags() == [("ks.t", "diverged")]


def test_authority_silent(new):
    for failure in ("fail", "count"):
        rig = new(failure=failure, request_timeout_ms=400)
        c = rig.client()
        rig.leg_ready()
        rig.origin.rule(INSERT, fake.silent)
        answer, seconds = timed(lambda: c.query(INSERT, consistency=4))
        f = c.bad(answer, cql.WRITE_TIMEOUT)
        assert 0.35 < seconds < 1.4 and (f.consistency, f.write_type, f.received, f.block_for) == (4, "SIMPLE", 1, 2), vars(f)
        rig.origin.rule("SELECT", fake.silent)
        f = c.bad(c.query("SELECT k FROM ks.t", consistency=10), cql.READ_TIMEOUT)
        assert (f.consistency, f.received, f.block_for, f.data_present) == (10, 0, 1, 0), vars(f)
        rig.origin.rule("IF NOT EXISTS", fake.silent)
        assert c.bad(c.query("INSERT INTO ks.t (k) VALUES (2) IF NOT EXISTS"), cql.WRITE_TIMEOUT).write_type == "CAS"
        rig.origin.rule(cql.OPTIONS, fake.silent)
        c.bad(c.ask(cql.OPTIONS), cql.OVERLOADED)
        rig.expect(diverged=1, failed_writes=0, failed=4)
        rig.origin.clear()
        c.ok(INSERT)


def test_late_answers_of_origin_reach_nobody(new):
    rig = new(request_timeout_ms=300)
    c = rig.client()
    rig.leg_ready()
    gate = fake.Gate()
    rig.origin.rule("SELECT", gate.hold)
    rig.origin.rule(INSERT, gate.hold)
    c.bad(c.query(INSERT, stream=3), cql.WRITE_TIMEOUT)
    c.bad(c.query("SELECT k FROM ks.t", stream=4), cql.READ_TIMEOUT)
    rig.origin.clear()
    c.ok("SELECT k FROM ks.u", stream=4)
    assert rig.origin.seen("ks.u")[0].stream not in (3, 4), "the number is still owed"
    gate.open()
    c.nothing(0.3)
    c.ok("SELECT k FROM ks.w", stream=4)
    assert rig.origin.seen("ks.w")[0].stream == 4


def test_late_answer_in_pieces(new):
    """An answer that was given up while it came in pieces."""
    rig = new(request_timeout_ms=300)
    c = rig.client()
    rig.leg_ready()

    def slowly(s, r):
        raw = cql.envelope(0x84, cql.RESULT, cql.VOID + b"\0" * 300000, r.stream)
        s.put(raw[:200000])
        until(lambda: answered, "the timeout")
        s.put(raw[200000:])
    for node, outcome in ((rig.origin, cql.WRITE_TIMEOUT), (rig.target, cql.WRITE_TIMEOUT)):
        answered = []
        node.rule(INSERT, slowly, times=1)
        c.bad(c.query(INSERT, stream=5), outcome)
        answered.append(1)
        c.ok("INSERT INTO ks.t (k) VALUES (2)", stream=5)
        c.ok("INSERT INTO ks.t (k) VALUES (3)", stream=5)
    rig.expect(open=1)


def test_connection_lost_on_target(new):
    for failure in ("fail", "count"):
        rig = new(failure=failure)
        c = rig.client()
        rig.leg_ready()
        rig.target.rule(INSERT, fake.closes, times=1)
        answer, seconds = timed(lambda: c.query(INSERT))
        if failure == "fail":
            c.bad(answer, cql.WRITE_TIMEOUT)
        else:
            c.good(answer)
        assert seconds < 0.5
        rig.expect(failed_writes=1, diverged=0, open=1)
        c.ok("INSERT INTO ks.t (k) VALUES (2)")  # waits for the new leg
        rig.expect(failed_writes=1)
        assert len(rig.target.seen("VALUES (2)")) == 1 and len(rig.origin.seen(INSERT)) == 1


def test_origin_lost_closes_the_session(new):
    rig = new()
    c = rig.client()
    rig.leg_ready()
    gate = fake.Gate()
    rig.target.rule(INSERT, gate.hold)
    c.send_query(INSERT)
    rig.target.wait(INSERT)
    until(lambda: rig.origin.seen(INSERT), "Origin has it")
    rig.origin.rule("SELECT", fake.closes)
    c.send_query("SELECT k FROM ks.t")
    assert c.is_closed()
    until(lambda: not rig.target.legs(), "the Target leg goes too")
    rig.expect(open=0, total=1, captured=0)


def test_origin_refuses(new):
    """Origin's node is down: what the app sees is a connection that ends."""
    rig = new()
    rig.origin.down()
    c = rig.client(ready=False)
    assert c.is_closed()
    rig.expect(open=0, total=1)


def test_ddl(new):
    rig = new()
    c = rig.client()
    rig.leg_ready()
    ddl = "CREATE TABLE ks.n (k int PRIMARY KEY)"
    # agreement on Target is waited for
    other = fake.Node("target2", tag="T")
    rig.nodes.append(other)
    rig.target.peers.append(other)
    other.schema = b"x" * 16
    c.send_query(ddl, stream=1)
    rig.target.wait("SELECT schema_version FROM system.peers", timeout=3)
    c.nothing(0.3)
    other.schema = rig.target.schema
    got = c.good(c.receive(1))
    assert got.body == cql.schema_change()
    rig.expect(failed=0, failed_writes=0)
    assert not rig.flags()
    # Target says no: Origin's answer, flagged, never an error
    rig.target.rule("CREATE", fake.fails(cql.ALREADY_EXISTS))
    c.ok("CREATE TABLE ks.m (k int PRIMARY KEY)")
    rig.keeper.wait_said("flag", table="ks.m", reason="schema")
    # Origin says no: shown
    rig.origin.rule("CREATE", fake.fails(cql.ALREADY_EXISTS))
    c.bad(c.query("CREATE TABLE ks.m (k int PRIMARY KEY)"), cql.ALREADY_EXISTS)
    # Target unreachable
    rig.origin.clear()
    rig.target.down()
    c.ok("TRUNCATE ks.t")
    rig.keeper.wait_said("flag", table="ks.t", reason="schema")
    rig.expect(failed=0, failed_writes=0, diverged=0, open=1)


def test_ddl_is_not_bound_by_request_timeout(new):
    rig = new(request_timeout_ms=300)
    c = rig.client()
    rig.leg_ready()
    rig.origin.rule("TRUNCATE", fake.later(1))
    answer, seconds = timed(lambda: c.query("TRUNCATE ks.t"))
    c.good(answer)
    assert seconds > 0.9


def test_ddl_waits_for_target_ten_seconds_at_most(new):
    rig = new(request_timeout_ms=300)
    c = rig.client(timeout=20)
    rig.leg_ready()
    rig.target.rule("CREATE", fake.silent)
    answer, seconds = timed(lambda: c.query("CREATE TABLE ks.n (k int PRIMARY KEY)"))
    c.good(answer)
    assert 5 < seconds < 12, seconds
    rig.keeper.wait_said("flag", table="ks.n", reason="schema")


test_ddl_waits_for_target_ten_seconds_at_most.seconds = 11


def test_app_closes_with_writes_in_flight(new):
    """What the app sent before it closed lands on both clusters."""
    for failure in ("fail", "count"):
        rig = new(failure=failure)
        c = rig.client()
        rig.leg_ready()
        gate = fake.Gate()
        rig.origin.rule("INSERT", gate.hold)
        for k in range(200):
            c.send_query("INSERT INTO ks.t (k) VALUES (%d)" % k, stream=k)
        c.close()
        rig.origin.wait("INSERT", count=200)
        rig.target.wait("INSERT", count=200)
        gate.open()
        rig.expect(open=0, failed_writes=0, diverged=0, writes=200)
    # before the Target leg stood
    rig = new(failure="count", follower_wait_ms=3000)
    gate = fake.Gate()
    rig.target.rule(cql.STARTUP, gate.hold)
    c = rig.client()
    c.send_query(INSERT)
    rig.origin.wait(INSERT)
    c.close()
    gate.open()
    rig.target.wait(INSERT)
    rig.expect(open=0, failed_writes=0)
