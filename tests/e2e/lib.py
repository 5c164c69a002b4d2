"""What the end-to-end tests share: private folders, a target of their own on a free port, the
nvhost command, waiting for conditions with a deadline, and an orderly end. Python 3, stdlib only.

A test is a script that calls run(main); it passes when main returns, is skipped by skip("why"), and
fails on any exception. Everything started is ended by pid, every mount released.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

BIN = os.environ.get("BIN", os.path.join(os.getcwd(), "build/bin"))
EXAMPLES = os.environ.get("EXAMPLES")
SRC = os.environ.get("SRC", os.getcwd())
MODE = os.environ.get("MODE", "release")
# Sanitizers make everything several times slower; deadlines stretch, bounds on speed are not held.
SLOW = any(m in MODE for m in ("asan", "tsan", "cov", "debug"))
SCALE = 4 if SLOW else 1
NQN = "nqn.2026-01.io.nvhost:e2e"


class Skip(Exception):
    pass


def skip(why):
    raise Skip(why)


def need(tool):
    path = shutil.which(tool, path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    if not path:
        skip(f"{tool} is not installed")
    return path


def wait_for(what, condition, seconds=10.0, every=0.02):
    """The condition's first true value; AssertionError naming `what` when the time is up."""
    end = time.monotonic() + seconds * SCALE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds * SCALE:.0f} s in vain for: {what}")
        time.sleep(every)


