"""Scripted servers: a cluster's node that records every request and answers as the test says."""
import socket
import threading
import time
import uuid

import cql

SCHEMA = uuid.UUID(int=7).bytes


class Stop(Exception):
    """The connection ends."""


class Connection:
    """One accepted connection, served by a thread of its own."""

    def __init__(self, node, sock):
        self.node, self.sock = node, sock
        self.framing = cql.Framing()
        self.lock = threading.Lock()
        self.version = self.driver = self.keyspace = self.token = None
        self.compression = None
        self.raw = bytearray()
        self.requests = []
        self.open = True
        self.logged_in = False
        self.registered = False
        self.reading = threading.Event()
        self.reading.set()
        self.began = time.monotonic()

    def run(self):
        try:
            while True:
                while not (self.node.reading.wait(1) and self.reading.wait(1)):
                    pass
                got = self.sock.recv(self.node.read_size)
                if not got:
                    break
                if self.node.keep_raw:
                    self.raw += got
                if self.node.opaque:
                    self.node.opaque(self, got)
                    continue
                self.framing.feed(got)
                while True:
                    env = self.framing.pull()
                    if not env:
                        break
                    self.take(env)
        except Stop:
            pass
        except OSError:
            pass
        except Exception as wrong:  # a broken frame is what the tests want to know of
            self.node.faults.append("%s: %r" % (self.node.name, wrong))
        self.close()

    def take(self, env):
        if env.version & 127 not in self.node.versions:
            body = cql.error(cql.PROTOCOL, "Invalid or unsupported protocol version (%d); supported versions are (3/v3, 4/v4, 5/v5)" % env.version)
            self.put(cql.envelope(0x80 | max(self.node.versions), cql.ERROR, body))
            return
        self.version = env.version
        req = cql.Request(env)
        req.connection, req.at = self, time.monotonic()
        if self.driver != "Seam" and not (req.opcode == cql.STARTUP and req.options.get("DRIVER_NAME") == "Seam"):
            self.requests.append(req)
            self.node.note(req)
        elif req.opcode == cql.STARTUP:
            self.node.forget(self)
        self.serve(req)

    def serve(self, req):
        for rule in list(self.node.rules):
            if rule.matches(req):
                rule.action(self, req)
                return
        self.node.answer(self, req)

    def put(self, raw):
        with self.lock:
            self.say(raw)

    def say(self, raw):
        step = self.node.step or len(raw) or 1
        for at in range(0, len(raw), step):
            self.sock.sendall(raw[at:at + step])

    def send(self, req, opcode, body, flags=0, pack=True):
        version = 0x80 | req.version
        with self.lock:
            packer = self.framing.packer(version) if pack else None
            self.say(self.framing.wrap(cql.envelope(version, opcode, body, req.stream, flags, packer)))

    def event(self, body):
        with self.lock:
            self.say(self.framing.wrap(cql.envelope(0x80 | self.version, cql.EVENT, body, -1)))

    def close(self):
        self.open = False
        try:
            self.sock.close()
        except OSError:
            pass

    def kill(self, reset=False):
        """From another thread: the peer sees the end."""
        if reset:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class Rule:
    def __init__(self, when, action, times):
        self.when, self.action, self.times = when, action, times
        self.hits = 0

    def matches(self, req):
        if self.times is not None and self.hits >= self.times:
            return False
        if req.connection.driver == "Seam" or not self.when(req):
            return False
        self.hits += 1
        return True


