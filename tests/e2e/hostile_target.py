#!/usr/bin/env python3
"""nvhost against hostile targets: each malformed, contradictory, half, endless or missing answer ends
that attempt within its deadline, with one line that says what was wrong; the daemon lives on, holds a
good controller beside it undisturbed, and its descriptors do not pile up."""
import os
import socket
import struct
import threading
import time

from lib import SCALE, Target, run, wait_for

IC_REQ, IC_RESP, H2C_TERM, C2H_TERM, CAPSULE, RESP, H2C_DATA, C2H_DATA, R2T = 0, 1, 2, 3, 4, 5, 6, 7, 9
NQN = "nqn.2026-01.io.nvhost:hostile"
DISCOVERY = "nqn.2014-08.org.nvmexpress.discovery"
CAP = 127 | 1 << 16 | 1 << 24 | 1 << 37


def pdu(kind, flags, hlen, pdo, plen, body=b""):
    return struct.pack("<BBBBI", kind, flags, hlen, pdo, plen) + body


def put(buf, offset, data):
    buf[offset:offset + len(data)] = data


class Controller:
    """A small, well-behaved controller; the cases below change one thing each."""

    def __init__(self, discovery=False):
        self.discovery = discovery
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(s)
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def close(self):
        self.listener.close()
        for s in self.open:
            s.close()

    # ---- bytes ----

    def exactly(self, s, n):
        got = b""
        while len(got) < n:
            part = s.recv(n - len(got))
            if not part:
                raise EOFError
            got += part
        return got

    def serve(self, s):
        try:
            self.talk(s)
        except (OSError, EOFError):
            pass

    def talk(self, s):
        self.exactly(s, 128)
        self.icresp(s)
        self.cc, self.aers = 0, 0
        while True:
            head = self.exactly(s, 8)
            kind, _, hlen, _, plen = struct.unpack("<BBBBI", head)
            rest = self.exactly(s, plen - 8)
            if kind == CAPSULE:
                self.command(s, rest[:64], rest[hlen - 8:])

    def icresp(self, s):
        s.sendall(pdu(IC_RESP, 0, 128, 0, 128, struct.pack("<HBBI", 0, 0, 0, 131072) + bytes(112)))

    def answer(self, s, sqe, result=0, status=0, sqhd=0):
        cid = struct.unpack_from("<H", sqe, 2)[0]
        s.sendall(pdu(RESP, 0, 24, 0, 24, struct.pack("<QHHHH", result, sqhd, 0, cid, status << 1)))

    def data(self, s, sqe, data):
        cid = struct.unpack_from("<H", sqe, 2)[0]
        s.sendall(pdu(C2H_DATA, 0x04, 24, 24, 24 + len(data),
                      struct.pack("<HHII4x", cid, 0, 0, len(data))) + data)
        self.answer(s, sqe)

    # ---- commands ----

    def command(self, s, sqe, data):
        opcode = sqe[0]
        if opcode == 0x7F:
            self.fabrics(s, sqe, data)
        elif opcode == 0x06:
            self.identify(s, sqe)
        elif opcode == 0x02:
            self.log(s, sqe)
        elif opcode == 0x0C:
            self.aer(s, sqe)
        else:
            self.answer(s, sqe)

    def aer(self, s, sqe):
        pass

    def fabrics(self, s, sqe, data):
        kind = sqe[4]
        if kind == 1:
            self.connect(s, sqe)
        elif kind == 4:
            offset = struct.unpack_from("<I", sqe, 44)[0]
            self.answer(s, sqe, self.register(offset))
        elif kind == 0:
            self.cc = struct.unpack_from("<Q", sqe, 48)[0]
            self.answer(s, sqe)
        else:
            self.answer(s, sqe)

    def connect(self, s, sqe):
        self.answer(s, sqe, 1)

    def register(self, offset):
        if offset == 0:
            return CAP
        if offset == 8:
            return 0x10300
        if offset == 0x1C:
            return (1 if self.cc & 1 else 0) | (2 << 2 if self.cc & 0xC000 else 0)
        return 0

    def identify(self, s, sqe):
        cns, nsid = sqe[40], struct.unpack_from("<I", sqe, 4)[0]
        if cns == 1:
            self.data(s, sqe, bytes(self.id_ctrlr()))
        elif cns == 2:
            self.data(s, sqe, self.ns_list(nsid).ljust(4096, b"\0"))
        elif cns == 3:
            self.data(s, sqe, self.ns_desc().ljust(4096, b"\0"))
        elif cns == 0:
            self.data(s, sqe, bytes(self.id_ns()))
        else:
            self.answer(s, sqe, status=0x4002)

    def id_ctrlr(self):
        d = bytearray(4096)
        put(d, 4, b"HOSTILE".ljust(20))
        put(d, 24, b"hostile".ljust(40))
        put(d, 64, b"1".ljust(8))
        put(d, 78, struct.pack("<H", 1))
        put(d, 80, struct.pack("<I", 0x10300))
        put(d, 92, struct.pack("<I", 0x100))
        d[111] = 2 if self.discovery else 1
        d[259], d[261] = 3, 4
        put(d, 320, struct.pack("<H", 1))
        d[512], d[513] = 0x66, 0x44
        put(d, 514, struct.pack("<H", 128))
        put(d, 516, struct.pack("<I", 1024))
        put(d, 536, struct.pack("<I", 0x100001))
        put(d, 768, (DISCOVERY if self.discovery else NQN).encode())
        put(d, 1792, struct.pack("<II", 4 + 512, 1))
        return d

    def ns_list(self, after):
        return struct.pack("<I", 1) if after == 0 else b""

    def ns_desc(self):
        return struct.pack("<BBxx", 3, 16) + b"\x5a" * 16

    def id_ns(self):
        d = bytearray(4096)
        put(d, 0, struct.pack("<QQQ", 2048, 2048, 2048))
        d[130] = 9
        return d

    def log(self, s, sqe):
        length = (struct.unpack_from("<I", sqe, 40)[0] >> 16) * 4 + 4
        offset = struct.unpack_from("<Q", sqe, 48)[0]
        self.data(s, sqe, self.log_bytes(sqe[40], offset, length))

    def log_bytes(self, lid, offset, length):
        return bytes(length)


