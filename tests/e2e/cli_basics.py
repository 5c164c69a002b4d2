#!/usr/bin/env python3
"""Every sub-command against a live target: the names a DEVICE may have, nvme-cli's outputs as JSON
that parses, data that comes back, wrong input that gets one line which names it."""
import json
import os
import re
import signal
import subprocess

from lib import BIN, NQN, Target, run, wait_for


def one_line(env, *args, needle, status=None):
    """Fails, with one line on stderr that has the needle."""
    done = env.nvhost(*args, ok=False)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, f"{args}: {done.stderr}"
    assert needle in lines[0], f"{args}: {lines[0]} lacks {needle}"
    assert lines[0].startswith("nvhost"), lines[0]
    assert status is None or done.returncode == status, done.returncode


def wrong_input(env):
    for args, needle in (
        (("frob",), "'frob'"),
        (("connect", "--frob"), "'--frob'"),
        (("connect", "-t", "tcp"), "--nqn"),
        (("connect", "-n", NQN), "--transport"),
        (("connect", "-n", NQN, "-t", "tcp"), "--traddr"),
        (("connect", "-n", NQN, "-t", "tcp", "-a", "127.0.0.1", "-Q", "5"), "--queue-size"),
        (("connect", "-n", NQN, "-t", "tcp", "-a", "127.0.0.1", "--tls"), "--tls"),
        (("list", "-o", "xml"), "'xml'"),
        (("id-ctrl",), "DEVICE"),
        (("disconnect",), "--nqn"),
        (("get-log", "nvh0"), "--log-len"),
        (("perf",), "DEVICE"),
        (("perf", "nvh0n1", "--rw=frob"), "'frob'"),
    ):
        one_line(env, *args, needle=needle, status=2)
    # These ask the daemon, or the network.
    one_line(env, "id-ctrl", "nvh77", needle="nvh77", status=1)
    one_line(env, "disconnect", "-d", "nvh77", needle="nvh77", status=1)
    one_line(env, "rpc", "frob", needle="frob", status=1)
    one_line(env, "rpc", "connect", '{"tradr": 1}', needle="tradr", status=1)
    one_line(env, "connect", "-t", "tcp", "-a", "127.0.0.1", "-s", "1", "-n", NQN,
             needle="127.0.0.1:1", status=1)
    one_line(env, "discover", "-t", "tcp", "-a", "127.0.0.1", "-s", "1", needle="127.0.0.1:1",
             status=1)
    one_line(env, "perf", "-t", "tcp", "-a", "127.0.0.1", "-s", "1", "-n", NQN,
             needle="127.0.0.1:1", status=1)
    assert "Usage: nvhost connect" in env.nvhost("connect", "--help").stdout
    assert "--hdr-digest" in env.nvhost("help", "connect").stdout


def discovery(env, target):
    text = env.nvhost("discover", *target.at).stdout
    assert "Discovery Log Number of Records 1" in text and f"subnqn:  {NQN}" in text, text
    log = env.json("discover", *target.at)
    entry = log["records"][0]
    assert entry["subnqn"] == NQN and entry["trsvcid"] == str(target.port), entry
    assert entry["trtype"] == "tcp" and entry["subtype"] == "nvme subsystem", entry
    raw = env.path("raw")
    env.nvhost("discover", *target.at, "-r", raw)
    assert os.path.getsize(raw) == 2048
    assert env.nvhost("discover", *target.at, "-o", "binary", text=False).stdout == \
        open(raw, "rb").read()
    assert env.daemon_pid() is None, "discover started a daemon"


def connecting(env, target):
    assert env.json("connect", *target.at, "-n", NQN) == {"device": "nvh0"}
    one_line(env, "connect", *target.at, "-n", NQN, needle="already connected", status=1)
    # Another connection to the same, when asked for.
    assert env.json("connect", *target.at, "-n", NQN, "-D", "-g", "-G") == {"device": "nvh1"}
    subsystems = env.json("list-subsys")[0]["Subsystems"]
    assert len(subsystems) == 1 and subsystems[0]["NQN"] == NQN, subsystems
    paths = subsystems[0]["Paths"]
    assert [p["Name"] for p in paths] == ["nvh0", "nvh1"], paths
    assert all(p["State"] == "live" for p in paths), paths
    env.nvhost("disconnect", "-d", "nvh1")
    assert "nvh1" not in env.nvhost("list-subsys").stdout
    # The name comes again, and stays over a reset.
    assert env.json("connect", *target.at, "-n", NQN, "-D") == {"device": "nvh1"}
    env.nvhost("disconnect", "-d", "nvh1")
    env.nvhost("reset", "nvh0")
    env.nvhost("ns-rescan", "nvh0")
    assert "nvh0" in env.nvhost("list-subsys").stdout


