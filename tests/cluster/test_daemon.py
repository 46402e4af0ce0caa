"""The daemon under an operator's hands: status, check, crashes of either process, stop and start."""
import json
import os
import re
import signal
import subprocess

from harness.case import assert_calm, case, progress
from harness.seam import programs
from harness.wait import until

LOAD = "id bigint PRIMARY KEY, n int, v text"
NUMBER = (int, float)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
# What status says, and as what type; a field of a feature that does not exist yet may be absent (journal, shadow).
DAEMON = {"version": str, "pid": int, "mirror_pid": int, "uptime_s": NUMBER, "state": str}
APP = {"name": str, "state": str, "phase": str, "authority": str, "cgroups": list,
       "data_path": {"mode": str, "reason": str},
       "connections": {"captured": int, "not_captured": int, "opaque": int, "turned_away": int},
       "sessions": {"open": int, "total": int},
       "requests": {"reads": int, "writes": int, "other": int, "failed": int},
       "unmirrored": {"lwt": int, "functions": int, "schema": int, "excluded": int, "other": int},
       "flagged": list, "target": {"state": str, "failed_writes": int, "diverged": int}, "gaps": list}


def typed(value, shape, at):
    """Each field there, with its type; at names the place in the message."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), "%s is %r, expected an object" % (at, value)
        for name, inner in shape.items():
            assert name in value, "%s.%s is missing" % (at, name)
            typed(value[name], inner, at + "." + name)
    else:
        assert isinstance(value, shape) and not isinstance(value, bool), "%s is %r, expected %s" % (at, value, shape)


# ---- app parts

def one_of_each(app, table):
    session = app.session()
    session.execute("INSERT INTO %s (id, v) VALUES (1, 'x')" % table)
    session.execute("SELECT * FROM %s" % table)


def try_connect(app):
    return app.session().execute("SELECT cluster_name FROM system.local").one().cluster_name


# ---- cases

@case(pairs=("41", "50"), control=False)
def status_fields(t):
    table = t.table("id int PRIMARY KEY, v text")
    before = t.status()["requests"]
    t.call(one_of_each, table)
    whole = t.seam.status()
    typed(whole["daemon"], DAEMON, "daemon")
    assert whole["daemon"]["state"] == "ready" and whole["daemon"]["pid"] == t.seam.pid, whole["daemon"]
    assert whole["daemon"]["mirror_pid"] in t.seam.processes(), (whole["daemon"], t.seam.processes())
    assert {a["name"] for a in whole["apps"]} == set(t.seam.apps), whole
    for app in whole["apps"]:
        typed(app, APP, app["name"])
        assert app["state"] == "attached" and app["authority"] == "origin" and app["target"]["state"] == "up", app
        assert app["data_path"]["mode"] == "tcp", app["data_path"]
        for flag in app["flagged"]:
            assert {"table", "reason", "since"} <= set(flag) and TIME.match(flag["since"]), flag
        for gap in app["gaps"]:
            assert {"from", "to", "direction", "reason"} <= set(gap) and TIME.match(gap["from"]), gap
            assert gap["to"] is None or TIME.match(gap["to"]), gap
    now = t.status()
    assert now["cgroups"] == [t.pair.cgroups[t.case.app].path], now["cgroups"]
    assert now["requests"]["reads"] > before["reads"] and now["requests"]["writes"] == before["writes"] + 1, (before, now)
    alone = t.seam.cli("status", t.app).json
    assert [a["name"] for a in alone["apps"]] == [t.app], alone
    assert t.seam.cli("status", json_out=False).out.strip(), "status for people is empty"
    with open("/proc/%d/status" % whole["daemon"]["mirror_pid"]) as f:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    assert fields["Uid"].split()[0] != "0" and int(fields["CapEff"], 16) == 0 and fields["NoNewPrivs"] == "1", fields


@case(pairs=("41", "50"), control=False)
def check_verb(t):
    said = t.seam.cli("check", "--config", t.seam.config, check=False)
    checks = said.json["checks"]
    assert checks and all({"name", "state", "detail"} <= set(c) and c["state"] in ("ok", "warn", "fail") for c in checks), checks
    failed = [c for c in checks if c["state"] == "fail"]
    assert said.code == (1 if failed else 0) and not failed, failed
    done = subprocess.run([os.path.join(programs(), "seamd"), "--config", t.seam.config, "--check-config"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=30, check=False)
    assert done.returncode == 0, done.stdout


@case(control=False)
def attach_again_is_no_change(t):
    before = t.status()
    shown = t.seam.attach(t.app, t.pair.cgroups[t.case.app])
    assert shown["name"] == t.app and shown["state"] == "attached", shown
    assert t.status()["gaps"] == before["gaps"] and t.status()["phase"] == before["phase"]
    said = t.seam.cli("attach", "no-such-app", "--cgroup", t.pair.cgroups["control"].path, check=False)
    assert said.code == 2, said
    said = t.seam.cli("attach", t.pair.app_name("lenient"), "--cgroup", t.pair.cgroups["strict"].path, check=False)
    assert said.code != 0, "two apps with one cgroup and one Origin: %s" % said


@case(control=False)
def child_cgroup_is_captured(t):
    child = t.pair.cgroups[t.case.app].child("inner")
    try:
        table = t.table(LOAD)
        before = t.count("sessions.total")
        load = t._load(child, table, {"rate": 100})
        progress(load, 50)
        assert t.count("sessions.total") >= before + 3
        report = load.stop()
        assert_calm(report, "in a child cgroup")
        t.same(table, rows=report["written"])
    finally:
        t.end()
        child.remove()


def errors_end(load, seconds):
    """After a crash: the last error and the last lost connection are behind us."""
    def calm():
        now = load.report()
        ages = [a for a in (now["last_error_age_s"], now["last_lost_age_s"]) if a is not None]
        return now["rate"] > 0 and all(a > 2 for a in ages)
    until(lambda: "errors have ended: %s" % load.report(), calm, seconds + 2)


@case(app="lenient", control=False, disruptive=True)
def mirror_killed(t):
    table = t.table(LOAD)
    load = t.load(table, rate=150)
    progress(load, 150)
    gaps = len(t.status()["gaps"])
    old = t.seam.status()["daemon"]["mirror_pid"]
    os.kill(old, signal.SIGKILL)
    errors_end(load, 5)
    whole = until("a new mirror is ready", lambda: renewed(t, old), 15)
    assert whole["daemon"]["pid"] == t.seam.pid, "the keeper was replaced"
    assert len(t.status()["gaps"]) > gaps, "no gap for the crash: %s" % t.status()["gaps"]
    load.renew()
    before = load.report()
    first = before["written"] + 1
    progress(load, 200)
    until("all connections are captured again", lambda: t.count("connections.not_captured") == 0, 10)
    assert t.count("connections.captured") >= 3, t.status()
    report = load.stop()
    assert report["wrong"] == 0 and report["errors"] == before["errors"], (before, report)
    until("the gap has ended", lambda: all(g["to"] for g in t.status()["gaps"]), 15)
    here, there = t.ids(t.origin, table), t.ids(t.target, table)
    after = set(range(first, report["written"] + 1))
    assert after <= here and after <= there, "after the restart not mirrored: %s" % sorted(after - there)[:20]
    assert t.status()["phase"] == "dual-write"


def renewed(t, old):
    whole = t.seam.status()
    pid = whole["daemon"].get("mirror_pid")
    return whole if pid not in (None, 0, old) and whole["daemon"]["state"] == "ready" else None


@case(app="lenient", control=False, disruptive=True)
def keeper_killed(t):
    """kill -9 of the keeper: no app request fails; the next one knows phase and attachment."""
    table = t.table(LOAD)
    load = t.load(table, rate=150)
    progress(load, 150)
    t.seam.kill()
    progress(load, 150)
    assert t.call(try_connect) == "origin"
    t.seam.start()
    state = t.status()
    assert state["state"] == "attached" and state["phase"] == "dual-write", state
    load.renew()
    first = load.report()["written"] + 1
    progress(load, 150)
    report = load.stop()
    assert_calm(report, "keeper killed")
    after = set(range(first, report["written"] + 1))
    assert after <= t.ids(t.target, table), "after the restart not mirrored"
    until("the former mirror has ended", lambda: len(t.seam.processes()) == 2, 30)
    until("the gap has ended", lambda: all(g["to"] for g in t.status()["gaps"]), 15)


@case(disruptive=True, control=False)
def stop_and_start(t):
    """SIGTERM: exit 0, new connects go direct, a gap stands; the next start attaches again by itself."""
    assert t.call(try_connect) == "origin"
    assert t.seam.stop() == 0
    assert not t.seam.processes(), t.seam.processes()
    said = t.seam.cli("status", check=False)
    assert said.code == 3, said
    assert t.call(try_connect) == "origin"
    t.seam.start()
    state = t.status()
    assert state["state"] == "attached" and state["phase"] == "dual-write", state
    assert any(g["direction"] == "to_target" for g in state["gaps"]), state["gaps"]
    before = t.count("sessions.total")
    assert t.call(try_connect) == "origin"
    assert t.count("sessions.total") > before


@case(control=False)
def words_not_built(t):
    for words in (["events"], ["completion", "bash"], ["detach", t.app, "--drain"],
                  ["attach", t.app, "--cgroup", t.pair.cgroups[t.case.app].path, "--existing", "recycle"]):
        said = t.seam.cli(*words, check=False)
        assert said.code == 1 and "not in this version" in said.out + said.err, said
    assert t.seam.cli("nonsense", check=False).code == 2
    assert t.status()["state"] == "attached"
    assert "seam" in t.seam.cli("version", json_out=False).out.lower() + json.dumps(t.seam.cli("version").json)
