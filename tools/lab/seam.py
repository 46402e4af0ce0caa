"""Seam as an operator has it: a config, a daemon, the command line."""
import glob
import json
import os
import signal
import subprocess

import host

PINS = "/sys/fs/bpf/seam"

# The default follower_wait of 50ms is less than a busy machine, or a JVM that has just started, may take over the first PREPARE on Target: the
# writes that wait for it would be counted as failed, and the lab wants to see those that fail for a reason.
CONFIG = """\
run_dir: {folder}/run
state_dir: {folder}/state
stop_timeout: 10s
metrics: off
clusters:
  old:
    contact_points: [{origin}]
  new:
    contact_points: [{target}]
apps:
  {app}:
    origin: old
    target: new
    follower_failure: count
    follower_wait: 2s
"""


class Refused(AssertionError):
    """seam's exit code was not 0."""

    def __init__(self, words, code, text):
        super().__init__("seam %s: exit %d: %s" % (" ".join(words), code, " ".join(text.split())[-400:]))
        self.code = code


class Seam:
    """One daemon, whose folders are the run's."""

    def __init__(self, build, folder, app):
        self.app = app
        self._build, self._folder = build, folder
        self._config = os.path.join(folder, "seam.yaml")
        self._log = os.path.join(folder, "seamd.log")
        self._process = None
        self._from = 0

    def configure(self, origin, target):
        folder = self._folder
        os.mkdir(os.path.join(folder, "run"))
        os.mkdir(os.path.join(folder, "state"))
        with open(self._config, "w") as f:
            f.write(CONFIG.format(folder=folder, app=self.app, origin=origin.addresses[0],
                                  target=target.addresses[0]))

    # ---- the daemon

    def start(self):
        with open(self._log, "ab") as log:
            self._from = log.tell()
            self._process = host.spawn([os.path.join(self._build, "seamd"), "--config", self._config],
                                       end_with_us=signal.SIGTERM, stdout=log, stderr=log)
        host.until(lambda: "seamd is ready: %s" % self._tail(), self._ready, 30, 0.05)

    def _ready(self):
        if self._process.poll() is not None:
            raise RuntimeError("seamd ended with exit %d: %s" % (self._process.returncode, self._tail()))
        with open(self._log, errors="replace") as f:
            f.seek(self._from)
            return "msg=ready" in f.read()

    def _tail(self):
        with open(self._log, errors="replace") as f:
            return " | ".join(f.read().splitlines()[-5:])

    @property
    def pid(self):
        return self._process.pid

    def kill(self):
        """SIGKILL to the keeper."""
        self._process.kill()
        self._process.wait(10)

    def stop(self):
        """SIGTERM; the exit code, None when it took force."""
        self._process.terminate()
        return host.reap(self._process, 30)

    # ---- the command line

    def cli(self, *words, seconds=60):
        """stdout as JSON."""
        command = [os.path.join(self._build, "seam"), "--socket", os.path.join(self._folder, "run", "seamd.sock"), "--json"]
        done = subprocess.run(command + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True, timeout=seconds, check=False)
        if done.returncode:
            raise Refused(words, done.returncode, done.stderr + done.stdout)
        return json.loads(done.stdout)

    def status(self):
        """The app's part, and the daemon's under "daemon"."""
        said = self.cli("status")
        app, = [a for a in said["apps"] if a["name"] == self.app]
        return dict(app, daemon=said["daemon"])

    def attach(self, cgroup):
        return self.cli("attach", self.app, "--cgroup", cgroup.path)

    def detach(self):
        return self.cli("detach", self.app)

    def phase(self, phase):
        said = self.cli("phase", self.app, phase)
        if said["phase"] != phase or said["refused"]:
            raise AssertionError("seam phase: %s" % said)

    # ---- what it must not leave behind

    def leftovers(self):
        left = ["process %d" % p for p in host.processes_with(self._config)]
        left += glob.glob(os.path.join(PINS, "*", self.app)) + glob.glob(os.path.join(self._folder, "run", "*.sock"))
        return left

    def clean_up(self):
        """By force, whatever state the run ended in."""
        if self._process and self._process.poll() is None:
            self._process.terminate()
            host.reap(self._process, 15)
        for pid in host.processes_with(self._config):
            host.kill(pid)
        if glob.glob(os.path.join(PINS, "*", self.app)):
            self.cli("detach", self.app, "--config", self._config, "--force")
