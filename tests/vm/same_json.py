#!/usr/bin/env python3
"""same_json.py NVME_CLI NVHOST: the same fields, types and values, whatever their order of members. Names of
devices and what differs between two controllers of one subsystem do not count."""
import json
import re
import sys

NAMES = (("nvme0n1", "nvh0n1"), ("nvme0c0n1", "nvh0n1"), ("nvme-subsys0", "nvh-subsys0"), ("nvme0", "nvh0"),
         ("/dev/", ""))
OF_A_CONTROLLER = {"cntlid", "GenericPath", "Generic", "data_units_read", "data_units_written", "host_read_commands",
                   "host_write_commands", "controller_busy_time", "power_on_hours"}


def normal(text):
    for theirs, ours in NAMES:
        text = text.replace(theirs, ours)
    return re.sub(r",src_addr=[\w.:]+", "", text)


def differences(a, b, at):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in list(a) + [k for k in b if k not in a]:
            if key in OF_A_CONTROLLER:
                continue
            if key not in b:
                yield f"{at}.{key}: only nvme-cli: {a[key]!r}"
            elif key not in a:
                yield f"{at}.{key}: only nvhost: {b[key]!r}"
            else:
                yield from differences(a[key], b[key], f"{at}.{key}")
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            yield f"{at}: {len(a)} elements in nvme-cli, {len(b)} in nvhost"
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differences(x, y, f"{at}[{i}]")
    elif isinstance(a, bool) != isinstance(b, bool) or a != b:
        yield f"{at}: nvme-cli {a!r}, nvhost {b!r}"


def load(path):
    with open(path) as f:
        return json.loads(normal(f.read()))


found = list(differences(load(sys.argv[1]), load(sys.argv[2]), ""))
print("\n".join(found))
sys.exit(1 if found else 0)
