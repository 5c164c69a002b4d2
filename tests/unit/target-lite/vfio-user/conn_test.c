/*
 * Messages of a hostile vfio-user client to the target, and the memory that it offers: whatever
 * comes, it ends or refuses this client alone, and leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/target_vfu_fixture.h"

#include "target-lite/core/subsystem.h"

/* ---- VERSION --------------------------------------------------------------------------------- */

/* Version 0.1 and text, with its NUL. */
#define TEXT(text) "\0\0\1\0" text, 4 + sizeof(text)

static void a_version_that_is_garbage_does_no_harm(void)
{
	static const struct {
		const char *text;
		size_t len;
		int err; /* -2: the end */
	} bad[] = {
		{"", 0, EINVAL},
		{"\0\0\1", 3, EINVAL},
		{"\1\0\0\0", 4, -2},
		{"\xff\xff\xff\xff", 4, -2},
		{"\0\0\1\0{\"capabilities\"", 19, EINVAL}, /* no NUL */
		{"\0\0\1\0", 4, 0},
		{"\0\0\1\0", 5, 0},
		{"\0\0\xff\xff{}", 7, 0},
		{TEXT("not json at all"), 0},
		{TEXT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["), 0},
		{TEXT("{\"capabilities\":7}"), 0},
		{TEXT("{\"capabilities\":[]}"), 0},
		{TEXT("{\"capabilities\":{\"nvme_hostnqn\":[]}}"), 0},
		{TEXT("{\"capabilities\":{\"nvme_hostnqn\":\"nonsense\"}}"), 0},
		{TEXT("{\"capabilities\":{\"nvme_hostid\":\"zz\"}}"), 0},
		{TEXT("{\"capabilities\":{\"nvme_hostid\":\"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\"}}"),
		 0},
	};
	static char big[NVHI_VFU_PAYLOAD_MAX];

	tv_setup();
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tv_client *c = tv_connect();

		CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_VERSION, bad[i].text, bad[i].len, NULL, 0),
				bad[i].err);
		tv_close(c);
	}
	for (int i = 0; i < 2; i++) {
		struct tv_client *c = tv_connect();

		memset(big, i ? '[' : '{', sizeof(big));
		memset(big, 0, 4);
		big[sizeof(big) - 1] = '\0';
		CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_VERSION, big, sizeof(big), NULL, 0), 0);
		CU_ASSERT_EQUAL(tv_version(c), EINVAL); /* a second one */
		tv_close(c);
	}
	tv_assert_alive();
	tv_teardown();
}

static void nothing_is_said_before_version(void)
{
	tv_setup();
	for (uint16_t command = 0; command < 20; command++) {
		struct tv_client *c = tv_connect();

		tv_send(c, command, 0, "\0\0\0\0\0\0\0\0", 8, NULL, 0);
		CU_ASSERT_EQUAL(tv_is_gone(c), command != NVH_VFU_VERSION);
		tv_close(c);
	}
	tv_teardown();
}

static void a_client_that_says_nothing_is_dropped(void)
{
	struct tv_client *c, *greeted;

	tv_setup();
	c = tv_connect();
	greeted = tv_connect();
	CU_ASSERT_EQUAL(tv_version(greeted), 0);
	tv_put(c, "\1\0", 2);
	tv_advance_ms(9900);
	CU_ASSERT_FALSE(tv_is_gone(c));
	tv_advance_ms(200);
	CU_ASSERT_TRUE(tv_is_gone(c));
	tv_advance_ms(60000);
	CU_ASSERT_FALSE(tv_is_gone(greeted));
	tv_close(c);
	tv_close(greeted);
	tv_teardown();
}

/* ---- messages -------------------------------------------------------------------------------- */

static void messages_of_every_command_and_length_are_survived(void)
{
	uint8_t payload[64];
	struct tv_client *c;

	tv_setup();
	for (int fill = 0; fill < 256; fill += 85) {
		c = tv_open();
		memset(payload, fill, sizeof(payload));
		for (uint16_t command = 0; command < 20; command++)
			for (size_t len = 0; len <= sizeof(payload); len++) {
				int err = tv_ask(c, command, payload, len, NULL, 0);

				if (err == -1) /* an unmap that waits would be no answer */
					CU_FAIL("no answer");
				if (command == 0 || command > 13)
					CU_ASSERT_EQUAL(err, EOPNOTSUPP);
			}
		CU_ASSERT_FALSE(tv_is_gone(c));
		tv_close(c);
	}
	tv_assert_alive();
	tv_teardown();
}

