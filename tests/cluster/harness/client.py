"""The tests' own view of a cluster: direct connections that are never captured."""
import logging

from cassandra import ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import Cluster as Driver, ExecutionProfile, EXEC_PROFILE_DEFAULT, NoHostAvailable
from cassandra.policies import WhiteListRoundRobinPolicy
from cassandra.query import SimpleStatement, named_tuple_factory

logging.getLogger("cassandra").setLevel(logging.CRITICAL)


class Session:
    """One driver session; use as a context or close() it."""

    def __init__(self, addresses, auth, timeout=20, consistency=ConsistencyLevel.ALL):
        profile = ExecutionProfile(load_balancing_policy=WhiteListRoundRobinPolicy(addresses), request_timeout=timeout,
                                   consistency_level=consistency, row_factory=named_tuple_factory)
        self._driver = Driver(addresses, port=9042, protocol_version=4, compression=False, connect_timeout=10,
                              auth_provider=PlainTextAuthProvider(*auth) if auth else None,
                              execution_profiles={EXEC_PROFILE_DEFAULT: profile},
                              schema_metadata_enabled=False, token_metadata_enabled=False)
        try:
            self._session = self._driver.connect()
        except Exception:
            self._driver.shutdown()
            raise

    def run(self, text, values=None, consistency=None):
        """All rows of one statement, as a list."""
        statement = SimpleStatement(text, fetch_size=1000, consistency_level=consistency)
        return list(self._session.execute(statement, values))

    def close(self):
        self._driver.shutdown()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def connect(cluster, auth=None, quiet=False, addresses=None):
    """A session with every node of the cluster (or those given). quiet: None instead of NoHostAvailable."""
    try:
        return Session(addresses or cluster.addresses, auth or cluster.auth)
    except NoHostAvailable:
        if quiet:
            return None
        raise
