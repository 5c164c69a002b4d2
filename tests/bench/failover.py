#!/usr/bin/env python3
"""`make bench-failover`: two TCP paths of one subsystem under a verifying load, default settings. One path
is cut (its connections are reset, and each new one again, for 1.5 s), falls silent (every packet is
dropped in both directions for 1.5 s, nothing is reset) or becomes inaccessible by ANA; beside them
the same load with nothing wrong. Printed: the longest time any I/O took in a run, median and maximum
over the runs, and the errors that the program saw.

Through the library (nvhost perf --verify) and through the FUSE file under fio's verify. RUNS (20) of
each, interleaved; BENCH=library,fuse and CASES=none,cut,silent,ana pick parts. Host and target live in
network namespaces of their own that go with the script, which needs root (or user namespaces), ip and
nft. Exit status 1 when an error was seen or a median is above its bound.

The target offers Cross-Controller Reset, so that writes of a lost path are proven dead at once. CCR=off:
it does not, and a write that overlaps one of unknown fate waits for time to prove it (2 x KATO)."""
import json
import os
import statistics
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from lib import BIN, NQN, Env, Skip, Target, fio_name, need, skip, wait_for  # noqa: E402

RUNS = int(os.environ.get("RUNS", "20"))
WAYS = os.environ.get("BENCH", "library,fuse").split(",")
CASES = os.environ.get("CASES", "none,cut,silent,ana").split(",")
CCR = os.environ.get("CCR", "immediate")
BOUND = {"none": None, "cut": 50, "silent": 500, "ana": 20}  # ms
TEXT = {"none": "no fault", "cut": "path cut (RST)", "silent": "path silent", "ana": "ANA flip"}
BEFORE, BROKEN, AFTER = 0.5, 1.5, 0.7  # s
INSIDE = "NVHOST_BENCH_NAMESPACE"


def own_namespace():
    """The script once more, in a network namespace (as nobody's root, where we are not root)."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]
    argv = [need("unshare"), *user, "--net", sys.executable, os.path.abspath(__file__)]
    os.execv(argv[0], argv + sys.argv[1:])


def call(*argv):
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.stderr or done.stdout}")


class Rig:
    """Two veth pairs between this namespace and the target's; the target with a listener on each."""

    def __init__(self, env):
        self.env, self.ip, self.nft = env, need("ip"), need("nft")
        self.holder = env.popen(need("unshare"), "--net", "sleep", "infinity")
        here = os.stat("/proc/self/ns/net").st_ino
        wait_for("the target's namespace",
                 lambda: os.stat(f"/proc/{self.holder.pid}/ns/net").st_ino != here)
        self.there = [need("nsenter"), "-t", str(self.holder.pid), "-n"]
        self.wire()
        self.target = Target(env, addr="10.99.0.2", port=4420, wrap=self.there, listen=False)
        self.subsystem()
        self.fault = None

    def subsystem(self):
        rpc = self.target.rpc
        rpc("nvmf_create_transport", trtype="TCP")
        rpc("nvmf_create_subsystem", nqn=NQN, allow_any_host=True, ana_reporting=True,
            cross_controller_reset=CCR)
        rpc("bdev_malloc_create", name="M", num_blocks=64 << 11, block_size=512)
        rpc("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": "M"})
        for i in (0, 1):
            rpc("nvmf_subsystem_add_listener", nqn=NQN, listen_address=self.listener(i))

    def wire(self):
        call(self.ip, "link", "set", "lo", "up")
        for i in (0, 1):
            call(self.ip, "link", "add", f"h{i}", "type", "veth", "peer", "name", f"t{i}", "netns",
                 str(self.holder.pid))
            for where, name, last in (([], f"h{i}", 1), (self.there, f"t{i}", 2)):
                call(*where, self.ip, "addr", "add", f"10.99.{i}.{last}/24", "dev", name)
                call(*where, self.ip, "link", "set", name, "up")

    def listener(self, i):
        return {"trtype": "TCP", "adrfam": "IPv4", "traddr": f"10.99.{i}.2", "trsvcid": "4420"}

    def ana(self, state):
        self.target.rpc("nvmf_subsystem_listener_set_ana_state", nqn=NQN, ana_state=state,
                        listen_address=self.listener(0))

    def silence(self, on):
        """Packets vanish where they arrive: neither end's stack learns of it."""
        for where, name in (([], "h0"), (self.there, "t0")):
            if on:
                call(*where, self.nft, "add table netdev fault; add chain netdev fault in "
                     f"{{ type filter hook ingress device {name} priority 0; policy drop; }}")
            else:
                call(*where, self.nft, "delete table netdev fault")

    def breaks(self, case):
        if case == "cut":
            self.fault = self.target.rpc("fault_add", kind="drop_connection",
                                         listener=self.listener(0))
        elif case == "silent":
            self.silence(True)
        elif case == "ana":
            self.ana("inaccessible")

    def mends(self, case):
        if case == "cut":
            self.target.rpc("fault_clear", id=self.fault)
        elif case == "silent":
            self.silence(False)
        elif case == "ana":
            self.ana("optimized")

    def ios(self):
        return sum(g["completed_nvme_io"] for g in self.target.rpc("nvmf_get_stats")["poll_groups"])

    def course(self, case):
        """Once the load runs: well, broken, mended."""
        first = self.ios()
        wait_for("the load to run", lambda: self.ios() > first + 1000)
        time.sleep(BEFORE)
        self.breaks(case)
        try:
            time.sleep(BROKEN)
        finally:
            self.mends(case)


