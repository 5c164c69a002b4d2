#!/usr/bin/env python3
"""Whatever is wrong with an option, an address, a name, a configuration file, a parameter of an RPC or
the machine: one clear line that names it, and a failure. One table, a row a mistake."""
import json
import os
import pwd
import subprocess

from lib import BIN, NQN, SCALE, Target, need, run


def said(env, argv, what):
    """The command fails, with one line (and at most a pointer to --help) in which `what` stands."""
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, env=env.vars,
                          stdin=subprocess.DEVNULL, timeout=60 * SCALE)
    words = " ".join(os.path.basename(str(a)) if i == 0 else str(a) for i, a in enumerate(argv))
    lines = [line for line in done.stderr.splitlines() if line and "Sanitizer" not in line]
    assert done.returncode not in (0, -6, -11), f"{words}: exit {done.returncode}"
    assert 1 <= len(lines) <= 2, f"{words}: {done.stderr!r}"
    assert what in lines[0], f"{words}: {lines[0]!r} does not name {what!r}"


def command_line(env, target):
    nvhost, at = os.path.join(BIN, "nvhost"), ["-t", "tcp", "-a", "127.0.0.1", "-s", target.port]
    connect = [nvhost, "connect", *at]
    for options, what in (
            (["-n", "bad"], "bad"),
            (["-n", NQN, "-q", "bad"], 'hostnqn "bad"'),
            (["-n", NQN, "-I", "123"], "123"),
            (["-n", "nqn.2026-01.io.nvhost:nothere"], "nqn.2026-01.io.nvhost:nothere"),
            (["-n", NQN, "-a", "300.1.1.1"], "300.1.1.1"),
            (["-n", NQN, "-s", "http"], "'http'"),
            (["-n", NQN, "-s", "1"], "127.0.0.1:1: Connection refused"),
            (["-n", NQN, "-t", "foo"], '"foo"'),
            (["-n", NQN, "-Q", "5"], "'5' is out of range"),
            (["-n", NQN, "-k", "foo"], "'foo' is not a number"),
            (["-n", NQN, "--policy", "foo"], "foo"),
            (["-n", NQN, "--frob"], "--frob"),
            (["-n", NQN, "--host-traddr", "192.0.2.9"], "192.0.2.9"),
            (["-n", NQN, "--host-iface", "nosuch0"], "nosuch0"),
            ([], "--nqn")):
        said(env, connect + options, what)
    said(env, [nvhost, "connect", "-t", "tcp", "-n", NQN], "--traddr")
    for argv, what in (
            (["frobnicate"], "frobnicate"),
            (["discover", "-t", "tcp", "-a", "127.0.0.1", "-s", "1"], "127.0.0.1:1"),
            (["discover", "-t", "tcp", "-a", "no such host"], "no such host"),
            (["mount", env.path("nowhere")], env.path("nowhere")),
            (["mount", target.log_path], "not a directory"),
            (["umount", env.path("nowhere")], env.path("nowhere")),
            (["disconnect"], "--nqn"),
            (["disconnect", "-d", "nvh9"], "nvh9"),
            (["id-ctrl", "nvh9"], "nvh9"),
            (["read", "nvh9n1", "-s", "0", "-c", "0", "-z", "512"], "nvh9n1"),
            (["rpc", "frob"], "'frob'"),
            (["rpc", "connect", '{"frob": 1}'], "'frob'"),
            (["rpc", "connect", "{bad"], "{bad")):
        said(env, [nvhost] + argv, what)


def target_lite(env, target):
    program = os.path.join(BIN, "target-lite")
    for argv, what in (
            (["--listen", f"tcp:127.0.0.1:{target.port}", "--ns", "malloc:1M"], "in use"),
            (["--listen", "tcp:127.0.0.1:0", "--rpc", target.rpc_path], target.rpc_path),
            (["--ns", f"file:{env.path('none', 'x')}:1M"], env.path("none", "x")),
            (["--listen", "tcp:192.0.2.9:0"], "192.0.2.9"),
            (["--listen", "tcp:127.0.0.1:99999"], "99999"),
            (["--listen", "foo:127.0.0.1:1"], "foo:127.0.0.1:1"),
            (["--ns", "malloc:1X"], "1X"),
            (["--nqn", "bad", "--ns", "malloc:1M", "--listen", "tcp:127.0.0.1:0"], "bad"),
            (["--frobnicate"], "--frobnicate"),
            (["rpc", "-s", target.rpc_path, "frob"], "frob"),
            (["rpc", "-s", target.rpc_path, "nvmf_create_subsystem",
              '{"nqn": "nqn.2026-01.io.x:y", "frob": 1}'], "'frob'"),
            (["rpc", "-s", env.path("none.sock"), "nvmf_get_subsystems"], env.path("none.sock"))):
        if argv[0] != "rpc" and "--rpc" not in argv:
            argv = argv + ["--rpc", env.path("other.sock")]
        said(env, [program] + argv, what)


def configuration(env):
    """Unknown keys are an error, never silently ignored."""
    nvhost = os.path.join(BIN, "nvhost")
    config = env.path("config", "config.json")
    with open(config, "w") as f:
        json.dump([{"hostnqn": "nqn.2026-01.io.x:h", "frob": 1, "subsystems": []}], f)
    said(env, [nvhost, "connect-all", "-J", config], "frob")
    with open(config, "w") as f:
        f.write("[{")
    said(env, [nvhost, "connect-all", "-J", config], config)
    os.unlink(config)
    with open(env.path("config", "discovery.conf"), "w") as f:
        f.write("--transport=tcp --frob=1\n")
    said(env, [nvhost, "connect-all"], "frob")
    os.unlink(env.path("config", "discovery.conf"))


def the_machine(env, target):
    """No /dev/fuse; a socket and a mount point that are another user's."""
    nvhost = os.path.join(BIN, "nvhost")
    env.connect(target)
    os.mkdir(env.path("mnt"))
    if os.geteuid() != 0:
        return
    said(env, [need("unshare"), "-m", "--propagation", "private", "sh", "-c",
               'mount -t tmpfs tmpfs /dev && exec "$@"', "sh", nvhost, "mount", env.path("mnt"),
               *target.at, "-n", NQN, "--foreground"], "/dev/fuse is missing")
    nobody = pwd.getpwnam("nobody")
    os.chmod(env.dir, 0o755)
    os.chmod(env.run_dir, 0o755)
    stranger = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    # The tree may lie where nobody may look.
    copy = env.path("nvhost")
    subprocess.run(["cp", nvhost, copy], check=True)
    said(env, stranger + [copy, "list"], "is not a folder of our own")
    os.chmod(env.run_dir, 0o700)


def main(env):
    target = Target(env)
    command_line(env, target)
    target_lite(env, target)
    configuration(env)
    the_machine(env, target)
    assert target.process.poll() is None


run(main)
