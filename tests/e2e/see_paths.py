#!/usr/bin/env python3
"""What there is to see of paths: show-topology and list-subsys, latencies, live policy and no-path, the
timers, and a failover told step by step by monitor while it happens."""
import json
import mmap
import os
import re
import subprocess
import threading

from lib import BIN, NQN, Target, run, wait_for


def touch(path, n):
    fd = os.open(path, os.O_RDWR | os.O_DIRECT)
    buf = mmap.mmap(-1, 4096)
    for i in range(n):
        os.preadv(fd, [buf], i * 4096)
        os.pwritev(fd, [buf], i * 4096)
    os.close(fd)


def topology(env, path):
    touch(path, 100)
    text = env.nvhost("show-topology").stdout
    assert re.search(rf"^nvh-subsys0 - NQN={NQN}\n +iopolicy=latency\n +no-path=queue:600\n\\\n"
                     r" \+- ns 1\n \\\n"
                     r"  \+- nvh0 tcp traddr=127.0.0.1,trsvcid=\d+,src_addr=127.0.0.1 live optimized "
                     r"inflight=0 read=[\d.]+[um]s/[\d.]+[um]s write=", text), text
    assert "ios=" in env.nvhost("show-topology", "-v").stdout
    assert " +- ns 1 live optimized" in env.nvhost("show-topology", "-r", "ctrl").stdout
    subsys = env.json("show-topology")[0]["Subsystems"][0]
    assert subsys["IOPolicy"] == "latency" and subsys["NoPath"] == "queue:600", subsys
    paths = subsys["Namespaces"][0]["Paths"]
    assert len(paths) == 2 and {p["State"] for p in paths} == {"live"}, paths
    assert sum(p["ReadLatency"]["samples"] for p in paths) >= 100, paths
    assert sum(p["WriteLatency"]["samples"] for p in paths) >= 100, paths
    for p in json.loads(env.nvhost("rpc", "path_latency", '{"device":"nvh0n1"}').stdout):
        for kind in (p["read"], p["write"]):
            assert sum(b["count"] for b in kind["buckets"]) == kind["samples"], p
            assert kind["p50_ns"] <= kind["p99_ns"] <= kind["p999_ns"], p
    bad = env.nvhost("rpc", "path_latency", '{"device":"nvh0"}', ok=False)
    assert "namespace" in bad.stderr, bad.stderr


def settings(env, target, path):
    env.nvhost("set-policy", NQN, "round-robin")
    assert "iopolicy=round-robin" in env.nvhost("show-topology").stdout
    before = [p["IOs"] for p in env.json("show-topology")[0]["Subsystems"][0]["Namespaces"][0]["Paths"]]
    touch(path, 50)
    after = [p["IOs"] for p in env.json("show-topology")[0]["Subsystems"][0]["Namespaces"][0]["Paths"]]
    assert all(a - b == 50 for a, b in zip(after, before)), (before, after)
    env.nvhost("set-no-path", NQN, "queue:30")
    assert "no-path=queue:30" in env.nvhost("show-topology").stdout
    for setting in ("fail", "queue"):
        env.nvhost("set-no-path", NQN, setting)
        assert f"no-path={setting}\n" in env.nvhost("show-topology").stdout
    env.nvhost("set-no-path", NQN, "queue:30")
    saved = json.loads(env.nvhost("rpc", "connections").stdout)["connections"]
    assert all(c["policy"] == "round-robin" and c["no_path"] == "queue:30" for c in saved), saved
    env.nvhost("set-no-path", NQN)
    assert "no-path=queue:600" in env.nvhost("show-topology").stdout
    env.nvhost("set-policy", NQN, "latency")
    for args, word in ((("set-policy", NQN, "luck"), "luck"), (("set-no-path", NQN, "later"), "later"),
                       (("set-policy", NQN + "x", "numa"), NQN + "x"), (("timers", "nqn.x"), "nqn.x")):
        done = env.nvhost(*args, ok=False)
        assert word in done.stderr, (args, done.stderr)


