/*
 * A queue's own registered memory, for data whose place in the caller's memory the device cannot
 * reach: not registered, or scattered where one key must cover it all. Grows with need up to a
 * bound; who finds no room waits for others to finish. The queue's thread.
 */
#ifndef NVHI_FABRIC_RDMA_BOUNCE_H
#define NVHI_FABRIC_RDMA_BOUNCE_H

#include "fabric/rdma/dev.h"

#define NVHI_RDMA_BOUNCE_CHUNKS 6
#define NVHI_RDMA_BOUNCE_UNIT   4096u
/* The longest piece, and so the largest transfer of a command. */
#define NVHI_RDMA_BOUNCE_MAX (1u << 20)

struct nvhi_rdma_chunk {
	uint8_t *base; /* NULL: not there */
	struct ibv_mr *mr;
	uint8_t *used; /* a byte a unit */
	uint32_t units, hint;
};

struct nvhi_rdma_bounce {
	struct nvhi_rdma_dev *dev;
	const char *name; /* for logs */
	struct nvhi_rdma_chunk chunks[NVHI_RDMA_BOUNCE_CHUNKS];
	uint32_t first; /* bytes of the first chunk */
	uint32_t out;   /* pieces lent */
	bool full_grown;
	char why[192]; /* it could not grow */
};

struct nvhi_rdma_piece {
	uint8_t *at; /* NULL: none */
	uint32_t len;
	struct nvhi_rdma_chunk *chunk;
};

/* Zeroed before. Takes no memory yet. */
void nvhi_rdma_bounce_init(struct nvhi_rdma_bounce *bounce, struct nvhi_rdma_dev *dev,
			   const char *name, uint32_t first);
/* All pieces come back, or the queue pair is destroyed. */
void nvhi_rdma_bounce_fini(struct nvhi_rdma_bounce *bounce);
/* -EAGAIN: when one of those lent comes back; -EMSGSIZE; -ENOMEM: never (`why` says it). */
int nvhi_rdma_bounce_get(struct nvhi_rdma_bounce *bounce, uint32_t len,
			 struct nvhi_rdma_piece *ret_piece);
void nvhi_rdma_bounce_put(struct nvhi_rdma_bounce *bounce, struct nvhi_rdma_piece *piece);

#endif
