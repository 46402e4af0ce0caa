"""What is let through or refused, counted and told; the gate (T12)."""
import errno
import os
import signal
import socket
import time

from harness import N1, N2, N3, N6, PORT, same, until, told_pid

D1 = "direct %s:%d" % (N1, PORT)
STALE = 1.0


def works(a, addr=N1):
    return a.visit(addr, PORT)["line"].startswith("captured %s" % ("[%s]" % addr if ":" in addr else addr))


def test_unknown_address(s):
    c, path = s.attached()
    a = s.app(path)
    began = time.monotonic()
    same(a.visit(N3, PORT)["line"], "direct %s:%d" % (N3, PORT))
    e = until("told", lambda: c.must("events")["events"], 1)
    assert time.monotonic() - began < 1
    same([(x["reason"], x["dst"], x["uid"]) for x in e], [("unknown_address", "%s:%d" % (N3, PORT), 0)])
    told_pid(e[0]["pid"], a.pid)
    assert e[0]["comm"], "names the program"
    same(c.through("captured", "unknown_address"), [0, 1])
    # Once it is known, it is taken; and an endpoint that stays is not missing for a moment while others come and go.
    a.burst(N1, PORT)
    for i in range(200):
        c.must("endpoints", N1, *["10.1.%d.%d" % (i, j) for j in range(1 + i % 30)])
    c.must("endpoints", N1, N3)
    out = a.burst_end()
    same({k: v for k, v in out.items() if k != "captured"}, dict(direct=0, refused=0, hung=0, cut=0, other=0), "while replaced")
    assert works(a, N3)
    same(a.visit(N2, PORT)["line"], "direct %s:%d" % (N2, PORT), "no endpoint any more")


def test_full(s):
    c, path = s.attached(conns=4)
    a = s.app(path)
    held = [a.sock("4") for _ in range(6)]
    lines = []
    for h in held:
        same(a.connect(h, N1, PORT), 0)
        lines.append(a.line(h).split(" ")[0])
    same(lines, ["captured"] * 4 + ["direct"] * 2)
    same(c.through("captured", "full", "flow_lost"), [4, 2, 0])
    same({e["reason"] for e in c.must("events")["events"]}, {"full"})
    a.close(held[0])
    until("the place is free again", lambda: works(a))


def test_full_closed(s):
    """Closed means that Origin must not be written to behind Seam's back: what can't be taken is refused."""
    c, path = s.attached(conns=1)
    c.must("policy", "closed")
    a = s.app(path)
    h = a.sock("4")
    same(a.connect(h, N1, PORT), 0)
    assert a.line(h).startswith("captured")
    same(a.visit(N1, PORT)["errno"], errno.ECONNREFUSED)
    same(c.through("full", "refused"), [0, 1])


def test_places_come_back(s):
    """Whatever way a captured connection ends, its place is free again."""
    c, path = s.attached(conns=3)
    a = s.app(path)
    for i in range(60):
        h = a.sock("6" if i % 3 == 0 else "4")
        same(a.connect(h, N6 if i % 3 == 0 else N1, PORT), 0)
        l = a.line(h)
        assert l.startswith("captured"), "round %d: %s" % (i, l)
        (a.close, a.reset, a.unspec)[i % 3](h)
        if i % 3 == 2:
            a.close(h)