def timers(env):
    rows = {r["failure"]: r for r in env.json("timers", NQN)}
    assert set(rows) == {"connection reset", "silent path", "stuck command", "no path",
                         "ANA transition", "controller dead", "target gone", "daemon killed"}, rows
    assert rows["connection reset"]["noticed_ms"] == 0
    assert 0 < rows["silent path"]["noticed_ms"] <= 7500, rows["silent path"]
    assert rows["no path"]["fails_without_path_ms"] == 600000
    env.nvhost("set-no-path", NQN, "queue:7")
    rows = {r["failure"]: r for r in env.json("timers", NQN)}
    assert rows["connection reset"]["fails_without_path_ms"] == 7000
    env.nvhost("set-no-path", NQN)
    assert "silent path" in env.nvhost("timers", NQN).stdout


def failover(env, target, ports, path):
    log = env.path("monitor.log")
    with open(log, "wb") as out:
        watch = env.popen(os.path.join(BIN, "nvhost"), "monitor", stdout=out,
                          stderr=subprocess.STDOUT)
    stop = threading.Event()
    # Several, so that there is always I/O in flight.
    load = [threading.Thread(target=lambda: [touch(path, 50) for _ in iter(stop.is_set, True)],
                             daemon=True) for _ in range(4)]
    for thread in load:
        thread.start()

    def seen(pattern):
        with open(log) as f:
            return re.search(pattern, f.read())

    env.nvhost("set-policy", NQN, "numa")
    # The path in use goes: I/O of it moves to the other one, and comes back later.
    busy = ports[0]
    address = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(busy)}
    name = {p["Address"].split("trsvcid=")[1].split(",")[0]: p["Name"] for p in
            env.json("list-subsys")[0]["Subsystems"][0]["Paths"]}[str(busy)]
    other = "nvh1" if name == "nvh0" else "nvh0"
    wait_for("the monitor to be there", lambda: (
        env.nvhost("reset", other), seen(rf"controller {other}: live"))[1], 10)
    ana = dict(nqn=NQN, listen_address=address)

    def state():
        paths = env.json("show-topology")[0]["Subsystems"][0]["Namespaces"][0]["Paths"]
        return next(p["State"] for p in paths if p["Name"] == name)

    def lost_and_found():
        # One that is in probation carries nothing that could fail over.
        wait_for("the path to be trusted", lambda: state() == "live", 60)
        target.rpc("nvmf_subsystem_remove_listener", **ana)
        wait_for("the loss", lambda: seen(rf"failover \d+ {name}: detected: .*\({NQN}\)"), 15)
        target.rpc("nvmf_subsystem_add_listener", **ana)
        wait_for("its return", lambda: seen(rf"failover \d+ {name}: returned after"), 20)
        return all(seen(rf"failover \d+ {name}: {step}") for step in
                   ("fenced", rf"selected after [\d.]+ ms: {other}", "first success after"))

    # A moment without I/O in flight has nothing to select for: then once more.
    wait_for("a failover with all its steps", lost_and_found, 60)
    last = json.loads(env.nvhost("rpc", "failovers").stdout)
    assert last and last[0]["id"] >= last[-1]["id"], last
    for f in last:
        if "success_after_us" in f:
            assert f["selected_after_us"] <= f["success_after_us"], f

    def flaps():
        target.rpc("nvmf_subsystem_remove_listener", **ana)
        wait_for("the loss", lambda: state() not in ("live", "suspect", "probation"), 15)
        target.rpc("nvmf_subsystem_add_listener", **ana)
        wait_for("its return", lambda: state() in ("live", "suspect", "probation"), 20)
        return state() == "probation"

    wait_for("a path that flaps to be in probation", flaps, 60)
    # What is tried again and again without news is told once.
    with open(log) as f:
        lines = [re.sub(r"^[\d:.]+ ", "", line) for line in f if f"controller {name}:" in line]
    assert lines and all(a != b for a, b in zip(lines, lines[1:])), lines
    stop.set()
    for thread in load:
        thread.join()
    watch.terminate()
    watch.wait()


def main(env):
    target = Target(env, "--listen", "tcp:127.0.0.1:0", "--ana")
    ports = [int(a["address"]["trsvcid"]) for a in
             target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)]
    for port in ports:
        env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", port, "-n", NQN)
    path = os.path.join(env.mount(), NQN, "n1")
    wait_for("the file", lambda: os.path.exists(path))
    topology(env, path)
    settings(env, target, path)
    timers(env)
    failover(env, target, ports, path)
    env.nvhost("umount", env.mounts[-1])
    env.nvhost("disconnect-all")


run(main)
