"""The phase changes while traffic flows: no error, no lost connection, and rows are where the phase says."""
from harness.case import assert_calm, case, progress
from harness.rows import differences
from harness.wait import until

LOAD = "id bigint PRIMARY KEY, n int, v text"


def settled(load):
    """The highest id of which every request so far has ended: later ones were begun after this call."""
    return load.report()["written"]


@case(disruptive=True)
def phases_under_load(t):
    table = t.table(LOAD)
    control = t.table(LOAD, "t_phases_control")
    if t.seam:
        t.seam.phase(t.app, "passthrough")
    load = t.load(table, rate=250)
    beside = t.direct_load(control, rate=50)
    progress(load, 200)
    spans = []
    for _ in range(3 if t.seam else 1):
        if t.seam:
            t.seam.phase(t.app, "dual-write")
            shown = t.seam.cli("phase", t.app).json
            assert shown["phase"] == "dual-write" and shown["app"] == t.app, shown
        first = settled(load) + 1
        progress(load, 300)
        last = load.report()["written"] - 64
        if t.seam:
            t.seam.phase(t.app, "passthrough")
        lone = settled(load) + 1
        progress(load, 200)
        spans.append((first, last, lone, load.report()["written"] - 64))
    report = load.stop()
    assert_calm(beside.stop(), "direct, beside it")
    assert_calm(report, "through the phases")
    if not t.seam:
        return
    here, there = t.ids(t.origin, table), t.ids(t.target, table)
    assert here == set(range(1, report["written"] + 1)), "Origin lacks acknowledged rows"
    missing, extra, unlike, _ = differences(t.origin, t.target, table)
    assert not extra and not unlike, (extra, unlike)
    for first, last, lone, end in spans:
        both, alone = set(range(first, last + 1)), set(range(lone, end + 1))
        assert both and alone, spans
        assert both <= there, "in dual-write, not on Target: %s" % sorted(both - there)[:20]
        assert not alone & there, "in passthrough, yet on Target: %s" % sorted(alone & there)[:20]
    assert len(missing) == len(here - there)
    gaps = t.status()["gaps"]
    assert any(g["to"] is None and g["direction"] == "to_target" for g in gaps), "no gap in passthrough: %s" % gaps
    t.seam.phase(t.app, "dual-write")
    until("the gap has ended", lambda: all(g["to"] for g in t.status()["gaps"]), 10)


@case(control=False)
def phases_refused(t):
    for phase in ("observe", "shadow-read", "target-read", "target-only"):
        said = t.seam.cli("phase", t.app, phase, check=False)
        assert said.code == 1 and "not in this version" in said.out + said.err, said
    said = t.seam.cli("phase", t.app, "no-such-phase", check=False)
    assert said.code == 2, said
    said = t.seam.cli("phase", "no-such-app", check=False)
    assert said.code == 2, said
    assert t.status()["phase"] == "dual-write"


@case(pairs=("41",), app="lenient", disruptive=True)
def renewed_sessions_under_load(t):
    """A deployment: new sessions take over, the old ones are closed, while everything is mirrored."""
    table = t.table(LOAD)
    load = t.load(table, rate=250)
    for _ in range(3):
        progress(load, 150)
        load.renew()
    progress(load, 150)
    report = load.stop()
    assert_calm(report, "renewing")
    t.same(table, rows=report["written"])
