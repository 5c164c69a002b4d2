#!/usr/bin/env python3
"""Light on its feet: discover on loopback within 10 ms, target-lite answers RPC within 50 ms of exec,
nvhostd idle with a mounted namespace below 0.1 % CPU and 32 MiB."""
import json
import os
import socket
import statistics
import subprocess
import time

from lib import BIN, NQN, SLOW, Target, cpu_seconds, rss_mib, run, skip


def median_ms(times, fn):
    took = []
    for _ in range(times):
        start = time.monotonic()
        fn()
        took.append((time.monotonic() - start) * 1000)
    return statistics.median(took)


def rpc_after_exec(env, index):
    path = env.path(f"start{index}.sock")
    start = time.monotonic()
    process = env.popen(os.path.join(BIN, "target-lite"), "--rpc", path,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    s = socket.socket(socket.AF_UNIX)
    while True:
        try:
            s.connect(path)
            break
        except OSError:
            assert time.monotonic() - start < 5
            time.sleep(0.001)
    s.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "spdk_get_version"}')
    answer = s.recv(65536)
    took = (time.monotonic() - start) * 1000
    assert "result" in json.loads(answer)
    process.terminate()
    process.wait()
    return took


def main(env):
    if SLOW:
        skip(f"speed is not judged in mode {os.environ.get('MODE')}")
    target = Target(env)
    argv = [os.path.join(BIN, "nvhost"), "discover", *target.at]
    took = median_ms(15, lambda: subprocess.run(argv, env=env.vars, check=True,
                                                stdout=subprocess.DEVNULL))
    print(f"discover: {took:.1f} ms")
    assert took <= 10, took

    started = statistics.median(rpc_after_exec(env, i) for i in range(5))
    print(f"target-lite exec to RPC answer: {started:.1f} ms")
    assert started <= 50, started

    env.connect(target)
    mnt = env.mount()
    with open(os.path.join(mnt, NQN, "n1"), "r+b") as f:
        f.write(os.urandom(1 << 20))
    pid = env.daemon_pid()
    time.sleep(1)
    before = cpu_seconds(pid), time.monotonic()
    time.sleep(10)
    share = (cpu_seconds(pid) - before[0]) / (time.monotonic() - before[1]) * 100
    rss = rss_mib(pid)
    print(f"nvhostd idle: {share:.2f} % CPU, {rss:.1f} MiB resident")
    assert share < 0.1 or share * 10 / 100 <= 0.0101, share  # one clock tick is 10 ms
    assert rss <= 32, rss
    env.nvhost("umount", mnt)
    env.nvhost("disconnect-all")


run(main)