static void sizes_and_types_that_cannot_be_end_the_connection(void)
{
	static const struct nvh_vfu_header bad[] = {
		{1, NVH_VFU_DEVICE_GET_INFO, 0, 0, 0},
		{1, NVH_VFU_DEVICE_GET_INFO, 15, 0, 0},
		{1, NVH_VFU_DEVICE_GET_INFO, 16 + 8193, 0, 0},
		{1, NVH_VFU_DEVICE_GET_INFO, UINT32_MAX, 0, 0},
		{1, NVH_VFU_DEVICE_GET_INFO, 16, 1, 0}, /* a reply */
		{1, NVH_VFU_DEVICE_GET_INFO, 16, 0xf, 0},
	};

	tv_setup();
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tv_client *c = tv_ready();

		tv_put(c, &bad[i], sizeof(bad[i]));
		CU_ASSERT_TRUE(tv_is_gone(c));
		tv_close(c);
	}
	tv_assert_alive();
	tv_teardown();
}

static void messages_may_come_in_pieces_and_many_at_once(void)
{
	struct nvh_vfu_header header = {
		.msg_id = 5, .command = NVH_VFU_DEVICE_GET_INFO, .size = 16};
	uint8_t many[16 * 200];
	struct tv_client *c;

	tv_setup();
	c = tv_open();
	for (unsigned int i = 0; i < 16; i++) {
		CU_ASSERT_FALSE(tv_reply(c));
		tv_put(c, (uint8_t *)&header + i, 1);
	}
	CU_ASSERT_TRUE(tv_reply(c));
	CU_ASSERT_EQUAL(c->header.msg_id, 5);
	for (unsigned int i = 0; i < 200; i++)
		memcpy(many + 16 * i, &header, 16);
	tv_put(c, many, sizeof(many));
	for (unsigned int i = 0; i < 200; i++)
		CU_ASSERT_TRUE(tv_reply(c));
	tv_close(c);
	tv_teardown();
}

static void a_client_that_does_not_read_is_dropped(void)
{
	struct nvh_vfu_header header = {.command = NVH_VFU_DEVICE_GET_INFO, .size = 16};
	struct tv_client *c;
	unsigned int sent = 0;

	tv_setup();
	c = tv_open();
	while (send(c->sock, &header, 16, MSG_NOSIGNAL | MSG_DONTWAIT) == 16 && sent++ < 100000)
		tv_run();
	CU_ASSERT_TRUE(sent < 100000);
	CU_ASSERT_TRUE(tv_is_gone(c));
	tv_close(c);
	tv_assert_alive();
	tv_teardown();
}

static void no_reply_is_made_where_none_is_wanted(void)
{
	struct nvh_vfu_region_access access = {.offset = 0x5000, .count = 4};
	struct tv_client *c;

	tv_setup();
	c = tv_open();
	tv_send(c, NVH_VFU_REGION_WRITE, NVH_VFU_F_NO_REPLY, &access, sizeof(access), NULL, 0);
	CU_ASSERT_FALSE(tv_reply(c));
	CU_ASSERT_FALSE(tv_is_gone(c));
	tv_close(c);
	tv_teardown();
}

