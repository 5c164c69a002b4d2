#!/usr/bin/env python3
"""target-lite against hostile hosts: each malformed, oversize, half or endless input ends that
connection within its deadline (with a TermReq where the specification asks for one), leaks no
descriptor, and a well-behaved host beside it never notices."""
import os
import socket
import struct
import time

from lib import NQN, SCALE, Target, run, wait_for

IC_REQ, IC_RESP, H2C_TERM, C2H_TERM, CAPSULE, RESP, H2C_DATA, C2H_DATA, R2T = 0, 1, 2, 3, 4, 5, 6, 7, 9


def pdu(kind, flags, hlen, pdo, plen, body=b""):
    return struct.pack("<BBBBI", kind, flags, hlen, pdo, plen) + body


def icreq(pfv=0, hpda=0, dgst=0, maxr2t=0, hlen=128, plen=128):
    return pdu(IC_REQ, 0, hlen, 0, plen, struct.pack("<HBBI", pfv, hpda, dgst, maxr2t) + bytes(112))


def connect_capsule(nqn=NQN, qid=0, sqsize=31, datalen=1024, fctype=1, sgl_len=1024, recfmt=0,
                    hostnqn="nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555"):
    sgl = struct.pack("<QI3xB", 0, sgl_len, 0x01)
    sqe = struct.pack("<BBHB19x", 0x7F, 0x40, 1, fctype) + sgl
    sqe += struct.pack("<HHHBBI12x", recfmt, qid, sqsize, 0, 0, 0)
    data = bytes(16) + struct.pack("<H", 0xFFFF) + bytes(238) + nqn.encode().ljust(256, b"\0") + \
        hostnqn.encode().ljust(256, b"\0") + bytes(256)
    return pdu(CAPSULE, 0, 72, 72, 72 + datalen, sqe + data[:datalen])


class Peer:
    def __init__(self, target):
        self.s = socket.create_connection(("127.0.0.1", target.port), timeout=20 * SCALE)

    def send(self, data):
        try:
            self.s.sendall(data)
        except OSError:
            pass

    def read_pdu(self):
        head = self.exactly(8)
        kind, _, _, _, plen = struct.unpack("<BBBBI", head)
        return kind, head + self.exactly(plen - 8)

    def exactly(self, n):
        got = b""
        while len(got) < n:
            part = self.s.recv(n - len(got))
            if not part:
                raise EOFError
            got += part
        return got

    def ends_within(self, seconds):
        """Reads until the connection ends; the kinds of PDU seen."""
        kinds, end = [], time.monotonic() + seconds * SCALE
        self.s.settimeout(seconds * SCALE)
        try:
            while time.monotonic() < end:
                kinds.append(self.read_pdu()[0])
        except (EOFError, ConnectionError):
            return kinds
        except (TimeoutError, socket.timeout):
            pass
        raise AssertionError(f"the connection did not end within {seconds * SCALE} s; saw {kinds}")

    def handshake(self, **kw):
        self.send(icreq(**kw))
        kind, _ = self.read_pdu()
        assert kind == IC_RESP, kind
        return self

    def connect(self):
        self.send(connect_capsule())
        kind, body = self.read_pdu()
        assert kind == RESP, kind
        status = struct.unpack_from("<H", body, 8 + 14)[0] >> 1
        assert status == 0, hex(status)
        return self


def command(opcode, cid=5, nsid=0, sgl_type=0x5A, length=4096, cdw10=0, cdw11=0, cdw12=0, data=b""):
    sqe = struct.pack("<BBHI16x", opcode, 0x40, cid, nsid) + \
        struct.pack("<QI3xB", 0, length, sgl_type) + struct.pack("<IIIIII", cdw10, cdw11, cdw12, 0, 0, 0)
    return pdu(CAPSULE, 0, 72, 72 if data else 0, 72 + len(data), sqe + data)


