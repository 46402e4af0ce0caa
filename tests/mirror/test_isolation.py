"""One session's trouble is its own: p99 of fifteen others, and memory, while one is stuck on each of its sides. These run alone."""
import os
import selectors
import threading
import time

import cql
import fake

OTHERS, PERIOD = 15, 0.03
BUFFER, FRAME = 4 << 20, 1 << 20
SECONDS = int(os.environ.get("FREEZE", "3"))  # the promise speaks of 30
FLOOR = 0.003  # with nobody disturbed at all p99 wanders between 0.3 and 2 ms on two shared cores
ATTEMPTS = 3  # a shared machine has hiccups of its own: each attempt compares with its own quiet time


class Others:
    """Fifteen sessions that write and read by turns, one request a period each; latencies in seconds."""

    def __init__(self, rig):
        self.clients = [rig.client() for _ in range(OTHERS)]
        rig.leg_ready(OTHERS)

    def measure(self, seconds):
        took, due, sent, n = [], {}, {}, 0
        sel = selectors.DefaultSelector()
        now = time.monotonic()
        for i, c in enumerate(self.clients):
            sel.register(c.sock, selectors.EVENT_READ, c)
            due[c] = now + PERIOD * i / OTHERS
        end = now + seconds
        while time.monotonic() < end or sent:
            now = time.monotonic()
            for c, at in due.items():
                if at <= now and c not in sent and now < end:
                    n += 1
                    c.send_query("INSERT INTO ks.o (k) VALUES (%d)" % n if n % 2 else "SELECT k FROM ks.o", stream=1)
                    sent[c] = time.monotonic()
                    due[c] = now + PERIOD
            assert now < end + 10, "%d sessions got no answer" % len(sent)
            for key, _ in sel.select(0.002):
                c = key.data
                c.framing.feed(c.sock.recv(1 << 16))
                env = c.framing.pull()
                if env:
                    c.good(env)
                    took.append(time.monotonic() - sent.pop(c))
        took.sort()
        return took[int(len(took) * 0.99)], len(took)


def judge(rig, disturb, relieve, seconds=SECONDS):
    others = Others(rig)
    others.measure(1)
    grown, seen = 0, []
    for _ in range(ATTEMPTS):
        before, _ = others.measure(seconds)
        memory = rig.rss()
        stop = threading.Event()
        wrong = []

        def guarded():
            try:
                disturb(stop)
            except Exception as e:
                if not stop.is_set():
                    wrong.append(e)
        t = threading.Thread(target=guarded, daemon=True)
        t.start()
        time.sleep(0.5)
        during, n = others.measure(seconds)
        grown = max(grown, rig.rss() - memory)
        stop.set()
        relieve()
        t.join(10)
        assert not wrong, "the disturber: %r" % wrong
        assert n > seconds / PERIOD * OTHERS * 0.5, "they were held up: %d requests" % n
        seen.append("%.1f ms, then %.1f ms" % (before * 1e3, during * 1e3))
        if during <= max(2 * before, FLOOR):
            break
    else:
        raise AssertionError("p99 of the others: %s" % "; ".join(seen))
    # what is there per worker and per session anyway, and what the allocator keeps
    assert grown <= BUFFER + FRAME + (2 << 20), "grew by %d KiB" % (grown >> 10)
    rig.expect(diverged=0)


def test_client_that_does_not_read(new):
    rig = new(mode="release", session_buffer=BUFFER, request_timeout_ms=4000 * SECONDS)
    big = cql.rows([("k", cql.TEXT)], [[b"x" * FRAME]])
    rig.origin.rule("ks.big", fake.says(cql.RESULT, big))
    stuck = []

    def disturb(stop):
        c = rig.client(buffer=65536)
        stuck.append(c)
        for n in range(200):
            c.send_query("SELECT k FROM ks.big", stream=n)

    judge(rig, disturb, lambda: [c.close() for c in stuck])
    rig.expect(open=OTHERS)


def frozen(conn):
    conn.reading.clear()


def test_target_leg_frozen(new):
    rig = new(mode="release", session_buffer=BUFFER, request_timeout_ms=4000 * SECONDS, failure="count")
    rig.target.read_size = 4096
    held = []

    def disturb(stop):
        c = rig.client()
        c.ok("INSERT INTO ks.mark%d (k) VALUES (1)" % len(held))
        conn = rig.target.wait("ks.mark%d" % len(held))[0].connection
        held.append((c, conn))
        frozen(conn)
        text = "INSERT INTO ks.x (k, v) VALUES (1, '%s')" % ("x" * 60000)
        while not stop.is_set():
            c.good(c.query(text))
            time.sleep(0.01)

    def relieve():
        held[-1][1].reading.set()
        held[-1][0].close()
    judge(rig, disturb, relieve)


def test_origin_leg_slow(new):
    rig = new(mode="release", session_buffer=BUFFER, request_timeout_ms=4000 * SECONDS, failure="count")
    held = []

    def disturb(stop):
        c = rig.client(timeout=3)
        c.ok("INSERT INTO ks.mark%d (k) VALUES (1)" % len(held))
        conn = rig.origin.wait("ks.mark%d" % len(held))[0].connection
        held.append((c, conn))
        frozen(conn)
        text = "INSERT INTO ks.x (k, v) VALUES (1, '%s')" % ("x" * 60000)
        try:
            for n in range(400):
                c.send_query(text, stream=n)
            raise AssertionError("its own client was never stopped")
        except TimeoutError:
            pass

    def relieve():
        held[-1][0].close()
        held[-1][1].reading.set()
    judge(rig, disturb, relieve)


for t in (test_client_that_does_not_read, test_target_leg_frozen, test_origin_leg_slow):
    t.alone = True


def test_memory_of_all_sessions_together(new):
    """The global bound: many sessions that don't read stop being read from, and go on when there is room."""
    rig = new(mode="release", session_buffer=BUFFER, request_timeout_ms=20000, memory=16 << 20)
    big = cql.rows([("k", cql.TEXT)], [[b"x" * FRAME]])
    rig.origin.rule("ks.big", fake.says(cql.RESULT, big))
    before = rig.rss()
    crowd = [rig.client(buffer=65536, timeout=20) for _ in range(20)]
    for c in crowd:
        for n in range(8):
            c.send_query("SELECT k FROM ks.big", stream=n)
    time.sleep(1.5)
    grown = rig.rss() - before
    assert grown < 48 << 20, "grew by %d MiB" % (grown >> 20)
    for c in crowd:
        for n in range(8):
            assert c.good(c.receive(n)).body == big
    rig.expect(failed=0, reads=160)


test_memory_of_all_sessions_together.seconds = 4
