"""Bytes: versions, compression, segments, long frames, many at once, and every way to cut them up."""
import hashlib
import os
import random
import resource
import socket
import threading
import time

import cql
import fake
from rig import until

INSERT = "INSERT INTO ks.t (k) VALUES (1)"
KINDS = [(3, None), (3, "lz4"), (3, "snappy"), (4, None), (4, "lz4"), (4, "snappy"), (5, None), (5, "lz4")]


def conversation(c, rig, mark):
    """Every kind of request once, each with the answer it must have."""
    text = "INSERT INTO ks.t (k, v) VALUES (1, '%s')" % mark
    c.options()
    c.ok("USE ks")
    c.ok(text)
    c.ok("SELECT k FROM ks.t")
    ident = c.prepare("UPDATE ks.t SET v = ? WHERE k = '%s'" % mark)
    c.good(c.execute(ident, values=[b"x" * 200]))
    c.good(c.batch([(ident, [b"y" * 100]), ("DELETE FROM t WHERE k = '%s'" % mark, [])]))
    for n in rig.nodes:
        assert len(n.seen(mark, cql.QUERY)) == 1 and len(n.seen(mark, cql.EXECUTE)) == 1 and len(n.seen("DELETE FROM t WHERE k = '%s'" % mark)) == 1, n.name
    a, b = (n.seen(mark, cql.BATCH)[0] for n in rig.nodes)
    assert a.timestamp == b.timestamp and [v for _, v in a.children] == [v for _, v in b.children]


def test_every_version_and_compression(new):
    rig = new()
    for version, compression in KINDS:
        c = rig.client(version, compression)
        conversation(c, rig, "m%d%s" % (version, compression))
        leg = rig.target.seen("m%d%s" % (version, compression))[0]
        assert leg.connection.compression == compression and leg.version == version
    rig.expect(failed=0, failed_writes=0, diverged=0)


def test_a_byte_at_a_time(new):
    rig = new(request_timeout_ms=8000)
    for n in rig.nodes:
        n.step = 1
    for version, compression in KINDS:
        c = rig.client(version, compression, ready=False)
        c.step = 1
        c.start()
        conversation(c, rig, "m%d%s" % (version, compression))
    rig.expect(failed=0, failed_writes=0, diverged=0)


test_a_byte_at_a_time.seconds = 5


def test_every_cut_in_two(new):
    """The handshake and a write, cut once at each place."""
    rig = new(request_timeout_ms=8000)
    for version, compression in ((4, "snappy"), (5, None), (5, "lz4")):
        c = rig.client(version, compression)
        wire = c.wire(cql.QUERY, cql.query(version, INSERT), 1)
        for at in range(1, len(wire)):
            c.sock.sendall(wire[:at])
            time.sleep(0.0005)
            c.sock.sendall(wire[at:])
            c.good(c.receive(1))
        body = cql.string_map({"CQL_VERSION": "3.0.0", "COMPRESSION": "lz4"} if compression == "lz4" else {"CQL_VERSION": "3.0.0"})
        wire = cql.envelope(version, cql.STARTUP, body, 9)
        for at in range(1, len(wire), 1 if version == 5 and not compression else 7):
            d = rig.client(version, ready=False)
            d.sock.sendall(wire[:at])
            time.sleep(0.0005)
            d.sock.sendall(wire[at:])
            assert d.receive(9).opcode == cql.READY
            d.close()
    rig.expect(failed=0, failed_writes=0, diverged=0)


def test_random_cuts(new):
    """A long pipelined conversation in random pieces, both ways."""
    rig = new(request_timeout_ms=20000)
    rnd = random.Random(7)
    for version, compression in ((4, None), (4, "lz4"), (5, None), (5, "lz4")):
        for n in rig.nodes:
            n.step = rnd.randrange(100, 3000)
        c = rig.client(version, compression)
        wire = b""
        for stream in range(200):
            text = "INSERT INTO ks.t (k, v) VALUES (%d, '%s')" % (stream, "x" * rnd.choice((1, 50, 5000, 70000 if stream % 50 == 0 else 10)))
            wire += c.wire(cql.QUERY, cql.query(version, text), stream)

        def send():
            at = 0
            while at < len(wire):
                n = rnd.choice((1, 2, 3, 5, 8, 9, 10, 100, 1000, 40000))
                c.sock.sendall(wire[at:at + n])
                at += n
        t = threading.Thread(target=send, daemon=True)
        t.start()
        for stream in range(200):
            c.good(c.receive(stream))
        t.join()
    rig.expect(writes=800, failed=0, failed_writes=0, diverged=0)


