/*
 * A controller made of bytes: an NVMe/TCP queue pair of the host under test on a simulated reactor,
 * over a stream whose both ends the test holds. What the host sent is parsed here by hand, and what
 * it receives is written here by hand, so that the codec under it is tested too. One thread.
 */
#ifndef TESTS_UNIT_TCP_FIXTURE_H
#define TESTS_UNIT_TCP_FIXTURE_H

#include "host/transport.h"
#include "tests/unit/reactor_fixture.h"

struct fake_stream {
	struct nvhi_stream stream;
	bool open_due, refuse;
	bool opened, closed, aborted;
	bool eof;
	bool eager;
	int write_error;
	unsigned int wanted;
	uint8_t *in; /* towards the host */
	size_t in_len, in_at;
	size_t step;  /* most bytes a readv returns */
	uint8_t *out; /* from the host */
	size_t out_len, out_at;
	size_t room; /* bytes the host may still write */
	unsigned int reads, writes;
};

struct fake_req {
	struct nvhi_req req;
	struct iovec iov[64];
	int done; /* calls */
	int err;
	struct nvh_cpl cpl;
	void (*then)(struct fake_req *freq); /* called from done() */
};

struct tcp_tq {
	struct nvhi_net net;
	struct fake_stream wire;
	int connect_error;                            /* what net.connect returns */
	struct nvhi_stream_connect_opts connect_opts; /* what it was given */
	unsigned int connects;
	struct nvhi_poller poller;
	struct nvhi_tctrlr *tctrlr;
	struct nvhi_qpair *qpair;
	uint8_t dgst; /* agreed */
	/* what was told */
	int connected, lost, revoked;
	int connected_err, lost_err;
	bool connected_cpl;
	char why[256];
	bool revoke_when_lost;
	/* the log, from INFO up */
	int log_lines;
	char log[512];
};
extern struct tcp_tq tq;

struct tq_opts {
	uint16_t qid;
	uint16_t entries; /* 0: 128 */
	uint8_t maxr2t;
	bool hdr_digest, data_digest, disable_sqflow;
	const char *host_traddr, *host_iface; /* NULL: any */
	int tos;                              /* 0: leave */
};

/* A queue pair that has not connected; setup of a simulated reactor included. */
void tq_create(const struct tq_opts *opts);
/* Revokes where needed, destroys, and checks that everything was given back. */
void tq_destroy(void);
/* Turns the reactor until nothing happens. */
void tq_run(void);
/* Lets time pass: timers fire in order. */
void tq_pass(uint64_t ms);
/* create, open, ICResp, Connect answered: live, and the host's bytes so far consumed. */
void tq_live(const struct tq_opts *opts);

/* ---- the controller's words ---- */
void tq_put(const void *bytes, size_t len);
void tq_put_icresp(uint8_t dgst, uint8_t cpda, uint32_t maxh2cdata);
void tq_put_cpl(uint16_t cid, uint16_t status15, uint32_t dw0, uint16_t sqhd);
void tq_put_c2h(uint16_t cid, uint32_t datao, const void *data, uint32_t len, uint8_t flags);
void tq_put_r2t(uint16_t cid, uint16_t ttag, uint32_t r2to, uint32_t r2tl);
void tq_put_term(uint16_t fes, uint32_t fei);

/* ---- the host's words ---- */
struct tq_pdu {
	uint8_t type, flags;
	const uint8_t *hdr;
	uint32_t plen;
	const uint8_t *data;
	uint32_t data_len;
};
/* The next PDU the host sent; false when there is none (whole). Lengths and digests are checked. */
bool tq_next(struct tq_pdu *pdu);
/* The next one must be a command capsule: its CID. */
uint16_t tq_next_cid(void);

/* ---- requests ---- */
void tq_read(struct fake_req *freq, void *buf, uint32_t len);
void tq_write(struct fake_req *freq, void *buf, uint32_t len);
/* Without data: Flush. */
void tq_flush(struct fake_req *freq);
/* The data in pieces of `piece` bytes. */
void tq_pieces(struct fake_req *freq, uint32_t piece);
/* submit must take it. */
void tq_submit(struct fake_req *freq);
void tq_fill(void *buf, size_t len, uint32_t seed);
bool tq_filled(const void *buf, size_t len, uint32_t seed);

static inline uint32_t tq_le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint16_t tq_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

#endif
