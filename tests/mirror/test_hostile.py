"""Any bytes on any socket: a clear error or a close, and nobody else notices."""
import random
import resource
import socket
import struct
import time

import cql
from rig import Closed, until

INSERT = "INSERT INTO ks.t (k) VALUES (1)"


def survives(rig, witness, open_sessions=1):
    witness.ok(INSERT)
    rig.expect(open=open_sessions, failed_writes=0, diverged=0)


def ends(c):
    """Closed, or an error and then closed."""
    try:
        while True:
            env = c.read()
            assert env.opcode == cql.ERROR, env
    except (Closed, ConnectionResetError):
        return


def test_random_bytes_first(new):
    rig = new()
    witness = rig.client()
    rnd = random.Random(11)
    for first in [bytes([v]) for v in range(256)] + [rnd.randbytes(rnd.randrange(1, 300)) for _ in range(200)]:
        s = socket.create_connection(rig.address)
        s.sendall(first + rnd.randbytes(rnd.randrange(0, 60)))
        s.close()
    survives(rig, witness)
    until(lambda: rig.status()["opaque"] == 0, "all of them are gone")


test_random_bytes_first.dirty = True  # what was relayed raw is broken to Origin as well


def test_random_bytes_later(new):
    """In every version and framing, behind a good handshake."""
    rig = new()
    witness = rig.client()
    rnd = random.Random(12)
    for version, compression in ((3, None), (4, "lz4"), (4, "snappy"), (5, None), (5, "lz4")):
        for n in range(30):
            c = rig.client(version, compression)
            c.raw(rnd.randbytes(rnd.randrange(9, 400)))
            c.sock.shutdown(socket.SHUT_WR)
            assert c.is_closed()
    survives(rig, witness)


def test_random_bodies(new):
    """Whole frames whose bodies mean nothing: Origin says what is wrong, as without Seam."""
    rig = new()
    witness = rig.client()
    rnd = random.Random(13)

    def refuse(s, data):
        s.framing.feed(data)
        b = s.framing.buffer
        while len(b) >= 9 and len(b) >= 9 + struct.unpack(">i", b[5:9])[0]:
            s.put(cql.envelope(0x84, cql.ERROR, cql.error(cql.PROTOCOL), struct.unpack(">h", b[2:4])[0]))
            del b[:9 + struct.unpack(">i", b[5:9])[0]]
    c = rig.client(4)
    rig.origin.opaque = refuse
    for n in range(600):
        opcode = rnd.choice((cql.QUERY, cql.PREPARE, cql.EXECUTE, cql.BATCH, cql.REGISTER))
        good = {cql.QUERY: cql.query(4, INSERT, values=[b"1234"], page_size=3), cql.PREPARE: cql.prepare(4, INSERT),
                cql.EXECUTE: cql.execute(4, b"x" * 16, values=[b"1"]), cql.BATCH: cql.batch(4, [(INSERT, [b"1"]), (INSERT, [])]),
                cql.REGISTER: cql.string_list(["STATUS_CHANGE"])}[opcode]
        body = bytearray(good[:rnd.randrange(len(good))] if n % 2 else good)
        for _ in range(rnd.randrange(1, 4)):
            if body:
                body[rnd.randrange(len(body))] = rnd.randrange(256)
        flags = rnd.choice((0, 0, 0, cql.TRACING, cql.PAYLOAD))
        got = c.ask(opcode, bytes(body), stream=n % 300, flags=flags)
        assert got.opcode == cql.ERROR
    rig.origin.opaque = None
    witness.ok(INSERT)
    rig.expect(open=2)


test_random_bodies.dirty = True


