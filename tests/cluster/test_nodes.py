"""Nodes that go and come: Target's never touch the app's connections, Origin's look as they do without Seam."""
import signal
import time

from cassandra import WriteTimeout

from harness.case import assert_calm, case, progress
from harness.wait import until

LOAD = "id bigint PRIMARY KEY, n int, v text"
# What Seam may add to the errors that the same app sees without it when a node dies: requests in flight on either leg.
SLACK = 4
# More ids than the load has in flight at once (32 requests, of two rows at most).
IN_FLIGHT = 64


# ---- app parts

def write_some(app, table, first, last):
    """Each write's fate, and how long the slowest took."""
    session = app.session()
    insert = session.prepare("INSERT INTO %s (id, n, v) VALUES (?, ?, ?)" % table)
    failed, slowest = [], 0.0
    for i in range(first, last):
        start = time.monotonic()
        try:
            session.execute(insert, (i, i, "some"))
        except WriteTimeout as exc:
            failed.append((i, exc.write_type, exc.received_responses, exc.required_responses))
        slowest = max(slowest, time.monotonic() - start)
    read = session.execute("SELECT id FROM %s WHERE id = %d" % (table, first)).one()
    return failed, slowest, read is not None


# ---- cases

@case(app="lenient", control=False, disruptive=True)
def target_down_and_up(t):
    """Policy count: the app sees nothing; every missing row is one counted; written again, all is equal."""
    table = t.table(LOAD)
    strict_table = t.table(LOAD, "t_target_down_strict")
    strict, node = t.pair.workers["strict"], t.pair.target.nodes[0]
    strict_app = t.pair.app_name("strict")
    load = t.load(table, rate=200)
    progress(load, 200)
    counted = t.count("target.failed_writes")
    strict_counted = t.seam.status(strict_app)["target"]["failed_writes"]
    # those sent before, less what may still be in flight
    first = load.report()["written"] - IN_FLIGHT
    node.stop(hard=True)
    until("status says that Target is down", lambda: t.count("target.state") == "down", 20)
    progress(load, 300)
    # policy fail, meanwhile: the truth, a write of unknown outcome; reads and new sessions are fine
    failed, slowest, read = strict.call(write_some, strict_table, 0, 5)
    assert len(failed) == 5 and read, (failed, read)
    assert slowest < 8, slowest
    now = t.seam.status(strict_app)["target"]["failed_writes"]
    assert now >= strict_counted + 5, (strict_counted, now)
    report = load.report()
    assert_calm(report, "Target down")
    node.start()
    node.ready()
    until("status says that Target is up", lambda: t.count("target.state") == "up", 30)
    progress(load, 400)
    # the legs are back: from here on rows reach Target again
    fresh = load.report()["written"] + 1
    progress(load, 100)
    load.ask("rate", "rate", per_s=0)
    until("nothing is in flight", lambda: load.report()["in_flight"] == 0, 10)
    report = load.report()
    assert_calm(report, "Target down and up")
    t.pair.renew_target_session()
    target = t.pair.target_session
    here, there = t.ids(t.origin, table), t.ids(target, table)
    missing = here - there
    failed_writes = t.count("target.failed_writes") - counted
    assert here == set(range(1, report["written"] + 1)), "acknowledged rows are missing on Origin"
    assert missing and min(missing) >= first, "missing on Target before it went down (%d): %s" % (
        first, sorted(missing)[:10])
    assert not [i for i in missing if i >= fresh], "missing on Target long after it was back: %s" % sorted(missing)[-10:]
    # a batch has two rows
    assert len(missing) <= 2 * failed_writes, "%d rows missing, %d writes counted" % (len(missing), failed_writes)
    assert any(f["table"] == table or f["table"] is None for f in t.status()["flagged"]), t.status()["flagged"]
    said = load.ask("rewrite", "rewritten", ids=sorted(missing), seconds=60)
    assert said == {"event": "rewritten", "rows": len(missing), "errors": 0}, said
    load.stop()
    t.target = target
    t.same(table, rows=report["written"])
    failed, _, _ = strict.call(write_some, strict_table, 100, 110)
    assert not failed, failed


@case(app="lenient", control=False, disruptive=True)
def target_frozen(t):
    """A Target that answers nothing: count costs a write follower_wait, fail costs request_timeout; reads cost nothing."""
    table = t.table(LOAD)
    strict_table = t.table(LOAD, "t_target_frozen_strict")
    node = t.pair.target.nodes[0]
    load = t.load(table, rate=100)
    strict_load = t.load(strict_table, app="strict", rate=20, retry="none")
    progress(load, 100)
    progress(strict_load, 20)
    node.signal(signal.SIGSTOP)
    try:
        frozen = load.report()
        progress(load, 300)
        report = progress(strict_load, 60)
        assert set(report["errors_by"]) <= {"WriteTimeout"} and report["connections_lost"] == 0, report
        until("a strict write has timed out", lambda: strict_load.report()["errors_by"].get("WriteTimeout", 0) > 0, 15)
    finally:
        node.signal(signal.SIGCONT)
    until("status says that Target is up", lambda: t.count("target.state") == "up", 30)
    report = load.report()
    assert_calm(report, "Target frozen")
    assert report["seconds"] - frozen["seconds"] < 30, (frozen, report)
    mended = strict_load.report()["errors"]
    until("strict writes succeed again", lambda: calm_for(strict_load, 2.0), 30)
    assert_calm(load.stop(), "Target frozen and thawed")
    last = strict_load.stop()
    assert last["errors"] >= mended and last["connections_lost"] == 0 and last["wrong"] == 0, last


def calm_for(load, seconds):
    age = load.report()["last_error_age_s"]
    return age is None or age > seconds


@case(disruptive=True)
def origin_node_down_and_up(t):
    """The driver sees a node of its own go and come, exactly as without Seam; beside it runs the same app directly."""
    table = t.table(LOAD)
    control = t.table(LOAD, "t_origin_down_control")
    node = t.pair.origin.nodes[1]
    load = t.load(table, rate=150)
    beside = t.direct_load(control, rate=150)
    progress(load, 150)
    node.stop(hard=True)
    progress(load, 450)
    down = load.report()
    if t.seam:
        rows = t.seam.cli("sessions", t.app).json
        assert rows and not [r for r in rows if r["origin"].startswith(node.address + ":")], rows
    node.start()
    node.ready()
    if t.seam:
        def back():
            return [r for r in t.seam.cli("sessions", t.app).json if r["origin"].startswith(node.address + ":")]
        until("the node that came back has captured connections", back, 60, 0.5)
        assert t.count("connections.not_captured") == 0, t.status()
    progress(load, 300)
    report, other = load.stop(), beside.stop()
    assert report["wrong"] == 0 and report["errors"] <= other["errors"] + SLACK, (report, other)
    assert report["connections_lost"] > 0 and down["connections_lost"] > 0, "the app must see its node go: %s" % report
    assert report["connections_lost"] <= other["connections_lost"] + 2, (report, other)
    if t.seam:
        # rows with errors may be on one side only: what is on Target must be as Origin has it
        t.pair.renew_origin_session()
        unsure = report["unsure"]
        here, there = t.ids(t.pair.origin_session, table), t.ids(t.target, table)
        assert len(here ^ there) <= 2 * unsure, "%d rows on one side alone, %d unsure" % (len(here ^ there), unsure)
        if not unsure:
            t.origin = t.pair.origin_session
            t.same(table, rows=report["written"])
