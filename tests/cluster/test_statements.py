"""Statements of every kind: what the app writes is on both clusters, with the same writetimes."""
import datetime
import decimal
import uuid

from cassandra import ConsistencyLevel
from cassandra.query import BatchStatement, BatchType, SimpleStatement, ValueSequence

from harness.case import case

BASE = 1700000000000000


# ---- app parts

def write_prepared(app, table, protocol):
    session = app.session(protocol=protocol)
    insert = session.prepare("INSERT INTO %s (id, n, v) VALUES (?, ?, ?)" % table)
    update = session.prepare("UPDATE %s SET v = ? WHERE id = ?" % table)
    delete = session.prepare("DELETE FROM %s WHERE id = ?" % table)
    select = session.prepare("SELECT v FROM %s WHERE id = ?" % table)
    for f in [session.execute_async(insert, (i, i * i, "row %d" % i)) for i in range(200)]:
        f.result()
    for i in range(0, 200, 10):
        session.execute(update, ("changed %d" % i, i))
    for i in range(5, 200, 20):
        session.execute(delete, (i,))
    # null deletes, unset leaves alone
    session.execute(insert, (1, None, "null"))
    session.execute(insert, (2, 2))
    assert session.execute(select, (20,)).one().v == "changed 20"
    return [list(map(tuple, session.execute(select, (i,)))) for i in (5, 10, 11)]


def write_simple(app, table):
    session = app.session()
    texts = ["INSERT INTO {t} (id, n, v) VALUES (1, 1, 'one')",
             "insert into {t} (id, n, v) values (2, 2, $$two; -- 'no comment'$$);",
             "/* DELETE */ INSERT INTO {t} (id, n, v) VALUES (3, 3, 'it''s')  ;",
             "-- SELECT\n  UPDATE {t} SET v = 'four', n = 4 WHERE id = 4",
             "// c\nINSERT INTO {t} (id, n, v) VALUES (5, 5, 'five') USING TIMESTAMP %d" % BASE,
             "INSERT INTO {t} (id, n, v) VALUES (6, 6, 'six') USING TTL 86400 AND TIMESTAMP %d" % (BASE + 1),
             "UPDATE {t} USING TTL 86400 SET v = 'seven' WHERE id = 7",
             "INSERT INTO {t} JSON '{{\"id\": 8, \"n\": 8, \"v\": \"eight\"}}'",
             "INSERT INTO {t} (id, n, v) VALUES (9, 9, 'gone')",
             "DELETE FROM {t} WHERE id = 9",
             "INSERT INTO {t} (id, n, v) VALUES (10, 10, 'half gone')",
             "DELETE v FROM {t} WHERE id = 10",
             "INSERT INTO {t} (id, n, v) VALUES (11, 11, 'stays')",
             "DELETE FROM {t} USING TIMESTAMP %d WHERE id = 11" % BASE]
    for text in texts:
        session.execute(text.format(t=table))
    session.execute("INSERT INTO " + table + " (id, n, v) VALUES (%(id)s, %(n)s, %(v)s)", {"id": 12, "n": 12, "v": "x" * 5000})
    one = SimpleStatement("INSERT INTO " + table + " (id, n, v) VALUES (%s, %s, %s)", consistency_level=ConsistencyLevel.ALL)
    session.execute(one, (13, 13, "all"))
    return sorted(tuple(r) for r in session.execute("SELECT id, n, v FROM %s" % table))


def write_without_timestamps(app, table):
    """As drivers that leave timestamps to the server: Seam has to give both clusters the same one."""
    for protocol in (3, 4, 5):
        session = app.driver(protocol=protocol)
        session = session.connect()
        session.use_client_timestamp = False
        insert = session.prepare("INSERT INTO %s (id, n, v) VALUES (?, ?, ?)" % table)
        base = protocol * 100
        for i in range(10):
            session.execute(insert, (base + i, i, "prepared"))
        for i in range(10, 15):
            session.execute("INSERT INTO " + table + " (id, n, v) VALUES (%s, %s, 'simple')", (base + i, i))
        session.execute("INSERT INTO %s (id, n, v) VALUES (%d, 0, 'plain')" % (table, base + 15))
        batch = BatchStatement()
        for i in range(20, 25):
            batch.add(insert, (base + i, i, "batch"))
        session.execute(batch)
        # one key, again and again: the last one wins on both sides
        for i in range(20):
            session.execute(insert, (base + 30, i, "again %d" % i))
        got = session.execute("SELECT v FROM %s WHERE id = %d" % (table, base + 30)).one()
        assert got.v == "again 19", got


