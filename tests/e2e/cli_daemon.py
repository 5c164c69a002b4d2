#!/usr/bin/env python3
"""The daemon's life: started on first need, once, however many ask; private; ends cleanly with its
mounts released; comes back after SIGKILL; waits for a target that is not there yet; says why it
cannot start."""
import errno
import os
import signal
import stat
import subprocess
import time

from lib import BIN, NQN, SCALE, Target, alive, run, wait_for


def start_by_many(env):
    running = [env.popen(os.path.join(BIN, "nvhost"), "list", stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True) for _ in range(8)]
    for process in running:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out
    pid = env.daemon_pid()
    assert alive(pid)
    mode = os.stat(env.path("run", "nvhostd.sock")).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600, oct(mode)
    second = subprocess.run([os.path.join(BIN, "nvhostd"), "--foreground"], env=env.vars,
                            capture_output=True, text=True, timeout=30 * SCALE)
    assert second.returncode != 0 and str(pid) in second.stderr, second.stderr
    assert env.daemon_pid() == pid


def ends_on_sigterm(env, target):
    env.connect(target)
    mnt = env.mount()
    pid = env.daemon_pid()
    # Even while a program has a file open.
    fd = os.open(os.path.join(mnt, NQN, "n1"), os.O_RDONLY)
    os.read(fd, 512)
    began = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    wait_for("the daemon to end", lambda: not alive(pid), 10)
    assert time.monotonic() - began < 5 * SCALE
    try:
        os.close(fd)
    except OSError as e:
        assert e.errno == errno.ENOTCONN, e
    assert not os.path.ismount(mnt) and os.listdir(mnt) == []
    assert not os.path.exists(env.path("run", "nvhostd.sock"))
    assert "state.json" in os.listdir(env.path("state"))
    return mnt


def comes_back(env, target, mnt):
    env.nvhost("list")
    wait_for("the file to return", lambda: os.path.exists(os.path.join(mnt, NQN, "n1")))
    assert env.json("list")["Devices"][0]["DevicePath"] == "nvh0n1"
    env.nvhost("umount", mnt)


def waits_for_the_target(env, target):
    """Saved while the target is there; the daemon and the target end; the daemon starts first."""
    pid = env.daemon_pid()
    os.kill(pid, signal.SIGTERM)
    wait_for("the daemon to end", lambda: not alive(pid))
    target.stop()
    text = env.nvhost("list-subsys").stdout
    assert "connecting" in text and NQN in text, text
    done = env.nvhost("id-ctrl", "nvh0", ok=False)
    assert "nvh0" in done.stderr and "not connected" in done.stderr, done.stderr
    target.env.targets.remove(target)
    target.start()
    wait_for("the connection to come", lambda: "live" in env.nvhost("list-subsys").stdout, 20)
    env.nvhost("disconnect-all")


def says_why_it_cannot_start(env):
    pid = env.daemon_pid()
    os.kill(pid, signal.SIGTERM)
    wait_for("the daemon to end", lambda: not alive(pid))
    os.chmod(env.path("run"), 0o777)
    done = env.nvhost("list", ok=False)
    assert "nvhostd: " in done.stderr and env.path("run") in done.stderr, done.stderr
    assert "only we may write" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    os.chmod(env.path("run"), 0o700)
    env.vars["NVHOST_LOG"] = "frob:debug"
    done = env.nvhost("list", ok=False)
    assert "frob" in done.stderr, done.stderr
    del env.vars["NVHOST_LOG"]
    env.nvhost("list")


def foreground_mount(env, target):
    single = env.path("single")
    open(single, "w").close()
    process = env.popen(os.path.join(BIN, "nvhost"), "mount", single, "--ns", f"{NQN}:1",
                        "--foreground", *target.at, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, text=True)
    wait_for("the file to have the namespace's size", lambda: os.path.getsize(single) == 16 << 20)
    with open(single, "r+b") as f:
        f.write(b"in the foreground")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20 * SCALE)
    assert process.returncode == 0, out
    assert os.path.getsize(single) == 0
    out = env.nvhost("perf", *target.at, "-n", NQN, "number_ios=100").stdout
    assert "100 I/Os" in out, out


def main(env):
    target = Target(env, ns=("malloc:16M",))
    foreground_mount(env, target)
    assert env.daemon_pid() is None
    start_by_many(env)
    mnt = ends_on_sigterm(env, target)
    comes_back(env, target, mnt)
    waits_for_the_target(env, target)
    says_why_it_cannot_start(env)


run(main)
