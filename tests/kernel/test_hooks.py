"""What a captured app sees of its sockets (T1, T2, T4, T5, T6, T7, T8, T9)."""
import errno
import re
import socket
import threading

from harness import N1, N2, N3, N6, PORT, S1, S6, same, until, told_pid
from appside import TCP_FASTOPEN_CONNECT

MAPPED1 = "::ffff:" + N1
IPPROTO_MPTCP = 262


def captured(app, h, dst, addr, port=PORT):
    """A connected socket is captured, to `dst`, echoes, and shows `addr` as its peer."""
    l = app.line(h)
    assert l.startswith("captured %s " % dst), "first line %r, wanted captured %s" % (l, dst)
    same(app.peer(h), [addr, port], "getpeername")
    assert app.echo(h), "no echo"
    return l


def test_t1_blocking(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    same(a.connect(h, N1, PORT), 0, "connect")
    l = captured(a, h, "%s:%d" % (N1, PORT), N1)
    pid, uid, cgroup = re.search(r"pid (\d+) uid (\d+) cgroup (\d+)", l).groups()
    told_pid(pid, a.pid)
    same((uid, cgroup), ("0", str(__import__("os").stat(path).st_ino)), l)
    same(l.split("app ")[1], "%s:%d" % tuple(a.name(h)), "the app's address")
    same(c.through("captured"), 1, "counted")


def test_t1_nonblocking(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    same(a.connect_nb(h, N2, PORT), [errno.EINPROGRESS, 0], "connect")
    captured(a, h, "%s:%d" % (N2, PORT), N2)


def test_t1_fastopen(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    same(a.fastopen(h, N1, PORT, "hello"), 0, "sendto(MSG_FASTOPEN)")
    l = a.line(h)
    assert l.startswith("captured %s:%d " % (N1, PORT)), l
    same(a.recv(h, 5), "hello", "the data of the first packet")
    h = a.sock("4")
    a.setopt(h, socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
    same(a.connect(h, N2, PORT), 0, "connect with TCP_FASTOPEN_CONNECT")
    captured(a, h, "%s:%d" % (N2, PORT), N2)


def test_t1_unspec_reconnect(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    for addr in (N1, N2):
        same(a.connect(h, addr, PORT), 0, "connect")
        captured(a, h, "%s:%d" % (addr, PORT), addr)
        same(a.unspec(h), 0, "connect(AF_UNSPEC)")
    # The same socket, now to an address that is none of Origin's: nothing of the former connection may stick to it.
    same(a.connect(h, N3, PORT), 0, "connect")
    same(a.line(h), "direct %s:%d" % (N3, PORT))
    same(a.peer(h), [N3, PORT], "getpeername")


def test_t1_refused_then_again(s):
    """A connect that failed leaves nothing behind that the next one on the same socket meets."""
    c, path = s.attached(conns=2)
    a = s.app(path)
    h = a.sock("4")
    for _ in range(5):
        same(a.connect(h, N1, 1), errno.ECONNREFUSED, "a port of nobody")
    same(a.connect(h, N1, PORT), 0, "connect")
    captured(a, h, "%s:%d" % (N1, PORT), N1)


def test_t1_failed_then_elsewhere(s):
    """A connect that failed after it was rewritten doesn't colour the next one, to an address that is none of Origin's."""
    c, path = s.attached([N1])
    a = s.app(path)
    h = a.sock("6")
    a.setopt(h, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    same(a.connect(h, MAPPED1, PORT), errno.ENETUNREACH, "a mapped address on a V6ONLY socket, as without Seam")
    same(a.connect(h, N6, PORT), 0)
    same(a.line(h), "direct %s:%d" % (N6, PORT))
    same(a.peer(h), [N6, PORT], "getpeername")


def test_t2_mapped(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("6")
    same(a.connect(h, MAPPED1, PORT), 0, "connect")
    captured(a, h, "%s:%d" % (N1, PORT), MAPPED1)


def test_t2_mapped_after_bind_any(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("6")
    a.bind(h, "::")
    same(a.connect(h, MAPPED1, PORT), 0, "connect")
    captured(a, h, "%s:%d" % (N1, PORT), MAPPED1)


def test_t2_mapped_bound_source(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("6")
    a.bind(h, "::ffff:" + S1)
    same(a.connect(h, MAPPED1, PORT), 0, "connect")
    l = captured(a, h, "%s:%d" % (N1, PORT), MAPPED1)
    assert "app %s:" % S1 in l, l


def test_t2_v6(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("6")
    same(a.connect(h, N6, PORT), 0, "connect")
    captured(a, h, "[%s]:%d" % (N6, PORT), N6)


def test_t2_v6only(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("6")
    a.setopt(h, socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    same(a.connect(h, N6, PORT), 0, "connect")
    captured(a, h, "[%s]:%d" % (N6, PORT), N6)


def test_t2_v6_bound_source(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("6")
    a.bind(h, S6)
    same(a.connect(h, N6, PORT), 0, "connect")
    l = captured(a, h, "[%s]:%d" % (N6, PORT), N6)
    assert "app [%s]:" % S6 in l, l


def test_t4_mptcp(s):
    """The connect is the subflow's, getpeername() asks the MPTCP socket: another cookie."""
    c, path = s.attached()
    a = s.app(path)
    for family, addr, dst in (("4", N1, N1), ("6", MAPPED1, N1), ("6", N6, "[%s]" % N6)):
        h = a.sock(family, "stream", IPPROTO_MPTCP)
        same(a.connect(h, addr, PORT), 0, "connect")
        captured(a, h, "%s:%d" % (dst, PORT), addr)
        a.close(h)
    same(c.through("captured", "flow_lost"), [3, 0])


def test_t5_bound_source(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    a.bind(h, S1)
    same(a.connect(h, N1, PORT), 0, "connect")
    l = captured(a, h, "%s:%d" % (N1, PORT), N1)
    assert "app %s:" % S1 in l, l


def test_t5_bound_device(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    a.setopt(h, socket.SOL_SOCKET, socket.SO_BINDTODEVICE, "lo")
    same(a.connect(h, N1, PORT), 0, "connect")
    same(a.line(h), "direct %s:%d" % (N1, PORT), "let through")
    same(a.peer(h), [N1, PORT], "getpeername")
    same(c.through("captured", "bound_device"), [0, 1], "counted")
    e = c.must("events")["events"]
    same([(x["reason"], x["dst"]) for x in e], [("bound_device", "%s:%d" % (N1, PORT))], "event")
    told_pid(e[0]["pid"], a.pid)


def test_t6_membership(s):
    c, path = s.attached()
    child, other = s.cgroup("app/child"), s.cgroup("other")
    a = s.app(None)
    early = a.sock("4")  # made before the process joins
    a.join(path)
    inside = a.sock("4")
    same(a.connect(early, N1, PORT), 0)
    same(a.line(early), "direct %s:%d" % (N1, PORT), "a socket older than the membership is not ours to take")
    d = c.must("direct", path, N1, N2)
    same((d["n"], d["per"], d["local"]), (1, [1, 0], ["%s:%d" % tuple(a.name(early))]), "found by its process")
    a.join(other)
    same(a.connect(inside, N1, PORT), 0)
    captured(a, inside, "%s:%d" % (N1, PORT), N1)
    b = s.app(child)
    h = b.sock("4")
    same(b.connect(h, N1, PORT), 0)
    captured(b, h, "%s:%d" % (N1, PORT), N1)
    same(s.app(other).visit(N1, PORT)["line"], "direct %s:%d" % (N1, PORT), "another cgroup")


def test_t7_others_untouched(s):
    c, path = s.attached()
    a = s.app(path)
    # Another port of a node, and the node's own port by UDP.
    t = socket.create_server((N1, 7000))
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind((N1, PORT))

    def answer():
        conn, _ = t.accept()
        conn.sendall(b"direct 7000\n")
        conn.close()
        d, who = u.recvfrom(100)
        u.sendto(d.upper(), who)

    th = threading.Thread(target=answer, daemon=True)
    th.start()
    same(a.visit(N1, 7000), {"errno": 0, "line": "direct 7000"})
    same(a.udp(N1, PORT, "abc"), [[N1, PORT], "ABC"])
    th.join(5)
    same(sum(c.through("captured", "unknown_address", "gate_open")), 0, "nothing counted")
    same(c.must("events")["events"], [])


def test_t8_getpeername_of_others(s):
    """Sockets that were not captured, accepted ones included, show their true peer."""
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    same(a.connect(h, N3, PORT), 0)
    same(a.peer(h), [N3, PORT])
    h6 = a.sock("6")
    same(a.connect(h6, "::ffff:" + N3, PORT), 0)
    same(a.peer(h6), ["::ffff:" + N3, PORT])


def test_t9_fork_exec_threads(s):
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    same(a.connect(h, N1, PORT), 0)
    captured(a, h, "%s:%d" % (N1, PORT), N1)
    same(a.in_fork(h), [True, "exec ('%s', %d)" % (N1, PORT)], "forked, then exec'd")
    assert a.echo(h), "the parent's connection lives on"
    line, pid = a.in_child(N2, PORT)
    for line, addr, pid in ((line, N2, pid), (a.in_thread(N1, PORT)["line"], N1, a.pid)):
        assert line.startswith("captured %s:%d pid " % (addr, PORT)), line
        told_pid(line.split(" pid ")[1].split(" ")[0], pid)


def test_t9_port_reuse(s):
    """The same local port, again and again, to another node each time: each accept meets its own flow."""
    c, path = s.attached()
    a = s.app(path)
    for i in range(40):
        addr = (N1, N2)[i % 2]
        h = a.sock("4")
        a.setopt(h, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        a.bind(h, S1, 40000)
        same(a.connect(h, addr, PORT), 0, "connect %d" % i)
        captured(a, h, "%s:%d" % (addr, PORT), addr)
        a.reset(h)
    same(c.through("captured", "flow_lost"), [40, 0])


def test_t9_stale_flow(s):
    """Flows that nobody took (the mirror did not accept) are gone with their socket, and match no later one."""
    c, path = s.attached()
    a, stranger = s.app(path), s.app(s.cgroup("other"))
    port = c.must("listen")["port4"]  # new listeners, and nobody accepts
    c.must("policy", "open")
    same(a.visit(N1, PORT)["line"], "direct %s:%d" % (N1, PORT), "no mirror has lived there: the gate is dead")
    r = c.must("mirror", 1)
    until("the gate lives", lambda: c.must("gate")["alive"])
    import os, signal
    # Stopped, it neither accepts nor stamps; within the second in which the gate has not noticed, flows are written and not taken.
    os.kill(r["pid"], signal.SIGSTOP)
    h = a.sock("4")
    a.bind(h, S1, 41000)
    same(a.connect(h, N1, PORT), 0, "connect")
    same(a.peer(h), [N1, PORT], "captured")
    a.reset(h)
    h = stranger.sock("4")
    stranger.setopt(h, socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    stranger.bind(h, S1, 41000)
    same(stranger.connect(h, "127.0.0.1", port), 0, "the same four numbers, another socket")
    os.kill(r["pid"], signal.SIGCONT)
    same(stranger.line(h), "", "turned away")
    until("counted", lambda: c.stats()["strangers"] >= 1)
