/*
 * Interrupts: one vector and one eventfd a queue, for the reactor that sleeps. The vector has the
 * descriptor only from when the reactor first goes to sleep until it has not slept for a while, so
 * that one which spins costs no interrupts. What came before it was bound is looked for behind it.
 * A bus without, or one that fails: the queue is polled while commands are out. On the queue pair's
 * reactor. PCIe Transport Specification 1.1 section 3.5.
 */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pcie/pcie_impl.h"

/* Binding may cost a system call or two: not oftener than this. */
#define IRQ_AWAKE_NS (10 * NVHI_NSEC_PER_MSEC)

static int irq_bind(struct nvhi_pcie_qpair *q, int fd)
{
	struct nvhi_pcie_bus *bus = q->ctrlr->bus;

	return bus->ops->irq(bus, q->qpair.qid, fd);
}

static bool irq_arm(struct nvhi_poller *poller)
{
	struct nvhi_pcie_qpair *q = nvhi_container_of(poller, struct nvhi_pcie_qpair, poller);
	int err;

	q->irq_armed_ns = nvhi_reactor_now(q->qpair.reactor);
	if (!q->irq_bound) {
		err = irq_bind(q, q->irq_fd);
		if (err) {
			nvhi_log(WARN, PCIE, "%s: no interrupt (%d), it is polled", q->qpair.name,
				 err);
			nvhi_pcie_irq_stop(q);
			nvhi_pcie_irq_fini(q);
			nvhi_pcie_expect(q);
			return true;
		}
		q->irq_bound = true;
	}
	return nvhi_pcie_completion_waits(q);
}

/* The completions are found by the poller, in this very turn. */
static int irq_fire(struct nvhi_source *source, unsigned int events)
{
	uint64_t count;

	(void)events;
	return read(source->fd, &count, sizeof(count)) > 0;
}

void nvhi_pcie_irq_busy(struct nvhi_pcie_qpair *q)
{
	if (q->qpair.qid == 0 ||
	    nvhi_reactor_now(q->qpair.reactor) - q->irq_armed_ns < IRQ_AWAKE_NS)
		return;
	irq_bind(q, -1);
	q->irq_bound = false;
}

void nvhi_pcie_irq_init(struct nvhi_pcie_qpair *q)
{
	const struct nvhi_pcie_bus *bus = q->ctrlr->bus;

	if (bus->ops->irq && q->qpair.qid < bus->vectors &&
	    (q->qpair.qid == 0 || !(q->ctrlr->quirks & NVHI_QUIRK_ONE_VECTOR)))
		q->irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void nvhi_pcie_irq_start(struct nvhi_pcie_qpair *q)
{
	if (q->irq_fd < 0)
		return;
	if (nvhi_source_add(q->qpair.reactor, &q->irq, q->irq_fd, NVHI_READABLE, irq_fire) < 0) {
		nvhi_pcie_irq_fini(q); /* one that is simulated */
		return;
	}
	q->poller.arm = irq_arm;
}

void nvhi_pcie_irq_stop(struct nvhi_pcie_qpair *q)
{
	if (q->irq_bound)
		irq_bind(q, -1);
	q->irq_bound = false;
	q->poller.arm = NULL;
	if (q->irq.fd >= 0)
		nvhi_source_remove(q->qpair.reactor, &q->irq);
}

void nvhi_pcie_irq_fini(struct nvhi_pcie_qpair *q)
{
	if (q->irq_fd >= 0)
		close(q->irq_fd);
	q->irq_fd = -1;
}
