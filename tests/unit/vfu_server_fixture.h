/*
 * A vfio-user server played by hand, which answers as it should until the test tells it otherwise,
 * and the real client on a bus of its own; time goes by as the test says. One thread.
 */
#ifndef TESTS_UNIT_VFU_SERVER_FIXTURE_H
#define TESTS_UNIT_VFU_SERVER_FIXTURE_H

#include "pcie/vfio-user/impl.h"
#include "tests/unit/nvh_cunit.h"

#define VS_CAP        (0x14010fffull | 1ull << 37)
#define VS_BAR_SIZE   0x10000u
#define VS_TIMEOUT_MS 500u
#define VS_QUESTIONS  7u /* VERSION, info, region, CAP, VS, CC, CSTS: without memory */
#define VS_NEVER      UINT32_MAX

/* What GET_REGION_INFO says. */
struct vs_bar {
	struct vfio_region_info info;
	struct vfio_region_info_cap_sparse_mmap cap;
	struct vfio_region_sparse_mmap_area area;
};

struct vs_server {
	char dir[64], path[80];
	int listener, sock, bar_fd;
	struct nvhi_vfu_rx rx;
	struct vs_bar bar;
	uint64_t cap;
	uint32_t csts;
	unsigned int asked; /* messages that came on this connection */
	unsigned int maps, unmaps, irqs, refused;
	uint64_t last_iova;
	/* What is wrong, from this message on: silence, the end, a refusal, ids of other questions.
	 */
	uint32_t silent_at, close_at, refuse_at, id_at;
	/* With this message: the end after `amount` bytes, a payload of `amount`, a size of
	 * `amount` told, the reply twice. */
	uint32_t cut_at, short_at, size_at, twice_at;
	uint32_t amount;
	unsigned int reply_fds; /* of GET_REGION_INFO */
};
extern struct vs_server vs;

struct vs_told {
	int done, err, gone, gone_err;
	char why[200];
};
extern struct vs_told vs_told;
extern struct nvhi_vfu *vs_vfu; /* the client */
extern struct nvh_reactor *vs_reactor;
extern struct nvhi_pcie_start vs_start;

void vs_setup(void);
/* Asserts that no descriptor is left. */
void vs_teardown(void);
unsigned int vs_count_fds(void);

void vs_listen(void);
void vs_die(void);
/* All as it should be. */
void vs_reset(void);
/* Another file of BAR 0 */
void vs_set_bar(uint64_t size, unsigned int seals);

/* Until nobody has anything to do. */
void vs_run(void);
void vs_pass_ms(uint64_t ms);
/* Starts the client: what its done() said; 1: nothing yet. */
int vs_begin(void);
/* The connection ends, whatever it was at, and the server is reset. */
void vs_again(void);
/* CSTS as a second read has it. */
uint32_t vs_csts(void);

#endif
