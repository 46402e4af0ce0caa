"""CQL's native protocol v3, v4, v5, written from its specification for these tests alone: it shares no line with what it checks."""
import hashlib
import struct
import zlib

ERROR, STARTUP, READY, AUTHENTICATE, OPTIONS, SUPPORTED, QUERY, RESULT, PREPARE, EXECUTE, REGISTER, EVENT, BATCH = (
    0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13)
AUTH_CHALLENGE, AUTH_RESPONSE, AUTH_SUCCESS = 14, 15, 16
COMPRESSED, TRACING, PAYLOAD, WARNING = 1, 2, 4, 8
SERVER_ERROR, PROTOCOL, BAD_CREDENTIALS, UNAVAILABLE, OVERLOADED = 0, 0x0A, 0x100, 0x1000, 0x1001
WRITE_TIMEOUT, READ_TIMEOUT, SYNTAX, UNAUTHORIZED, INVALID, ALREADY_EXISTS, UNPREPARED = (
    0x1100, 0x1200, 0x2000, 0x2100, 0x2200, 0x2400, 0x2500)
INT, TEXT, BIGINT, UUID, INET = 9, 13, 2, 12, 16
MAX_PAYLOAD = 131071


# ---- primitives

def short(n):
    return struct.pack(">H", n)


def integer(n):
    return struct.pack(">i", n)


def string(text):
    raw = text.encode()
    return short(len(raw)) + raw


def long_string(text):
    raw = text.encode()
    return integer(len(raw)) + raw


def short_bytes(raw):
    return short(len(raw)) + raw


def value(raw):
    return integer(-1) if raw is None else integer(len(raw)) + raw


def string_map(pairs):
    return short(len(pairs)) + b"".join(string(k) + string(v) for k, v in pairs.items())


def string_list(words):
    return short(len(words)) + b"".join(string(w) for w in words)


class Reader:
    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def take(self, n):
        got = self.raw[self.at:self.at + n]
        assert len(got) == n, "body too short: %d bytes wanted at %d of %d" % (n, self.at, len(self.raw))
        self.at += n
        return got

    def u8(self):
        return self.take(1)[0]

    def short(self):
        return struct.unpack(">H", self.take(2))[0]

    def int(self):
        return struct.unpack(">i", self.take(4))[0]

    def long(self):
        return struct.unpack(">q", self.take(8))[0]

    def string(self):
        return self.take(self.short()).decode()

    def long_string(self):
        return self.take(self.int()).decode()

    def short_bytes(self):
        return self.take(self.short())

    def value(self):
        n = self.int()
        return None if n == -1 else "unset" if n == -2 else self.take(n)

    def string_map(self):
        return {self.string(): self.string() for _ in range(self.short())}

    def string_list(self):
        return [self.string() for _ in range(self.short())]

    def bytes_map(self):
        return {self.string(): self.value() for _ in range(self.short())}

    def rest(self):
        return self.take(len(self.raw) - self.at)


# ---- packing: what is written is valid and not small (literals only); what is read may be anything valid

