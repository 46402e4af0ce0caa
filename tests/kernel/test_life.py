"""Attach and detach, crashes of each process, cgroups that come and go (T11, T13, T15, T16, T18)."""
import errno
import os
import signal
import subprocess
import time

from harness import CAPTOR, N1, N2, N3, PORT, Skip, same, until, v2_mount

D1 = "direct %s:%d" % (N1, PORT)


def works(a, addr=N1):
    return a.visit(addr, PORT)["line"].startswith("captured %s:%d " % (addr, PORT))


def progress(a, kind, n=20):
    """Wait until the burst has seen n more of a kind."""
    was = a.burst_so_far()[kind]
    until("%d more %s" % (n, kind), lambda: a.burst_so_far()[kind] >= was + n)


def test_probe(s):
    rows = s.captor().must("probe")["rows"]
    same([r for r in rows if not r["ok"]], [], "what this kernel lacks")
    assert len(rows) >= 19 and all(r["detail"] for r in rows), rows


def test_probe_finds_fault(s):
    """The probe can fail: without a v2 tree, and without privileges."""
    top = v2_mount()
    # Every mount by itself is made private first: the root of a chroot is none, and what unshare -m does by itself then fails.
    script = ("awk '{print $5}' /proc/self/mountinfo | while read -r m; do mount --make-private \"$m\" || exit 1; done && "
              "umount -l %s && printf 'probe\\nattach /x\\nopen\\n' | %s %s a" % (top, CAPTOR, s.run_dir))
    out = subprocess.run(["unshare", "-m", "--propagation", "unchanged", "sh", "-c", script], capture_output=True, text=True, timeout=30).stdout
    assert '"name":"cgroup v2","ok":false,"detail":"only cgroup v1' in out or '"detail":"no cgroup v2 tree' in out, out
    assert '"name":"links and pins","ok":false' in out, out
    out = subprocess.run([CAPTOR, s.run_dir, "a"], input="probe\nopen\n", capture_output=True, text=True, timeout=30,
        user=65534, group=65534).stdout
    for row in ("privileges", "bpf syscall", "hook connect4", "hook sock_release", "capture programs"):
        assert '"name":"%s","ok":false' % row in out, "%s: %s" % (row, out)
    assert '"ok":false,"errno":%d,"reason":"must be root"' % errno.EPERM in out, out


def test_attach_twice_and_drop(s):
    c, path = s.attached()
    a = s.app(path)
    links = s.links()
    same(len(links), 6)
    c.must("attach", path)
    same(s.links(), links, "attached already: no change")
    c.must("verify", path)
    assert works(a)
    h = a.sock("4")
    same(a.connect(h, N1, PORT), 0)
    assert a.line(h).startswith("captured")
    c.must("drop")
    same(s.links(), [])
    same(a.visit(N1, PORT)["line"], D1)
    assert a.echo(h), "a captured connection outlives the detach"
    same(c.ask("verify", path)["errno"], errno.ENOTCONN)
    c.must("drop")
    c.must("attach", path)
    assert works(a) and a.echo(h)
    same(a.peer(h), [N1, PORT], "captured before the detach, still shown what it asked for")


def test_detached_sockets_are_forgotten(s):
    """Connections that end while nothing is hooked give their places back, and leave no flow, at the next attach."""
    c, path = s.attached(conns=2)
    a = s.app(path)
    held = [a.sock("4") for _ in range(2)]
    for h in held:
        same(a.connect(h, N1, PORT), 0)
        assert a.line(h).startswith("captured")
    c.must("drop")
    a.close(held[0])
    c.must("attach", path)
    assert works(a), "the place of the one that ended"
    assert a.echo(held[1])
    h = a.sock("4")
    same(a.connect(h, N1, PORT), 0)
    assert a.line(h).startswith("captured")
    same(a.visit(N1, PORT)["line"], D1, "the living one has kept its own")


