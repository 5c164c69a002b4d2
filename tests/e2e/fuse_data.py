#!/usr/bin/env python3
"""Data through the FUSE file is what was written: fio verify over block sizes, O_DIRECT and buffered,
digests on and off; mkfs and fsck; unaligned dd; holes; the file behaves as a block device."""
import ctypes
import errno
import os
import subprocess

from lib import NQN, SLOW, Target, fio, need, run

SIZE = 64 << 20


def fio_rounds(env, path):
    for bs in ("512", "4k", "64k", "1m"):
        for direct in (1, 0):
            fio(env, path, f"--bs={bs}", f"--direct={direct}", "--ioengine=libaio", "--iodepth=16",
                "--numjobs=4", f"--size={'512k' if bs == '512' else '4m' if SLOW else '16m'}",
                "--offset_increment=16m",
                "--rw=randwrite", "--verify=crc32c", "--verify_fatal=1", "--do_verify=1")


def mkfs_and_fsck(env, path):
    subprocess.run([need("mkfs.ext4"), "-q", "-F", path], check=True)
    subprocess.run([need("e2fsck"), "-fn", path], check=True, stdout=subprocess.DEVNULL)


def unaligned_dd(env, path):
    model = bytearray(open(path, "rb").read(1 << 20))
    for offset, length in ((1, 1), (511, 2), (513, 4096), (0, 511), (100, 300), (65535, 70001)):
        data = os.urandom(length)
        subprocess.run(["dd", f"of={path}", "bs=1M", f"seek={offset}", "oflag=seek_bytes",
                        "conv=notrunc", "status=none"], input=data, check=True)
        model[offset:offset + length] = data
    got = subprocess.run(["dd", f"if={path}", "bs=4093", f"count={1 << 20}", "iflag=count_bytes",
                          "status=none"], capture_output=True, check=True).stdout
    assert got == model, "unaligned writes differ from the model"


def like_a_block_device(env, path):
    assert os.stat(path).st_size == SIZE
    fd = os.open(path, os.O_RDWR | os.O_TRUNC)  # truncating changes nothing
    assert os.fstat(fd).st_size == SIZE
    try:
        os.pwrite(fd, b"x", SIZE)
        raise AssertionError("a write past the end succeeded")
    except OSError as e:
        assert e.errno in (errno.ENOSPC, errno.EFBIG), e
    assert os.pread(fd, 10, SIZE) == b""
    assert len(os.pread(fd, 10, SIZE - 4)) == 4
    os.fsync(fd)
    os.close(fd)


def holes(env, path):
    keep, punch, zero = 1, 2, 16
    libc = ctypes.CDLL(None, use_errno=True)
    libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    fd = os.open(path, os.O_RDWR)
    for mode, offset, length in ((punch | keep, 4096, 65536), (zero, 100, 10000),
                                 (zero | keep, 777, 3), (punch | keep, 1, (8 << 20) + 5)):
        data = os.urandom(9 << 20)
        os.pwrite(fd, data, 0)
        assert libc.fallocate(fd, mode, offset, length) == 0, os.strerror(ctypes.get_errno())
        want = bytearray(data)
        want[offset:offset + length] = bytes(length)
        assert os.pread(fd, len(data), 0) == want, (mode, offset, length)
    assert libc.fallocate(fd, 0, 0, SIZE) == 0
    assert libc.fallocate(fd, 0, 0, SIZE + 1) != 0 and ctypes.get_errno() in (errno.ENOSPC,
                                                                              errno.EFBIG)
    os.close(fd)


def main(env):
    if not os.path.exists("/dev/fuse"):
        raise AssertionError("/dev/fuse is missing")
    target = Target(env)
    for digests in ((), ("-g", "-G")):
        env.connect(target, *digests)
        mnt = env.mount()
        path = os.path.join(mnt, NQN, "n1")
        fio_rounds(env, path)
        mkfs_and_fsck(env, path)
        unaligned_dd(env, path)
        holes(env, path)
        like_a_block_device(env, path)
        env.nvhost("umount", mnt)
        env.nvhost("disconnect", "-n", NQN)


run(main)
