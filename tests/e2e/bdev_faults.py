#!/usr/bin/env python3
"""bdev_delay and bdev_error below a namespace: what they do is what a host sees, also while it changes,
and a target that holds I/O still ends on SIGTERM."""
import mmap
import os
import threading
import time

from lib import NQN, SCALE, Target, run, wait_for


def transfer(fd, write, byte=0):
    buf = mmap.mmap(-1, 4096)
    if not write:
        assert os.preadv(fd, [buf], 0) == 4096
        return buf[:]
    buf.write(bytes([byte]) * 4096)
    assert os.pwrite(fd, buf, 0) == 4096
    return None


def timed(fn):
    start = time.monotonic()
    fn()
    return time.monotonic() - start


def delay(target, fd):
    for kind in ("avg_read", "p99_read"):
        target.rpc("bdev_delay_update_latency", delay_bdev_name="D", latency_type=kind,
                   latency_us=100000)
    assert timed(lambda: transfer(fd, False)) >= 0.1
    for kind in ("avg_read", "p99_read"):
        target.rpc("bdev_delay_update_latency", delay_bdev_name="D", latency_type=kind,
                   latency_us=0)
    specific = target.rpc("bdev_get_bdevs", name="D")[0]["driver_specific"]["delay"]
    assert specific["base_bdev_name"] == "M0" and specific["avg_read_latency"] == 0, specific


def error(target, fd):
    transfer(fd, True, 7)
    # One that may be repeated is, and the program never knows.
    target.rpc("bdev_error_inject_error", name="EE_M1", io_type="read", error_type="nvme_failure",
               nvme_sc=0x82, num=2)
    assert transfer(fd, False) == bytes([7]) * 4096
    # An unrecovered read error is told.
    target.rpc("bdev_error_inject_error", name="EE_M1", io_type="read", error_type="nvme_failure",
               nvme_sct=2, nvme_sc=0x81, num=100)
    try:
        transfer(fd, False)
        raise AssertionError("an unrecovered read error was not reported")
    except OSError:
        pass
    target.rpc("bdev_error_inject_error", name="EE_M1", io_type="clear", error_type="failure")
    target.rpc("bdev_error_inject_error", name="EE_M1", io_type="read", error_type="corrupt_data",
               corrupt_offset=5, corrupt_value=255)
    assert transfer(fd, False)[5] == 7 ^ 255
    assert transfer(fd, False) == bytes([7]) * 4096


def pending(target, fd):
    target.rpc("bdev_error_inject_error", name="EE_M1", io_type="write", error_type="pending")
    thread = threading.Thread(target=transfer, args=(fd, True, 9))
    thread.start()
    # The fault is taken when the write has reached it.
    wait_for("the write to be held", lambda: target.rpc("nvmf_get_stats") and not thread.join(0.2)
             and thread.is_alive())
    assert transfer(fd, False)[0] == 7
    target.rpc("bdev_error_resume_pending", name="EE_M1")
    thread.join(20 * SCALE)
    assert not thread.is_alive() and transfer(fd, False)[0] == 9


def main(env):
    target = Target(env, ns=())
    for name in ("M0", "M1"):
        target.rpc("bdev_malloc_create", name=name, num_blocks=1024, block_size=4096)
    target.rpc("bdev_delay_create", name="D", base_bdev_name="M0", avg_read_latency=0,
               p99_read_latency=0, avg_write_latency=0, p99_write_latency=0)
    target.rpc("bdev_error_create", base_name="M1")
    for name in ("D", "EE_M1"):
        target.rpc("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": name})
    env.connect(target)
    mount = env.mount()
    fds = []
    for nsid in (1, 2):
        path = os.path.join(mount, NQN, f"n{nsid}")
        wait_for(path, lambda: os.path.exists(path))
        fds.append(os.open(path, os.O_RDWR | os.O_DIRECT))
    delay(target, fds[0])
    error(target, fds[1])
    pending(target, fds[1])
    saved = target.rpc("save_config")["subsystems"][0]["config"]
    assert [c["method"] for c in saved] == ["bdev_malloc_create"] * 2 + ["bdev_delay_create",
                                                                         "bdev_error_create"]
    # Held for ever: neither disconnect nor the end of the target waits for it.
    target.rpc("bdev_error_inject_error", name="EE_M1", io_type="read", error_type="pending")
    thread = threading.Thread(target=lambda: refused(fds[1]))
    thread.start()
    thread.join(0.2)
    target.stop()
    env.nvhost("disconnect-all")
    thread.join(20 * SCALE)
    assert not thread.is_alive()
    for fd in fds:
        os.close(fd)
    env.nvhost("umount", mount)


def refused(fd):
    try:
        transfer(fd, False)
    except OSError:
        pass


run(main)
