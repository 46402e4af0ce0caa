#!/usr/bin/python3
"""A bounded load: an app that knows only its cluster's contact points, and counts every error that it sees.

The driver is used as any app uses it; the one addition is a connection class (an option of the driver) that notes each
connection lost while its session was open. The table has columns: id bigint PRIMARY KEY, n int, v text. Each write makes
a new id, and a row's values follow from its id, so a reader can tell a wrong row from a right one.

Commands are JSON lines on stdin, answers JSON lines on stdout:

  {"cmd":"open"}                       {"event":"opened","session":N,"seconds":S}   a new session; traffic stays where it is
  {"cmd":"use","session":N}            {"event":"used","session":N}                 traffic goes to session N from now on
  {"cmd":"close","session":N}          {"event":"closed","session":N}               waits for its requests, then closes it
  {"cmd":"rate","per_s":N}             {"event":"rate","per_s":N}                   0 pauses
  {"cmd":"rewrite","ids":[…]}          {"event":"rewritten","rows":N,"errors":N}    or "from" and "to", or "unsure":true
  {"cmd":"report"}                     {"event":"report",…}                         below; {"cmd":"stop"} answers it and ends

After {"event":"ready"} session 1 carries traffic. {"event":"failed","reason":…} answers a command that could not be done.
A report: requests, reads, writes, written (the highest id so far), errors and errors_by, first_error, last_error_age_s,
unsure (writes whose outcome is unknown), wrong (rows that are not what their id says), connections_lost, last_lost_age_s,
in_flight, rate (of the last second), p50_ms, p99_ms, seconds.
"""
import argparse
import collections
import json
import os
import sys
import threading
import time

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster, DefaultConnection, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.policies import FallthroughRetryPolicy, RetryPolicy, RoundRobinPolicy
from cassandra.query import BatchStatement, BatchType

KEPT_IDS = 200000
KEPT_TIMES = 20000


def value(row):
    return "v%d-%s" % (row, "x" * (row % 97))


class Tally:
    """All that is counted; its lock guards every field."""

    def __init__(self):
        self.lock = threading.Lock()
        self.begun = time.monotonic()
        self.reads = self.writes = self.errors = self.wrong = self.lost = self.in_flight = 0
        self.errors_by = collections.Counter()
        self.first_error = None
        self.last_error = self.last_lost = None
        self.unsure = []
        self.times = collections.deque(maxlen=KEPT_TIMES)
        self.ended = collections.deque(maxlen=KEPT_TIMES)

    def failed(self, exc, ids):
        with self.lock:
            self.errors += 1
            name = type(exc).__name__
            self.errors_by[name] += 1
            self.last_error = time.monotonic()
            if self.first_error is None:
                self.first_error = "%s: %s" % (name, exc)
            self.unsure.extend(ids[:max(0, KEPT_IDS - len(self.unsure))])

    def connection_lost(self):
        with self.lock:
            self.lost += 1
            self.last_lost = time.monotonic()

    def report(self, written):
        now = time.monotonic()
        age = lambda t: None if t is None else round(now - t, 3)
        with self.lock:
            times = sorted(self.times)
            at = lambda q: round(times[int(q * (len(times) - 1))] * 1000, 3) if times else None
            return {"event": "report", "seconds": round(now - self.begun, 3), "requests": self.reads + self.writes,
                    "reads": self.reads, "writes": self.writes, "written": written, "errors": self.errors,
                    "errors_by": dict(self.errors_by), "first_error": self.first_error,
                    "last_error_age_s": age(self.last_error), "unsure": len(self.unsure), "wrong": self.wrong,
                    "connections_lost": self.lost, "last_lost_age_s": age(self.last_lost),
                    "in_flight": self.in_flight, "rate": sum(1 for t in self.ended if now - t <= 1.0),
                    "p50_ms": at(0.5), "p99_ms": at(0.99)}