test_random_cuts.seconds = 4


def test_requests_behind_startup_wait_for_ready(new):
    """A client that does not wait: what comes behind STARTUP is no less mirrored."""
    rig = new()
    for auth in (False, True):
        c = rig.client(4, ready=False)
        if auth:
            rig.origin.auth = ("a", "b")
        gate = fake.Gate()
        rig.origin.rule(cql.STARTUP, gate.hold, times=1)
        wire = c.wire(cql.STARTUP, cql.string_map({"CQL_VERSION": "3.0.0"}), 1)
        if auth:
            wire += c.wire(cql.AUTH_RESPONSE, cql.value(b"\0a\0b"), 2)
        c.raw(wire + c.wire(cql.QUERY, cql.query(4, "INSERT INTO ks.t (k) VALUES (%d)" % auth), 3))
        time.sleep(0.05)
        gate.open()
        c.receive(1)
        c.good(c.receive(3))
        assert rig.target.seen("VALUES (%d)" % auth)
    # in v5 it is in segments already
    rig.origin.auth = None
    c = rig.client(5, ready=False)
    wire = c.wire(cql.STARTUP, cql.string_map({"CQL_VERSION": "3.0.0"}), 1)
    c.raw(wire + cql.segments(cql.envelope(5, cql.QUERY, cql.query(5, INSERT), 3)))
    assert c.receive(1).opcode == cql.READY
    c.framing.start(5, None)
    c.good(c.receive(3))
    rig.expect(failed=0, failed_writes=0)


# ---- versions

def test_versions_that_drivers_probe(new):
    """0x42, 0x41 (DSE), 6 (beta), 1 and 2: refused on stream 0 in a frame of the highest version, by the text that drivers look for."""
    for versions in ((3, 4, 5), (3, 4)):
        rig = new(origin=fake.Node("origin", versions=versions))
        for asked in (0x42, 0x41, 6, 2, 1):
            c = rig.client(ready=False)
            c.raw(bytes([asked, 0, 0, 7, cql.OPTIONS, 0, 0, 0, 0]) if asked > 2 else bytes([asked, 0, 7, cql.OPTIONS, 0, 0, 0, 0]))
            got = c.read()
            assert got.version == 0x80 | max(versions) and got.stream == 0 and got.opcode == cql.ERROR, got
            f = cql.Failure(4, got.body)
            assert f.code == cql.PROTOCOL and f.text.startswith("Invalid or unsupported protocol version (%d)" % asked), f.text
            c.close()
        assert not rig.origin.log, "nothing of it reaches Origin"
        c = rig.client(4)
        c.ok(INSERT)
        rig.expect(opaque=0, open=1)


def test_version_that_origin_refuses(new):
    """Origin's own refusal passes as it is."""
    rig = new(origin=fake.Node("origin", versions=(3, 4)), target=fake.Node("target", tag="T", versions=(3, 4)))
    c = rig.client(5, ready=False)
    c.send(cql.OPTIONS, stream=9)
    got = c.read()
    assert (got.version, got.stream, got.opcode) == (0x84, 0, cql.ERROR), got
    assert "unsupported protocol version" in cql.Failure(4, got.body).text


def test_another_version_amid_the_session(new):
    rig = new()
    c = rig.client(4)
    c.raw(cql.envelope(3, cql.OPTIONS, b"", 5))
    f = c.bad(c.read(), cql.PROTOCOL)
    assert "version" in f.text
    assert c.is_closed()
    rig.expect(open=0)


# ---- not CQL

def test_opaque(new):
    """TLS, or anything else: relayed as it is, in both directions, counted and flagged; whatever the phase."""
    rig = new()

    def echo(s, data):
        s.put(data[::-1])
    rig.origin.opaque = echo
    socks = []
    for first in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET / HTTP/1.1\r\n\r\n", b"\0", b"\x84\0\0\0"):
        s = socket.create_connection(rig.address)
        s.settimeout(5)
        s.sendall(first)
        assert s.recv(1 << 16) == first[::-1]
        s.sendall(b"more")
        assert s.recv(1 << 16) == b"erom"
        socks.append(s)
    rig.expect(opaque=4, open=4, captured=4, failed=0)
    rig.keeper.wait_said("flag", table=None, reason="opaque")
    assert rig.flags() == [(None, "opaque")]
    assert not rig.target.legs()
    for s in socks:
        s.close()
    rig.expect(opaque=0, open=0)


