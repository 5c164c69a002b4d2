#!/usr/bin/env python3
"""Choosing among paths, with generous bounds (make bench-paths measures): the policy latency leaves a path
that became slow and does not go there with callers' I/O; a hedged read does not wait for one that is
stuck, and the extra reads stay few."""
import json
import os
import subprocess

from lib import BIN, NQN, SCALE, Target, run


def perf(env, ports, *options):
    argv = [os.path.join(BIN, "nvhost"), "perf", "-t", "tcp", "-a", "127.0.0.1", "-s", str(ports[0]),
            "-n", NQN, "--paths", f"127.0.0.1:{ports[1]}", "--rw=randread", "--bs=4k",
            "--iodepth=8", "-o", "json", *options]
    done = subprocess.run(argv, capture_output=True, text=True, env=env.vars, timeout=120 * SCALE)
    assert done.returncode == 0, done.stderr
    r = json.loads(done.stdout)
    assert not r["errors"] and not r["verify_errors"], done.stderr
    return r["read"], r.get("hedge")


def main(env):
    target = Target(env, "--listen", "tcp:127.0.0.1:0")
    ports = [int(a["address"]["trsvcid"]) for a in
             target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)]

    def delay(port, ms, **more):
        return target.rpc("fault_add", kind="delay", ms=ms, opcode=2, nqn=NQN, listener={
            "trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(port)}, **more)

    for slow in ports:
        fault = delay(slow, 30)
        fast, _ = perf(env, ports, "--number_ios=3000")
        shared, _ = perf(env, ports, "--number_ios=300", "--policy", "round-robin")
        # Round-robin goes at the slow path's pace; latency must be far from it.
        assert fast["iops"] > 4 * shared["iops"], (fast["iops"], shared["iops"])
        assert fast["lat_us"]["percentile"]["90"] < 25000, fast["lat_us"]
        target.rpc("fault_clear", id=fault)

    fault = delay(ports[0], 100, probability=0.01, seed=3)
    plain, _ = perf(env, ports, "--number_ios=20000", "--policy", "round-robin")
    hedged, hedge = perf(env, ports, "--number_ios=20000", "--policy", "round-robin", "--hedge-reads")
    target.rpc("fault_clear", id=fault)
    # 0.5 % of all are slow: beyond the 99th percentile of each; half of that must be gone.
    assert plain["lat_us"]["percentile"]["99.9"] > 90000, plain["lat_us"]
    assert hedged["lat_us"]["percentile"]["99.9"] < 90000, hedged["lat_us"]
    # The copies' own count: of the delayed originals the target answers few before the end.
    assert 0 < hedge["won"] <= hedge["sent"] <= 0.025 * hedged["ios"] + 20, (hedge, hedged["ios"])


run(main)
