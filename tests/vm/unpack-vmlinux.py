#!/usr/bin/env python3
"""unpack-vmlinux.py BZIMAGE OUT: the ELF kernel that a bzImage carries compressed (xz, zstd or gzip)."""
import subprocess
import sys

KINDS = ((b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\x1f\x8b\x08", "gzip"))


def candidates(image):
    """(offset, program) of all that looks like the start of a compressed stream."""
    for magic, program in KINDS:
        at = image.find(magic)
        while at >= 0:
            yield at, program
            at = image.find(magic, at + 1)


def main(source, target):
    with open(source, "rb") as f:
        image = f.read()
    for at, program in candidates(image):
        # What follows the stream makes the program complain; its output counts.
        done = subprocess.run([program, "-dc"], input=image[at:], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, check=False)
        if done.stdout.startswith(b"\x7fELF"):
            with open(target, "wb") as f:
                f.write(done.stdout)
            return 0
    print(f"{source}: no compressed ELF kernel in it", file=sys.stderr)
    return 1


sys.exit(main(*sys.argv[1:]))
