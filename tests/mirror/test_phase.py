"""Phase switches while traffic flows."""
import socket
import threading
import time

import cql
import fake
from rig import Closed, Keeper, until


class Load(threading.Thread):
    """Writes and reads of one session, eight in flight, each answer looked at, until stopped."""

    def __init__(self, rig, number, version=4):
        super().__init__(daemon=True)
        self.client = rig.client(version)
        self.number, self.sent, self.answered, self.wrong = number, 0, 0, []
        self.go = True
        self.statement = self.client.prepare("INSERT INTO ks.t (k, v) VALUES (?, %d)" % number)
        self.start()

    def run(self):
        c = self.client
        try:
            while self.go:
                streams = []
                for _ in range(8):
                    n, self.sent = self.sent, self.sent + 1
                    if n % 4 == 0:
                        streams.append(c.send(cql.EXECUTE, cql.execute(c.version, self.statement, c.meta_id, values=[cql.integer(n)])))
                    elif n % 4 == 1:
                        streams.append(c.send_query("SELECT k FROM ks.t WHERE k = %d" % n))
                    elif n % 4 == 2:
                        streams.append(c.send(cql.BATCH, cql.batch(c.version, [(self.statement, [cql.integer(n)]), ("DELETE FROM ks.u WHERE k = %d" % n, [])])))
                    else:
                        streams.append(c.send_query("INSERT INTO ks.t (k, v) VALUES (%d, %d)" % (n, self.number)))
                for s in streams:
                    got = c.receive(s)
                    self.answered += 1
                    if got.opcode != cql.RESULT:
                        self.wrong.append(c.failure(got).text)
        except Exception as e:
            self.wrong.append(repr(e))

    def stop(self):
        self.go = False
        self.join(10)
        assert not self.is_alive()
        assert self.sent == self.answered and not self.wrong, (self.sent, self.answered, self.wrong[:5])


def test_switch_under_load(new):
    """To dual-write and back, again and again: no failed request; T0 holds: what was asked after the answer is on both."""
    rig = new(phase="passthrough", request_timeout_ms=5000)
    loads = [Load(rig, n, 3 + n % 3) for n in range(6)]
    c = rig.client()
    for n in range(6):
        time.sleep(0.15)
        got = rig.phase("dual-write")
        assert got["ok"], got
        c.ok("INSERT INTO ks.t0 (k) VALUES (%d)" % n)
        assert len(rig.target.seen("ks.t0 (k) VALUES (%d)" % n)) == 1
        time.sleep(0.15)
        assert rig.phase("passthrough")["ok"]
        c.ok("INSERT INTO ks.t1 (k) VALUES (%d)" % n)
        assert not rig.target.seen("ks.t1")
    for load in loads:
        load.stop()
    rig.expect(failed=0, failed_writes=0, diverged=0, open=7, total=7)
    assert min(load.answered for load in loads) > 50


test_switch_under_load.seconds = 4


def test_switch_waits_for_former_requests(new):
    """T0: the switch returns only when the last request of the former phase has ended; each ends under its own."""
    rig = new(phase="passthrough", request_timeout_ms=5000)
    c = rig.client()
    gate = fake.Gate()
    rig.origin.rule("VALUES (1)", gate.hold)
    stream = c.send_query("INSERT INTO ks.t (k) VALUES (1)")
    rig.origin.wait("VALUES (1)")
    switch = rig.keeper.send("phase", app="shop", phase="dual-write")
    until(lambda: c.ok("INSERT INTO ks.t (k) VALUES (2)") and rig.target.seen("VALUES (2)"), "new requests are mirrored already")
    time.sleep(0.2)
    assert switch not in rig.keeper.answers, "returned before the former phase's request had ended"
    assert not rig.keeper.ask("phase", app="shop", phase="passthrough")["ok"], "one switch at a time"
    gate.open()
    c.good(c.receive(stream))
    assert rig.keeper.wait(switch)["ok"]
    assert not rig.target.seen("VALUES (1)")


def test_switch_refused_while_target_is_down(new):
    """Switched back, with the reason, and not one request failed meanwhile."""
    rig = new(phase="passthrough", request_timeout_ms=600)
    loads = [Load(rig, n) for n in range(3)]
    rig.target.down()
    rig.expect(state="down")
    began = time.monotonic()
    got = rig.phase("dual-write")
    assert not got["ok"] and time.monotonic() - began < 3
    assert "sessions did not follow" in got["refused"][0] and "refused" in got["refused"][0], got
    time.sleep(0.1)
    for load in loads:
        load.stop()
    rig.expect(failed=0, failed_writes=0, open=3, total=3)
    assert not rig.target.seen("INSERT")
    rig.target.up()
    rig.keeper.wait_said("topology", cluster="new", ok=True)
    until(lambda: rig.phase("dual-write")["ok"], "a switch that holds", 10)
    rig.client().ok("INSERT INTO ks.t (k) VALUES (7)")
    assert rig.target.seen("VALUES (7)")


