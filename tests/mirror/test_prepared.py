"""Prepared statements: two clusters with ids of their own, one id for the client."""
import cql
import fake
from rig import until

INSERT = "INSERT INTO ks.t (k) VALUES (?)"
ONE = [b"\0\0\0\1"]


def test_prepare_goes_to_both(new):
    """Origin's id and metadata are what the client sees, in any order of the answers; Target gets its own ids."""
    rig = new()
    for version in (3, 4, 5):
        for slow in (None, rig.origin, rig.target):
            c = rig.client(version)
            text = INSERT + " USING TTL %d" % (version * 10 + (0 if not slow else 1 if slow is rig.origin else 2))
            for n in rig.nodes:
                n.clear()
            if slow:
                slow.rule(cql.PREPARE, fake.later(0.1))
            ident = c.prepare(text)
            assert ident == rig.origin.identity(text, None)
            assert c.meta_id == (cql.md5("", "[]") if version >= 5 else b"")
            until(lambda: len(rig.target.seen(text, cql.PREPARE)) == 1, "Target's PREPARE")
            c.good(c.execute(ident, values=ONE))
            a, b = rig.origin.seen(text, cql.EXECUTE)[0], rig.target.seen(text, cql.EXECUTE)[0]
            assert a.id == ident and b.id == rig.target.identity(text, None) != ident
            assert a.values == b.values == ONE and a.timestamp == b.timestamp
            if version >= 5:
                assert b.meta_id == cql.md5("T", "[]") != a.meta_id
    rig.expect(failed=0, failed_writes=0, diverged=0)


def test_reads_execute_on_origin_alone(new):
    rig = new()
    c = rig.client()
    ident = c.prepare("SELECT k FROM ks.t WHERE k = ?")
    c.good(c.execute(ident, values=ONE))
    assert not rig.target.seen(opcode=cql.EXECUTE)
    rig.expect(reads=1)


def test_unknown_id_is_unprepared(new):
    """In every phase, so that a switch shows none."""
    for phase in ("passthrough", "dual-write"):
        rig = new(phase=phase)
        c = rig.client()
        rig.origin.known[b"x" * 16] = INSERT  # Origin would run it
        f = c.bad(c.execute(b"x" * 16, values=ONE), cql.UNPREPARED)
        assert f.id == b"x" * 16 and not rig.origin.seen(opcode=cql.EXECUTE)
        c.bad(c.batch([(b"x" * 16, ONE)]), cql.UNPREPARED)
        assert not rig.origin.seen(opcode=cql.BATCH)
        ident = c.prepare(INSERT)
        c.good(c.execute(ident, values=ONE))
        c.good(c.batch([(ident, ONE)]))
        rig.expect(failed=0, writes=2)
        d = rig.client(3)
        d.bad(d.execute(ident, values=ONE), cql.UNPREPARED)  # its metadata differ by version


def test_learned_in_passthrough_used_in_dual_write(new):
    rig = new(phase="passthrough")
    c = rig.client()
    ident = c.prepare(INSERT)
    c.good(c.execute(ident, values=ONE))
    assert not rig.target.seen(opcode=cql.PREPARE)
    assert rig.phase("dual-write")["ok"]
    c.good(c.execute(ident, values=ONE))
    c.good(c.batch([(ident, ONE), ("INSERT INTO ks.t (k) VALUES (4)", [])]))
    assert len(rig.target.seen(INSERT, cql.PREPARE)) == 1 and len(rig.target.seen(opcode=cql.EXECUTE)) == 1
    assert rig.target.seen(opcode=cql.BATCH)[0].children[0] == (rig.target.identity(INSERT, None), ONE)
    other = rig.client()
    other.good(other.execute(ident, values=ONE))
    rig.expect(failed=0, failed_writes=0)


