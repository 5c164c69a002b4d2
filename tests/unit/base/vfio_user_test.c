/*
 * Messages of vfio-user over a socket pair: whole ones, in pieces, with sizes that cannot be, with
 * file descriptors, and a peer that leaves or does not read.
 */
#include "base/vfio_user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/nvh_cunit.h"

#define HEADER sizeof(struct nvh_vfu_header)

static int socks[2];
static struct nvhi_vfu_rx rx;
static unsigned int fds_before;

static unsigned int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void setup(void)
{
	fds_before = count_fds();
	CU_ASSERT_EQUAL_FATAL(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, socks), 0);
	nvhi_vfu_rx_init(&rx);
}

static void teardown(void)
{
	nvhi_vfu_rx_next(&rx);
	close(socks[0]);
	if (socks[1] >= 0)
		close(socks[1]);
	CU_ASSERT_EQUAL(count_fds(), fds_before);
}

/* Bytes of a message as the protocol has them, not as our sender makes them. */
static size_t message(uint8_t *bytes, uint16_t id, uint32_t size, uint8_t seed)
{
	const uint8_t header[16] = {(uint8_t)id,
				    (uint8_t)(id >> 8),
				    9,
				    0,
				    (uint8_t)size,
				    (uint8_t)(size >> 8),
				    (uint8_t)(size >> 16),
				    (uint8_t)(size >> 24),
				    0x10};

	memcpy(bytes, header, sizeof(header));
	for (uint32_t i = 16; i < size && i < 16 + NVHI_VFU_PAYLOAD_MAX; i++)
		bytes[i] = (uint8_t)(i * 3 + seed);
	return size;
}

static void put(const void *bytes, size_t len)
{
	CU_ASSERT_EQUAL(send(socks[1], bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void put_with_fds(const void *bytes, size_t len, unsigned int count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} space;
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space.bytes,
			     .msg_controllen = CMSG_SPACE(count * sizeof(int))};
	struct cmsghdr *cmsg;

	memset(&space, 0, sizeof(space));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	for (unsigned int i = 0; i < count; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &socks[1], sizeof(int));
	CU_ASSERT_EQUAL(sendmsg(socks[1], &msg, MSG_NOSIGNAL), (ssize_t)len);
}

static void check(uint16_t id, uint32_t size, uint8_t seed)
{
	CU_ASSERT_EQUAL(rx.header.msg_id, id);
	CU_ASSERT_EQUAL(rx.header.command, NVH_VFU_REGION_READ);
	CU_ASSERT_EQUAL(rx.header.size, size);
	CU_ASSERT_EQUAL(rx.header.flags, NVH_VFU_F_NO_REPLY);
	CU_ASSERT_EQUAL(rx.payload_len, size - HEADER);
	for (uint32_t i = 16; i < size; i++)
		CU_ASSERT_EQUAL_FATAL(rx.payload[i - 16], (uint8_t)(i * 3 + seed));
}

/* ---- receiving ------------------------------------------------------------------------------- */

static void messages_are_received_whatever_their_pieces(void)
{
	uint8_t bytes[200];
	size_t len = message(bytes, 0x1234, 40, 1);

	len += message(bytes + len, 0x1235, 16, 2); /* no payload */
	len += message(bytes + len, 0x1236, 99, 3);
	setup();
	for (size_t cut = 0; cut <= len; cut++) {
		unsigned int got = 0;

		for (int part = 0; part < 2; part++) {
			if (part ? len - cut : cut)
				put(part ? bytes + cut : bytes, part ? len - cut : cut);
			while (nvhi_vfu_rx_read(&rx, socks[0]) == 1) {
				check((uint16_t)(0x1234 + got),
				      got == 0   ? 40
				      : got == 1 ? 16
						 : 99,
				      (uint8_t)(got + 1));
				got++;
				nvhi_vfu_rx_next(&rx);
			}
			if (part == 0)
				CU_ASSERT_EQUAL(got, (cut >= 40) + (cut >= 56) + (cut >= 155));
		}
		CU_ASSERT_EQUAL(got, 3);
	}
	/* And byte by byte */
	for (size_t at = 0; at < 40; at++) {
		put(bytes + at, 1);
		CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), at == 39);
	}
	check(0x1234, 40, 1);
	/* A message stands until it is let go. */
	put(bytes, len);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 1);
	check(0x1234, 40, 1);
	teardown();
}