def test_t13_detach_without_daemon(s):
    c, path = s.attached()
    a = s.app(path)
    a.burst(N1, PORT)
    progress(a, "captured")
    began = time.monotonic()
    r = s.captor().must("unlink")  # the keeper lives on and holds its maps; nobody asks it
    same(r["links"], 6)
    same(a.visit(N1, PORT)["line"], D1, "the very next connect (%.1f ms)" % ((time.monotonic() - began) * 1e3))
    progress(a, "direct")
    out = a.burst_end()
    same((out["refused"], out["hung"], out["cut"], out["other"]), (0, 0, 0, 0), "detach under load: %r" % out)
    same(s.captor().must("unlink")["links"], 0, "nothing left to unlink")
    same(c.ask("verify", path)["errno"], errno.ESTALE, "the keeper can see it")
    c.must("attach", path)
    assert works(a), "and mend it"


def test_t13_detach_with_stopped_daemon(s):
    c, path = s.attached()
    a = s.app(path)
    c.p.send_signal(signal.SIGSTOP)
    os.kill(c.mirrors[-1], signal.SIGSTOP)
    same(s.captor().must("unlink")["links"], 6)
    same(a.visit(N1, PORT)["line"], D1)
    same(s.links(), [])
    os.kill(c.mirrors[-1], signal.SIGCONT)
    c.p.send_signal(signal.SIGCONT)


def test_t13_detach_though_held(s):
    """A link that somebody else holds open hooks nothing after the detach either."""
    c, path = s.attached()
    c.must("hold")
    same(s.captor().must("unlink")["links"], 6)
    same(s.app(path).visit(N1, PORT)["line"], D1)


def test_t11_mirror_killed(s):
    """kill -9 under load: no connect is refused; only what was in the accept queue is cut."""
    c, path = s.attached()
    apps = [s.app(path) for _ in range(2)]
    for a in apps:
        a.burst(N1, PORT)
        progress(a, "captured")
    os.kill(c.mirrors[-1], signal.SIGKILL)
    for a in apps:
        progress(a, "direct", 100)
    c.mirror()
    for a in apps:
        progress(a, "captured", 100)
    for a in apps:
        out = a.burst_end()
        same((out["refused"], out["hung"], out["other"]), (0, 0, 0), out)
        assert out["cut"] <= 1, "one connection at a time can be in the queue: %r" % out
    assert c.through("gate_open") >= 200


def test_t11_keeper_and_mirror_killed(s):
    """Everything dead, hooks pinned: open goes direct, closed is refused; the next keeper takes over."""
    c, path = s.attached()
    a = s.app(path)
    a.burst(N1, PORT)
    progress(a, "captured")
    mirror = c.mirrors[-1]
    links = s.links()
    c.kill()
    os.kill(mirror, signal.SIGKILL)
    progress(a, "direct", 100)
    same(s.links(), links, "the hooks outlive both")
    d = s.captor()
    r = d.must("open")
    same((r["resumed"], r["cgroup"], r["closed"]), (True, os.stat(path).st_ino, False))
    same(s.links(), links, "the same links")
    d.must("verify", path)
    seen = d.must("through")
    assert seen["gate_open_pending"] >= 100 and seen["gate_open_first"] < seen["gate_open_last"], seen
    last = d.must("gate")["last"]
    assert 0 < last <= seen["gate_open_first"] + 10**8, "when the mirror was last well: %r" % ((last, seen["gate_open_first"]),)
    d.mirror()
    progress(a, "captured", 100)
    out = a.burst_end()
    same((out["refused"], out["hung"], out["other"]), (0, 0, 0), out)
    assert out["cut"] <= 1, out
    # Each connect of the app was seen by a hook: there was no moment without.
    end = d.must("through")
    same(end["captured"] + end["gate_open"], out["captured"] + out["direct"] + out["cut"], "every connect was counted")


def test_t11_closed_stays_closed(s):
    c, path = s.attached()
    c.must("policy", "closed")
    a = s.app(path)
    mirror = c.mirrors[-1]
    c.kill()
    os.kill(mirror, signal.SIGKILL)
    until("refused", lambda: a.visit(N1, PORT)["errno"] == errno.ECONNREFUSED)
    d = s.captor()
    same(d.must("open")["closed"], True)
    same(a.visit(N1, PORT)["errno"], errno.ECONNREFUSED)
    d.must("policy", "open")
    same(a.visit(N1, PORT)["line"], D1)
    d.mirror()
    assert works(a)


