/*
 * Reservations of a namespace: who is registered, who holds it, and what others may still do.
 * Changed on the management reactor while every poll group is paused; read on the I/O path.
 */
#ifndef TL_CORE_RESERVATION_H
#define TL_CORE_RESERVATION_H

#include <stdint.h>

#include "base/list.h"

struct tl_request;
struct tl_ns;
struct tl_ctrlr;

struct tl_registrant {
	uint8_t hostid[16];
	uint64_t key;
	struct nvhi_list link;
};

struct tl_reservation {
	uint8_t rtype; /* enum nvh_rtype; 0: none is held */
	uint32_t generation;
	struct tl_registrant *holder; /* NULL with the types that all registrants hold */
	struct nvhi_list registrants; /* struct tl_registrant */
	uint32_t count;
};

void tl_resv_init(struct tl_reservation *resv);
void tl_resv_done(struct tl_reservation *resv);
/* Whether a reservation stands in this command's way; 0 or a status. Only asked when rtype is set.
 */
unsigned int tl_resv_check(const struct tl_ns *ns, const struct tl_ctrlr *ctrlr, uint8_t opc);
/* Register, Acquire, Release, Report. */
void tl_resv_exec(struct tl_request *req);

#endif
