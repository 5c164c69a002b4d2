#!/usr/bin/env python3
"""A plain user without hugepages: discover, connect, mount, read, write, umount, disconnect."""
import os
import pwd
import shutil
import subprocess

from lib import BIN, NQN, Target, run, skip

SCRIPT = r"""
set -eu
nvhost=$BIN/nvhost
$nvhost discover -t tcp -a 127.0.0.1 -s $PORT | grep -q "$NQN"
$nvhost connect -t tcp -a 127.0.0.1 -s $PORT -n "$NQN"
mkdir mnt
$nvhost mount mnt
head -c 1048576 /dev/urandom >data
dd if=data of="mnt/$NQN/n1" bs=64k conv=notrunc,fsync status=none
cmp -n 1048576 data "mnt/$NQN/n1"
$nvhost list
$nvhost umount mnt
$nvhost disconnect -n "$NQN"
kill $(cat "$NVHOST_RUNTIME_DIR/nvhostd.pid")
echo plain-user-done
"""


def main(env):
    target = Target(env, ns=("malloc:16M",))
    variables = dict(env.vars, BIN=BIN, PORT=str(target.port), NQN=NQN)
    prefix = []
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chmod(env.dir, 0o755)
        for sub in ("run", "state", "config"):
            os.chown(env.path(sub), user.pw_uid, user.pw_gid)
        os.mkdir(env.path("home"))
        os.chown(env.path("home"), user.pw_uid, user.pw_gid)
        prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups",
                  "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
        if not os.stat("/dev/fuse").st_mode & 0o006 == 0o006:
            skip("/dev/fuse is not open to plain users on this machine (mode 0666 is usual)")
        # fusermount3 is setuid: it needs its new privilege.
        prefix = [p for p in prefix if p not in ("--no-new-privs", "--bounding-set=-all")]
        # The tree may lie where nobody may look.
        variables["BIN"] = env.path("bin")
        os.mkdir(variables["BIN"])
        for program in ("nvhost", "nvhostd"):
            shutil.copy(os.path.join(BIN, program), variables["BIN"])
    else:
        os.mkdir(env.path("home"))
    variables["HOME"] = env.path("home")
    done = subprocess.run(prefix + ["sh", "-c", SCRIPT], env=variables, cwd=env.path("home"),
                          capture_output=True, text=True, timeout=120)
    assert "plain-user-done" in done.stdout, f"{done.stdout}\n{done.stderr}\n{env.daemon_log()}"


run(main)