def test_keeper_killed_mirror_lives(s):
    """The mirror gives up its listeners and keeps its connections; new ones go direct until a keeper comes."""
    c, path = s.attached()
    a = s.app(path)
    h = a.sock("4")
    same(a.connect(h, N1, PORT), 0)
    assert a.line(h).startswith("captured")
    c.kill()
    until("direct", lambda: a.visit(N1, PORT)["line"] == D1)
    assert a.echo(h)
    d = s.captor()
    same(d.must("open")["resumed"], True)
    d.mirror()
    assert works(a)
    assert a.echo(h), "beside the new mirror"
    same(a.peer(h), [N1, PORT], "its record was taken over with the maps")


def test_resume_other_size(s):
    """Maps of another shape can't be taken over; hooks, counters and the policy word are."""
    c, path = s.attached(conns=8)
    a = s.app(path)
    assert works(a)
    c.must("policy", "closed")
    os.kill(c.mirrors[-1], signal.SIGKILL)
    until("its end is seen", lambda: not c.must("gate")["listener4"])
    c.kill()
    same(a.visit(N1, PORT)["errno"], errno.ECONNREFUSED)
    links = s.links()
    d = s.captor()
    r = d.must("open", 16)
    same((r["resumed"], r["closed"]), (True, True))
    same(s.links(), links)
    same(a.visit(N1, PORT)["line"], D1, "its endpoints are unknown until they are set")
    d.must("endpoints", N1)
    same(a.visit(N1, PORT)["errno"], errno.ECONNREFUSED)
    t = d.must("through")
    same((t["captured"], t["refused"]), (1, 2))
    d.mirror()
    assert works(a)
    same(s.captor().must("peek")["captured"], 2, "the pins are the maps in use")


def test_half_attached(s):
    """A keeper that died in the middle of attaching or detaching leaves nothing that works by half."""
    c, path = s.attached()
    a = s.app(path)
    pins = c.must("pins")["dir"]
    os.kill(c.mirrors[-1], signal.SIGKILL)
    until("its end is seen", lambda: not c.must("gate")["listener4"])
    c.kill()
    os.unlink(pins + "/link_getpeername6")
    d = s.captor()
    same(d.must("open")["resumed"], False)
    same(s.links(), [])
    same(a.visit(N1, PORT)["line"], D1)
    d.must("endpoints", N1)
    d.mirror()
    d.must("attach", path)
    assert works(a)


def test_pins_are_private(s):
    c, path = s.attached()
    d = c.must("pins")["dir"]
    for p in (d, os.path.dirname(d), "/sys/fs/bpf/seam"):
        same(os.stat(p).st_mode & 0o777, 0o700, p)
    for f in os.listdir(d):
        same(os.stat(d + "/" + f).st_mode & 0o077, 0, f)
    same(sorted(f for f in os.listdir(d) if f.startswith("link_")),
        ["link_connect4", "link_connect6", "link_getpeername4", "link_getpeername6", "link_release", "link_sockops"])


def test_t15_cgroup_made_again(s):
    c, path = s.attached()
    a = s.app(path)
    assert works(a)
    c.must("watch", "cgroup", path)
    a.end()
    s.remove(path)
    r = c.ask("watch", "check", 3)
    same((r["woken"], r["errno"]), (1, errno.ENOENT), "removed")
    same(c.ask("verify", path)["errno"], errno.ENOENT)
    old = c.must("pins")
    s.cgroups.remove(path)
    s.cgroup("app")
    r = c.must("watch", "check", 3)
    same((r["woken"], r["path"], r["id"]), (1, path, os.stat(path).st_ino), "made again")
    v = c.ask("verify", path)
    same(v["errno"], errno.ESTALE)
    assert "made again" in v["reason"], v
    b = s.app(path)
    same(b.visit(N1, PORT)["line"], D1)
    same(c.must("direct", path, N1)["n"], 0)
    c.must("attach", path)
    assert works(b)
    c.must("verify", path)
    same(c.must("pins"), old)


