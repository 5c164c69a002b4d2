#!/usr/bin/env python3
"""Hedged reads under a verifying load on two reactors, while one path is slow now and then, both lose their
connections, refuse commands and become inaccessible in turn: every read has the right data, and no error."""
import json
import os
import subprocess

from lib import BIN, NQN, SCALE, Target, run, wait_for


def main(env):
    target = Target(env, "--listen", "tcp:127.0.0.1:0", "--ana")
    ports = [int(a["address"]["trsvcid"]) for a in
             target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)]

    def at(port):
        return {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(port)}

    def fault(kind, port, **more):
        return target.rpc("fault_add", kind=kind, nqn=NQN, listener=at(port), **more)

    def ana(port, state):
        target.rpc("nvmf_subsystem_listener_set_ana_state", nqn=NQN, listen_address=at(port),
                   ana_state=state)

    def ios():
        return sum(g["completed_nvme_io"] for g in target.rpc("nvmf_get_stats")["poll_groups"])

    fault("delay", ports[0], ms=20, opcode=2, probability=0.01, seed=7)
    load = env.popen(os.path.join(BIN, "nvhost"), "perf", "-t", "tcp", "-a", "127.0.0.1", "-s",
                     str(ports[0]), "-n", NQN, "--paths", f"127.0.0.1:{ports[1]}", "--bs=4k",
                     "--rw=randrw", f"--runtime={5 * SCALE}", "--iodepth=8", "--numjobs=2", "--verify",
                     "--hedge-reads", "--policy", "round-robin", "-o", "json",
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for("the load", lambda: ios() > 2000)
    turns = 0
    while load.poll() is None:
        port, before = ports[turns // 2 % 2], ios()
        number = None
        if turns % 2 == 0:
            ana(port, "inaccessible")
            fault("drop_connection", ports[0] + ports[1] - port, opcode=2, count=1)
        else:
            ana(ports[0], "optimized")
            ana(ports[1], "optimized")
            number = fault("status", port, sct=3, sc=0x60, count=20)
        wait_for("the load to go on", lambda: load.poll() is not None or ios() > before + 300, 20)
        if number:
            target.rpc("fault_clear", id=number)
        turns += 1
    out, err = load.communicate(timeout=60 * SCALE)
    assert load.returncode == 0, err[-3000:]
    result = json.loads(out)
    assert not result["errors"] and not result["verify_errors"], err[-3000:]
    assert result["hedge"]["sent"] > 0 and turns >= 4, (result["hedge"], turns)
    print(f"  {turns} turns, {result['hedge']['sent']} reads sent twice")


run(main)
