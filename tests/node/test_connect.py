"""Connecting: versions, compression, authentication, what a driver sees of the cluster."""
import hashlib
import io
import struct

from cassandra import AuthenticationFailed
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import NoHostAvailable
from cassandra.connection import segment_codec_no_compression
from cassandra.metadata import Murmur3Token
from cassandra.query import BatchStatement, SimpleStatement
from world import Raw, keyspace, text


def connects(w, version, compression):
    w.start(3)
    s = w.session(version, compression)
    assert s.cluster.protocol_version == version
    connection = s.cluster.control_connection._connection
    packs = (connection._segment_codec.compressor if version == 5 else connection.compressor) is not None
    assert packs == bool(compression), 'the driver falls back silently'
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v text)')
    p = s.prepare('INSERT INTO ks.t (k, v) VALUES (?, ?)')
    long = 'x' * 300000 + 'y'
    for i in range(50):
        s.execute(p, (i, f'value {i}' if i else long))
    rows = {r.k: r.v for r in s.execute('SELECT * FROM ks.t')}
    assert rows == {i: f'value {i}' if i else long for i in range(50)}


def test_v3(w):
    connects(w, 3, False)


def test_v4(w):
    connects(w, 4, False)


def test_v5(w):
    connects(w, 5, False)


def test_v3_lz4(w):
    connects(w, 3, 'lz4')


def test_v4_lz4(w):
    connects(w, 4, 'lz4')


def test_v4_snappy(w):
    connects(w, 4, 'snappy')


def test_v5_lz4(w):
    connects(w, 5, 'lz4')


def test_negotiates_down_from_the_drivers_own_default(w):
    from cassandra.cluster import Cluster
    w.start(1)
    c = Cluster(w.addresses)
    w.clusters.append(c)
    c.connect()
    assert c.protocol_version == 5


def test_max_protocol(w):
    from cassandra.cluster import Cluster
    w.start(1, '--max-protocol', '4')
    c = Cluster(w.addresses)
    w.clusters.append(c)
    c.connect()
    assert c.protocol_version == 4


def test_refusal_of_a_version_is_cassandras(w):
    w.start(1)
    for asked in (0x42, 0x41, 6):
        r = Raw(w.addresses[0])
        version, _, stream, opcode, body = r.ask(5, version=asked, stream=7)
        assert (version, stream, opcode) == (5, 0, 0)
        code, = struct.unpack('>i', body[:4])
        assert code == 10
        assert b'Invalid or unsupported protocol version (%d)' % asked in body, body
        r.close()


def test_version_must_not_change(w):
    w.start(1)
    r = Raw(w.addresses[0]).startup()
    _, _, stream, opcode, body = r.ask(5, version=3, stream=3)
    assert opcode == 0 and b'Invalid message version. Got 3 but previous messages' in body, body
    r.close()


def test_statements_before_startup_are_refused(w):
    w.start(1)
    r = Raw(w.addresses[0])
    answer = r.query('SELECT * FROM system.local')
    assert answer[3] == 0 and b'expecting STARTUP' in answer[4]
    r.close()


def test_right_password(w):
    w.start(2, '--auth', 'app:secret')
    s = w.session(4, auth_provider=PlainTextAuthProvider('app', 'secret'))
    assert s.execute('SELECT cluster_name FROM system.local').one().cluster_name == 'Test'
    s5 = w.session(5, auth_provider=PlainTextAuthProvider('app', 'secret'))
    assert s5.execute('SELECT role FROM system_auth.roles').one().role == 'app'


def test_wrong_password(w):
    w.start(1, '--auth', 'app:secret')
    for provider in (PlainTextAuthProvider('app', 'wrong'), PlainTextAuthProvider('other', 'secret'), None):
        try:
            w.session(4, auth_provider=provider)
        except NoHostAvailable as e:
            assert any(isinstance(x, AuthenticationFailed) for x in e.errors.values()), e.errors
        else:
            raise AssertionError('it let somebody in')


