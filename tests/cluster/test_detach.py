"""Letting go: hooks gone, live sessions go on, not one error."""
from harness.case import assert_calm, case, progress
from harness.wait import until

LOAD = "id bigint PRIMARY KEY, n int, v text"


# ---- app parts

def write_one(app, table, row):
    app.session().execute("INSERT INTO %s (id, n, v) VALUES (%d, 0, 'one')" % (table, row))


# ---- cases

@case(pairs=("41", "50"), disruptive=True)
def detach_under_load(t):
    table = t.table(LOAD)
    control = t.table(LOAD, "t_detach_control")
    load = t.load(table, rate=250)
    beside = t.direct_load(control, rate=50)
    progress(load, 300)
    mirrored = load.report()["written"] - 64
    if t.seam:
        shown = t.seam.detach(t.app)
        assert shown["name"] == t.app and shown["state"] in ("detaching", "detached"), shown
        assert t.count("connections.captured") >= 3, "live sessions were cut: %s" % t.status()
        assert not [p for p in t.seam.pins() if p.endswith("/" + t.app)], t.seam.pins()
    alone = load.report()["written"] + 1
    progress(load, 300)
    end = load.report()["written"] - 64
    before = t.count("sessions.total") if t.seam else 0
    # new connections are direct, while the old ones live
    load.renew()
    progress(load, 150)
    if t.seam:
        assert t.count("sessions.total") == before, "a connection was captured after detach"
        until("the old sessions have ended", lambda: t.count("sessions.open") == 0, 10)
        assert t.status()["state"] == "detached", t.status()
    report = load.stop()
    assert_calm(beside.stop(), "direct, beside it")
    assert_calm(report, "through the detach")
    here = t.ids(t.origin, table)
    assert here == set(range(1, report["written"] + 1))
    if t.seam:
        there = t.ids(t.target, table)
        assert set(range(1, mirrored + 1)) <= there, "rows of before the detach are missing on Target"
        assert not there & set(range(alone, end + 1)), "rows of after the detach are on Target"
        t.seam.detach(t.app)


@case(pairs=("41",), control=False, disruptive=True)
def detach_without_daemon(t):
    """The way back needs no daemon: kill -9 of it, then the CLI alone unlinks the pins."""
    table = t.table(LOAD)
    load = t.load(table, rate=100)
    progress(load, 100)
    t.seam.kill()
    t.seam.cli("detach", t.app, "--config", t.seam.config)
    assert not [p for p in t.seam.pins() if p.endswith("/" + t.app)], t.seam.pins()
    t.call(write_one, table, 1 << 40)
    assert (1 << 40) not in t.ids(t.target, table), "captured after detach"
    load.renew()
    progress(load, 50)
    assert load.stop()["wrong"] == 0
    until("the old mirror has ended", lambda: not t.seam.processes(), 30)
    # kept: the next daemon does not attach it by itself
    t.seam.start()
    assert t.status()["state"] == "detached", t.status()