static void questions_about_regions_and_interrupts_are_checked(void)
{
	struct vfio_region_info region = {.argsz = sizeof(region)};
	struct vfio_irq_info irq = {.argsz = sizeof(irq)};
	struct tv_client *c;

	tv_setup();
	c = tv_open();
	for (uint32_t i = 0; i < VFIO_PCI_NUM_REGIONS; i++) {
		region.index = i;
		CU_ASSERT_EQUAL(
			tv_ask(c, NVH_VFU_DEVICE_GET_REGION_INFO, &region, sizeof(region), NULL, 0),
			0);
		CU_ASSERT_EQUAL(c->reply_fd, -1); /* there was no room for what it belongs to */
		CU_ASSERT_EQUAL(c->reply_len, sizeof(region));
	}
	region.index = 0;
	region.argsz = 31;
	CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_DEVICE_GET_REGION_INFO, &region, sizeof(region), NULL, 0),
			EINVAL);
	region.argsz = 4096;
	for (uint32_t i = 0; i < 32; i++) {
		region.index = i < 16 ? VFIO_PCI_NUM_REGIONS + i : UINT32_MAX - i;
		CU_ASSERT_EQUAL(
			tv_ask(c, NVH_VFU_DEVICE_GET_REGION_INFO, &region, sizeof(region), NULL, 0),
			EINVAL);
		irq.index = i < 16 ? VFIO_PCI_NUM_IRQS + i : UINT32_MAX - i;
		CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_DEVICE_GET_IRQ_INFO, &irq, sizeof(irq), NULL, 0),
				EINVAL);
	}
	tv_close(c);
	tv_teardown();
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void only_memory_that_cannot_go_away_is_mapped(void)
{
	const uint64_t at = TV_IOVA + TV_MEM;
	char name[] = "/tmp/nvh-vfu-file-XXXXXX";
	struct nvh_vfu_dma_map map = {.argsz = sizeof(map), .flags = 3, .addr = at, .size = 4096};
	struct tv_client *c;
	int fds[2], fd;

	tv_setup();
	c = tv_open();
	CU_ASSERT_EQUAL_FATAL(pipe2(fds, O_CLOEXEC), 0);
	CU_ASSERT_EQUAL(tv_map(c, fds[0], 0, at, 4096), EPERM);
	CU_ASSERT_EQUAL(tv_map(c, c->sock, 0, at, 4096), EPERM);
	fd = mkstemp(name);
	CU_ASSERT_EQUAL(ftruncate(fd, 65536), 0);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 4096), EPERM);
	unlink(name);
	close(fd);
	fd = open("/dev/zero", O_RDWR | O_CLOEXEC);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 4096), EPERM);
	close(fd);
	fd = tv_memfd(65536, 0);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 4096), EPERM);
	close(fd);
	fd = tv_memfd(65536, F_SEAL_GROW);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 4096), EPERM);
	close(fd);
	fd = tv_memfd(65536, F_SEAL_SHRINK | F_SEAL_WRITE);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 4096), EPERM);
	close(fd);
	/* Shorter than told; two where one belongs; and none, which is memory of messages only. */
	fd = tv_memfd(65536, F_SEAL_SHRINK);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 65536 + 4096), EINVAL);
	CU_ASSERT_EQUAL(tv_map(c, fd, 65536, at, 4096), EINVAL);
	CU_ASSERT_EQUAL(tv_map(c, fd, 61440, at, 8192), EINVAL);
	fds[1] = (close(fds[1]), fd);
	CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_DMA_MAP, &map, sizeof(map), fds, 2), EINVAL);
	CU_ASSERT_EQUAL(tv_ask(c, NVH_VFU_DMA_MAP, &map, sizeof(map), NULL, 0), 0);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, at, 65536), 0);
	close(fd);
	close(fds[0]);
	tv_close(c);
	tv_teardown();
}

static void maps_that_cannot_be_are_refused(void)
{
	const uint64_t at = TV_IOVA + TV_MEM;
	const struct {
		uint64_t offset, addr, size;
		int err;
	} bad[] = {
		{0, at, 0, EINVAL},
		{0, at, 1, EINVAL},
		{0, at, 4095, EINVAL},
		{0, at + 1, 4096, EINVAL},
		{512, at, 4096, EINVAL},
		{0, UINT64_MAX - 4095, 8192, EINVAL},
		{0, 4096, UINT64_MAX - 4095, EINVAL},
		{UINT64_MAX - 4095, at, 4096, EINVAL},
		{INT64_MAX - 4095, at, 8192, EINVAL},
		{(uint64_t)1 << 63, at, 4096, EINVAL},
		{0, at, (uint64_t)1 << 41, ENOMEM},
		{0, TV_IOVA, 4096, EEXIST},
		{0, TV_IOVA + TV_MEM - 4096, 8192, EEXIST},
		{0, TV_IOVA - 4096, 8192, EEXIST},
		{0, 0, TV_IOVA + TV_MEM + 4096, EEXIST},
	};
	struct tv_client *c;
	int fd;

	tv_setup();
	c = tv_open();
	fd = tv_memfd(65536, F_SEAL_SHRINK);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_EQUAL(tv_map(c, fd, bad[i].offset, bad[i].addr, bad[i].size), bad[i].err);
	/* The first and the last pages there are */
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, 0, 4096), 0);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, UINT64_MAX - 8191, 4096), 0);
	CU_ASSERT_EQUAL(tv_unmap(c, 0, 4096), 0);
	close(fd);
	tv_close(c);
	tv_teardown();
}

