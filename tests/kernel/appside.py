"""What the app does: functions that run in a process of the captured cgroup, called by name over a pipe (see harness.App)."""
import ctypes
import errno
import os
import select
import socket
import struct
import subprocess
import threading
import time

WAIT = 4  # seconds that a connect or a read may take before it counts as hung
SOCKS = {}
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
MSG_FASTOPEN = 0x20000000
TCP_FASTOPEN_CONNECT = 30
FAMILY = {"4": socket.AF_INET, "6": socket.AF_INET6}


def sock(family, kind="stream", proto=0):
    s = socket.socket(FAMILY[family], socket.SOCK_DGRAM if kind == "dgram" else socket.SOCK_STREAM, proto)
    tv = struct.pack("ll", WAIT, 0)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, tv)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, tv)
    SOCKS[s.fileno()] = s
    return s.fileno()


def bind(h, addr, port=0):
    SOCKS[h].bind((addr, port))


def setopt(h, level, opt, value):
    SOCKS[h].setsockopt(level, opt, value.encode() if isinstance(value, str) else value)


def connect(h, addr, port):
    """0 or an errno; EINPROGRESS means hung."""
    try:
        SOCKS[h].connect((addr, port))
        return 0
    except OSError as e:
        return e.errno


def connect_nb(h, addr, port):
    """[what connect() said, what the socket said when it became writable; None: hung]"""
    s = SOCKS[h]
    s.setblocking(False)
    first = s.connect_ex((addr, port))
    last = None
    if first in (0, errno.EINPROGRESS):
        if select.select([], [s], [], WAIT)[1]:
            last = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    s.setblocking(True)
    return [first, last]


def fastopen(h, addr, port, text):
    try:
        SOCKS[h].sendto(text.encode(), MSG_FASTOPEN, (addr, port))
        return 0
    except OSError as e:
        return e.errno


def unspec(h):
    """connect(AF_UNSPEC): the socket forgets its peer."""
    sa = struct.pack("H", socket.AF_UNSPEC) + bytes(14)
    return 0 if LIBC.connect(h, sa, len(sa)) == 0 else ctypes.get_errno()


def line(h):
    """What the other side says first; "" = closed without a byte, "!N" = errno N."""
    got = b""
    try:
        while not got.endswith(b"\n"):
            b = SOCKS[h].recv(1)
            if not b:
                break
            got += b
    except OSError as e:
        return "!%d" % e.errno
    return got.decode().rstrip("\n")


def echo(h, text="ping"):
    try:
        SOCKS[h].sendall(text.encode())
        got = b""
        while len(got) < len(text):
            b = SOCKS[h].recv(len(text) - len(got))
            if not b:
                return False
            got += b
        return got.decode() == text
    except OSError:
        return False


def recv(h, n):
    got = b""
    while len(got) < n:
        b = SOCKS[h].recv(n - len(got))
        if not b:
            break
        got += b
    return got.decode()


def peer(h):
    return list(SOCKS[h].getpeername()[:2])


def name(h):
    return list(SOCKS[h].getsockname()[:2])


def close(h):
    SOCKS.pop(h).close()


def reset(h):
    """Close with RST, so that no TIME_WAIT holds the addresses."""
    SOCKS[h].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    close(h)


def visit(addr, port):
    """One whole connection: {"errno", "line"}."""
    h = sock("6" if ":" in addr else "4")
    try:
        err = connect(h, addr, port)
        return {"errno": err, "line": line(h) if not err else ""}
    finally:
        close(h)


def visits(addr, port, n):
    return [visit(addr, port) for _ in range(n)]


BURST = {"stop": False, "thread": None, "out": None}


def burst(addr, port):
    """Connects one after the other until burst_end(); counts how each went."""
    out = {"captured": 0, "direct": 0, "refused": 0, "hung": 0, "cut": 0, "other": 0}

    def go():
        while not BURST["stop"]:
            v = visit(addr, port)
            if v["errno"]:
                kind = {errno.ECONNREFUSED: "refused", errno.EINPROGRESS: "hung"}.get(v["errno"], "other")
            else:
                kind = v["line"].split(" ")[0]
                kind = kind if kind in ("captured", "direct") else "cut"
            out[kind] += 1

    BURST.update(stop=False, out=out, thread=threading.Thread(target=go))
    BURST["thread"].start()


def burst_so_far():
    return dict(BURST["out"])


def burst_end():
    BURST["stop"] = True
    BURST["thread"].join()
    return BURST["out"]


def open_many(addr, port, n):
    """n connections, kept; the handles."""
    out = []
    for _ in range(n):
        h = sock("6" if ":" in addr else "4")
        if connect(h, addr, port):
            raise RuntimeError("connection %d failed" % len(out))
        out.append(h)
    return out


def close_all():
    for h in list(SOCKS):
        close(h)


def in_thread(addr, port):
    out = []
    t = threading.Thread(target=lambda: out.append(visit(addr, port)))
    t.start()
    t.join()
    return out[0]


def in_fork(h):
    """The connection of `h` used by a forked child, and by a program that the child becomes."""
    pid = os.fork()
    if not pid:
        os._exit(0 if echo(h, "from the child") else 1)
    ok = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    os.set_inheritable(h, True)
    code = "import socket,sys; s=socket.socket(fileno=%d); s.sendall(b'exec'); d=s.recv(4); print(d.decode(), s.getpeername())" % h
    out = subprocess.run(["/usr/bin/python3", "-c", code], close_fds=False, capture_output=True, text=True, timeout=20)
    return [ok, out.stdout.strip()]


def in_child(addr, port):
    """A connection made by a forked child."""
    r, w = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(w, visit(addr, port)["line"].encode())
        os._exit(0)
    os.close(w)
    os.waitpid(pid, 0)
    return os.read(r, 500).decode(), pid


def join(path):
    with open(path + "/cgroup.procs", "w") as f:
        f.write(str(os.getpid()))


def setuid(uid):
    os.setresuid(uid, uid, uid)


def own_netns(addrs):
    if LIBC.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for a in addrs:
        subprocess.run(["ip", "addr", "add", a, "dev", "lo"] + (["nodad"] if ":" in a else []), check=True)


def serve(addr, port):
    """A small Origin inside this process (for a network namespace of its own)."""
    s = socket.create_server((addr, port))

    def go():
        while True:
            c, _ = s.accept()
            c.sendall(b"direct inside\n")
            c.close()

    threading.Thread(target=go, daemon=True).start()


def udp(addr, port, text):
    h = sock("4", "dgram")
    connect(h, addr, port)
    SOCKS[h].send(text.encode())
    out = [peer(h), SOCKS[h].recv(100).decode()]
    close(h)
    return out


def sleep(s):
    time.sleep(s)