def test_broken_frames(new):
    rig = new()
    witness = rig.client()
    for junk, code in ((cql.envelope(4, cql.QUERY, cql.query(4, INSERT), -5), cql.PROTOCOL),
                       (cql.envelope(4, cql.QUERY, cql.query(4, INSERT), -1), cql.PROTOCOL),
                       (struct.pack(">BBhBI", 4, 0, 3, cql.QUERY, 0xFFFFFFFF), cql.PROTOCOL),
                       (struct.pack(">BBhBI", 4, 0, 3, cql.QUERY, (256 << 20) + 1), cql.PROTOCOL),
                       (struct.pack(">BBhBI", 4, 0, 3, 0x77, 0), cql.PROTOCOL),
                       (struct.pack(">BBhBI", 0x84, 0, 3, cql.RESULT, 0), cql.PROTOCOL),
                       (struct.pack(">BBhBI", 4, 0, 3, cql.READY, 0), cql.PROTOCOL)):
        c = rig.client()
        c.raw(junk)
        c.bad(c.read(), code)
        assert c.is_closed()
        survives(rig, witness)
    # packed, and not what it says
    for compression in ("lz4", "snappy"):
        c = rig.client(4, compression)
        c.raw(struct.pack(">BBhBI", 4, cql.COMPRESSED, 3, cql.QUERY, 20) + b"\xff" * 20)
        c.bad(c.read(), cql.PROTOCOL)
        assert c.is_closed()
    c = rig.client(4, "lz4")
    bomb = cql.integer((256 << 20) - 1) + b"\x1fx\1\0" + b"\xff" * 200
    c.raw(struct.pack(">BBhBI", 4, cql.COMPRESSED, 3, cql.QUERY, len(bomb)) + bomb)
    ends(c)
    survives(rig, witness)
    # truncated, at each place
    wire = witness.wire(cql.QUERY, cql.query(4, "INSERT INTO ks.never (k) VALUES (1)"), 1)
    for at in range(1, len(wire)):
        c = rig.client()
        c.raw(wire[:at])
        c.close()
    survives(rig, witness)
    assert not rig.origin.seen("ks.never")


def test_broken_segments(new):
    rig = new()
    witness = rig.client()
    good = cql.envelope(5, cql.QUERY, cql.query(5, "INSERT INTO ks.never (k) VALUES (1)"), 1)
    for compression in (None, "lz4"):
        seg = cql.segment(good, True, bool(compression))
        flips = [bytearray(seg) for _ in range(len(seg))]
        for at, f in enumerate(flips):
            f[at] ^= 0x40
        # a lie that has the right checksums: longer than the envelope, shorter, empty ones, a split header
        lies = [cql.segment(good + b"\0", True, bool(compression)), cql.segment(good[:-1], True, bool(compression)),
                cql.segment(good[:5], False, bool(compression)) + cql.segment(good[5:], False, bool(compression)),
                cql.segment(good[:20], False, bool(compression)) + cql.segment(good, True, bool(compression)),
                cql.segment(good + good, False, bool(compression))]
        for bad in flips + lies:
            c = rig.client(5, compression)
            c.raw(bytes(bad))
            c.sock.shutdown(socket.SHUT_WR)
            ends(c)
            c.close()
    witness.ok(INSERT)
    # the one whose envelope was whole, with a byte too many behind it, was good; what is broken ends the session, not what came before
    rig.expect(open=1, failed_writes=0, diverged=0)
    assert len(rig.origin.wait("ks.never", count=2)) == len(rig.target.wait("ks.never", count=2)) == 2


def test_half_open_connections(new):
    """A thousand that say nothing, or half a frame."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20000), hard))
    rig = new(mode="release")
    witness = rig.client()
    witness.ok(INSERT)
    before = rig.rss()
    socks = []
    for n in range(1000):
        s = socket.create_connection(rig.address)
        if n % 3 == 1:
            s.sendall(b"\4\0\0")
        elif n % 3 == 2:
            s.sendall(b"\4\0\0\0\7\0\1\0\0" + b"x" * 100)
        socks.append(s)
    rig.expect(open=1001)
    began = time.monotonic()
    witness.ok(INSERT)
    assert time.monotonic() - began < 1
    grown = rig.rss() - before
    assert grown < 24 << 20, "%d KiB for 1000" % (grown >> 10)
    for s in socks:
        s.close()
    rig.expect(open=1)
    survives(rig, witness)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


test_half_open_connections.seconds = 4


def test_sudden_ends(new):
    """RST at every stage, with answers under way."""
    rig = new()
    witness = rig.client()
    rnd = random.Random(14)
    for n in range(150):
        c = rig.client(rnd.choice((3, 4, 5)), ready=False)
        if n % 4:
            c.start()
            for k in range(rnd.randrange(40)):
                c.send_query("INSERT INTO ks.x (k) VALUES (%d)" % k if k % 2 else "SELECT k FROM ks.t")
        if n % 3:
            c.reset()
        else:
            c.close()
    rig.expect(open=1)
    witness.ok(INSERT)
