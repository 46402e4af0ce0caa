#!/usr/bin/python3
"""The process of an app under test: runs the app parts of the tests, which know nothing of Seam.

Run as: worker.py FD, a socket to the harness; requests and answers are pickles. Only Origin's contact points are
known here. A part is a module-level function whose first argument is an App.
"""
import importlib
import logging
import os
import pickle
import sys
import traceback
from concurrent.futures import wait
from multiprocessing.connection import Connection

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from cassandra import ConsistencyLevel  # noqa: E402
from cassandra.auth import PlainTextAuthProvider  # noqa: E402
from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT  # noqa: E402
from cassandra.policies import RoundRobinPolicy, WhiteListRoundRobinPolicy  # noqa: E402


class Kept(logging.Handler):
    """The driver's last warnings, for the message of a test that fails."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record):
        self.lines = self.lines[-9:] + [self.format(record)]


class App:
    """What an app part gets. keep: a dict that lives as long as the process."""

    def __init__(self):
        self.contacts, self.auth, self.keep = [], None, {}
        self._open = []
        self.warnings = Kept()
        logging.getLogger("cassandra").addHandler(self.warnings)

    def driver(self, protocol=4, compression=False, auth=None, schema=False, contacts=None, only=None,
               consistency=ConsistencyLevel.QUORUM, timeout=20, **options):
        """A driver object, shut down when the part returns. only: addresses that it may use; None: all."""
        policy = WhiteListRoundRobinPolicy(only) if only else RoundRobinPolicy()
        # QUORUM is both of Origin's nodes: what an app part has written it reads back
        profile = ExecutionProfile(load_balancing_policy=policy, request_timeout=timeout, consistency_level=consistency)
        if protocol:
            options["protocol_version"] = protocol
        auth = auth or self.auth
        made = Cluster(only or contacts or self.contacts, port=9042, compression=compression, connect_timeout=10,
                       auth_provider=PlainTextAuthProvider(*auth) if auth else None,
                       execution_profiles={EXEC_PROFILE_DEFAULT: profile}, schema_event_refresh_window=0,
                       schema_metadata_enabled=schema, token_metadata_enabled=schema, **options)
        self._open.append(made)
        return made

    def session(self, keyspace=None, **options):
        """Connected to every node: connect() returns after the first, and a PREPARE would miss the others."""
        made = self.driver(**options).connect(keyspace)
        wait(made._initial_connect_futures, 20)
        return made

    def hold(self, name, session):
        """Keep a session open after the part returns, under a name."""
        self._open.remove(session.cluster)
        self.keep[name] = session
        return session

    def drop(self, name):
        self.keep.pop(name).cluster.shutdown()

    def end_part(self):
        for made in self._open:
            made.shutdown()
        self._open = []


def serve(link):
    app = App()
    while True:
        try:
            module, name, args, app.contacts, app.auth = link.recv()
        except EOFError:
            return
        try:
            said = (True, getattr(importlib.import_module(module), name)(app, *args))
        except Exception:
            said = (False, traceback.format_exc() + "".join("\n  driver: " + w for w in app.warnings.lines))
        finally:
            app.end_part()
            app.warnings.lines = []
        try:
            link.send(said)
        except (TypeError, AttributeError, pickle.PicklingError) as exc:
            link.send((False, "%s returned what can't be handed over: %s" % (name, exc)))


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
    # a driver thread that hangs must not keep the process
    os._exit(0)