def test_places_come_back_from_failures(s):
    """From connects that failed before a SYN, and from connections that died while the app keeps their sockets."""
    c, path = s.attached(conns=3)
    a = s.app(path)
    for _ in range(5):
        h = a.sock("6")
        a.setopt(h, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        same(a.connect(h, "::ffff:" + N1, PORT), errno.ENETUNREACH)
        a.close(h)
    held = a.open_many(N1, PORT, 3)
    for h in held:
        assert a.line(h).startswith("captured")
    os.kill(c.mirrors[-1], signal.SIGKILL)
    for h in held:
        assert not a.echo(h), "its mirror is dead; what the app sends is answered by a reset"
    c.mirror()
    for _ in range(3):
        h = a.sock("4")
        same(a.connect(h, N1, PORT), 0)
        assert a.line(h).startswith("captured")


def test_other_netns(s):
    c, path = s.attached()
    a = s.app(path)
    a.own_netns([N1 + "/32"])
    a.serve(N1, PORT)
    same(a.visit(N1, PORT)["line"], "direct inside")
    same(c.through("captured", "other_netns"), [0, 1])
    same([e["reason"] for e in c.must("events")["events"]], ["other_netns"])


def test_t12_stopped(s):
    """SIGSTOP: the listener still listens, and nobody would ever accept."""
    c, path = s.attached()
    a = s.app(path)
    assert works(a) and works(a, N6)
    mirror = c.mirrors[-1]
    os.kill(mirror, signal.SIGSTOP)
    until("the gate is dead", lambda: not c.must("gate")["alive"], 3 * STALE)
    g = c.must("gate")
    assert g["listener4"] and g["listener6"], "its listeners are there all the same"
    assert g["last"] and g["oldest"] >= STALE * 1e9, g
    for addr, name in ((N1, N1), (N6, N6), ("::ffff:" + N1, N1)):
        same(a.visit(addr, PORT), {"errno": 0, "line": "direct %s:%d" % (name, PORT)})
    first = c.must("through")
    same(first["gate_open"], 3)
    assert 0 < first["gate_open_first"] <= first["gate_open_last"] <= time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    same([e["reason"] for e in c.must("events")["events"]], ["gate_open"] * 3, "evidence of the gap")
    c.must("policy", "closed")
    for addr in (N1, N6, "::ffff:" + N1):
        same(a.visit(addr, PORT)["errno"], errno.ECONNREFUSED, addr)
    h = a.sock("4")
    same(a.connect_nb(h, N1, PORT), [errno.ECONNREFUSED, None], "non-blocking")
    same(a.visit(N3, PORT)["line"], "direct %s:%d" % (N3, PORT), "what is none of Origin's goes on")
    c.must("policy", "open")
    os.kill(mirror, signal.SIGCONT)
    until("taken again", lambda: works(a))
    same(c.through("refused"), 4)


def test_t12_one_worker_of_n(s):
    c, path = s.attached(workers=4)
    a = s.app(path)
    assert works(a)
    c.must("tell", "hang", 2)
    until("the gate is dead", lambda: not c.must("gate")["alive"], 3 * STALE)
    same(a.visit(N1, PORT)["line"], D1)
    c.must("tell", "run", 2)
    until("the gate lives", lambda: c.must("gate")["alive"])
    assert works(a)


def test_t12_worker_retires(s):
    c, path = s.attached(workers=3)
    a = s.app(path)
    c.must("tell", "retire", 1)
    time.sleep(STALE + 0.3)  # that nothing happens needs the time in which it would
    assert works(a), "a worker that ended on purpose holds nothing up"
    c.must("tell", "hang", 2)
    until("dead", lambda: not c.must("gate")["alive"], 3 * STALE)
    c.must("workers", 1)
    assert works(a), "fewer workers"
    c.must("workers", 4)
    same(a.visit(N1, PORT)["line"], D1, "the fourth has never lived")
    for w in (0, 2):
        c.must("tell", "retire", w)
    c.must("workers", 3)
    until("dead when all have retired", lambda: a.visit(N1, PORT)["line"] == D1)
    same(c.ask("workers", 0)["errno"], errno.EINVAL)
    same(c.ask("workers", 65)["errno"], errno.EINVAL)


def test_t12_new_mirror_has_its_own_bank(s):
    """An older mirror that still stamps can't speak for a new one that hangs."""
    c, path = s.attached()
    a = s.app(path)
    old = c.mirrors[-1]
    c.must("listen")
    assert not c.must("gate")["alive"], "the new bank is empty"
    time.sleep(0.3)  # some stamps of the old one
    same(a.visit(N1, PORT)["line"], D1)
    c.mirror()
    assert works(a)
    os.kill(old, signal.SIGKILL)


def test_events_bounded(s):
    c, path = s.attached()
    a = s.app(path)
    a.visits(N3, PORT, 30)
    same(c.must("events", 10)["got"], 10)
    same(len(c.must("events", 100)["events"]), 20, "the rest")
    same(c.must("events", 100)["got"], 0)


def test_events_lost(s):
    """A full ring loses events, never counts, and says how many."""
    c, path = s.attached()
    a = s.app(path)
    n = 256 * 1024 // 72 + 200
    for _ in range(n // 500 + 1):
        a.visits(N3, PORT, 500)
    total, lost = c.through("unknown_address", "event_lost")
    assert lost > 0 and total >= n, (total, lost)
    same(c.must("events", 100000)["got"] + lost, total)


def test_ack(s):
    c, path = s.attached()
    a = s.app(path)
    a.visits(N3, PORT, 3)
    r = c.must("through")
    same((r["unknown_address"], r["unknown_address_pending"]), (3, 3))
    c.must("ack", "unknown_address")
    r = c.must("through")
    same((r["unknown_address"], r["unknown_address_pending"], r["unknown_address_first"]), (3, 0, 0))
    a.visits(N3, PORT, 2)
    p = c.must("peek")
    same((p["unknown_address"], p["unknown_address_pending"]), (5, 2))
    assert p["unknown_address_first"] > r["unknown_address_last"], "the first since the ack"


def test_nested(s):
    """The innermost attachment takes it."""
    outer, path = s.attached()
    inner, sub = s.attached([N1], app="inner", cgroup=s.cgroup("app/inner"))
    a, b = s.app(path), s.app(sub)
    h = b.sock("4")
    same(b.connect(h, N1, PORT), 0)
    assert b.line(h).startswith("captured %s:" % N1)
    same(b.peer(h), [N1, PORT])
    same((inner.through("captured"), outer.through("captured")), (1, 0))
    assert works(b, N2), "what only the outer knows is the outer's"
    same((inner.through("captured"), inner.through("unknown_address"), outer.through("captured")), (1, 1, 1))
    assert works(a)
    same((inner.stats()["accepted"], outer.stats()["accepted"]), (1, 2))
    # Refused by the inner one is refused: the outer takes no place for it.
    os.kill(inner.mirrors[-1], signal.SIGKILL)
    inner.must("policy", "closed")
    until("its end is seen", lambda: not inner.must("gate")["listener4"])
    same(b.visit(N1, PORT)["errno"], errno.ECONNREFUSED)
    same(outer.through("captured"), 2)
    outer.must("drop")
    inner.must("drop")


def test_two_apps_side_by_side(s):
    one, path = s.attached([N1], app="one")
    two = s.captor("two.x")
    two.start([N2])
    two.must("attach", path)
    a = s.app(path)
    assert works(a, N1) and works(a, N2)
    same((one.through("captured"), two.through("captured")), (1, 1))
    same(sorted(one.must("list")["apps"]), ["one", "two.x"])
    two.must("drop")
    assert works(a, N1)
    same(a.visit(N2, PORT)["line"], "direct %s:%d" % (N2, PORT))
    one.must("drop")