def test_opaque_in_bulk(new):
    """40 MiB each way with a slow reader: every byte, bounded memory."""
    rig = new(mode="release")
    size = 40 << 20
    sums = {"in": hashlib.sha256(), "n": 0}

    def sink(s, data):
        sums["in"].update(data)
        sums["n"] += len(data)
    rig.origin.opaque = sink
    s = socket.create_connection(rig.address)
    s.settimeout(10)
    block = random.Random(1).randbytes(1 << 20)
    before = rig.rss()
    want = hashlib.sha256()
    s.sendall(b"\x16")
    want.update(b"\x16")
    for _ in range(size >> 20):
        s.sendall(block)
        want.update(block)
    until(lambda: sums["n"] == size + 1, "all of it")
    assert sums["in"].digest() == want.digest()
    conn = rig.origin.connections[-1]

    def pour():
        for _ in range(size >> 20):
            conn.put(block)
    threading.Thread(target=pour, daemon=True).start()
    time.sleep(0.5)
    assert rig.rss() - before < 8 << 20, "%d KiB more" % ((rig.rss() - before) >> 10)
    got, n = hashlib.sha256(), 0
    while n < size:
        data = s.recv(1 << 20)
        got.update(data)
        n += len(data)
    want = hashlib.sha256()
    for _ in range(size >> 20):
        want.update(block)
    assert got.digest() == want.digest()
    s.close()


# ---- long frames

LONG = 200 << 20


def count_bytes(rig, total, answer):
    """Origin only counts what comes, and answers when the total is there."""
    seen = {"n": 0, "sum": hashlib.md5()}

    def sink(s, data):
        seen["n"] += len(data)
        seen["sum"].update(data)
        if seen["n"] == total:
            rig.origin.opaque = None
            s.put(answer)
    rig.origin.opaque = sink
    return seen


def test_long_request_in_passthrough(new):
    rig = new(phase="passthrough", mode="release", request_timeout_ms=30000)
    c = rig.client(4, timeout=30)
    c.ok("SELECT k FROM ks.t")
    before = rig.rss()
    block = b"x" * (1 << 20)
    head = cql.integer(LONG) + b"INSERT INTO ks.t (k, v) VALUES (1, '"
    tail = b"')" + cql.params(4)
    fill = LONG + 4 - len(head) - 2
    total = 9 + len(head) + fill + len(tail)
    seen = count_bytes(rig, total, cql.envelope(0x84, cql.RESULT, cql.VOID, 5))
    want = hashlib.md5()
    peak = 0
    for part in [cql.envelope(4, cql.QUERY, b"", 5)[:5] + cql.integer(total - 9) + head] + [block] * (fill >> 20) + [b"x" * (fill & 0xFFFFF), tail]:
        c.sock.sendall(part)
        want.update(part)
        peak = max(peak, rig.rss())
    c.good(c.receive(5))
    assert seen["sum"].digest() == want.digest()
    assert peak - before < 10 << 20, "%d MiB more" % ((peak - before) >> 20)
    c.ok("SELECT k FROM ks.t")


test_long_request_in_passthrough.seconds = 4


def test_long_request_answered_early(new):
    """Origin refuses a long request before it has read it all: the client has its answer, and the rest does no harm."""
    rig = new(phase="passthrough")
    for version in (4, 5):
        c = rig.client(version)
        text = "INSERT INTO ks.t (k, v) VALUES (1, '%s')" % ("x" * (3 << 20))
        wire = c.wire(cql.QUERY, cql.query(version, text), 5)
        conn = rig.origin.connections[-1]
        conn.reading.clear()
        c.sock.sendall(wire[:1 << 20])
        until(lambda: sum(s["in_flight"] for s in rig.sessions()) == 1, "it is on its way")
        no = cql.envelope(0x80 | version, cql.ERROR, cql.error(cql.INVALID, "too long"), 5)
        conn.put(conn.framing.wrap(no))
        assert c.bad(c.receive(5), cql.INVALID).text == "too long"
        conn.reading.set()
        rig.origin.rule(lambda r: r.stream == 5 and len(r.text or "") > 1 << 20, fake.silent)
        c.sock.sendall(wire[1 << 20:])
        c.ok(INSERT)
        c.ok(INSERT, stream=5)
    rig.expect(open=2, failed=0)