static void the_largest_message_fits_and_no_larger_one(void)
{
	static uint8_t bytes[HEADER + NVHI_VFU_PAYLOAD_MAX + 1];
	static const uint32_t bad[] = {
		0, 1, 15, HEADER + NVHI_VFU_PAYLOAD_MAX + 1, 0x7fffffff, 0x80000000, UINT32_MAX};

	setup();
	put(bytes, message(bytes, 7, HEADER + NVHI_VFU_PAYLOAD_MAX, 9));
	CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 1);
	check(7, HEADER + NVHI_VFU_PAYLOAD_MAX, 9);
	nvhi_vfu_rx_next(&rx);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		message(bytes, 7, bad[i], 9);
		put(bytes, HEADER);
		CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), -EPROTO);
		nvhi_vfu_rx_next(&rx);
	}
	teardown();
}

static void a_peer_that_leaves_is_seen_at_every_byte(void)
{
	uint8_t bytes[64];
	size_t len = message(bytes, 1, 48, 1);

	for (size_t cut = 0; cut <= len; cut++) {
		setup();
		if (cut)
			put(bytes, cut);
		close(socks[1]);
		socks[1] = -1;
		if (cut == len) {
			CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 1);
			nvhi_vfu_rx_next(&rx);
		}
		CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), -ECONNRESET);
		teardown();
	}
}

/* ---- descriptors ----------------------------------------------------------------------------- */

static void descriptors_come_with_their_message(void)
{
	uint8_t bytes[40];
	int fd;

	message(bytes, 1, 40, 1);
	setup();
	put_with_fds(bytes, 40, 2);
	put_with_fds(bytes, 40, NVHI_VFU_FDS_MAX);
	put(bytes, 40);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 1);
	CU_ASSERT_EQUAL(rx.nr_fds, 2);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_take_fd(&rx, 2), -1);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_take_fd(&rx, UINT32_MAX), -1);
	fd = nvhi_vfu_rx_take_fd(&rx, 1);
	CU_ASSERT_TRUE(fd >= 0);
	CU_ASSERT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_take_fd(&rx, 1), -1); /* it is taken */
	nvhi_vfu_rx_next(&rx);
	CU_ASSERT_EQUAL(close(fd), 0); /* ours: it was not closed */
	CU_ASSERT_EQUAL(count_fds(), fds_before + 2);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 1);
	CU_ASSERT_EQUAL(rx.nr_fds, NVHI_VFU_FDS_MAX);
	nvhi_vfu_rx_next(&rx);
	CU_ASSERT_EQUAL(count_fds(), fds_before + 2);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 1);
	CU_ASSERT_EQUAL(rx.nr_fds, 0);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_take_fd(&rx, 0), -1);
	teardown();
}

static void descriptors_may_come_with_any_byte(void)
{
	uint8_t bytes[40];

	message(bytes, 1, 40, 1);
	setup();
	for (size_t cut = 1; cut < 40; cut++) {
		put(bytes, cut);
		CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 0);
		put_with_fds(bytes + cut, 40 - cut, 3);
		CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 1);
		CU_ASSERT_EQUAL(rx.nr_fds, 3);
		nvhi_vfu_rx_next(&rx);
		CU_ASSERT_EQUAL(count_fds(), fds_before + 2);
	}
	teardown();
}