static void a_part_of_a_map_is_not_unmapped(void)
{
	struct tv_client *c;
	struct nvh_cmd cmd = tv_rw(NVH_OPC_READ, 1, 0, 8, TV_IOVA + TV_DATA, 0);

	tv_setup();
	c = tv_ready();
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA, TV_PAGE), EINVAL);
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA + TV_MEM - TV_PAGE, TV_PAGE), EINVAL);
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA, TV_MEM + TV_PAGE), EINVAL);
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA - TV_PAGE, 2 * TV_PAGE), EINVAL);
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA, 0), EINVAL);
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA, UINT64_MAX), EINVAL);
	CU_ASSERT_EQUAL(tv_exec(c, 1, &cmd), 0); /* and all of it is still there */
	CU_ASSERT_EQUAL(tv_unmap(c, TV_IOVA + TV_MEM, TV_PAGE), 0); /* never ours */
	tv_close(c);
	tv_teardown();
}

static void maps_are_limited_in_number(void)
{
	struct tv_client *c;
	unsigned int made = 0;
	int fd, err = 0;

	tv_setup();
	c = tv_open();
	fd = tv_memfd(4096, F_SEAL_SHRINK);
	while (!err && made < 10000) {
		err = tv_map(c, fd, 0, (uint64_t)made * 8192, 4096);
		made += !err;
	}
	CU_ASSERT_EQUAL(err, ENOSPC);
	CU_ASSERT_TRUE(made >= 200);
	for (unsigned int i = 0; i < made; i++)
		CU_ASSERT_EQUAL(tv_unmap(c, (uint64_t)i * 8192, 4096), 0);
	CU_ASSERT_EQUAL(tv_map(c, fd, 0, 0, 4096), 0);
	close(fd);
	tv_close(c);
	tv_teardown();
}

/* ---- many ------------------------------------------------------------------------------------ */

static void a_thousand_clients_leave_nothing(void)
{
	unsigned int fds;

	tv_setup();
	fds = tv_count_fds();
	for (unsigned int i = 0; i < 1000; i++) {
		struct tv_client *c = i % 10 ? tv_connect() : tv_ready();

		if (i % 10 == 1)
			tv_version(c);
		if (i % 10 == 2)
			tv_put(c, "garbage, and more than a header of it", 37);
		tv_close(c);
	}
	CU_ASSERT_EQUAL(tv_count_fds(), fds);
	CU_ASSERT_TRUE(nvhi_list_empty(&tv.ss->ctrlrs));
	tv_assert_alive();
	tv_teardown();
}

/* Whether the reactor would go round and round. */
static bool is_busy(void)
{
	struct pollfd pfd = {.fd = nvhi_reactor_fd(tv.reactor), .events = POLLIN};

	tv_run();
	return poll(&pfd, 1, 0) > 0;
}

static void a_target_without_descriptors_neither_spins_nor_stays_deaf(void)
{
	struct rlimit limit, small;
	struct tv_client *c;
	int next;

	tv_setup();
	CU_ASSERT_FALSE(is_busy());
	getrlimit(RLIMIT_NOFILE, &limit);
	small = limit;
	next = dup(0);
	close(next);
	small.rlim_cur = (rlim_t)next + 1; /* room for a client's socket, not for ours of it */
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &small), 0);
	c = tv_connect();
	CU_ASSERT_FALSE(is_busy());
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
	tv_advance_ms(2000);
	CU_ASSERT_EQUAL(tv_version(c), 0);
	tv_close(c);
	/* With room for the socket, but not for the page of doorbells, the client is turned away.
	 */
	small.rlim_cur = (rlim_t)next + 2;
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &small), 0);
	c = tv_connect();
	CU_ASSERT_TRUE(tv_is_gone(c));
	CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
	tv_close(c);
	tv_assert_alive();
	tv_teardown();
}

NVH_UNIT_MAIN("target-lite/vfio-user/conn", NVH_TEST(a_version_that_is_garbage_does_no_harm),
	      NVH_TEST(nothing_is_said_before_version),
	      NVH_TEST(a_client_that_says_nothing_is_dropped),
	      NVH_TEST(messages_of_every_command_and_length_are_survived),
	      NVH_TEST(sizes_and_types_that_cannot_be_end_the_connection),
	      NVH_TEST(messages_may_come_in_pieces_and_many_at_once),
	      NVH_TEST(a_client_that_does_not_read_is_dropped),
	      NVH_TEST(no_reply_is_made_where_none_is_wanted),
	      NVH_TEST(questions_about_regions_and_interrupts_are_checked),
	      NVH_TEST(only_memory_that_cannot_go_away_is_mapped),
	      NVH_TEST(maps_that_cannot_be_are_refused), NVH_TEST(a_part_of_a_map_is_not_unmapped),
	      NVH_TEST(maps_are_limited_in_number), NVH_TEST(a_thousand_clients_leave_nothing),
	      NVH_TEST(a_target_without_descriptors_neither_spins_nor_stays_deaf))
