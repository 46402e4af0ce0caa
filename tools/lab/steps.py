"""The journey, a function a step. Each ends in assertions and returns a sentence that says what was seen."""
import datetime
import time

from host import alive, kill, until
from seam import Refused

ERRORS_END_S = 5     # after the mirror was killed
SETTLED_US = 1000000 # a write older than that is on both sides or was counted
OUTAGE_REQUESTS = 800
SHOWN = 3


def now_us():
    return time.time_ns() // 1000


def settled():
    """Now, once all that was written until now is on both sides or was counted."""
    then = now_us()
    until("a second has passed", lambda: now_us() > then + SETTLED_US, 3, 0.02)
    return then


def moment_us(text):
    """Of RFC 3339; None stays."""
    return text and int(datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1e6)


def require(good, what):
    if not good:
        raise AssertionError(what)


class Comparison:
    """The rows that Origin got in a stretch of time, against Target's."""

    def __init__(self, lab, since_us, until_us):
        origin, target = lab.origin.rows(lab.tables), lab.target.rows(lab.tables)
        wanted = {k: r for k, r in origin.items() if since_us <= r[2] <= until_us}
        self.rows = len(wanted)
        self.missing = {k: r for k, r in wanted.items() if k not in target}
        self.different = {k: (r, target[k]) for k, r in wanted.items() if target.get(k, r) != r and target[k][2] <= until_us}
        self.extra = {k: r for k, r in target.items() if k not in origin and r[2] <= until_us}

    @property
    def equal(self):
        return self.rows > 0 and not (self.missing or self.different or self.extra)

    @property
    def missing_writes(self):
        return {(table, row[0]) for (table, _), row in self.missing.items()}

    def __str__(self):
        some = lambda d: " (%s)" % ", ".join("%s %s" % k for k in sorted(d)[:SHOWN]) if d else ""
        return "%d rows on Origin; on Target %d missing%s, %d different%s, %d extra%s" % (
            self.rows, len(self.missing), some(self.missing), len(self.different), some(self.different), len(self.extra),
            some(self.extra))


def equal_since(lab, since_us):
    """All rows written from then until now are equal on both sides, writetimes too; returns how many."""
    found = Comparison(lab, since_us, settled())
    require(found.equal, str(found))
    return found.rows


def progress(lab, requests, seconds=15):
    """So many more requests have ended."""
    goal = lab.clients.report()["requests"] + requests
    until("%d more requests" % requests, lambda: lab.clients.count("requests") >= goal, seconds, 0.05)


def calm(lab, since, what):
    """Not one error, lost connection or wrong row since that report; returns the requests that ended."""
    now = lab.clients.report()
    for word in ("errors", "connections_lost", "wrong"):
        require(now[word] == since[word], "%s: %d %s (%s)" % (what, now[word] - since[word], word.replace("_", " "), now["first_error"]))
    return now["requests"] - since["requests"]


def captured(lab, seconds=10):
    """Every connection that the clients have is a session, none goes past Seam; the kernel's own table says so too."""
    last = {}

    def check():
        last.update(lab.seam.status()["connections"], clients=lab.clients.report()["connections"],
                    direct=len(lab.direct_peers()))
        return last["not_captured"] == 0 and last["direct"] == 0 and last["captured"] == last["clients"] > 0
    until(lambda: "every connection captured: %s" % last, check, seconds)
    return last["captured"]


def renew_captured(lab):
    """Both clients open new sessions, then close the old ones: afterwards all of them are captured."""
    lab.clients.renew()
    return captured(lab)


def restore(lab, found):
    """The app writes again what is not on both sides; then all rows since the dual write are equal."""
    ranges = {}
    for table, row in list(found.missing) + list(found.extra):
        first, last = ranges.get(table, (row, row))
        ranges[table] = min(first, row), max(last, row)
    lab.clients.rewrite(ranges)
    equal_since(lab, lab.since_us)


def gaps_of(lab):
    """(from, to) in µs; one that goes on ends now."""
    return [(moment_us(g["from"]), moment_us(g["to"]) or now_us()) for g in lab.seam.status()["gaps"]]


def gap_at(lab, moment):
    """A gap covers the moment. Gaps that meet are one."""
    gaps = gaps_of(lab)
    require(any(a <= moment <= b for a, b in gaps), "no gap covers %d: %s" % (moment, gaps))


def failed_writes(lab):
    return lab.seam.status()["target"]["failed_writes"]


def explained(lab, found, failed_before):
    """Whatever is on one side only was written in a gap that Seam shows, or by a write that it counted in failed_writes: a new
    session's first writes are, when Target takes longer than follower_wait to let it in."""
    require(not found.different, str(found))
    gaps = gaps_of(lab)
    outside = lambda rows: {(k[0], r[0]) for k, r in rows.items() if not any(a <= r[2] <= b for a, b in gaps)}
    writes, counted = outside(found.missing), failed_writes(lab) - failed_before
    require(len(writes) <= counted, "%d writes are missing on Target and in no gap, failed_writes counted %d: %s" % (
        len(writes), counted, sorted(writes)[:SHOWN]))
    require(not outside(found.extra), "rows are on Target only, and in no gap: %s" % found)


