#!/usr/bin/env python3
"""Fences across reactors: four writers through the file system on two reactors, two paths, their
connections dropped again and again. Each write is read back; none is lost, none comes back later."""
import mmap
import os
import threading
import time

from ghosts import free_port
from lib import BIN, NQN, SCALE, Target, run, wait_for

SECONDS = 4


class Writer(threading.Thread):
    def __init__(self, path, block):
        super().__init__(daemon=True)
        self.path, self.block, self.stop, self.error, self.count = path, block, False, None, 0
        self.start()

    def run(self):
        fd = os.open(self.path, os.O_RDWR | os.O_DIRECT)
        out, back = mmap.mmap(-1, 4096), mmap.mmap(-1, 4096)
        try:
            while not self.stop:
                self.count += 1
                out[:8] = out[4088:] = self.count.to_bytes(8, "little")
                assert os.pwrite(fd, out, self.block * 4096) == 4096
                assert os.preadv(fd, [back], self.block * 4096) == 4096
                assert back[:] == out[:], f"block {self.block}: {back[:8]} after {out[:8]}"
        except Exception as e:
            self.error = e
        finally:
            os.close(fd)


def main(env):
    ports = [free_port(), free_port()]
    target = Target(env, listen=False)
    target.rpc("nvmf_create_transport", trtype="TCP")
    target.rpc("bdev_malloc_create", name="disk", num_blocks=4096, block_size=512)
    target.rpc("nvmf_create_subsystem", nqn=NQN, allow_any_host=True,
               cross_controller_reset="immediate")
    target.rpc("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "disk"})
    addresses = [{"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(p)}
                 for p in ports]
    for address in addresses:
        target.rpc("nvmf_subsystem_add_listener", nqn=NQN, listen_address=address)
    env.popen(os.path.join(BIN, "nvhostd"), "--foreground", "--reactors", 2,
              stderr=open(os.path.join(env.run_dir, "nvhostd.log"), "a"))
    wait_for("nvhostd", lambda: env.daemon_pid() is not None)
    for port in ports:
        env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", port, "-n", NQN, "-k", "1",
                   "--policy", "round-robin")
    mnt = env.mount()
    path = os.path.join(mnt, NQN, "n1")
    writers = [Writer(path, b) for b in range(4)]
    end, drops = time.monotonic() + SECONDS * SCALE, 0

    def fenced():
        with open(os.path.join(env.run_dir, "nvhostd.log")) as f:
            return "fenced by CCR via" in f.read()

    # On a slow machine it takes some drops until one meets a write on its way.
    while (time.monotonic() < end or not fenced() and time.monotonic() < end + 60 * SCALE) and \
            not any(w.error for w in writers):
        number = target.rpc("fault_add", kind="drop_connection", nqn=NQN,
                            listener=addresses[drops % 2])
        target.rpc("fault_clear", id=number)
        drops += 1
        time.sleep(0.2 * SCALE)  # the time between two faults, nothing is waited for
    for w in writers:
        w.stop = True
    for w in writers:
        w.join(60 * SCALE)
        assert not w.is_alive(), f"block {w.block}: a write hangs"
        assert w.error is None, f"block {w.block}: {w.error}"
    print(f"{sum(w.count for w in writers)} writes over {drops} drops")
    env.nvhost("umount", mnt)
    assert fenced(), env.daemon_log()


run(main)
