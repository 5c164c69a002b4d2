/*
 * nvhost: an NVMe-oF initiator and multipath driver in userspace. The umbrella header.
 *
 * The shape in five lines: a reactor is an event loop that your thread drives; a host is your
 * identity and everything connected under it; connect brings a controller and its namespaces; a
 * channel is the way to a namespace from one reactor; an nvh_io is one read or write that you own.
 *
 * Errors are 0 or -errno. A completion callback gets (arg, err, cpl): err < 0, no completion came;
 * err == 0, read the NVMe status in cpl. The library creates no thread unless asked, installs no
 * signal handler, prints nothing and never exits. After fork the child may only exec: every entry
 * point returns -EPERM there.
 */
#ifndef NVHOST_NVHOST_H
#define NVHOST_NVHOST_H

#include <nvhost/reactor.h>
#include <nvhost/host.h>
#include <nvhost/ctrlr.h>
#include <nvhost/discovery.h>
#include <nvhost/ns.h>
#include <nvhost/io.h>
#include <nvhost/failover.h>
#include <nvhost/fate.h>
#include <nvhost/latency.h>
#include <nvhost/passthru.h>
#include <nvhost/sync.h>
#include <nvhost/memory.h>
#include <nvhost/log.h>

#endif