def gaps_end(lab):
    until("every gap has ended: %s" % lab.seam.status()["gaps"], lambda: all(g["to"] for g in lab.seam.status()["gaps"]), 10)


# ---- the steps


def origin_alone(lab):
    before = lab.clients.report()
    progress(lab, 600)
    ended = calm(lab, before, "on Origin alone")
    peers = lab.direct_peers()
    now = lab.clients.report()
    require(len(peers) == now["connections"], "%d connections go to Origin, the clients have %d" % (len(peers), now["connections"]))
    require(not lab.target.rows(lab.tables), "rows on Target already")
    return "%d requests over %d connections, all to Origin; no row on Target" % (ended, len(peers))


def attach(lab):
    before = lab.clients.report()
    lab.seam.attach(lab.cgroup)
    found = renew_captured(lab)
    status = lab.seam.status()
    require(status["state"] == "attached" and status["phase"] == "passthrough", "state %(state)s, phase %(phase)s" % status)
    progress(lab, 200)
    ended = calm(lab, before, "attach")
    require(not lab.target.rows(lab.tables), "rows on Target already, in passthrough")
    return "%d sessions captured, not_captured 0; %d requests meanwhile, not one error" % (found, ended)


def dual_write(lab):
    before = lab.clients.report()
    lab.seam.phase("dual-write")
    lab.since_us = now_us()
    progress(lab, 1000)
    rows = equal_since(lab, lab.since_us)
    calm(lab, before, "dual write")
    status = lab.seam.status()
    require(status["phase"] == "dual-write" and status["target"]["diverged"] == 0, "%(phase)s, %(target)s" % status)
    return "%d rows written since are equal on both sides, writetimes too" % rows


def target_killed(lab):
    before = lab.clients.report()
    had = failed_writes(lab)
    killed_us = now_us()
    lab.target.kill()
    until("Target is seen down", lambda: lab.seam.status()["target"]["state"] == "down", 10)
    progress(lab, OUTAGE_REQUESTS)
    calm(lab, before, "Target down")
    lab.target.revive()
    until("Target is seen up", lambda: lab.seam.status()["target"]["state"] == "up", 30)

    def recovered():
        was = failed_writes(lab)
        progress(lab, 300)
        return failed_writes(lab) == was
    until("no more writes fail on Target", recovered, 40)
    back_us = settled()
    counted = failed_writes(lab) - had
    found = Comparison(lab, lab.since_us, back_us)
    require(found.missing and not found.different and not found.extra, str(found))
    early = [k for k, r in found.missing.items() if not killed_us - SETTLED_US <= r[2] <= back_us]
    require(not early, "%d missing rows were not written during the outage: %s" % (len(early), early[:SHOWN]))
    require(len(found.missing_writes) <= counted, "%d writes are missing on Target, failed_writes counted %d" % (
        len(found.missing_writes), counted))
    flagged = {f["table"] for f in lab.seam.status()["flagged"] if f["reason"] == "failed_writes"}
    wanted = {table for table, _ in found.missing}
    require(wanted <= flagged, "flagged are %s, not %s" % (sorted(flagged, key=str), sorted(wanted)))
    restore(lab, found)
    calm(lab, before, "Target down and up")
    return "%d rows missing, of %d writes; failed_writes counted %d; written again: equal" % (
        len(found.missing), len(found.missing_writes), counted)


def mirror_killed(lab):
    before = lab.clients.report()
    status = lab.seam.status()
    old, failed = status["daemon"]["mirror_pid"], status["target"]["failed_writes"]
    killed_us, begun = now_us(), time.monotonic()
    with lab.fault(before["connections"]):
        kill(old)

        def over():
            """Two seconds without an error: then the last error's time is known."""
            quiet = lab.clients.report()["last_error_age_s"]
            lived = time.monotonic() - begun
            lab.last_error_s = max(0, lived - quiet) if quiet is not None else 0
            return lived > 2 and (quiet is None or quiet > 2)
        until("errors end", over, ERRORS_END_S + 10, 0.2)
        require(lab.last_error_s <= ERRORS_END_S, "the last error came %.1f s after the kill" % lab.last_error_s)

    def again():
        now = lab.seam.status()
        return now["state"] == "attached" and now["daemon"].get("mirror_pid") not in (None, old) and now
    status = until("another mirror captures", again, 20)
    require(not alive(old), "the mirror %d lives" % old)
    gap_at(lab, killed_us)
    calmly = lab.clients.report()
    sessions = renew_captured(lab)
    gaps_end(lab)
    found = Comparison(lab, lab.since_us, settled())
    explained(lab, found, failed)
    restore(lab, found)
    calm(lab, calmly, "new sessions after the mirror's death")
    return "%d errors, %d connections lost, the last after %.1f s; %d sessions again\n" \
        "gap shown; %d rows on one side only, in the gap or counted; written again: equal" % (
            lab.fault_errors, lab.fault_lost, lab.last_error_s, sessions, len(found.missing) + len(found.extra))