def write_batches(app, table, counters, protocol):
    session = app.session(protocol=protocol)
    insert = session.prepare("INSERT INTO %s (id, n, v) VALUES (?, ?, ?)" % table)
    delete = session.prepare("DELETE FROM %s WHERE id = ?" % table)
    add = session.prepare("UPDATE %s SET n = n + ? WHERE id = ?" % counters)
    for kind, base in ((BatchType.LOGGED, 0), (BatchType.UNLOGGED, 1000)):
        batch = BatchStatement(kind)
        for i in range(20):
            batch.add(insert, (base + i, i, "b%d" % i))
        batch.add(SimpleStatement("INSERT INTO %s (id, n, v) VALUES (%d, 7, 'text')" % (table, base + 100)))
        batch.add("INSERT INTO " + table + " (id, n, v) VALUES (%s, %s, %s)", (base + 101, 8, "bound"))
        batch.add(delete, (base + 999,))
        session.execute(batch)
    counted = BatchStatement(BatchType.COUNTER)
    for i in range(5):
        counted.add(add, (i + 1, i))
    session.execute(counted)
    session.execute("BEGIN BATCH INSERT INTO {t} (id, v) VALUES (3000, 'a'); UPDATE {t} SET v = 'b' WHERE id = 3001; "
                    "DELETE FROM {t} WHERE id = 3002; APPLY BATCH".format(t=table))
    session.execute("begin unlogged batch using timestamp {ts} insert into {t} (id, v) values (3003, 'old'); "
                    "apply batch;".format(t=table, ts=BASE))


def count(app, table):
    session = app.session()
    add = session.prepare("UPDATE %s SET n = n + ? WHERE id = ?" % table)
    for f in [session.execute_async(add, (i % 3 + 1, i % 7)) for i in range(140)]:
        f.result()
    for i in range(10):
        session.execute("UPDATE %s SET n = n - 1 WHERE id = 3" % table)
    return sorted((r.id, r.n) for r in session.execute("SELECT id, n FROM %s" % table))


def use_keyspaces(app, first, second):
    out = []
    for protocol in (4, 5):
        session = app.session(protocol=protocol)
        session.execute("USE %s" % first)
        session.execute("INSERT INTO use_table (id, v) VALUES (%d, 'first')" % protocol)
        session.execute('USE "%s"' % second)
        session.execute("INSERT INTO use_table (id, v) VALUES (%d, 'second')" % protocol)
        out.append(session.execute("SELECT v FROM use_table WHERE id = %d" % protocol).one().v)
        # prepared under a keyspace, then executed from another
        session.set_keyspace(first)
        insert = session.prepare("INSERT INTO use_table (id, v) VALUES (?, ?)")
        session.execute(insert, (protocol + 10, "prepared"))
        session.set_keyspace(second)
        session.execute(insert, (protocol + 20, "prepared, used elsewhere"))
        # at once behind a USE, without waiting for it
        waiting = []
        for i in range(20):
            there = first if i % 2 else second
            session.set_keyspace(there)
            waiting.append(session.execute_async("INSERT INTO use_table (id, v) VALUES (%d, '%s')"
                                                 % (protocol * 100 + i, i % 2)))
        for f in waiting:
            f.result()
        in_it = app.session(first, protocol=protocol)
        in_it.execute("INSERT INTO use_table (id, v) VALUES (%d, 'connected in it')" % (protocol + 30))
        if protocol == 5:
            in_it.execute(SimpleStatement("INSERT INTO use_table (id, v) VALUES (40, 'per query')", keyspace=second))
            other = in_it.prepare("INSERT INTO use_table (id, v) VALUES (?, ?)", keyspace=second)
            in_it.execute(other, (41, "prepared with keyspace"))
        try:
            session.execute("USE no_such_keyspace")
        except Exception as exc:
            out.append("%s: %s" % (type(exc).__name__, exc))
    return out


