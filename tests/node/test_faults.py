"""Faults of the control socket, nodes that go and come, events."""
import struct
import threading
import time

from cassandra import OperationTimedOut, Unavailable, WriteTimeout
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown
from world import Raw, keyspace, until


def table(w, nodes=1, **more):
    w.start(nodes)
    s = w.session(**more)
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v int)')
    s.execute('CREATE TABLE ks.other (k int PRIMARY KEY, v int)')
    return s


def fails(error, run):
    try:
        run()
    except error as e:
        return e
    raise AssertionError(f'no {error}')


def took(run):
    started = time.monotonic()
    run()
    return time.monotonic() - started


def test_delay(w):
    s = table(w)
    p = s.prepare('INSERT INTO ks.t (k, v) VALUES (?, ?)')
    w.ok(fault='delay', ms=300, match='KS.T', times=2)
    slow = s.execute_async(p, (1, 1))
    assert took(lambda: s.execute('SELECT * FROM ks.other')) < 0.25  # others on the connection go on
    assert took(slow.result) > 0.02
    t = took(lambda: s.execute('SELECT * FROM ks.t'))
    assert t >= 0.29, t
    assert took(lambda: s.execute('SELECT * FROM ks.t')) < 0.25  # two times
    assert s.execute('SELECT v FROM ks.t').one().v == 1
    w.ok(fault='delay', ms=300)
    assert took(lambda: s.execute('SELECT * FROM ks.other')) >= 0.29
    w.ok(clear=True)
    assert took(lambda: s.execute('SELECT * FROM ks.other')) < 0.25


def test_hang(w):
    s = table(w, timeout=0.4)
    w.ok(fault='hang', match='ks.t')
    fails(OperationTimedOut, lambda: s.execute('INSERT INTO ks.t (k, v) VALUES (1, 1)'))
    s.execute('INSERT INTO ks.other (k, v) VALUES (1, 1)')
    w.ok(clear=True)
    assert not list(s.execute('SELECT * FROM ks.t'))  # it never ran
    w.ok(fault='hang', match='ks.t', times=1, executed=True)
    fails(OperationTimedOut, lambda: s.execute('INSERT INTO ks.t (k, v) VALUES (2, 2)'))
    assert s.execute('SELECT v FROM ks.t').one().v == 2  # this one did


def test_error_codes(w):
    s = table(w)
    for code, error in ((0x1100, WriteTimeout), (0x1000, Unavailable), (0x1001, Exception), (0x2200, Exception), (0x1300, Exception)):
        w.ok(fault='error', code=code, match='insert', times=1)
        fails(error, lambda: s.execute('INSERT INTO ks.t (k, v) VALUES (1, 1)'))
    assert not list(s.execute('SELECT * FROM ks.t'))
    for version in (3, 4):
        r = Raw(w.addresses[0], version).startup()
        for code in (0, 0x1001, 0x1002, 0x1003, 0x1100, 0x1200, 0x1300, 0x1500, 0x1700, 0x2500):
            w.ok(fault='error', code=code, match='ks.t', times=1)  # the driver asks for things of its own
            _, _, _, opcode, body = r.query('SELECT * FROM ks.t')
            got, = struct.unpack('>i', body[:4])
            older = {0x1300: 0x1200, 0x1500: 0x1100} if version == 3 else {}
            assert opcode == 0 and got == {**older, 0x1700: 0x1100}.get(code, code), (version, hex(code), hex(got))
        r.close()


def test_drop(w):
    s = table(w)
    w.ok(fault='drop', match='ks.t', times=1)
    fails((ConnectionShutdown, NoHostAvailable), lambda: s.execute('INSERT INTO ks.t (k, v) VALUES (1, 1)'))
    until(lambda: try_it(s, 'INSERT INTO ks.t (k, v) VALUES (2, 2)'))
    assert [r.k for r in s.execute('SELECT * FROM ks.t')] == [2]


def try_it(s, cql):
    try:
        s.execute(cql)
        return True
    except Exception:
        return False


