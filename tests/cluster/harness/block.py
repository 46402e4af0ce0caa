"""A block of loopback addresses that no other run on this host uses."""
import random
import socket

LOCK_PORT = 17042


class Block:
    """127.x.y.1 to 127.x.y.250, ours while the lock socket lives (it goes with the process, whatever kills that)."""

    def __init__(self, tries=200):
        for _ in range(tries):
            self.prefix = "127.%d.%d." % (random.randint(64, 126), random.randint(1, 254))
            self._lock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            try:
                self._lock.bind((self.prefix + "254", LOCK_PORT))
                self._lock.listen(1)
                return
            except OSError:
                self._lock.close()
        raise RuntimeError("no free block of loopback addresses in %d tries" % tries)

    def address(self, cluster, node):
        """Node 1… of cluster 1…24."""
        return self.prefix + str(cluster * 10 + node)

    def close(self):
        self._lock.close()