def page(app, table, protocol):
    session = app.session(protocol=protocol)
    insert = session.prepare("INSERT INTO %s (k, c, v) VALUES (?, ?, ?)" % table)
    for f in [session.execute_async(insert, (protocol, i, "v" * (i % 50))) for i in range(300)]:
        f.result()
    read = session.prepare("SELECT c, v FROM %s WHERE k = ?" % table)
    read.fetch_size = 17
    first = [r.c for r in session.execute(read, (protocol,))]
    assert first == list(range(300)), len(first)
    # begun on one connection, ended on another
    simple = SimpleStatement("SELECT c FROM %s WHERE k = %d" % (table, protocol), fetch_size=100)
    result = session.execute(simple)
    got, state = [r.c for r in result.current_rows], result.paging_state
    other = app.session(protocol=protocol)
    while state:
        result = other.execute(simple, paging_state=state)
        got += [r.c for r in result.current_rows]
        state = result.paging_state
    assert got == list(range(300)), len(got)
    everything = SimpleStatement("SELECT k, c FROM %s" % table, fetch_size=7)
    return sum(1 for r in session.execute(everything) if r.k == protocol)


def write_types(app, table):
    session = app.session()
    insert = session.prepare("INSERT INTO %s (id, a, b, c, d, e, f, g, h, i, l, s, m, fl, t) VALUES "
                             "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" % table)
    for n in range(5):
        session.execute(insert, (
            uuid.UUID(int=n + 1), "ä€😀" * n, 2 ** 40 * n, decimal.Decimal("1.%d" % n), 1.5 * n, bytes(range(n * 50)),
            bool(n % 2), datetime.datetime(2024, 1, 1 + n), "127.0.0.%d" % (n + 1), datetime.date(2024, 2, 1 + n),
            list(range(n)), {"a", "b%d" % n}, {"k%d" % n: n}, [n, n + 1], (n, "t")))
    first = uuid.UUID(int=1)
    session.execute("UPDATE " + table + " SET l = l + [7, 8], s = s + {'more'}, m['x'] = 9 WHERE id = %s", (first,))
    session.execute("UPDATE " + table + " SET l[0] = 70, s = s - {'a'} WHERE id = %s", (first,))
    session.execute("DELETE m['k0'] FROM " + table + " WHERE id = %s", (first,))
    wanted = ValueSequence([first, uuid.UUID(int=3)])
    rows = session.execute("SELECT * FROM " + table + " WHERE id IN %s", (wanted,))
    return sorted(repr(r) for r in rows)


def write_large(app, table, protocol, compression):
    session = app.session(protocol=protocol, compression=compression)
    insert = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % table)
    sizes = [0, 1, 127 * 1024, 131060, 131071, 131072, 131073, 400000, 3000000]
    body = bytes(i * 7 % 251 for i in range(65536)) * 46
    tag = "%d%s-" % (protocol, compression or "")
    for f in [session.execute_async(insert, (tag + str(s), body[:s])) for s in sizes]:
        f.result()
    for s in sizes:
        got = session.execute("SELECT v FROM " + table + " WHERE id = %s", (tag + str(s),)).one().v
        assert got == body[:s], (s, len(got))


def make_errors(app, keyspace, table):
    session = app.session()
    prepared = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % table)
    huge = SimpleStatement("INSERT INTO %s (id, v) VALUES (1, 'x')" % table, consistency_level=ConsistencyLevel.THREE)
    tries = ["SELEKT 1", "INSERT INTO %s (id, v) VALUES (1" % table, "INSERT INTO %s (id, nope) VALUES (1, 2)" % table,
             "INSERT INTO %s.no_such_table (id) VALUES (1)" % keyspace, "INSERT INTO %s (id, v) VALUES ('a', 2)" % table,
             "SELECT * FROM nowhere.t", "CREATE TABLE %s (id int PRIMARY KEY)" % table, "UPDATE %s SET v = 'x'" % table,
             "DROP TABLE %s.no_such_table" % keyspace, "USE %s; USE %s" % (keyspace, keyspace), "", ";", huge]
    out = []
    for text in tries:
        try:
            out.append([tuple(r) for r in session.execute(text)])
        except Exception as exc:
            out.append("%s: %s" % (type(exc).__name__, exc))
    try:
        session.prepare("INSERT INTO %s (id, nope) VALUES (?, ?)" % table)
    except Exception as exc:
        out.append("%s: %s" % (type(exc).__name__, exc))
    session.execute(prepared, (2, "fine after all"))
    return out


