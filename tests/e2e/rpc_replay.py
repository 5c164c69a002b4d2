#!/usr/bin/env python3
"""The requests that SPDK's scripts/rpc.py sends, byte for byte as recorded (tests/golden/rpc), get
answers of SPDK's shapes from target-lite. `make check-rpc-live SPDK_DIR=...` runs the real rpc.py."""
import json
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "rpc"))
import golden
from lib import Target, run


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read_answer(s):
    text = b""
    while True:
        data = s.recv(1 << 16)
        assert data, f"the connection ended behind {text!r}"
        text += data
        try:
            return json.loads(text)
        except ValueError:
            pass


def replay(command, path, places):
    """What is wrong with each answer, None where it is right."""
    wrong = []
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(30)
        s.connect(path)
        for i, request in enumerate(command.requests):
            s.sendall(places.put(request).encode())
            command_here = golden.Command(command.path)
            command_here.results = places.put(command.results)
            wrong.append(golden.check(command_here, i, read_answer(s)))
    return wrong


def main(env):
    target = Target(env, listen=False)
    places = golden.Places(free_port(), env.dir)
    with open(env.path("disk"), "wb") as f:
        f.truncate(16 << 20)
    commands = golden.load()
    assert len(commands) >= 60, "the recorded requests are missing"
    failed = 0
    for command in commands:
        assert command.requests, f"{command.name} has no recorded request (rpc_live.py --record)"
        for wrong in replay(command, target.rpc_path, places):
            print(f"{'FAIL' if wrong else 'ok  '} {command.name}{': ' + wrong if wrong else ''}")
            failed += bool(wrong)
    assert not failed, f"{failed} answers are not as SPDK gives them"
    # The last command told the target to end.
    assert target.process.wait(30) == 0


run(main)
