/*
 * vfio-user messages over a Unix socket; see vfio_user.h. A message is received in two steps, its
 * header and the rest, so that descriptors never belong to the next one.
 */
#include "base/vfio_user.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER	   ((uint32_t)sizeof(struct nvh_vfu_header))
#define PARTS_MAX 4u

union fd_space {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(NVHI_VFU_FDS_MAX * sizeof(int))];
};

/* ---- sending ------------------------------------------------------------------------------ */

int nvhi_vfu_send(int sock, struct nvh_vfu_header *header, const struct iovec *payload,
		  unsigned int iovcnt, const int *fds, unsigned int nr_fds)
{
	struct iovec iov[1 + PARTS_MAX] = {{header, HEADER}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 1 + iovcnt};
	union fd_space space;
	ssize_t n;

	assert(iovcnt <= PARTS_MAX && nr_fds <= NVHI_VFU_FDS_MAX);
	header->size = HEADER;
	for (unsigned int i = 0; i < iovcnt; i++) {
		iov[1 + i] = payload[i];
		header->size += (uint32_t)payload[i].iov_len;
	}
	assert(header->size <= HEADER + NVHI_VFU_PAYLOAD_MAX);
	if (nr_fds) {
		struct cmsghdr *cmsg;

		memset(&space, 0, sizeof(space));
		msg.msg_control = space.bytes;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nr_fds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ENOBUFS : -errno;
	/* So small a message goes whole into a socket that has room for any of it. */
	return (size_t)n == header->size ? 0 : -EPIPE;
}

/* ---- receiving ---------------------------------------------------------------------------- */

void nvhi_vfu_rx_init(struct nvhi_vfu_rx *rx)
{
	memset(&rx->header, 0, sizeof(rx->header));
	rx->have = rx->payload_len = 0;
	rx->nr_fds = 0;
}

/* More of them than there is room for, or a list that was cut: those that came are closed. */
static int rx_adopt_fds(struct nvhi_vfu_rx *rx, struct msghdr *msg)
{
	int err = msg->msg_flags & MSG_CTRUNC ? -EMFILE : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (rx->nr_fds < NVHI_VFU_FDS_MAX) {
				rx->fds[rx->nr_fds++] = fd;
			} else {
				close(fd);
				err = -EMFILE;
			}
		}
	}
	return err;
}

/* Up to `want` bytes to `where`: how many, 0 for none now. */
static int rx_some(struct nvhi_vfu_rx *rx, int sock, void *where, size_t want)
{
	union fd_space space;
	struct iovec iov = {where, want};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space.bytes,
			     .msg_controllen = sizeof(space.bytes)};
	ssize_t n;
	int err;

	do
		n = recvmsg(sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	err = rx_adopt_fds(rx, &msg);
	if (err)
		return err;
	return n > 0 ? (int)n : -ECONNRESET;
}

static int rx_check_header(struct nvhi_vfu_rx *rx)
{
	uint32_t size = rx->header.size;

	if (size < HEADER || size > HEADER + NVHI_VFU_PAYLOAD_MAX)
		return -EPROTO;
	rx->payload_len = size - HEADER;
	return 0;
}

int nvhi_vfu_rx_read(struct nvhi_vfu_rx *rx, int sock)
{
	while (rx->have < HEADER) {
		int n = rx_some(rx, sock, (char *)&rx->header + rx->have, HEADER - rx->have);

		if (n <= 0)
			return n;
		rx->have += (uint32_t)n;
		if (rx->have == HEADER) {
			int err = rx_check_header(rx);

			if (err)
				return err;
		}
	}
	while (rx->have < HEADER + rx->payload_len) {
		uint32_t at = rx->have - HEADER;
		int n = rx_some(rx, sock, rx->payload + at, rx->payload_len - at);

		if (n <= 0)
			return n;
		rx->have += (uint32_t)n;
	}
	return 1;
}

void nvhi_vfu_rx_next(struct nvhi_vfu_rx *rx)
{
	for (unsigned int i = 0; i < rx->nr_fds; i++)
		if (rx->fds[i] >= 0)
			close(rx->fds[i]);
	nvhi_vfu_rx_init(rx);
}

int nvhi_vfu_rx_take_fd(struct nvhi_vfu_rx *rx, unsigned int index)
{
	int fd;

	if (index >= rx->nr_fds)
		return -1;
	fd = rx->fds[index];
	rx->fds[index] = -1;
	return fd;
}
