"""Statements: what is written is what is read, and reconciles as Cassandra does."""
import datetime
import decimal
import ipaddress
import uuid

from cassandra import AlreadyExists, InvalidRequest, Unauthorized
from cassandra.protocol import ConfigurationException, SyntaxException
from cassandra.query import UNSET_VALUE, BatchStatement, BatchType, SimpleStatement
from cassandra.util import Date, Duration, Time
from world import keyspace

VERSIONS = (3, 4, 5)

NATIVE = {
    'ascii': ('plain', "'plain'"), 'bigint': (-2**63, '-9223372036854775808'), 'blob': (b'\0\xff', '0x00ff'),
    'boolean': (True, 'true'), 'decimal': (decimal.Decimal('-12.50'), '-12.50'), 'double': (1.5e300, '1.5e300'),
    'float': (0.25, '0.25'), 'int': (-7, '-7'), 'smallint': (-300, '-300'), 'tinyint': (-128, '-128'),
    'text': ("it's 日本", "'it''s 日本'"), 'varint': (-2**100, str(-2**100)),
    'timestamp': (datetime.datetime(2026, 1, 2, 3, 4, 5, 678000), "'2026-01-02 03:04:05.678+0000'"),
    'date': (Date(datetime.date(1969, 12, 31)), "'1969-12-31'"), 'time': (Time(1), "'00:00:00.000000001'"),
    'uuid': (uuid.UUID('00112233-4455-6677-8899-aabbccddeeff'), '00112233-4455-6677-8899-aabbccddeeff'),
    'timeuuid': (uuid.UUID('8bee1234-0000-11ee-8000-0123456789ab'), '8bee1234-0000-11ee-8000-0123456789ab'),
    'inet': ('2001:db8::7', "'2001:db8::7'"), 'duration': (Duration(14, -3, 5), None),
}
COLLECTIONS = {
    'list<int>': ([3, 1, 2], '[3, 1, 2]'), 'set<text>': ({'b', 'a'}, "{'b', 'a', 'b'}"),
    'map<int, text>': ({2: 'b', 1: 'a'}, "{2: 'b', 1: 'a'}"), 'frozen<list<bigint>>': ([5], '[5]'),
    'map<text, frozen<set<int>>>': ({'x': {1, 2}}, "{'x': {2, 1}}"), 'tuple<int, text>': ((1, 'a'), "(1, 'a')"),
}


def same(got, want):
    if isinstance(want, (set, dict)):
        return got is not None and (set(got) == want if isinstance(want, set) else {k: set(v) if isinstance(want[k], set) else v for k, v in got.items()} == want)
    return got == want