def keeper_killed(lab):
    before = lab.clients.report()
    status = lab.seam.status()
    old, sessions = status["daemon"]["mirror_pid"], status["connections"]["captured"]
    killed_us = now_us()
    lab.seam.kill()
    require(no_daemon(lab), "seam status found a daemon")
    progress(lab, 600)
    calm(lab, before, "no keeper")
    require(alive(old), "the mirror %d did not outlive its keeper" % old)
    lab.seam.start()
    status = lab.seam.status()
    require(status["state"] == "attached" and status["phase"] == "dual-write", "state %(state)s, phase %(phase)s" % status)
    gap_at(lab, killed_us)
    require(status["connections"]["captured"] >= sessions, "%d sessions were captured, %s are counted" % (sessions, status["connections"]))
    failed = status["target"]["failed_writes"]
    again = renew_captured(lab)
    until("the former mirror ended after its last session", lambda: not alive(old), 15)
    gaps_end(lab)
    found = Comparison(lab, lab.since_us, settled())
    explained(lab, found, failed)
    restore(lab, found)
    ended = calm(lab, before, "keeper killed and started")
    return "%d sessions lived on without it; attached and in dual-write again, the gap shown; %d new sessions\n" \
        "%d rows missing; equal; %d requests, not one error" % (sessions, again, len(found.missing), ended)


def no_daemon(lab):
    try:
        lab.seam.status()
    except Refused as exc:
        return exc.code == 3
    return False


def detach(lab):
    before = lab.clients.report()
    lab.seam.detach()
    progress(lab, 300)
    calm(lab, before, "detach")
    lab.clients.renew()

    def direct():
        return len(lab.direct_peers()) == lab.clients.report()["connections"]
    until("every connection goes to Origin itself", direct, 10)
    progress(lab, 200)
    ended = calm(lab, before, "detach and new sessions")
    status = lab.seam.status()
    require(status["state"] == "detached" and status["connections"]["captured"] == 0, "%(state)s, %(connections)s" % status)
    return "%d connections, all direct; %d requests, not one error" % (len(lab.direct_peers()), ended)


def attach_again(lab):
    before = lab.clients.report()
    failed = failed_writes(lab)
    lab.seam.attach(lab.cgroup)
    sessions = renew_captured(lab)
    status = lab.seam.status()
    if status["phase"] != "dual-write":
        lab.seam.phase("dual-write")
    gaps_end(lab)
    found = Comparison(lab, lab.since_us, settled())
    require(found.missing, str(found))
    explained(lab, found, failed)
    restore(lab, found)
    ended = calm(lab, before, "attach again")
    return "%d sessions; %d rows missing, in the gap or counted; written again: equal; %d requests, not one error" % (
        sessions, len(found.missing), ended)


def stop(lab):
    before = lab.clients.report()
    progress(lab, 200)
    calm(lab, before, "before the end")
    said = lab.clients.stop()
    require(not sum(s["outstanding"] for s in said), "requests were left without an answer: %s" % said)
    last = {"written": sum(s["written"] for s in said), "written_ok": sum(s["written_ok"] for s in said)}
    same = equal_since(lab, lab.since_us)
    rows = len(lab.origin.rows(lab.tables))
    require(last["written_ok"] <= rows <= last["written"], "%d rows on Origin, %s" % (rows, last))
    status = lab.seam.detach()
    require(status["state"] == "detached", "state %(state)s" % status)
    code = lab.seam.stop()
    require(code == 0, "seamd ended with exit %s" % code)
    left = until_nothing_left(lab)
    require(not left, "left behind: %s" % ", ".join(left))
    return "every acknowledged row is on Origin (%d); %d rows since dual write equal on both sides; nothing left behind" % (
        rows, same)


def until_nothing_left(lab, seconds=5):
    """What is left after the time; empty as soon as nothing is."""
    deadline = time.monotonic() + seconds
    while True:
        left = lab.seam.leftovers()
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


ALL = [
    ("the app on Origin alone", origin_alone),
    ("attach; new sessions, then the old ones closed", attach),
    ("dual write", dual_write),
    ("Target killed, and back", target_killed),
    ("kill -9 of the mirror", mirror_killed),
    ("kill -9 of the keeper, and started again", keeper_killed),
    ("detach under load", detach),
    ("attach again", attach_again),
    ("stop", stop),
]
