"""The client's own login on Origin, Seam's on Target."""
import cql
import fake


def pair(**kw):
    return {"origin": fake.Node("origin", auth=("app", "secret")), "target": fake.Node("target", tag="T", auth=("seam", "own word"))} | kw


def test_own_login_on_target(new):
    rig = new(**pair())
    for version in (3, 4, 5):
        c = rig.client(version, user="app", password="secret", compression="lz4" if version == 5 else None)
        c.ok("INSERT INTO ks.t (k) VALUES (%d)" % version)
        leg = rig.target.seen("VALUES (%d)" % version)[0].connection
        assert leg.token == b"\0seam\0own word" and leg.driver == "tests"
        assert rig.origin.seen("VALUES (%d)" % version)[0].connection.token == b"\0app\0secret"
    assert rig.sessions()[0]["user"] == "app"
    rig.expect(failed=0, failed_writes=0)


def test_wrong_password_is_origin_s_answer(new):
    rig = new(**pair())
    for version in (4, 5):
        c = rig.client(version, ready=False, user="app", password="wrong")
        assert c.startup().opcode == cql.AUTHENTICATE
        got = c.login()
        assert c.bad(got, cql.BAD_CREDENTIALS).text == "Provided username and/or password are incorrect"
        # the same connection may try again
        c.password = "secret"
        assert c.login().opcode == cql.AUTH_SUCCESS
        c.ok("INSERT INTO ks.t (k) VALUES (%d)" % version)
    rig.expect(failed=0, failed_writes=0)
    assert "secret" not in rig.log() and "own word" not in rig.log()


def test_forward(new):
    target = fake.Node("target", tag="T", auth=("app", "secret"))
    rig = new(**pair(target=target, target_auth="forward"))
    c = rig.client(user="app", password="secret")
    c.ok("INSERT INTO ks.t (k) VALUES (1)")
    assert rig.target.seen("VALUES (1)")[0].connection.token == b"\0app\0secret"
    rig.expect(failed=0, failed_writes=0)


def test_forward_without_a_token(new):
    """Origin asks for no login: there is nothing to forward. The session lives on, without its leg."""
    rig = new(target=fake.Node("target", tag="T", auth=("a", "b")), target_auth="forward", failure="count")
    c = rig.client()
    c.ok("INSERT INTO ks.t (k) VALUES (1)")
    c.ok("SELECT k FROM ks.t")
    rig.expect(failed_writes=1, failed=0)


def test_target_without_login(new):
    rig = new(**pair(target=fake.Node("target", tag="T")))
    rig.client(user="app", password="secret").ok("INSERT INTO ks.t (k) VALUES (1)")
    rig.expect(failed_writes=0)


def test_target_refuses_seam(new):
    target = fake.Node("target", tag="T", auth=("seam", "x"))
    rig = new(**pair(target=target, wait=False, user="seam", password="not x", failure="count"))
    said = rig.keeper.wait_said("topology", cluster="new", ok=False)
    assert "Provided username" in said[0]["error"], said
    c = rig.client(user="app", password="secret")
    c.ok("INSERT INTO ks.t (k) VALUES (1)")
    rig.expect(failed_writes=1, state="down", failed=0)
    assert "not x" not in rig.log()


def test_any_mechanism_is_relayed(new):
    """Challenges pass in both directions, as many as Origin wants."""
    rig = new(**pair())

    def challenge(s, r):
        if r.token == b"one":
            s.send(r, cql.AUTH_CHALLENGE, cql.value(b"and?"))
        else:
            s.send(r, cql.AUTH_SUCCESS, cql.value(b"bye"))
    rig.origin.rule(cql.AUTH_RESPONSE, challenge)
    c = rig.client(ready=False)
    assert c.startup().opcode == cql.AUTHENTICATE
    got = c.ask(cql.AUTH_RESPONSE, cql.value(b"one"))
    assert (got.opcode, got.body) == (cql.AUTH_CHALLENGE, cql.value(b"and?"))
    got = c.ask(cql.AUTH_RESPONSE, cql.value(b"two"))
    assert (got.opcode, got.body) == (cql.AUTH_SUCCESS, cql.value(b"bye"))
    c.ok("INSERT INTO ks.t (k) VALUES (1)")
    rig.expect(failed_writes=0)
