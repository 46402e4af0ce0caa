"""Discovery of both clusters, and what the door does with guests that nobody knows."""
import socket
import time

import cql
import fake
from rig import until


def endpoints(rig, cluster):
    said = rig.keeper.heard("topology", cluster=cluster)
    return said[-1]["endpoints"] if said else []


def test_peers(new):
    """Every node that the tables name is an endpoint, and Target legs go round."""
    second = fake.Node("origin2")
    origin = fake.Node("origin")
    origin.peers.append(second)
    rig = new(origin=origin)
    rig.nodes.append(second)
    until(lambda: {origin.address, second.address} <= set(endpoints(rig, "old")), "both nodes")


def test_old_server_without_peers_v2(new):
    """system.peers is asked then; its rows have rpc_address and no port."""
    target = fake.Node("target", tag="T")
    rows = cql.rows([("peer", cql.INET), ("rpc_address", cql.INET), ("data_center", cql.TEXT)],
                    [[socket.inet_aton("127.0.0.9"), socket.inet_aton("0.0.0.0"), b"dc1"], [socket.inet_aton("127.0.0.8"), None, b"dc1"]])
    usual = target.peer_rows

    def old(c, req, text):
        if "peers_v2" in text:
            c.send(req, cql.ERROR, cql.error(cql.INVALID, "unconfigured table peers_v2"))
        elif "schema_version" in text:
            usual(c, req, text)
        else:
            c.send(req, cql.RESULT, rows)
    target.peer_rows = old
    rig = new(target=target)
    until(lambda: "127.0.0.9:%d" % target.port in endpoints(rig, "new"), "the peer's own address where rpc_address is 0.0.0.0")
    assert not [e for e in endpoints(rig, "new") if "127.0.0.8" in e], "a row without an address is no node yet"


def test_cluster_that_comes_later(new):
    """Down at the start: said so, tried again, found. Sessions that waited in vain go on."""
    target = fake.Node("target", tag="T")
    target.refuse()
    rig = new(target=target, wait=False, failure="count")
    said = rig.keeper.wait_said("topology", cluster="new", ok=False)
    assert said[0]["error"] and not said[0]["versions"], said
    rig.keeper.wait_said("topology", cluster="old", ok=True)
    c = rig.client()
    c.ok("INSERT INTO ks.t (k) VALUES (1)")
    rig.expect(failed_writes=1, state="down")
    target.up()
    rig.keeper.wait_said("topology", timeout=10, cluster="new", ok=True)
    until(lambda: c.query("INSERT INTO ks.t (k) VALUES (2)").opcode == cql.RESULT and target.seen("VALUES (2)"), "the leg", 6)
    rig.expect(state="up", open=1)


def test_lost_and_found(new):
    rig = new()
    rig.origin.down()
    said = until(lambda: [m for m in rig.keeper.heard("topology", cluster="old") if not m["ok"]], "its loss is said")
    assert said[-1]["versions"] == [3, 4, 5] and said[-1]["error"], "what was known stays known"
    before = len(rig.keeper.heard("topology", cluster="old", ok=True))
    rig.origin.up()
    until(lambda: len(rig.keeper.heard("topology", cluster="old", ok=True)) > before, "found again", 10)


def test_node_told_to_be_down(new):
    """STATUS_CHANGE of Target: its legs avoid that node, and come back to it."""
    second = fake.Node("target2", tag="T")
    target = fake.Node("target", tag="T")
    target.peers.append(second)
    rig = new(target=target)
    rig.nodes.append(second)
    until(lambda: second.address in endpoints(rig, "new"), "both nodes")
    watcher = until(lambda: [c for c in target.connections if c.registered], "the watcher")[0]

    def status(word):
        count = len(rig.keeper.heard("topology", cluster="new"))
        watcher.event(cql.string("STATUS_CHANGE") + cql.string(word) + b"\4" + socket.inet_aton("127.0.0.1") + cql.integer(second.port))
        until(lambda: len(rig.keeper.heard("topology", cluster="new")) > count, "it is heard")
    status("DOWN")
    before = len(second.legs())
    for n in range(6):
        rig.client().ok("INSERT INTO ks.t (k) VALUES (1)")
    assert len(second.legs()) == before
    status("UP")
    for n in range(6):
        rig.client().ok("INSERT INTO ks.t (k) VALUES (2)")
    assert second.seen("VALUES (2)")


def test_garbage_from_a_contact_point(new):
    """It is no CQL server at all: said so, and asked again, not in a hurry."""
    target = fake.Node("target", tag="T")
    target.opaque = lambda c, data: c.put(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    rig = new(target=target, wait=False)
    said = rig.keeper.wait_said("topology", cluster="new", ok=False)
    assert "not the CQL protocol" in said[0]["error"], said
    before = len(target.connections)
    time.sleep(1)
    assert len(target.connections) - before <= 8


def test_turned_away(new):
    """A connection that the kernel part knows nothing of."""
    rig = new()
    address = rig.listen("shop", "nobody")
    s = socket.create_connection(address)
    s.settimeout(5)
    assert s.recv(10) == b""
    rig.expect(turned_away=1, open=0, total=0)
    assert "turned_away" in rig.log()
    s.close()


def test_version_of_one_cluster_only(new):
    """Attached by force: what only Origin speaks is refused as by a server without it, and the driver steps down."""
    rig = new(target=fake.Node("target", tag="T", versions=(3, 4)))
    for opcode in (cql.OPTIONS, cql.STARTUP):
        c = rig.client(5, ready=False)
        c.send(opcode, b"" if opcode == cql.OPTIONS else cql.string_map({"CQL_VERSION": "3.0.0"}), stream=7)
        got = c.read()
        assert (got.version, got.stream, got.opcode) == (0x84, 0, cql.ERROR), got
        assert cql.Failure(4, got.body).text.startswith("Invalid or unsupported protocol version (5)")
        c.close()
    rig.client(4).ok("INSERT INTO ks.t (k) VALUES (1)")
    rig.expect(failed=0, failed_writes=0)