def test_long_answer_of_a_read(new):
    rig = new(mode="release", request_timeout_ms=30000)
    c = rig.client(4, timeout=30)
    c.ok("SELECT k FROM ks.t")
    before = rig.rss()
    block = random.Random(2).randbytes(1 << 20)

    def speak(s, r):
        s.put(cql.envelope(0x84, cql.RESULT, b"", r.stream)[:5] + cql.integer(LONG))
        for _ in range(LONG >> 20):
            s.put(block)
    rig.origin.rule("ks.long", speak)
    stream = c.send_query("SELECT k FROM ks.long")
    other = c.send_query("SELECT k FROM ks.t")
    want, got, n, peak = hashlib.md5(), hashlib.md5(), 0, 0
    for _ in range(LONG >> 20):
        want.update(block)
    data = c.sock.recv(9)
    assert data[2:5] == stream.to_bytes(2, "big") + bytes([cql.RESULT])
    while n < LONG:
        data = c.sock.recv(min(1 << 20, LONG - n))
        assert data
        got.update(data)
        n += len(data)
        peak = max(peak, rig.rss())
    assert got.digest() == want.digest()
    assert peak - before < 10 << 20, "%d MiB more" % ((peak - before) >> 20)
    c.good(c.receive(other))


test_long_answer_of_a_read.seconds = 4


def test_long_frames_in_segments(new):
    """8 MiB both ways in v5, plain and lz4, and in v4 packed; other requests go between."""
    rig = new(session_buffer=1 << 20, request_timeout_ms=15000)
    payload = random.Random(3).randbytes(4 << 20).hex()
    for phase in ("dual-write", "passthrough"):
        assert rig.phase(phase)["ok"]
        for version, compression in ((4, None), (4, "lz4"), (5, None), (5, "lz4")):
            for n in rig.nodes:
                n.log.clear()
            c = rig.client(version, compression, timeout=20)
            rig.origin.select_body = lambda v: cql.rows([("k", cql.TEXT)], [[payload.encode()]])
            first = c.send_query("INSERT INTO ks.t (k, v) VALUES (1, '%s')" % payload)
            second = c.send_query("SELECT k FROM ks.t")
            third = c.send_query("INSERT INTO ks.t (k) VALUES (3)")
            for s in (third, first):
                c.good(c.receive(s))
            got = c.good(c.receive(second))
            assert got.body == rig.origin.select_body(version)
            assert rig.origin.seen(payload), "as it was sent"
            assert len(rig.target.seen(payload)) == (phase == "dual-write")
            c.close()
    rig.expect(failed=0, failed_writes=0)


test_long_frames_in_segments.seconds = 8


def test_long_request_that_nobody_answers(new):
    """It passed unread but for its beginning: what it is decides what silence means. Not "overloaded": drivers send that again."""
    rig = new(phase="passthrough", request_timeout_ms=400)
    c = rig.client()
    long = "x" * (200 << 10)
    for text, code in (("INSERT INTO ks.long (k, v) VALUES (1, '%s')", cql.WRITE_TIMEOUT),
                       ("SELECT k FROM ks.long WHERE v = '%s'", cql.READ_TIMEOUT), ("TRUNCATES '%s'", cql.OVERLOADED)):
        rig.origin.rule(cql.QUERY, fake.silent)
        c.bad(c.query(text % long), code)
        rig.origin.clear()
    c.ok(INSERT)


def test_answer_that_stops_midway(new):
    """Nothing well-formed can follow half an answer: the session ends, and what waits behind it is not left without a word."""
    rig = new(request_timeout_ms=500)
    c = rig.client()
    half = lambda s, r: s.put(cql.envelope(0x84, cql.RESULT, b"", r.stream)[:5] + cql.integer(1 << 20) + b"x" * (100 << 10))
    rig.origin.rule("ks.half", half)
    began = time.monotonic()
    c.send_query("SELECT k FROM ks.half")
    assert c.is_closed()
    assert 0.4 < time.monotonic() - began < 3
    rig.client().ok(INSERT)