def test_topology(w):
    w.start(3)
    c = w.cluster()
    s = c.connect()
    hosts = c.metadata.all_hosts()
    assert sorted(h.address for h in hosts) == w.addresses
    assert len({h.host_id for h in hosts}) == 3
    assert {h.datacenter for h in hosts} == {'datacenter1'}
    ids = {h.address: h.host_id for h in hosts}
    for i, address in enumerate(w.addresses):
        other = w.cluster(4, contact=i)
        other.connect()
        assert {h.address: h.host_id for h in other.metadata.all_hosts()} == ids
    assert len(c.metadata.token_map.ring) == 48
    local = s.execute("SELECT * FROM system.local WHERE key='local'").one()
    assert local.partitioner == 'org.apache.cassandra.dht.Murmur3Partitioner'
    assert len(local.tokens) == 16 and local.release_version.startswith('5.0')


def test_token_awareness(w):
    w.start(3)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY)')
    p = s.prepare('SELECT k, token(k) FROM ks.t WHERE k = ?')
    assert p.routing_key_indexes == [0]
    s.execute('INSERT INTO ks.t (k) VALUES (7)')
    for k in range(20):
        s.execute(s.prepare('INSERT INTO ks.t (k) VALUES (?)'), (k,))
        b = p.bind((k,))
        f = s.execute_async(b)
        row = f.result().one()
        token = Murmur3Token.from_key(b.routing_key)
        assert row[1] == token.value
        owner = s.cluster.metadata.get_replicas('ks', b.routing_key)[0]
        assert f.coordinator_host == owner, (f.coordinator_host, owner)


def test_schema_metadata(w):
    w.start(1)
    c = w.cluster()
    s = c.connect()
    keyspace(s)
    s.execute("CREATE TABLE ks.t (a int, b text, c timeuuid, d int, s set<text> static, m map<text, frozen<list<int>>>, "
              "t tuple<int, text>, PRIMARY KEY ((a, b), c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC) AND comment = 'it''s'")
    t = c.metadata.keyspaces['ks'].tables['t']
    assert [x.name for x in t.partition_key] == ['a', 'b']
    assert [(x.name, x.is_reversed) for x in t.clustering_key] == [('c', True), ('d', False)]
    assert t.columns['s'].is_static and t.columns['s'].cql_type == 'set<text>'
    assert t.columns['m'].cql_type == 'map<text, frozen<list<int>>>'
    assert t.columns['t'].cql_type == 'frozen<tuple<int, text>>'
    assert t.options['comment'] == "it's"
    assert list(t.columns) == ['a', 'b', 'c', 'd', 'm', 's', 't']
    s.execute('CREATE TABLE ks.c (k int PRIMARY KEY, n counter)')
    assert c.metadata.keyspaces['ks'].tables['c'].columns['n'].cql_type == 'counter'
    assert 'system_virtual_schema' in c.metadata.keyspaces


def test_prepared_ids_are_cassandras(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY)')
    q = 'SELECT * FROM ks.t WHERE k = ?'
    assert s.prepare(q).query_id == hashlib.md5(q.encode()).digest()
    s.execute('USE ks')
    assert s.prepare(q + ' ').query_id == hashlib.md5(q.encode() + b' ').digest()
    q = 'SELECT * FROM t WHERE k = ?'
    assert s.prepare(q).query_id == hashlib.md5(b'ks' + q.encode()).digest()


def test_options_and_tracing(w):
    w.start(1)
    r = Raw(w.addresses[0])
    _, _, stream, opcode, body = r.ask(5, stream=9)
    assert (stream, opcode) == (9, 6) and b'lz4' in body and b'COMPRESSION' in body and b'5/v5' in body
    r.startup()
    _, flags, _, opcode, body = r.query('SELECT key FROM system.local', flags=2)
    assert flags == 2 and opcode == 8 and body[6] >> 4 == 1 and body[16:20] == b'\0\0\0\2'
    payload = struct.pack('>H', 1) + text('a') + struct.pack('>i', 1) + b'b'
    q = 'SELECT key FROM system.local'
    _, flags, _, opcode, _ = r.ask(7, payload + struct.pack('>i', len(q)) + q.encode() + b'\0\1\0', flags=4)
    assert flags == 0 and opcode == 8
    r.close()


