#!/usr/bin/env python3
"""Faults on command (fault_add): each kind does what it says on a real connection, and I/O of nvhost
goes on without an error where a retry is legal."""
import json
import mmap
import os
import threading
import time

from lib import NQN, SCALE, Target, run, wait_for

READ, WRITE = 2, 1


class Disk:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_DIRECT)

    def read(self, block=0):
        buf = mmap.mmap(-1, 4096)
        assert os.preadv(self.fd, [buf], block * 4096) == 4096
        return buf[0]

    def write(self, byte, block=0):
        buf = mmap.mmap(-1, 4096)
        buf.write(bytes([byte]) * 4096)
        assert os.pwrite(self.fd, buf, block * 4096) == 4096

    def close(self):
        os.close(self.fd)


def timed(fn):
    start = time.monotonic()
    fn()
    return time.monotonic() - start


def fault(target, kind, **params):
    return target.rpc("fault_add", kind=kind, nqn=NQN, **params)


def fired(target, number):
    return next(f["fired"] for f in target.rpc("fault_list") if f["id"] == number)


def status(target, disk):
    number = fault(target, "status", sc=0x82, opcode=WRITE, nsid=1, count=2)  # Namespace Not Ready
    disk.write(1)
    assert fired(target, number) == 2
    assert disk.read() == 1
    target.rpc("fault_clear", id=number)
    number = fault(target, "status", sct=2, sc=0x81, dnr=True, opcode=READ, count=1)
    try:
        disk.read()
        raise AssertionError("an unrecovered read error was not reported")
    except OSError:
        pass
    assert fired(target, number) == 1
    disk.read()
    target.rpc("fault_clear")


def delay(target, disk):
    for at in ("execution", "completion"):
        number = fault(target, "delay", ms=100, opcode=READ, count=1, at=at)
        assert timed(disk.read) >= 0.1
        assert fired(target, number) == 1
        target.rpc("fault_clear", id=number)


def hold(target, disk):
    disk.write(1)
    number = fault(target, "hold", opcode=WRITE, count=1)
    thread = threading.Thread(target=disk.write, args=(2,))
    thread.start()
    wait_for("the write to be held", lambda: fired(target, number) == 1)
    assert disk.read() == 1
    assert target.rpc("fault_release", id=number) == 1
    thread.join(10 * SCALE)
    assert not thread.is_alive()
    assert disk.read() == 2
    target.rpc("fault_clear")


def connection(target, disk, kind, **scope):
    """I/O that was under way is done after the fault is gone, on whatever connection."""
    number = fault(target, kind, **scope)
    thread = threading.Thread(target=disk.write, args=(3,))
    thread.start()
    wait_for(f"{kind} to strike", lambda: fired(target, number) > 0)
    target.rpc("fault_clear", id=number)
    thread.join(30 * SCALE)
    assert not thread.is_alive(), f"{kind}: I/O did not go on"
    assert disk.read() == 3


class Doing(threading.Thread):
    """Something that may take its time; its error is the test's."""

    def __init__(self, fn, *args):
        super().__init__(daemon=True)
        self.fn, self.args, self.error = fn, args, None
        self.start()

    def run(self):
        try:
            self.fn(*self.args)
        except OSError as e:
            self.error = e

    def finish(self, what):
        self.join(30 * SCALE)
        assert not self.is_alive(), f"{what}: I/O did not go on"
        assert self.error is None, f"{what}: {self.error}"


def blocked(target, disk, kind):
    """While the fault stands no I/O ends, whatever the host tries; but the answer to a read that was
    under way still leaves a connection that only stopped reading."""
    disk.write(4)
    held = fault(target, "hold", opcode=READ, count=1)
    reader = Doing(disk.read)
    wait_for("the read to be held", lambda: fired(target, held) == 1)
    number = fault(target, kind)
    assert fired(target, number) >= 2, "not every connection was struck at once"
    assert target.rpc("fault_release", id=held) == 1
    writer = Doing(disk.write, 5)
    if kind == "stop_reading":
        reader.finish(kind)
    writer.join(0.7)
    assert writer.is_alive(), f"{kind}: a write ended"
    assert reader.is_alive() == (kind == "silence"), f"{kind}: a read ended"
    target.rpc("fault_clear")
    writer.finish(kind)
    reader.finish(kind)
    assert disk.read() == 5


def reconnects(env):
    listing = json.loads(env.nvhost("rpc", "list").stdout)
    return sum(c["reconnects"] for c in listing["controllers"])


def malformed(env, target, disk, kind, opcodes, lost=True, **params):
    """The host sees through it, loses the connection (not for wrong data, which is asked for once more),
    and gets its I/O done."""
    disk.write(6)
    for opcode in opcodes:
        before = reconnects(env)
        number = fault(target, kind, opcode=opcode, qid=1, count=1, **params)
        if opcode == WRITE:
            disk.write(7)
        else:
            assert disk.read() == 6, f"{kind} {params}"
        assert fired(target, number) == 1, f"{kind} {params}"
        if lost:
            wait_for(f"{kind} {params} to be noticed", lambda: reconnects(env) > before, 20)
        target.rpc("fault_clear", id=number)
    assert disk.read() == (7 if WRITE in opcodes else 6)


def flap(env, target, disk):
    number = fault(target, "ana_flap", ms=30)
    wait_for("ANA to flap", lambda: fired(target, number) >= 4)
    for i in range(20):
        disk.write(i)
        assert disk.read() == i
    target.rpc("fault_clear", id=number)
    states = target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)[0]["ana_states"]
    assert {s["ana_state"] for s in states} == {"optimized"}


def main(env):
    target = Target(env, "--ana")
    env.connect(target)
    path = os.path.join(env.mount(), NQN, "n1")
    disk = Disk(path)
    disk.write(0)
    status(target, disk)
    delay(target, disk)
    hold(target, disk)
    connection(target, disk, "drop_connection", opcode=WRITE, count=1)
    connection(target, disk, "drop_connection", count=1)
    blocked(target, disk, "silence")
    blocked(target, disk, "stop_reading")
    connection(target, disk, "kill_controller", count=1)
    flap(env, target, disk)
    for digests in ((), ("-g", "-G")):
        disk.close()
        env.nvhost("disconnect-all")
        env.connect(target, "-c", "0.02", *digests)
        disk = wait_for("the namespace", lambda: os.path.exists(path) and Disk(path))
        for field in ("type", "hlen", "plen", "pdo", "cccid", "ttag", "r2t"):
            # PDO means nothing in a response without data.
            malformed(env, target, disk, "malformed_pdu", (READ,) if field == "pdo"
                      else (READ, WRITE), field=field)
    malformed(env, target, disk, "corrupt_digest", (READ, WRITE), digest="header")
    malformed(env, target, disk, "corrupt_digest", (READ,), lost=False, digest="data")
    assert target.rpc("fault_list") == []
    disk.close()
    env.nvhost("umount", env.mounts[-1])
    env.nvhost("disconnect-all")


run(main)
