/*
 * target-lite/rdma on a device made of arrays: a real reactor with a clock set by hand, and hosts
 * that the test plays. Work requests lie in their queue until trd_device() does them, so that each
 * state can be looked at. The device checks what hardware would punish: queues and completion
 * queues that overrun, READs beyond the agreed number, memory that is not registered, receive
 * queues that run dry, objects destroyed while others need them; and at the end that nothing is
 * left. One thread.
 */
#ifndef TESTS_UNIT_TARGET_RDMA_FIXTURE_H
#define TESTS_UNIT_TARGET_RDMA_FIXTURE_H

#include "base/spec/nvme.h"
#include "base/spec/nvme_rdma.h"
#include "fabric/rdma/verbs.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/rdma/rdma.h"
#include "tests/unit/reactor_fixture.h"

#define TRD_NQN    "nqn.2026-01.io.nvhost:test"
#define TRD_WRS    512
#define TRD_CONNS  8
#define TRD_EVENTS 32

/* A queue pair of the target's, and the host at its other end. */
struct trd_conn {
	struct rdma_cm_id id;
	struct ibv_qp qp;
	bool id_open, qp_open, accepted, refused, disconnected, error;
	uint16_t refusal;
	struct rdma_conn_param param; /* of the acceptance */
	struct nvh_rdma_cm_acc acc;
	struct ibv_qp_cap cap;
	struct ibv_cq *cq;
	struct ibv_srq *srq;
	struct {
		struct ibv_send_wr wr;
		struct ibv_sge sge;
		uint8_t inlined[64];
	} sq[TRD_WRS]; /* [sq_done, sq_tail) not yet done by the device */
	unsigned int sq_done, sq_tail;
	uint32_t sq_used;    /* entries whose completion was not yet taken */
	uint32_t sq_pending; /* of them, done since the last that reports */
	uint32_t reads;      /* under way */
	struct {
		uint64_t wr_id, addr;
		uint32_t len;
	} rq[TRD_WRS];
	unsigned int rq_head, rq_tail;
	/* What the host got. */
	struct nvh_cpl cpls[TRD_WRS];
	uint32_t invalidated[TRD_WRS]; /* the key, 0: none */
	unsigned int responses, taken;
	unsigned int short_responses; /* bytes that each must lack */
	uint16_t cid;
};

struct trd_cq {
	struct ibv_cq cq;
	bool open, armed;
	int size;
	struct ibv_wc wcs[2048];
	uint32_t entries[2048];
	struct trd_conn *of[2048];
	unsigned int head, tail, events, acked;
};

struct trd {
	struct nvhi_verbs verbs;
	struct ibv_device device;
	struct ibv_context context;
	struct ibv_device_attr attr;
	uint32_t max_inline;
	size_t pin_limit;
	int bind_error, post_error, qp_error; /* errno of the next such call */
	bool channel_missing;
	struct tl_target *target;
	struct tl_transport *transport;
	struct trd_conn conns[TRD_CONNS];
	unsigned int conn_count;
	struct rdma_cm_id *listener;
	struct rdma_cm_event events[TRD_EVENTS];
	uint8_t private_data[TRD_EVENTS][64];
	struct rdma_event_channel channels[4];
	int channel_count;
	unsigned int event_tail;
	struct trd_cq cqs[4];
	struct ibv_comp_channel comp;
	bool comp_open;
	struct ibv_srq srq;
	bool srq_open;
	struct {
		uint64_t wr_id, addr;
		uint32_t len;
	} srq_q[4096];
	unsigned int srq_head, srq_tail;
	struct ibv_pd pd;
	struct ibv_mr mrs[32];
	size_t pinned;
	int pds, mr_count;
	int done, err, log_lines;
	char log[512];
	unsigned int send_posts;
};
extern struct trd trd;

#define TRD_KEY 0x77u /* opens all of the host's memory */

/* A target with one subsystem and 1,024 blocks of memory, listening. The device may be changed
 * between the two. */
void trd_device_init(void);
void trd_setup(const struct tl_transport_opts *opts);
void trd_opts(struct tl_transport_opts *opts);
/* Ends the target; checks that nothing is left. */
void trd_teardown(void);
void trd_run(void);
void trd_pass(uint64_t ms);

/* A connection request with `reads` RDMA READs at a time. */
struct trd_conn *trd_request(uint16_t qid, uint16_t hrqsize, uint16_t hsqsize, uint8_t reads);
struct trd_conn *trd_request_raw(const void *data, uint8_t len, uint8_t reads);
void trd_event(struct trd_conn *conn, enum rdma_cm_event_type type);
/* The device does what was posted, `count` work requests at most; then the target runs. */
void trd_work(struct trd_conn *conn, unsigned int count);
/* The host sends a capsule; the target runs. */
void trd_send(struct trd_conn *conn, const void *capsule, uint32_t len);
/* All that was posted comes back flushed. */
void trd_break(struct trd_conn *conn);

/* A command with keyed data. */
struct nvh_cmd trd_cmd(struct trd_conn *conn, uint8_t opc, const void *data, uint32_t len);
/* The same on blocks. */
struct nvh_cmd trd_rw(struct trd_conn *conn, uint8_t opc, uint64_t lba, uint32_t blocks,
		      const void *data);
/* The next response's status (SCT << 8 | SC), 0xffff: none has come. */
unsigned int trd_status(struct trd_conn *conn);
/* Connected by Connect; I/O queues need `cntlid`. */
struct trd_conn *trd_admin(uint16_t *ret_cntlid);
struct trd_conn *trd_io(uint16_t cntlid, uint16_t qid, uint16_t entries, uint8_t reads);
unsigned int trd_connect(struct trd_conn *conn, uint16_t qid, uint16_t cntlid, uint16_t sqsize);

#endif
