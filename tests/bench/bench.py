#!/usr/bin/env python3
"""`make bench`: the table of the README. 4 KiB random reads and writes at QD 1, 4, 32 and 128, 128 KiB at
QD 32, digests on and off, through the library (nvhost perf) and through FUSE (fio), one core for each
side; beside them, measured in the same run, a bare TCP ping-pong of the same bytes and, where SPDK_DIR
names a built SPDK, its initiator against its target. Then the light-weight figures: discover,
start-up, idle CPU, memory.

Medians of RUNS (3) interleaved runs of SECONDS (3). BENCH=library,vfio-user,fuse,spdk,light picks parts."""
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))
from lib import BIN, NQN, Env, Target, cpu_seconds, fio, need, rss_mib, wait_for  # noqa: E402

RUNS = int(os.environ.get("RUNS", "3"))
SECONDS = float(os.environ.get("SECONDS_EACH", "3"))
PARTS = os.environ.get("BENCH", "library,vfio-user,fuse,spdk,light").split(",")
SPDK_DIR = os.environ.get("SPDK_DIR")
BENCH_BIN = os.environ.get("BENCH_BIN")
TARGET_CORE, HOST_CORE = "0", "1"
CASES = [(rw, 4096, qd) for rw in ("randread", "randwrite") for qd in (1, 4, 32, 128)] + \
        [("read", 131072, 32), ("write", 131072, 32)]


def pinned(core, argv):
    return ["taskset", "-c", core] + argv


def load():
    with open("/proc/stat") as f:
        rows = [[int(x) for x in line.split()[1:9]] for line in f if re.match(r"cpu\d", line)]
    return [(sum(r), r[3] + r[4]) for r in rows]


def busy(before, after):
    return "/".join(f"{100 * (1 - (b[1] - a[1]) / max(1, b[0] - a[0])):.0f}"
                    for a, b in zip(before, after))


class Row:
    def __init__(self):
        self.iops, self.us, self.cpu, self.load = [], [], [], ""

    def add(self, iops, us, cpu, loads):
        self.iops.append(iops)
        self.us.append(us)
        if cpu is not None:
            self.cpu.append(cpu)
        self.load = loads

    def text(self, bs):
        iops, us = statistics.median(self.iops), statistics.median(self.us)
        cpu = f"{statistics.median(self.cpu):7.2f}" if self.cpu else "      -"
        rate = f"{iops / 1000:8.1f} k" if bs == 4096 else f"{iops * bs / 2**30:6.2f} GiB/s"
        spread = (max(self.iops) - min(self.iops)) / iops * 100 if iops else 0
        return f"{rate:>13}  {us:9.1f} us  {cpu} us CPU/IO  +-{spread / 2:3.0f} %  load {self.load}"


def perf(env, at, rw, bs, qd):
    argv = pinned(HOST_CORE, [os.path.join(BIN, "nvhost"), "perf", *at, "-n", NQN, "--rw", rw,
                              "--bs", str(bs), "--iodepth", str(qd), "--runtime", str(SECONDS),
                              "--ramp_time", "0.3", "-o", "json"])
    before = load()
    done = subprocess.run(argv, capture_output=True, text=True, env=env.vars, check=True)
    after = load()
    r = json.loads(done.stdout)
    assert r["errors"] == 0
    way = r["read"] if "read" in rw else r["write"]
    return way["iops"], way["lat_us"]["mean"], r["cpu"]["us_per_io"], busy(before, after)


def through_fuse(env, path, rw, bs, qd):
    pid = env.daemon_pid()
    cpu = cpu_seconds(pid)
    before = load()
    jobs = fio(env, path, f"--rw={rw}", f"--bs={bs}", f"--iodepth={qd}", "--direct=1",
               "--ioengine=libaio" if qd > 1 else "--ioengine=psync", "--time_based=1",
               f"--runtime={SECONDS}", "--ramp_time=0.3", "--size=100%", "--norandommap=1",
               f"--cpus_allowed={TARGET_CORE},{HOST_CORE}")
    after = load()
    way = jobs[0]["read"] if "read" in rw else jobs[0]["write"]
    spent = cpu_seconds(pid) - cpu
    return (way["iops"], way["clat_ns"]["mean"] / 1000 or way["lat_ns"]["mean"] / 1000,
            spent / max(1, way["total_ios"]) * 1e6, busy(before, after))


