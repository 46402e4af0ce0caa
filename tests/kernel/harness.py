"""The stage of one test: network namespace, cgroups, origin servers, keepers (captor) and app processes, and what must be gone after."""
import ctypes
import errno
import json
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import appside

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CAPTOR = os.environ.get("CAPTOR", ROOT + "/build/debug/tests/kernel/captor")
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_CHILD_SUBREAPER = 36

# Addresses of the stage, all on its own lo. N* are Origin's nodes, S* a source address of the app.
N1, N2, N3, S1 = "10.99.0.1", "10.99.0.2", "10.99.0.3", "10.99.0.9"
N6, S6 = "fd00:99::1", "fd00:99::9"
ADDRS = [N1 + "/32", N2 + "/32", N3 + "/32", S1 + "/32", N6 + "/128", S6 + "/128"]
PORT = 9042


class Skip(Exception):
    pass


def until(what, check, limit=5.0):
    """Poll a condition; its value, or a failure at the deadline."""
    end = time.monotonic() + limit
    while True:
        v = check()
        if v:
            return v
        if time.monotonic() > end:
            raise AssertionError("not within %g s: %s" % (limit, what))
        time.sleep(0.01)


# A BPF program tells pids of the initial namespace (PROC_PID_INIT_INO, include/linux/proc_ns.h); in another one nobody can say what
# number a process has there, only that it is one.
HOST_PIDS = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC


def told_pid(told, pid):
    """`told` by the kernel is process `pid`'s number."""
    told = int(told)
    assert told == pid if HOST_PIDS else told > 1, "pid %d is told as %d" % (pid, told)


def same(got, want, what=""):
    assert got == want, "%s: got %r, want %r" % (what or "value", got, want)


def v2_mount():
    with open("/proc/self/mountinfo") as f:
        for l in f:
            if " - cgroup2 " in l:
                return l.split()[4]
    raise Skip("no cgroup v2")


class App:
    """A process of a cgroup; any function of appside is a method."""

    def __init__(self, cgroup, before=None):
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if not self.pid:
            try:
                signal.alarm(0)
                # Pipes of captors and other apps that this fork copied: their ends must be theirs alone.
                keep = theirs.fileno()
                os.closerange(3, keep)
                os.closerange(keep + 1, 4096)
                if before:
                    getattr(appside, before[0])(*before[1:])
                if cgroup:
                    appside.join(cgroup)
                self.obey(theirs.makefile("rw"))
            finally:
                os._exit(0)
        theirs.close()
        self.conn = ours
        self.io = ours.makefile("rw")
        self.sleep(0)  # it is in its cgroup when it answers

    @staticmethod
    def obey(io):
        for l in io:
            f, args = json.loads(l)
            try:
                out = {"r": getattr(appside, f)(*args)}
            except Exception as e:  # told to the test, which fails on it
                out = {"e": "%s: %s" % (type(e).__name__, e), "n": getattr(e, "errno", 0)}
            io.write(json.dumps(out) + "\n")
            io.flush()

    def __getattr__(self, f):
        def call(*args):
            self.io.write(json.dumps([f, args]) + "\n")
            self.io.flush()
            out = json.loads(self.io.readline())
            if "e" in out:
                raise RuntimeError("%s: %s" % (f, out["e"]))
            return out["r"]

        return call

    def end(self):
        if self.pid:
            self.io.close()
            self.conn.close()
            pid, self.pid = self.pid, 0
            try:
                until("an app process ends", lambda: os.waitpid(pid, os.WNOHANG)[0], 3)
            except AssertionError:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                raise


