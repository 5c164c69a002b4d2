#!/usr/bin/env python3
"""No usable path: --no-path says how long I/O waits, whether the connections are gone or all paths
are connected and inaccessible; what waits goes on at once when a path returns."""
import errno
import json
import mmap
import os
import signal
import threading
import time

from lib import NQN, SCALE, Target, run, wait_for


def shown(state):
    return state.replace("_", "-")


def set_state(target, port, state):
    target.rpc("nvmf_subsystem_listener_set_ana_state", nqn=NQN, ana_state=state, listen_address={
        "trtype": "TCP", "traddr": "127.0.0.1", "trsvcid": str(port)})


class Read(threading.Thread):
    """One read; `took` and `err` tell when it has ended."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.err, self.took = path, None, None
        self.began = time.monotonic()
        self.start()

    def run(self):
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECT)
        try:
            os.preadv(fd, [mmap.mmap(-1, 4096)], 0)
            self.err = 0
        except OSError as e:
            self.err = e.errno
        finally:
            os.close(fd)
        self.took = time.monotonic() - self.began

    def end(self, seconds):
        self.join(seconds * SCALE)
        assert not self.is_alive(), f"a read did not end within {seconds * SCALE} s"
        return self.err


def connect(env, ports, *options):
    env.nvhost("disconnect-all")
    for port in ports:
        env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", port, "-n", NQN, *options)


def main(env):
    backing = env.path("disk")
    with open(backing, "wb") as f:
        f.truncate(8 << 20)
    target = Target(env, "--listen", "tcp:127.0.0.1:0", "--ana", ns=(f"file:{backing}",))
    ports = [int(a["address"]["trsvcid"]) for a in
             target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)]
    target.args[1] = f"tcp:127.0.0.1:{max(p for p in ports if p != target.port)}"
    connect(env, ports)
    path = os.path.join(env.mount(), NQN, "n1")

    def all_paths(state):
        for port in ports:
            set_state(target, port, state)
        wait_for(f"all paths to be {state}", lambda: {
            p["ana_state"] for p in json.loads(env.nvhost("rpc", "list").stdout)["namespaces"][0]
            ["paths"]} == {shown(state)}, 5)

    # Connected, and inaccessible.
    connect(env, ports, "--no-path", "queue:1")
    wait_for("the file", lambda: os.path.exists(path))
    assert Read(path).end(5) == 0
    all_paths("inaccessible")
    read = Read(path)
    assert read.end(10) == errno.ENOTCONN, errno.errorcode.get(read.err, read.err)
    assert read.took < 5 * SCALE, read.took
    assert Read(path).end(5) == errno.ENOTCONN  # no path for longer than that: at once
    set_state(target, ports[1], "optimized")
    wait_for("reads to succeed", lambda: Read(path).end(5) == 0, 5)

    signal.signal(signal.SIGUSR1, lambda *_: None)
    # Whatever takes the paths: what waits goes on with them, fails when its time is over, or at once.
    for state in ("inaccessible", "persistent_loss", "change"):
        all_paths("optimized")
        env.nvhost("set-no-path", NQN, "queue")
        wait_for("reads to succeed", lambda: Read(path).end(5) == 0, 5)
        all_paths(state)
        reads = [Read(path) for _ in range(4)]
        time.sleep(0.2)  # a while in which none may end
        assert all(r.is_alive() for r in reads), (state, [r.err for r in reads])
        if state == "inaccessible":
            # A signal ends a wait that lasts with EINTR, and Python asks again.
            signal.pthread_kill(reads[0].ident, signal.SIGUSR1)
            time.sleep(1.2)  # longer than a file's patience with an I/O
            assert all(r.is_alive() for r in reads), [r.err for r in reads]
        set_state(target, ports[0], "optimized")
        back = time.monotonic()
        assert [r.end(5) for r in reads] == [0] * 4, state
        assert time.monotonic() - back < SCALE, state
        all_paths(state)
        env.nvhost("set-no-path", NQN, "queue:1")
        read = Read(path)
        assert read.end(10) == errno.ENOTCONN, (state, read.err)
        assert read.took < 3 * SCALE, (state, read.took)
        env.nvhost("set-no-path", NQN, "fail")
        assert Read(path).end(5) == errno.ENOTCONN, state

    # No more than the cap waits; what waits is not harmed.
    env.nvhost("set-no-path", NQN, "queue", "--bytes", "8192")
    reads = [Read(path) for _ in range(6)]
    wait_for("all but two to be refused", lambda: sum(not r.is_alive() for r in reads) == 4, 5)
    assert [r.err for r in reads if not r.is_alive()] == [errno.ENOBUFS] * 4, [r.err for r in reads]
    reads = [r for r in reads if r.is_alive()]
    set_state(target, ports[1], "optimized")
    assert [r.end(5) for r in reads] == [0, 0]

    # fast_io_fail_tmo is an upper bound of it all.
    all_paths("optimized")
    connect(env, ports, "--fast_io_fail_tmo", "1")
    wait_for("the file", lambda: os.path.exists(path))
    assert Read(path).end(5) == 0
    all_paths("inaccessible")
    read = Read(path)
    assert read.end(10) == errno.ENOTCONN, read.err
    assert read.took < 3 * SCALE, read.took

    # The target is gone.
    all_paths("optimized")
    connect(env, ports, "--no-path", "fail")
    wait_for("the file", lambda: os.path.exists(path))
    assert Read(path).end(5) == 0
    target.kill()
    env.targets.remove(target)
    assert wait_for("I/O to fail", lambda: Read(path).end(5), 5) == errno.ENOTCONN
    target.start()
    wait_for("reads to succeed", lambda: Read(path).end(5) == 0, 15)

    # It waits, and goes on when the target is back.
    connect(env, ports, "--no-path", "queue")
    wait_for("the file", lambda: os.path.exists(path))
    target.kill()
    env.targets.remove(target)
    reads = [Read(path) for _ in range(8)]
    time.sleep(0.3)  # a while without a target: the reads are waiting
    assert not [r for r in reads if r.took is not None and r.err], [r.err for r in reads]
    target.start()
    assert [r.end(15) for r in reads] == [0] * 8

    # The state that a new daemon reads knows it.
    assert "queue" in env.nvhost("rpc", "connections").stdout
    for bad in ("queue:", "wait", "queue:100000"):
        done = env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", ports[0], "-n", NQN,
                          "-D", "--no-path", bad, ok=False)
        assert bad in done.stderr and "fail, queue:SECONDS" in done.stderr, done.stderr
    done = env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", ports[0], "-n", NQN, "-D",
                      "--no-path", "queue", "--fast_io_fail_tmo", "3", ok=False)
    assert "contradict" in done.stderr, done.stderr
    env.nvhost("umount", env.mounts[-1])
    env.nvhost("disconnect-all")


run(main)
