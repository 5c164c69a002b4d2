#!/usr/bin/env python3
"""A copy of the mount in another mount namespace (a container, a service with PrivateTmp) does not keep
`nvhost umount` waiting; a program that has a file open does, and is named as the reason."""
import os
import subprocess
import time

from lib import NQN, Target, need, run, skip, wait_for


def main(env):
    if os.geteuid() != 0:
        skip("a mount namespace needs root")
    target = Target(env)
    env.connect(target)
    mnt = env.mount()
    elsewhere = env.popen(need("unshare"), "-m", "--propagation", "private", "sleep", "1000")
    wait_for("the other namespace", lambda: os.readlink(f"/proc/{elsewhere.pid}/ns/mnt") !=
             os.readlink("/proc/self/ns/mnt"))
    with open(os.path.join(mnt, NQN, "n1"), "rb"):
        busy = env.nvhost("umount", mnt, ok=False)
        assert "busy" in busy.stderr.lower(), busy.stderr
    start = time.monotonic()
    env.nvhost("umount", mnt, timeout=10)
    assert time.monotonic() - start < 10
    assert mnt not in open("/proc/self/mounts").read()
    env.nvhost("mount", mnt)
    assert os.path.getsize(os.path.join(mnt, NQN, "n1")) == 64 << 20
    env.nvhost("umount", mnt)
    elsewhere.kill()
    elsewhere.wait()


run(main)