def test_forget_prepared(w):
    s = table(w, 2)
    p = s.prepare('INSERT INTO ks.t (k, v) VALUES (?, ?)')
    s.execute(p, (1, 1))
    w.ok(fault='forget_prepared')
    s.execute(p, (2, 2))  # the driver prepares again
    r = Raw(w.addresses[0]).startup()
    w.ok(fault='forget_prepared', node=w.addresses[0], match='insert')
    _, _, _, opcode, body = r.ask(10, struct.pack('>H', 16) + p.query_id + b'\0\1\1\0\2' + struct.pack('>ii', 4, 3) * 2)
    assert opcode == 0 and struct.unpack('>i', body[:4])[0] == 0x2500 and body.endswith(b'\0\x10' + p.query_id), body
    r.close()
    for k in range(3, 9):
        s.execute(p, (k, k))
    assert s.execute('SELECT count(*) FROM ks.t').one()[0] == 8


def test_freeze_one_node(w):
    s = table(w, 3, timeout=0.5)
    w.ok(fault='freeze', node=w.addresses[1])
    a, b = Raw(w.addresses[0]).startup(), Raw(w.addresses[1])  # a stopped process's kernel still takes connects
    b.send(5)
    b.s.settimeout(0.3)
    fails(TimeoutError, b.receive)
    assert a.query('SELECT * FROM ks.t')[3] == 8
    w.ok(clear=True)
    b.s.settimeout(10)
    assert b.receive()[3] == 6
    a.close()
    b.close()
    del s


def test_freeze_ends_by_itself(w):
    table(w)
    r = Raw(w.addresses[0]).startup()
    w.ok(fault='freeze', ms=400)
    assert took(lambda: r.query('SELECT * FROM ks.t')) > 0.3
    r.close()


def test_freeze_and_hang_one_client(w):
    table(w)
    a, b = Raw(w.addresses[0]).startup(), Raw(w.addresses[0]).startup()
    name = '%s:%d' % a.s.getsockname()
    w.ok(fault='freeze', client=name)
    a.send(5)
    assert b.query('SELECT * FROM ks.t')[3] == 8
    a.s.settimeout(0.3)
    fails(TimeoutError, a.receive)
    w.ok(clear=True)
    a.s.settimeout(10)
    assert a.receive()[3] == 6
    w.ok(fault='error', client=name)
    assert a.query('SELECT * FROM ks.t')[3] == 0 and b.query('SELECT * FROM ks.t')[3] == 8
    a.close()
    b.close()


def test_slow_read(w):
    table(w)
    w.ok(fault='slow_read', ms=20)
    r = Raw(w.addresses[0]).startup()
    cql = "INSERT INTO ks.t (k, v) VALUES (1, 1) /* %s */" % ('x' * 20000)
    assert took(lambda: r.query(cql)) > 0.3  # 20 pieces
    w.ok(clear=True)
    assert took(lambda: r.query(cql)) < 0.3
    r.close()


def test_refuse_version(w):
    from cassandra.cluster import Cluster
    table(w, 2)
    w.ok(fault='refuse_version', code=5)
    c = Cluster(w.addresses)
    w.clusters.append(c)
    c.connect()
    assert c.protocol_version == 4
    w.ok(fault='refuse_version', code=4, node=w.addresses[0])
    r = Raw(w.addresses[0], 4)
    version, _, stream, opcode, body = r.ask(5, stream=4)
    assert (version, stream, opcode) == (3, 0, 0) and b'protocol version (4); supported versions are (3/v3)' in body
    r.close()
    w.ok(clear=True)
    c = Cluster(w.addresses)
    w.clusters.append(c)
    c.connect()
    assert c.protocol_version == 5


def test_kill_and_start(w):
    s = table(w, 3)
    p = s.prepare('INSERT INTO ks.t (k, v) VALUES (?, ?)')
    killed = w.addresses[2]
    w.ok(kill=killed)
    w.ok(kill=killed)
    fails(ConnectionRefusedError, lambda: Raw(killed))
    host = next(h for h in s.cluster.metadata.all_hosts() if h.address == killed)
    # the driver only believes DOWN once it has seen its own connections end
    until(lambda: [done(s, p, k) for k in range(9)] and not host.is_up)
    for k in range(20):
        until(lambda: done(s, p, k))
    w.ok(start=killed)
    until(lambda: host.is_up, 15)
    assert sorted(r.k for r in s.execute('SELECT k FROM ks.t')) == list(range(20))
    r = Raw(killed).startup()
    assert r.query('SELECT k FROM ks.t')[3] == 8  # one store for all
    r.close()


def done(s, p, k):
    try:
        s.execute(p, (k, k))
        return True
    except NoHostAvailable:
        return False
    except ConnectionShutdown:
        return False


