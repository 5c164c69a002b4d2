/*
 * Golden streams: bytes written by hand from the specification, with what a receiver must make of
 * them. A file is text: `#` comments, hexadecimal bytes ("00*8" repeats one), and directives:
 *
 *	! role host|ctrlr		who receives
 *	! hdgst|ddgst|ic_done 0|1	what was agreed before
 *	! hpda|cpda|maxh2cdata|max_icd N
 *	! expect header TYPE BYTES	a header with so much payload
 *	! expect data | bad-digest	how that payload ends
 *	! expect error FES FEI FIELD	the end (an underscore in FIELD is a space)
 *	! payload BYTES...		all payloads, one after the other
 */
#ifndef TESTS_UNIT_GOLDEN_H
#define TESTS_UNIT_GOLDEN_H

#include "fabric/tcp/pdu.h"

#define GOLDEN_MAX_BYTES  8192
#define GOLDEN_MAX_EVENTS 32

struct golden_event {
	enum nvhi_pdu_event event;
	char name[32]; /* PDU type of a header, field of an error */
	uint32_t data_len;
	uint32_t fes;
	uint32_t fei;
};

struct golden {
	char path[256];
	struct nvhi_pdu_params params;
	uint8_t bytes[GOLDEN_MAX_BYTES];
	size_t len;
	uint8_t payload[GOLDEN_MAX_BYTES];
	size_t payload_len;
	struct golden_event events[GOLDEN_MAX_EVENTS];
	unsigned int num_events;
};

/* Reads tests/golden/<name>; ends the program with a message when it is missing or malformed. */
void golden_load(struct golden *golden, const char *name);
/* Calls fn for each *.hex file of tests/golden/<dir>, in order; returns how many there were. */
unsigned int golden_each(const char *dir, void (*fn)(const struct golden *golden));

#endif
