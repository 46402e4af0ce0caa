"""What is not mirrored is counted, flagged, and right on Origin."""
from cassandra.query import BatchStatement, BatchType

from harness.case import case


# ---- app parts

def compare_and_set(app, table):
    session = app.session()
    insert = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?) IF NOT EXISTS" % table)
    update = session.prepare("UPDATE %s SET v = ? WHERE id = ? IF v = ?" % table)
    out = [tuple(session.execute(insert, (1, "first")).one()), tuple(session.execute(insert, (1, "second")).one())]
    out += [tuple(session.execute(update, ("new", 1, "first")).one()), tuple(session.execute(update, ("x", 1, "first")).one())]
    out.append(tuple(session.execute("INSERT INTO %s (id, v) VALUES (2, 'two') IF NOT EXISTS" % table).one()))
    out.append(tuple(session.execute("DELETE FROM %s WHERE id = 2 IF EXISTS" % table).one()))
    batch = BatchStatement()
    batch.add(insert, (3, "three"))
    out.append(tuple(session.execute(batch).one()))
    session.execute("INSERT INTO %s (id, v) VALUES (10, 'plain: IF is not here')" % table)
    return out


def call_functions(app, table):
    session = app.session()
    insert = session.prepare("INSERT INTO %s (id, u) VALUES (?, now())" % table)
    for i in range(3):
        session.execute(insert, (i,))
    session.execute("INSERT INTO %s (id, u) VALUES (3, uuid())" % table)
    batch = BatchStatement(BatchType.UNLOGGED)
    batch.add("INSERT INTO %s (id, u) VALUES (4, now())" % table)
    session.execute(batch)
    session.execute("INSERT INTO %s (id, v) VALUES (5, 'now() in a text')" % table)
    return [r.now is not None for r in session.execute("SELECT now() AS now FROM %s LIMIT 1" % table)]


def write_excluded(app, excluded, mirrored):
    session = app.session()
    insert = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % excluded)
    other = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % mirrored)
    session.execute(insert, (1, "prepared"))
    session.execute("INSERT INTO %s (id, v) VALUES (2, 'simple')" % excluded)
    session.execute("USE %s" % excluded.split(".")[0])
    session.execute("INSERT INTO %s (id, v) VALUES (3, 'unqualified')" % excluded.split(".")[1])
    session.execute(other, (1, "mirrored"))
    read = sorted(r.id for r in session.execute("SELECT id FROM %s" % excluded))
    mixed = BatchStatement()
    mixed.add(insert, (4, "in a mixed batch"))
    mixed.add(other, (4, "in a mixed batch"))
    try:
        session.execute(mixed)
        return read, "accepted"
    except Exception as exc:
        return read, type(exc).__name__


# ---- cases

def flags(t):
    return [f for f in t.status()["flagged"]]


@case()
def lwt(t):
    table = t.table("id int PRIMARY KEY, v text")
    before = t.count("unmirrored.lwt") if t.seam else 0
    t.seen("answers", t.call(compare_and_set, table))
    t.grows("unmirrored.lwt", before, 7)
    if t.seam:
        assert t.ids(t.target, table) == {10}, t.ids(t.target, table)
        assert any(f["table"] == table for f in flags(t)), flags(t)
    assert t.ids(t.origin, table) == {1, 3, 10}


@case()
def functions(t):
    table = t.table("id int PRIMARY KEY, u uuid, v text")
    before = t.count("unmirrored.functions") if t.seam else 0
    t.call(call_functions, table)
    t.grows("unmirrored.functions", before, 5)
    if t.seam:
        assert t.ids(t.target, table) == t.ids(t.origin, table) == set(range(6))
        assert any(f["table"] == table for f in flags(t)), flags(t)


@case()
def excluded(t):
    excluded_table = t.table("id int PRIMARY KEY, v text", "excluded")
    mirrored = t.table("id int PRIMARY KEY, v text", "not_excluded")
    before = t.count("unmirrored.excluded") if t.seam else 0
    read, mixed = t.call(write_excluded, excluded_table, mirrored)
    assert read == [1, 2, 3], read
    assert mixed == ("InvalidRequest" if t.seam else "accepted"), mixed
    if t.seam:
        t.grows("unmirrored.excluded", before, 3)
        assert t.ids(t.target, excluded_table) == set()
        assert t.ids(t.origin, excluded_table) == {1, 2, 3}, "a refused batch was run"
        t.same(mirrored, rows=1)
