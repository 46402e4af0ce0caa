"""The mirror as a process with Python in the keeper's place, and an app's raw client."""
import array
import json
import os
import select
import socket
import struct
import subprocess
import tempfile
import threading
import time

import cql
import fake

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "..", "build", "%s", "tests", "mirror", "rig")


def until(condition, what, timeout=8):
    """Polls; the last value that was true."""
    end = time.monotonic() + timeout
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < end, "never: %s" % what
        time.sleep(0.005)


class Keeper:
    """The other end of the mirror's channel."""

    def __init__(self, sock):
        self.sock, self.last, self.answers, self.said = sock, 0, {}, []
        self.change = threading.Condition()
        self.ended = False
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        buffer = bytearray()
        while True:
            try:
                got = self.sock.recv(1 << 16)
            except OSError:
                got = b""
            if not got:
                with self.change:
                    self.ended = True
                    self.change.notify_all()
                return
            buffer += got
            while len(buffer) >= 4 and len(buffer) >= 4 + struct.unpack("<I", buffer[:4])[0]:
                n = struct.unpack("<I", buffer[:4])[0]
                msg = json.loads(bytes(buffer[4:4 + n]))
                del buffer[:4 + n]
                with self.change:
                    if msg["op"] == "answer":
                        self.answers[msg["id"]] = msg
                    else:
                        self.said.append(msg)
                    self.change.notify_all()

    def send(self, op, fds=(), **fields):
        self.last += 1
        text = json.dumps(dict(fields, op=op, id=self.last)).encode()
        raw = struct.pack("<I", len(text)) + text
        sent = socket.send_fds(self.sock, [raw], list(fds)) if fds else self.sock.send(raw)
        if sent < len(raw):
            self.sock.sendall(raw[sent:])
        return self.last

    def wait(self, ident, timeout=20):
        with self.change:
            assert self.change.wait_for(lambda: ident in self.answers or self.ended, timeout), "no answer of the mirror"
            assert ident in self.answers, "the mirror ended"
            return self.answers.pop(ident)

    def ask(self, op, fds=(), timeout=20, **fields):
        return self.wait(self.send(op, fds, **fields), timeout)

    def heard(self, op, **fields):
        with self.change:
            return [m for m in self.said if m["op"] == op and all(m.get(k) == v for k, v in fields.items())]

    def wait_said(self, op, timeout=8, **fields):
        return until(lambda: self.heard(op, **fields), "message %s %r (heard %r)" % (op, fields, self.said[-5:]), timeout)


