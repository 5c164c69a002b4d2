/*
 * The target's core without a network: one or two poll groups on simulated reactors with a clock
 * set by hand, and a transport that hands commands in and keeps what comes back. One thread.
 */
#ifndef TESTS_UNIT_TARGET_FIXTURE_H
#define TESTS_UNIT_TARGET_FIXTURE_H

#include "base/spec/nvme.h"
#include "target-lite/core/ctrlr.h"
#include "target-lite/core/request.h"
#include "target-lite/core/subsystem.h"
#include "tests/unit/nvh_cunit.h"

#define TT_NQN  "nqn.2026-01.io.nvhost:test"
#define TT_HOST "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-00000000000a"
#define TT_DATA (128u << 10)

struct tt_qpair {
	struct tl_qpair qpair;
	bool disconnected; /* the core asked for it */
	bool released;
	uint32_t entries;
};

struct tt_cmd {
	struct tl_request req;
	bool done;
	bool keep; /* not ended by the fixture: its namespace stays in use */
	struct nvh_cpl cpl;
	uint32_t data_len;
	uint8_t *data; /* TT_DATA bytes */
};

struct tt {
	struct tl_target *target;
	struct nvh_reactor *reactors[2];
	uint32_t count;
	uint64_t now;
	struct tl_transport transport;
	int listens;      /* addresses listened on now */
	int listen_error; /* what listen returns */
	int connected_error;
	int done; /* tl_done_fn calls, and the last one's error */
	int err;
};
extern struct tt tt;

/* A target with one transport and an active subsystem TT_NQN with one listener, and a malloc
 * namespace 1 of 1,024 blocks of 512 bytes ("M0"). `groups`: 1 or 2. */
void tt_setup(uint32_t groups);
/* Stops the target; asserts that everything is released. */
void tt_teardown(void);
/* Until nobody has anything to do. */
void tt_run(void);
void tt_advance_ms(uint64_t ms);
void tt_done(void *arg, int err);
extern const struct tl_listen_addr tt_addr;
struct tl_subsystem *tt_subsystem(void);

/* A connection that came to tt_addr, on this poll group. */
struct tt_qpair *tt_open(uint32_t group);
/* The connection breaks. */
void tt_break(struct tt_qpair *qp);
/* Frees it; asserts that the core has given it back. */
void tt_free(struct tt_qpair *qp);

struct tt_connect {
	const char *nqn, *host;
	uint16_t qid, cntlid, sqsize;
	uint32_t kato;
	uint8_t cattr;
	uint8_t hostid;
};
#define TT_CONNECT_DEFAULT                                                                         \
	{                                                                                          \
		.nqn = TT_NQN, .host = TT_HOST, .cntlid = 0xffff, .sqsize = 31, .hostid = 1        \
	}
/* Its status (SCT << 8 | SC), with *ret_dw0 (may be NULL). */
unsigned int tt_connect(struct tt_qpair *qp, const struct tt_connect *opts, uint32_t *ret_dw0);
/* Connected and enabled; asserts. */
struct tt_qpair *tt_admin(uint32_t group, const char *nqn, uint32_t kato);
struct tt_qpair *tt_io(uint32_t group, const struct tt_qpair *admin, uint16_t qid);

/* A command with nothing set but its opcode; tt_cmd_free. */
struct tt_cmd *tt_cmd(uint8_t opc, uint32_t nsid);
void tt_cmd_data(struct tt_cmd *cmd, uint32_t len); /* what the SGL says */
void tt_cmd_dw(struct tt_cmd *cmd, unsigned int dw, uint32_t value);
void tt_cmd_rw(struct tt_cmd *cmd, uint64_t lba, uint32_t blocks);
void tt_cmd_free(struct tt_cmd *cmd);
/* Hands it in and runs; cmd->done tells. */
void tt_exec(struct tt_qpair *qp, struct tt_cmd *cmd);
/* The same and its status (SCT << 8 | SC); asserts that it is done. */
unsigned int tt_status(struct tt_qpair *qp, struct tt_cmd *cmd);
uint32_t tt_dw0(const struct tt_cmd *cmd);

unsigned int tt_prop_set(struct tt_qpair *qp, uint32_t offset, uint64_t value);
uint64_t tt_prop_get(struct tt_qpair *qp, uint32_t offset, bool wide);
/* Get Log Page of `len` bytes into cmd->data. */
struct tt_cmd *tt_log(struct tt_qpair *qp, uint8_t lid, uint64_t offset, uint32_t len);

#endif
