#!/usr/bin/env python3
"""Faults on command (fault_add): each kind does what it says on a real connection, and I/O of nvhost
goes on without an error where a retry is legal."""
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


def main(env):
    target = Target(env)
    env.connect(target)
    disk = Disk(os.path.join(env.mount(), NQN, "n1"))
    disk.write(0)
    status(target, disk)
    delay(target, disk)
    hold(target, disk)
    connection(target, disk, "drop_connection", opcode=WRITE, count=1)
    connection(target, disk, "drop_connection", count=1)
    connection(target, disk, "silence")
    connection(target, disk, "stop_reading")
    connection(target, disk, "kill_controller", count=1)
    assert target.rpc("fault_list") == []
    disk.close()
    env.nvhost("umount", env.mounts[-1])
    env.nvhost("disconnect-all")


run(main)
