#!/usr/bin/env python3
"""Who may include whom: holds every #include of the tree against the table below
(docs/architecture.md, "The house"). Prints each breach; exit 1 when there is one."""
import os
import re
import subprocess
import sys

# folder (longest prefix wins) -> prefixes of what it may include. The public headers are
# <nvhost/...>; base/spec is reached by them through the link host/include/nvhost/spec.
CODEC = ["fabric/tcp/pdu", "fabric/addr.h", "fabric/nqn.h", "fabric/discovery_log.h",
         "fabric/rdma/verbs.h", "fabric/rdma/cm.h", "fabric/rdma/dev.h"]
RULES = {
    "base": ["base/"],
    "base/spec": ["base/spec/"],
    "host/include": ["nvhost/"],
    "host/transport": ["base/", "host/transport.h", "fabric/", "pcie/"],
    "host/trace": ["base/", "host/trace.h"],
    "fabric": ["base/", "fabric/", "host/transport.h", "host/trace.h"],
    "pcie": ["base/", "pcie/", "host/transport.h", "host/trace.h"],
    "pcie/bind": ["base/", "pcie/bind/"],
    "host/ctrlr": ["base/", "host/ctrlr/", "host/transport.h", "host/trace.h", "fabric/addr.h",
                   "fabric/nqn.h"],
    "host/discovery": ["base/", "host/ctrlr/", "host/discovery/", "host/transport.h",
                       "fabric/addr.h", "fabric/nqn.h", "fabric/discovery_log.h"],
    "multipath": ["base/", "multipath/", "host/ctrlr/", "host/transport.h", "nvhost/"],
    "host/api": ["base/", "host/api/", "multipath/", "host/ctrlr/", "host/discovery/",
                 "host/transport.h", "fabric/addr.h", "fabric/nqn.h", "nvhost/", "fabric/resolve.h",
                 "fabric/discovery_log.h"],
    "host/daemon": ["base/", "host/daemon/", "nvhost/", "fuse/nvf.h"],
    "host/cli": ["base/", "host/cli/", "host/daemon/params.h", "host/daemon/paths.h",
                 "host/daemon/base64.h", "nvhost/", "fuse/nvf.h", "pcie/bind/"],
    "fuse": ["base/", "fuse/", "nvhost/"],
    "target-lite": ["base/", "target-lite/"] + CODEC,
    "examples": ["nvhost/"],
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)
OURS = re.compile(r"^(base|fabric|pcie|host|multipath|fuse|target-lite|tests|nvhost)/")


def rule_for(path):
    best = None
    for prefix in RULES:
        if path.startswith(prefix) and (best is None or len(prefix) > len(best)):
            best = prefix
    return best


def breaches(path, text):
    rule = rule_for(path)
    for quote, name in INCLUDE.findall(text):
        if not OURS.match(name):
            if quote == '"':  # a neighbour in the same folder
                name = os.path.normpath(os.path.join(os.path.dirname(path), name))
            else:
                continue
        if not any(name.startswith(p) for p in RULES[rule]):
            yield f"{path} includes {name}: {rule}/ may include {', '.join(RULES[rule])}"


def main():
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
                           capture_output=True, text=True, check=True).stdout.split()
    found, looked = [], 0
    for path in files:
        if rule_for(path) is None or not os.path.isfile(path):
            continue
        looked += 1
        with open(path, encoding="utf-8") as f:
            found += breaches(path, f.read())
    for line in found:
        print(line)
    if looked < 10:
        print(f"only {looked} files found: is this a git checkout?")
        return 1
    print(f"{looked} files looked at, {len(found)} breaches")
    return 1 if found else 0


sys.exit(main())