static void more_descriptors_than_fit_end_the_connection_and_none_stays(void)
{
	uint8_t bytes[40];

	message(bytes, 1, 40, 1);
	for (unsigned int count = NVHI_VFU_FDS_MAX + 1; count < 64; count += 9) {
		setup();
		put_with_fds(bytes, 40, count);
		CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), -EMFILE);
		nvhi_vfu_rx_next(&rx);
		CU_ASSERT_EQUAL(count_fds(), fds_before + 2);
		teardown();
	}
	/* Piece by piece too many */
	setup();
	for (size_t at = 0; at < 10; at++) {
		put_with_fds(bytes + at, 1, 4);
		CU_ASSERT_EQUAL_FATAL(nvhi_vfu_rx_read(&rx, socks[0]), at < 4 ? 0 : -EMFILE);
		if (at >= 4)
			break;
	}
	teardown();
}

/* ---- sending --------------------------------------------------------------------------------- */

static void a_message_is_sent_as_the_protocol_has_it(void)
{
	struct nvh_vfu_header header = {
		.msg_id = 0x0201, .command = 9, .size = 77, .flags = 0x10, .error = 0};
	struct iovec iov[2] = {{"abc", 3}, {"defgh", 5}};
	uint8_t bytes[64];

	setup();
	CU_ASSERT_EQUAL(nvhi_vfu_send(socks[1], &header, iov, 2, NULL, 0), 0);
	CU_ASSERT_EQUAL(header.size, 24);
	CU_ASSERT_EQUAL(recv(socks[0], bytes, sizeof(bytes), 0), 24);
	CU_ASSERT_EQUAL(memcmp(bytes, "\1\2\11\0\30\0\0\0\20\0\0\0\0\0\0\0abcdefgh", 24), 0);
	CU_ASSERT_EQUAL(nvhi_vfu_send(socks[1], &header, NULL, 0, &socks[0], 1), 0);
	CU_ASSERT_EQUAL(nvhi_vfu_rx_read(&rx, socks[0]), 1);
	CU_ASSERT_EQUAL(rx.nr_fds, 1);
	CU_ASSERT_EQUAL(rx.payload_len, 0);
	teardown();
}

/* Until nothing goes in any more: what arrived are whole messages. */
static void a_peer_that_does_not_read_gets_whole_messages_or_none(void)
{
	static uint8_t payload[NVHI_VFU_PAYLOAD_MAX];
	struct nvh_vfu_header header = {.command = 9};
	unsigned int sent = 0, got = 0;
	int err;

	setup();
	do {
		struct iovec iov = {payload, (sent * 523) % sizeof(payload)};

		header.msg_id = (uint16_t)sent;
		err = nvhi_vfu_send(socks[1], &header, &iov, 1, NULL, 0);
		sent += !err;
	} while (!err && sent < 100000);
	CU_ASSERT_EQUAL(err, -ENOBUFS);
	while (nvhi_vfu_rx_read(&rx, socks[0]) == 1) {
		CU_ASSERT_EQUAL(rx.header.msg_id, (uint16_t)got);
		CU_ASSERT_EQUAL(rx.payload_len, (got * 523) % sizeof(payload));
		got++;
		nvhi_vfu_rx_next(&rx);
	}
	CU_ASSERT_EQUAL(got, sent);
	close(socks[0]);
	CU_ASSERT_EQUAL(nvhi_vfu_send(socks[1], &header, NULL, 0, NULL, 0), -EPIPE);
	socks[0] = socks[1];
	socks[1] = -1;
	teardown();
}

NVH_UNIT_MAIN("base/vfio_user", NVH_TEST(messages_are_received_whatever_their_pieces),
	      NVH_TEST(the_largest_message_fits_and_no_larger_one),
	      NVH_TEST(a_peer_that_leaves_is_seen_at_every_byte),
	      NVH_TEST(descriptors_come_with_their_message),
	      NVH_TEST(descriptors_may_come_with_any_byte),
	      NVH_TEST(more_descriptors_than_fit_end_the_connection_and_none_stays),
	      NVH_TEST(a_message_is_sent_as_the_protocol_has_it),
	      NVH_TEST(a_peer_that_does_not_read_gets_whole_messages_or_none))
