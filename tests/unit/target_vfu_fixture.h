/*
 * A vfio-user client made of bytes against the target's real transport and core, over a real socket
 * in a folder of its own, with a clock set by hand. What the client sends and what its memory holds
 * is written here by hand and may be anything. One thread.
 */
#ifndef TESTS_UNIT_TARGET_VFU_FIXTURE_H
#define TESTS_UNIT_TARGET_VFU_FIXTURE_H

#include "base/spec/nvme.h"
#include "base/spec/regs.h"
#include "base/vfio_user.h"
#include "target-lite/core/target.h"
#include "tests/unit/nvh_cunit.h"

#define TV_NQN    "nqn.2026-01.io.nvhost:vfu-test"
#define TV_BLOCKS 4096u
#define TV_PAGE   4096u
#define TV_MEM    (4u << 20) /* the client's memory, at TV_IOVA */
#define TV_IOVA   0x100000000ull

/* Where things are in the client's memory. */
#define TV_ASQ   0x0000u
#define TV_ACQ   0x1000u
#define TV_SQ(q) (0x2000u + (q)*0x2000u)
#define TV_CQ(q) (0x3000u + (q)*0x2000u)
#define TV_LIST  0x80000u  /* PRP lists */
#define TV_DATA  0x100000u /* data */

struct tv {
	struct nvh_reactor *reactor;
	struct tl_target *target;
	struct tl_subsystem *ss;
	struct tl_transport *transport;
	struct tl_bdev *error; /* below namespace 2 */
	char dir[64], path[80];
	uint64_t now;
	int done;
};
extern struct tv tv;

struct tv_queue {
	uint32_t entries, tail, head;
	uint8_t phase;
};

struct tv_client {
	int sock;
	int mem_fd, db_fd; /* db_fd: as the target sent it */
	uint8_t *mem;
	uint32_t *db; /* the page of doorbells; NULL before tv_bar0 */
	uint16_t msg_id, cid;
	struct tv_queue sqs[8], cqs[8];
	/* The reply that came last. */
	struct nvh_vfu_header header;
	uint8_t reply[NVHI_VFU_PAYLOAD_MAX];
	uint32_t reply_len;
	int reply_fd; /* closed by the next message; -1 */
};

/* ---- the target ---- */

/* Serves TV_NQN: namespace 1 in memory, namespace 2 the same behind a bdev of errors. */
void tv_setup_with(const struct tl_transport_opts *opts);
void tv_setup(void);
/* Asserts that the target ends and that no descriptor is left. */
void tv_teardown(void);
/* Until nobody has anything to do. */
void tv_run(void);
void tv_advance_ms(uint64_t ms);
unsigned int tv_count_fds(void);
/* Commands of namespace 2 of this kind are held, until tv_resume. */
void tv_hold_io(int bdev_op);
void tv_resume(void);

/* ---- messages ---- */

/* Connected, not a word said. */
struct tv_client *tv_connect(void);
/* The same, after VERSION, with memory mapped and doorbells. */
struct tv_client *tv_open(void);
void tv_close(struct tv_client *c);
/* Whether the target hung up. */
bool tv_is_gone(struct tv_client *c);
void tv_put(struct tv_client *c, const void *bytes, size_t len);
void tv_send(struct tv_client *c, uint16_t command, uint32_t flags, const void *payload, size_t len,
	     const int *fds, unsigned int nr_fds);
/* Takes the next reply. false: there is none. */
bool tv_reply(struct tv_client *c);
/* A command and its reply: 0 or the errno in it; -1: none came, -2: hung up. */
int tv_ask(struct tv_client *c, uint16_t command, const void *payload, size_t len, const int *fds,
	   unsigned int nr_fds);
int tv_version(struct tv_client *c);
int tv_map(struct tv_client *c, int fd, uint64_t offset, uint64_t iova, uint64_t size);
int tv_unmap(struct tv_client *c, uint64_t iova, uint64_t size);
void tv_put_unmap(struct tv_client *c, uint64_t iova, uint64_t size);
/* A memfd of that size, sealed with `seals`. */
int tv_memfd(uint64_t size, unsigned int seals);
int tv_region(struct tv_client *c, bool write, uint32_t region, uint64_t offset, void *data,
	      uint32_t count);
uint64_t tv_read(struct tv_client *c, uint32_t offset, uint32_t count);
int tv_write(struct tv_client *c, uint32_t offset, uint64_t value, uint32_t count);

/* ---- the controller ---- */

#define TV_CC (NVH_CC_EN | 6u << NVH_CC_IOSQES_SHIFT | 4u << NVH_CC_IOCQES_SHIFT)
/* Admin queues of 16 entries; asserts that it becomes ready. */
void tv_enable(struct tv_client *c);
uint32_t tv_csts(struct tv_client *c);
struct nvh_cmd tv_cmd(uint8_t opc, uint32_t nsid);
/* Puts it down; tv_ring tells. Its CID. */
uint16_t tv_put_cmd(struct tv_client *c, uint16_t q, struct nvh_cmd *cmd);
void tv_ring(struct tv_client *c, uint16_t q);
/* The completion that is next in this queue, which must be there. false: none. */
bool tv_cpl(struct tv_client *c, uint16_t q, struct nvh_cpl *ret_cpl);
/* A command alone, until its completion: the status; -1: none came. */
int tv_exec(struct tv_client *c, uint16_t q, struct nvh_cmd *cmd);
int tv_create_cq(struct tv_client *c, uint16_t q, uint32_t entries, uint64_t iova, uint32_t flags);
int tv_create_sq(struct tv_client *c, uint16_t q, uint32_t entries, uint64_t iova, uint16_t cq);
int tv_delete(struct tv_client *c, uint8_t opc, uint16_t q);
/* A pair of queues at their places. */
void tv_create_queue(struct tv_client *c, uint16_t q, uint32_t entries);
/* A client with an enabled controller and queue 1 of 16 entries. */
struct tv_client *tv_ready(void);
struct nvh_cmd tv_rw(uint8_t opc, uint32_t nsid, uint64_t lba, uint32_t blocks, uint64_t prp1,
		     uint64_t prp2);
void tv_put64(struct tv_client *c, uint32_t at, uint64_t value);
/* It still serves: a command of a new client succeeds. */
void tv_assert_alive(void);

#endif
