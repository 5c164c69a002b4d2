#!/usr/bin/env python3
"""One command is stuck on a path that answers: Abort, then a Disconnect of its queue alone, then the
controller's reset; each step when the one before did not help. I/O goes on without an error, other
controllers notice nothing."""
import json
import mmap
import os
import threading
import time

from lib import NQN, SCALE, Target, run, wait_for

OTHER = NQN + "-other"
WRITE = 1


class Disk:
    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_DIRECT)

    def read(self):
        buf = mmap.mmap(-1, 4096)
        assert os.preadv(self.fd, [buf], 0) == 4096
        return buf[0]

    def write(self, byte):
        buf = mmap.mmap(-1, 4096)
        buf.write(bytes([byte]) * 4096)
        assert os.pwrite(self.fd, buf, 0) == 4096


def fired(target, number):
    return next(f["fired"] for f in target.rpc("fault_list") if f["id"] == number)


def ctrlrs(env):
    return {c["nqn"]: c for c in json.loads(env.nvhost("rpc", "list").stdout)["controllers"]}


class Reader(threading.Thread):
    """Reads a disk of another controller all the time; the longest one and any error are kept."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.disk, self.longest, self.reads, self.error = Disk(path), 0, 0, None
        self.stop = threading.Event()
        self.start()

    def run(self):
        try:
            while not self.stop.is_set():
                began = time.monotonic()
                self.disk.read()
                self.longest = max(self.longest, time.monotonic() - began)
                self.reads += 1
                time.sleep(0.001)
        except OSError as e:
            self.error = e


def stuck(target, disk, byte, **params):
    """A write that is held; how long it took. It must succeed, and its data be there."""
    number = target.rpc("fault_add", kind="hold", nqn=NQN, opcode=WRITE, qid=1, count=1, **params)
    writer = threading.Thread(target=disk.write, args=(byte,), daemon=True)
    began = time.monotonic()
    writer.start()
    writer.join(40 * SCALE)
    assert not writer.is_alive(), f"{params}: the write did not end"
    took = time.monotonic() - began
    assert fired(target, number) == 1, params
    assert disk.read() == byte, params
    target.rpc("fault_clear", id=number)
    assert disk.read() == byte, f"{params}: the write that was let go came last"
    return took


def main(env):
    target = Target(env)
    other = Target(env, name="other", nqn=OTHER)
    env.connect(target, "--io-timeout", "0.3")
    env.connect(other, "--io-timeout", "0.3")
    root = env.mount()
    disk = wait_for("the disk", lambda: os.path.exists(os.path.join(root, NQN, "n1")) and
                    Disk(os.path.join(root, NQN, "n1")))
    reader = Reader(os.path.join(root, OTHER, "n1"))
    before = ctrlrs(env)

    def expect(step, reconnects, queues):
        now = ctrlrs(env)
        assert now[NQN]["reconnects"] - before[NQN]["reconnects"] == reconnects, (step, now)
        assert now[NQN]["queue_reconnects"] - before[NQN]["queue_reconnects"] == queues, (step, now)
        assert (now[NQN]["cntlid"] == before[NQN]["cntlid"]) == (reconnects == 0), (step, now)
        for key in ("reconnects", "queue_reconnects", "cntlid"):
            assert now[OTHER][key] == before[OTHER][key], (step, now)

    took = {"Abort": stuck(target, disk, 1)}
    expect("Abort", 0, 0)
    took["reset"] = stuck(target, disk, 2, ignore_abort=True, outlive=True)
    expect("reset", 1, 0)
    before = ctrlrs(env)
    took["Disconnect"] = stuck(target, disk, 3, ignore_abort=True)
    expect("Disconnect", 0, 1)
    reader.stop.set()
    reader.join()
    os.close(disk.fd)
    os.close(reader.disk.fd)
    assert reader.error is None, reader.error
    assert took["Abort"] < took["Disconnect"] < took["reset"], took
    print("a stuck write took " + ", ".join(f"{took[k]:.2f} s with {k}" for k in took) +
          f"; of {reader.reads} reads of another controller the longest {reader.longest:.3f} s")
    log = open(os.path.join(env.run_dir, "nvhostd.log")).read()
    assert "disconnecting this queue" in log and "its Disconnect was not answered" in log, log
    env.nvhost("umount", env.mounts[-1])
    env.nvhost("disconnect-all")


run(main)
