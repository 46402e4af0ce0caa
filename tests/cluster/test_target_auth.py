"""Target's login: Seam's own, or the one that the client gave to Origin."""
from harness.case import case
from harness.wait import until


# ---- app parts

def write(app, table, auth):
    session = app.session(auth=auth)
    for i in range(5):
        session.execute("INSERT INTO %s (id, v) VALUES (%d, 'x')" % (table, i))


def hold(app):
    app.hold("forward", app.session())


def write_held(app, table):
    for i in range(5):
        app.keep["forward"].execute("INSERT INTO %s (id, v) VALUES (%d, 'x')" % (table, i))


def drop(app):
    app.drop("forward")


def try_write(app, table, auth):
    session = app.session(auth=auth)
    try:
        session.execute("INSERT INTO %s (id, v) VALUES (99, 'x')" % table)
        return "written"
    except Exception as exc:
        return type(exc).__name__


# ---- cases

@case(pairs=("50",), app="strict", control=False)
def target_auth_seam(t):
    """Target knows nothing of this user: Seam's own login carries the writes."""
    table = t.table("id int PRIMARY KEY, v text")
    t.origin.run("CREATE ROLE IF NOT EXISTS only_origin WITH PASSWORD = 'Only-word' AND LOGIN = true AND SUPERUSER = true")
    t.call(write, table, ("only_origin", "Only-word"))
    t.same(table, rows=5)


@case(pairs=("50",), app="lenient", control=False)
def first_write_has_its_leg(t):
    """A session gets its Target leg before its first write, though the login there takes longer than follower_wait."""
    table = t.table("id int PRIMARY KEY, v text")
    before = t.count("target.failed_writes")
    t.call(write, table, None)
    t.same(table, rows=5)
    t.grows("target.failed_writes", before, 0)


@case(pairs=("50",), app="lenient", control=False)
def target_auth_forward(t):
    table = t.table("id int PRIMARY KEY, v text")
    t.call(hold)
    try:
        until("every session has its Target leg", lambda: all(s["target"] for s in t.seam.cli("sessions", t.app).json))
        t.call(write_held, table)
        t.same(table, rows=5)
    finally:
        t.call(drop)
    # a user whom Target does not know: the app is served, and each write is counted
    t.origin.run("CREATE ROLE IF NOT EXISTS only_origin WITH PASSWORD = 'Only-word' AND LOGIN = true AND SUPERUSER = true")
    before = t.count("target.failed_writes")
    assert t.call(try_write, table, ("only_origin", "Only-word")) == "written"
    t.grows("target.failed_writes", before, 1)
    assert 99 in t.ids(t.origin, table) and 99 not in t.ids(t.target, table)


@case(pairs=("50",), app="lenient", control=False)
def foreign_login_hurts_no_other(t):
    """Target refuses one client's forwarded login: that is this client's trouble, not that of the app's other sessions."""
    table = t.table("id int PRIMARY KEY, v text")
    t.origin.run("CREATE ROLE IF NOT EXISTS only_origin WITH PASSWORD = 'Only-word' AND LOGIN = true AND SUPERUSER = true")
    t.call(hold)
    try:
        until("every session has its Target leg", lambda: all(s["target"] for s in t.seam.cli("sessions", t.app).json))
        for _ in range(3):
            assert t.call(try_write, table, ("only_origin", "Only-word")) == "written"
        assert t.count("target.state") == "up", t.status()["target"]
        before = t.count("target.failed_writes")
        t.call(write_held, table)
        t.call(write, table, None)
        t.grows("target.failed_writes", before, 0)
        assert t.ids(t.target, table) == set(range(5)), t.ids(t.target, table)
    finally:
        t.call(drop)
