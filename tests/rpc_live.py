#!/usr/bin/env python3
"""Runs SPDK's own scripts/rpc.py against target-lite: every command of tests/golden/rpc as typed.

    make check-rpc-live SPDK_DIR=/path/to/spdk      (or tests/rpc_live.py SPDK_DIR [--record])

SPDK_DIR needs only SPDK's scripts/ and python/ folders. Each command must exit as expected, and its
requests must still be the recorded ones (a newer rpc.py may send others: --record takes them over;
then tests/e2e/rpc_replay.py, which CI runs, replays them). Python 3, stdlib only.
"""
import json
import os
import select
import socket
import subprocess
import sys
import threading

TESTS = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(TESTS, "golden", "rpc"), os.path.join(TESTS, "e2e")]
import golden  # noqa: E402
import lib  # noqa: E402


class Recorder:
    """A socket between rpc.py and the target that keeps what rpc.py sends."""

    def __init__(self, path, target):
        self.target, self.sent = target, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            with client, socket.socket(socket.AF_UNIX) as server:
                server.connect(self.target)
                self.relay(client, server)

    def relay(self, client, server):
        answered = True
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(1 << 20)
                if not data:
                    return
                if ready is server:
                    client.sendall(data)
                    answered = True
                else:
                    if answered:
                        self.sent.append("")
                    self.sent[-1] += data.decode()
                    answered = False
                    server.sendall(data)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def save(command, requests, places):
    """Writes the requests back, with the standing port and folder in them."""
    with open(command.path) as f:
        text = json.load(f)
    text["requests"] = [r.replace(places.port, "4420").replace(places.folder, "/tmp/golden")
                        for r in requests]
    with open(command.path, "w") as f:
        json.dump(text, f, indent=1)
        f.write("\n")


def one(command, rpc_py, proxy, path, places, record):
    """None, or what went wrong."""
    proxy.sent.clear()
    stdin = command.stdin
    done = subprocess.run([sys.executable, rpc_py, "-s", path] + places.put(command.argv),
                          input=places.put(stdin) if stdin else None, text=True,
                          capture_output=True, timeout=60,
                          stdin=None if stdin else subprocess.DEVNULL)
    said = done.stdout + done.stderr
    if (done.returncode != 0) != bool(command.error):
        return f"exit {done.returncode}\n{said}"
    if command.error and places.put(command.error["message"]) not in said:
        return f"the message lacks {command.error['message']!r}\n{said}"
    if record:
        save(command, proxy.sent, places)
    elif proxy.sent != places.put(command.requests):
        return f"other requests than recorded: {proxy.sent}"
    return None


def main(env):
    args = [a for a in sys.argv[1:] if a != "--record"]
    if len(args) != 1:
        sys.exit(__doc__)
    rpc_py = os.path.join(args[0], "scripts", "rpc.py")
    if not os.path.isfile(rpc_py):
        sys.exit(f"rpc_live: {rpc_py} is not there: SPDK_DIR must be an SPDK source tree")
    target = lib.Target(env, listen=False)
    places = golden.Places(free_port(), env.dir)
    with open(env.path("disk"), "wb") as f:
        f.truncate(16 << 20)
    path = env.path("proxy.sock")
    proxy = Recorder(path, target.rpc_path)
    failed = 0
    commands = golden.load()
    for command in commands:
        wrong = one(command, rpc_py, proxy, path, places, "--record" in sys.argv)
        print(f"{'FAIL' if wrong else 'ok  '} rpc.py {' '.join(command.argv)}"
              f"{': ' + wrong if wrong else ''}", flush=True)
        failed += bool(wrong)
    print(f"{len(commands) - failed} passed, {failed} failed")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    lib.run(main)
