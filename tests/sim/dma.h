/*
 * The second transport of the worlds, at the seams above the byte streams (host/transport.h,
 * target-lite/core): queue pairs whose target reads and writes the host's memory itself, as RDMA
 * and PCIe do. Its memory is late: until a revoke has completed, which takes a time that is drawn,
 * data of commands that are lent still arrives, also from connections that are long dead, and
 * garbage of transfers that broke. So whoever repeats or completes an I/O before its buffer is free
 * shows. dma.c: connections and messages; dma_host.c, dma_target.c: the two ends.
 */
#ifndef TESTS_SIM_DMA_H
#define TESTS_SIM_DMA_H

#include "host/transport.h"
#include "target-lite/core/target.h"
#include "tests/sim/net.h"

struct dma_host;
struct dma_target;

enum dma_what {
	DMA_CONNECT,  /* to the target: may I come? */
	DMA_ACCEPTED, /* to the host */
	DMA_REFUSED,
	DMA_COMMAND,     /* to the target */
	DMA_FETCHED,     /* to the target: the host's memory was read */
	DMA_DATA,        /* to the host's memory */
	DMA_RESPONSE,    /* to the host */
	DMA_HOST_GONE,   /* to the target */
	DMA_TARGET_GONE, /* to the host */
};

struct dma_conn {
	unsigned int link;
	uint64_t number;
	struct nvh_reactor *reactor[2]; /* by enum sim_dir: where messages of it arrive */
	struct dma_host *host;          /* NULL: its memory is out of reach */
	struct dma_target *target;
	bool broken;
	bool delivering;       /* stays until that is over */
	uint64_t last[2];      /* arrivals do not fall */
	struct nvhi_list msgs; /* struct dma_msg, as sent */
	struct nvhi_list link_all;
};

struct dma_msg {
	struct nvhi_timer timer;
	struct dma_conn *conn;
	enum dma_what what;
	enum sim_dir dir;
	uint64_t waited; /* for the end of a silence */
	uint16_t slot;
	uint16_t cid;
	struct nvh_cmd cmd;
	struct nvh_cpl cpl;
	void *treq; /* FETCHED: struct dma_treq */
	uint8_t *data;
	uint32_t len;
	struct nvhi_list link;
};

/* ---- connections ------------------------------------------------------------------------------
 */

struct dma_conn *dma_conn_new(unsigned int link, struct dma_host *host,
			      struct nvh_reactor *reactor);
/* Gone when both ends and all messages are. */
void dma_conn_check_free(struct dma_conn *conn);
struct dma_msg *dma_msg_new(struct dma_conn *conn, enum dma_what what);
/* It arrives after the link's latency, in order, when the link is not silent; `extra` ns later. */
void dma_send(struct dma_msg *msg, enum sim_dir dir, uint64_t extra);
/* The revoke mutant: garbage for this memory after a while, whoever has it then. */
void dma_haunt(struct nvh_reactor *reactor, const struct iovec *iov);
/* What is under way of these kinds (bit set) never arrives. */
void dma_drop(struct dma_conn *conn, uint32_t kinds);
/* Both ends learn of it. Data may still arrive, late. */
void dma_break(struct dma_conn *conn);

/* ---- the ends ---------------------------------------------------------------------------------
 */

void dma_host_deliver(struct dma_host *host, struct dma_msg *msg);
void dma_host_broken(struct dma_host *host);
/* Reads the memory of a command that is lent; false: it is out of reach. */
bool dma_host_fetch(struct dma_host *host, uint16_t slot, uint16_t cid, uint8_t *buf, uint32_t len);
/* A connection that may come; NULL: refused. */
struct dma_target *dma_target_accept(struct dma_conn *conn);
void dma_target_deliver(struct dma_target *target, struct dma_msg *msg);
void dma_target_broken(struct dma_target *target);
/* A FETCHED that will not come. */
void dma_target_unfetched(void *treq);

/* ---- for the worlds ---------------------------------------------------------------------------
 */

void sim_dma_init(void);
/* A connection that is left is a failure. */
void sim_dma_done(void);
int sim_dma_create(struct tl_target *target, const struct tl_transport_opts *opts);
/* Faults: every connection of the link, or one that is drawn, breaks. */
bool sim_dma_cut(unsigned int link, bool one);
/* Times that something touched the memory of a command after its connection had gone. */
extern uint64_t sim_dma_late;

#endif
