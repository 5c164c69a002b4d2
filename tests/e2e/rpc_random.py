#!/usr/bin/env python3
"""Operators that call methods at random, several at once, with parameters right and wrong, while
others listen in and leave: target-lite answers every call, stays consistent, ends in order. First
alone, then while a host reads and writes a namespace that they leave in place: it sees no error.
The seed is printed; SEED=N repeats a run, SECONDS_=N changes its length."""
import json
import os
import random
import select
import socket
import threading
import time

from lib import NQN, Target, run

NQNS = [f"nqn.2026-01.io.nvhost:r{i}" for i in range(4)]
HOSTS = [f"nqn.2014-08.org.nvmexpress:uuid:0f8d6f6a-5c0c-4d5e-9d5b-2c7d1f1a7e1{i}" for i in range(3)]
BDEVS = [f"B{i}" for i in range(6)]
STATES = ["optimized", "non_optimized", "inaccessible", "persistent_loss", "change"]
JUNK = [None, True, -1, 0, 2**64 - 1, 1.5, "", "x" * 300, [], {}, "\u0000", [[]], {"a": 1}]


class Operators:
    def __init__(self, rng, target, folder):
        self.rng, self.target, self.folder = rng, target, folder
        self.stable = None  # a subsystem whose namespace 1 and hosts are left alone
        self.depth = 0  # of configurations in configurations: the parser takes only so many levels
        self.ports = ["0", "0", str(20000 + rng.randrange(20000))]

    def addr(self):
        rng = self.rng
        return {"trtype": rng.choice(["TCP", "tcp", "RDMA"]), "traddr": rng.choice(
            ["127.0.0.1", "127.0.0.2", "::1"]), "trsvcid": rng.choice(self.ports)}

    def disturbs(self, method, params):
        return self.stable and params.get("nqn") == self.stable and (
            method in ("nvmf_delete_subsystem", "nvmf_subsystem_allow_any_host") or
            method == "nvmf_subsystem_remove_ns" and params["nsid"] == 1)

    def request(self):
        method, params = self.draw()
        while self.disturbs(method, params):
            method, params = self.draw()
        if self.rng.random() < .1 and params:
            name = self.rng.choice(list(params))
            junk = {self.rng.choice([name, "zzz"]): self.rng.choice(JUNK)}
            if name != "nqn":
                params = dict(params, **junk)
        return method, params

    def draw(self):
        rng = self.rng
        nqn, bdev = rng.choice(NQNS + [self.stable or NQNS[0]]), rng.choice(BDEVS)
        return rng.choice([
            lambda: ("nvmf_create_transport", {"trtype": "TCP"}),
            lambda: ("nvmf_create_subsystem", {"nqn": nqn, "ana_reporting": rng.random() < .5,
                                               "allow_any_host": True, "max_namespaces": 8}),
            lambda: ("nvmf_create_subsystem", {"nqn": nqn}),
            lambda: ("nvmf_delete_subsystem", {"nqn": nqn}),
            lambda: ("nvmf_get_subsystems", rng.choice([{}, {"nqn": nqn}])),
            lambda: ("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {
                "bdev_name": bdev, "nsid": rng.randrange(10)}}),
            lambda: ("nvmf_subsystem_add_ns", {"nqn": nqn, "namespace": {"bdev_name": bdev}}),
            lambda: ("nvmf_subsystem_remove_ns", {"nqn": nqn, "nsid": rng.randrange(1, 10)}),
            lambda: ("nvmf_subsystem_set_ns_ana_group", {
                "nqn": nqn, "nsid": rng.randrange(1, 10), "anagrpid": rng.randrange(1, 10)}),
            lambda: ("nvmf_subsystem_add_listener", {"nqn": nqn, "listen_address": self.addr()}),
            lambda: ("nvmf_subsystem_remove_listener", {"nqn": nqn,
                                                        "listen_address": self.addr()}),
            lambda: ("nvmf_subsystem_listener_set_ana_state", {
                "nqn": nqn, "listen_address": self.addr(), "ana_state": rng.choice(STATES),
                "anagrpid": rng.randrange(10)}),
            lambda: ("nvmf_subsystem_get_listeners", {"nqn": nqn}),
            lambda: ("nvmf_subsystem_get_controllers", {"nqn": nqn}),
            lambda: ("nvmf_subsystem_get_qpairs", {"nqn": nqn}),
            lambda: ("nvmf_subsystem_add_host", {"nqn": nqn, "host": rng.choice(HOSTS)}),
            lambda: ("nvmf_subsystem_remove_host", {"nqn": nqn, "host": rng.choice(HOSTS)}),
            lambda: ("nvmf_subsystem_allow_any_host", {"nqn": nqn,
                                                       "allow_any_host": rng.random() < .5}),
            lambda: ("nvmf_discovery_add_referral", {"address": self.addr()}),
            lambda: ("nvmf_discovery_remove_referral", {"address": self.addr()}),
            lambda: ("nvmf_discovery_get_referrals", {}),
            lambda: ("nvmf_get_stats", {}),
            lambda: ("framework_get_reactors", {}),
            lambda: ("bdev_null_create", {"name": bdev, "block_size": 512, "num_blocks": 4096}),
            lambda: ("bdev_malloc_create", {"name": bdev, "block_size": 4096, "num_blocks": 64}),
            lambda: ("bdev_aio_create", {"name": bdev, "filename": self.folder + "/disk"}),
            lambda: ("bdev_null_delete", {"name": bdev}),
            lambda: ("bdev_malloc_delete", {"name": bdev}),
            lambda: ("bdev_aio_delete", {"name": bdev}),
            lambda: ("bdev_null_resize", {"name": bdev, "new_size": rng.randrange(1, 5)}),
            lambda: ("bdev_aio_rescan", {"name": bdev}),
            lambda: ("bdev_get_bdevs", rng.choice([{}, {"name": bdev, "timeout": 5}])),
            lambda: ("save_config", {}),
            lambda: ("load_config", self.config()),
        ])()

    def config(self):
        if self.depth == 2:
            return {"subsystems": []}
        self.depth += 1
        calls = [dict(zip(("method", "params"), self.request())) for _ in range(4)]
        self.depth -= 1
        return {"subsystems": [{"subsystem": "x", "config": calls}]}