class Target:
    """target-lite on 127.0.0.1 with its RPC socket in the test's folder."""

    def __init__(self, env, *args, name="target", port=0, listen=True, ns=("malloc:64M",), nqn=NQN,
                 addr="127.0.0.1", wrap=()):
        self.env, self.name, self.args, self.nqn, self.addr = env, name, list(args), nqn, addr
        self.wrap = list(wrap)  # a command that runs another: nsenter, taskset
        self.ns, self.listen = ns, listen
        self.rpc_path = os.path.join(env.dir, name + ".sock")
        self.log_path = os.path.join(env.dir, name + ".log")
        self.port = port
        self.process = None
        self.start()

    def start(self):
        args = self.wrap + [os.path.join(BIN, "target-lite"), "--rpc", self.rpc_path]
        if self.listen:
            args += ["--listen", f"tcp:{self.addr}:{self.port}", "--nqn", self.nqn]
            for ns in self.ns:
                args += ["--ns", ns]
        self.log = open(self.log_path, "ab")
        mark = os.path.getsize(self.log_path)
        self.process = subprocess.Popen(args + self.args, stdout=self.log,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.env.targets.append(self)

        def ready():
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended at once: {self.output()}")
            text = self.output(mark)
            return text if re.search(r"^ready", text, re.M) else None

        text = wait_for(f"{self.name} to be ready", ready)
        if self.listen:
            self.port = int(re.search(r"tcp:\S*:(\d+)", text).group(1))

    def output(self, since=0):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, "rb") as f:
            f.seek(since)
            return f.read().decode(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                status = self.process.wait(20 * SCALE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.name} did not end on SIGTERM: {self.output()[-2000:]}")
            if status != 0:
                raise AssertionError(f"{self.name} ended with {status}: {self.output()[-4000:]}")

    def rpc(self, method, **params):
        args = [os.path.join(BIN, "target-lite"), "rpc", "-s", self.rpc_path, method]
        if params:
            args.append(json.dumps(params))
        done = subprocess.run(args, capture_output=True, text=True, timeout=60 * SCALE)
        if done.returncode != 0:
            raise AssertionError(f"rpc {method}: {done.stderr or done.stdout}")
        try:
            return json.loads(done.stdout)
        except json.JSONDecodeError:  # a name is printed bare, as rpc.py does
            return done.stdout.strip()

    @property
    def at(self):
        return ["-t", "tcp", "-a", self.addr, "-s", str(self.port)]


class Env:
    """A private place for one test."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="nvhost-e2e.")
        self.targets, self.mounts, self.processes = [], [], []
        self.run_dir = os.path.join(self.dir, "run")
        self.vars = dict(os.environ, NVHOST_RUNTIME_DIR=self.run_dir,
                         NVHOST_STATE_DIR=os.path.join(self.dir, "state"),
                         NVHOST_CONFIG_DIR=os.path.join(self.dir, "config"))
        self.vars.pop("NVHOST_LOG", None)
        self.vars["LSAN_OPTIONS"] = f"suppressions={SRC}/tests/lsan.supp:print_suppressions=0"
        for sub in ("run", "state", "config"):
            os.mkdir(os.path.join(self.dir, sub), 0o700)

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def nvhost(self, *args, ok=True, timeout=60, text=True, **kw):
        """Runs nvhost; ok=True: it must succeed; ok=False: it must fail; None: either."""
        argv = [os.path.join(BIN, "nvhost")] + [str(a) for a in args]
        done = subprocess.run(argv, capture_output=True, text=text, env=self.vars,
                              timeout=timeout * SCALE, stdin=kw.pop("stdin", subprocess.DEVNULL),
                              **kw)
        if ok is not None and (done.returncode == 0) != ok:
            raise AssertionError(f"{' '.join(argv[1:])}: exit {done.returncode}\n"
                                 f"stdout: {done.stdout[-3000:]}\nstderr: {done.stderr[-3000:]}\n"
                                 f"{self.daemon_log()}")
        return done

    def json(self, *args, **kw):
        return json.loads(self.nvhost(*args, "-o", "json", **kw).stdout)

    def connect(self, target, *args, nqn=None):
        self.nvhost("connect", *target.at, "-n", nqn or target.nqn, *args)

    def mount(self, *args, path=None):
        path = path or self.path("mnt")
        if "--ns" not in args and not os.path.isdir(path):
            os.mkdir(path)
        self.nvhost("mount", path, *args)
        self.mounts.append(path)
        return path

    def daemon_pid(self):
        try:
            with open(os.path.join(self.run_dir, "nvhostd.pid")) as f:
                return int(f.read())
        except (OSError, ValueError):
            return None

    def daemon_log(self):
        try:
            with open(os.path.join(self.run_dir, "nvhostd.log")) as f:
                return "nvhostd.log: " + f.read()[-4000:]
        except OSError:
            return ""

    def popen(self, *argv, **kw):
        process = subprocess.Popen([str(a) for a in argv], env=self.vars, **kw)
        self.processes.append(process)
        return process

    def close(self):
        problems = []
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        pid = self.daemon_pid()
        if pid and alive(pid):
            os.kill(pid, signal.SIGTERM)
            try:
                wait_for("nvhostd to end on SIGTERM", lambda: not alive(pid), 20)
            except AssertionError as e:
                problems.append(f"{e}\n{self.daemon_log()}")
                os.kill(pid, signal.SIGKILL)
        log = self.daemon_log()
        if "Sanitizer" in log or "runtime error:" in log:
            problems.append(log)
        for target in reversed(self.targets):
            try:
                target.stop()
            except AssertionError as e:
                problems.append(str(e))
            if "Sanitizer" in target.output() or "runtime error:" in target.output():
                problems.append(target.output()[-4000:])
        for line in open("/proc/self/mounts"):
            point = line.split()[1]
            if point.startswith(self.dir):
                problems.append(f"still mounted: {point}")
                subprocess.run(["umount", "-l", point], stderr=subprocess.DEVNULL)
        shutil.rmtree(self.dir, ignore_errors=True)
        if problems:
            raise AssertionError("\n".join(problems))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024


def fio_name(path):
    """fio takes ':' for a separator of file names, and an NQN has one."""
    return path.replace(":", "\\:")


def fio(env, path, *options, timeout=300):
    """fio on a file; returns its JSON job list; fails on any error fio reports."""
    argv = [need("fio"), "--name=job", f"--filename={fio_name(path)}", "--output-format=json",
            "--allow_file_create=0", "--group_reporting"] + list(options)
    done = subprocess.run(argv, capture_output=True, text=True, cwd=env.dir,
                          timeout=timeout * SCALE)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-2000:]}"
                             f"\n{done.stderr[-2000:]}\n{env.daemon_log()}")
    jobs = json.loads(done.stdout[done.stdout.index("{"):])["jobs"]
    for job in jobs:
        assert job["error"] == 0, f"fio error {job['error']}"
    return jobs


def run(main):
    env = None
    try:
        env = Env()
        main(env)
        env.close()
    except Skip as why:
        if env:
            env.close()
        print(f"skipped: {why}")
        sys.exit(77)
    except BaseException:
        traceback.print_exc()
        if env:
            print(env.daemon_log())
            for target in env.targets:
                print(f"{target.name}: {target.output()[-3000:]}")
            try:
                env.close()
            except AssertionError as e:
                print(e)
        sys.exit(1)
    print("ok")
