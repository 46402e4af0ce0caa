"""Who may speak through Seam: only connections that a hook of the app has sent (T22, T23)."""
import os
import socket

from harness import N1, N2, PORT, S1, same, until, told_pid


def port_of(s, c):
    """The listener's port, as a stranger would find it."""
    out = set()
    for l in open("/proc/net/tcp").read().split("\n")[1:]:
        f = l.split()
        if f and f[3] == "0A" and f[1].startswith("0100007F:"):
            out.add(int(f[1].split(":")[1], 16))
    same(len(out), 1, "listeners on 127.0.0.1")
    return out.pop()


def test_t22_stranger(s):
    c, path = s.attached()
    port = port_of(s, c)
    outside, inside = s.app(s.cgroup("other")), s.app(path)
    for a in (outside, inside):  # the app itself, if it connects there by hand, is a stranger too
        h = a.sock("4")
        same(a.connect(h, "127.0.0.1", port), 0)
        got = a.line(h)
        assert got == "" or got.startswith("!"), "closed before any byte: %r" % got
        a.close(h)
    same(c.stats()["strangers"], 2)
    same(c.stats()["accepted"], 0)
    assert inside.visit(N1, PORT)["line"].startswith("captured")


def test_t22_stranger_other_netns(s):
    """The listeners are out of reach of other network namespaces."""
    c, path = s.attached()
    port = port_of(s, c)
    a = s.app(None)
    a.own_netns([])
    h = a.sock("4")
    assert a.connect(h, "127.0.0.1", port) != 0
    same(c.stats()["strangers"], 0)


def test_t23_other_uid(s):
    """Another user inside the app's cgroup is the app; its uid is told. Outside it is a stranger."""
    c, path = s.attached()
    a = s.app(path)
    a.setuid(1234)
    l = a.visit(N1, PORT)["line"]
    assert " uid 1234 " in l, l
    told_pid(l.split(" pid ")[1].split(" ")[0], a.pid)


def test_t23_replayed_tuple(s):
    """The four numbers of a connection that was captured and has ended open no door."""
    c, path = s.attached()
    port = port_of(s, c)
    a, stranger = s.app(path), s.app(s.cgroup("other"))
    for way in ("taken", "reset"):
        h = a.sock("4")
        a.setopt(h, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        a.bind(h, S1, 42000)
        same(a.connect(h, N1, PORT), 0)
        assert a.line(h).startswith("captured")
        a.reset(h)
        before = c.stats()["strangers"]
        x = stranger.sock("4")
        stranger.setopt(x, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(x, S1, 42000)
        same(stranger.connect(x, "127.0.0.1", port), 0, way)
        got = stranger.line(x)
        assert got == "" or got.startswith("!"), "%s: %r" % (way, got)
        stranger.reset(x)
        until("counted", lambda: c.stats()["strangers"] == before + 1)


def test_t23_flow_is_good_once(s):
    """While the app's connection lives, nobody else can have its four numbers; a flow is gone when it was taken."""
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    same(a.connect(h, N1, PORT), 0)
    assert a.line(h).startswith("captured")
    import subprocess, json
    d = c.must("pins")["dir"]
    flows = json.loads(subprocess.run(["bpftool", "-j", "map", "dump", "pinned", d + "/map_flows"], capture_output=True, text=True).stdout)
    same(flows, [], "no flow waits")
    conns = json.loads(subprocess.run(["bpftool", "-j", "map", "dump", "pinned", d + "/map_conns"], capture_output=True, text=True).stdout)
    same(len(conns), 1, "one living connection")
    a.close(h)

    def empty():
        return not any(json.loads(subprocess.run(["bpftool", "-j", "map", "dump", "pinned", d + "/map_" + m],
            capture_output=True, text=True).stdout) for m in ("flows", "conns", "peers"))

    until("nothing is remembered", empty)


def test_t23_another_apps_flow(s):
    """A flow belongs to one app's map: through another app's listener it is nothing."""
    one, path = s.attached([N1], app="one")
    two, path2 = s.attached([N2], app="two", cgroup=s.cgroup("two"))
    a, b = s.app(path), s.app(path2)
    assert a.visit(N1, PORT)["line"].startswith("captured %s:" % N1)
    assert b.visit(N2, PORT)["line"].startswith("captured %s:" % N2)
    same(a.visit(N2, PORT)["line"], "direct %s:%d" % (N2, PORT))
    same((one.stats()["accepted"], two.stats()["accepted"]), (1, 1))
    same((one.stats()["strangers"], two.stats()["strangers"]), (0, 0))


def test_mirror_has_no_privileges(s):
    c, path = s.attached()
    text = open("/proc/%d/status" % c.mirrors[-1]).read()
    f = dict(l.split(":", 1) for l in text.strip().split("\n"))
    same(f["Uid"].split(), ["65534"] * 4)
    same((f["CapEff"].strip(), f["CapPrm"].strip(), f["NoNewPrivs"].strip()), ("0" * 16, "0" * 16, "1"))
    assert s.app(path).visit(N1, PORT)["line"].startswith("captured"), "and it takes flows"