def trace(app, table):
    session = app.session()
    insert = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % table)
    result = session.execute(insert, (1, "traced"), trace=True)
    events = result.get_query_trace(max_wait_sec=10).events
    session.execute(insert, (2, "payload"), custom_payload={"k": b"v"})
    return len(events) > 0


# ---- cases

ROW = "id int PRIMARY KEY, n int, v text"


def writes_counted(t, before, at_least):
    if t.seam:
        assert t.count("requests.writes") >= before + at_least, (before, t.status())


@case(pairs=("41", "50"))
def prepared(t):
    table = t.table(ROW)
    before = t.count("requests.writes") if t.seam else 0
    t.seen("rows", [t.call(write_prepared, table, protocol) for protocol in (4, 5)])
    t.same(table, rows=190)
    writes_counted(t, before, 2 * 232)


@case()
def simple(t):
    table = t.table(ROW)
    before = t.count("requests.writes") if t.seam else 0
    t.seen("rows", t.call(write_simple, table))
    t.same(table)
    writes_counted(t, before, 16)


@case(pairs=("41", "50"))
def default_timestamps(t):
    table = t.table(ROW)
    t.call(write_without_timestamps, table)
    t.same(table, rows=3 * 22)


@case(pairs=("41", "50"))
def batch(t):
    table = t.table(ROW)
    counters = t.table("id int PRIMARY KEY, n counter", "batch_counters")
    for protocol in (3, 4, 5):
        t.call(write_batches, table, counters, protocol)
    t.same(table, counters)


@case()
def counter(t):
    table = t.table("id int PRIMARY KEY, n counter")
    t.seen("counters", t.call(count, table))
    t.same(table, rows=7)


@case()
def use(t):
    second = t.ks + "b"
    for session in (t.origin, t.target) if t.seam else (t.origin,):
        session.run("CREATE KEYSPACE IF NOT EXISTS %s WITH replication = "
                    "{'class': 'SimpleStrategy', 'replication_factor': 1}" % second)
    t.table("id int PRIMARY KEY, v text", "use_table")
    t.ddl("CREATE TABLE %s.use_table (id int PRIMARY KEY, v text)" % second)
    t.seen("answers", t.call(use_keyspaces, t.ks, second))
    t.same(t.ks + ".use_table", second + ".use_table")


@case(pairs=("41", "50"))
def paging(t):
    table = t.table("k int, c int, v text, PRIMARY KEY (k, c)")
    for protocol in (4, 5):
        assert t.call(page, table, protocol) == 300
    t.same(table, rows=600)


@case(pairs=("41", "50"))
def types_and_collections(t):
    table = t.table("id uuid PRIMARY KEY, a text, b bigint, c decimal, d double, e blob, f boolean, g timestamp, h inet, "
                    "i date, l list<int>, s set<text>, m map<text, int>, fl frozen<list<int>>, t tuple<int, text>", "types")
    t.seen("rows", t.call(write_types, table))
    t.same(table, rows=5)


@case(pairs=("41", "50"))
def large_values(t):
    table = t.table("id text PRIMARY KEY, v blob")
    for protocol, compression_used in ((4, False), (5, False), (5, "lz4")):
        t.call(write_large, table, protocol, compression_used)
    t.same(table, rows=27)


@case()
def errors_alike(t):
    table = t.table("id int PRIMARY KEY, v text")
    t.seen("errors", t.call(make_errors, t.ks, table))
    t.same(table, rows=1)


@case()
def tracing_and_payload(t):
    table = t.table("id int PRIMARY KEY, v text")
    assert t.call(trace, table)
    t.same(table, rows=2)
