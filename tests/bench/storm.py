#!/usr/bin/env python3
"""64 controllers of one target that restarts: attempts per second and at once, p99 of another
subsystem's reads before, while and after, and the longest turn of the reactor in CPU time. The bounds are
those of host/ctrlr/gate.h. RUNS=3, CTRLRS=64, DOWN=3 (seconds)."""
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ.get("SRC", os.getcwd()), "tests/e2e"))
from lib import NQN, SCALE, SLOW, Target, run  # noqa: E402

BENCH = os.environ["BENCH_BIN"]
CTRLRS = int(os.environ.get("CTRLRS", "64"))
RUNS = int(os.environ.get("RUNS", "3"))
DOWN = float(os.environ.get("DOWN", "3"))
AT_ONCE, RATE = 8, 50
OTHER = NQN + "-other"


class Storm:
    def __init__(self, target, other):
        self.process = subprocess.Popen(
            [os.path.join(BENCH, "storm"), "-n", str(CTRLRS), "-a", target.addr, "-s",
             str(target.port), "-N", target.nqn, "-A", other.addr, "-S", str(other.port), "-M", OTHER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def phase(self, name=None):
        if name:
            self.process.stdin.write(name + "\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "storm ended"
        return json.loads(line)

    def end(self):
        self.process.stdin.write("end\n")
        self.process.stdin.close()
        assert self.process.wait(60 * SCALE) == 0


def show(r):
    print(f"  {r['phase']:9} {r['reads']:8} reads, {r['errors']} errors, p50 {r['p50_us']:5} us, p99 "
          f"{r['p99_us']:6} us, longest {r['max_us'] / 1000:6.1f} ms | {r['attempts']:4} attempts, at "
          f"most {r['attempts_per_second']:3} in a second, {r['at_once']:2} at once | longest turn "
          f"{r['longest_turn_us'] / 1000:.2f} ms of CPU | {r['live']} live")


def once(env, target, other):
    storm = Storm(target, other)
    phases = [storm.phase()]
    for name, act, seconds in (("before", None, DOWN), ("down", target.kill, DOWN),
                               ("restart", target.start, DOWN), ("after", None, DOWN)):
        if act:
            if act == target.kill:
                env.targets.remove(target)
            act()
        time.sleep(seconds)
        phases.append(storm.phase(name))
    # The last may have waited out a long step.
    end = time.monotonic() + 30 * SCALE
    while phases[-1]["live"] < CTRLRS and time.monotonic() < end:
        time.sleep(0.5)
        phases.append(storm.phase("after"))
    storm.end()
    for r in phases:
        show(r)
    return phases


def main(env):
    target = Target(env)
    other = Target(env, name="other", nqn=OTHER)
    bad = []
    for number in range(RUNS):
        print(f"run {number + 1}: {CTRLRS} controllers of one target, down for {DOWN:g} s")
        phases = once(env, target, other)
        before = next(r for r in phases if r["phase"] == "before")
        bad += [f"{r['attempts_per_second']} attempts in a second in '{r['phase']}'" for r in phases
                if r["attempts_per_second"] > RATE + AT_ONCE + 1]
        # "connect": the other target's controller is among them
        bad += [f"{r['at_once']} at once in '{r['phase']}'" for r in phases
                if r["at_once"] > AT_ONCE + (r["phase"] == "connect")]
        bad += [f"{r['errors']} errors in '{r['phase']}'" for r in phases if r["errors"]]
        if phases[-1]["live"] != CTRLRS:
            bad.append(f"only {phases[-1]['live']} came back")
        if not SLOW:
            bad += [f"a turn of {r['longest_turn_us'] / 1000} ms in '{r['phase']}'" for r in phases
                    if r["longest_turn_us"] > 5000]
            bad += [f"p99 {r['p99_us']} us in '{r['phase']}', {before['p99_us']} us before"
                    for r in phases if r["phase"] in ("down", "restart") and
                    r["p99_us"] > 2 * before["p99_us"] + 200]
    assert not bad, "; ".join(bad)


run(main)