# ---- what they do wrong ------------------------------------------------------------------------------


class Silent(Controller):
    def talk(self, s):
        time.sleep(3600)


class Closes(Controller):
    def talk(self, s):
        s.close()


class HalfHandshake(Controller):
    def icresp(self, s):
        s.sendall(pdu(IC_RESP, 0, 128, 0, 128, bytes(40)))
        time.sleep(3600)


class Drips(Controller):
    def icresp(self, s):
        for byte in pdu(IC_RESP, 0, 128, 0, 128, bytes(120)):
            s.sendall(bytes([byte]))
            time.sleep(1)


class Garbage(Controller):
    def icresp(self, s):
        s.sendall(bytes(range(1, 255)) * 20)


class WrongPdu(Controller):
    def icresp(self, s):
        s.sendall(pdu(RESP, 0, 24, 0, 24, bytes(16)))


class HugePdu(Controller):
    def connect(self, s, sqe):
        s.sendall(pdu(C2H_DATA, 4, 24, 24, 0xFFFFFFFF, bytes(16)))


class NoConnect(Controller):
    def connect(self, s, sqe):
        pass


class Refuses(Controller):
    def connect(self, s, sqe):
        self.answer(s, sqe, 0, 0x4184)


class ForeignCid(Controller):
    def connect(self, s, sqe):
        self.answer(s, bytes([0, 0, 0x34, 0x12]) + sqe[4:], 1)


class NeverReady(Controller):
    def register(self, offset):
        return 0 if offset == 0x1C else super().register(offset)


class Fatal(Controller):
    def register(self, offset):
        return 2 if offset == 0x1C else super().register(offset)


class NoCap(Controller):
    def register(self, offset):
        return 0xFFFFFFFFFFFFFFFF if offset == 0 else super().register(offset)


class OtherCntlid(Controller):
    def id_ctrlr(self):
        d = super().id_ctrlr()
        put(d, 78, struct.pack("<H", 77))
        return d


class OtherName(Controller):
    def id_ctrlr(self):
        d = super().id_ctrlr()
        put(d, 768, b"nqn.2026-01.io.nvhost:somebody")
        return d


class SmallCapsules(Controller):
    def id_ctrlr(self):
        d = super().id_ctrlr()
        put(d, 1792, struct.pack("<I", 2))
        return d


class HalfIdentify(Controller):
    """Success, but a hole in the data."""

    def identify(self, s, sqe):
        cid = struct.unpack_from("<H", sqe, 2)[0]
        s.sendall(pdu(C2H_DATA, 0x04, 24, 24, 24 + 512, struct.pack("<HHII4x", cid, 0, 0, 512)) +
                  bytes(512))
        self.answer(s, sqe)


class DataForNothing(Controller):
    def identify(self, s, sqe):
        self.answer(s, sqe)


class NoIdentify(Controller):
    def identify(self, s, sqe):
        pass


class EndlessList(Controller):
    def ns_list(self, after):
        return struct.pack("<1024I", *range(after + 1, after + 1025))

    def id_ns(self):
        raise EOFError


class BackwardList(Controller):
    def ns_list(self, after):
        return struct.pack("<3I", 7, 3, 9)


class BrokenDescriptors(Controller):
    def ns_desc(self):
        return struct.pack("<BBxx", 3, 255) + b"\xff" * 4092


class BrokenNamespace(Controller):
    def id_ns(self):
        d = super().id_ns()
        d[130] = 200
        return d


