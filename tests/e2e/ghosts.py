#!/usr/bin/env python3
"""Ghost writes over real sockets: a write is held in the target, its path goes, the application
overwrites, the held write is let go. What the target offers (Cross-Controller Reset, CQT, neither) x
write-fence (auto, strict, off) x how it comes about: two paths, reconnect on one path, failed to the
caller, the daemon killed. No read may be wrong but with off, where at least one must be.

`make ghost-matrix` runs all 36 cells, 20 runs each (RUNS=n, CELL=neither:auto:two-paths); make check
a few of them. The runs of a cell go on at the same time, each with a subsystem of its own."""
import base64
import json
import os
import signal
import socket
import sys
import threading
import time

from lib import SCALE, Target, alive, run, wait_for

OFFERS, MODES = ("ccr", "cqt", "neither"), ("auto", "strict", "off")
STORIES = ("two-paths", "one-path", "failed", "killed")
FEW = ("ccr:auto:two-paths", "cqt:strict:one-path", "neither:auto:failed", "neither:off:two-paths",
       "ccr:auto:killed")
RUNS = int(os.environ.get("RUNS", "3"))
CELL = os.environ.get("CELL", "")
BLOCK = 4096


class RpcError(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rpc(path, method, **params):
    """One call on a connection of its own."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60 * SCALE)
        s.connect(path)
        s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method,
                              "params": params}).encode())
        data, decoder = b"", json.JSONDecoder()
        while True:
            part = s.recv(1 << 16)
            if not part:
                raise RpcError(f"{method}: the connection ended")
            data += part
            try:
                answer, _ = decoder.raw_decode(data.decode())
                break
            except json.JSONDecodeError:
                continue
    if "error" in answer:
        raise RpcError(f"{method}: {answer['error']}")
    return answer["result"]


class Caller(threading.Thread):
    """A call that may take long."""

    def __init__(self, fn, *args):
        super().__init__(daemon=True)
        self.fn, self.args, self.error = fn, args, None
        self.start()

    def run(self):
        try:
            self.fn(*self.args)
        except Exception as e:  # told by the one who joins
            self.error = e


class Run:
    def __init__(self, cell, index):
        self.cell, self.index = cell, index
        self.nqn = f"nqn.2026-01.io.nvhost:ghost{cell.number}-{index}"
        self.bdev = f"ghost{cell.number}-{index}"
        self.disk = f"{self.nqn}:1"
        self.faults, self.wrong = [], None

    def target(self, method, **params):
        return rpc(self.cell.target.rpc_path, method, **params)

    def daemon(self, method, **params):
        return rpc(self.cell.socket, method, **params)

    def fault(self, kind, **params):
        answer = self.target("fault_add", kind=kind, nqn=self.nqn, **params)
        number = answer["id"] if isinstance(answer, dict) else answer
        self.faults.append(number)
        return number

    def write(self, byte):
        self.daemon("write", device=self.disk, slba=0, nlb=1,
                    data=base64.b64encode(bytes([byte]) * BLOCK).decode())

    def read(self):
        data = self.daemon("read", device=self.disk, slba=0, nlb=1)
        return base64.b64decode(data["data"])[0]

    def address(self, port):
        return {"trtype": "TCP", "adrfam": "IPv4", "traddr": "127.0.0.1", "trsvcid": str(port)}

    def prepare(self):
        cell = self.cell
        self.target("bdev_malloc_create", name=self.bdev, num_blocks=64, block_size=BLOCK)
        offer = {"cross_controller_reset": "off"}
        if cell.offer == "ccr":
            offer["cross_controller_reset"] = "later" if self.index % 2 else "immediate"
        if cell.offer == "cqt":
            offer["command_quiesce_time"] = 1000
        self.target("nvmf_create_subsystem", nqn=self.nqn, allow_any_host=True,
                    ana_reporting=True, **offer)
        self.target("nvmf_subsystem_add_ns", nqn=self.nqn, namespace={"bdev_name": self.bdev})
        for i, port in enumerate(cell.ports):
            self.target("nvmf_subsystem_add_listener", nqn=self.nqn,
                        listen_address=self.address(port))
            if i:  # the first path takes the write
                self.target("nvmf_subsystem_listener_set_ana_state", nqn=self.nqn,
                            listen_address=self.address(port), ana_state="non_optimized")
        for port in cell.ports:
            more = {"fast_io_fail_tmo": 0} if cell.story == "failed" else {}
            self.daemon("connect", transport="tcp", traddr="127.0.0.1", trsvcid=str(port),
                        nqn=self.nqn, keep_alive_tmo=cell.kato, write_fence=cell.mode, **more)

    def fired(self, number):
        return next(f["fired"] for f in self.target("fault_list") if f["id"] == number)

    def hold_a_write(self):
        self.held = self.fault("hold", opcode=1, count=1, outlive=True)
        self.first = Caller(self.write, 0xaa)
        wait_for("the write to be held", lambda: self.fired(self.held) == 1)

    def lose_the_path(self):
        if self.cell.story == "two-paths":
            self.fault("silence", listener=self.address(self.cell.ports[0]))
        else:
            number = self.fault("drop_connection")
            self.target("fault_clear", id=number)
            self.faults.remove(number)

    def overwrite(self):
        if self.cell.story != "killed":
            self.first.join(60 * SCALE)
            assert not self.first.is_alive(), "the first write never ended"
            failed = self.first.error is not None
            assert failed == (self.cell.story == "failed"), f"first write: {self.first.error}"
        wait_for("the second write to be taken", self.try_overwrite, 30)
        self.target("fault_release", id=self.held)
        wait_for("the block to be read", self.try_read, 30)
        byte = self.byte
        assert byte in (0xaa, 0xbb), f"read {byte:#x}"
        self.wrong = byte != 0xbb

    def try_overwrite(self):
        return self.try_to(lambda: self.write(0xbb))

    def try_read(self):
        def read():
            self.byte = self.read()
        return self.try_to(read)

    def try_to(self, do):
        """Only while the path is away it may be refused, by fast_io_fail_tmo=0 or as nothing is mounted
        yet (and on a busy machine a path goes away by itself: KATO is a second); the application tries
        again."""
        try:
            do()
            return True
        except RpcError:
            if self.cell.story in ("failed", "killed"):
                return False
            raise

    def clean(self):
        for number in self.faults:
            self.target("fault_clear", id=number)
        self.daemon("disconnect", nqn=self.nqn)
        self.target("nvmf_delete_subsystem", nqn=self.nqn)
        self.target("bdev_malloc_delete", name=self.bdev)


class Cell:
    def __init__(self, env, target, ports, name, number):
        self.env, self.target, self.number, self.name = env, target, number, name
        self.offer, self.mode, self.story = name.split(":")
        self.ports = ports if self.story == "two-paths" else ports[:1]
        self.socket = os.path.join(env.run_dir, "nvhostd.sock")
        # Half of it is how long a killed host's commands live in a target that offers neither.
        self.kato = 4 if self.story == "killed" and self.offer != "cqt" else 1
        self.runs = [Run(self, i) for i in range(RUNS)]

    def all(self, fn):
        threads = [Caller(fn, r) for r in self.runs]
        for t in threads:
            t.join(120 * SCALE)
            assert not t.is_alive(), f"{self.name}: hangs"
        for t in threads:
            if t.error:
                raise AssertionError(f"{self.name}: {t.error!r}") from t.error

    def kill_daemon(self):
        pid = self.env.daemon_pid()
        os.kill(pid, signal.SIGKILL)
        wait_for("nvhostd to be gone", lambda: not alive(pid))
        self.env.nvhost("list")  # starts it anew

    def run(self):
        start = time.monotonic()
        for r in self.runs:
            r.prepare()
        self.all(Run.hold_a_write)
        if self.story == "killed":
            self.kill_daemon()
        else:
            self.all(Run.lose_the_path)
        self.all(Run.overwrite)
        self.all(Run.clean)
        wrong = sum(r.wrong for r in self.runs)
        good = wrong > 0 if self.mode == "off" else wrong == 0
        print(f"{'ok' if good else 'FAIL':6} {self.offer:7} {self.mode:6} {self.story:9} "
              f"{len(self.runs)} runs, {wrong} wrong reads, "
              f"{time.monotonic() - start:.1f} s", flush=True)
        return good


def without_keep_alive(env):
    """Time proves nothing then: connect says so, and strict is refused."""
    target = Target(env, name="plain")
    args = ("connect", *target.at, "-n", target.nqn, "-k", "0")
    assert "keep-alive-tmo 0" in env.nvhost(*args).stderr
    env.nvhost("disconnect", "-n", target.nqn)
    assert "strict needs" in env.nvhost(*args, "--write-fence", "strict", ok=False).stderr
    assert "keep-alive" not in env.nvhost(*args, "--write-fence", "off").stderr
    env.nvhost("disconnect", "-n", target.nqn)


def main(env):
    if not CELL:
        without_keep_alive(env)
    target = Target(env, listen=False)
    rpc(target.rpc_path, "nvmf_create_transport", trtype="TCP")
    ports = [free_port(), free_port()]
    env.nvhost("list")  # starts the daemon
    cells = FEW
    if CELL == "all":
        cells = [f"{o}:{m}:{s}" for s in STORIES for o in OFFERS for m in MODES]
    elif CELL:
        cells = [CELL]
    results = [Cell(env, target, ports, name, n).run() for n, name in enumerate(cells)]
    if CELL:
        print(f"{sum(results)} passed, {len(results) - sum(results)} failed, 0 skipped")
    assert all(results), "a ghost write won, or was not to be seen where nothing is fenced"


if __name__ == "__main__":
    sys.setswitchinterval(0.001)
    run(main)
