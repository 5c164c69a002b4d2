#!/usr/bin/env python3
"""Several reactors serve one mount, each its clone of /dev/fuse: aligned and unaligned writers at once
lose nothing, whichever reactor they meet; and where the controller grants fewer queues than there are
reactors, all files work all the same."""
import os
import threading

from lib import BIN, NQN, SLOW, Target, fio, run, wait_for

BLOCKS = 64


def start_daemon(env, reactors):
    env.popen(os.path.join(BIN, "nvhostd"), "--foreground", "--reactors", reactors,
              stderr=open(os.path.join(env.run_dir, "nvhostd.log"), "a"))
    wait_for("nvhostd", lambda: env.daemon_pid() is not None)


def neighbours(path):
    """Writer i owns the bytes congruent to i: all share every block, so each lost update shows."""
    rounds = 4 if SLOW else 15
    width, writers = 97, 4
    size = BLOCKS * 512
    failures = []

    def write(index):
        fd = os.open(path, os.O_RDWR)
        try:
            for n in range(rounds):
                for start in range(index * width, size - width, writers * width):
                    os.pwrite(fd, bytes([(index * 50 + n) % 256]) * width, start)
        except OSError as e:
            failures.append(e)
        finally:
            os.close(fd)

    def aligned():
        fd = os.open(path, os.O_RDWR)
        for n in range(rounds * 20):
            os.pwrite(fd, bytes([n % 256]) * 4096, 1 << 20)
        os.close(fd)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(writers)]
    threads.append(threading.Thread(target=aligned))
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, failures
    data = open(path, "rb").read(size)
    for index in range(writers):
        want = bytes([(index * 50 + rounds - 1) % 256]) * width
        for start in range(index * width, size - width, writers * width):
            assert data[start:start + width] == want, f"a write of {index} at {start} was lost"


def main(env):
    target = Target(env, "-m", "0x3", "--io-queues", "8")
    narrow = Target(env, "--io-queues", "1", name="narrow", nqn=NQN + ":narrow")
    start_daemon(env, 3)
    env.connect(target)
    env.connect(narrow)
    mnt = env.mount()
    for nqn in (NQN, NQN + ":narrow"):
        path = os.path.join(mnt, nqn, "n1")
        neighbours(path)
        fio(env, path, "--bsrange=512-64k", "--direct=1", "--ioengine=libaio", "--iodepth=16",
            "--numjobs=4", "--size=4m", "--offset_increment=4m", "--rw=randrw",
            "--verify=crc32c", "--verify_fatal=1")
    env.nvhost("umount", mnt)
    env.nvhost("disconnect-all")


run(main)
