#!/usr/bin/env python3
"""A controller that waits out a long back-off tries at once when there is a reason to: an interface
comes up or gets an address, a discovery controller tells of a change, a neighbour at the same address
came back. Runs in a network namespace of its own."""
import json
import os
import subprocess
import sys
import time

from lib import NQN, SCALE, Target, need, run, skip, wait_for

# With so long a step nothing returns by itself within the test's patience, but for one in ten.
DELAY = "600"


def ip(*args):
    subprocess.run([need("ip"), *args], check=True)


def ctrlr(env, name):
    return next(c for c in json.loads(env.nvhost("rpc", "list").stdout)["controllers"]
                if c["name"] == name)


def state(env, name):
    return ctrlr(env, name)["state"]


def connect(env, target, name, *options, nqn=None):
    env.nvhost("connect", *target.at, "-n", nqn or target.nqn, "--name", name, "-k", "1", *options)


def waits(env, name):
    """It was lost and an attempt to get it back has failed."""
    wait_for(f"{name} to wait", lambda: state(env, name) == "connecting" and "next attempt in" in
             env.nvhost("rpc", "list").stdout + log(env), 15)


def log(env):
    with open(os.path.join(env.run_dir, "nvhostd.log")) as f:
        return f.read()


def back(env, name, why, seconds=3):
    began = time.monotonic()
    wait_for(f"{name} to come back for {why}", lambda: state(env, name) == "live", seconds)
    print(f"{why}: back after {time.monotonic() - began:.2f} s")


def main(env):
    env.vars["NVHOST_LOG"] = "all:info,ctrlr:debug"
    ip("link", "set", "lo", "up")
    ip("addr", "add", "192.0.2.1/24", "dev", "lo")
    target = Target(env, addr="192.0.2.1")

    # The address goes and comes.
    connect(env, target, "nvh0", "-c", DELAY)
    ip("addr", "del", "192.0.2.1/24", "dev", "lo")
    waits(env, "nvh0")
    ip("addr", "add", "192.0.2.1/24", "dev", "lo")
    back(env, "nvh0", "an address")
    assert "a network link came up" in log(env)

    # A neighbour: it tries each 50 ms and is back first.
    connect(env, target, "nvh1", "-c", "0.05", "-D")
    target.kill()
    env.targets.remove(target)
    wait_for("both to be lost", lambda: {state(env, n) for n in ("nvh0", "nvh1")} == {"connecting"})
    wait_for("nvh0 to have tried", lambda: log(env).count("nvh0: next attempt in") >= 2)
    target.start()
    back(env, "nvh0", "a neighbour")
    env.nvhost("disconnect", "-d", "nvh1")

    # A discovery controller at the same address tells that its log changed.
    other = Target(env, name="other", addr="192.0.2.1", listen=True, nqn=NQN + "-other")
    env.nvhost("discover", *other.at, "-p")
    seen = log(env).count("nvh0: next attempt in")
    target.kill()
    env.targets.remove(target)
    wait_for("nvh0 to wait", lambda: log(env).count("nvh0: next attempt in") > seen)
    target.start()
    time.sleep(0.1)
    assert state(env, "nvh0") == "connecting"
    other.rpc("nvmf_create_subsystem", nqn=NQN + "-new", allow_any_host=True)
    other.rpc("nvmf_subsystem_add_listener", nqn=NQN + "-new", listen_address={
        "trtype": "TCP", "adrfam": "IPv4", "traddr": "192.0.2.1", "trsvcid": str(other.port)})
    back(env, "nvh0", "a discovery change")
    env.nvhost("disconnect-all")


if os.environ.get("EARLY_WAKE_NETNS"):
    run(main)
elif os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode:
    run(lambda env: skip("no network namespace can be made"))
else:
    os.environ["EARLY_WAKE_NETNS"] = "1"
    os.execvp("unshare", ["unshare", "-n", sys.executable] + sys.argv)