class Captor:
    """A keeper of one app."""

    def __init__(self, run_dir, app):
        self.p = subprocess.Popen([CAPTOR, run_dir, app], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.mirrors = []

    def ask(self, *words):
        self.p.stdin.write(" ".join(map(str, words)) + "\n")
        self.p.stdin.flush()
        l = self.p.stdout.readline()
        assert l, "captor died at %r" % (words,)
        return json.loads(l)

    def must(self, *words):
        r = self.ask(*words)
        assert r["ok"], "%s: %s" % (" ".join(map(str, words)), r["reason"])
        return r

    def start(self, endpoints, workers=1, conns=0):
        self.must("open", conns)
        self.must("endpoints", *endpoints)
        return self.mirror(workers)

    def mirror(self, workers=1):
        """New listeners and a new mirror; returns when the gate lets connects in."""
        r = self.must("listen")
        r.update(self.must("mirror", workers))
        self.mirrors.append(r["pid"])
        until("the gate lives", lambda: self.must("gate")["alive"])
        return r

    def through(self, *names):
        r = self.must("through")
        return r[names[0]] if len(names) == 1 else [r[n] for n in names]

    def stats(self):
        return self.must("tell", "stats")

    def kill(self):
        self.p.kill()
        self.p.wait()

    def end(self):
        if self.p.poll() is None:
            self.ask("drop")
            self.p.stdin.close()
            same(self.p.wait(10), 0, "exit of captor")
        self.p.stdout.close()


class Origin(threading.Thread):
    """Origin's nodes: "direct ADDR:PORT" on each connection, then echo."""

    def __init__(self, addrs, port=PORT):
        super().__init__(daemon=True)
        self.sel = selectors.DefaultSelector()
        self.count = 0
        self.got = b""
        for a in addrs:
            fam = socket.AF_INET6 if ":" in a else socket.AF_INET
            s = socket.create_server((a, port), family=fam, backlog=1024)
            s.setblocking(False)
            self.sel.register(s, selectors.EVENT_READ, "%s:%d" % (a, port))
        self.start()

    def run(self):
        while True:
            for key, _ in self.sel.select():
                try:
                    self.handle(key)
                except (BlockingIOError, OSError):
                    pass

    def handle(self, key):
        if key.data:
            c, _ = key.fileobj.accept()
            self.count += 1
            c.sendall(("direct %s\n" % key.data).encode())
            self.sel.register(c, selectors.EVENT_READ, None)
            return
        try:
            d = key.fileobj.recv(4096)
        except OSError:
            d = b""
        if d:
            self.got += d[:100]
            key.fileobj.sendall(d)
        else:
            self.sel.unregister(key.fileobj)
            key.fileobj.close()


class Stage:
    def __init__(self, name):
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        appside.own_netns(ADDRS)
        self.run_dir = tempfile.mkdtemp(prefix="seam-kernel-")
        self.top = "%s/seam-kernel-%d-%s" % (v2_mount(), os.getpid(), re.sub(r"\W", "_", name))
        self.cgroups, self.ids, self.apps, self.captors, self.others = [], set(), [], [], []
        self.cgroup("")
        self.origin = Origin([N1, N2, N3, N6])

    def cgroup(self, name):
        path = (self.top + "/" + name).rstrip("/")
        os.mkdir(path)
        self.cgroups.append(path)
        self.ids.add(os.stat(path).st_ino)
        return path

    def remove(self, path):
        until("cgroup %s is empty" % path, lambda: self.try_remove(path))

    @staticmethod
    def try_remove(path):
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass
        except OSError as e:
            if e.errno == errno.EBUSY:
                return False
            raise
        return True

    def app(self, cgroup, before=None):
        a = App(cgroup, before)
        self.apps.append(a)
        return a

    def captor(self, app="shop"):
        c = Captor(self.run_dir, app)
        self.captors.append(c)
        return c

    def attached(self, endpoints=None, workers=1, conns=0, app="shop", cgroup=None):
        """A captor whose mirror runs and whose app is hooked, and the cgroup."""
        path = cgroup or self.cgroup("app")
        c = self.captor(app)
        c.start(endpoints or [N1, N2, "[%s]:%d" % (N6, PORT)], workers, conns)
        c.must("attach", path)
        return c, path

    def foreign(self, cgroup, hook):
        p = subprocess.Popen([CAPTOR, "foreign", cgroup, hook], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.others.append(p)
        same(p.stdout.readline().strip(), "ready", "a foreign program")
        return p

    def links(self):
        """Ids of bpf links that hook a cgroup of this stage."""
        out = subprocess.run(["bpftool", "-j", "link", "show"], capture_output=True, text=True, timeout=20).stdout
        return sorted(l["id"] for l in json.loads(out or "[]") if l.get("cgroup_id") in self.ids)

    def end(self):
        """Take the stage down, and see that nothing is left. Returns complaints."""
        bad = []
        for p in self.others:
            p.stdin.close()
            if p.wait(10):
                bad.append("a foreign program was not detached")
        for a in self.apps:
            try:
                a.end()
            except AssertionError as e:
                bad.append(str(e))
        for c in self.captors:
            try:
                c.end()
            except Exception as e:
                bad.append("captor: %s" % e)
        left = "/sys/fs/bpf/seam/" + self.hash()
        if os.path.isdir(left):
            # A test that leaves an app attached (a killed keeper) must say so by calling unlink itself.
            bad.append("pins left: %s" % sorted(f for _, _, fs in os.walk(left) for f in fs))
            for app in os.listdir(left):
                subprocess.run([CAPTOR, self.run_dir, re.sub("%([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), app)],
                    input="unlink\n", stdout=subprocess.DEVNULL, text=True, timeout=20)
        bad += self.children()
        if self.links():
            bad.append("links left: %s" % self.links())
        for path in reversed(self.cgroups):
            try:
                until("empty", lambda: self.try_remove(path), 3)
            except (AssertionError, OSError) as e:
                bad.append("cgroup left: %s (%s)" % (path, e))
        shutil.rmtree(self.run_dir, ignore_errors=True)
        return bad

    def hash(self):
        h = 0xCBF29CE484222325
        for b in self.run_dir.encode():
            h = ((h ^ b) * 0x100000001B3) & (2**64 - 1)
        return "%016x" % h

    @staticmethod
    def children():
        """Mirrors outlive a killed keeper until their connections end: they have three seconds for it."""
        end = time.monotonic() + 3
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return []
            if not pid and time.monotonic() > end:
                break
            if not pid:
                time.sleep(0.01)
        with open("/proc/self/task/%d/children" % os.getpid()) as f:
            left = [int(p) for p in f.read().split()]
        for p in left:
            os.kill(p, signal.SIGKILL)
            os.waitpid(p, 0)
        return ["processes left: %s" % left]


def in_netns(inode):
    """Processes of a network namespace."""
    out = []
    for p in os.listdir("/proc"):
        try:
            if p.isdigit() and os.stat("/proc/%s/ns/net" % p).st_ino == inode:
                out.append(int(p))
        except OSError:
            pass
    return out


def play(name, test, limit, w):
    """In a child of the runner: the whole test. Writes the outcome to `w` and ends."""
    out, stage = {"state": "ok"}, None
    signal.alarm(limit)
    try:
        stage = Stage(name)
        out["netns"] = os.stat("/proc/self/ns/net").st_ino
        test(stage)
    except Skip as e:
        out = {"state": "skip", "why": str(e)}
    except BaseException as e:
        at = traceback.extract_tb(e.__traceback__)
        here = [f for f in at if "test_" in f.filename] or at
        out.update(state="fail", why="%s:%d: %s: %s" % (os.path.basename(here[-1].filename), here[-1].lineno, type(e).__name__, e))
    signal.alarm(limit)
    try:
        bad = stage.end() if stage else []
    except BaseException as e:
        bad = ["taking down: %s: %s" % (type(e).__name__, e)]
    if bad:
        out = {"state": "fail", "why": "; ".join(([out["why"]] if "why" in out else []) + bad)}
    os.write(w, json.dumps(out).encode())
    os._exit(0)


def run_one(name, test, limit=60):
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(r)
        signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(AssertionError("took longer than %d s" % limit)))
        play(name, test, limit, w)
    os.close(w)
    got = b""
    while b := os.read(r, 65536):
        got += b
    os.close(r)
    os.waitpid(pid, 0)
    out = json.loads(got or b'{"state":"fail","why":"the test died"}')
    if out.get("netns") and in_netns(out["netns"]):
        out.update(state="fail", why="processes left in its network namespace: %s" % in_netns(out["netns"]))
    return out
