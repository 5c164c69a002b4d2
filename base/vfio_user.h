/*
 * Messages of vfio-user over a Unix stream socket, for both ends: one sent whole or not at all, and
 * received as its bytes come, with the file descriptors that came beside them. Neither blocks. What a
 * message says is the caller's to check; that it has a header, and a size that fits, is checked here.
 */
#ifndef NVHI_BASE_VFIO_USER_H
#define NVHI_BASE_VFIO_USER_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/spec/vfio_user.h"

#define NVHI_VFU_PAYLOAD_MAX 8192u /* of a message either way; region accesses are small here */
#define NVHI_VFU_FDS_MAX     16u

/*
 * `header->size` is set here. 0; -ENOBUFS: the peer does not read, nothing was sent; -EPIPE,
 * -ECONNRESET...: the connection is over. Any thread: each message is one call of sendmsg, which does
 * not mix those of several.
 */
int nvhi_vfu_send(int sock, struct nvh_vfu_header *header, const struct iovec *payload,
		  unsigned int iovcnt, const int *fds, unsigned int nr_fds);

struct nvhi_vfu_rx {
	struct nvh_vfu_header header;
	_Alignas(8) uint8_t payload[NVHI_VFU_PAYLOAD_MAX];
	uint32_t have;	      /* bytes so far, the header's included */
	uint32_t payload_len; /* of a whole message */
	int fds[NVHI_VFU_FDS_MAX];
	unsigned int nr_fds;
};

void nvhi_vfu_rx_init(struct nvhi_vfu_rx *rx);
/* Takes in what has come. 1: a whole message stands in rx, until nvhi_vfu_rx_next. 0: more must come.
 * -ECONNRESET: the peer is gone; -EPROTO: no message begins like that; -EMFILE: no room for its
 * descriptors. */
int nvhi_vfu_rx_read(struct nvhi_vfu_rx *rx, int sock);
/* Through with the message: closes what descriptors were not taken. */
void nvhi_vfu_rx_next(struct nvhi_vfu_rx *rx);
/* The message's index-th descriptor, the caller's from now on. -1: there is none. */
int nvhi_vfu_rx_take_fd(struct nvhi_vfu_rx *rx, unsigned int index);

#endif
