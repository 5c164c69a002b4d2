#!/usr/bin/env python3
"""One of two paths lies: its ANA log, statuses, events, namespace list and identity. That changes the state of
this path and nothing else: I/O goes on over the other one without an error and with the right data, what was
read last from the liar stays in force, and the log says so in one line."""
import mmap
import os
import socket
import struct
import threading

from hostile_target import NQN, Controller, put
from lib import run, wait_for

BLOCKS = 256
DISK = bytearray(BLOCKS * 512)
UUID = b"\x5a" * 16
ANA, CHANGED_NS = 0x0C, 0x04
OPTIMIZED, INACCESSIBLE = 1, 3


class Path(Controller):
    """A controller of a subsystem that reports ANA, with a disk that it shares."""

    def __init__(self, cntlid):
        self.cntlid = cntlid
        self.io = set()         # connections of I/O queues
        self.armed = []         # event requests
        self.ana, self.changes = OPTIMIZED, 1
        self.lie = None         # of the ANA log
        self.status = None      # of I/O
        self.uuid = UUID
        self.list = (1,)
        self.done = 0           # I/Os
        super().__init__()

    def talk(self, s):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.exactly(s, 128)
        self.icresp(s)
        while True:
            head = self.exactly(s, 8)
            _, _, hlen, _, plen = struct.unpack("<BBBBI", head)
            rest = self.exactly(s, plen - 8)
            self.command(s, rest[:64], rest[hlen - 8:])

    def connect(self, s, sqe):
        if struct.unpack_from("<H", sqe, 42)[0]:
            self.io.add(s)
        else:
            self.cc, self.armed = 0, []
        self.answer(s, sqe, self.cntlid)

    def command(self, s, sqe, data):
        if s not in self.io or sqe[0] == 0x7F:
            return super().command(s, sqe, data)
        lba, nlb = struct.unpack_from("<Q", sqe, 40)[0], struct.unpack_from("<H", sqe, 48)[0] + 1
        self.done += 1
        if self.status is not None:
            return self.answer(s, sqe, status=self.status)
        if sqe[0] == 2:
            return self.data(s, sqe, bytes(DISK[lba * 512:(lba + nlb) * 512]))
        if sqe[0] == 1:
            DISK[lba * 512:(lba + nlb) * 512] = data[-nlb * 512:]
        return self.answer(s, sqe)

    def aer(self, s, sqe):
        self.armed.append((s, sqe))

    def tell(self, dw0):
        wait_for("an event request", lambda: self.armed)
        s, sqe = self.armed.pop(0)
        self.answer(s, sqe, dw0)

    def id_ctrlr(self):
        d = super().id_ctrlr()
        d[76] = 0x0A                                    # CMIC: controllers, ANA
        put(d, 78, struct.pack("<H", self.cntlid))
        put(d, 92, struct.pack("<I", 0x900))            # OAES: namespaces, ANA
        d[342], d[343] = 10, 0x1F
        put(d, 344, struct.pack("<II", 4, 4))           # ANAGRPMAX, NANAGRPID
        return d

    def id_ns(self):
        d = super().id_ns()
        put(d, 0, struct.pack("<QQQ", BLOCKS, BLOCKS, BLOCKS))
        d[30] = 1                                       # NMIC: shared
        put(d, 92, struct.pack("<I", 1))
        return d

    def ns_desc(self):
        return struct.pack("<BBxx", 3, 16) + self.uuid

    def ns_list(self, after):
        return b"".join(struct.pack("<I", n) for n in self.list if n > after)

    def log(self, s, sqe):
        if sqe[40] == ANA and self.lie == "refused":
            return self.answer(s, sqe, status=0x4006)
        return super().log(s, sqe)

    def log_bytes(self, lid, offset, length):
        if lid == CHANGED_NS:
            return struct.pack("<I", 1).ljust(length, b"\0")
        if lid != ANA:
            return bytes(length)
        groups, gid, nnsids, state = 1, 1, 1, self.ana
        if self.lie == "groups":
            groups = 4000
        elif self.lie == "nnsids":
            nnsids = 0xFFFFFFFF
        elif self.lie == "group 0":
            gid = 0
        elif self.lie == "group 99":
            gid = 99
        elif self.lie == "state":
            state = 0x0B
        log = struct.pack("<QH6x", self.changes, groups) + \
            struct.pack("<IIQB15xI", gid, nnsids, self.changes, state, 1)
        return log.ljust(offset + length, b"\0")[offset:offset + length]