def lz4_pack(raw):
    n = len(raw)
    if n < 15:
        return bytes([n << 4]) + raw
    more = n - 15
    return b"\xf0" + b"\xff" * (more // 255) + bytes([more % 255]) + raw


def lz4_unpack(raw):
    out, at = bytearray(), 0
    while at < len(raw):
        token = raw[at]
        at += 1
        n = token >> 4
        if n == 15:
            while True:
                n += raw[at]
                at += 1
                if raw[at - 1] != 255:
                    break
        out += raw[at:at + n]
        at += n
        if at >= len(raw):
            break
        back = raw[at] | raw[at + 1] << 8
        at += 2
        n = (token & 15) + 4
        if token & 15 == 15:
            while True:
                n += raw[at]
                at += 1
                if raw[at - 1] != 255:
                    break
        copy(out, back, n)
    return bytes(out)


def copy(out, back, n):
    assert 0 < back <= len(out), "packed data points before its start"
    start = len(out) - back
    while n > 0:
        piece = out[start:start + n]
        out += piece
        n -= len(piece)


def snappy_pack(raw):
    head, n = bytearray(), len(raw)
    while n >= 128:
        head.append(n & 127 | 128)
        n >>= 7
    head.append(n)
    out = bytes(head)
    for at in range(0, len(raw), 65536):
        piece = raw[at:at + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return out


def snappy_unpack(raw):
    at = size = shift = 0
    while True:
        size |= (raw[at] & 127) << shift
        shift += 7
        at += 1
        if not raw[at - 1] & 128:
            break
    out = bytearray()
    while at < len(raw):
        tag = raw[at]
        at += 1
        if tag & 3 == 0:
            n = tag >> 2
            if n >= 60:
                extra = n - 59
                n = int.from_bytes(raw[at:at + extra], "little")
                at += extra
            out += raw[at:at + n + 1]
            at += n + 1
        elif tag & 3 == 1:
            copy(out, (tag >> 5) << 8 | raw[at], (tag >> 2 & 7) + 4)
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            copy(out, int.from_bytes(raw[at:at + width], "little"), (tag >> 2) + 1)
            at += width
    assert len(out) == size, "snappy: wrong size"
    return bytes(out)


def pack(kind, raw):
    return integer(len(raw)) + lz4_pack(raw) if kind == "lz4" else snappy_pack(raw)


def unpack(kind, raw):
    if kind == "snappy":
        return snappy_unpack(raw)
    out = lz4_unpack(raw[4:])
    assert len(out) == struct.unpack(">i", raw[:4])[0], "lz4: wrong size"
    return out


# ---- segments of v5

def crc24(raw):
    crc = 0x875060
    for byte in raw:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1974F0B
    return crc


def crc32(raw):
    return zlib.crc32(raw, zlib.crc32(b"\xfa\x2d\x55\xca"))


def segment(payload, self_contained, lz4=False):
    if lz4:
        packed = lz4_pack(payload)
        plain = len(payload)
        if len(packed) >= plain:
            packed, plain = payload, 0
        head = (len(packed) | plain << 17 | self_contained << 34).to_bytes(5, "little")
        payload = packed
    else:
        head = (len(payload) | self_contained << 17).to_bytes(3, "little")
    return head + crc24(head).to_bytes(3, "little") + payload + crc32(payload).to_bytes(4, "little")


def segments(envelope, lz4=False):
    if len(envelope) <= MAX_PAYLOAD:
        return segment(envelope, True, lz4)
    return b"".join(segment(envelope[at:at + MAX_PAYLOAD], False, lz4) for at in range(0, len(envelope), MAX_PAYLOAD))


# ---- envelopes

class Envelope:
    """One whole message. `body` is unpacked and without what stands before it (tracing id, warnings, payload)."""

    def __init__(self, version, flags, stream, opcode, raw, packed=False):
        self.version, self.flags, self.stream, self.opcode, self.raw, self.packed = version, flags, stream, opcode, raw, packed
        r = Reader(raw)
        self.tracing = r.take(16) if version & 0x80 and flags & TRACING else None
        self.warnings = r.string_list() if version & 0x80 and flags & WARNING else []
        self.payload = r.bytes_map() if flags & PAYLOAD else None
        self.body = r.rest()

    def __repr__(self):
        return "<v%d op %d stream %d flags %d, %d bytes>" % (self.version & 127, self.opcode, self.stream, self.flags, len(self.raw))


def envelope(version, opcode, body, stream=0, flags=0, packer=None):
    if packer and version & 127 < 5 and body:
        body = pack(packer, body)
        flags |= COMPRESSED
    return struct.pack(">BBhBi", version, flags, stream, opcode, len(body)) + body


class Framing:
    """Bytes in, Envelopes out; and back. `compression` as in STARTUP, in force once start() was called."""

    def __init__(self):
        self.buffer, self.inner = bytearray(), bytearray()
        self.segments = False
        self.compression = None

    def start(self, version, compression):
        self.compression = compression
        self.segments = version >= 5

    def feed(self, raw):
        self.buffer += raw

    def pull(self):
        """The next Envelope, or None."""
        if not self.segments:
            return self.parse(self.buffer)
        while True:
            got = self.parse(self.inner)
            if got or not self.open_segment():
                return got

    def open_segment(self):
        wide = 5 if self.compression == "lz4" else 3
        b = self.buffer
        if len(b) < wide + 3:
            return False
        head = int.from_bytes(b[:wide], "little")
        assert crc24(b[:wide]) == int.from_bytes(b[wide:wide + 3], "little"), "wrong CRC24 of a segment's header"
        n = head & 0x1FFFF
        plain = head >> 17 & 0x1FFFF if wide == 5 else 0
        alone = head >> (34 if wide == 5 else 17) & 1
        if len(b) < wide + 3 + n + 4:
            return False
        payload = bytes(b[wide + 3:wide + 3 + n])
        assert crc32(payload) == int.from_bytes(b[wide + 3 + n:wide + 7 + n], "little"), "wrong CRC32 of a segment"
        del b[:wide + 7 + n]
        if plain:
            payload = lz4_unpack(payload)
            assert len(payload) == plain, "lz4: wrong size of a segment"
        assert not (alone and self.inner), "a self-contained segment amid an envelope"
        assert payload, "an empty segment"
        self.inner += payload
        return True

    def parse(self, b):
        if len(b) < 9:
            return None
        version, flags, stream, opcode, n = struct.unpack(">BBhBi", b[:9])
        if len(b) < 9 + n:
            return None
        body = bytes(b[9:9 + n])
        del b[:9 + n]
        packed = bool(flags & COMPRESSED)
        if packed:
            body = unpack(self.compression, body)
        return Envelope(version, flags & ~COMPRESSED, stream, opcode, body, packed)

    def wrap(self, raw):
        """An envelope as it goes over the wire."""
        return segments(raw, self.compression == "lz4") if self.segments else raw

    def packer(self, version):
        return self.compression if version & 127 < 5 else None


# ---- requests

def params(version, consistency=1, values=None, flags=0, page_size=None, paging_state=None, timestamp=None, keyspace=None):
    tail = b""
    if values is not None:
        flags |= 1
        tail += short(len(values)) + b"".join(value(v) for v in values)
    if page_size is not None:
        flags |= 4
        tail += integer(page_size)
    if paging_state is not None:
        flags |= 8
        tail += value(paging_state)
    if timestamp is not None:
        flags |= 0x20
        tail += struct.pack(">q", timestamp)
    if keyspace is not None:
        flags |= 0x80
        tail += string(keyspace)
    return short(consistency) + (integer(flags) if version >= 5 else bytes([flags])) + tail


def query(version, text, **kw):
    return long_string(text) + params(version, **kw)


def prepare(version, text, keyspace=None):
    if version < 5:
        return long_string(text)
    return long_string(text) + (integer(1) + string(keyspace) if keyspace else integer(0))


def execute(version, ident, meta_id=b"", **kw):
    return short_bytes(ident) + (short_bytes(meta_id) if version >= 5 else b"") + params(version, **kw)


def batch(version, children, kind=0, consistency=1, timestamp=None):
    """children: (text or id, [values])"""
    out = bytes([kind]) + short(len(children))
    for what, values in children:
        out += b"\0" + long_string(what) if isinstance(what, str) else b"\1" + short_bytes(what)
        out += short(len(values)) + b"".join(value(v) for v in values)
    flags = 0x20 if timestamp is not None else 0
    out += short(consistency) + (integer(flags) if version >= 5 else bytes([flags]))
    return out + (struct.pack(">q", timestamp) if timestamp is not None else b"")


class Request:
    """A QUERY, PREPARE, EXECUTE or BATCH as a server reads it; other requests keep only what every one has."""

    def __init__(self, env):
        self.env, self.stream, self.opcode, self.flags = env, env.stream, env.opcode, env.flags
        self.version = env.version
        self.text = self.id = self.meta_id = self.timestamp = self.keyspace = self.paging_state = None
        self.query_flags, self.values, self.children, self.consistency = 0, [], [], None
        r = Reader(env.body)
        if env.opcode == QUERY:
            self.text = r.long_string()
            self.params(r)
        elif env.opcode == PREPARE:
            self.text = r.long_string()
            if self.version >= 5 and r.int() & 1:
                self.keyspace = r.string()
        elif env.opcode == EXECUTE:
            self.id = r.short_bytes()
            self.meta_id = r.short_bytes() if self.version >= 5 else None
            self.params(r)
        elif env.opcode == BATCH:
            self.kind = r.u8()
            for _ in range(r.short()):
                what = r.short_bytes() if r.u8() else r.long_string()
                self.children.append((what, [r.value() for _ in range(r.short())]))
            self.params(r)
        elif env.opcode == STARTUP:
            self.options = r.string_map()
        elif env.opcode == AUTH_RESPONSE:
            self.token = r.value()
        if env.opcode in (QUERY, PREPARE, EXECUTE, BATCH):
            assert r.at == len(r.raw), "%d bytes left behind a request" % (len(r.raw) - r.at)

    def params(self, r):
        self.consistency = r.short()
        f = self.query_flags = r.int() if self.version >= 5 else r.u8()
        if f & 1:
            self.values = [r.value() for _ in range(r.short())]
        if f & 4:
            r.int()
        if f & 8:
            self.paging_state = r.value()
        if f & 0x10:
            r.short()
        if f & 0x20:
            self.timestamp = r.long()
        if f & 0x80:
            self.keyspace = r.string()

    def __repr__(self):
        return "<request op %d stream %d %s>" % (self.opcode, self.stream, self.text or self.id)


# ---- answers

def column_type(t):
    return short(t)


def metadata(columns, keyspace="ks", table="t", flags=0, paging_state=None, new_id=None):
    """columns: (name, type); flags 4: no metadata"""
    if columns and not flags & 4:
        flags |= 1
    if paging_state is not None:
        flags |= 2
    if new_id is not None:
        flags |= 8
    out = integer(flags) + integer(len(columns))
    if paging_state is not None:
        out += value(paging_state)
    if new_id is not None:
        out += short_bytes(new_id)
    if columns and not flags & 4:
        out += string(keyspace) + string(table) + b"".join(string(n) + column_type(t) for n, t in columns)
    return out


def rows(columns, cells, **kw):
    return integer(2) + metadata(columns, **kw) + integer(len(cells)) + b"".join(value(c) for row in cells for c in row)


VOID = integer(1)


def set_keyspace(name):
    return integer(3) + string(name)


def prepared(version, ident, bind=(), result=(), meta_id=b"m" * 16):
    out = integer(4) + short_bytes(ident) + (short_bytes(meta_id) if version >= 5 else b"")
    out += integer(1 if bind else 0) + integer(len(bind))
    if version >= 4:
        out += integer(0)
    if bind:
        out += string("ks") + string("t") + b"".join(string(n) + column_type(t) for n, t in bind)
    return out + metadata(list(result))


def schema_change(change="CREATED", target="TABLE", keyspace="ks", name="t"):
    return integer(5) + string(change) + string(target) + string(keyspace) + (string(name) if target != "KEYSPACE" else b"")


def error(code, text="scripted", extra=None):
    default = {UNAVAILABLE: short(1) + integer(1) + integer(0), WRITE_TIMEOUT: short(1) + integer(0) + integer(1) + string("SIMPLE"),
               READ_TIMEOUT: short(1) + integer(0) + integer(1) + b"\0", ALREADY_EXISTS: string("ks") + string("t")}
    return integer(code) + string(text) + (default.get(code, b"") if extra is None else extra)


class Failure:
    """An ERROR's body."""

    def __init__(self, version, body):
        r = Reader(body)
        self.code, self.text = r.int(), r.string()
        self.consistency = self.received = self.block_for = self.write_type = self.data_present = self.id = None
        if self.code in (UNAVAILABLE, WRITE_TIMEOUT, READ_TIMEOUT):
            self.consistency, self.received, self.block_for = r.short(), r.int(), r.int()
        if self.code == WRITE_TIMEOUT:
            self.write_type = r.string()
            if self.write_type == "CAS" and version >= 5:
                r.short()
        if self.code == READ_TIMEOUT:
            self.data_present = r.u8()
        if self.code == UNPREPARED:
            self.id = r.short_bytes()
        if self.code == ALREADY_EXISTS:
            r.string(), r.string()
        assert r.at == len(r.raw), "%d bytes left behind an ERROR" % (len(r.raw) - r.at)


def md5(*parts):
    return hashlib.md5("".join(p or "" for p in parts).encode()).digest()