class Spdk:
    """A built SPDK as yardstick; its target and its perf tool, nothing of it is ours."""

    def __init__(self, env):
        self.env, self.sock = env, env.path("spdk.sock")
        self.bin = os.path.join(SPDK_DIR, "build/bin")
        self.process = env.popen(*pinned(TARGET_CORE, [os.path.join(self.bin, "nvmf_tgt"), "--no-pci",
                                                       "-m", "0x1", "-s", "512", "-r", self.sock]),
                                 stdout=open(env.path("spdk.log"), "w"), stderr=subprocess.STDOUT)
        wait_for("SPDK's target", lambda: os.path.exists(self.sock), 20)
        self.port = 20000 + os.getpid() % 20000
        for call in ("nvmf_create_transport -t TCP -u 131072 -i 131072 -c 8192",
                     "bdev_null_create Null0 1024 512",
                     f"nvmf_create_subsystem {NQN} -a -s SPDK1 -d SPDK",
                     f"nvmf_subsystem_add_ns {NQN} Null0",
                     f"nvmf_subsystem_add_listener {NQN} -t tcp -a 127.0.0.1 -s {self.port}"):
            subprocess.run(["/usr/bin/python3", os.path.join(SPDK_DIR, "scripts/rpc.py"), "-s",
                            self.sock, *call.split()], check=True, stdout=subprocess.DEVNULL)

    def perf(self, rw, bs, qd):
        argv = [os.path.join(self.bin, "spdk_nvme_perf"), "-q", str(qd), "-o", str(bs), "-w", rw, "-t",
                str(int(SECONDS)), "-c", "0x2", "-r",
                f"trtype:TCP adrfam:IPv4 traddr:127.0.0.1 trsvcid:{self.port} subnqn:{NQN}"]
        before = load()
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        after = load()
        total = re.search(r"^Total\s*:\s*([\d.]+)\s+([\d.]+)\s+([\d.]+)", done.stdout, re.M)
        return float(total.group(1)), float(total.group(3)), None, busy(before, after)


def pingpong():
    if not BENCH_BIN or not os.path.exists(os.path.join(BENCH_BIN, "tcp_pingpong")):
        return None
    done = subprocess.run([os.path.join(BENCH_BIN, "tcp_pingpong")], capture_output=True, text=True)
    return done.stdout.strip()


def library_and_fuse(env):
    folder = env.path("pci")
    os.mkdir(folder)
    target = Target(env, "-m", "0x1", "--listen", f"vfio-user:{folder}",
                    ns=("null:1G", "malloc:256M"))
    ways = []
    if "library" in PARTS:
        ways.append(("nvhost perf", lambda c: perf(env, target.at, *c)))
        ways.append(("nvhost perf, digests", lambda c: perf(env, [*target.at, "-g", "-G"], *c)))
    if "vfio-user" in PARTS:
        ways.append(("nvhost perf, vfio-user",
                     lambda c: perf(env, ["-t", "vfio-user", "-a", folder], *c)))
    if "fuse" in PARTS:
        env.connect(target)
        os.sched_setaffinity(env.daemon_pid(), {int(HOST_CORE)})
        path = os.path.join(env.mount(), NQN, "n1")
        ways.append(("fio through FUSE", lambda c: through_fuse(env, path, *c)))
    if "spdk" in PARTS and SPDK_DIR:
        spdk = Spdk(env)
        # Its target spins for ever: it may run only while it is measured.
        os.kill(spdk.process.pid, 19)

        def measure(case):
            os.kill(spdk.process.pid, 18)
            try:
                return spdk.perf(*case)
            finally:
                os.kill(spdk.process.pid, 19)

        ways.append(("SPDK, both ends", measure))
    for case in CASES:
        rows = {name: Row() for name, _ in ways}
        for _ in range(RUNS):
            for name, way in ways:
                rows[name].add(*way(case))
        rw, bs, qd = case
        print(f"{rw} {bs // 1024} KiB QD {qd}")
        for name, row in rows.items():
            print(f"    {name:<24}{row.text(bs)}", flush=True)
    print(pingpong() or "bare TCP ping-pong: make bench-programs first")
    if "fuse" in PARTS:
        env.nvhost("umount", env.mounts[-1])
        env.nvhost("disconnect-all")


def light(env):
    print("light on its feet:", flush=True)
    subprocess.run([os.path.join(os.path.dirname(__file__), "..", "e2e", "limits.py")],
                   env=dict(os.environ, BIN=BIN), check=True)


def main():
    need("fio")
    print(f"{RUNS} runs of {SECONDS} s each, medians; target on core {TARGET_CORE}, host on core "
          f"{HOST_CORE}; load: busy % of each core\n{os.uname().release}, {os.cpu_count()} cores")
    env = Env()
    try:
        if {"library", "vfio-user", "fuse", "spdk"} & set(PARTS):
            library_and_fuse(env)
        if "light" in PARTS:
            light(env)
    finally:
        for process in env.processes:
            process.kill()
        env.close()


main()