class Load(threading.Thread):
    """Writes and reads back, block by block; an error or a wrong byte ends it."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.stop, self.wrong, self.rounds = path, False, None, 0
        self.start()

    def run(self):
        fd = os.open(self.path, os.O_RDWR | os.O_DIRECT)
        out, back = mmap.mmap(-1, 4096), mmap.mmap(-1, 4096)
        try:
            while not self.stop and not self.wrong:
                at = self.rounds % (BLOCKS // 8) * 4096
                out[:] = struct.pack("<Q", self.rounds) * 512
                os.pwritev(fd, [out], at)
                os.preadv(fd, [back], at)
                if out[:] != back[:]:
                    self.wrong = f"round {self.rounds}: other data"
                self.rounds += 1
        except OSError as e:
            self.wrong = str(e)
        finally:
            os.close(fd)


def main(env):
    good, liar = Path(1), Path(2)
    for peer in (good, liar):
        env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", peer.port, "-n", NQN, "-k", "0",
                   "--policy", "round-robin", "--write-fence", "off")
    path = os.path.join(env.mount(), NQN, "n1")
    wait_for("the file", lambda: os.path.exists(path))
    load = Load(path)

    def paths():
        subsys = env.json("show-topology")[0]["Subsystems"]
        return {p["Name"]: (p["State"], p["ANAState"]) for s in subsys for n in s["Namespaces"]
                for p in n["Paths"]}

    def lines(*words):
        with open(os.path.join(env.run_dir, "nvhostd.log")) as f:
            return [line for line in f if "nvh1" in line and all(w in line for w in words)]

    def more(peer):
        before = peer.done
        wait_for("I/O to go on", lambda: load.wrong or peer.done > before + 50)
        assert not load.wrong, load.wrong

    both = {"nvh0": ("live", "optimized"), "nvh1": ("live", "optimized")}
    wait_for("two paths", lambda: paths() == both)
    more(good), more(liar)

    # The ANA log. What it really is, inaccessible, is not learnt while it cannot be read.
    for lie in ("refused", "groups", "nnsids", "group 0", "group 99", "state"):
        liar.lie, liar.ana = lie, INACCESSIBLE
        told = len(lines("ANA log"))
        liar.tell(2 | 3 << 8 | ANA << 16)
        wait_for(f"a line about the log ({lie})", lambda: len(lines("ANA log")) > told)
        assert paths() == both, (lie, paths())
        more(good), more(liar)
        assert len(lines("ANA log")) == told + 1, (lie, lines("ANA log")[told:])
        liar.lie, liar.ana, liar.changes = None, OPTIMIZED, liar.changes + 1
        liar.tell(2 | 3 << 8 | ANA << 16)
        wait_for("the log to be good again", lambda: len(liar.armed) and paths() == both)
    assert len(lines("last read stay")) == 6, lines("last read stay")

    # Events of no known kind, and of none at all.
    before = len(lines("warn"))
    for dw0 in (0, 2 | 0xFF << 8 | 0xFF << 16, 5 | 7 << 8, 7 | 0xFF << 8, 0xFFFFFFFF):
        liar.tell(dw0)
    more(good), more(liar)
    assert paths() == both
    assert len(lines("warn")) <= before + 1, lines("warn")[before:]

    # Statuses: path-related ones, known and not.
    for status in (0x300, 0x301, 0x302, 0x303, 0x360, 0x370, 0x37F):
        liar.status = status
        more(good)
    liar.status = None
    wait_for("the liar to be asked again", lambda: (more(good), paths() == both)[1])
    more(liar)

    # A list of namespaces that goes backwards; then its namespace is another one.
    liar.list = (1, 3, 2)
    liar.tell(2 | 0 << 8 | CHANGED_NS << 16)
    wait_for("a line about it", lambda: lines("stays") or lines("namespace"))
    more(good)
    liar.list, liar.uuid = (1,), b"\x66" * 16
    liar.tell(2 | 0 << 8 | CHANGED_NS << 16)
    wait_for("its path to leave", lambda: paths() == {"nvh0": both["nvh0"]})
    used = liar.done
    more(good)
    assert liar.done <= used + 2, "I/O to a namespace that is another one"
    assert len(lines("warn", "UUID")) + len(lines("warn", "identity")) == 1, lines("warn")[-3:]
    liar.uuid = UUID
    liar.tell(2 | 0 << 8 | CHANGED_NS << 16)
    wait_for("its path to come back", lambda: paths() == both)
    more(good), more(liar)

    load.stop = True
    load.join()
    assert not load.wrong, load.wrong
    env.nvhost("umount", env.mounts[-1])
    env.nvhost("disconnect-all")
    good.close(), liar.close()


run(main)
