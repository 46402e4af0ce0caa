#!/usr/bin/python3
"""The lab's app: the Cassandra driver of the distribution, as any app uses it, given nothing but Origin's contact points.

    app.py --table KS.TABLE --nodes ADDR,… [--rate PER_S] [--seconds N]

Prepared, simple and batch statements; rows (id, w, v) where v follows from id and w is the number of the write that made the row,
which for a batch is more than one. Commands and answers are those of lab-load (see the head of tools/lab/load.c). The driver's own ways
are kept, but for two things by which nothing that goes wrong is hidden: requests are not retried, and the connection class notes
a connection that ends while its session is open.
"""
import argparse
import collections
import json
import logging
import os
import socket
import sys
import threading
import time

from cassandra.cluster import Cluster, DefaultConnection, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.policies import FallthroughRetryPolicy
from cassandra.query import BatchStatement

REPORT_S = 0.2
TIMEOUT_S = 15
IN_FLIGHT = 64
KEPT = 512


def value(row):
    return "v%d-%s" % (row, "x" * (row % 96))


class Tally:
    """What the app counts; the lock guards every field."""

    def __init__(self):
        self.lock = threading.Lock()
        self.reads = self.writes = self.errors = self.lost = self.wrong = self.outstanding = 0
        self.written = self.written_ok = self.connections = 0
        self.rewritten = self.rewrite_errors = 0
        self.last_error, self.first_error = None, ""
        self.acked = collections.deque(maxlen=KEPT)

    def error(self, why):
        """With the lock held."""
        self.errors += 1
        self.last_error = time.monotonic()
        self.first_error = self.first_error or why

    def say(self, event):
        with self.lock:
            age = None if self.last_error is None else round(time.monotonic() - self.last_error, 3)
            said = {"event": event, "requests": self.reads + self.writes, "writes": self.writes, "reads": self.reads,
                    "errors": self.errors, "connections_lost": self.lost, "wrong": self.wrong,
                    "outstanding": self.outstanding, "written": self.written, "written_ok": self.written_ok,
                    "connections": self.connections, "last_error_age_s": age, "rewritten": self.rewritten,
                    "rewrite_errors": self.rewrite_errors, "first_error": self.first_error}
            sys.stdout.write(json.dumps(said) + "\n")
            sys.stdout.flush()


class Session:
    """A driver session with its prepared statements."""

    def __init__(self, args, tally):
        self.closing = False
        self.outstanding = 0
        self.idle = threading.Condition()
        owner = self

        class Noted(DefaultConnection):
            established = False

            @classmethod
            def factory(cls, *a, **kw):
                made = super().factory(*a, **kw)
                made.established = True
                with tally.lock:
                    tally.connections += 1
                return made

            def close(self):
                gone = self.is_defunct or self.ended()
                with tally.lock:
                    if self.established:
                        self.established = False
                        tally.connections -= 1
                        if gone and not owner.closing:
                            tally.lost += 1
                            tally.error("connection lost")
                super().close()

            def ended(self):
                """The other side closed it; else the driver has had its use of it, as after a try whether a node is back."""
                try:
                    return self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
                except BlockingIOError:
                    return False
                except OSError:
                    return True

        self.cluster = Cluster(args.nodes.split(","), connection_class=Noted, execution_profiles={
            EXEC_PROFILE_DEFAULT: ExecutionProfile(retry_policy=FallthroughRetryPolicy(), request_timeout=TIMEOUT_S)})
        try:
            self.session = self.cluster.connect()
            self.insert = self.session.prepare("INSERT INTO %s (id, w, v) VALUES (?, ?, ?)" % args.table)
            self.select = self.session.prepare("SELECT id, w, v FROM %s WHERE id = ?" % args.table)
        except Exception:
            self.close()
            raise

    def took(self, by):
        with self.idle:
            self.outstanding += by
            self.idle.notify_all()

    def close(self):
        with self.idle:
            self.idle.wait_for(lambda: self.outstanding == 0, TIMEOUT_S)
        self.closing = True
        self.cluster.shutdown()


