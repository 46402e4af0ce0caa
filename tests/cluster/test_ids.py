"""Prepared ids and result metadata: the client's are Origin's, always."""
from cassandra.query import BatchStatement

from harness.case import case
from harness.wait import until


# ---- app parts

def open_old(app, table):
    session = app.hold("old", app.session())
    app.keep["statement"] = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % table)
    app.keep["read"] = session.prepare("SELECT v FROM %s WHERE id = ?" % table)
    for i in range(8):
        session.execute(app.keep["statement"], (i, "before the attach"))


def use_old_ids(app, first, last):
    """On a new session, whose connections never saw the PREPARE."""
    session = app.session()
    for i in range(first, last):
        session.execute(app.keep["statement"], (i, "by an id from another connection"))
    return session.execute(app.keep["read"], (first,)).one().v


def write_on_old(app, first, last):
    for i in range(first, last):
        app.keep["old"].execute(app.keep["statement"], (i, "on the old connection"))


def execute_where_unprepared(app, nodes, table, counters):
    """PREPARE on one node, EXECUTE on the other: a driver gets there when a node is new. Nothing may run twice."""
    first, second = app.session(only=[nodes[0]]), app.session(only=[nodes[1]])
    for i in range(5):
        insert = first.prepare("INSERT INTO %s (id, v) VALUES (?, 'unprepared %d')" % (table, i))
        add = first.prepare("UPDATE %s SET n = n + %d WHERE id = ?" % (counters, i + 1))
        append = first.prepare("UPDATE %s SET l = l + [%d] WHERE id = 100" % (table, i))
        second.execute(insert, (i,))
        second.execute(add, (1,))
        second.execute(append)
        batch = BatchStatement()
        batched = first.prepare("INSERT INTO %s (id, v) VALUES (?, 'batch %d')" % (table, i))
        # for a batch this driver re-prepares only what its own cluster object knows
        second.cluster.add_prepared(batched.query_id, batched)
        batch.add(batched, (10 + i,))
        second.execute(batch)
    return [(r.id, r.n) for r in second.execute("SELECT id, n FROM %s" % counters)]


def drop_old(app):
    app.drop("old")


def change_a_read_table(app, table):
    """v5: the result metadata's id changes with the table, and the driver takes the new one."""
    session, other = app.session(protocol=5), app.session(protocol=5)
    select = session.prepare("SELECT * FROM %s WHERE id = ?" % table)
    insert = session.prepare("INSERT INTO %s (id, v) VALUES (?, ?)" % table)
    seen = []
    session.execute(insert, (1, "one"))
    seen.append(tuple(session.execute(select, (1,)).one()._fields))
    other.execute("ALTER TABLE %s ADD a int" % table)
    other.execute("INSERT INTO %s (id, v, a) VALUES (2, 'two', 22)" % table)
    seen.append([tuple(r) for _ in range(3) for r in session.execute(select, (2,))])
    seen.append(tuple(session.execute(select, (1,)).one()._fields))
    session.execute(insert, (3, "three"))
    other.execute("ALTER TABLE %s DROP v" % table)
    seen.append(sorted(session.execute(select, (2,)).one()._fields))
    return seen


def prepare_many(app, table):
    session = app.session(protocol=5)
    made = [session.prepare("INSERT INTO %s (id, v) VALUES (?, '%d')" % (table, i)) for i in range(150)]
    for i, statement in enumerate(made):
        session.execute(statement, (i,))
    again = app.session(protocol=5)
    for i, statement in enumerate(made):
        again.execute(statement, (1000 + i,))
    return [len(s.query_id) for s in made[:2]], [s.query_id.hex() for s in made[:3]]


# ---- cases

@case(pairs=("41", "50"))
def result_metadata_v5(t):
    table = t.table("id int PRIMARY KEY, v text")
    t.seen("metadata", t.call(change_a_read_table, table))
    t.same(table, rows=3)


@case()
def many_prepared(t):
    table = t.table("id int PRIMARY KEY, v text")
    lengths, _ = t.call(prepare_many, table)
    assert lengths == [16, 16]
    t.same(table, rows=300)


@case(pairs=("41", "50"))
def unprepared_on_one_node(t):
    table = t.table("id int PRIMARY KEY, v text, l list<int>")
    counters = t.table("id int PRIMARY KEY, n counter", "t_unprepared_counters")
    before = t.count("target.diverged") if t.seam else 0
    assert t.call(execute_where_unprepared, t.pair.origin.addresses, table, counters) == [(1, 15)]
    t.same(table, rows=11)
    t.same(counters, rows=1)
    if t.seam:
        assert t.count("target.diverged") == before, t.status()["target"]


@case()
def unknown_id_and_old_connections(t):
    """An app that lives while it is attached: its old connections stay direct and are shown, the ids that it has stay good."""
    table = t.table("id int PRIMARY KEY, v text")
    if t.seam:
        t.seam.detach(t.app)
        assert t.status()["state"] == "detached", t.status()
    t.call(open_old, table)
    try:
        if t.seam:
            t.seam.attach(t.app, t.pair.cgroups[t.case.app])
            assert t.status()["state"] == "attached", t.status()
            t.seam.phase(t.app, "dual-write")
            until("the old connections are shown", lambda: t.count("connections.not_captured") >= 3, 10)
            assert any(g["to"] is None and g["direction"] == "to_target" for g in t.status()["gaps"]), t.status()["gaps"]
        # by ids, mirrored: statements that no captured connection prepared
        assert t.call(use_old_ids, 100, 120) == "by an id from another connection"
        t.call(write_on_old, 200, 205)
        if t.seam:
            assert t.ids(t.target, table) == set(range(100, 120)), t.ids(t.target, table)
    finally:
        t.call(drop_old)
    assert t.ids(t.origin, table) == set(range(8)) | set(range(100, 120)) | set(range(200, 205))
    if t.seam:
        until("no direct connection is left", lambda: t.count("connections.not_captured") == 0, 10)
        until("the gap has ended", lambda: all(g["to"] for g in t.status()["gaps"]), 15)