def test_switch_with_sessions_in_every_state(new):
    """One that has said nothing yet, one amid its login, one that is closing, one that is opaque."""
    rig = new(phase="passthrough", origin=fake.Node("origin", auth=("a", "b")), request_timeout_ms=2000)
    rig.client(ready=False)
    amid = rig.client(ready=False, user="a", password="b")
    assert amid.startup().opcode == cql.AUTHENTICATE
    closing = rig.client(user="a", password="b")
    gate = fake.Gate()
    rig.origin.rule("INSERT", gate.hold, times=1)
    closing.send_query("INSERT INTO ks.t (k) VALUES (1)")
    rig.origin.wait("INSERT")
    closing.close()
    switch = rig.keeper.send("phase", app="shop", phase="dual-write")
    time.sleep(0.1)
    assert switch not in rig.keeper.answers
    gate.open()
    assert rig.keeper.wait(switch)["ok"]
    assert amid.login().opcode == cql.AUTH_SUCCESS
    amid.ok("INSERT INTO ks.t (k) VALUES (2)")
    assert rig.target.seen("VALUES (2)") and not rig.target.seen("VALUES (1)")
    rig.expect(failed=0, failed_writes=0)


def test_phases_of_later_versions_are_refused(new):
    rig = new(phase="passthrough")
    for name in ("observe", "shadow-read", "target-read", "target-only", "nonsense"):
        assert rig.phase(name) | {"id": 0} == {"op": "answer", "id": 0, "ok": False, "refused": ["not in this version"]}
    assert not rig.keeper.ask("phase", app="nobody", phase="passthrough")["ok"]


def test_detach_under_load(new):
    """unlisten: no new sessions; those that live go on in passthrough, without one failed request."""
    rig = new(request_timeout_ms=3000)
    loads = [Load(rig, n) for n in range(4)]
    time.sleep(0.3)
    got = rig.keeper.ask("unlisten", app="shop")
    assert got["ok"], got
    s = socket.socket()
    assert s.connect_ex(rig.address), "nobody listens any more"
    s.close()
    before = len(rig.target.log)
    time.sleep(0.2)
    assert len(rig.target.log) == before, "passthrough"
    until(lambda: not rig.target.legs(), "Target legs go")
    for load in loads:
        load.stop()
    rig.expect(failed=0, failed_writes=0, open=4)


def test_heartbeat(new):
    """Every worker stamps as long as the door is open."""
    import os
    import struct
    rig = new(workers=3)

    def stamps():
        return struct.unpack("<4Q", os.pread(rig.heartbeat, 32, 0))
    first = stamps()
    assert all(first[:3]) and not first[3]
    until(lambda: all(b > a for a, b in zip(first[:3], stamps())), "stamps of all")
    assert rig.keeper.ask("unlisten", app="shop")["ok"]
    last = stamps()
    time.sleep(0.3)
    assert stamps() == last


def test_keeper_gone(new):
    """Listeners close, sessions go on in their phase, a later keeper is heard, and the mirror ends with its last session."""
    rig = new()
    c = rig.client()
    c.ok("INSERT INTO ks.t (k) VALUES (1)")
    rig.keeper.sock.shutdown(socket.SHUT_RDWR)
    until(lambda: socket.socket().connect_ex(rig.address), "the listeners close")
    c.ok("INSERT INTO ks.t (k) VALUES (2)")
    assert rig.target.seen("VALUES (2)")
    s = socket.socket(socket.AF_UNIX)
    s.connect(rig.takeover)
    late = Keeper(s)
    got = late.ask("status")["apps"]["shop"]
    assert got["open"] == 1 and got["requests"]["writes"] == 2
    assert late.ask("phase", app="shop", phase="passthrough")["ok"]
    c.ok("INSERT INTO ks.t (k) VALUES (3)")
    assert not rig.target.seen("VALUES (3)")
    s.close()
    c.ok("INSERT INTO ks.t (k) VALUES (4)")
    c.close()
    until(lambda: rig.process.poll() is not None, "the mirror ends")


def test_stop_lets_sessions_go_on(new):
    """Until the timeout; then they end."""
    rig = new()
    c = rig.client()
    rig.leg_ready()
    rig.keeper.send("stop", timeout_s=1)
    began = time.monotonic()
    for n in range(5):
        c.ok("INSERT INTO ks.t (k) VALUES (%d)" % n)
    try:
        while True:
            c.ok("SELECT k FROM ks.t")
            time.sleep(0.01)
    except (Closed, OSError):
        pass
    assert 0.8 < time.monotonic() - began < 4
    until(lambda: rig.process.poll() is not None, "the mirror ends")


def test_sessions_and_topology(new):
    rig = new()
    c = rig.client(5, "lz4", user="u")
    c.ok("USE ks")
    until(lambda: rig.sessions()[0]["target"], "the leg")
    row = rig.sessions()[0]
    want = {"app": "shop", "app_addr": "127.0.0.1:%d" % c.sock.getsockname()[1], "origin": rig.origin.address, "target": rig.target.address,
            "driver": "tests", "driver_version": "1", "protocol": 5, "compression": "lz4", "keyspace": "ks", "in_flight": 0, "path": "tcp"}
    assert {k: row[k] for k in want} == want, row
    assert row["requests"] == 2
    said = rig.keeper.heard("topology", cluster="old")[-1]
    assert said["versions"] == [3, 4, 5] and said["release"] == "5.0.0" and said["datacenters"] == ["dc1"]
    assert rig.origin.address in said["endpoints"] and said["cluster_name"] == "origin" and not said["error"]


def test_bad_messages_of_a_keeper(new):
    rig = new()
    for op, fields in (("nonsense", {}), ("listen", {"app": "shop"}), ("phase", {"app": "shop"}), ("config", {"clusters": {"x": {}}}),
                       ("config", {"apps": {"y": {"origin": "old", "target": "none"}}})):
        assert not rig.keeper.ask(op, **fields)["ok"]
    rig.client().ok("INSERT INTO ks.t (k) VALUES (1)")
