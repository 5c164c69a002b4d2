#!/usr/bin/env python3
"""target-lite's RPC socket against bad callers: garbage, half and endless requests, a thousand
connections, callers that do not read; and a listing of 4,096 namespaces. Nobody else is disturbed,
nothing leaks, and `target-lite rpc` says what is wrong with the right exit status."""
import json
import os
import socket
import subprocess
import time

from lib import BIN, SCALE, Target, cpu_seconds, rss_mib, run, wait_for

GARBAGE = [
    b"\0" * 64, b"GET / HTTP/1.1\r\n\r\n", b"hello", b"{", b"}", b"[" * 5000, b'{"a":' * 5000,
    b'{"method":"spdk_get_version","id":1,"id":2}', b"[NaN]", b'{"x":1e999}', b'{"id":\xff}',
    b'{"method":"' + b"x" * (33 << 20), b"[" + b"1," * 100000 + b"1]",
    b"[" + b"{}," * 9000000, b"[" + b"1," * 9000000,
    b"\xef\xbb\xbf{}",
    b'{"jsonrpc":"2.0","method":"bdev_malloc_create","params":{"num_blocks":1e400},"id":1}',
]


def dial(target):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(30)
    s.connect(target.rpc_path)
    return s


def call(s, method, params=None, ident=1):
    request = {"jsonrpc": "2.0", "method": method, "id": ident}
    if params is not None:
        request["params"] = params
    s.sendall(json.dumps(request).encode())
    return answer(s)


def answer(s):
    text = bytearray()
    while True:
        data = s.recv(1 << 20)
        assert data, f"the connection ended behind {bytes(text[-100:])!r}"
        text += data
        if text.endswith(b"\n"):
            return json.loads(bytes(text))


def descriptors(target):
    return len(os.listdir(f"/proc/{target.process.pid}/fd"))


def garbage(target):
    witness = dial(target)
    for bad in GARBAGE:
        s = dial(target)
        try:
            s.sendall(bad)
            s.shutdown(socket.SHUT_WR)
            while s.recv(1 << 16):
                pass
        except OSError:
            pass  # closed on us in the middle of it: just what it deserved
        s.close()
        assert "result" in call(witness, "spdk_get_version"), bad[:40]
    witness.close()
    memory = rss_mib(target.process.pid)
    assert memory < 300 * SCALE, f"{memory:.0f} MiB behind short texts of many values"
    log = target.output()
    assert "Parse error" in log and "longer than" in log, log


def split(target):
    """One request, a byte at a time."""
    s = dial(target)
    for byte in b'{"jsonrpc":"2.0","method":"spdk_get_version","id":"\\u00e9"}':
        s.sendall(bytes([byte]))
        time.sleep(0.0005)
    assert answer(s)["id"] == "\u00e9"
    s.close()


def crowd(target):
    before = descriptors(target)
    crowd = [dial(target) for _ in range(1000)]
    for s in crowd:
        s.sendall(b'{"jsonrpc":"2.0","method":"framework_wait_init","id":1}')
    for s in crowd:
        assert answer(s)["result"] is True
    for s in crowd[::2]:
        s.sendall(b'{"jsonrpc":"2.0","method":"bdev_get_bdevs","params":{"name":"x","timeout":60000},"id"')
    for s in crowd:
        s.close()
    wait_for("the descriptors to be closed", lambda: descriptors(target) <= before)


def idle(target):
    start = cpu_seconds(target.process.pid)
    time.sleep(1)
    assert cpu_seconds(target.process.pid) - start < 0.1, "busy with nothing to do"


def greedy(target):
    """A caller that asks and asks and does not read holds back only itself."""
    s, witness = dial(target), dial(target)
    s.setblocking(False)
    request = b'{"jsonrpc":"2.0","method":"nvmf_get_subsystems","id":1}' * 100
    end = time.monotonic() + 2
    while time.monotonic() < end:
        try:
            s.send(request)
        except BlockingIOError:
            break
    assert "result" in call(witness, "spdk_get_version")
    memory = rss_mib(target.process.pid)
    assert memory < 400, f"{memory:.0f} MiB for a caller that does not read"
    s.close()
    witness.close()