def test_t15_unit(s):
    """A systemd unit by its name: in a nested slice, gone, and back."""
    unit = "seam-kernel-test-%d.service" % os.getpid()
    c = s.captor()
    r = c.ask("watch", "unit", unit)
    same(r["errno"], errno.ENOENT)
    assert "does not run" in r["reason"], r
    slice_ = s.top + "/x.slice"
    os.mkdir(slice_)
    s.cgroups.append(slice_)
    os.mkdir(slice_ + "/" + unit)
    s.cgroups.append(slice_ + "/" + unit)
    same(c.must("unit", unit)["path"], slice_ + "/" + unit)
    same(c.must("unit", unit[:-8])["path"], slice_ + "/" + unit, ".service may be left out")
    same(c.must("watch", "check")["path"], slice_ + "/" + unit)
    # A second one elsewhere: nobody guesses.
    other = s.cgroup("y.slice")
    os.mkdir(other + "/" + unit)
    s.cgroups.append(other + "/" + unit)
    r = c.ask("unit", unit)
    same(r["errno"], errno.ENOTUNIQ)
    assert slice_ in r["reason"] and other in r["reason"], r
    same(c.ask("unit", "no/such")["errno"], errno.EINVAL)
    a = s.app(other + "/" + unit)
    same(c.must("of_pid", a.pid)["path"], other + "/" + unit)
    same(c.ask("of_pid", 0x3FFFFF)["errno"], errno.ESRCH)


def test_t16_foreign_above(s):
    c = s.captor()
    c.start([N1])
    path = s.cgroup("app")
    s.foreign(s.top, "connect4")
    r = c.ask("attach", path)
    same(r["errno"], errno.EPERM)
    for word in (s.top, "connect", "foreign_fw", "id "):
        assert word in r["reason"], "%r not in: %s" % (word, r["reason"])
    same(s.links(), [], "nothing stays")
    assert not os.path.exists(c.must("pins")["dir"]), "no pin stays"
    same(s.app(path).visit(N1, PORT)["line"], D1)


def test_t16_foreign_beside(s):
    """On the cgroup itself, and on a hook other than the first."""
    c = s.captor()
    c.start([N1])
    path = s.cgroup("app")
    f = s.foreign(path, "release")
    r = c.ask("attach", path)
    same(r["errno"], errno.EPERM)
    assert path in r["reason"] and "foreign_fw" in r["reason"], r
    same(s.links(), [])
    f.stdin.close()
    f.wait()
    s.others.remove(f)
    c.must("attach", path)
    assert works(s.app(path))


def test_t18_daemon_inside(s):
    path, sub = s.cgroup("app"), s.cgroup("app/sub")
    c = s.captor()
    c.start([N1])
    with open(sub + "/cgroup.procs", "w") as f:
        f.write(str(c.p.pid))
    for p in (sub, path, s.top):
        r = c.ask("attach", p)
        same(r["errno"], errno.EDEADLK, p)
        assert "daemon itself" in r["reason"], r
    same(s.links(), [])
    with open(s.cgroup("elsewhere") + "/cgroup.procs", "w") as f:
        f.write(str(c.p.pid))
    c.must("attach", path)
    with open(os.path.dirname(s.top) + "/cgroup.procs", "w") as f:
        f.write(str(c.p.pid))


def test_attach_refusals(s):
    c = s.captor()
    c.start([N1])
    same(c.ask("attach", s.top + "/none")["errno"], errno.ENOENT)
    r = c.ask("attach", "/tmp")
    same(r["errno"], errno.EXDEV)
    assert "cgroup v2" in r["reason"], r
    same(s.links(), [])


def test_rival_beside(s):
    """Two Seams on one cgroup that share an endpoint: the second would think that it captures. Refused, and told who is there."""
    one, path = s.attached([N1, N2], app="one")
    two = s.captor("two")
    two.start([N2])
    refused = two.ask("attach", path)
    assert "another Seam captures the same endpoints" in str(refused) and path in str(refused), refused
    a = s.app(path)
    assert a.visit(N2, PORT)["line"].startswith("captured %s" % N2)
    same((one.through("captured"), two.through("captured")), (1, 0))
    two.must("endpoints", N3)
    two.must("attach", path)
    two.must("drop")
    one.must("drop")