def identify(env, target):
    devices = env.json("list")["Devices"]
    assert [d["DevicePath"] for d in devices] == ["nvh0n1", "nvh0n2"], devices
    assert devices[0]["PhysicalSize"] == 64 << 20 and devices[0]["SectorSize"] == 512
    env.json("list", "-v")
    env.json("show-topology")
    env.nvhost("show-topology", "-r", "ctrl")
    ctrl = env.json("id-ctrl", "nvh0")
    assert ctrl["subnqn"] == NQN and ctrl["cntrltype"] == 1, ctrl
    assert len(env.nvhost("id-ctrl", "nvh0", "-o", "binary", text=False).stdout) == 4096
    uuid = env.json("ns-descs", "nvh0n1")["ns-descs"]
    uuid = [d["uuid"] for d in uuid if d["type"] == "uuid"][0]
    mnt = env.mount()
    names = ["nvh0n1", "/dev/nvh0n1", f"{NQN}:1", f"nvme-uuid.{uuid}", f"uuid.{uuid}",
             os.path.join(mnt, NQN, "n1"), os.path.join(mnt, "by-id", f"nvme-uuid.{uuid}")]
    want = env.json("id-ns", "nvh0", "-n", "1")
    for name in names:
        assert env.json("id-ns", name) == want, name
    single = env.path("single")
    open(single, "w").close()
    env.mount("--ns", f"{NQN}:2", path=single)
    assert env.json("id-ns", single)["nsze"] == 16 << 11
    mounts = json.loads(env.nvhost("rpc", "mounts").stdout)
    assert [m["state"] for m in mounts] == ["mounted", "mounted"], mounts
    env.nvhost("umount", single)
    env.nvhost("umount", mnt)
    assert env.json("list-ns", "nvh0") == {"nsid_list": [{"nsid": 1}, {"nsid": 2}]}
    env.json("smart-log", "nvh0")
    env.json("error-log", "nvh0", "-e", "2")
    assert env.nvhost("get-log", "nvh0", "-i", "2", "-l", "512").stdout.count("\n") == 34
    raw = env.nvhost("get-log", "nvh0", "-i", "5", "-l", "4096", "-b", text=False).stdout
    assert len(raw) == 4096
    assert "Keep Alive Timer" in env.nvhost("get-feature", "nvh0", "-f", "0xf").stdout
    env.nvhost("get-feature", "nvh0", "-f", "0xee", ok=False)
    env.nvhost("admin-passthru", "nvh0", "-o", "6", "--cdw10=1", "-l", "4096", "-r")
    one_line(env, "id-ns", "nvh0", needle="nvh0", status=1)


def data(env):
    blob = os.urandom(1 << 20)
    src, dst = env.path("src"), env.path("dst")
    with open(src, "wb") as f:
        f.write(blob)
    # 1 MiB is two calls of the daemon, each more than one command.
    env.nvhost("write", "nvh0n1", "-s", "100", "-c", "2047", "-z", "1048576", "-d", src)
    env.nvhost("read", "nvh0n1", "-s", "100", "-c", "2047", "-z", "1048576", "-d", dst)
    assert open(dst, "rb").read() == blob
    env.nvhost("compare", "nvh0n1", "-s", "100", "-c", "2047", "-z", "1048576", "-d", src)
    done = env.nvhost("compare", "nvh0n1", "-s", "101", "-c", "7", "-z", "4096", "-d", src,
                      ok=False)
    assert "Compare Failure" in done.stderr
    env.nvhost("flush", "nvh0n1")
    env.nvhost("write-zeroes", "nvh0n1", "-s", "100", "-c", "0")
    out = env.nvhost("read", "nvh0n1", "-s", "100", "-c", "1", "-z", "1024", text=False).stdout
    assert out == bytes(512) + blob[512:1024]
    env.nvhost("verify", "nvh0n1", "-s", "0", "-c", "7")
    env.nvhost("dsm", "nvh0n1", "-d", "-s", "100,200", "-b", "8,16")
    env.nvhost("io-passthru", "nvh0n1", "-o", "2", "-l", "512", "-b", text=False)
    one_line(env, "read", "nvh0n1", "-s", "0x10000000", "-c", "0", "-z", "512",
             needle="beyond the end (131072 blocks)", status=1)
    done = env.nvhost("io-passthru", "nvh0n1", "-o", "2", "--cdw10=0x10000000", "-l", "512",
                      ok=False)
    assert "LBA Out of Range" in done.stderr, done.stderr
    one_line(env, "write", "nvh0n1", "-s", "0", "-c", "0", "-z", "512", "-d", "/nonexistent",
             needle="/nonexistent", status=1)


