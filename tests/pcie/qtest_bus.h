/*
 * A bus to QEMU's model of an NVMe controller, without a guest: QEMU is started with -qtest, its
 * registers are reached by text commands on a socket, and the guest's memory is a file that both
 * map. So the driver runs natively, under sanitizers too, against a controller that we did not
 * write. Any thread.
 */
#ifndef TESTS_PCIE_QTEST_BUS_H
#define TESTS_PCIE_QTEST_BUS_H

#include "pcie/bus.h"

/* The subsystem's NQN, and the namespaces: 1 with blocks of 512 bytes, 2 with 4,096, 3 with 8 bytes of
 * metadata a block, 4 zoned. */
#define QTEST_NQN     "nqn.2019-08.org.qemu:nvhost-test"
#define QTEST_NS_SIZE (16u << 20)

struct qtest;

/* A running QEMU; NULL: none could be started, and *ret_why says why. */
struct qtest *qtest_start(const char **ret_why);
void qtest_stop(struct qtest *qt);
/* Its controller. Closing the bus leaves QEMU running; one bus at a time. */
struct nvhi_pcie_bus *qtest_bus(struct qtest *qt);
/* The device is pulled out (registers read as all ones, writes go nowhere), or is back. */
void qtest_set_gone(struct qtest *qt, bool gone);
/* Bytes of DMA memory in use. */
size_t qtest_dma_used(struct qtest *qt);
/* How often a submission queue's doorbell was rung (I/O queues). */
unsigned long qtest_doorbells(struct qtest *qt);

#endif
