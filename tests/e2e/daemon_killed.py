#!/usr/bin/env python3
"""nvhostd killed with SIGKILL and started again: the connections and the mounts return at the same
place, names are the same, data is there."""
import os
import signal

from lib import NQN, Target, run, wait_for


def main(env):
    target = Target(env, ns=("malloc:16M", "malloc:16M"))
    env.connect(target)
    mnt = env.mount()
    single = env.path("single")
    open(single, "w").close()
    env.mount("--ns", f"{NQN}:2", path=single)
    data = os.urandom(1 << 20)
    with open(os.path.join(mnt, NQN, "n1"), "r+b") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    before = env.json("list")
    pid = env.daemon_pid()
    os.kill(pid, signal.SIGKILL)
    after = env.json("list")  # starts the daemon anew
    assert env.daemon_pid() != pid

    def back():
        try:
            return (os.path.getsize(os.path.join(mnt, NQN, "n1")) == 16 << 20
                    and os.path.getsize(single) == 16 << 20)
        except OSError:
            return False

    wait_for("the mounts to return", back, 15)
    after = wait_for("the same list", lambda: env.json("list") == before and before, 10)
    assert after
    with open(os.path.join(mnt, NQN, "n1"), "rb") as f:
        assert f.read(len(data)) == data
    env.nvhost("umount", single)
    env.nvhost("umount", mnt)


run(main)
