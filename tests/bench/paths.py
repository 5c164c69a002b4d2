#!/usr/bin/env python3
"""`make bench-paths`: what choosing among paths brings, over two listeners of one target on loopback.

policy  one path's reads are delayed by 30 ms, then the other's: IOPS of each policy beside the fast path
        alone; for `latency` also how soon it is back at nine tenths of it after the change.
hedge   1 % of the reads of one path are delayed by 50 ms: the 99.9th percentile without and with hedged
        reads, and how many more reads the target saw.
layer   one path with multipath and without it (layer_cost.c): instructions (needs valgrind), wall-clock.
cost    two paths round-robin beside one path.

PARTS=policy,hedge,layer,cost picks; RUNTIME (3) seconds a run; CHECK=1 fails where a bound does not hold."""
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import BIN, NQN, Env, Target, wait_for  # noqa: E402

PARTS = os.environ.get("PARTS", "policy,hedge,layer,cost").split(",")
RUNTIME = float(os.environ.get("RUNTIME", "3"))
PAIRS = int(os.environ.get("PAIRS", "9"))
POLICIES = ("latency", "round-robin", "queue-depth")


class Rig:
    def __init__(self, env):
        self.env = env
        # A core each, where there are two: sharing one halves the IOPS, and the kernel changes its mind.
        cpus = [str(cpu) for cpu in sorted(os.sched_getaffinity(0))]
        self.pin = ["taskset", "-c", cpus[-1]]
        self.target = Target(env, "--listen", "tcp:127.0.0.1:0", ns=("malloc:64M",),
                             wrap=("taskset", "-c", cpus[0]))
        self.ports = [int(a["address"]["trsvcid"]) for a in
                      self.target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)]

    def delay(self, i, ms, **more):
        return self.target.rpc("fault_add", kind="delay", ms=ms, opcode=2, nqn=NQN, listener={
            "trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1",
            "trsvcid": str(self.ports[i])}, **more)

    def mend(self):
        for fault in self.target.rpc("fault_list"):
            self.target.rpc("fault_clear", id=fault["id"])

    def ios(self):
        return sum(g["completed_nvme_io"] for g in self.target.rpc("nvmf_get_stats")["poll_groups"])

    def perf(self, *options, first=0, both=True, runtime=RUNTIME):
        argv = [*self.pin, os.path.join(BIN, "nvhost"), "perf", "-t", "tcp", "-a", "127.0.0.1", "-s",
                str(self.ports[first]), "-n", NQN, "--bs=4k", "--rw=randread",
                f"--runtime={runtime}", "-o", "json", *options]
        if both:
            argv += ["--paths", f"127.0.0.1:{self.ports[1 - first]}"]
        return self.env.popen(*argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self, *options, **kw):
        load = self.perf(*options, **kw)
        out, err = load.communicate(timeout=120)
        if not out:
            raise AssertionError(f"perf: {err}")
        r = json.loads(out)
        assert not r["errors"], err
        return r, r["read"]

    def run(self, *options, **kw):
        return self.result(*options, **kw)[1]


def policy(rig):
    failed = []
    print(f"{'policy':12s} {'slow path':>9s} {'IOPS':>9s} {'of the fast path alone':>23s}")
    for slow in (0, 1):
        rig.delay(slow, 30)
        for name in POLICIES:
            share = []
            for n in range(PAIRS if name == "latency" else 1):
                one, two = {}, {}
                for which in ((one, two) if n % 2 == 0 else (two, one)):
                    which["iops"] = rig.run("--iodepth=4", first=1 - slow, both=False)["iops"] \
                        if which is one else rig.run("--iodepth=4", "--policy", name)["iops"]
                share.append(two["iops"] / one["iops"])
            median = statistics.median(share)
            print(f"{name:12s} {slow:9d} {two['iops']:9.0f} {100 * median:21.1f} %"
                  + (f"  (median of {len(share)} pairs)" if len(share) > 1 else ""))
            if name == "latency" and median < 0.95:
                failed.append(f"latency with path {slow} slow: {100 * median:.1f} %")
        rig.mend()
    took = [adapts(rig, turn % 2) for turn in range(10)]
    print(f"latency is at nine tenths again {1000 * statistics.median(took):.0f} ms after the slow path "
          f"changed (median of 10; {1000 * min(took):.0f} to {1000 * max(took):.0f})")
    if statistics.median(took) > 0.2:
        failed.append(f"latency adapted after {1000 * statistics.median(took):.0f} ms")
    return failed


