/*
 * Interrupts of a PCIe controller that is played over vfio-user: the eventfds that a client gives.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/target_vfu_fixture.h"

/* ---- interrupts ------------------------------------------------------------------------------ */

static int set_irqs(struct tv_client *c, uint32_t flags, uint32_t index, uint32_t start,
		    uint32_t count, const int *fds, unsigned int nr_fds)
{
	struct vfio_irq_set set = {.argsz = sizeof(set),
				   .flags = flags | VFIO_IRQ_SET_ACTION_TRIGGER,
				   .index = index,
				   .start = start,
				   .count = count};

	return tv_ask(c, NVH_VFU_DEVICE_SET_IRQS, &set, sizeof(set), fds, nr_fds);
}

static bool raised(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static void completions_raise_the_vectors_of_their_queues(void)
{
	const uint32_t flags = VFIO_IRQ_SET_DATA_EVENTFD, msix = VFIO_PCI_MSIX_IRQ_INDEX;
	struct tv_client *c;
	struct nvh_cmd cmd;
	int fds[3];

	tv_setup();
	c = tv_open();
	for (int i = 0; i < 3; i++)
		fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CU_ASSERT_EQUAL(set_irqs(c, flags, msix, 0, 3, fds, 3), 0);
	tv_enable(c);
	for (int i = 0; i < 3; i++)
		raised(fds[i]); /* of what came before they were known */
	/* The admin queue's is vector 0, always. */
	CU_ASSERT_EQUAL(
		tv_create_cq(c, 1, 16, TV_IOVA + TV_CQ(1),
			     NVH_CREATE_CQ_PC | NVH_CREATE_CQ_IEN | 2 << NVH_CREATE_CQ_IV_SHIFT),
		0);
	CU_ASSERT_TRUE(raised(fds[0]));
	c->sqs[1] = (struct tv_queue){.entries = 16};
	c->cqs[1] = (struct tv_queue){.entries = 16, .phase = 1};
	CU_ASSERT_EQUAL(tv_create_sq(c, 1, 16, TV_IOVA + TV_SQ(1), 1), 0);
	CU_ASSERT_TRUE(raised(fds[0]));
	cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0);
	CU_ASSERT_TRUE(raised(fds[2]));
	CU_ASSERT_FALSE(raised(fds[0]));
	CU_ASSERT_FALSE(raised(fds[1]));
	/* One that is full already, which a write to would wait for, and one that is taken away */
	CU_ASSERT_EQUAL(write(fds[2], &(uint64_t){UINT64_MAX - 1}, 8), 8);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0);
	CU_ASSERT_EQUAL(set_irqs(c, VFIO_IRQ_SET_DATA_NONE, msix, 0, 0, NULL, 0), 0);
	CU_ASSERT_TRUE(raised(fds[2]));
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0);
	CU_ASSERT_FALSE(raised(fds[2]));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
	tv_close(c);
	tv_teardown();
}

static void interrupts_that_cannot_be_are_refused(void)
{
	const uint32_t flags = VFIO_IRQ_SET_DATA_EVENTFD, msix = VFIO_PCI_MSIX_IRQ_INDEX;
	struct tv_client *c;
	struct nvh_cmd cmd;
	int pipes[2], files[2];

	tv_setup();
	c = tv_open();
	CU_ASSERT_EQUAL(set_irqs(c, flags, 99, 0, 1, NULL, 0), EINVAL);
	CU_ASSERT_EQUAL(set_irqs(c, flags, msix, 128, 1, NULL, 0), EINVAL);
	CU_ASSERT_EQUAL(set_irqs(c, flags, msix, 1, 128, NULL, 0), EINVAL);
	CU_ASSERT_EQUAL(set_irqs(c, flags, msix, UINT32_MAX, 2, NULL, 0), EINVAL);
	CU_ASSERT_EQUAL(set_irqs(c, flags, msix, 2, UINT32_MAX, NULL, 0), EINVAL);
	CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_DEVICE_SET_IRQS, "abc", 3, NULL, 0), EINVAL);
	/* What is no eventfd is found out when it is raised, and left alone then. */
	CU_ASSERT_EQUAL_FATAL(pipe2(pipes, O_CLOEXEC), 0);
	files[0] = pipes[1];
	files[1] = open("/dev/null", O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(set_irqs(c, flags, msix, 0, 2, files, 2), 0);
	tv_enable(c);
	for (uint16_t q = 1; q < 3; q++) {
		c->sqs[q] = (struct tv_queue){.entries = 16};
		c->cqs[q] = (struct tv_queue){.entries = 16, .phase = 1};
		CU_ASSERT_EQUAL(tv_create_cq(c, q, 16, TV_IOVA + TV_CQ(q),
					     NVH_CREATE_CQ_PC | NVH_CREATE_CQ_IEN |
						     (q - 1u) << NVH_CREATE_CQ_IV_SHIFT),
				0);
		CU_ASSERT_EQUAL(tv_create_sq(c, q, 16, TV_IOVA + TV_SQ(q), q), 0);
		for (int n = 0; n < 3; n++) {
			cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);
			CU_ASSERT_EQUAL(tv_exec(c, q, &cmd), 0);
		}
	}
	close(pipes[1]);
	close(files[1]);
	CU_ASSERT_EQUAL(read(pipes[0], files, 1),
			0); /* nothing came, and nobody keeps the other end */
	close(pipes[0]);
	tv_close(c);
	tv_teardown();
}

NVH_UNIT_MAIN("target-lite/vfio-user/describe",
	      NVH_TEST(completions_raise_the_vectors_of_their_queues),
	      NVH_TEST(interrupts_that_cannot_be_are_refused))