def test_target_forgets(new):
    """UNPREPARED of Target is mended there alone."""
    for failure in ("fail", "count"):
        rig = new(failure=failure, follower_wait_ms=2000)
        c = rig.client()
        ident, second = c.prepare(INSERT), c.prepare(INSERT + " USING TTL 5")
        until(lambda: len(rig.target.known) == 2, "Target's PREPAREs")
        rig.target.known.clear()
        c.good(c.execute(ident, values=ONE))
        assert len(rig.origin.seen(opcode=cql.EXECUTE)) == 1, "Origin runs it once"
        assert len(rig.target.seen(opcode=cql.EXECUTE)) == 2
        rig.target.known.clear()
        c.good(c.batch([(ident, ONE), (second, ONE), (ident, ONE)]))
        assert len(rig.origin.seen(opcode=cql.BATCH)) == 1
        assert len(rig.target.log) and [w for w, _ in rig.target.seen(opcode=cql.BATCH)[-1].children] == [
            rig.target.identity(t, None) for t in (INSERT, INSERT + " USING TTL 5", INSERT)]
        rig.expect(failed=0, failed_writes=0, diverged=0)
        # one that never remembers
        rig.target.rule(lambda r: r.opcode == cql.EXECUTE, lambda s, r: s.node.unprepared(s, r, r.id))
        answer = c.execute(ident, values=ONE)
        if failure == "fail":
            c.bad(answer, cql.WRITE_TIMEOUT)
        else:
            c.good(answer)
        rig.expect(failed_writes=1)
        assert len(rig.target.seen(opcode=cql.EXECUTE)) < 20
        # and one on which it cannot be prepared any more
        rig.target.clear()
        rig.target.known.clear()
        rig.target.rule(cql.PREPARE, fake.fails(cql.INVALID, "unconfigured table"))
        answer = c.execute(ident, values=ONE)
        if failure == "fail":
            assert c.bad(answer, cql.INVALID).text == "unconfigured table"
        else:
            c.good(answer)
        rig.expect(failed_writes=2)


def test_origin_forgets_in_a_dual_write(new):
    rig = new()
    c = rig.client()
    ident = c.prepare(INSERT)
    until(lambda: rig.target.known, "Target's PREPARE")
    rig.origin.known.clear()
    c.good(c.execute(ident, values=ONE))
    assert len(rig.target.seen(opcode=cql.EXECUTE)) == 1 and len(rig.origin.seen(opcode=cql.EXECUTE)) == 2
    rig.origin.known.clear()
    c.good(c.batch([(ident, ONE)]))
    rig.expect(failed=0, failed_writes=0, diverged=0)
    # of a read, and in passthrough, the client prepares again as it always did
    select = c.prepare("SELECT k FROM ks.t WHERE k = ?")
    rig.origin.known.clear()
    assert c.bad(c.execute(select, values=ONE), cql.UNPREPARED).id == select


def test_unlike_bind_metadata(new):
    for failure in ("fail", "count"):
        rig = new(failure=failure)
        rig.target.bind[INSERT] = [("v0", cql.TEXT)]
        c = rig.client()
        ident = c.prepare(INSERT)
        until(lambda: rig.target.seen(opcode=cql.PREPARE), "Target's PREPARE")
        for request in (lambda: c.execute(ident, values=ONE), lambda: c.batch([(ident, ONE)])):
            answer = request()
            if failure == "fail":
                c.bad(answer, cql.INVALID)
            else:
                c.good(answer)
        assert not rig.target.seen(opcode=cql.EXECUTE) and not rig.target.seen(opcode=cql.BATCH)
        rig.expect(failed_writes=2, diverged=0)
        rig.keeper.wait_said("flag", table="ks.t", reason="schema")


def test_unlike_result_metadata_clears_skip_metadata(new):
    for version in (4, 5):
        rig = new()
        lists = "UPDATE ks.t SET v = ? WHERE k = 1"
        rig.target.result[lists] = [("[applied]", 4)]
        c = rig.client(version)
        for text, kept in ((INSERT, True), (lists, False)):
            ident = c.prepare(text)
            until(lambda: rig.target.seen(text, cql.PREPARE), "Target's PREPARE")
            c.good(c.execute(ident, values=ONE, **{"flags": 0}))
            got = c.ask(cql.EXECUTE, cql.execute(version, ident, c.meta_id, values=ONE, timestamp=5).replace(
                b"", b""))
            c.good(got)
            body = cql.short_bytes(ident) + (cql.short_bytes(c.meta_id) if version >= 5 else b"") + cql.params(version, values=ONE, flags=2)
            c.good(c.ask(cql.EXECUTE, body))
            assert rig.origin.seen(text, cql.EXECUTE)[-1].query_flags & 2
            assert bool(rig.target.seen(text, cql.EXECUTE)[-1].query_flags & 2) == kept, text


