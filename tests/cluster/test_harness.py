"""The tests' own eyes: that they see what differs."""
from harness.case import case
from harness.rows import alike, differences
from harness.wait import Late, until


@case()
def harness_sees_differences(t):
    for session, keyspace in ((t.pair.origin_session, t.pair.keyspace), (t.pair.target_session, t.pair.keyspace)):
        session.run("DROP TABLE IF EXISTS %s.eyes" % keyspace)
        session.run("CREATE TABLE %s.eyes (id int PRIMARY KEY, v text, w int, l list<int>)" % keyspace)
    name = t.pair.keyspace + ".eyes"
    base = "INSERT INTO " + name + " (id, v, l) VALUES (%d, '%s', [1]) USING TIMESTAMP %d%s"
    both = [(1, "equal", 100, ""), (2, "equal with a life", 100, " AND TTL 9000")]
    here = [(3, "missing", 100, ""), (5, "other writetime", 100, ""), (6, "other value", 100, ""),
            (7, "a life", 100, " AND TTL 9000"), (8, "lives", 100, " AND TTL 9000")]
    there = [(4, "extra", 100, ""), (5, "other writetime", 101, ""), (6, "another value", 100, ""), (7, "a life", 100, ""),
             (8, "lives", 100, " AND TTL 5000")]
    for session, rows in ((t.pair.origin_session, both + here), (t.pair.target_session, both + there)):
        for row in rows:
            session.run(base % row)
    missing, extra, unlike, count = differences(t.pair.origin_session, t.pair.target_session, name)
    keys = lambda d: sorted(int(k[0]) for k in d)
    assert (keys(missing), keys(extra), keys(unlike), count) == ([3], [4], [5, 6, 7, 8], 7), (missing, extra, unlike, count)
    # a column that only one side has is no small matter
    t.pair.target_session.run("ALTER TABLE %s ADD x int" % name)
    try:
        differences(t.pair.origin_session, t.pair.target_session, name)
    except AssertionError as exc:
        assert "another shape" in str(exc), exc
    else:
        raise AssertionError("another shape was not seen")
    assert not alike(((1,), (5,), (None,)), ((1,), (5,), (90,)))
    try:
        until("never", lambda: False, 0.3)
    except Late:
        return
    raise AssertionError("a deadline passed unseen")
