/*
 * A device and a controller made of arrays: NVMe/RDMA queue pairs of the host under test on a real
 * reactor (descriptors are eventfds, the clock is set by hand), over a table of verbs whose other
 * side the test holds. The device checks what hardware would punish: work requests beyond the size
 * of a queue, completions beyond a CQ's, capsules out of memory that is not registered, windows
 * bound or invalidated twice, objects destroyed while others need them, and at the end that nothing
 * is left. One thread.
 */
#ifndef TESTS_UNIT_RDMA_FIXTURE_H
#define TESTS_UNIT_RDMA_FIXTURE_H

#include "fabric/rdma/verbs.h"
#include "host/transport.h"
#include "tests/unit/reactor_fixture.h"

#define FAKE_MRS     64
#define FAKE_MWS     256
#define FAKE_WCS     4096
#define FAKE_EVENTS  16
#define FAKE_SENDS   2048
#define FAKE_CAPSULE 16384

struct fake_mr {
	struct ibv_mr mr;
	bool used;
	int access;
	int windows; /* bound in it */
};

struct fake_mw {
	struct ibv_mw mw;
	bool used, bound;
	uint32_t rkey; /* the device's idea of it */
	struct fake_mr *in;
	uint64_t addr, len;
	int access;
};

/* A command that the host sent. */
struct fake_capsule {
	uint32_t len; /* data behind the command */
	struct nvh_cmd cmd;
	uint8_t data[FAKE_CAPSULE];
};

struct fake_rdma {
	struct nvhi_verbs verbs;
	/* how the device is */
	struct ibv_device device;
	struct ibv_context context;
	struct ibv_device_attr attr;
	enum ibv_port_state port;
	uint32_t max_inline;
	bool rxe_flags;    /* says invalidations with the kernel's bit */
	bool hold_sends;   /* send completions wait for rdev_sent */
	bool gone;         /* it was removed: nothing is taken back any more */
	uint32_t mw_limit; /* windows there are */
	size_t pin_limit;  /* bytes that may be registered; 0: any */
	int reg_error;     /* errno of a registration beyond it */
	int channel_error, resolve_error, route_error, qp_error, inline_error, cq_error,
		connect_error, post_error, arm_error; /* errno of the next such call */
	struct fake_capsule *respond_when_armed;      /* just before the CQ is armed it completes */
	/* what there is */
	struct rdma_event_channel channel;
	bool channel_open;
	struct rdma_cm_id id;
	bool id_open, connected, listed;
	struct rdma_cm_event events[FAKE_EVENTS];
	uint8_t private_data[FAKE_EVENTS][256];
	unsigned int event_head, event_tail, unacked;
	struct ibv_pd pd;
	int pds;
	struct fake_mr mrs[FAKE_MRS];
	size_t pinned;
	struct fake_mw mws[FAKE_MWS];
	struct ibv_comp_channel comp;
	bool comp_open, armed;
	struct ibv_cq cq;
	bool cq_open;
	int cqe, cq_events, cq_acked;
	struct ibv_wc wcs[FAKE_WCS];
	uint32_t wc_entries[FAKE_WCS]; /* of the send queue, back when it is polled */
	unsigned int wc_head, wc_tail;
	struct ibv_qp qp;
	bool qp_open, error;
	struct ibv_qp_cap cap;
	struct {
		uint64_t wr_id;
		uint64_t addr;
		uint32_t len;
	} recvs[FAKE_SENDS];
	unsigned int recv_head, recv_tail;
	uint32_t sq_used;    /* entries not yet given back */
	uint32_t sq_pending; /* of them, posted since the last that reports */
	struct {
		uint64_t wr_id;
		enum ibv_wc_opcode opcode;
		uint32_t entries;
	} held[FAKE_SENDS];
	unsigned int held_head, held_tail;
	struct fake_capsule capsules[FAKE_SENDS];
	unsigned int capsule_head, capsule_tail;
	struct nvh_rdma_cm_req *request; /* the private data of the connection request */
	struct rdma_conn_param param;
	uint8_t request_data[64];
	int tos;
	struct sockaddr_storage resolved_from, resolved_to;
	bool from_any;
	unsigned int send_posts, recv_posts, polls, arms, sweeps;
	unsigned int binds, local_invs, inlined, sq_peak;
};
extern struct fake_rdma rdev;

/* Fresh, and the table in force; rdma_done checks that nothing is left. */
void rdev_rdma_init(void);
void rdev_rdma_done(void);

/* ---- the peer ---- */
/* An event of the connection; private data is copied. */
void rdev_event(enum rdma_cm_event_type type, int status, const void *private_data, uint8_t len);
/* The acceptance with CRQSIZE. */
void rdev_accept(uint16_t crqsize);
/* The oldest command not yet looked at; NULL: none. */
struct fake_capsule *rdev_command(void);
/* A completion of `len` bytes arrives; rkey: invalidated with it, 0: none. */
void rdev_response_raw(const void *data, uint32_t len, uint32_t rkey);
/* The command's completion, with `dw0` and status; as the controller has consumed it. */
void rdev_respond(const struct fake_capsule *capsule, uint16_t status, uint64_t dw0,
		  bool invalidate);
/* The controller's RDMA WRITE and READ by the command's keyed descriptor; false: the device
 * refused, and the queue pair is in error. */
bool rdev_write(const struct fake_capsule *capsule, uint32_t offset, const void *data,
		uint32_t len);
bool rdev_read(const struct fake_capsule *capsule, uint32_t offset, void *data, uint32_t len);
bool rdev_key_open(uint32_t rkey);
/* Held send completions, `count` of them, report now. */
void rdev_sent(unsigned int count);
/* The queue pair breaks: outstanding work comes back flushed, the first with `status`. */
void rdev_break(enum ibv_wc_status status);

/* ---- a queue pair of the host ---- */

struct rdma_req {
	struct nvhi_req req;
	struct iovec iov[32];
	int done; /* calls */
	int err;
	struct nvh_cpl cpl;
	void (*then)(struct rdma_req *rreq); /* called from done() */
};

struct rdma_rq {
	struct nvhi_tctrlr *tctrlr;
	struct nvhi_qpair *qpair;
	int connected, lost, revoked;
	int connected_err, lost_err;
	bool connected_cpl;
	char why[256];
	bool revoke_when_lost;
	uint16_t sqhd;
	uint64_t clock_step; /* ns that pass at each look at the clock */
	int log_lines;
	char log[512];
};
extern struct rdma_rq rq;

struct rq_opts {
	uint16_t qid, entries; /* entries 0: 32 */
	bool disable_sqflow;
	int tos; /* 0: none */
	const char *host_traddr, *host_iface;
	uint32_t ioccsz;
};

/* rdev_rdma_init, a reactor, a controller and a queue pair that has not connected. */
void rq_create(const struct rq_opts *opts);
/* Another queue pair of the same kind, after the last was destroyed. */
int rq_another(const struct rq_opts *opts);
/* Revokes where needed, destroys, and checks that everything was given back. */
void rq_destroy(void);
/* Turns the reactor until nothing happens. */
void rq_run(void);
/* Lets time pass. */
void rq_pass(uint64_t ms);
/* connect, accepted, Connect answered: live. */
void rq_live(const struct rq_opts *opts);
/* The way to there from a queue pair made. */
void rq_come_alive(void);

/* A request with one piece of memory (or none), not submitted. */
void rq_req(struct rdma_req *rreq, uint8_t opc, enum nvhi_dir dir, void *buf, uint32_t len);
void rq_submit(struct rdma_req *rreq);

#endif