def test_prepared_in_another_keyspace(new):
    """v3, v4: what was prepared in K is prepared on Target in K, and the leg comes back to where the session is."""
    rig = new(phase="passthrough")
    text = "INSERT INTO t (k) VALUES (?)"
    a, b = rig.client(), rig.client()
    a.ok("USE ks")
    ident = a.prepare(text)
    b.ok("USE other")
    assert rig.phase("dual-write")["ok"]
    b.good(b.execute(ident, values=ONE))
    leg = next(x for x in rig.target.legs() if x.requests and any(r.text == text for r in x.requests))
    story = [r.text or "EXECUTE" for r in leg.requests if r.opcode in (cql.QUERY, cql.PREPARE, cql.EXECUTE)]
    assert story[:3] == ['USE "other"', 'USE "ks"', text], story
    assert leg.requests[-1].id == rig.target.identity(text, "ks") or 'USE "other"' in story[3:]
    b.ok("INSERT INTO t (k) VALUES (8)")
    until(lambda: leg.keyspace == "other", "the leg comes back")
    assert rig.target.wait("VALUES (8)")[0].connection.keyspace == "other"
    rig.expect(failed=0, failed_writes=0)
    # a session in no keyspace
    c = rig.client()
    rig.target.known.clear()
    c.good(c.execute(ident, values=ONE))
    c.ok("INSERT INTO ks.t (k) VALUES (9)")
    rig.expect(failed=0, failed_writes=0)


def test_prepared_with_its_own_keyspace(new):
    """v5 gives the keyspace with PREPARE."""
    rig = new()
    c = rig.client(5)
    text = "INSERT INTO t (k) VALUES (?)"
    ident = c.prepare(text, keyspace="ks")
    until(lambda: rig.target.seen(text, cql.PREPARE), "Target's PREPARE")
    assert rig.target.seen(text, cql.PREPARE)[0].keyspace == "ks"
    rig.target.known.clear()
    c.good(c.execute(ident, values=ONE))
    assert [r.keyspace for r in rig.target.seen(text, cql.PREPARE)] == ["ks", "ks"]
    assert not rig.target.seen("USE")
    c.ok("INSERT INTO t (k) VALUES (3)", keyspace="other")
    assert rig.target.seen("VALUES (3)")[0].keyspace == "other"
    rig.expect(failed=0, failed_writes=0)


def test_prepared_use_and_ddl(new):
    """Any statement can be prepared: what it does decides."""
    rig = new()
    c = rig.client()
    c.good(c.execute(c.prepare("USE ks")))
    ddl = c.prepare("CREATE TABLE n (k int PRIMARY KEY)")
    c.ok("INSERT INTO t (k) VALUES (1)")
    assert rig.target.wait("INSERT INTO t")[0].connection.keyspace == "ks"
    c.good(c.execute(ddl))
    assert rig.target.seen("CREATE TABLE n", cql.EXECUTE) and rig.sessions()[0]["keyspace"] == "ks"
    rig.expect(failed=0, failed_writes=0)


def test_table_made_anew(new):
    """Dropped and created with another type: the same text has the same id, and the writes go on to both."""
    rig = new()
    c = rig.client()
    ident = c.prepare(INSERT)
    c.good(c.execute(ident, values=ONE))
    for n in rig.nodes:
        n.bind[INSERT] = [("v0", cql.BIGINT)]
        n.known.clear()
    assert c.prepare(INSERT) == ident
    c.good(c.execute(ident, values=[b"\0" * 8]))
    assert len(rig.target.seen(opcode=cql.EXECUTE)) == 2
    rig.expect(failed=0, failed_writes=0)


def test_cache_is_bounded(new):
    """Beyond `prepared` statements the least recently used goes; its client is told UNPREPARED and prepares again."""
    rig = new(prepared=20)
    c = rig.client()
    idents = [c.prepare(INSERT + " USING TTL %d" % n) for n in range(60)]
    known = sum(1 for i in idents if c.execute(i, values=ONE).opcode == cql.RESULT)
    assert known <= 20, known
    c.good(c.execute(idents[59], values=ONE))
    rig.expect(failed=0, failed_writes=0)


def test_prepare_fails_on_one_side(new):
    rig = new(failure="count")
    c = rig.client()
    rig.target.rule(cql.PREPARE, fake.fails(cql.INVALID, "no such table"), times=1)
    ident = c.prepare(INSERT)
    c.good(c.execute(ident, values=ONE))  # prepared there once more, and now it works
    rig.expect(failed_writes=0)
    rig.origin.rule(cql.PREPARE, fake.fails(cql.SYNTAX, "what?"))
    c.bad(c.ask(cql.PREPARE, cql.prepare(4, "INSERT INTO")), cql.SYNTAX)
    rig.expect(failed=0, diverged=0)
