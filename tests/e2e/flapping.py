#!/usr/bin/env python3
"""One of two paths flaps once a second: its connections are reset and refused for half of each second.
Verified I/O sees no error; after the first 5 s the path is left alone but for 3 switches at most (a
switch: it begins, or ends, to carry I/O). SECONDS=12; `make bench-flap` takes 60."""
import json
import mmap
import os
import threading
import time

from lib import NQN, SCALE, Target, run, wait_for

SECONDS = float(os.environ.get("SECONDS", "12"))
SETTLED = 5.0  # s
MOST = 3
WORKERS, BLOCKS = 4, 64


class Worker(threading.Thread):
    """Writes and reads back blocks of its own."""

    def __init__(self, path, number):
        super().__init__(daemon=True)
        self.fd = os.open(path, os.O_RDWR | os.O_DIRECT)
        self.number, self.error = number, None
        self.ios, self.longest = 0, 0.0
        self.stop = threading.Event()
        self.start()

    def one(self, turn):
        at = (self.number * BLOCKS + turn % BLOCKS) * 4096
        buf = mmap.mmap(-1, 4096)
        buf.write(turn.to_bytes(8, "little") * 512)
        assert os.pwrite(self.fd, buf, at) == 4096
        back = mmap.mmap(-1, 4096)
        assert os.preadv(self.fd, [back], at) == 4096
        assert back[:] == buf[:], f"block at {at}: other data came back"

    def run(self):
        turn = 0
        try:
            while not self.stop.is_set():
                began = time.monotonic()
                self.one(turn)
                self.longest = max(self.longest, time.monotonic() - began)
                self.ios += 2
                turn += 1
                time.sleep(0.001)
        except (OSError, AssertionError) as e:
            self.error = e
        os.close(self.fd)


class Flapper(threading.Thread):
    """Half a second down, half a second up."""

    def __init__(self, target, port):
        super().__init__(daemon=True)
        self.target, self.stop, self.error, self.flaps = target, threading.Event(), None, 0
        self.listener = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1",
                         "trsvcid": str(port)}
        self.start()

    def run(self):
        try:
            while not self.stop.is_set():
                number = self.target.rpc("fault_add", kind="drop_connection", listener=self.listener)
                self.stop.wait(0.5)
                self.target.rpc("fault_clear", id=number)
                self.flaps += 1
                self.stop.wait(0.5)
        except AssertionError as e:
            self.error = e


def paths(env):
    listing = json.loads(env.nvhost("rpc", "list").stdout)
    return {p["controller"]: p["ios"] for p in listing["namespaces"][0]["paths"]}


def main(env):
    target = Target(env, "--listen", "tcp:127.0.0.1:0")
    ports = sorted(int(a["address"]["trsvcid"]) for a in
                   target.rpc("nvmf_subsystem_get_listeners", nqn=NQN))
    for i, port in enumerate(ports):
        env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", port, "-n", NQN, "--name",
                   f"nvh{i}")
    path = os.path.join(env.mount(), NQN, "n1")
    wait_for("the file", lambda: os.path.exists(path))
    workers = [Worker(path, i) for i in range(WORKERS)]
    wait_for("both paths to carry I/O", lambda: all(n > 50 for n in paths(env).values()))
    flapper = Flapper(target, ports[0])
    began = time.monotonic()
    used, switches, before = True, [], paths(env)["nvh0"]
    while time.monotonic() < began + SECONDS:
        time.sleep(0.1)
        ios = paths(env)["nvh0"]
        if (ios > before) != used:
            used = ios > before
            switches.append(time.monotonic() - began)
        before = ios
    flapper.stop.set()
    flapper.join()
    for w in workers:
        w.stop.set()
    for w in workers:
        w.join(10 * SCALE)
    errors = [str(w.error) for w in workers if w.error]
    late = [s for s in switches if s > SETTLED]
    print(f"{flapper.flaps} flaps in {SECONDS:g} s: {len(switches)} switches, {len(late)} of them "
          f"after the first {SETTLED:g} s ({', '.join(f'{s:.1f}' for s in switches)} s); "
          f"{sum(w.ios for w in workers)} I/Os, {len(errors)} errors, the longest "
          f"{max(w.longest for w in workers) * 1e3:.0f} ms")
    assert flapper.error is None, flapper.error
    assert not errors, errors
    assert flapper.flaps >= SECONDS / 4, "the path did not flap"
    assert len(late) <= MOST, f"{len(late)} switches"
    env.nvhost("umount", env.mounts[-1])
    env.nvhost("disconnect-all")


run(main)