class Client:
    """One session with its prepared statements."""

    def __init__(self, args, tally):
        self.in_flight = 0
        self.closing = False
        self._idle = threading.Condition()
        owner = self

        class Noted(DefaultConnection):
            established = False

            @classmethod
            def factory(cls, *a, **kw):
                made = super().factory(*a, **kw)
                made.established = True
                return made

            def close(self):
                if self.established and not self.is_closed and not owner.closing:
                    tally.connection_lost()
                super().close()

        profile = ExecutionProfile(load_balancing_policy=RoundRobinPolicy(), request_timeout=args.timeout,
                                   consistency_level=ConsistencyLevel.name_to_value[args.consistency],
                                   retry_policy=RetryPolicy() if args.retry == "driver" else FallthroughRetryPolicy())
        options = {"protocol_version": args.protocol} if args.protocol else {}
        auth = PlainTextAuthProvider(args.user, os.environ.get("LOAD_PASSWORD", "")) if args.user else None
        self._cluster = Cluster(args.contacts.split(","), port=args.port, auth_provider=auth, connection_class=Noted,
                                compression=args.compression if args.compression != "off" else False,
                                execution_profiles={EXEC_PROFILE_DEFAULT: profile}, connect_timeout=10, **options)
        try:
            self.session = self._cluster.connect()
            self.insert = self.session.prepare("INSERT INTO %s (id, n, v) VALUES (?, ?, ?)" % args.table)
            self.select = self.session.prepare("SELECT id, n, v FROM %s WHERE id = ?" % args.table)
        except Exception:
            self.closing = True
            self._cluster.shutdown()
            raise

    def began(self):
        with self._idle:
            self.in_flight += 1

    def ended(self):
        with self._idle:
            self.in_flight -= 1
            self._idle.notify_all()

    def close(self, seconds=15):
        with self._idle:
            self._idle.wait_for(lambda: self.in_flight == 0, seconds)
        self.closing = True
        self._cluster.shutdown()


