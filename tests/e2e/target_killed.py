#!/usr/bin/env python3
"""The target is killed with SIGKILL and restarted under a verifying load on a file-backed namespace:
I/O resumes by itself, no error reaches the program, every acknowledged byte is there."""
import os
import subprocess
import time

from lib import NQN, SCALE, Target, fio_name, need, run, wait_for


def main(env):
    backing = env.path("disk")
    with open(backing, "wb") as f:
        f.truncate(64 << 20)
    target = Target(env, ns=(f"file:{backing}",))
    env.connect(target)
    mnt = env.mount()
    path = os.path.join(mnt, NQN, "n1")
    load = env.popen(need("fio"), "--name=job", f"--filename={fio_name(path)}", "--allow_file_create=0",
                     "--rw=randrw", "--bsrange=4k-64k",
                     "--ioengine=libaio", "--direct=1", "--iodepth=16", "--size=48m",
                     "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=64",
                     # Its next round must not overtake a command of the last that waits.
                     "--serialize_overlap=1",
                     "--loops=100", f"--runtime={12 * SCALE}", "--time_based=1", cwd=env.dir,
                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for _ in range(4):
        mark = os.stat(backing).st_mtime_ns
        wait_for("the load to write", lambda: os.stat(backing).st_mtime_ns != mark
                 or load.poll() is not None)
        time.sleep(0.3)  # let some commands be in flight; the kill may come at any moment
        target.kill()
        env.targets.remove(target)
        time.sleep(0.2)  # a target that is away for a while
        target.start()
    out, _ = load.communicate(timeout=240 * SCALE)
    assert load.returncode == 0, out[-3000:]
    env.nvhost("umount", mnt)
    env.nvhost("disconnect", "-n", NQN)


run(main)