def test_every_type(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    for i, (cql, (value, literal)) in enumerate({**NATIVE, **COLLECTIONS}.items()):
        s.execute(f'CREATE TABLE ks.t{i} (k int PRIMARY KEY, v {cql})')
        s.execute(s.prepare(f'INSERT INTO ks.t{i} (k, v) VALUES (1, ?)'), (value,))
        s.execute(f'INSERT INTO ks.t{i} (k, v) VALUES (2, {literal or "2mo"})')
        s.execute(f'INSERT INTO ks.t{i} (k, v) VALUES (3, null)')
        got = {r.k: r.v for r in s.execute(f'SELECT k, v FROM ks.t{i}')}
        assert same(got[1], value), (cql, got)
        assert literal is None or same(got[2], value), (cql, got)
        assert not got[3], (cql, got)
        dumped = {row['key']['k']: row['cells'].get('v', {}).get('value') for row in w.dump(f'ks.t{i}')}
        assert dumped[3] is None and (dumped[1] == dumped[2]) == (literal is not None), (cql, dumped)


def test_bad_values_are_refused(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v int, u uuid, l list<int>)')
    for cql in ("INSERT INTO ks.t (k, v) VALUES (1, 'x')", 'INSERT INTO ks.t (k, v) VALUES (1, 2147483648)',
                'INSERT INTO ks.t (k, u) VALUES (1, 12)', 'INSERT INTO ks.t (k, l) VALUES (1, {1})',
                "INSERT INTO ks.t (k, l) VALUES (1, ['a'])", 'INSERT INTO ks.t (k, nope) VALUES (1, 1)',
                'INSERT INTO ks.t (v) VALUES (1)', 'INSERT INTO ks.t (k, v) VALUES (null, 1)',
                'SELECT * FROM ks.t WHERE v = 1', 'SELECT * FROM nope.t', 'SELECT * FROM ks.nope', 'SELECT * FROM t',
                'UPDATE ks.t SET k = 1 WHERE k = 1', 'UPDATE ks.t SET v = 1 WHERE v = 1', 'UPDATE ks.t SET v = v + 1 WHERE k = 1',
                'DELETE FROM ks.t WHERE v = 1', 'SELECT token(?) FROM ks.t', 'SELECT token(v) FROM ks.t', 'SELECT token() FROM ks.t',
                'SELECT nofunction(k) FROM ks.t', 'INSERT INTO ks.t (k, v) VALUES (1)',
                'INSERT INTO ks.t (k) VALUES (1) USING TTL -1', 'SELECT * FROM ks.t LIMIT 0', 'LIST ROLES',
                "INSERT INTO ks.t JSON '{}'", 'USE nope'):
        try:
            s.execute(cql)
        except InvalidRequest:
            continue
        raise AssertionError(f'{cql} was taken')
    for cql in ('SELEC * FROM ks.t', 'SELECT * FROM ks.t WHERE', 'SELECT * FROM ks.t; SELECT * FROM ks.t', ';SELECT * FROM ks.t',
                'SELECT * FROM ks.t -- no newline', "INSERT INTO ks.t (k) VALUES (1", '', 'SELECT * FROM select'):
        try:
            s.execute(cql)
        except SyntaxException:
            continue
        raise AssertionError(f'{cql} was taken')
    assert not list(s.execute('SELECT * FROM ks.t'))


def test_lexical_corners(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v text, "V" int, json int, "a""b" int)')
    s.execute("""INSERT INTO ks . t (k, v, "V", json, "a""b") VALUES (5, $$it's -- now() $ x$$, 1, 2, 3);;""")
    assert s.execute('SELECT"k"FROM"ks"."t"WHERE"k"=5').one().k == 5
    assert s.execute('SELECT k FROM ks/**/./**/t WHERE k=5--c\nLIMIT 1').one().k == 5
    row = s.execute('SELECT v, "V", json, "a""b" AS z FROM ks.t // c\r').one()
    assert tuple(row) == ("it's -- now() $ x", 1, 2, 3) and row.z == 3
    s.execute('CREATE TABLE ks.c (k int PRIMARY KEY, c counter)')
    for change in ('c = c -1', 'c=c-1', 'c -= 1', 'c = c - -1', 'c = c + 5', 'c += 2'):
        s.execute(f'UPDATE ks.c SET {change} WHERE k = 0')
    assert s.execute('SELECT c FROM ks.c').one().c == 5


def rows_table(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int, a int, b text, v int, st int static, PRIMARY KEY (k, a, b)) WITH CLUSTERING ORDER BY (a ASC, b DESC)')
    p = s.prepare('INSERT INTO ks.t (k, a, b, v) VALUES (?, ?, ?, ?)')
    for k in range(3):
        for a in range(5):
            for b in 'xyz':
                s.execute(p, (k, a, b, k * 100 + a))
    return s


def test_ranges_order_and_limits(w):
    s = rows_table(w)

    def ab(where, *values):
        return [(r.a, r.b) for r in s.execute(f'SELECT a, b FROM ks.t WHERE k = 1 {where}', values)]
    every = [(a, b) for a in range(5) for b in 'zyx']
    assert ab('') == every
    assert ab('ORDER BY a DESC') == every[::-1] and ab('ORDER BY a DESC, b ASC LIMIT 2') == every[:-3:-1]
    assert ab('AND a = 2') == every[6:9] and ab('AND a > 1 AND a <= 3') == every[6:12] and ab('AND a >= 4') == every[12:]
    assert ab("AND a = 2 AND b > 'x'") == [(2, 'z'), (2, 'y')] and ab("AND a = 2 AND b <= 'y'") == [(2, 'y'), (2, 'x')]
    assert ab("AND a = 2 AND b >= 'y' ORDER BY a DESC") == [(2, 'y'), (2, 'z')]
    assert ab("AND a IN (4, 1) AND b = 'y'") == [(1, 'y'), (4, 'y')] and ab('AND a IN (3)') == every[9:12]
    assert ab('AND a < 0') == [] and ab('LIMIT 4') == every[:4]
    assert [r.count for r in s.execute('SELECT count(*) FROM ks.t WHERE k = 1 AND a > 1')] == [9]
    assert s.execute('SELECT count(*) FROM ks.t').one()[0] == 45
    assert sorted(r.k for r in s.execute('SELECT DISTINCT k FROM ks.t')) == [0, 1, 2]
    assert len(list(s.execute('SELECT * FROM ks.t PER PARTITION LIMIT 2'))) == 6
    assert len(list(s.execute('SELECT * FROM ks.t WHERE v = 102 ALLOW FILTERING'))) == 3
    assert len(list(s.execute("SELECT * FROM ks.t WHERE k IN (0, 2, 2) AND a = 1 AND b = 'x'"))) == 2
    p = s.prepare('SELECT a FROM ks.t WHERE k IN ? AND a IN ? AND b = ?')
    assert sorted(r.a for r in s.execute(p, ([0, 1], [1, 2], 'x'))) == [1, 1, 2, 2]
    for bad in ('WHERE a = 1', 'WHERE k = 1 AND b = \'x\'', 'ORDER BY a', 'WHERE k > 1'):
        try:
            s.execute(f'SELECT * FROM ks.t {bad}')
        except InvalidRequest:
            continue
        raise AssertionError(bad)


def test_tokens(w):
    s = rows_table(w)
    tokens = {r.k: r[1] for r in s.execute('SELECT k, token(k) FROM ks.t')}
    assert tokens == {0: -3485513579396041028, 1: -4069959284402364209, 2: -3248873570005575792}
    assert [r.k for r in s.execute('SELECT DISTINCT k FROM ks.t')] == [1, 0, 2]
    assert [r.k for r in s.execute('SELECT DISTINCT k FROM ks.t WHERE token(k) > token(1) AND token(k) <= %s', (tokens[2],))] == [0, 2]
    p = s.prepare('SELECT DISTINCT k FROM ks.t WHERE token(k) >= ? AND token(k) < ?')
    assert [r.k for r in s.execute(p, (tokens[1], tokens[2]))] == [1, 0]
    assert [r.k for r in s.execute('SELECT DISTINCT k FROM ks.t WHERE token(k) > 0')] == []


def test_paging(w):
    s = rows_table(w)
    every = [tuple(r) for r in s.execute('SELECT * FROM ks.t')]
    assert len(every) == 45
    for cql, want in (('SELECT * FROM ks.t', every), ('SELECT * FROM ks.t LIMIT 17', every[:17]),
                      ('SELECT * FROM ks.t WHERE k = 1 ORDER BY a DESC', [r for r in every if r[0] == 1][::-1]),
                      ('SELECT * FROM ks.t WHERE k IN (1, 0)', [r for k in (0, 1) for r in every if r[0] == k]),  # by key
                      ('SELECT * FROM ks.t PER PARTITION LIMIT 4', [r for i, r in enumerate(every) if i % 15 < 4])):
        for size in (1, 2, 7, 15, 44, 45, 46):
            got, pages, state = [], 0, None
            while True:
                result = s.execute(SimpleStatement(cql, fetch_size=size), paging_state=state)
                got += [tuple(r) for r in result.current_rows]
                assert len(result.current_rows) <= size
                pages += 1
                state = result.paging_state
                if not state:
                    break
            assert got == want, (cql, size)
            assert pages == -(-len(want) // size), (cql, size, pages)
    p = s.prepare('SELECT a, b FROM ks.t WHERE k = ?')
    p.fetch_size = 4
    assert len(list(s.execute(p, (2,)))) == 15


def test_garbage_paging_state(w):
    from cassandra.protocol import ProtocolException
    s = rows_table(w)
    for state in (b'x', b'\x5e\xa1' + bytes(40), bytes(11)):
        other = w.session()
        try:
            other.execute('SELECT * FROM ks.t', paging_state=state)
        except Exception as e:
            assert 'Invalid value for the paging state' in str(e) or 'shut' in str(e).lower() or isinstance(e, ProtocolException), e
        else:
            raise AssertionError(state)
    assert s.execute('SELECT count(*) FROM ks.t').one()[0] == 45


def test_last_write_wins(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int, c int, v int, PRIMARY KEY (k, c))')

    def value():
        r = s.execute('SELECT v FROM ks.t WHERE k = 1 AND c = 1').one()
        return r and r.v
    steps = [  # each at a timestamp; then what is read
        ('INSERT INTO ks.t (k, c, v) VALUES (1, 1, 5) USING TIMESTAMP 10', 5),
        ('UPDATE ks.t USING TIMESTAMP 9 SET v = 6 WHERE k = 1 AND c = 1', 5),
        ('UPDATE ks.t USING TIMESTAMP 10 SET v = 4 WHERE k = 1 AND c = 1', 5),  # equal: the greater bytes
        ('UPDATE ks.t USING TIMESTAMP 10 SET v = -1 WHERE k = 1 AND c = 1', -1),  # unsigned bytes
        ('DELETE v FROM ks.t USING TIMESTAMP 10 WHERE k = 1 AND c = 1', None),  # equal: the tombstone
        ('UPDATE ks.t USING TIMESTAMP 10 SET v = 7 WHERE k = 1 AND c = 1', None),
        ('UPDATE ks.t USING TIMESTAMP 11 AND TTL 1000 SET v = 1 WHERE k = 1 AND c = 1', 1),
        ('UPDATE ks.t USING TIMESTAMP 11 SET v = 9 WHERE k = 1 AND c = 1', 1),  # equal: the expiring one
        ('DELETE FROM ks.t USING TIMESTAMP 12 WHERE k = 1 AND c = 1', None),
        ('INSERT INTO ks.t (k, c, v) VALUES (1, 1, 8) USING TIMESTAMP 12', None),  # hidden by the row's deletion
        ('INSERT INTO ks.t (k, c, v) VALUES (1, 1, 8) USING TIMESTAMP 13', 8),
        ('DELETE FROM ks.t USING TIMESTAMP 20 WHERE k = 1 AND c >= 0 AND c < 2', None),
        ('INSERT INTO ks.t (k, c, v) VALUES (1, 1, 8) USING TIMESTAMP 20', None),  # by the range's
        ('INSERT INTO ks.t (k, c, v) VALUES (1, 1, 3) USING TIMESTAMP 21', 3),
        ('DELETE FROM ks.t USING TIMESTAMP 30 WHERE k = 1', None),
        ('INSERT INTO ks.t (k, c, v) VALUES (1, 1, 8) USING TIMESTAMP 29', None),  # by the partition's
        ('INSERT INTO ks.t (k, c, v) VALUES (1, 1, 2) USING TIMESTAMP 31', 2),
    ]
    for cql, want in steps:
        s.execute(cql)
        assert value() == want, (cql, value())
    s.execute('UPDATE ks.t USING TIMESTAMP 40 SET v = 1 WHERE k = 2 AND c = 1')
    s.execute('DELETE v FROM ks.t USING TIMESTAMP 41 WHERE k = 2 AND c = 1')
    assert not list(s.execute('SELECT * FROM ks.t WHERE k = 2'))  # UPDATE makes no row of its own
    s.execute('INSERT INTO ks.t (k, c) VALUES (3, 1)')
    assert [tuple(r) for r in s.execute('SELECT * FROM ks.t WHERE k = 3')] == [(3, 1, None)]


def test_writetime_ttl_and_expiry(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v int, x int) WITH default_time_to_live = 500')
    s.execute('INSERT INTO ks.t (k, v) VALUES (1, 1) USING TIMESTAMP 1234 AND TTL 100')
    r = s.execute('SELECT writetime(v) AS w, TTL(v) AS t, ttl(x) FROM ks.t').one()
    assert r.w == 1234 and 95 <= r.t <= 100 and r[2] is None
    s.execute('INSERT INTO ks.t (k, v) VALUES (2, 1)')
    assert 495 <= s.execute('SELECT ttl(v) FROM ks.t WHERE k = 2').one()[0] <= 500
    s.execute('INSERT INTO ks.t (k, v) VALUES (3, 1) USING TTL 0')
    assert s.execute('SELECT ttl(v) FROM ks.t WHERE k = 3').one()[0] is None
    s.execute('INSERT INTO ks.t (k, v) VALUES (4, 1) USING TTL 1')
    from world import until
    until(lambda: not list(s.execute('SELECT * FROM ks.t WHERE k = 4')))
    assert {row['key']['k']: row['cells']['v']['ttl'] for row in w.dump('ks.t')} == {1: 100, 2: 500, 3: None}


def test_statics(w):
    s = rows_table(w)
    s.execute('UPDATE ks.t SET st = 9 WHERE k = 1')
    s.execute('INSERT INTO ks.t (k, st) VALUES (7, 4)')
    assert {r.st for r in s.execute('SELECT st FROM ks.t WHERE k = 1')} == {9}
    assert [tuple(r) for r in s.execute('SELECT * FROM ks.t WHERE k = 7')] == [(7, None, None, 4, None)]
    assert not list(s.execute('SELECT * FROM ks.t WHERE k = 7 AND a = 1'))
    assert [tuple(r) for r in s.execute('SELECT DISTINCT k, st FROM ks.t WHERE k = 1')] == [(1, 9)]
    s.execute('DELETE st FROM ks.t WHERE k = 7')
    assert not list(s.execute('SELECT * FROM ks.t WHERE k = 7'))


def test_values_by_name_null_unset(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, a int, b int)')
    s.execute('INSERT INTO ks.t (k, a, b) VALUES (1, 1, 1)')
    p = s.prepare('INSERT INTO ks.t (k, a, b) VALUES (:key, :x, :x)')
    s.execute(p, {'key': 2, 'x': 5})
    assert tuple(s.execute('SELECT * FROM ks.t WHERE k = 2').one()) == (2, 5, 5)
    p = s.prepare('INSERT INTO ks.t (k, a, b) VALUES (?, ?, ?)')
    if w.version > 3:
        s.execute(p, (1, UNSET_VALUE, None))
        assert tuple(s.execute('SELECT * FROM ks.t WHERE k = 1').one()) == (1, 1, None)
    s.execute('INSERT INTO ks.t (k, a) VALUES (%(k)s, %(a)s)', {'k': 3, 'a': 4})
    assert s.execute('SELECT a FROM ks.t WHERE k = 3').one().a == 4


def test_batches(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v int)')
    s.execute('CREATE TABLE ks.c (k int PRIMARY KEY, n counter)')
    p = s.prepare('INSERT INTO ks.t (k, v) VALUES (?, ?)')
    for kind in (BatchType.LOGGED, BatchType.UNLOGGED):
        b = BatchStatement(kind)
        b.add(p, (1, 10 + kind.value))
        b.add('INSERT INTO ks.t (k, v) VALUES (%s, %s)', (2, 20))
        b.add('DELETE FROM ks.t WHERE k = 3')
        s.execute(b)
        assert {r.k: r.v for r in s.execute('SELECT * FROM ks.t')} == {1: 10 + kind.value, 2: 20}
    s.execute('BEGIN BATCH USING TIMESTAMP 5 INSERT INTO ks.t (k, v) VALUES (8, 1) INSERT INTO ks.t (k, v) VALUES (9, 1); APPLY BATCH;')
    assert [r.w for r in s.execute('SELECT writetime(v) AS w FROM ks.t WHERE k IN (8, 9)')] == [5, 5]
    s.execute('BEGIN BATCH APPLY BATCH')
    b = BatchStatement(BatchType.COUNTER)
    c = s.prepare('UPDATE ks.c SET n = n + ? WHERE k = ?')
    b.add(c, (5, 1))
    b.add(c, (-2, 1))
    s.execute(b)
    assert s.execute('SELECT n FROM ks.c').one().n == 3
    for bad in ('BEGIN BATCH UPDATE ks.c SET n = n + 1 WHERE k = 1 APPLY BATCH',
                'BEGIN COUNTER BATCH INSERT INTO ks.t (k) VALUES (77) APPLY BATCH',
                'BEGIN BATCH USING TIMESTAMP 1 INSERT INTO ks.t (k) VALUES (77) USING TIMESTAMP 2 APPLY BATCH',
                'BEGIN BATCH INSERT INTO ks.t (k) VALUES (77) INSERT INTO ks.t (k, v) VALUES (78, null) USING TTL -5 APPLY BATCH'):
        try:
            s.execute(bad)
        except InvalidRequest:
            continue
        raise AssertionError(bad)
    assert not list(s.execute('SELECT * FROM ks.t WHERE k IN (77, 78)'))  # a bad child: nothing of the batch
    b = BatchStatement()
    b.add('SELECT * FROM ks.t')
    try:
        s.execute(b)
    except InvalidRequest as e:
        assert 'only UPDATE, INSERT and DELETE' in str(e)


def test_counters(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.c (k int, c int, n counter, m counter, PRIMARY KEY (k, c))')
    for _ in range(10):
        s.execute('UPDATE ks.c SET n = n + 3, m -= 1 WHERE k = 1 AND c = 1')
    assert tuple(s.execute('SELECT * FROM ks.c').one()) == (1, 1, -10, 30)
    s.execute('DELETE m FROM ks.c WHERE k = 1 AND c = 1')
    s.execute('UPDATE ks.c SET m = m + 1 WHERE k = 1 AND c = 1')
    assert s.execute('SELECT m FROM ks.c').one().m is None  # a deleted counter does not come back
    for bad in ('INSERT INTO ks.c (k, c, n) VALUES (1, 1, 1)', 'UPDATE ks.c SET n = 1 WHERE k = 1 AND c = 1',
                'UPDATE ks.c USING TTL 5 SET n = n + 1 WHERE k = 1 AND c = 1', 'CREATE TABLE ks.d (k int PRIMARY KEY, n counter, v int)'):
        try:
            s.execute(bad)
        except InvalidRequest:
            continue
        raise AssertionError(bad)


def test_conditions(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v int, x text)')

    def run(cql):
        return tuple(s.execute(cql).one())
    assert run('INSERT INTO ks.t (k, v) VALUES (1, 1) IF NOT EXISTS') == (True,)
    assert run('INSERT INTO ks.t (k, v) VALUES (1, 2) IF NOT EXISTS') == (False, 1, 1, None)
    assert run('UPDATE ks.t SET v = 5 WHERE k = 1 IF v = 2') == (False, 1)
    assert run('UPDATE ks.t SET v = 5 WHERE k = 1 IF v = 1 AND x = null') == (True,)
    assert run('UPDATE ks.t SET v = 6 WHERE k = 1 IF v IN (4, 5)') == (True,)
    assert run('UPDATE ks.t SET v = 7 WHERE k = 1 IF v > 6') == (False, 6)
    assert run('UPDATE ks.t SET v = 7 WHERE k = 2 IF EXISTS') == (False,)
    assert run('UPDATE ks.t SET v = 7 WHERE k = 2 IF v = 3') == (False,)
    assert run('DELETE FROM ks.t WHERE k = 1 IF v != 6') == (False, 6), run('DELETE FROM ks.t WHERE k = 1 IF v != 6')
    p = s.prepare('UPDATE ks.t SET v = ? WHERE k = ? IF v = ?')
    assert tuple(s.execute(p, (8, 1, 6)).one()) == (True,) and tuple(s.execute(p, (8, 1, 6)).one()) == (False, 8)
    assert run('DELETE FROM ks.t WHERE k = 1 IF EXISTS') == (True,) and not list(s.execute('SELECT * FROM ks.t'))
    b = BatchStatement()
    b.add('INSERT INTO ks.t (k, v) VALUES (4, 1) IF NOT EXISTS')
    b.add("UPDATE ks.t SET x = 'y' WHERE k = 4")
    assert s.execute(b).one()[0] is True and s.execute(b).one()[0] is False
    try:
        s.execute('INSERT INTO ks.t (k) VALUES (1) IF NOT EXISTS USING TIMESTAMP 5')
        raise AssertionError('a timestamp with a condition')
    except InvalidRequest:
        pass


def test_functions(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, u uuid, tu timeuuid, ts timestamp, d date, l list<timeuuid>)')
    s.execute('INSERT INTO ks.t (k, u, tu, ts, d, l) VALUES (1, uuid(), system.now(), toTimestamp(now()), currentDate(), [now(), NOW ( )])')
    r = s.execute('SELECT * FROM ks.t').one()
    now = datetime.datetime.utcnow()
    assert r.u.version == 4 and r.tu.version == 1 and abs(r.ts - now) < datetime.timedelta(seconds=30)
    assert r.l[0] != r.l[1] and r.d.date() in (now.date(), (now - datetime.timedelta(seconds=30)).date())
    s.execute('INSERT INTO ks.t (k, ts) VALUES (2, toTimestamp(8bee1234-0000-11ee-8000-0123456789ab))')
    s.execute('INSERT INTO ks.t (k, tu) VALUES (3, (timeuuid)8bee1234-0000-11ee-8000-0123456789ab)')
    rows = {r.k: r for r in s.execute('SELECT k, ts, toUnixTimestamp(tu) AS ms FROM ks.t')}
    assert int(rows[2].ts.replace(tzinfo=datetime.timezone.utc).timestamp() * 1000) == rows[3].ms
    try:
        s.prepare('INSERT INTO ks.t (k, ts) VALUES (1, toTimestamp(?))')
        raise AssertionError('it has no type')
    except InvalidRequest as e:
        assert 'Ambiguous call' in str(e)


def test_deletes(w):
    s = rows_table(w)
    count = 'SELECT count(*) FROM ks.t'
    for cql, left in (("DELETE FROM ks.t WHERE k = 0 AND a = 1 AND b = 'x'", 44), ('DELETE FROM ks.t WHERE k = 0 AND a = 1', 42),
                      ("DELETE FROM ks.t WHERE k = 0 AND a = 2 AND b > 'x'", 40), ('DELETE FROM ks.t WHERE k = 0 AND a >= 3', 34),
                      ("DELETE FROM ks.t WHERE k = 1 AND a IN (0, 1) AND b IN ('x', 'y')", 30), ('DELETE FROM ks.t WHERE k IN (1, 2)', 4)):
        s.execute(cql)
        assert s.execute(count).one()[0] == left, cql
    s.execute('TRUNCATE ks.t')
    assert s.execute(count).one()[0] == 0 and w.dump('ks.t') == []
    s.execute("INSERT INTO ks.t (k, a, b) VALUES (0, 1, 'x') USING TIMESTAMP 1")
    assert s.execute(count).one()[0] == 1  # TRUNCATE leaves no tombstones


def test_use(w):
    w.start(1)
    s = w.session()
    keyspace(s)
    keyspace(s, '"Other"')
    s.execute('USE ks')
    s.execute('CREATE TABLE t (k int PRIMARY KEY)')
    s.execute('INSERT INTO t (k) VALUES (1)')
    assert s.execute('SELECT * FROM t').one().k == 1
    s.execute('USE "Other"')
    try:
        s.execute('SELECT * FROM t')
        raise AssertionError('of another keyspace')
    except InvalidRequest as e:
        assert 'does not exist' in str(e)
    assert w.cluster().connect('ks').execute('SELECT * FROM t').one().k == 1


def test_schema_changes(w):
    w.start(2)
    s = w.session()
    keyspace(s)
    version = s.execute('SELECT schema_version FROM system.local').one()[0]
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v int)')
    assert s.execute('SELECT schema_version FROM system.local').one()[0] != version
    s.execute('CREATE TABLE IF NOT EXISTS ks.t (k int PRIMARY KEY, v int)')
    for cql, error in (('CREATE TABLE ks.t (k int PRIMARY KEY)', AlreadyExists), ('DROP TABLE ks.nope', InvalidRequest),
                       ("CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy'}", AlreadyExists),
                       ('CREATE KEYSPACE x', ConfigurationException), ('DROP TABLE system.local', Unauthorized),
                       ('INSERT INTO system.local (key) VALUES (\'x\')', Unauthorized), ('CREATE TABLE ks.x (k int)', InvalidRequest),
                       ('CREATE TYPE ks.y (a int)', InvalidRequest)):
        try:
            s.execute(cql)
        except error:
            continue
        raise AssertionError(cql)
    p = s.prepare('SELECT * FROM ks.t WHERE k = 1')
    s.execute('INSERT INTO ks.t (k, v) VALUES (1, 2)')
    s.execute('ALTER TABLE ks.t ADD (x text, y int)')
    s.execute("INSERT INTO ks.t (k, x) VALUES (1, 'new')")
    assert tuple(s.execute('SELECT * FROM ks.t').one()) == (1, 2, 'new', None)
    assert tuple(s.execute(p).one()) == (1, 2, 'new', None)  # prepared again behind the scenes
    s.execute('ALTER TABLE ks.t DROP x')
    s.execute('ALTER TABLE ks.t ADD x text')
    assert s.execute('SELECT x FROM ks.t').one().x is None
    s.execute('ALTER TABLE ks.t RENAME k TO key')
    assert s.execute('SELECT key FROM ks.t').one().key == 1
    s.execute('CREATE INDEX byv ON ks.t (v)')
    assert s.execute('SELECT key FROM ks.t WHERE v = 2').one().key == 1
    assert 'byv' in s.cluster.metadata.keyspaces['ks'].indexes
    s.execute('DROP INDEX ks.byv')
    s.execute("ALTER KEYSPACE ks WITH replication = {'class': 'NetworkTopologyStrategy', 'datacenter1': 2}")
    assert s.cluster.metadata.keyspaces['ks'].replication_strategy.name == 'NetworkTopologyStrategy'
    s.execute('DROP TABLE ks.t')
    s.execute('DROP TABLE IF EXISTS ks.t')
    s.execute('DROP KEYSPACE ks')
    assert 'ks' not in s.cluster.metadata.keyspaces


def test_metadata_after_alter(w):
    w.start(1)
    s = w.session()
    other = w.session()
    keyspace(s)
    s.execute('CREATE TABLE ks.t (k int PRIMARY KEY, v int)')
    s.execute('INSERT INTO ks.t (k, v) VALUES (1, 2)')
    p = other.prepare('SELECT * FROM ks.t WHERE k = ?')
    before = p.result_metadata_id if w.version > 4 else None
    assert tuple(other.execute(p, (1,)).one()) == (1, 2)
    s.execute('ALTER TABLE ks.t ADD a int')
    assert tuple(other.execute(p, (1,)).one()) == (1, None, 2)
    assert tuple(other.execute(p, (1,)).one()) == (1, None, 2)
    assert w.version < 5 or p.result_metadata_id != before