def dial(target):
    s = socket.socket(socket.AF_UNIX)
    s.connect(target.rpc_path)
    s.setblocking(False)
    return {"s": s, "open": set(), "text": b"", "next": 0}


def take(conn, counts):
    """Reads what has come; every answer belongs to a call under way."""
    try:
        data = conn["s"].recv(1 << 20)
    except BlockingIOError:
        return
    assert data, "the target closed a connection"
    conn["text"] += data
    *lines, conn["text"] = conn["text"].split(b"\n")
    for line in lines:
        answer = json.loads(line)
        conn["open"].remove(answer["id"])
        if "error" in answer:
            assert answer["error"]["code"] in (-32602, -32603), answer
            counts["error"] += 1
        else:
            counts["result"] += 1


def operate(rng, target, operators, seconds):
    counts = {"result": 0, "error": 0, "left": 0}
    conns = [dial(target) for _ in range(6)]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        conn = rng.choice(conns)
        if rng.random() < .005:  # leaves with calls under way
            conn["s"].close()
            conns[conns.index(conn)] = dial(target)
            counts["left"] += 1
        elif len(conn["open"]) < 8:
            method, params = operators.request()
            conn["next"] += 1
            conn["open"].add(conn["next"])
            conn["s"].setblocking(True)
            conn["s"].sendall(json.dumps({"jsonrpc": "2.0", "method": method, "params": params,
                                          "id": conn["next"]}).encode())
            conn["s"].setblocking(False)
        for conn in conns:
            take(conn, counts)
        assert target.process.poll() is None, "the target died"
    for conn in conns:
        while conn["open"]:
            assert select.select([conn["s"]], [], [], 30)[0], f"no answer to {conn['open']}"
            take(conn, counts)
        conn["s"].close()
    print(counts, flush=True)
    assert counts["result"] > 20 and counts["error"] > 20, counts


class Host(threading.Thread):
    """Reads and writes namespace 1 of the stable subsystem."""

    def __init__(self, env, target, seconds):
        super().__init__()
        self.env, self.target, self.seconds, self.wrong = env, target, seconds, None

    def run(self):
        try:
            self.env.nvhost("perf", *self.target.at, "-n", NQN, "--nsid=1", "--rw=randrw", "--bs=4k",
                            "--iodepth=8", "--numjobs=2", f"--runtime={self.seconds}")
        except AssertionError as e:
            self.wrong = e


def main(env):
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    seconds = int(os.environ.get("SECONDS_", 4))
    print(f"SEED={seed}", flush=True)
    rng = random.Random(seed)
    cpus = str(sorted(os.sched_getaffinity(0))[:rng.choice([1, 2])])
    with open(env.path("disk"), "wb") as f:
        f.truncate(1 << 20)
    alone = Target(env, "-m", cpus, listen=False, name="alone")
    operate(rng, alone, Operators(rng, alone, env.dir), seconds)
    # What is saved makes a target with the same configuration.
    saved = alone.rpc("save_config")
    alone.stop()
    again = Target(env, listen=False, name="again")
    again.rpc("load_config", **saved)
    assert again.rpc("save_config") == saved

    busy = Target(env, "-m", cpus, nqn=NQN, ns=("null:64M",), name="busy")
    operators = Operators(rng, busy, env.dir)
    operators.stable = NQN
    host = Host(env, busy, seconds)
    host.start()
    operate(rng, busy, operators, seconds)
    host.join()
    if host.wrong:
        raise host.wrong


run(main)
