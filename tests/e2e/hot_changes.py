#!/usr/bin/env python3
"""Everything changes under a verifying load on namespace 1: it grows, namespaces beside it are added,
resized, read and removed, paths are added, reset and disconnected one after the other. The load sees no error, and
the files follow."""
import errno
import mmap
import os
import subprocess

from lib import NQN, SCALE, Target, fio_name, need, run, wait_for

MIB = 1 << 20


def main(env):
    backing = env.path("disk")
    with open(backing, "wb") as f:
        f.truncate(16 * MIB)
    target = Target(env, "--listen", "tcp:127.0.0.1:0", "--listen", "tcp:127.0.0.1:0",
                    ns=(f"file:{backing}",))
    ports = [a["address"]["trsvcid"] for a in target.rpc("nvmf_subsystem_get_listeners", nqn=NQN)]

    def connect(port):
        env.nvhost("connect", "-t", "tcp", "-a", "127.0.0.1", "-s", port, "-n", NQN, "-c", "0.05")

    def controllers():
        subsys = env.json("list-subsys")[0]["Subsystems"]
        return {p["Address"].split("trsvcid=")[1].split(",")[0]: (p["Name"], p["State"])
                for p in subsys[0]["Paths"]}

    for port in ports[:2]:
        connect(port)
    mount = env.mount()
    folder = os.path.join(mount, NQN)
    first = os.path.join(folder, "n1")
    wait_for(first, lambda: os.path.exists(first))
    bdev = target.rpc("nvmf_get_subsystems", nqn=NQN)[0]["namespaces"][0]["bdev_name"]
    load = env.popen(need("fio"), "--name=job", f"--filename={fio_name(first)}",
                     "--allow_file_create=0", "--rw=randrw", "--bsrange=4k-64k", "--ioengine=libaio",
                     "--direct=1", "--iodepth=16", "--size=8m", "--verify=crc32c",
                     "--verify_fatal=1", "--time_based=1", f"--runtime={6 * SCALE}", cwd=env.dir,
                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    rounds, bytes_now = 0, 16 * MIB
    while load.poll() is None:
        # It grows.
        bytes_now += MIB
        os.truncate(backing, bytes_now)
        target.rpc("bdev_aio_rescan", name=bdev)
        wait_for("the file to have grown", lambda: os.stat(first).st_size == bytes_now, 10)

        # A namespace comes, grows, shrinks, is read beyond its end, and goes.
        name = f"M{rounds}"
        target.rpc("bdev_null_create", name=name, num_blocks=4 * MIB // 512, block_size=512)
        target.rpc("nvmf_subsystem_add_ns", nqn=NQN, namespace={"bdev_name": name, "nsid": 2})
        second = os.path.join(folder, "n2")
        wait_for("the second file", lambda: os.path.exists(second), 10)
        for mib in (6, 2):
            target.rpc("bdev_null_resize", name=name, new_size=mib)
            wait_for(f"{mib} MiB", lambda m=mib: os.stat(second).st_size == m * MIB, 10)
        fd = os.open(second, os.O_RDONLY | os.O_DIRECT)
        assert os.preadv(fd, [mmap.mmap(-1, 4096)], 3 * MIB) == 0  # beyond the end
        target.rpc("nvmf_subsystem_remove_ns", nqn=NQN, nsid=2)
        target.rpc("bdev_null_delete", name=name)
        wait_for("the second file to go", lambda: not os.path.exists(second), 10)
        try:
            os.preadv(fd, [mmap.mmap(-1, 4096)], 0)
            raise AssertionError("a namespace that is gone was read")
        except OSError as e:
            assert e.errno in (errno.ENODEV, errno.EIO), e
        os.close(fd)

        # A path comes, another one is reset, the oldest one goes.
        new, old = ports[(rounds + 2) % 3], ports[rounds % 3]
        connect(new)
        env.nvhost("reset", controllers()[ports[(rounds + 1) % 3]][0])
        env.nvhost("disconnect", "-d", controllers()[old][0])
        wait_for("two live paths", lambda: sorted(s for _, s in controllers().values()) == ["live"] * 2
                 and old not in controllers(), 20)
        rounds += 1
    out, _ = load.communicate(timeout=180 * SCALE)
    assert load.returncode == 0, out[-3000:]
    assert rounds >= 2, rounds
    print(f"  {rounds} rounds")
    env.nvhost("umount", mount)
    env.mounts.remove(mount)
    env.nvhost("disconnect-all")


run(main)