def event(body):
    parts, at = [], 0
    while at + 2 <= len(body):
        n, = struct.unpack_from('>H', body, at)
        if at + 2 + n > len(body) or n > 100:
            break
        parts.append(body[at + 2:at + 2 + n])
        at += 2 + n
    return parts, body[at:]


def test_events(w):
    s = table(w, 2)
    listener, deaf = Raw(w.addresses[0]).startup(), Raw(w.addresses[0]).startup()
    names = ('SCHEMA_CHANGE', 'STATUS_CHANGE', 'TOPOLOGY_CHANGE')
    body = struct.pack('>H', 3) + b''.join(struct.pack('>H', len(n)) + n.encode() for n in names)
    assert listener.ask(11, body)[3] == 2
    s.execute('CREATE TABLE ks.new (k int PRIMARY KEY)')
    _, _, stream, opcode, body = listener.receive()
    assert (stream, opcode) == (-1, 12)
    assert event(body)[0] == [b'SCHEMA_CHANGE', b'CREATED', b'TABLE', b'ks', b'new']
    s.execute('DROP KEYSPACE ks')
    assert event(listener.receive()[4])[0] == [b'SCHEMA_CHANGE', b'DROPPED', b'KEYSPACE', b'ks']
    for verb, change in (('kill', b'DOWN'), ('start', b'UP')):
        w.ok(**{verb: w.addresses[1]})
        parts, rest = event(listener.receive()[4])
        assert parts == [b'STATUS_CHANGE', change]
        assert rest == b'\4' + bytes(int(x) for x in w.addresses[1].split('.')) + struct.pack('>i', 9042)
    assert deaf.ask(5)[3] == 6  # nothing came before
    listener.close()
    deaf.close()


def test_control_refuses_nonsense(w):
    table(w)
    for bad in ({}, {'fault': 'nope'}, {'kill': '127.99.99.99'}, {'fault': 'delay', 'ms': -1}, {'fault': 'delay', 'node': 'x'},
                {'fault': 'hang', 'client': 'nowhere'}, {'fault': 'hang', 'times': 0}, {'dump': 'nope'}, {'dump': 'ks.nope'},
                {'fault': 'refuse_version', 'code': 9}, {'fault': 'error', 'code': 'x'}):
        answer = w.control(**bad)
        assert list(answer) == ['error'] and answer['error'], (bad, answer)
    w.control_socket.write('not json\n[1]\n')
    w.control_socket.flush()
    assert 'error' in w.control_socket.readline() and 'error' in w.control_socket.readline()
    w.ok(clear=True)


def test_dump(w):
    s = table(w)
    for k in range(5):
        s.execute(f'INSERT INTO ks.t (k, v) VALUES ({k}, {k * 10}) USING TIMESTAMP {k + 100}' + (' AND TTL 1000' if k == 3 else ''))
    s.execute('UPDATE ks.t USING TIMESTAMP 7 SET v = 1 WHERE k = 9')
    rows = w.dump('ks.t')
    assert [r['key']['k'] for r in rows] == [r.k for r in s.execute('SELECT k FROM ks.t')]
    by = {r['key']['k']: r for r in rows}
    assert by[2] == {'key': {'k': 2}, 'clustering': {}, 'cells': {'v': {'value': 20, 'writetime': 102, 'ttl': None}}, 'writetime': 102, 'ttl': None}
    assert by[3]['cells']['v']['ttl'] == 1000 and by[3]['ttl'] == 1000 and by[3]['expires'] == by[3]['cells']['v']['expires']
    assert by[9]['writetime'] is None and by[9]['cells']['v']['writetime'] == 7


def test_a_client_that_does_not_read(w):
    """Its answers wait, bounded, and others are served."""
    s = table(w)
    s.execute("CREATE TABLE ks.big (k int PRIMARY KEY, v blob)")
    s.execute(s.prepare('INSERT INTO ks.big (k, v) VALUES (1, ?)'), (b'x' * 1000000,))
    r = Raw(w.addresses[0]).startup()
    q = b'SELECT v FROM ks.big'
    body = struct.pack('>i', len(q)) + q + b'\0\1\0'
    frames = b''.join(struct.pack('>BBhBi', 4, 0, i, 7, len(body)) + body for i in range(100))
    sender = threading.Thread(target=r.s.sendall, args=(frames,))
    sender.start()
    for _ in range(20):
        assert took(lambda: s.execute('SELECT k FROM ks.big')) < 5
    assert sorted(r.receive()[2] for _ in range(100)) == list(range(100))
    sender.join()
    r.close()