def tcp_knows_no_rdma(env, target):
    """What TCP has run through by now neither opened the RDMA libraries nor a device."""
    for pid in (env.daemon_pid(), target.process.pid):
        with open(f"/proc/{pid}/maps") as f:
            assert not re.search(r"lib(ibverbs|rdmacm)", f.read()), f"RDMA libraries in {pid}"
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                assert "infiniband" not in os.readlink(f"/proc/{pid}/fd/{fd}")
            except FileNotFoundError:
                pass  # closed meanwhile


def signals_blocked(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"SigBlk:\s+(\w+)", f.read()).group(1), 16) & 2


def perf(env, target):
    result = env.json("perf", "nvh0n1", "rw=randrw", "bs=4k", "iodepth=16", "runtime=0.5",
                      "verify=1", "size=16M")
    assert result["errors"] == 0 and result["verify_errors"] == 0 and result["verified"] > 0
    assert result["read"]["ios"] > 0 and result["write"]["lat_us"]["percentile"]["99"] > 0
    result = env.json("perf", *target.at, "-n", NQN, "--nsid", "2", "--rw", "write", "--bs",
                      "128k", "--size", "16M", "--iodepth", "4", "-g", "-G")
    assert result["write"]["bytes"] == 16 << 20, result["write"]
    result = env.json("perf", *target.at, "-n", NQN, "-D", "--paths", f"{target.addr}:{target.port}",
                      "--rw", "randrw", "--size", "4M", "--number_ios", "1000", "--verify")
    assert result["errors"] == 0 and result["verified"] > 0
    one_line(env, "perf", *target.at, "-n", NQN, "--paths", "127.0.0.1:1", "--runtime=0.1",
             needle="127.0.0.1:1", status=1)
    text = env.nvhost("perf", "nvh0n1", "--rw=randread", "--runtime=0.3", "--numjobs=2").stdout
    assert "IOPS=" in text and "cpu" in text, text
    # Ctrl-C ends it with a result.
    process = env.popen(os.path.join(BIN, "nvhost"), "perf", "nvh0n1", "runtime=60", "-o", "json",
                        stdout=subprocess.PIPE, text=True)
    wait_for("perf to watch for signals", lambda: signals_blocked(process.pid))
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and json.loads(out)["seconds"] < 50, out
    one_line(env, "perf", "nvh0n1", "bs=1000", needle="--bs 1000", status=1)
    one_line(env, "perf", *target.at, "-n", NQN, "--nsid", "9", needle=f"{NQN}:9", status=1)


def main(env):
    target = Target(env, ns=("malloc:64M", "malloc:16M"))
    discovery(env, target)
    wrong_input(env)
    connecting(env, target)
    identify(env, target)
    data(env)
    perf(env, target)
    tcp_knows_no_rdma(env, target)
    assert "disconnected 1 controller(s)" in env.nvhost("disconnect", "-n", NQN).stdout
    assert env.json("list") == {"Devices": []}
    nqn = env.nvhost("gen-hostnqn").stdout.strip()
    assert nqn.startswith("nqn.2014-08.org.nvmexpress:uuid:") and len(nqn) == 68
    assert nqn != env.nvhost("gen-hostnqn").stdout.strip()
    assert env.nvhost("show-hostnqn").stdout.startswith("nqn.")
    # The host ID of -q's UUID is what the target sees.
    env.connect(target, "-q", nqn)
    seen = target.rpc("nvmf_subsystem_get_controllers", nqn=NQN)[0]
    assert seen["hostnqn"] == nqn, seen
    assert seen["hostid"].lower() == nqn[-36:].lower(), seen
    env.nvhost("disconnect-all")


run(main)
