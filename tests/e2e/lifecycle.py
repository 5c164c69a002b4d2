#!/usr/bin/env python3
"""What an operator does to a target under a verifying load: three listeners removed and added in turn,
fewer I/O queues after a restart than before, a subsystem deleted while its commands are delayed. No error
reaches the program, and every acknowledged byte is there."""
import mmap
import os
import subprocess
import threading

from lib import BIN, NQN, SCALE, Target, fio_name, need, run, wait_for


def load(env, path, seconds, jobs=1):
    return env.popen(need("fio"), "--name=job", f"--filename={fio_name(path)}",
                     "--allow_file_create=0", "--rw=randrw", "--bsrange=4k-64k",
                     "--ioengine=libaio", "--direct=1", "--iodepth=16", "--size=8m",
                     f"--numjobs={jobs}", "--offset_increment=8m", "--verify=crc32c",
                     "--verify_fatal=1", "--time_based=1", f"--runtime={seconds * SCALE}",
                     cwd=env.dir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process):
    out, _ = process.communicate(timeout=180 * SCALE)
    assert process.returncode == 0, out[-3000:]


def live(env):
    return env.nvhost("list-subsys").stdout.count(" live")


def listeners_in_turn(env):
    target = Target(env, "--listen", "tcp:127.0.0.1:0", "--listen", "tcp:127.0.0.1:0")
    addresses = [a["address"] for a in target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)]
    assert len(addresses) == 3
    for a in addresses:
        env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", a["trsvcid"], "-n", NQN, "-c",
                   "0.05")
    mount = env.mount()
    process = load(env, os.path.join(mount, NQN, "n1"), 5)
    turns = 0
    while process.poll() is None:
        a = addresses[turns % 3]
        target.rpc("nvmf_subsystem_remove_listener", nqn=NQN, listen_address=a)
        wait_for("the path to be lost", lambda: live(env) == 2, 10)
        target.rpc("nvmf_subsystem_add_listener", nqn=NQN, listen_address=a)
        wait_for("the path to be back", lambda: live(env) == 3, 20)
        turns += 1
    finish(process)
    assert turns >= 3
    env.nvhost("umount", mount)
    env.mounts.remove(mount)
    env.nvhost("disconnect-all")
    target.stop()


def fewer_queues(env):
    backing = env.path("disk")
    with open(backing, "wb") as f:
        f.truncate(64 << 20)
    nqn = NQN + ":queues"
    target = Target(env, "--io-queues", "4", name="queues", ns=(f"file:{backing}",), nqn=nqn)
    env.connect(target, "-c", "0.05", nqn=nqn)
    mount = env.mount(path=env.path("queues.mnt"))
    process = load(env, os.path.join(mount, nqn, "n1"), 4, jobs=4)
    mark = os.stat(backing).st_mtime_ns
    wait_for("the load to write", lambda: os.stat(backing).st_mtime_ns != mark)
    target.kill()
    env.targets.remove(target)
    again = Target(env, "--io-queues", "2", name="again", ns=(f"file:{backing}",), nqn=nqn,
                   port=target.port)
    wait_for("the reconnect", lambda: live(env) == 1, 20)
    queues = [q for q in again.rpc("nvmf_subsystem_get_qpairs", nqn=nqn) if q["qid"] > 0]
    assert len(queues) == 2, queues
    finish(process)
    env.nvhost("umount", mount)
    env.mounts.remove(mount)
    env.nvhost("disconnect-all")


def delete_under_delay(env):
    """What was delayed ends; what the host has not got an answer to waits for the subsystem's return."""
    nqn = NQN + ":slow"
    target = Target(env, name="slow", ns=(), nqn=nqn)
    target.rpc("bdev_malloc_create", name="M", num_blocks=1024, block_size=4096)
    target.rpc("bdev_delay_create", name="D", base_bdev_name="M", avg_read_latency=1500000,
               p99_read_latency=1500000, avg_write_latency=1500000, p99_write_latency=1500000)
    target.rpc("nvmf_subsystem_add_ns", nqn=nqn, namespace={"bdev_name": "D"})
    uuid = target.rpc("bdev_get_bdevs", name="D")[0]["uuid"]
    address = target.rpc("nvmf_subsystem_get_listeners", nqn=nqn)[0]["address"]
    env.connect(target, "-c", "0.05", nqn=nqn)
    mount = env.mount(path=env.path("slow.mnt"))
    path = os.path.join(mount, nqn, "n1")
    wait_for(path, lambda: os.path.exists(path))
    done = threading.Event()

    def write():
        buf = mmap.mmap(-1, 4096)
        buf.write(b"x" * 4096)
        fd = os.open(path, os.O_RDWR | os.O_DIRECT)
        assert os.pwrite(fd, buf, 0) == 4096
        os.close(fd)
        done.set()

    thread = threading.Thread(target=write, daemon=True)
    before = target.rpc("nvmf_get_stats")["poll_groups"][0]["completed_nvme_io"]
    thread.start()
    wait_for("the write to arrive", lambda: target.rpc("nvmf_get_stats")["poll_groups"][0]
             ["completed_nvme_io"] > before)
    assert target.rpc("nvmf_delete_subsystem", nqn=nqn) is True
    assert target.rpc("nvmf_get_subsystems")[-1]["nqn"] != nqn
    for kind in ("avg_write", "p99_write", "avg_read", "p99_read"):
        target.rpc("bdev_delay_update_latency", delay_bdev_name="D", latency_type=kind, latency_us=0)
    target.rpc("nvmf_create_subsystem", nqn=nqn, allow_any_host=True)
    target.rpc("nvmf_subsystem_add_ns", nqn=nqn, namespace={"bdev_name": "D", "uuid": uuid})
    target.rpc("nvmf_subsystem_add_listener", nqn=nqn, listen_address=address)
    thread.join(30 * SCALE)
    assert done.is_set(), "the write did not go on"
    assert open(path, "rb").read(1) == b"x"
    env.nvhost("umount", mount)
    env.mounts.remove(mount)
    env.nvhost("disconnect-all")


def main(env):
    env.popen(os.path.join(BIN, "nvhostd"), "--foreground", "--reactors", 4,
              stderr=open(os.path.join(env.run_dir, "nvhostd.log"), "a"))
    wait_for("nvhostd", lambda: env.daemon_pid() is not None)
    listeners_in_turn(env)
    fewer_queues(env)
    delete_under_delay(env)


run(main)