class Rig:
    """One mirror, one Origin node, one Target node, an app "shop"; more of each on demand."""

    def __init__(self, phase="dual-write", failure="fail", workers=2, origin=None, target=None, wait=True,
                 mode="debug", **app):
        self.origin = origin or fake.Node("origin")
        self.target = target or fake.Node("target", tag="T")
        self.nodes = [self.origin, self.target]
        self.app = dict({"origin": "old", "target": "new", "phase": phase, "follower_failure": failure, "follower_wait_ms": 60,
                         "request_timeout_ms": 700, "target_auth": "seam", "exclude": [], "schema": "both",
                         "session_buffer": 1 << 20, "frame": 256 << 20, "prepared": 1000}, **{k: v for k, v in app.items() if k != "memory"})
        self.clients, self.files = [], []
        ours, theirs = socket.socketpair()
        takeover = socket.socket(socket.AF_UNIX)
        self.takeover = os.path.join(tempfile.mkdtemp(prefix="rig"), "sock")
        takeover.bind(self.takeover)
        takeover.listen()
        self.err = tempfile.TemporaryFile()
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=0", UBSAN_OPTIONS="print_stacktrace=1")
        self.process = subprocess.Popen([PROGRAM % mode, str(theirs.fileno()), str(takeover.fileno())], stderr=self.err, env=env,
                                        pass_fds=(theirs.fileno(), takeover.fileno()))
        theirs.close()
        takeover.close()
        self.keeper = Keeper(ours)
        new = {"contact_points": [self.target.address], "port": self.target.port, "datacenter": None,
               "user": self.target.auth and self.target.auth[0], "password": self.target.auth and self.target.auth[1]}
        old = {"contact_points": [self.origin.address], "port": self.origin.port, "datacenter": None,
               "user": self.origin.auth and self.origin.auth[0], "password": self.origin.auth and self.origin.auth[1]}
        if "user" in app:
            new["user"], new["password"] = self.app.pop("user"), self.app.pop("password")
        got = self.keeper.ask("config", workers=workers, memory=app.get("memory", 1 << 30), clusters={"old": old, "new": new},
                              apps={"shop": self.app})
        assert got["ok"], got
        self.heartbeat = self.memory(b"\0" * 4096)
        self.address = self.listen("shop", self.origin.address)
        if wait:
            self.keeper.wait_said("topology", cluster="old", ok=True)
            self.keeper.wait_said("topology", cluster="new", ok=True)

    def memory(self, content):
        fd = os.memfd_create("rig")
        os.write(fd, content)
        self.files.append(fd)
        return fd

    def listen(self, app, origin):
        """A door whose connections all wanted `origin`."""
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen(4096)
        s.setblocking(False)
        flows = self.memory(origin.encode())
        address = s.getsockname()
        got = self.keeper.ask("listen", fds=[s.fileno(), flows, self.heartbeat], app=app, bank=0, v6=False)
        s.close()
        assert got["ok"], got
        return address

    # ---- the app's side

    def client(self, version=4, compression=None, ready=True, **kw):
        c = Client(self.address, version, compression, **kw)
        self.clients.append(c)
        if ready:
            c.start()
        return c

    # ---- the keeper's side

    def phase(self, name, timeout=20):
        return self.keeper.ask("phase", app="shop", phase=name, timeout=timeout)

    def status(self):
        got = self.keeper.ask("status")
        assert got["ok"], got
        return got["apps"]["shop"]

    def sessions(self):
        return self.keeper.ask("sessions", app="shop")["sessions"]

    def expect(self, **want):
        """Counters come to `want`: reads, writes, failed, failed_writes, diverged, lwt … exactly."""
        def flat():
            s = self.status()
            out = dict(s["requests"], **s["target"], **{"unmirrored_other" if k == "other" else k: v for k, v in s["unmirrored"].items()})
            out.update({k: v for k, v in s.items() if not isinstance(v, dict)})
            return out
        end = time.monotonic() + 3
        while True:
            got = flat()
            wrong = {k: (got.get(k), v) for k, v in want.items() if got.get(k) != v}
            if not wrong:
                return got
            assert time.monotonic() < end, "counters (is, wanted): %r" % wrong
            time.sleep(0.02)

    def flags(self):
        return [(m["table"], m["reason"]) for m in self.keeper.heard("flag")]

    def leg_ready(self, n=1):
        until(lambda: sum(1 for s in self.sessions() if s["target"]) == n, "%d Target legs" % n)

    def rss(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return next(int(line.split()[1]) << 10 for line in f if line.startswith("VmRSS"))

    def log(self):
        self.err.seek(0)
        return self.err.read().decode(errors="replace")

    def end(self, clean=True):
        """Stops the mirror and judges how it ended. Returns what was wrong, or None."""
        for c in self.clients:
            c.close()
        wrong = []
        try:
            if not self.keeper.ended:
                self.keeper.send("stop", timeout_s=3)
            self.process.wait(12)
        except (OSError, subprocess.TimeoutExpired):
            wrong.append("the mirror did not stop")
            self.process.kill()
            self.process.wait()
        for n in self.nodes:
            n.down()
            if clean:
                wrong += n.faults
        log = self.log()
        if self.process.returncode:
            wrong.append("the mirror's exit code is %d" % self.process.returncode)
        for word in ("Sanitizer", "runtime error", "bad_session_state", "bad_leg_state"):
            if word in log:
                at = log.index(word)
                wrong.append(log[max(0, at - 200):at + 3000])
                break
        for fd in self.files:
            os.close(fd)
        self.keeper.sock.close()
        os.unlink(self.takeover)
        os.rmdir(os.path.dirname(self.takeover))
        return "\n".join(wrong) or None


class Closed(AssertionError):
    """The connection ended where an answer was due."""


class Client:
    """An app's connection: raw frames, blocking, one thread."""

    def __init__(self, address, version=4, compression=None, driver="tests", user=None, password=None, timeout=8, buffer=None):
        self.sock = socket.socket()
        if buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.sock.connect(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(timeout)
        self.version, self.compression, self.driver = version, compression, driver
        self.user, self.password = user, password
        self.framing = cql.Framing()
        self.pending = {}
        self.events = []
        self.stream = 0
        self.step = None  # bytes at a time, when the conversation is to be cut up

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def raw(self, data):
        if not self.step:
            self.sock.sendall(data)
            return
        for at in range(0, len(data), self.step):
            self.sock.sendall(data[at:at + self.step])

    def wire(self, opcode, body=b"", stream=0, flags=0):
        return self.framing.wrap(cql.envelope(self.version, opcode, body, stream, flags, self.framing.packer(self.version)))

    def send(self, opcode, body=b"", stream=None, flags=0):
        if stream is None:
            self.stream = (self.stream + 1) % 32768
            stream = self.stream
        self.raw(self.wire(opcode, body, stream, flags))
        return stream

    def read(self):
        while True:
            got = self.framing.pull()
            if got:
                return got
            data = self.sock.recv(1 << 20)
            if not data:
                raise Closed("the connection was closed")
            self.framing.feed(data)

    def receive(self, stream):
        """The answer to that stream; others wait their turn."""
        while stream not in self.pending:
            env = self.read()
            if env.opcode == cql.EVENT:
                self.events.append(env)
                continue
            assert env.stream not in self.pending, "two answers on stream %d" % env.stream
            self.pending[env.stream] = env
        return self.pending.pop(stream)

    def ask(self, opcode, body=b"", stream=None, flags=0):
        return self.receive(self.send(opcode, body, stream, flags))

    # ---- the handshake

    def options(self):
        env = self.ask(cql.OPTIONS)
        r = cql.Reader(env.body)
        assert env.opcode == cql.SUPPORTED, env
        return {r.string(): r.string_list() for _ in range(r.short())}

    def startup(self):
        names = {"CQL_VERSION": "3.0.0", "DRIVER_NAME": self.driver, "DRIVER_VERSION": "1"}
        if self.compression:
            names["COMPRESSION"] = self.compression
        stream = self.send(cql.STARTUP, cql.string_map(names))
        got = self.receive(stream)
        if got.opcode in (cql.READY, cql.AUTHENTICATE):
            self.framing.start(self.version, self.compression)
        return got

    def start(self):
        got = self.startup()
        if got.opcode == cql.AUTHENTICATE:
            got = self.login()
            assert got.opcode == cql.AUTH_SUCCESS, self.failure(got).text
        else:
            assert got.opcode == cql.READY, got
        return self

    def login(self):
        token = b"\0" + (self.user or "").encode() + b"\0" + (self.password or "").encode()
        return self.ask(cql.AUTH_RESPONSE, cql.value(token))

    # ---- statements

    def failure(self, env):
        assert env.opcode == cql.ERROR, env
        return cql.Failure(self.version, env.body)

    def good(self, env):
        assert env.opcode == cql.RESULT, "ERROR %#x %s" % (lambda f: (f.code, f.text))(self.failure(env)) if env.opcode == cql.ERROR else env
        return env

    def bad(self, env, code):
        f = self.failure(env)
        assert f.code == code, "ERROR %#x %s, wanted %#x" % (f.code, f.text, code)
        return f

    def query(self, text, stream=None, flags=0, **kw):
        return self.ask(cql.QUERY, cql.query(self.version, text, **kw), stream, flags)

    def send_query(self, text, stream=None, flags=0, **kw):
        return self.send(cql.QUERY, cql.query(self.version, text, **kw), stream, flags)

    def ok(self, text, **kw):
        return self.good(self.query(text, **kw))

    def prepare(self, text, keyspace=None):
        r = cql.Reader(self.good(self.ask(cql.PREPARE, cql.prepare(self.version, text, keyspace))).body)
        assert r.int() == 4
        ident = r.short_bytes()
        self.meta_id = r.short_bytes() if self.version >= 5 else b""
        return ident

    def execute(self, ident, stream=None, flags=0, **kw):
        return self.ask(cql.EXECUTE, cql.execute(self.version, ident, getattr(self, "meta_id", b""), **kw), stream, flags)

    def batch(self, children, stream=None, **kw):
        return self.ask(cql.BATCH, cql.batch(self.version, children, **kw), stream)

    def nothing(self, seconds):
        """No byte comes for that long."""
        assert not self.framing.pull() and not self.pending, "an answer came too early"
        readable, _, _ = select.select([self.sock], [], [], seconds)
        assert not readable, "an answer came too early: %r" % self.read()

    def is_closed(self, timeout=8):
        """The peer ends the connection (what still comes before is dropped)."""
        self.sock.settimeout(timeout)
        try:
            while self.sock.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass
        return True