def big(target):
    """4,096 namespaces, made in batches, listed in one answer."""
    s, nqn, count = dial(target), "nqn.2026-01.io.nvhost:big", 4096
    assert call(s, "nvmf_create_transport", {"trtype": "TCP"})["result"] is True
    assert call(s, "nvmf_create_subsystem", {"nqn": nqn, "max_namespaces": count})["result"] is True
    for start in range(0, count, 512):
        batch = []
        for i in range(start, start + 512):
            batch.append({"jsonrpc": "2.0", "id": 2 * i, "method": "bdev_null_create", "params": {
                "name": f"N{i}", "block_size": 512, "num_blocks": 8}})
            batch.append({"jsonrpc": "2.0", "id": 2 * i + 1, "method": "nvmf_subsystem_add_ns",
                          "params": {"nqn": nqn, "namespace": {"bdev_name": f"N{i}"}}})
        s.sendall(json.dumps(batch).encode())
        for one in answer(s):
            assert "result" in one, one
    begin = time.monotonic()
    listing = call(s, "nvmf_get_subsystems", {"nqn": nqn})["result"][0]["namespaces"]
    took = time.monotonic() - begin
    assert [ns["nsid"] for ns in listing] == list(range(1, count + 1))
    assert len(call(s, "bdev_get_bdevs")["result"]) == count
    assert call(s, "nvmf_delete_subsystem", {"nqn": nqn})["result"] is True
    s.close()
    print(f"{count} namespaces listed in {took * 1000:.0f} ms")


def client(env, target):
    """Exit status 0, 1 for a call that failed, 2 for a wrong command line; one line on stderr."""
    def rpc(*args, **kw):
        return subprocess.run([os.path.join(BIN, "target-lite"), "rpc", *args], text=True,
                              capture_output=True, timeout=60, **kw)
    at = ["-s", target.rpc_path]
    done = rpc(*at, "spdk_get_version")
    assert done.returncode == 0 and "target-lite" in json.loads(done.stdout)["version"]
    done = rpc(*at, "bdev_null_create", "-", input='{"name":"P","block_size":512,"num_blocks":8}')
    assert (done.returncode, done.stdout) == (0, "P\n"), done
    with open(env.path("p.json"), "w") as f:
        f.write('{"name":"P"}')
    assert rpc(*at, "bdev_null_delete", "@" + f.name).returncode == 0
    for status, words, args in [
            (1, "Method not found: 'nix' (-32601)", at + ["nix"]),
            (1, "unknown parameter 'foo'", at + ["bdev_get_bdevs", '{"foo":1}']),
            (1, "No such file", ["-s", env.path("nobody"), "spdk_get_version"]),
            (2, "bad timeout 'x'", at + ["-t", "x", "spdk_get_version"]),
            (2, "-z", at + ["-z", "spdk_get_version"]),
            (2, "a method is missing", at),
            (2, "at byte", at + ["spdk_get_version", "{nope}"]),
            (2, "too many", at + ["spdk_get_version", "{}", "x"]),
            (2, "No such file", at + ["spdk_get_version", "@" + env.path("absent")]),
            (2, "a port", ["-s", "tcp:127.0.0.1", "spdk_get_version"])]:
        done = rpc(*args)
        assert done.returncode == status and words in done.stderr and not done.stdout, (args, done)


def main(env):
    target = Target(env, listen=False)
    assert os.stat(target.rpc_path).st_mode & 0o777 == 0o600
    second = subprocess.run([os.path.join(BIN, "target-lite"), "--rpc", target.rpc_path],
                            capture_output=True, text=True, timeout=30)
    assert second.returncode != 0 and "in use" in second.stderr, second
    split(target)
    garbage(target)
    client(env, target)
    crowd(target)
    greedy(target)
    big(target)
    idle(target)
    target.kill()  # leaves its socket behind, which the next one takes over
    assert os.path.exists(target.rpc_path)
    again = Target(env, listen=False)
    again.stop()
    assert not os.path.exists(again.rpc_path), "the socket outlived an orderly end"


run(main)
