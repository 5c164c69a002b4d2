#!/usr/bin/env python3
"""What one program writes to a mounted namespace another reads at once, whichever of them bypasses the
kernel's page cache (O_DIRECT) and whoever opened first; files can be mapped; writes with O_DIRECT run
side by side."""
import errno
import mmap
import os
import threading

from lib import NQN, Target, run, wait_for

BLOCK = 4096


class Buffer:
    """Aligned memory, as O_DIRECT wants it."""

    def __init__(self, fill=0):
        self.map = mmap.mmap(-1, BLOCK)
        self.map.write(bytes([fill]) * BLOCK)


def write(fd, fill, offset):
    assert os.pwritev(fd, [Buffer(fill).map], offset) == BLOCK


def read(fd, offset):
    buffer = Buffer()
    assert os.preadv(fd, [buffer.map], offset) == BLOCK
    return buffer.map[:]


def sees_each_other(path, first, second):
    one = os.open(path, os.O_RDWR | first)
    two = os.open(path, os.O_RDWR | second)
    for turn in range(1, 40):
        for source, sink, offset in ((one, two, 0), (two, one, BLOCK)):
            read(sink, offset)  # what could be cached is cached
            write(source, turn, offset)
            assert read(sink, offset) == bytes([turn]) * BLOCK, (first, second, turn, offset)
    os.close(two)
    os.close(one)


def maps(path):
    with open(path, "r+b", buffering=0) as file:
        shared = mmap.mmap(file.fileno(), 4 * BLOCK)
        shared[0:4] = b"here"
        shared.flush()
        with open(path, "rb") as other:
            assert other.read(4) == b"here"
        shared.close()
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    private = mmap.mmap(fd, BLOCK, flags=mmap.MAP_PRIVATE)
    assert private[0:4] == b"here"
    private.close()
    os.close(fd)


def side_by_side(target, path):
    """A write that the target delays does not hold up another one of the same file."""
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    fault = target.rpc("fault_add", kind="hold", opcode=1, count=1)
    held = threading.Thread(target=write, args=(fd, 77, 8 * BLOCK))
    held.start()
    wait_for("the write at the target", lambda: any(
        f["id"] == fault and f["fired"] for f in target.rpc("fault_list")))
    write(fd, 78, 9 * BLOCK)
    assert held.is_alive()
    target.rpc("fault_release", id=fault)
    held.join()
    assert read(fd, 8 * BLOCK) == bytes([77]) * BLOCK
    assert read(fd, 9 * BLOCK) == bytes([78]) * BLOCK
    os.close(fd)


def main(env):
    target = Target(env, "--listen", "tcp:127.0.0.1:0")
    env.connect(target)
    path = os.path.join(env.mount(), NQN, "n1")
    for first in (0, os.O_DIRECT):
        for second in (0, os.O_DIRECT):
            sees_each_other(path, first, second)
    maps(path)
    side_by_side(target, path)
    # The end of a namespace is its end, uncached too.
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    end = os.fstat(fd).st_size
    assert os.preadv(fd, [Buffer().map], end) == 0
    try:
        write(fd, 1, end)
        raise AssertionError("written past the end")
    except OSError as e:
        assert e.errno == errno.ENOSPC, e
    os.close(fd)


run(main)
