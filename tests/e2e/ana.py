#!/usr/bin/env python3
"""ANA states of two listeners, set by RPC: I/O goes only where it should, whatever combination stands;
states flip under a verifying load without an error; with no path left I/O waits, and goes on at once
when one comes back."""
import json
import mmap
import os
import subprocess
import threading
import time

from lib import BIN, NQN, SCALE, Target, fio_name, need, run, wait_for

STATES = ("optimized", "non_optimized", "inaccessible")
RANK = {"optimized": 0, "non_optimized": 1}


def set_state(target, port, state):
    target.rpc("nvmf_subsystem_listener_set_ana_state", nqn=NQN, ana_state=state, listen_address={
        "trtype": "TCP", "traddr": "127.0.0.1", "trsvcid": str(port)})


def paths(env):
    """ctrlr -> (ANA state, I/Os so far) of namespace 1."""
    top = subprocess.run([os.path.join(BIN, "nvhost"), "rpc", "list"], env=env.vars,
                         capture_output=True, text=True, check=True).stdout
    listing = json.loads(top)
    for ns in listing["namespaces"]:
        if ns["nsid"] == 1:
            return {p["controller"]: (p["ana_state"], p["ios"]) for p in ns["paths"]}
    raise AssertionError(top)


def touch(path, n=40):
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    buf = mmap.mmap(-1, 4096)
    for i in range(n):
        os.preadv(fd, [buf], i * 4096)
    os.close(fd)


def matrix(env, target, ports, path):
    for first in STATES:
        for second in STATES:
            if first == second == "inaccessible":
                continue
            set_state(target, ports[0], first)
            set_state(target, ports[1], second)
            want = {"nvh0": first.replace("_", "-"), "nvh1": second.replace("_", "-")}
            wait_for(f"{want} to be known",
                     lambda: {c: s for c, (s, _) in paths(env).items()} == want, 5)
            before = paths(env)
            touch(path)
            after = paths(env)
            ranks = [RANK.get(first, 9), RANK.get(second, 9)]
            for i, name in enumerate(("nvh0", "nvh1")):
                used = after[name][1] - before[name][1]
                if ranks[i] > min(ranks):
                    assert used == 0, f"{want}: {used} I/Os over {name}"
            assert sum(a[1] for a in after.values()) > sum(b[1] for b in before.values())


def flips(env, target, ports, path):
    load = env.popen(need("fio"), "--name=job", f"--filename={fio_name(path)}",
                     "--allow_file_create=0", "--rw=randrw", "--bs=4k", "--ioengine=libaio",
                     "--direct=1", "--iodepth=16", "--size=8m", "--verify=crc32c",
                     "--verify_fatal=1", "--time_based=1", f"--runtime={6 * SCALE}",
                     cwd=env.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    turn = 0
    while load.poll() is None and turn < 200:
        set_state(target, ports[turn % 2], "inaccessible")
        set_state(target, ports[(turn + 1) % 2], "optimized")
        turn += 1
        time.sleep(0.03)  # the pace of the flips
    for port in ports:
        set_state(target, port, "optimized")
    out, _ = load.communicate(timeout=120 * SCALE)
    assert load.returncode == 0, out[-3000:]


def no_path(env, target, ports, path):
    for port in ports:
        set_state(target, port, "inaccessible")
    wait_for("both to be inaccessible",
             lambda: {s for s, _ in paths(env).values()} == {"inaccessible"}, 5)
    done = threading.Event()
    thread = threading.Thread(target=lambda: (touch(path, 1), done.set()), daemon=True)
    thread.start()
    assert not done.wait(0.3), "a read succeeded without a path"
    set_state(target, ports[1], "non_optimized")
    assert done.wait(5 * SCALE), "I/O did not go on when a path came back"
    thread.join()


def states(env, nsid):
    for ns in json.loads(env.nvhost("rpc", "list").stdout)["namespaces"]:
        if ns["nsid"] == nsid:
            return {p["controller"]: p["ana_state"] for p in ns["paths"]}
    return None


def groups(env, target, ports):
    """One group of one listener changes its state, and a namespace moves to it: only that one follows."""
    address = {"trtype": "TCP", "traddr": "127.0.0.1", "trsvcid": str(ports[0])}
    for port in ports:
        set_state(target, port, "optimized")
    target.rpc("nvmf_subsystem_listener_set_ana_state", nqn=NQN, ana_state="inaccessible",
               listen_address=address, anagrpid=5)
    both = {"nvh0": "optimized", "nvh1": "optimized"}
    wait_for("all to be optimized", lambda: states(env, 1) == both == states(env, 2), 5)
    target.rpc("nvmf_subsystem_set_ns_ana_group", nqn=NQN, nsid=2, anagrpid=5)
    moved = {"nvh0": "inaccessible", "nvh1": "optimized"}
    wait_for("the move to be followed", lambda: states(env, 2) == moved, 5)
    assert states(env, 1) == both
    touch(os.path.join(env.mounts[-1], NQN, "n2"))
    target.rpc("nvmf_subsystem_set_ns_ana_group", nqn=NQN, nsid=2, anagrpid=2)
    wait_for("the move back to be followed", lambda: states(env, 2) == both, 5)


def policies(env, target, ports, path):
    """Set at connect, known to the listing; round-robin shares evenly, numa uses one path."""
    for port in ports:
        set_state(target, port, "optimized")
    for policy in ("round-robin", "queue-depth", "numa", "latency"):
        env.nvhost("disconnect", "-n", NQN)
        for port in ports:
            env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", port, "-n", NQN,
                       "--policy", policy)
        assert json.loads(env.nvhost("rpc", "list").stdout)["namespaces"][0]["policy"] == policy
        wait_for("the file", lambda: os.path.exists(path))
        touch(path, 100)
        ios = sorted(n for _, n in paths(env).values())
        if policy == "round-robin":
            assert ios[0] >= 40, ios
        if policy == "numa":
            assert ios[0] == 0 and ios[1] >= 100, ios
    bad = env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", ports[0], "-n", NQN, "-D",
                     "--policy", "luck", ok=False)
    assert "luck" in bad.stderr, bad.stderr


def main(env):
    target = Target(env, "--listen", "tcp:127.0.0.1:0", "--ana", ns=("malloc:64M", "malloc:8M"))
    ports = [int(a["address"]["trsvcid"]) for a in
             target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)]
    for port in ports:
        env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", port, "-n", NQN)
    path = os.path.join(env.mount(), NQN, "n1")
    matrix(env, target, ports, path)
    flips(env, target, ports, path)
    no_path(env, target, ports, path)
    groups(env, target, ports)
    policies(env, target, ports, path)
    env.nvhost("umount", env.mounts[-1])
    env.nvhost("disconnect-all")


run(main)
