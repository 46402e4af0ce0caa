"""A seam-node of the test's own, its control socket, sessions on it. Everything ends with the test; a node that leaks or crashes fails it."""
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import tempfile
import time

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import FallthroughRetryPolicy, TokenAwarePolicy, RoundRobinPolicy


class Skip(Exception):
    pass


def until(what, seconds=10):
    """Poll what() until it is true; its value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f'not true within {seconds} s')
        time.sleep(0.02)


class World:
    def __init__(self, program, version):
        self.program, self.version = program, version
        self.dir = tempfile.mkdtemp(prefix='seam-node-')
        self.clusters, self.process, self.control_socket = [], None, None

    def start(self, nodes=1, *options):
        """Nodes on addresses of 127/8 that nobody else in this run has."""
        for _ in range(20):
            base = random.randint(16, 250), random.randint(1, 250)
            self.addresses = [f'127.{base[0]}.{base[1]}.{i + 1}' for i in range(nodes)]
            self.control_path = os.path.join(self.dir, 'control')
            self.process = subprocess.Popen(
                [self.program, '--cluster', 'Test', '--address', ','.join(self.addresses), '--control',
                 self.control_path, *options],
                stdout=subprocess.PIPE, stderr=open(os.path.join(self.dir, 'err'), 'wb'), text=True)
            if self.process.stdout.readline() == 'ready\n':
                return self
            self.process.wait()
        raise AssertionError(open(os.path.join(self.dir, 'err')).read())

    def control(self, **request):
        if not self.control_socket:
            s = socket.socket(socket.AF_UNIX)
            s.connect(self.control_path)
            s.settimeout(30)
            self.control_socket = s.makefile('rw')
        self.control_socket.write(json.dumps(request) + '\n')
        self.control_socket.flush()
        return json.loads(self.control_socket.readline())

    def ok(self, **request):
        answer = self.control(**request)
        assert answer == {'ok': True}, answer

    def dump(self, table):
        first = self.control(dump=table)
        rows = []
        while 'end' not in first:
            assert 'error' not in first, first
            rows.append(first)
            first = json.loads(self.control_socket.readline())
        assert first['end'] == len(rows)
        return rows

    def cluster(self, version=None, compression=False, contact=0, timeout=10, **more):
        version = version or self.version
        profile = ExecutionProfile(
            load_balancing_policy=TokenAwarePolicy(RoundRobinPolicy(), shuffle_replicas=False),
            retry_policy=FallthroughRetryPolicy(), consistency_level=ConsistencyLevel.ONE, request_timeout=timeout)
        c = Cluster([self.addresses[contact]], protocol_version=version, compression=compression,
                    execution_profiles={EXEC_PROFILE_DEFAULT: profile}, **more)
        self.clusters.append(c)
        return c

    def session(self, *args, **kwargs):
        return self.cluster(*args, **kwargs).connect()

    def end(self):
        for c in self.clusters:
            c.shutdown()
        if self.control_socket:
            self.control_socket.close()
        code, err = 0, ''
        if self.process:
            self.process.terminate()
            code = self.process.wait(30)
            self.process.stdout.close()
            err = open(os.path.join(self.dir, 'err'), errors='replace').read()
        shutil.rmtree(self.dir)
        assert code == 0 and not err, f'seam-node ended with {code}: {err[-4000:]}'


def keyspace(session, name='ks'):
    session.execute(f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}")
    return name


class Raw:
    """A connection without a driver, v3 or v4, no compression."""

    def __init__(self, address, version=4, port=9042):
        self.s = socket.create_connection((address, port), timeout=10)
        self.version = version

    def send(self, opcode, body=b'', stream=0, flags=0, version=None):
        self.s.sendall(struct.pack('>BBhBi', version or self.version, flags, stream, opcode, len(body)) + body)

    def exactly(self, n):
        data = b''
        while len(data) < n:
            part = self.s.recv(n - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def receive(self):
        version, flags, stream, opcode, length = struct.unpack('>BBhBi', self.exactly(9))
        return version & 0x7f, flags, stream, opcode, self.exactly(length)

    def ask(self, opcode, body=b'', **more):
        self.send(opcode, body, **more)
        return self.receive()

    def startup(self):
        answer = self.ask(1, struct.pack('>H', 1) + text('CQL_VERSION') + text('3.0.0'))
        assert answer[3] == 2, answer
        return self

    def query(self, cql, **more):
        return self.ask(7, struct.pack('>i', len(cql)) + cql.encode() + b'\0\1\0', **more)

    def close(self):
        self.s.close()


def text(s):
    return struct.pack('>H', len(s)) + s.encode()