def library(rig, case):
    """(longest ms, errors)"""
    load = rig.env.popen(os.path.join(BIN, "nvhost"), "perf", *rig.target.at, "-n", NQN, "--paths",
                         "10.99.1.2:4420", "--rw=randrw", "--bs=4k", "--iodepth=16", "--size=16M",
                         "--verify", f"--runtime={BEFORE + BROKEN + AFTER + 0.4}", "-o", "json",
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    rig.course(case)
    out, err = load.communicate(timeout=60)
    if not out:
        raise AssertionError(f"perf: {err}")
    r = json.loads(out)
    if r["errors"] or r["verify_errors"]:
        print(f"  {case}: {err.strip()}", file=sys.stderr)
    return max(r[d]["lat_us"]["max"] for d in ("read", "write")) / 1e3, \
        r["errors"] + r["verify_errors"]


def both_live(rig):
    """Both paths take I/O: no state of another run is left."""
    return rig.env.nvhost("list-subsys").stdout.count(" live") == 2


def fuse(rig, case):
    if not rig.env.mounts:
        rig.env.connect(rig.target)
        rig.env.nvhost("connect", "-t", "tcp", "-a", "10.99.1.2", "-s", "4420", "-n", NQN)
        rig.env.mount()
    wait_for("both paths", lambda: both_live(rig), 30)
    path = os.path.join(rig.env.mounts[0], NQN, "n1")
    load = rig.env.popen(need("fio"), "--name=job", f"--filename={fio_name(path)}",
                         "--allow_file_create=0", "--rw=randrw", "--bs=4k", "--ioengine=libaio",
                         "--direct=1", "--iodepth=16", "--size=16m", "--verify=crc32c",
                         "--verify_fatal=1", "--verify_backlog=256", "--time_based=1",
                         f"--runtime={int(BEFORE + BROKEN + AFTER + 1)}",
                         "--output-format=json", cwd=rig.env.dir, stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    rig.course(case)
    out, err = load.communicate(timeout=120)
    job = json.loads(out[out.index("{"):])["jobs"][0]
    wrong = int(load.returncode != 0 or job["error"] != 0)
    if wrong:
        print(f"  {case}: fio: {err.strip()}", file=sys.stderr)
    return max(job[d]["lat_ns"]["max"] for d in ("read", "write")) / 1e6, wrong


def report(results):
    print(f"\n{'longest I/O of a run, ms':26s} {'median':>8s} {'max':>8s} {'bound':>6s} {'within':>7s} "
          f"{'errors':>6s}")
    bad = False
    for (way, case), runs in results.items():
        times = [ms for ms, _ in runs]
        errors, bound = sum(e for _, e in runs), BOUND[case]
        median = statistics.median(times)
        within = f"{sum(ms <= bound for ms in times)}/{len(times)}" if bound else ""
        print(f"{way:8s} {TEXT[case]:17s} {median:8.1f} {max(times):8.1f} {bound or '':>6} "
              f"{within:>7s} {errors:6d}")
        bad = bad or errors > 0 or (bound is not None and median > bound)
    return bad


def main():
    own_namespace()
    env = Env()
    try:
        rig = Rig(env)
        results = {(way, case): [] for way in WAYS for case in CASES}
        for n in range(RUNS):
            for way, case in results:
                ms, errors = {"library": library, "fuse": fuse}[way](rig, case)
                results[way, case].append((ms, errors))
                print(f"run {n + 1:2d}  {way:8s} {TEXT[case]:17s} {ms:8.1f} ms  {errors} errors",
                      flush=True)
        bad = report(results)
        for path in env.mounts:
            env.nvhost("umount", path)
    finally:
        env.close()
    return 1 if bad else 0


try:
    sys.exit(main())
except Skip as why:
    print(f"skipped: {why}")
    sys.exit(77)