def test_bad_bytes_close_one_connection_only(w):
    w.start(1)
    s = w.session()
    for junk in (b'GET / HTTP/1.1\r\n\r\n', bytes(64), b'\x04\0\0\0\x07\x7f\xff\xff\xff', b'\x84\0\0\0\0\0\0\0\0'):
        r = Raw(w.addresses[0])
        r.s.sendall(junk)
        r.s.shutdown(1)
        while r.s.recv(4096):
            pass
        r.close()
    r = Raw(w.addresses[0]).startup()
    answer = r.ask(7, b'\0\0\0\x7fxx', stream=5)
    assert answer[2:4] == (5, 0) and struct.unpack('>i', answer[4][:4])[0] == 10
    assert r.query('SELECT key FROM system.local')[3] == 8
    r.close()
    assert s.execute('SELECT key FROM system.local').one().key == 'local'


def test_keyspace_of_a_request(w):
    w.start(1)
    s = w.session(5)
    for ks in ('one', 'two'):
        keyspace(s, ks)
        s.execute(f'CREATE TABLE {ks}.t (k int PRIMARY KEY)')
        s.execute(SimpleStatement('INSERT INTO t (k) VALUES (%d)' % len(ks + ks[0]), keyspace=ks))
        b = BatchStatement()
        b.keyspace = ks
        b.add(SimpleStatement('INSERT INTO t (k) VALUES (9)'))
        s.execute(b)
        p = s.prepare('SELECT * FROM t WHERE k = ?', keyspace=ks)
        assert s.execute(p, (9,)).one().k == 9
    s.execute('USE one')
    s.execute(SimpleStatement('INSERT INTO t (k) VALUES (5)', keyspace='two'))
    assert sorted(r.k for r in s.execute('SELECT * FROM t')) == [4, 9]
    assert sorted(r.k for r in s.execute('SELECT * FROM two.t')) == [4, 5, 9]


def test_ipv6(w):
    for port in range(19042, 19142):
        try:
            r = Raw('::1', port=port)
            r.close()
        except OSError:
            break
    w.start(1, '--address', '::1', '--port', str(port))  # the last --address counts
    w.addresses = ['::1']
    c = w.cluster(port=port)
    s = c.connect()
    assert str(s.execute('SELECT rpc_address, rpc_port FROM system.local').one()) == f"Row(rpc_address='::1', rpc_port={port})"


class Raw5(Raw):
    """v5: envelopes in segments, made by the driver's codec."""

    def startup(self):
        super().startup()
        self.codec = segment_codec_no_compression
        return self

    def at(self, now, cql):
        body = struct.pack('>i', len(cql)) + cql.encode() + struct.pack('>HIi', 1, 0x100, now)
        out = io.BytesIO()
        self.codec.encode(out, struct.pack('>BBhBi', 5, 0, 1, 7, len(body)) + body)
        self.s.sendall(out.getvalue())
        header = self.codec.decode_header(io.BytesIO(self.exactly(self.codec.header_length_with_crc)))
        segment = self.codec.decode(io.BytesIO(self.exactly(header.payload_length + 4)), header)
        assert segment.payload[4] == 8, segment.payload
        return segment.payload[9:]


def test_now_in_seconds(w):
    w.start(1)
    keyspace(w.session())
    r = Raw5(w.addresses[0], 5).startup()
    r.at(1000, 'CREATE TABLE ks.t (k int PRIMARY KEY, v int)')
    r.at(1000, 'INSERT INTO ks.t (k, v) VALUES (1, 7) USING TTL 100')
    one = struct.pack('>iii', 1, 4, 50)
    assert r.at(1050, 'SELECT ttl(v) FROM ks.t').endswith(one)
    assert r.at(1100, 'SELECT v FROM ks.t').endswith(struct.pack('>i', 0))
    r.close()
