/*
 * A host connected through the public API to the controller in memory, and a load for it.
 */
#ifndef TESTS_PCIE_SOFT_FIXTURE_H
#define TESTS_PCIE_SOFT_FIXTURE_H

#include <nvhost/nvhost.h>

#include "tests/pcie/soft.h"
#include "tests/unit/nvh_cunit.h"

#define WAIT_MS 20000
#define LOAD    64

extern struct soft *soft;
extern struct nvh_reactor *reactor;
extern struct nvh_host *host;
extern struct nvh_ctrlr *ctrlr;
extern struct nvh_channel *channel;
extern char message[512];
extern struct nvh_connect_opts connect_opts;

/* A controller that is not connected to yet: set it up, then soft_connect. Options are those of
 * `connect_opts`, with the NQN given, one attempt, and short deadlines. */
void soft_begin(void);
int soft_connect(void);
/* Connects and opens a channel; fatal when that fails. */
void soft_connect_good(void);
/* Disconnects; all memory must have been given back. */
void soft_end(void);
bool soft_state_is(const char *state);

/* Reads or writes of 4 KiB each, all at once, of DMA memory. */
struct load {
	struct nvh_io *ios[LOAD];
	struct iovec iov[LOAD];
	uint8_t *data;
	unsigned int done, failed;
};
void load_init(struct load *load);
void load_fini(struct load *load);
void load_submit(struct load *load, uint8_t op);
bool load_over(const struct load *load);
/* Memory that the device reaches, filled with what `seed` makes. */
uint8_t *soft_memory(size_t size, unsigned int seed);
void soft_memory_free(uint8_t *memory, size_t size);

#endif