# name -> (stage, bytes, must a C2HTermReq come)
FIRST = {
    "unknown PDU type": (pdu(0x42, 0, 8, 0, 8), True),
    "a capsule before ICReq": (connect_capsule(), True),
    "ICReq with HLEN 127": (icreq(hlen=127), True),
    "ICReq with PLEN 0": (icreq(plen=0), True),
    "ICReq with PLEN 0xffffffff": (icreq(plen=0xFFFFFFFF), True),
    "ICReq with PFV 7": (icreq(pfv=7), True),
    "ICReq with HPDA 255": (icreq(hpda=255), True),
    "an ICResp from a host": (pdu(IC_RESP, 0, 128, 0, 128, bytes(120)), True),
    "zeroes": (bytes(4096), None),
    "noise": (os.urandom(4096), None),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(128), None),
}
AFTER_ICREQ = {
    "a second ICReq": (icreq(), True),
    "capsule PLEN below HLEN": (pdu(CAPSULE, 0, 72, 0, 71, bytes(64)), True),
    "capsule PLEN 0xffffffff": (pdu(CAPSULE, 0, 72, 72, 0xFFFFFFFF, bytes(64)), True),
    "capsule PDO 255": (pdu(CAPSULE, 0, 72, 255, 72 + 8, bytes(72)), True),
    "H2CData nobody asked for": (pdu(H2C_DATA, 4, 24, 24, 24 + 8,
                                     struct.pack("<HHII4x", 1, 1, 0, 8) + bytes(8)), True),
    "C2HData from a host": (pdu(C2H_DATA, 4, 24, 24, 32, bytes(24)), True),
    "R2T from a host": (pdu(R2T, 0, 24, 0, 24, bytes(16)), True),
    "header digest flag not negotiated": (pdu(CAPSULE, 1, 72, 0, 76, bytes(68)), True),
    "TermReq": (pdu(H2C_TERM, 0, 24, 0, 24 + 8, struct.pack("<HI10x", 1, 0) + bytes(8)), None),
    "oversize TermReq": (pdu(H2C_TERM, 0, 24, 0, 1 << 20, bytes(2000)), None),
}


def fds(target):
    return len(os.listdir(f"/proc/{target.process.pid}/fd"))


def bad_bytes(target):
    for name, (data, term) in FIRST.items():
        peer = Peer(target)
        peer.send(data)
        kinds = peer.ends_within(8)
        assert term is not True or C2H_TERM in kinds, f"{name}: no TermReq, saw {kinds}"
    for name, (data, term) in AFTER_ICREQ.items():
        for connected in (False, True):
            peer = Peer(target).handshake()
            if connected:
                peer.connect()
            peer.send(data)
            kinds = peer.ends_within(8)
            assert term is not True or C2H_TERM in kinds, f"{name}: no TermReq, saw {kinds}"


def refused_commands(target):
    """Bad values inside well-formed PDUs end in a status, not in the connection's end."""
    peer = Peer(target).handshake()
    peer.send(connect_capsule(nqn="nqn.2026-01.io.nvhost:nobody"))
    kind, body = peer.read_pdu()
    assert kind == RESP and struct.unpack_from("<H", body, 22)[0] >> 1 != 0
    peer.s.close()
    peer = Peer(target).handshake()
    peer.send(connect_capsule(qid=1))  # an I/O queue of no controller
    kind, body = peer.read_pdu()
    assert kind == RESP and struct.unpack_from("<H", body, 22)[0] >> 1 != 0
    peer.s.close()
    peer = Peer(target).handshake().connect()
    for opcode in (0x06, 0x02, 0x99, 0xFF, 0x0A, 0x09, 0x18):
        for length in (0, 3, 4096, 0xFFFFFFFF):
            peer.send(command(opcode, length=length, cdw10=0xFFFFFFFF, cdw11=0xFFFFFFFF))
            try:
                while peer.read_pdu()[0] not in (RESP, C2H_TERM):
                    pass
            except (EOFError, ConnectionError):
                peer = Peer(target).handshake().connect()
    peer.s.close()


def half_and_slow(target):
    """A handshake that stops half way ends by a deadline; a slow one may finish."""
    for part in (b"", icreq()[:1], icreq()[:7], icreq()[:100]):
        peer = Peer(target)
        peer.send(part)
        peer.ends_within(40)
        peer.s.close()
    peer = Peer(target).handshake()  # never sends Connect
    peer.ends_within(40)
    half = Peer(target).handshake().connect()
    half.send(command(0x06, data=b"")[:40])
    half.s.close()


def many_idle(target):
    peers = [Peer(target) for _ in range(600)]
    for peer in peers[:300]:
        peer.send(icreq())
    for peer in peers:
        peer.s.close()


def main(env):
    target = Target(env)
    env.connect(target)  # the good neighbour
    baseline = fds(target)
    bad_bytes(target)
    refused_commands(target)
    many_idle(target)
    half_and_slow(target)
    wait_for("every hostile connection to be gone", lambda: fds(target) <= baseline, 40)
    listing = env.nvhost("list-subsys").stdout
    assert "live" in listing, listing
    env.nvhost("id-ctrl", "nvh0")
    env.nvhost("disconnect-all")


run(main)
