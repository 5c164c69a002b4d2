#!/usr/bin/env python3
"""docs/scenarios.md names tests that exist."""
import glob
import os
import re

from lib import SRC, run


def main(env):
    with open(os.path.join(SRC, "docs/scenarios.md")) as f:
        text = f.read()
    unit = "".join(open(p).read() for p in
                   glob.glob(os.path.join(SRC, "tests/unit/**/*_test.c"), recursive=True))
    functions = set(re.findall(r"^static void (\w+)\(void\)", unit, re.M)) | set(
        re.findall(r"NVH_TEST\((\w+)\)", unit)) | set(re.findall(r"^\s*\w+\((\w+)[,)]", unit, re.M))
    files = {os.path.basename(p)[:-3] for p in glob.glob(os.path.join(SRC, "tests/e2e/*.py"))}
    rows = [line for line in text.splitlines() if line.startswith("| ") and "shown by" not in line]
    assert len(rows) > 40
    known = functions | files
    for row in rows:
        shown = row.split("|")[2]
        names = [n for n in re.findall(r"`([a-z][a-z0-9_]*)`", shown) if "_" in n]
        words = {"corrupt_digest", "malformed_pdu", "ana_flap"}
        unknown = [n for n in names if n not in known | words]
        assert not unknown, f"{row}\n  names {unknown}"


run(main)
