#!/usr/bin/env python3
"""A namespace in a sparse file whose disk runs full: the write is answered with Capacity Exceeded, the
program sees ENOSPC, reads and writes of what has its place go on, and with room made the same write
succeeds. Nothing that was acknowledged is lost."""
import errno
import os

from lib import NQN, Target, need, run, skip

MIB = 1 << 20
DISK = 8 * MIB
NAMESPACE = 32 * MIB


def main(env):
    if os.geteuid() != 0:
        skip("a small disk (tmpfs) needs root")
    disk = env.path("disk")
    os.mkdir(disk)
    # A mount namespace of the target's own: the small disk goes when it goes.
    target = Target(env, ns=(f"file:{disk}/ns:{NAMESPACE}",), wrap=(
        need("unshare"), "-m", "--propagation", "private", "sh", "-c",
        f'mount -t tmpfs -o size={DISK} tmpfs "$0" && exec "$@"', disk))
    inside = f"/proc/{target.process.pid}/root{disk}"
    filler = os.path.join(inside, "filler")
    with open(filler, "wb") as f:
        f.write(b"f" * (DISK // 2))
    env.connect(target)
    path = os.path.join(env.mount(), NQN, "n1")

    fd = os.open(path, os.O_RDWR | os.O_DSYNC)
    good = 0
    try:
        while True:
            os.pwrite(fd, bytes([good // MIB + 1]) * MIB, good)
            good += MIB
            assert good < DISK, "the disk never ran full"
    except OSError as e:
        assert e.errno == errno.ENOSPC, f"the full disk is told as {e}"
    assert good >= MIB, "not one write found room"

    # What stands is whole, and may be written again in place.
    for at in range(0, good, MIB):
        assert os.pread(fd, MIB, at) == bytes([at // MIB + 1]) * MIB, f"lost at {at}"
    os.pwrite(fd, b"again" * 1000 + b"!" * 120, 0)
    assert os.pread(fd, 5, 0) == b"again"

    # The command line says the status by its name, and fails.
    data = env.path("data")
    with open(data, "wb") as f:
        f.write(b"w" * 65536)
    failed = env.nvhost("write", "nvh0n1", f"--start-block={(good + MIB) // 512}", "--block-count=127",
                        "--data-size=65536", f"--data={data}", ok=False)
    assert "capacity" in failed.stderr.lower(), failed.stderr

    os.unlink(filler)
    os.pwrite(fd, b"r" * MIB, good)
    os.fsync(fd)
    assert os.pread(fd, MIB, good) == b"r" * MIB
    os.close(fd)
    assert "live" in env.nvhost("list-subsys").stdout
    env.nvhost("umount", env.mounts[-1])


run(main)
