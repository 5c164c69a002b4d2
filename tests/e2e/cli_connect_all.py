#!/usr/bin/env python3
"""connect-all: what discovery.conf and config.json name, referrals that go round in a circle, what is
connected already; an unknown key in a file connects nothing."""
import json
import os

from lib import NQN, Target, run, wait_for


def connected(env):
    return sorted(s["NQN"] for h in env.json("list-subsys") for s in h["Subsystems"])


def refer(target, other):
    target.rpc("nvmf_discovery_add_referral", address={
        "trtype": "tcp", "adrfam": "ipv4", "traddr": "127.0.0.1", "trsvcid": str(other.port)})


def config(env, name, text):
    with open(env.path("config", name), "w") as f:
        f.write(text)


def main(env):
    a, b, c = (Target(env, name=n, nqn=f"{NQN}:{n}", ns=("malloc:4M",)) for n in "abc")
    refer(a, b)
    refer(b, c)
    refer(c, a)
    env.nvhost("connect-all", *a.at)
    everything = [f"{NQN}:a", f"{NQN}:b", f"{NQN}:c"]
    assert connected(env) == everything, connected(env)
    env.nvhost("disconnect", "-n", f"{NQN}:b")
    # What is connected stays; what is missing comes.
    env.nvhost("connect-all", *a.at, "-q", env.nvhost("show-hostnqn").stdout.strip(), ok=None)
    env.nvhost("disconnect-all")
    env.nvhost("connect-all", *a.at)
    env.nvhost("disconnect", "-n", f"{NQN}:b")
    env.nvhost("connect-all", *a.at)
    assert connected(env) == everything, connected(env)
    env.nvhost("disconnect-all")
    assert connected(env) == []

    done = env.nvhost("connect-all", ok=False)
    assert "discovery.conf" in done.stderr, done.stderr
    config(env, "discovery.conf", f"# ours\n-t tcp -a 127.0.0.1 -s {c.port}\n")
    env.nvhost("connect-all")
    assert connected(env) == everything, connected(env)
    assert env.nvhost("discover").stdout.count("Discovery Log Number") == 1
    env.nvhost("disconnect-all")

    config(env, "discovery.conf", f"-t tcp -a 127.0.0.1 -s {c.port} --quue-size=64\n")
    done = env.nvhost("connect-all", ok=False)
    assert "discovery.conf:1" in done.stderr and "--quue-size" in done.stderr, done.stderr
    assert connected(env) == []
    os.unlink(env.path("config", "discovery.conf"))

    config(env, "config.json", f'''[{{"subsystems": [{{"nqn": "{NQN}:b", "ports": [
        {{"transport": "tcp", "traddr": "127.0.0.1", "trsvcid": "{b.port}",
          "queue_size": 32, "hdr_digest": true}}]}}]}}]''')
    env.nvhost("connect-all")
    assert connected(env) == [f"{NQN}:b"], connected(env)
    env.nvhost("disconnect-all")
    # connect takes the attributes of the entry it names.
    env.connect(b)
    ctrlr = json.loads(env.nvhost("rpc", "list_subsys").stdout)["controllers"][0]
    assert ctrlr["queue_size"] == 32, ctrlr
    env.nvhost("disconnect-all")
    config(env, "config.json", '[{"subsystemz": []}]')
    for args in (("connect-all",), ("discover",), ("connect", *b.at, "-n", b.nqn)):
        done = env.nvhost(*args, ok=False)
        assert "config.json" in done.stderr and "'subsystemz'" in done.stderr, done.stderr
    env.nvhost("connect", *b.at, "-n", b.nqn, "-J", "none")
    env.nvhost("disconnect-all")
    os.unlink(env.path("config", "config.json"))

    # What --dump-config prints is a config.json.
    config(env, "config.json", env.nvhost("connect", *b.at, "-n", b.nqn, "-k", "7", "-g",
                                          "-O").stdout)
    env.nvhost("disconnect-all")
    env.nvhost("connect-all")
    ctrlr = json.loads(env.nvhost("rpc", "list_subsys").stdout)["controllers"][0]
    assert ctrlr["nqn"] == b.nqn and ctrlr["keep_alive_tmo_ms"] == 7000, ctrlr
    env.nvhost("disconnect-all")
    os.unlink(env.path("config", "config.json"))

    # A persistent discovery controller stays, and is asked by its name.
    env.nvhost("discover", *a.at, "-p")
    names = [p["Name"] for h in env.json("list-subsys") for s in h["Subsystems"]
             for p in s["Paths"]]
    assert len(names) == 1, names
    assert f"subnqn:  {NQN}:a" in env.nvhost("discover", "-d", names[0]).stdout
    env.nvhost("connect-all", "-d", names[0])
    assert set(everything) < set(connected(env)), connected(env)
    env.nvhost("disconnect-all")

    # With -p the daemon goes on: what the controller's log names later is connected too.
    env.nvhost("connect-all", *a.at, "-p")
    wait_for("all that is there", lambda: set(everything) < set(connected(env)))
    a.rpc("nvmf_create_subsystem", nqn=f"{NQN}:late", allow_any_host=True, serial_number="L")
    a.rpc("nvmf_subsystem_add_listener", nqn=f"{NQN}:late", listen_address={
        "trtype": "TCP", "traddr": "127.0.0.1", "trsvcid": str(a.port)})
    wait_for("the late one", lambda: f"{NQN}:late" in connected(env))
    env.nvhost("disconnect-all")


run(main)
