/*
 * A host made of bytes against the target's real NVMe/TCP transport and core: a simulated reactor
 * with a clock set by hand, and streams whose other end the test holds. What the host sends is
 * written here by hand and what it sees is parsed by hand. One thread.
 */
#ifndef TESTS_UNIT_TARGET_TCP_FIXTURE_H
#define TESTS_UNIT_TARGET_TCP_FIXTURE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme.h"
#include "base/spec/nvme_tcp.h"
#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "base/stream.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/tcp/tcp.h"
#include "tests/unit/nvh_cunit.h"

#define TTH_NQN  "nqn.2026-01.io.nvhost:tcp-test"
#define TTH_HOST "nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-00000000000a"

/* A connection, as the network has it. */
struct wire {
	struct nvhi_stream stream;
	unsigned int wanted;
	bool closed, eof;
	uint8_t *in, *out; /* to the target, from it */
	size_t in_len, in_at, out_len, out_at;
	size_t step; /* most bytes a readv gives */
	size_t room; /* bytes the target may still write */
};

struct tth {
	struct nvhi_net net;
	struct nvh_reactor *reactor;
	struct tl_target *target;
	struct nvhi_listener listener;
	uint64_t now;
	int done;
	uint16_t cid;
};
extern struct tth tth;

extern struct wire *tth_admin; /* the admin queue of tth_ready_io */

/* Until nobody has anything to do. */
void tth_run(void);
void tth_advance_ms(uint64_t ms);
void tth_setup_with(const struct tl_transport_opts *opts);
/* A target that serves TTH_NQN with 4,096 blocks of memory. */
void tth_setup(void);
/* Asserts that the target ends. */
void tth_teardown(void);
/* A new connection, accepted. */
struct wire *tth_connect_wire(void);
/* Breaks it if it stands; asserts that the target closed it. */
void tth_free_wire(struct wire *w);
/* Everything put so far reaches the target, as far as it wants it. */
void tth_pump(struct wire *w);
void tth_put(struct wire *w, const void *data, size_t len);
/* Bytes from the target not taken yet, and the next `len` of them. */
size_t tth_pending(const struct wire *w);
const void *tth_take(struct wire *w, size_t len);
void tth_put_icreq(struct wire *w, uint8_t hpda, uint8_t dgst, uint32_t maxr2t);
void tth_handshake(struct wire *w, uint8_t hpda, uint8_t dgst, uint32_t maxr2t);
/* hlen counts the common header, `rest` is what follows it. */
void tth_put_pdu(struct wire *w, uint8_t type, uint8_t flags, const void *rest, uint8_t hlen,
		 const void *data, uint32_t data_len);
struct nvh_cmd tth_command(uint8_t opc, uint32_t nsid, uint8_t sgl, uint32_t len);
struct nvh_cmd tth_rw(uint8_t opc, uint8_t sgl, uint64_t lba, uint32_t blocks);
void tth_put_cmd(struct wire *w, const struct nvh_cmd *cmd, const void *icd, uint32_t len);
void tth_put_connect(struct wire *w, uint16_t qid, uint16_t cntlid, uint16_t sqsize, uint8_t cattr);
/* The response capsule that must be next, without digests; its status. */
unsigned int tth_response(struct wire *w, struct nvh_cpl *ret_cpl);
struct wire *tth_open_admin(uint16_t *ret_cntlid);
struct wire *tth_open_io(uint16_t cntlid, uint8_t cattr, uint32_t maxr2t);
/* An admin and an I/O queue; tth_done_io ends both and the target. */
struct wire *tth_ready_io(uint8_t cattr, uint32_t maxr2t);
void tth_done_io(struct wire *io);
/* On the heap. */
uint8_t *tth_pattern(uint32_t len, uint8_t seed);
/* The C2HData that must be next; its payload. */
const uint8_t *tth_c2h_data(struct wire *w, uint32_t len, uint8_t flags);
/* A TermReq must come, and the end 300 ms later. */
void tth_expect_term(struct wire *w, uint8_t fes, uint32_t fei);
/* The R2T that must be next; its TTAG. */
uint16_t tth_take_r2t(struct wire *w, const struct nvh_cmd *cmd, uint32_t offset, uint32_t len);
void tth_put_h2c(struct wire *w, const struct nvh_cmd *cmd, uint16_t ttag, const uint8_t *data,
		 uint32_t offset, uint32_t len, bool last);

#endif