class Node:
    """One node of a cluster. Rules come first; then the defaults of a healthy, empty server."""

    def __init__(self, name, tag="", auth=None, versions=(3, 4, 5), compression=("lz4", "snappy"), port=0):
        self.name, self.tag, self.auth, self.versions, self.compression = name, tag, auth, versions, list(compression)
        self.rules, self.log, self.faults, self.connections = [], [], [], []
        self.known = {}          # id -> text
        self.bind, self.result = {}, {}   # text -> columns
        self.keyspaces = {"ks", "other", "system"}
        self.schema = SCHEMA
        self.peers = []
        self.select_body = lambda version: cql.rows([("k", cql.INT)], [[b"\0\0\0\1"]])
        self.read_size = 1 << 20
        self.step = None  # bytes at a time, when what it says is to be cut up
        self.keep_raw = False
        self.opaque = None
        self.reading = threading.Event()
        self.reading.set()
        self.change = threading.Condition()
        self.socket = None
        self.port = port
        self.up()

    # ---- life

    def up(self):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", self.port))
        s.listen(4096)
        self.port = s.getsockname()[1]
        self.socket = s
        threading.Thread(target=self.accept, args=(s,), daemon=True).start()

    def accept(self, s):
        while True:
            try:
                sock, _ = s.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            c = Connection(self, sock)
            self.connections.append(c)
            threading.Thread(target=c.run, daemon=True).start()

    def down(self, reset=False):
        """Refuses from now on, and every connection ends."""
        self.refuse()
        for c in self.connections:
            c.kill(reset)

    def refuse(self):
        if self.socket:
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self.socket.close()
            self.socket = None

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def legs(self):
        """Open connections of sessions, not of Seam's own discovery."""
        return [c for c in self.connections if c.open and c.driver not in ("Seam", None)]

    # ---- what came

    def note(self, req):
        with self.change:
            self.log.append(req)
            self.change.notify_all()

    def forget(self, connection):
        """It is one of Seam's own discovery."""
        with self.change:
            self.log = [r for r in self.log if r.connection is not connection]

    def seen(self, word=None, opcode=None):
        """Requests whose text (or a child's) holds `word`."""
        out = []
        for r in list(self.log):
            texts = [r.text or self.known.get(r.id) or ""] + [w if isinstance(w, str) else self.known.get(w, "") for w, _ in r.children]
            if (opcode is None or r.opcode == opcode) and (word is None or any(word in t for t in texts)):
                out.append(r)
        return out

    def wait(self, word=None, opcode=None, count=1, timeout=8):
        end = time.monotonic() + timeout
        with self.change:
            while len(self.seen(word, opcode)) < count:
                left = end - time.monotonic()
                assert left > 0, "%s never got %d of %r (got %r)" % (self.name, count, word or opcode, self.log[-5:])
                self.change.wait(left)
        return self.seen(word, opcode)

    # ---- scripting

    def rule(self, when, action, times=None):
        """`when`: a word of the text, an opcode, or a function of the request."""
        if isinstance(when, str):
            word = when
            when = lambda r: word in (r.text or self.known.get(r.id) or "") or any(
                word in (w if isinstance(w, str) else self.known.get(w, "")) for w, _ in r.children)
        elif isinstance(when, int):
            opcode = when
            when = lambda r: r.opcode == opcode
        rule = Rule(when, action, times)
        self.rules.insert(0, rule)
        return rule

    def clear(self):
        self.rules.clear()

    # ---- defaults

    def answer(self, c, req):
        {cql.OPTIONS: self.options, cql.STARTUP: self.startup, cql.AUTH_RESPONSE: self.login, cql.REGISTER: self.register,
         cql.QUERY: self.query, cql.PREPARE: self.prepare, cql.EXECUTE: self.execute, cql.BATCH: self.batch}[req.opcode](c, req)

    def options(self, c, req):
        names = {"CQL_VERSION": ["3.4.7"], "COMPRESSION": self.compression,
                 "PROTOCOL_VERSIONS": ["%d/v%d" % (v, v) for v in self.versions], "SCYLLA_SHARD": ["1"]}
        c.send(req, cql.SUPPORTED, cql.short(len(names)) + b"".join(cql.string(k) + cql.string_list(v) for k, v in names.items()))

    def startup(self, c, req):
        c.driver = req.options.get("DRIVER_NAME")
        c.compression = req.options.get("COMPRESSION")
        if self.auth:
            c.send(req, cql.AUTHENTICATE, cql.string("org.apache.cassandra.auth.PasswordAuthenticator"), pack=False)
        else:
            c.send(req, cql.READY, b"", pack=False)
            c.logged_in = True
        c.framing.start(req.version, c.compression)

    def login(self, c, req):
        c.token = req.token
        if req.token == b"\0" + self.auth[0].encode() + b"\0" + self.auth[1].encode():
            c.send(req, cql.AUTH_SUCCESS, cql.integer(-1))
            c.logged_in = True
        else:
            c.send(req, cql.ERROR, cql.error(cql.BAD_CREDENTIALS, "Provided username and/or password are incorrect"))

    def register(self, c, req):
        c.registered = True
        c.send(req, cql.READY, b"")

    def query(self, c, req):
        self.run(c, req, req.text)

    def run(self, c, req, text):
        words = text.replace(";", " ").split()
        first = words[0].upper() if words else ""
        if "system.local" in text:
            self.local(c, req, text)
        elif "system.peers" in text:
            self.peer_rows(c, req, text)
        elif first == "USE":
            name = words[1].strip('"')
            if name not in self.keyspaces:
                c.send(req, cql.ERROR, cql.error(cql.INVALID, "Keyspace '%s' does not exist" % name))
                return
            c.keyspace = name
            c.send(req, cql.RESULT, cql.set_keyspace(name))
        elif first in ("SELECT", "LIST", "DESCRIBE"):
            c.send(req, cql.RESULT, self.select_body(req.version))
        elif first in ("CREATE", "ALTER", "DROP"):
            c.send(req, cql.RESULT, cql.schema_change())
        elif first in ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "BEGIN", "GRANT"):
            c.send(req, cql.RESULT, cql.VOID)
        else:
            c.send(req, cql.ERROR, cql.error(cql.SYNTAX, "line 1:0 no viable alternative at input '%s'" % first))

    def local(self, c, req, text):
        if "SELECT schema_version" in text:
            c.send(req, cql.RESULT, cql.rows([("schema_version", cql.UUID)], [[self.schema]], keyspace="system", table="local"))
            return
        columns = [("key", cql.TEXT), ("cluster_name", cql.TEXT), ("data_center", cql.TEXT), ("release_version", cql.TEXT),
                   ("rpc_address", cql.INET), ("rpc_port", cql.INT), ("host_id", cql.UUID), ("schema_version", cql.UUID)]
        c.send(req, cql.RESULT, cql.rows(columns, [[b"local", self.name.encode(), b"dc1", b"5.0.0", socket.inet_aton("127.0.0.1"),
               cql.integer(self.port), uuid.uuid4().bytes, self.schema]], keyspace="system", table="local"))

    def peer_rows(self, c, req, text):
        if "SELECT schema_version" in text:
            c.send(req, cql.RESULT, cql.rows([("schema_version", cql.UUID)], [[p.schema] for p in self.peers], keyspace="system", table="peers"))
            return
        columns = [("peer", cql.INET), ("data_center", cql.TEXT), ("native_address", cql.INET), ("native_port", cql.INT)]
        me = socket.inet_aton("127.0.0.1")
        c.send(req, cql.RESULT, cql.rows(columns, [[me, b"dc1", me, cql.integer(p.port)] for p in self.peers], keyspace="system", table="peers"))

    def identity(self, text, keyspace):
        return cql.md5(self.tag, keyspace, text)

    def prepare(self, c, req):
        keyspace = req.keyspace or c.keyspace
        ident = self.identity(req.text, keyspace)
        self.known[ident] = req.text
        c.send(req, cql.RESULT, self.prepared(req.version, ident, req.text))

    def prepared(self, version, ident, text):
        select = text.upper().startswith("SELECT")
        bind = self.bind.get(text, [("v%d" % i, cql.INT) for i in range(text.count("?"))])
        result = self.result.get(text, [("k", cql.INT)] if select else [])
        return cql.prepared(version, ident, bind, result, cql.md5(self.tag, str(result)))

    def unprepared(self, c, req, ident):
        c.send(req, cql.ERROR, cql.error(cql.UNPREPARED, "Prepared query with ID %s not found" % ident.hex(), cql.short_bytes(ident)))

    def execute(self, c, req):
        if req.id not in self.known:
            self.unprepared(c, req, req.id)
        else:
            self.run(c, req, self.known[req.id])

    def batch(self, c, req):
        for what, _ in req.children:
            if not isinstance(what, str) and what not in self.known:
                self.unprepared(c, req, what)
                return
        c.send(req, cql.RESULT, cql.VOID)


# ---- actions for rules

def fails(code, text="scripted", extra=None):
    return lambda c, req: c.send(req, cql.ERROR, cql.error(code, text, extra))


def silent(c, req):
    """No answer, ever."""


def closes(c, req):
    raise Stop()


def says(opcode, body, flags=0):
    return lambda c, req: c.send(req, opcode, body, flags)


def later(seconds, then=None):
    """Answers after a while, from another thread, while the connection goes on."""
    def act(c, req):
        def speak():
            try:
                (then or c.node.answer)(c, req)
            except OSError:
                pass
        timer = threading.Timer(seconds, speak)
        timer.daemon = True
        timer.start()
    return act


class Gate:
    """Answers only once it was opened: hold(c, req) is the action."""

    def __init__(self):
        self.waiting, self.is_open, self.lock = [], False, threading.Lock()

    def hold(self, c, req):
        with self.lock:
            if not self.is_open:
                self.waiting.append((c, req))
                return
        c.node.answer(c, req)

    def open(self):
        with self.lock:
            self.is_open = True
            waiting, self.waiting = self.waiting, []
        for c, req in waiting:
            c.serve(req)