def test_use_that_nobody_answers(new):
    """It may have moved Origin's connection: nobody can say where an unqualified write would go."""
    for phase in ("passthrough", "dual-write"):
        rig = new(phase=phase, request_timeout_ms=400)
        c = rig.client()
        rig.origin.rule("USE", fake.silent)
        c.bad(c.query("USE other"), cql.OVERLOADED)
        assert c.is_closed()


def test_no_descriptors_left(new):
    """Connections that cannot be accepted wait; the mirror does not spin, and takes them when there is room again."""
    rig = new()
    c = rig.client()
    rig.leg_ready()
    pid = rig.process.pid
    used = len(os.listdir("/proc/%d/fd" % pid)) - 1  # no number is free below this
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, hard))
    late = rig.client(ready=False)
    ticks = lambda: sum(map(int, open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[11:13]))
    began, before = time.monotonic(), ticks()
    while time.monotonic() < began + 1:
        c.ok(INSERT)
        time.sleep(0.05)
    spent = (ticks() - before) / os.sysconf("SC_CLK_TCK")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
    assert spent < 0.5, "%.2f s of CPU in one second" % spent
    late.start()
    late.ok(INSERT)


def test_frame_limit(new):
    """Longer than `frame`: an error for that request, and the session goes on."""
    rig = new(frame=100000)
    for version in (4, 5):
        c = rig.client(version)
        text = "INSERT INTO ks.t (k, v) VALUES (1, '%s')" % ("x" * 120000)
        c.bad(c.query(text), cql.INVALID)
        c.ok(INSERT)
        assert not rig.origin.seen("xxx")


# ---- many at once

def crowd(rig, c, n, text, answer):
    gate = fake.Gate()
    rule = rig.origin.rule(lambda r: r.opcode == cql.QUERY, gate.hold)
    received = {}

    def read():
        while len(received) < n:
            env = c.read()
            assert env.stream not in received
            received[env.stream] = env
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    wire = bytearray()
    for stream in range(n):
        wire += c.wire(cql.QUERY, cql.query(c.version, text % stream), stream)
    c.raw(wire)
    until(lambda: len(gate.waiting) == n, "all of them at Origin", 20)
    rig.origin.rules.remove(rule)
    random.Random(5).shuffle(gate.waiting)
    gate.open()
    reader.join(20)
    assert len(received) == n, "%d of %d answers" % (len(received), n)
    for stream, env in received.items():
        assert env.opcode == cql.RESULT and answer(stream, env), stream


def test_all_stream_ids_at_once(new):
    """32 768 in flight, answered in another order: each stream gets its own answer. Then the same with writes."""
    rig = new(request_timeout_ms=60000, session_buffer=64 << 20)
    rig.origin.rule("SELECT", lambda s, r: s.send(r, cql.RESULT, cql.rows([("k", cql.TEXT)], [[r.text.encode()]])))
    c = rig.client(timeout=30)
    crowd(rig, c, 32768, "SELECT k FROM ks.t WHERE k = %d", lambda s, e: b"k = %d" % s in e.body and e.body.endswith(b" %d" % s))
    crowd(rig, c, 3000, "INSERT INTO ks.t (k) VALUES (%d)", lambda s, e: e.body == cql.VOID)
    assert len(rig.target.seen("INSERT")) == 3000
    d = rig.client(5, "lz4")
    crowd(rig, d, 2500, "INSERT INTO ks.u (k) VALUES (%d)", lambda s, e: e.body == cql.VOID)
    rig.expect(failed=0, failed_writes=0, diverged=0, reads=32768, writes=5500)


test_all_stream_ids_at_once.seconds = 15


def test_warnings_and_flags_of_origin_pass(new):
    rig = new()
    for version, compression in ((4, "lz4"), (5, "lz4")):
        c = rig.client(version, compression)
        payload = cql.short(1) + cql.string("k") + cql.value(b"v")
        rig.origin.rule("SELECT", fake.says(cql.RESULT, cql.string_list(["slow"]) + payload + cql.VOID, cql.WARNING | cql.PAYLOAD))
        got = c.query("SELECT k FROM ks.t")
        assert got.warnings == ["slow"] and got.payload == {"k": b"v"} and got.body == cql.VOID