def adapts(rig, slow):
    """The slow path becomes the fast one and the other way round, under load. A stalled load shows a
    hundredth of its IOPS; what it shows otherwise is noisy, so nine tenths of the lower quartile count,
    and that three windows in a row have it in their middle."""
    first = rig.delay(slow, 30)
    load = rig.perf("--iodepth=4", runtime=2.5)
    began = rig.ios()
    wait_for("the load", lambda: rig.ios() > began + 2000)

    def windows(seconds):
        marks = [(time.monotonic(), rig.ios())]
        while marks[-1][0] - marks[0][0] < seconds:
            time.sleep(0.02)
            marks.append((time.monotonic(), rig.ios()))
        return [(a[0], (b[1] - a[1]) / (b[0] - a[0])) for a, b in zip(marks, marks[1:])]

    full = statistics.quantiles((iops for _, iops in windows(0.4)), n=4)[0]
    rig.delay(1 - slow, 30)
    rig.target.rpc("fault_clear", id=first)
    changed = time.monotonic()
    after = windows(1.2)
    took = [at - changed for (at, a), (_, b), (_, c) in zip(after, after[1:], after[2:])
            if sorted((a, b, c))[1] >= 0.9 * full]
    load.communicate(timeout=60)
    rig.mend()
    return took[0] if took else 1.2


def hedge(rig):
    rig.delay(0, 50, probability=0.01, seed=7)
    tails, extra = {}, 0.0
    for name, options in (("without", ()), ("hedged", ("--hedge-reads",))):
        whole, r = rig.result("--iodepth=8", "--policy", "round-robin", *options,
                              runtime=2 * RUNTIME)
        # The copies' own count: the target has not answered all delayed originals at the end.
        extra = 100.0 * whole.get("hedge", {"sent": 0})["sent"] / r["ios"]
        tails[name] = r["lat_us"]["percentile"]["99.9"]
        print(f"{name:8s} {r['ios']:9d} reads  p50 {r['lat_us']['percentile']['50']:8.1f} us  p99.9 "
              f"{r['lat_us']['percentile']['99.9']:9.1f} us  extra reads {extra:.2f} %")
    rig.mend()
    times = tails["without"] / tails["hedged"]
    print(f"p99.9 is {times:.1f} times lower")
    return [f"p99.9 only {times:.1f} times lower"] * (times < 5) + \
        [f"{extra:.2f} % extra reads"] * (extra > 2)


def instructions(program, how, count, out):
    subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *program, "-m", how,
                    "-c", str(count)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, timeout=300)
    with open(out) as f:
        return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1))


def layer(rig):
    failed = []
    program = [os.path.join(os.environ["BENCH_BIN"], "layer_cost"), "-s", str(rig.ports[0]), "-n", NQN]
    if shutil.which("valgrind"):
        out = os.path.join(rig.env.dir, "callgrind.out")
        # What a run costs but its I/O is the same at both lengths.
        a_read = {how: (instructions(program, how, 60000, out) - instructions(program, how, 10000, out))
                  / 50000 for how in ("channel", "direct")}
        more = 100 * (a_read["channel"] / a_read["direct"] - 1)
        print(f"one path: {a_read['channel']:.0f} instructions a read with multipath, "
              f"{a_read['direct']:.0f} without: {more:.1f} % more")
        failed += [f"multipath: {more:.1f} % more instructions"] * (more > 3)
    else:
        print("one path: no count of instructions, valgrind is not installed")
    text = subprocess.run([*rig.pin, *program, "-p", str(PAIRS)], check=True, capture_output=True,
                          text=True, timeout=300).stdout
    print("one path:", text.strip())
    ratio = float(re.search(r"takes ([\d.]+) of one", text).group(1))
    return failed + [f"multipath: {ratio:.3f} of the time without it"] * (ratio > 1.03)


def cost(rig):
    options = ("--iodepth=128", "--policy", "round-robin")
    ratios = []
    for n in range(PAIRS):
        order = (False, True) if n % 2 == 0 else (True, False)
        iops = {both: rig.run(*options, both=both, runtime=1.5)["iops"] for both in order}
        ratios.append(iops[True] / iops[False])
    print(f"two paths round-robin: {statistics.median(ratios):.3f} of one path (median of {PAIRS} "
          f"pairs; {min(ratios):.3f} to {max(ratios):.3f})")
    return [f"two paths: {statistics.median(ratios):.3f}"] * (statistics.median(ratios) < 0.97)


def main():
    env, failed = Env(), []
    try:
        rig = Rig(env)
        for part in PARTS:
            failed += {"policy": policy, "hedge": hedge, "layer": layer, "cost": cost}[part](rig)
    finally:
        env.close()
    for line in failed:
        print(f"missed: {line}")
    if failed and os.environ.get("CHECK"):
        sys.exit(1)


main()
