"""The simplest conversation, end to end."""


def test_conversation(new):
    """OPTIONS, STARTUP, a read and a write pass in every version, and the write lands on both clusters."""
    rig = new()
    for version in (3, 4, 5):
        c = rig.client(version, ready=False)
        c.options()
        c.start()
        c.ok("SELECT k FROM ks.t")
        c.ok("INSERT INTO ks.t (k) VALUES (%d)" % version)
        assert len(rig.origin.seen("VALUES (%d)" % version)) == 1
        assert len(rig.target.seen("VALUES (%d)" % version)) == 1
    assert not rig.target.seen("SELECT k FROM ks.t")
    rig.expect(reads=3, writes=3, failed=0, total=3, open=3, failed_writes=0, diverged=0, state="up")
