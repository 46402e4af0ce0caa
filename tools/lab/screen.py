"""What the lab shows: a line a step, alive on a terminal, plain in a pipe."""
import collections
import os
import sys
import threading
import time

SPIN = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
GREEN, RED, DIM, BOLD, PLAIN = "\033[32m", "\033[31m", "\033[2m", "\033[1m", "\033[0m"


class Rate:
    """Requests a second over the last second, from a counter."""

    def __init__(self):
        self._seen = collections.deque()

    def of(self, count):
        now = time.monotonic()
        self._seen.append((now, count))
        while len(self._seen) > 2 and now - self._seen[0][0] > 1.2:
            self._seen.popleft()
        (then, before) = self._seen[0]
        return (count - before) / (now - then) if now - then > 0.3 else None


class Screen:
    def __init__(self, count, steps):
        """count: returns (requests, errors so far, errors of a step that kills), callable at any time."""
        self._count, self._steps = count, steps
        self._live = sys.stdout.isatty()
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no spinner is no reason to fail
        self._colour = self._live and not os.environ.get("NO_COLOR")
        self._rate = Rate()
        self._lock = threading.Lock()
        self._now = None
        self._end = threading.Event()
        self._thread = None

    def open(self):
        self._thread = threading.Thread(target=self._refresh, daemon=True)
        self._thread.start()

    def close(self):
        self._end.set()
        if self._thread:
            self._thread.join(5)

    def _paint(self, code, text):
        return code + text + PLAIN if self._colour else text

    def title(self, text):
        print(self._paint(BOLD, text), flush=True)

    def _line(self, mark, code):
        number, what, begun, rate = self._now
        _, errors, of_kill = self._count()
        speed = "%4.0f req/s" % rate if rate is not None else "          "
        said = "%d errors%s" % (errors, " (+%d by the kill)" % of_kill if of_kill else "")
        return "%*d  %-47s %s %s %5.1f s  %s" % (len(str(self._steps)), number, what, self._paint(code, "%-6s" % mark), speed,
                                                 time.monotonic() - begun, self._paint(RED if errors else DIM, said))

    def _refresh(self):
        turn = 0
        while not self._end.wait(0.1):
            with self._lock:
                rate = self._rate.of(self._count()[0])
                if self._now:
                    self._now[3] = rate
                    if self._live:
                        sys.stdout.write("\r\033[K" + self._line(SPIN[turn % len(SPIN)], BOLD))
                        sys.stdout.flush()
            turn += 1

    def begin(self, number, what):
        with self._lock:
            self._now = [number, what, time.monotonic(), None]

    def done(self, shown, failed=False):
        """shown: what the step's assertion found, or the reason why it failed."""
        with self._lock:
            mark, code = ("FAILED", RED) if failed else ("ok", GREEN)
            start = "\r\033[K" if self._live else ""
            indent = " " * (len(str(self._steps)) + 2)
            text = "\n".join(indent + self._paint(RED if failed else DIM, line) for line in shown.splitlines())
            print(start + self._line(mark, code) + "\n" + text, flush=True)
            self._now = None

    def abandon(self):
        """The step ends without a verdict (^C)."""
        with self._lock:
            if self._now:
                print(("\r\033[K" if self._live else "") + self._line("ended", RED), flush=True)
                self._now = None
