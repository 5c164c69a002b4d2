#!/usr/bin/env python3
"""Reservations through passthrough: a host that holds a Write Exclusive reservation keeps another one
from writing, not from reading; the error is told by its name; preempted, the first is kept out itself.
Two hosts in one target, by host NQN; a host that is not on the list, or asks for another's queue, is
refused."""
import os
import struct

from lib import NQN, Target, run

HOSTS = ["nqn.2014-08.org.nvmexpress:uuid:00000000-0000-4000-8000-00000000000" + c for c in "ab"]
REGISTER, ACQUIRE, RELEASE = 0x0d, 0x11, 0x15


def passthru(env, name, opcode, cdw10, *keys, ok=True):
    path = env.path("data")
    with open(path, "wb") as f:
        f.write(struct.pack("<" + "Q" * len(keys), *keys))
    return env.nvhost("io-passthru", name + "n1", "-o", opcode, "--cdw10", cdw10, "-l",
                      8 * len(keys), "-w", "-i", path, ok=ok)


def perf(env, target, host, rw, ok):
    return env.nvhost("perf", *target.at, "-n", NQN, "-q", host, "--rw", rw, "--number_ios", 4,
                      "--iodepth", 1, ok=ok)


def main(env):
    target = Target(env, "--host", HOSTS[0], "--host", HOSTS[1])
    refused = perf(env, target, HOSTS[0][:-1] + "c", "read", False)
    assert "allow list" in refused.stderr, refused.stderr
    env.connect(target, "-q", HOSTS[0])
    passthru(env, "nvh0", REGISTER, 0, 0, 0x1111)
    passthru(env, "nvh0", ACQUIRE, 1 << 8, 0x1111, 0)  # Write Exclusive
    perf(env, target, HOSTS[0], "write", True)
    perf(env, target, HOSTS[1], "read", True)
    conflict = perf(env, target, HOSTS[1], "write", False)
    assert "eservation" in conflict.stderr, conflict.stderr
    report = env.nvhost("io-passthru", "nvh0n1", "-o", "0x0e", "--cdw10", 15, "--cdw11", 1, "-l",
                        64, "-r", "-b", text=False).stdout
    assert report[4] == 1 and struct.unpack_from("<H", report, 5)[0] == 1, report[:16]
    # A wrong key changes nothing; the right one lets the other write.
    passthru(env, "nvh0", RELEASE, 1 << 8, 0x2222, ok=False)
    perf(env, target, HOSTS[1], "write", False)
    passthru(env, "nvh0", RELEASE, 1 << 8, 0x1111)
    perf(env, target, HOSTS[1], "write", True)
    env.nvhost("disconnect-all")


run(main)
