#!/usr/bin/env python3
"""A PCIe controller that target-lite plays over vfio-user: discovered by its folder, used through a file
under fio verify, merged with a TCP path of the same subsystem and killed in turn under load, and there
again when the target was killed and restarted."""
import os
import re
import subprocess
import time

from lib import BIN, EXAMPLES, NQN, SCALE, Target, fio, fio_name, need, run, wait_for


def states(env):
    return {c["Transport"]: c["State"] for s in env.json("list-subsys")[0]["Subsystems"]
            for c in s["Paths"]}


def load(env, path):
    return env.popen(need("fio"), "--name=job", f"--filename={fio_name(path)}", "--allow_file_create=0",
                     "--rw=randrw", "--bsrange=4k-64k", "--ioengine=libaio", "--direct=1",
                     "--iodepth=16", "--size=48m", "--verify=crc32c", "--verify_fatal=1",
                     "--verify_backlog=64", "--serialize_overlap=1", "--loops=100",
                     f"--runtime={8 * SCALE}", "--time_based=1", cwd=env.dir,
                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def done(job):
    out, _ = job.communicate(timeout=240 * SCALE)
    assert job.returncode == 0, out[:3000]


def main(env):
    folder, backing = env.path("pci"), env.path("disk")
    os.mkdir(folder)
    with open(backing, "wb") as f:
        f.truncate(64 << 20)
    listen = ("--listen", f"vfio-user:{folder}")
    target = Target(env, "-m", "0x3", *listen, ns=(f"file:{backing}",))
    # Two reactors on each side: a controller's queues are on both.
    subprocess.run([os.path.join(BIN, "nvhostd"), "--reactors", "2"], env=env.vars, check=True,
                   timeout=30 * SCALE)
    wait_for("nvhostd", lambda: env.daemon_pid() is not None)
    env.nvhost("connect", "-t", "vfio-user", "-a", folder, "-n", NQN)
    path = os.path.join(env.mount(), NQN, "n1")

    for bs in ("512", "4k", "1m"):
        fio(env, path, "--rw=randrw", f"--bs={bs}", "--size=8m", "--verify=crc32c", "--direct=1",
            "--ioengine=libaio", "--iodepth=16")

    if EXAMPLES:
        out = subprocess.run([os.path.join(EXAMPLES, "hello_world"), "-t", "vfio-user", "-a", folder,
                              "-n", NQN, "-L", "nvme"], capture_output=True, text=True, env=env.vars,
                             timeout=30 * SCALE)
        assert "Hello world!" in out.stdout, out.stderr
        assert re.search(r"> Write sqid:1 cid:\d+ nsid:1 lba:0 len:1 PRP1 0x[1-9a-f]", out.stderr), \
            out.stderr
        assert "< Successful Completion (00/00) qid:1" in out.stderr, out.stderr

    # The process that is the controller dies and comes back.
    job = load(env, path)
    mark = os.stat(backing).st_mtime_ns
    wait_for("the load to write", lambda: os.stat(backing).st_mtime_ns != mark)
    target.kill()
    env.targets.remove(target)
    time.sleep(0.2)  # away for a while
    target.start()
    done(job)

    # Two ways to one namespace, each taken away in turn.
    env.connect(target)
    job = load(env, path)
    tcp = {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(target.port)}
    pci = {"trtype": "VFIOUSER", "traddr": folder, "trsvcid": "0"}
    for _ in range(2):
        for address in (tcp, pci):
            target.rpc("nvmf_subsystem_remove_listener", nqn=NQN, listen_address=address)
            time.sleep(0.3)  # the other one has it all
            target.rpc("nvmf_subsystem_add_listener", nqn=NQN, listen_address=address)
            wait_for("both paths", lambda: list(states(env).values()) == ["live", "live"], 30)
    done(job)


run(main)
