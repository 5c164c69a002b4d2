/*
 * The gate that attempts to connect pass: so many at once and so many a second to one target address,
 * and so many of the whole host. A target that restarts under many controllers, or a machine that
 * starts with many of them, makes no storm. One gate a host; everything on its home reactor, in its
 * time.
 */
#ifndef NVHI_HOST_CTRLR_GATE_H
#define NVHI_HOST_CTRLR_GATE_H

#include "base/list.h"
#include "base/reactor.h"
#include "fabric/addr.h"

#define NVHI_GATE_TARGETS	 256u /* told apart; of more, some share their bounds */
#define NVHI_GATE_TARGET_AT_ONCE 8u
#define NVHI_GATE_TARGET_RATE	 50u /* attempts a second, after a burst of as many as at once */
#define NVHI_GATE_HOST_AT_ONCE	 32u
#define NVHI_GATE_HOST_RATE	 200u

/* How much may pass: at most `at_once` under way, and a generic cell rate. */
struct nvhi_gate_limit {
	uint32_t at_once, inside;
	uint64_t every_ns; /* between two in the long run */
	uint64_t due_ns;   /* when the next one would be, at that rate */
};

struct nvhi_gate_pass;
typedef void (*nvhi_gate_fn)(struct nvhi_gate_pass *pass);

struct nvhi_gate_target {
	uint64_t key;	/* made of transport and address */
	uint32_t users; /* that wait or are inside */
	struct nvhi_gate_limit limit;
};

/* Embedded in who wants to pass; zeroed before first use. */
struct nvhi_gate_pass {
	nvhi_gate_fn fn; /* its turn has come: it is inside. Called from a timer or another's leave */
	struct nvhi_gate *gate; /* it waits or is inside; NULL: neither */
	struct nvhi_gate_target *target;
	bool inside;
	struct nvhi_list link; /* gate->waiting */
};

struct nvhi_gate {
	struct nvh_reactor *reactor;
	struct nvhi_gate_limit limit;
	struct nvhi_gate_target targets[NVHI_GATE_TARGETS];
	struct nvhi_list waiting; /* first come, first served; those whose target is busy are passed */
	struct nvhi_timer timer;  /* the rate lets the next one through */
	uint64_t passed;	  /* ever */
	uint32_t most_inside;
};

void nvhi_gate_init(struct nvhi_gate *gate, struct nvh_reactor *reactor);
/* Nobody waits and nobody is inside. */
void nvhi_gate_fini(struct nvhi_gate *gate);
/* True: inside, go on. False: it waits, and fn follows (or has come by now), unless it leaves before. `first`: before those
 * who wait already. Again while waiting or inside: nothing changes, the answer is whether inside. */
bool nvhi_gate_enter(struct nvhi_gate *gate, struct nvhi_gate_pass *pass,
		     const struct nvhi_addr *addr, bool first);
/* The attempt is over, or is not wanted any more. Any time, any number of times. */
void nvhi_gate_leave(struct nvhi_gate_pass *pass);

#endif
