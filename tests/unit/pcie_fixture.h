/*
 * A PCIe controller for tests of the driver, which does what the test tells it and nothing by
 * itself but to become ready: commands are taken, and completions put down, by hand. With it a
 * controller on a reactor of virtual time, and what its queues were told. One thread.
 */
#ifndef TESTS_UNIT_PCIE_FIXTURE_H
#define TESTS_UNIT_PCIE_FIXTURE_H

#include "pcie/pcie.h"
#include "tests/unit/reactor_fixture.h"

#define FAKE_QUEUES 3

struct fake_queue {
	const uint8_t *sq;
	uint8_t *cq;
	uint32_t size, tail, head, cq_tail;
	uint8_t phase;
	unsigned long doorbells, cq_doorbells;
};

struct fake_pcie {
	struct nvhi_pcie_bus bus;
	uint32_t regs[16];
	bool gone;     /* reads as all ones */
	bool stuck;    /* stays ready after CC.EN = 0 */
	bool cfs;      /* controller fatal status */
	bool master;   /* bus mastering */
	bool sees_all; /* the application's memory needs no bounce buffer */
	bool closed;
	size_t allocated;
	struct fake_queue queues[FAKE_QUEUES];
};

struct fake_told {
	int connected, lost, revoked; /* how often */
	int connected_err, lost_err;
	struct nvh_cpl cpl;
	bool has_cpl;
};

extern struct fake_pcie fake;
extern struct nvhi_tctrlr *tctrlr;
extern struct nvhi_qpair *admin;
extern struct fake_told admin_told, io_told;
extern const struct nvhi_qpair_events admin_events, io_events;

/* A controller that is not connected; and with its admin queue live and CC.EN set. */
void pcie_setup(void);
void pcie_setup_live(void);
/* An I/O queue (1), its Create commands answered. */
struct nvhi_qpair *pcie_io_queue(uint16_t entries);
/* Revokes and destroys what is there. */
void pcie_teardown(void);
/* Virtual time goes by in steps of a millisecond. */
void pcie_run(uint32_t ms);

/* The device's next command on the queue; false: none that a doorbell told of. */
bool fake_take(uint16_t qid, struct nvh_cmd *ret_cmd);
/* The device puts down a completion. */
void fake_post(uint16_t qid, uint16_t cid, uint16_t sqid, uint16_t sqhd, uint16_t status);
/* The same as it should be, with the queue's own SQID and SQHD. */
void fake_answer(uint16_t qid, uint16_t cid, uint16_t status);
/* Answers the Create and Delete commands that were sent. How many. */
int fake_serve(void);

/* The driver, on a bus made of arrays. */
extern const struct nvhi_transport pcie_table;

#endif
