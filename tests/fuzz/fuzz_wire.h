/*
 * A network of byte streams for fuzz targets that drive whole NVMe/TCP queues: the target plays the
 * peer, bytes come and go in the pieces it chooses, and the clock moves when it says so.
 * One thread; a simulated reactor.
 */
#ifndef TESTS_FUZZ_FUZZ_WIRE_H
#define TESTS_FUZZ_FUZZ_WIRE_H

#include "base/stream.h"

#define FUZZ_WIRE_SIZE (1u << 20)

struct fuzz_wire {
	struct nvhi_stream stream;
	struct nvhi_poller poller;
	uint8_t *in; /* towards the one under test */
	size_t in_len, in_at;
	size_t step;  /* most bytes a read returns */
	uint8_t *out; /* from the one under test */
	size_t out_len, out_at;
	size_t room; /* bytes it may still write */
	bool open_due, opened, closed, eof;
	unsigned int wanted;
};

/* The reactor all of it runs on, with a clock of its own; made at the first call. */
struct nvh_reactor *fuzz_reactor(void);

/* The network: a connect through it opens the wire initialized last. */
struct nvhi_net *fuzz_net(void);

void fuzz_wire_init(struct fuzz_wire *wire);
/* The wire comes in at the (one) listener of the network. */
void fuzz_wire_accept(struct fuzz_wire *wire);
/* The one under test has closed its stream (or never opened one). */
void fuzz_wire_fini(struct fuzz_wire *wire);
void fuzz_wire_put(struct fuzz_wire *wire, const void *bytes, size_t len);
/* The next whole PDU that the one under test sent, NULL when there is none. */
const uint8_t *fuzz_wire_next(struct fuzz_wire *wire, uint32_t *ret_plen);

/* Turns the reactor until nothing happens; a livelock aborts. */
void fuzz_run(void);
/* Lets time pass: timers fire in order. */
void fuzz_pass(uint64_t ms);

#endif
