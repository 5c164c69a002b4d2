#!/usr/bin/env python3
"""64 controllers connected at once; 1,000 namespaces in one subsystem listed, each with its file."""
import os
import subprocess

from lib import BIN, NQN, Target, run, wait_for


def sixty_four_controllers(env):
    target = Target(env, listen=False, name="many")
    target.rpc("nvmf_create_transport", trtype="TCP")
    port = None
    for i in range(64):
        nqn = f"{NQN}:c{i}"
        target.rpc("nvmf_create_subsystem", nqn=nqn, allow_any_host=True, serial_number=f"S{i}")
        target.rpc("bdev_malloc_create", name=f"M{i}", num_blocks=2048, block_size=512)
        target.rpc("nvmf_subsystem_add_ns", nqn=nqn, namespace={"bdev_name": f"M{i}"})
        target.rpc("nvmf_subsystem_add_listener", nqn=nqn, listen_address={
            "trtype": "TCP", "traddr": "127.0.0.1", "trsvcid": str(port or 0)})
        if port is None:
            port = target.rpc("nvmf_subsystem_get_listeners", nqn=nqn)[0]["address"]["trsvcid"]
    env.nvhost("list")  # the daemon is up
    running = [subprocess.Popen([os.path.join(BIN, "nvhost"), "connect", "-t", "tcp", "-a",
                                 "127.0.0.1", "-s", str(port), "-n", f"{NQN}:c{i}"], env=env.vars,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for i in range(64)]
    for process in running:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out
    text = env.nvhost("list-subsys").stdout
    assert text.count("live") >= 64, text
    env.nvhost("disconnect-all")
    assert "live" not in env.nvhost("list-subsys").stdout
    target.stop()


def thousand_namespaces(env):
    target = Target(env, listen=False, name="wide")
    target.rpc("nvmf_create_transport", trtype="TCP")
    target.rpc("nvmf_create_subsystem", nqn=NQN, allow_any_host=True, max_namespaces=1024)
    for i in range(1, 1001):
        target.rpc("bdev_null_create", name=f"N{i}", num_blocks=2048, block_size=512)
        target.rpc("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": f"N{i}", "nsid": i})
    target.rpc("nvmf_subsystem_add_listener", nqn=NQN, listen_address={
        "trtype": "TCP", "traddr": "127.0.0.1", "trsvcid": "0"})
    target.port = target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)[0]["address"]["trsvcid"]
    env.connect(target)
    mnt = env.mount()
    folder = os.path.join(mnt, NQN)
    wait_for("1,000 files", lambda: len(os.listdir(folder)) == 1000, 30)
    assert sorted(os.listdir(folder), key=lambda n: int(n[1:])) == [f"n{i}" for i in range(1, 1001)]
    assert "n1000" in env.nvhost("list").stdout
    env.nvhost("umount", mnt)
    env.nvhost("disconnect-all")


def main(env):
    sixty_four_controllers(env)
    thousand_namespaces(env)


run(main)
