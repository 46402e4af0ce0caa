"""Connections that go straight to Origin: older than the attach, or slipped by."""
import time

from harness import N1, N2, N3, N6, PORT, S1, same, until

E6 = "[%s]:%d" % (N6, PORT)


def test_before_and_after_attach(s):
    path, child = s.cgroup("app"), s.cgroup("app/child")
    a, b, other = s.app(path), s.app(child), s.app(s.cgroup("other"))
    old = [a.sock("4"), a.sock("6"), a.sock("6")]
    same([a.connect(old[0], N1, PORT), a.connect(old[1], "::ffff:" + N2, PORT), a.connect(old[2], N6, PORT)], [0, 0, 0])
    mid = b.sock("4")
    b.bind(mid, S1)
    same(b.connect(mid, N1, PORT), 0)
    not_ours = other.sock("4")
    same(other.connect(not_ours, N1, PORT), 0)
    elsewhere = a.sock("4")
    same(a.connect(elsewhere, N3, PORT), 0)
    c = s.captor()
    c.start([N1, N2, E6])
    c.must("attach", path)
    d = c.must("direct", path, N1, N2, E6)
    same((d["n"], d["per"]), (4, [2, 1, 1]))
    assert any(l.startswith(S1 + ":") for l in d["local"]), d
    new = a.sock("4")
    same(a.connect(new, N1, PORT), 0)
    assert a.line(new).startswith("captured")
    same(c.must("direct", path, N1, N2, E6)["n"], 4, "a captured one is none of these")
    a.close(old[0])
    until("ended", lambda: c.must("direct", path, N1, N2, E6)["per"] == [1, 1, 1])
    same(c.must("direct", path, N3)["n"], 1)
    same(c.must("direct", s.top + "/none", N1)["n"], 0, "a cgroup that is gone")


def test_found_by_process(s):
    """A socket that was handed to the app, or made before its process joined, shows another cgroup; one held twice counts once."""
    path = s.cgroup("app")
    a = s.app(None)
    h = a.sock("4")
    same(a.connect(h, N1, PORT), 0)
    c = s.captor()
    same(c.must("direct", path, N1)["n"], 0)
    a.join(path)
    same(c.must("direct", path, N1)["n"], 1)
    same(c.must("direct", s.top, N1)["n"], 1, "from above")


def test_many(s):
    """Thousands of sockets do not hold the keeper up."""
    path = s.cgroup("app")
    a = s.app(path)
    import resource
    a2 = s.app(s.cgroup("other"))
    n = 400
    for app, addr in ((a, N1), (a2, N1), (a, N3), (a2, N2)):
        app.open_many(addr, PORT, n)
    c = s.captor()
    began = time.monotonic()
    d = c.must("direct", path, N1, N2)
    took = time.monotonic() - began
    same((d["n"], d["per"]), (n, [n, 0]))
    assert took < 0.5, "%d sockets in %.3f s" % (4 * n, took)
    a.close_all()
    until("ended", lambda: c.must("direct", path, N1, N2)["n"] == 0)
