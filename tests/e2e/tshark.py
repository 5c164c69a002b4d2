#!/usr/bin/env python3
"""Wireshark's dissector, written by others, finds no malformed frame in discover, connect, mixed I/O
and disconnect; and sees the commands it should."""
import os
import subprocess
import time

from lib import NQN, Target, fio, need, run, skip, wait_for


def capture_start(env, port, name):
    path = env.path(name)
    process = env.popen(need("dumpcap"), "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", path,
                        "-B", "64", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def begun():
        if process.poll() is not None:
            skip(f"cannot capture on lo: {process.stderr.read().strip()}")
        return os.path.exists(path) and os.path.getsize(path) > 0

    wait_for("the capture to begin", begun)
    time.sleep(0.3)  # dumpcap tells no better when its filter is in place
    return process, path


def dissect(path, port, expression, *fields):
    argv = [need("tshark"), "-r", path, "-d", f"tcp.port=={port},nvme-tcp", "-Y", expression,
            "-T", "fields", "-o", "tcp.try_heuristic_first:FALSE"]
    for field in fields:
        argv += ["-e", field]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def main(env):
    target = Target(env)
    port = target.port
    for digests in ((), ("-g", "-G")):
        process, path = capture_start(env, port, f"capture{len(digests)}.pcapng")
        env.nvhost("discover", *target.at)
        env.connect(target, *digests)
        mnt = env.mount()
        fio(env, os.path.join(mnt, NQN, "n1"), "--rw=randrw", "--bsrange=512-256k", "--direct=1",
            "--ioengine=libaio", "--iodepth=8", "--size=8m", "--io_size=4m")
        env.nvhost("umount", mnt)
        env.nvhost("disconnect", "-n", NQN)
        time.sleep(0.5)  # let the last frames reach the capture
        process.terminate()
        process.wait()
        bad = dissect(path, port, "_ws.malformed || nvme-tcp.hdgst.status == 0 ||"
                      " nvme-tcp.ddgst.status == 0", "frame.number")
        assert not bad, f"malformed frames or bad digests: {bad[:10]} of {path}"
        pdus = set()
        for row in dissect(path, port, "nvme-tcp", "nvme-tcp.type"):
            pdus |= {int(x, 0) for x in row[0].split(",") if x}
        # ICReq, ICResp, CapsuleCmd, CapsuleResp, H2CData, C2HData, R2T
        assert {0, 1, 4, 5, 6, 7, 9} <= pdus, pdus
        assert not pdus & {2, 3}, "a TermReq was sent"


run(main)