class EventStorm(Controller):
    def aer(self, s, sqe):
        self.answer(s, sqe, 2 | 0 << 8 | 4 << 16)


class ManyRecords(Controller):
    def log_bytes(self, lid, offset, length):
        return struct.pack("<QQH", 1, 1 << 62, 0).ljust(length, b"\0")


class RestlessLog(Controller):
    count = 0

    def log_bytes(self, lid, offset, length):
        self.count += 1
        if offset == 0:
            return struct.pack("<QQH", self.count, 1, 0).ljust(length, b"\0")
        return bytes([3, 1, 2]).ljust(256, b"\0") + NQN.encode().ljust(length - 256, b"\0")


# ---- the tests ---------------------------------------------------------------------------------------


ENDS = [  # class, seconds at most, words in the one line of the error
    (Silent, 5, "no ICResp within"),
    (Closes, 2, "onnection"),
    (HalfHandshake, 5, "within"),
    (Drips, 5, "within"),
    (Garbage, 2, ""),
    (WrongPdu, 2, ""),
    (HugePdu, 2, ""),
    (NoConnect, 5, "Connect"),
    (Refuses, 2, "host"),
    (ForeignCid, 2, ""),
    (NeverReady, 3, "not ready"),
    (Fatal, 2, "fatal"),
    (NoCap, 2, "CAP"),
    (OtherCntlid, 2, "CNTLID"),
    (OtherName, 2, "SUBNQN"),
    (SmallCapsules, 2, "IOCCSZ"),
    (HalfIdentify, 2, ""),
    (DataForNothing, 2, ""),
    (NoIdentify, 5, "identify"),
]


def attempt(env, case, results):
    kind, seconds, words = case
    peer = kind()
    begun = time.monotonic()
    done = env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", peer.port, "-n", NQN, ok=None)
    results.append((case, done, time.monotonic() - begun))
    peer.close()


def each_attempt_ends_with_one_clear_line(env):
    results, threads = [], []
    for case in ENDS:
        thread = threading.Thread(target=attempt, args=(env, case, results))
        thread.start()
        threads.append(thread)
    for thread in threads:
        thread.join()
    assert len(results) == len(ENDS)
    for (kind, seconds, words), done, took in results:
        about = f"{kind.__name__}: exit {done.returncode} after {took:.1f} s: {done.stderr!r}"
        assert done.returncode != 0, about
        assert took < seconds * SCALE + 2, about
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1 and words in lines[0], about
        print(f"  {kind.__name__:16} {took:4.1f} s  {lines[0]}")


def the_daemon_holds(env):
    return env.nvhost("list-subsys").stdout.count(" live")


def a_connected_one_lists_nothing_broken(env, kind):
    peer = kind()
    held = the_daemon_holds(env)
    env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", peer.port, "-n", NQN, "--name",
               kind.__name__)
    assert the_daemon_holds(env) == held + 1
    names = env.nvhost("list").stdout
    assert kind.__name__ + "n" not in names, names
    env.nvhost("disconnect", "-d", kind.__name__)
    peer.close()


def a_storm_of_events_costs_little(env):
    peer = EventStorm()
    env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", peer.port, "-n", NQN, "--name",
               "storm")
    pid = env.daemon_pid()

    def ticks():
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = ticks()
    time.sleep(2)
    spent = ticks() - before
    print(f"  storm: {spent / 2 * 100:.1f} % of a core")
    assert spent < 0.5 * SCALE, spent
    env.nvhost("disconnect", "-d", "storm")
    peer.close()


def discovery_refuses_what_cannot_be(env):
    for kind, words in ((ManyRecords, "NUMREC"), (RestlessLog, "GENCTR"), (OtherCntlid, "CNTLID")):
        peer = kind(discovery=True)
        done = env.nvhost("discover", "-t", "tcp", "-a", "127.0.0.1", "-s", peer.port, ok=False,
                          timeout=20)
        assert len(done.stderr.strip().splitlines()) == 1 and words in done.stderr, done.stderr
        peer.close()


def main(env):
    target = Target(env)
    env.connect(target)
    pid = env.daemon_pid()
    descriptors = len(os.listdir(f"/proc/{pid}/fd"))
    each_attempt_ends_with_one_clear_line(env)
    for kind in (EndlessList, BackwardList, BrokenDescriptors, BrokenNamespace):
        a_connected_one_lists_nothing_broken(env, kind)
    a_storm_of_events_costs_little(env)
    discovery_refuses_what_cannot_be(env)
    assert env.daemon_pid() == pid
    assert the_daemon_holds(env) == 1
    assert "nvh0n1" in env.nvhost("list").stdout
    wait_for("descriptors to be closed",
             lambda: len(os.listdir(f"/proc/{pid}/fd")) <= descriptors + 1)


if __name__ == "__main__":
    run(main)