class Traffic(threading.Thread):
    """Sends requests at a rate, at most in_flight at once; ends at either bound."""

    def __init__(self, args, tally, client):
        super().__init__(daemon=True)
        self.args, self.tally, self.client = args, tally, client
        self.rate = args.rate
        self.written = 0
        self._slots = threading.BoundedSemaphore(args.in_flight)
        self._end = threading.Event()
        self._changed = threading.Event()

    def set_rate(self, per_s):
        self.rate = per_s
        self._changed.set()

    def end(self):
        self._end.set()
        self._changed.set()
        self.join(30)

    def send(self, client, statement, values, ids=(), expected=None):
        """One request; its end is counted in a callback. ids: what it writes."""
        self._slots.acquire()
        start = time.monotonic()
        client.began()
        with self.tally.lock:
            self.tally.in_flight += 1

        def ended(exc=None, rows=None):
            now = time.monotonic()
            if exc is not None:
                self.tally.failed(exc, list(ids))
            with self.tally.lock:
                self.tally.in_flight -= 1
                if ids:
                    self.tally.writes += 1
                else:
                    self.tally.reads += 1
                self.tally.times.append(now - start)
                self.tally.ended.append(now)
                for row in rows or []:
                    if expected is not None and (row.id, row.v) != (expected, value(expected)):
                        self.tally.wrong += 1
            client.ended()
            self._slots.release()

        try:
            future = client.session.execute_async(statement, values)
        except Exception as exc:
            ended(exc)
            return
        future.add_callbacks(lambda rows: ended(rows=rows), ended)

    def next_id(self):
        self.written += 1
        return self.written

    def one(self, turn):
        client, table = self.client, self.args.table
        kind = turn % 10
        if kind in (0, 2, 4, 6):
            row = self.next_id()
            self.send(client, client.insert, (row, row % 1000, value(row)), [row])
        elif kind == 8:
            row = self.next_id()
            self.send(client, "INSERT INTO %s (id, n, v) VALUES (%d, %d, '%s')" % (table, row, row % 1000, value(row)),
                      None, [row])
        elif kind == 9:
            rows = [self.next_id(), self.next_id()]
            batch = BatchStatement(BatchType.UNLOGGED)
            for row in rows:
                batch.add(client.insert, (row, row % 1000, value(row)))
            self.send(client, batch, None, rows)
        elif kind == 7:
            row = max(1, self.written * 2 // 3)
            self.send(client, "SELECT id, n, v FROM %s WHERE id = %d" % (table, row), None, expected=row)
        else:
            row = max(1, self.written // 2)
            self.send(client, client.select, (row,), expected=row)

    def run(self):
        turn, due = 0, time.monotonic()
        while not self._end.is_set():
            now = time.monotonic()
            if now - self.tally.begun > self.args.seconds or turn >= self.args.max_requests:
                return
            rate = self.rate
            if rate <= 0:
                self._changed.wait(0.5)
                self._changed.clear()
                due = time.monotonic()
                continue
            if due > now:
                self._end.wait(due - now)
                continue
            # never catch up on a stall: that would be a burst which no app makes
            due = max(due + 1.0 / rate, now - 0.1)
            turn += 1
            self.one(turn)


class Commands:
    def __init__(self, args):
        self.args, self.tally = args, Tally()
        self.clients = {1: Client(args, self.tally)}
        self.last = 1
        self.traffic = Traffic(args, self.tally, self.clients[1])

    def say(self, **said):
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()

    def open(self, _):
        start = time.monotonic()
        made = Client(self.args, self.tally)
        self.last += 1
        self.clients[self.last] = made
        self.say(event="opened", session=self.last, seconds=round(time.monotonic() - start, 3))

    def use(self, said):
        self.traffic.client = self.clients[said["session"]]
        self.say(event="used", session=said["session"])

    def close(self, said):
        if self.traffic.client is self.clients[said["session"]]:
            raise ValueError("session %d carries the traffic" % said["session"])
        self.clients.pop(said["session"]).close()
        self.say(event="closed", session=said["session"])

    def rate(self, said):
        self.traffic.set_rate(float(said["per_s"]))
        self.say(event="rate", per_s=said["per_s"])

    def rewrite(self, said):
        """Write rows again, one request after the other; those of unknown outcome that succeed are forgotten."""
        if said.get("unsure"):
            with self.tally.lock:
                ids, self.tally.unsure = self.tally.unsure, []
        else:
            ids = said["ids"] if "ids" in said else range(int(said["from"]), int(said["to"]) + 1)
        client, errors = self.traffic.client, 0
        for row in ids:
            try:
                client.session.execute(client.insert, (row, row % 1000, value(row)))
            except Exception as exc:
                errors += 1
                self.tally.failed(exc, [row])
        self.say(event="rewritten", rows=len(ids), errors=errors)

    def report(self, _):
        self.say(**self.tally.report(self.traffic.written))

    def stop(self):
        self.traffic.end()
        for client in list(self.clients.values()):
            client.close()

    def serve(self):
        self.traffic.start()
        self.say(event="ready")
        verbs = {name: getattr(self, name) for name in ("open", "use", "close", "rate", "rewrite", "report")}
        for line in sys.stdin:
            try:
                said = json.loads(line)
                if said["cmd"] == "stop":
                    self.stop()
                    self.report(said)
                    return
                verbs[said["cmd"]](said)
            except Exception as exc:
                self.say(event="failed", reason="%s: %s" % (type(exc).__name__, exc))
        self.stop()


def main():
    p = argparse.ArgumentParser(description="a bounded load on one table, commanded over stdin (see the file's head)")
    p.add_argument("--contacts", required=True, help="addresses, comma-separated")
    p.add_argument("--port", type=int, default=9042)
    p.add_argument("--user", help="the password comes from $LOAD_PASSWORD")
    p.add_argument("--table", required=True, help="KS.TABLE")
    p.add_argument("--rate", type=float, default=100, help="requests a second")
    p.add_argument("--in-flight", type=int, default=32)
    p.add_argument("--seconds", type=float, default=900, help="traffic ends after that")
    p.add_argument("--max-requests", type=int, default=1000000)
    p.add_argument("--timeout", type=float, default=15, help="of a request, seconds")
    p.add_argument("--protocol", type=int, default=0, help="0: let the driver find out")
    p.add_argument("--compression", choices=["off", "lz4", "snappy"], default="off")
    p.add_argument("--consistency", default="LOCAL_ONE")
    p.add_argument("--retry", choices=["driver", "none"], default="driver", help="none: show what the driver would hide")
    commands = None
    try:
        commands = Commands(p.parse_args())
    except Exception as exc:
        print(json.dumps({"event": "failed", "reason": "%s: %s" % (type(exc).__name__, exc)}), flush=True)
        os._exit(1)
    commands.serve()
    # a driver thread must not keep the process
    os._exit(0)


if __name__ == "__main__":
    main()
