#!/usr/bin/env python3
"""What target-lite's RPC says of hosts that are connected: controllers, queue pairs and counters in
SPDK's shapes; a host that is taken off the list is disconnected; random bytes leave no connection."""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "rpc"))
import golden
from lib import BIN, NQN, Target, run, wait_for

HOST = "nqn.2014-08.org.nvmexpress:uuid:0f8d6f6a-5c0c-4d5e-9d5b-2c7d1f1a7e11"
HOST_ID = "0f8d6f6a-5c0c-4d5e-9d5b-2c7d1f1a7e11"


def shape(name):
    return next(c.results[-1] for c in golden.load() if c.argv[0] == name)


def shaped(target, method, **params):
    value = target.rpc(method, **params)
    wrong = golden.mismatch(value, shape(method))
    assert not wrong, f"{method}: {wrong}"
    return value


def total(target, name):
    return sum(group[name] for group in shaped(target, "nvmf_get_stats")["poll_groups"])


def main(env):
    target = Target(env, "--host", HOST, "-m", str(sorted(os.sched_getaffinity(0))[:2]))
    host = env.popen(os.path.join(BIN, "nvhost"), "perf", *target.at, "-n", NQN, "-q", HOST,
                     "--rw=randread", "--numjobs=2", "--iodepth=4", "--runtime=600")
    wait_for("two I/O queues", lambda: total(target, "current_io_qpairs") == 2)

    (ctrlr,) = shaped(target, "nvmf_subsystem_get_controllers", nqn=NQN)
    assert (ctrlr["hostnqn"], ctrlr["hostid"]) == (HOST, HOST_ID), ctrlr
    assert (ctrlr["cntrltype"], ctrlr["num_io_qpairs"]) == ("io", 2), ctrlr
    qpairs = shaped(target, "nvmf_subsystem_get_qpairs", nqn=NQN)
    assert sorted(q["qid"] for q in qpairs) == [0, 1, 2], qpairs
    assert {q["state"] for q in qpairs} == {"enabled"}, qpairs
    assert {q["cntlid"] for q in qpairs} == {ctrlr["cntlid"]}, qpairs
    assert {q["listen_address"]["trsvcid"] for q in qpairs} == {str(target.port)}, qpairs
    assert len({q["peer_address"]["trsvcid"] for q in qpairs}) == 3, qpairs
    assert total(target, "current_admin_qpairs") == 1
    done = total(target, "completed_nvme_io")
    wait_for("commands to be counted", lambda: total(target, "completed_nvme_io") > done)
    shaped(target, "framework_get_reactors")

    for _ in range(8):
        s = socket.create_connection(("127.0.0.1", target.port))
        s.sendall(os.urandom(128))
        s.close()
    wait_for("no connection without a controller",
             lambda: total(target, "current_unassociated_qpairs") == 0)

    assert target.rpc("nvmf_subsystem_remove_host", nqn=NQN, host=HOST) is True
    wait_for("the host to be disconnected",
             lambda: target.rpc("nvmf_subsystem_get_controllers", nqn=NQN) == [])
    wait_for("its queues to be gone", lambda: total(target, "current_io_qpairs") == 0)
    assert host.poll() is None or host.returncode != 0
    # Not let in again, until it is back on the list.
    denied = env.nvhost("perf", *target.at, "-n", NQN, "-q", HOST, "--runtime=1", ok=False)
    assert denied.stderr, denied
    assert target.rpc("nvmf_subsystem_add_host", nqn=NQN, host=HOST) is True
    env.nvhost("perf", *target.at, "-n", NQN, "-q", HOST, "--runtime=1")
    # The first host may have come back in the meantime; without its listener nobody stays.
    listener = target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)[0]["address"]
    assert target.rpc("nvmf_subsystem_remove_listener", nqn=NQN, listen_address=listener) is True
    wait_for("nobody to be connected",
             lambda: target.rpc("nvmf_subsystem_get_controllers", nqn=NQN) == [])


run(main)
