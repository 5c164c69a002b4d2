#!/usr/bin/env python3
"""A target that goes silent (stopped, its connections open) under a verifying load: with a keep-alive
timeout of 1 s the loss is noticed within it, a second controller never notices, I/O goes on when the
target does, and no error reaches the program."""
import os
import signal
import subprocess
import time

from lib import NQN, SCALE, Target, fio_name, need, run, wait_for


def state(env, name):
    for line in env.nvhost("list-subsys").stdout.splitlines():
        if f" {name} " in line:
            return line.rsplit(None, 1)[1]
    raise AssertionError(f"{name} is gone")


def main(env):
    backing = env.path("disk")
    with open(backing, "wb") as f:
        f.truncate(64 << 20)
    target = Target(env, ns=(f"file:{backing}",))
    other = Target(env, name="other", nqn=NQN + ":other")
    env.connect(target, "-k", "1", "--name", "quiet")
    env.connect(other, "-k", "1", "--name", "beside")
    path = os.path.join(env.mount(), NQN, "n1")
    load = env.popen(need("fio"), "--name=job", f"--filename={fio_name(path)}", "--allow_file_create=0",
                     "--rw=randrw", "--bsrange=4k-64k", "--ioengine=libaio", "--direct=1",
                     "--iodepth=16", "--size=48m", "--verify=crc32c", "--verify_fatal=1",
                     "--verify_backlog=64", "--loops=100", f"--runtime={10 * SCALE}",
                     "--time_based=1", cwd=env.dir, stdout=subprocess.PIPE,
                     stderr=subprocess.STDOUT, text=True)
    for _ in range(2):
        mark = os.stat(backing).st_mtime_ns
        wait_for("the load to write", lambda: os.stat(backing).st_mtime_ns != mark)
        os.kill(target.process.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        try:
            wait_for("the loss to be noticed", lambda: state(env, "quiet") != "live", 5)
            noticed = time.monotonic() - stopped
            print(f"  noticed after {noticed:.2f} s")
            assert noticed < 1.5 * SCALE
            time.sleep(1)
            assert state(env, "beside") == "live"
        finally:
            os.kill(target.process.pid, signal.SIGCONT)
        wait_for("the controller to be back", lambda: state(env, "quiet") == "live", 20)
    out, _ = load.communicate(timeout=240 * SCALE)
    assert load.returncode == 0, out[-3000:]
    assert "beside: lost" not in env.daemon_log()


run(main)
