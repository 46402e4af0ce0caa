"""Seam under test: its config, its daemon, its command line; driven by the words that operators use."""
import json
import os
import signal
import subprocess

from .cassandra import die_with_parent
from .wait import until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PINS = "/sys/fs/bpf/seam"


def programs():
    """Where seamd and seam are: $SEAM_BIN, else build/."""
    return os.path.abspath(os.environ.get("SEAM_BIN") or os.path.join(ROOT, "build"))


def built():
    return all(os.access(os.path.join(programs(), p), os.X_OK) for p in ("seamd", "seam"))


def quoted(value):
    """A YAML scalar or flow sequence."""
    if isinstance(value, dict):
        return "{%s}" % ", ".join("%s: %s" % (k, quoted(v)) for k, v in value.items())
    if isinstance(value, list):
        return "[%s]" % ", ".join(quoted(v) for v in value)
    return json.dumps(value) if isinstance(value, str) else str(value)


class Said:
    """What a command answered."""

    def __init__(self, command, code, out, err):
        self.command, self.code, self.out, self.err = command, code, out, err

    @property
    def json(self):
        try:
            return json.loads(self.out)
        except ValueError:
            raise AssertionError("not JSON: %s" % self) from None

    def __str__(self):
        return "%s: exit %d\n%s%s" % (" ".join(self.command), self.code, self.out[-3000:], self.err[-3000:])


class Daemon:
    """One seamd with temporary folders. apps: name → dict of its keys in seam.yaml."""

    def __init__(self, state, origin, target, apps, credentials):
        """credentials: cluster name → (user, password) of Seam's own connections, or None."""
        self.state, self.apps = state, apps
        self.run_dir = os.path.join(state, "run")
        self.state_dir = os.path.join(state, "lib")
        self.config = os.path.join(state, "seam.yaml")
        self.log = os.path.join(state, "seamd.log")
        self._process = None
        self._from = 0
        for path in (state, self.run_dir, self.state_dir):
            os.makedirs(path, exist_ok=True)
        # the mirror runs without privileges and has to reach its sockets
        os.chmod(state, 0o755)
        self._write_config(origin, target, credentials)

    def _write_config(self, origin, target, credentials):
        lines = ["run_dir: %s" % self.run_dir, "state_dir: %s" % self.state_dir, "workers: 2", "stop_timeout: 5s",
                 "log: {format: logfmt, level: info}", "clusters:"]
        for cluster in (origin, target):
            lines += ["  %s:" % cluster.name, "    contact_points: %s" % quoted(cluster.addresses[:1]), "    port: 9042"]
            if credentials.get(cluster.name):
                path = os.path.join(self.state, cluster.name + ".cred")
                with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
                    f.write("user: %s\npassword: %s\n" % credentials[cluster.name])
                lines.append("    credentials: %s" % path)
        lines.append("apps:")
        for name, keys in self.apps.items():
            lines += ["  %s:" % name, "    origin: %s" % origin.name, "    target: %s" % target.name]
            lines += ["    %s: %s" % (k, quoted(v)) for k, v in keys.items()]
        with open(self.config, "w") as f:
            f.write("\n".join(lines) + "\n")

    # ---- the process

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self):
        return self._process.pid

    @property
    def socket(self):
        return os.path.join(self.run_dir, "seamd.sock")

    def start(self, seconds=60):
        with open(self.log, "ab") as out:
            self._from = out.tell()
            self._process = subprocess.Popen([os.path.join(programs(), "seamd"), "--config", self.config],
                                             stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                             start_new_session=True, preexec_fn=die_with_parent)

        def check():
            if not self.running:
                raise AssertionError("seamd ended with exit %d:\n%s" % (self._process.returncode, self.tail()))
            return "msg=ready" in self.said()
        until(lambda: "seamd says msg=ready:\n%s" % self.tail(), check, seconds)

    def said(self):
        """Its log since the last start."""
        with open(self.log, errors="replace") as f:
            f.seek(self._from)
            return f.read()

    def tail(self, lines=25):
        return "\n".join(self.said().splitlines()[-lines:])

    def stop(self, seconds=30):
        """SIGTERM; returns the exit code."""
        if self._process is None:
            return 0
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("seamd did not end within %d s of SIGTERM:\n%s" % (seconds, self.tail())) from None

    def kill(self):
        if self.running:
            self._process.kill()
        self._process.wait(10)

    # ---- the command line

    def cli(self, *words, json_out=True, check=True, seconds=60):
        command = [os.path.join(programs(), "seam"), "--socket", self.socket] + (["--json"] if json_out else []) + list(words)
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  universal_newlines=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise AssertionError("no answer in %d s: %s\nseamd:\n%s" % (seconds, " ".join(command), self.tail())) from None
        said = Said(command, done.returncode, done.stdout, done.stderr)
        if check and said.code != 0:
            raise AssertionError("%s\nseamd:\n%s" % (said, self.tail()))
        return said

    def status(self, app=None):
        """The whole status, or one app's part."""
        whole = self.cli("status").json
        if app is None:
            return whole
        found = [a for a in whole["apps"] if a["name"] == app]
        assert len(found) == 1, "no single app %s in %s" % (app, whole)
        return found[0]

    def attach(self, app, cgroup):
        return self.cli("attach", app, "--cgroup", cgroup.path).json

    def detach(self, app):
        return self.cli("detach", app).json

    def phase(self, app, phase):
        said = self.cli("phase", app, phase).json
        assert said["phase"] == phase and not said["refused"], said
        return said

    # ---- what it must not leave behind

    def pins(self):
        """Pins of our apps, whose names no other run shares."""
        try:
            return [os.path.join(PINS, d, a) for d in os.listdir(PINS) for a in self.apps
                    if os.path.exists(os.path.join(PINS, d, a))]
        except FileNotFoundError:
            return []

    def processes(self):
        """Processes with our config on their command line or our folders as their files: keeper and mirrors."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as f:
                    words = f.read().split(b"\0")
                with open("/proc/%s/stat" % pid) as f:
                    state = f.read().rsplit(")", 1)[1].split()[0]
                if self.config.encode() in words and words[0].endswith(b"seamd") and state != "Z":
                    found.append(int(pid))
            except (FileNotFoundError, ProcessLookupError):
                continue
        return found

    def leftovers(self):
        """Empty once everything is gone; call after detach and stop."""
        left = ["process %d" % p for p in self.processes()] + ["pin %s" % p for p in self.pins()]
        left += ["socket %s" % f for f in os.listdir(self.run_dir) if f.endswith(".sock")]
        return left

    def clean_up(self):
        """By force, after a failure: so that the next run on this host begins clean."""
        if self._process is not None:
            self.kill()
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.pins():
            for app in self.apps:
                self.cli("detach", app, "--config", self.config, "--force", check=False)
