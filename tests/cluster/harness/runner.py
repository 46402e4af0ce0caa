"""Runs the cases and says a line for each: first as a control without Seam, then through it."""
import argparse
import glob
import importlib
import os
import re
import shutil
import sys
import time
import traceback

from . import seam
from .case import CASES, Context, Skipped
from .world import World

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Runner:
    def __init__(self, args):
        self.args = args
        self.passed = self.failed = self.skipped = 0
        self.world = None

    def note(self, text):
        print("# " + text, flush=True)

    def result(self, state, name, seconds, detail=""):
        print("%-4s %s (%.1f s)" % (state, name, seconds), flush=True)
        if detail:
            print("\n".join("     " + line for line in detail.rstrip().splitlines()), flush=True)
        if state == "ok":
            self.passed += 1
        elif state == "FAIL":
            self.failed += 1
        else:
            self.skipped += 1

    def run_case(self, pair, made, through):
        """One case; returns whether it passed."""
        name = "%s %s %s" % ("5.0→4.1" if pair.name == "41" else "5.0→5.0", "seam   " if through else "control", made.name)
        start = time.monotonic()
        context = Context(pair, made, pair.daemon if through else None)
        state, detail = "ok", ""
        try:
            made.function(context)
        except Skipped as exc:
            state, detail = "skip", str(exc)
        except Exception as exc:
            state = "FAIL"
            frames = traceback.extract_tb(exc.__traceback__)
            where = ["%s:%d" % (os.path.basename(f.filename), f.lineno) for f in frames[-4:]]
            detail = "%s: %s\nat %s" % (type(exc).__name__, exc, " ".join(where))
        finally:
            context.end()
        self.result(state, name, time.monotonic() - start, detail)
        return state != "FAIL"

    def restored(self, pair):
        """Back to what cases expect; a failure here is one of the run, and ends the pair."""
        try:
            pair.restore()
            return True
        except Exception as exc:
            self.result("FAIL", "%s restore" % pair.name, 0, "%s: %s" % (type(exc).__name__, exc))
            return False

    def chosen(self, pair):
        found = [c for c in CASES if pair.name in c.pairs and re.search(self.args.only, c.name)]
        return sorted(found, key=lambda c: c.disruptive)

    def run_pair(self, pair):
        cases = self.chosen(pair)
        # the control sees Origin alone, which the pairs share: once is enough
        earlier = {c.name for p in self.world.pairs[:self.world.pairs.index(pair)] for c in self.chosen(p)}
        alone = self.args.without_seam
        for made in cases:
            if made.name in earlier:
                continue
            if made.control and (alone or not made.disruptive):
                self.run_case(pair, made, False)
                if made.disruptive and not self.restored(pair):
                    return
            elif alone:
                self.result("skip", "%s %s" % (pair.name, made.name), 0, "means nothing without Seam")
        if alone:
            return
        start = time.monotonic()
        try:
            pair.start_daemon()
        except Exception as exc:
            self.result("FAIL", "%s start and attach" % pair.name, time.monotonic() - start, str(exc))
            self.result("skip", "%s: %d cases" % (pair.name, len(cases)), 0, "no daemon")
            return
        self.result("ok", "%s start and attach" % pair.name, time.monotonic() - start)
        for made in cases:
            good = self.run_case(pair, made, True)
            if (made.disruptive or not good) and not self.restored(pair):
                return
        if pair.daemon:
            start = time.monotonic()
            left = pair.stop_daemon()
            self.result("FAIL" if left else "ok", "%s nothing left behind" % pair.name, time.monotonic() - start, "\n".join(left))

    def keep_logs(self):
        """A failed run leaves its logs where they can be read."""
        to = os.path.join(seam.ROOT, "build", "cluster-logs", self.world.id)
        for path in glob.glob(self.world.state + "/*/seamd.log") + glob.glob(self.world.state + "/*/out"):
            os.makedirs(to, exist_ok=True)
            shutil.copy(path, os.path.join(to, os.path.basename(os.path.dirname(path)) + ".log"))
        self.note("logs: " + to)

    def run(self):
        begun = time.monotonic()
        if not self.args.without_seam and not seam.built():
            self.note("seamd and seam are not in %s" % seam.programs())
            return 2
        left = []
        self.world = World(self.args.pair)
        try:
            self.world.start()
            self.note("clusters up in %.0f s" % (time.monotonic() - begun))
            for pair in self.world.pairs:
                self.run_pair(pair)
        except KeyboardInterrupt:
            self.result("FAIL", "interrupted", time.monotonic() - begun)
        except Exception:
            self.result("FAIL", "the run itself", time.monotonic() - begun, traceback.format_exc())
        finally:
            if self.failed:
                self.keep_logs()
            left = self.world.stop(self.args.keep)
        if left:
            self.result("FAIL", "clean end", 0, "\n".join(left))
        self.note("%.0f s" % (time.monotonic() - begun))
        print("%d passed, %d failed, %d skipped" % (self.passed, self.failed, self.skipped), flush=True)
        return 1 if self.failed else 0


def main():
    p = argparse.ArgumentParser(description="Seam's tests on real Cassandra, driven by a real driver (root)")
    p.add_argument("--without-seam", action="store_true", help="the apps' parts alone, straight to Origin")
    p.add_argument("--pair", action="append", choices=["41", "50"], help="Origin 5.0 → this Target; default both")
    p.add_argument("--only", default="", metavar="REGEX", help="cases whose name matches")
    p.add_argument("--keep", action="store_true", help="keep the run's folder")
    p.add_argument("--list", action="store_true")
    args = p.parse_args()
    args.pair = args.pair or ["41", "50"]
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    if args.list:
        for made in CASES:
            print("%-14s %-8s %-7s %s" % (made.module, "+".join(made.pairs), made.app, made.name))
        return 0
    if os.geteuid() != 0:
        print("the cluster tests make cgroups and need root", file=sys.stderr)
        return 2
    return Runner(args).run()