class App:
    def __init__(self, args):
        self.args, self.tally = args, Tally()
        self.session = Session(args, self.tally)
        self.slots = threading.BoundedSemaphore(IN_FLIGHT)
        self.end = threading.Event()
        self.next_write = 0
        self.traffic = threading.Thread(target=self.run, daemon=True)

    # ---- requests

    def ask(self, statement, values=None, rows=(), expected=None, again=False):
        """One request; counted when it ends. rows: the ids that it writes; expected: the id that it reads."""
        self.slots.acquire()
        session, tally = self.session, self.tally
        session.took(1)
        with tally.lock:
            tally.outstanding += 1

        def ended(exc=None, found=None):
            with tally.lock:
                tally.outstanding -= 1
                if rows:
                    tally.writes += 1
                else:
                    tally.reads += 1
                if again:
                    tally.rewritten += len(rows)
                    tally.rewrite_errors += exc is not None
                if exc is not None:
                    tally.error("%s: %s" % (type(exc).__name__, exc))
                elif expected is not None:
                    found = [(r.id, r.v) for r in found or []]
                    if found != [(expected, value(expected))]:
                        tally.wrong += 1
                        tally.error("row %d: found %s" % (expected, found))
                elif not again:
                    tally.written_ok += len(rows)
                    tally.acked.extend(rows)
            session.took(-1)
            self.slots.release()
        try:
            future = session.session.execute_async(statement, values)
        except Exception as exc:
            ended(exc)
            return
        future.add_callbacks(lambda found: ended(found=found), lambda exc: ended(exc))

    def new_rows(self, n):
        """n new ids of one write, as values of the INSERT."""
        self.next_write += 1
        with self.tally.lock:
            first = self.tally.written + 1
            self.tally.written += n
        return [(row, self.next_write, value(row)) for row in range(first, first + n)]

    def simple(self, row):
        return "INSERT INTO %s (id, w, v) VALUES (%d, %d, '%s')" % ((self.args.table,) + row)

    def read(self, turn):
        """Of a row that was acknowledged, most often the last one."""
        with self.tally.lock:
            if not self.tally.acked:
                return
            row = self.tally.acked[-1 if turn % 4 else turn * 7919 % len(self.tally.acked)]
        if turn % 3:
            self.ask(self.session.select, (row,), expected=row)
        else:
            self.ask("SELECT id, w, v FROM %s WHERE id = %d" % (self.args.table, row), expected=row)

    def one(self, turn):
        kind, insert = turn % 10, self.session.insert
        if kind % 2:
            self.read(turn)
            return
        rows = self.new_rows(3 if kind == 8 else 1)
        ids = [row[0] for row in rows]
        if kind == 8:
            batch = BatchStatement()
            batch.add(insert, rows[0])
            batch.add(self.simple(rows[1]))
            batch.add(insert, rows[2])
            self.ask(batch, rows=ids)
        elif kind == 6:
            self.ask(self.simple(rows[0]), rows=ids)
        else:
            self.ask(insert, rows[0], rows=ids)

    def run(self):
        turn, due = 0, time.monotonic()
        until = due + self.args.seconds
        while not self.end.is_set():
            now = time.monotonic()
            if now > until:
                return
            if due > now:
                self.end.wait(due - now)
                continue
            # a stall is not caught up with: that would be a burst that no app makes
            due = max(due + 1.0 / self.args.rate, now - 0.1)
            turn += 1
            self.one(turn)

    # ---- commands

    def renew(self):
        """As an app does when it deploys: the new session takes over, then the old one is closed."""
        old = self.session
        self.session = Session(self.args, self.tally)
        old.close()
        self.tally.say("renewed")

    def rewrite(self, first, last):
        """These rows once more, each by a write of its own."""
        with self.tally.lock:
            if not 0 < first <= last <= self.tally.written:
                raise ValueError("there are %d rows" % self.tally.written)
            self.tally.rewritten = self.tally.rewrite_errors = 0
        for row in range(first, last + 1):
            self.ask(self.session.insert, (row, -row, value(row)), rows=[row], again=True)
        deadline = time.monotonic() + TIMEOUT_S
        while self.tally.rewritten < last - first + 1:
            if time.monotonic() > deadline:
                raise TimeoutError("rows of the rewrite were not answered in time")
            time.sleep(0.01)
        self.tally.say("rewritten")

    def stop(self):
        self.end.set()
        self.traffic.join(TIMEOUT_S)
        self.session.close()
        self.tally.say("stopped")

    def tick(self):
        while not self.end.wait(REPORT_S):
            self.tally.say("tick")

    def obey(self, words):
        if words == ["report"]:
            self.tally.say("report")
        elif words == ["renew"]:
            self.renew()
        elif len(words) == 3 and words[0] == "rewrite":
            self.rewrite(int(words[1]), int(words[2]))
        else:
            raise ValueError("not a command")

    def serve(self):
        self.traffic.start()
        self.tally.say("ready")
        threading.Thread(target=self.tick, daemon=True).start()
        for line in sys.stdin:
            if line.split() == ["stop"]:
                break
            try:
                self.obey(line.split())
            except Exception as exc:
                failed("%s: %s" % (type(exc).__name__, exc))
        self.stop()


def failed(reason):
    sys.stdout.write(json.dumps({"event": "failed", "reason": reason}) + "\n")
    sys.stdout.flush()


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    p = argparse.ArgumentParser(description="the lab's app on the distribution's driver (see the file's head)")
    p.add_argument("--table", required=True)
    p.add_argument("--nodes", required=True, help="contact points, comma-separated")
    p.add_argument("--rate", type=float, default=100, help="requests a second")
    p.add_argument("--seconds", type=float, default=600, help="it ends by itself after that")
    try:
        App(p.parse_args()).serve()
    except Exception as exc:
        failed("%s: %s" % (type(exc).__name__, exc))
        os._exit(1)
    # a thread of the driver must not keep the process
    os._exit(0)


if __name__ == "__main__":
    main()
