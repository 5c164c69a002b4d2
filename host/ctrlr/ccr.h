/*
 * Cross-Controller Reset, the host's side: asks one controller of a subsystem to reset another
 * association of this host, and tells when that is certainly done (base/spec/nvme_ccr.h). Also the
 * identity of an association, which outlives its connection. Home reactor.
 */
#ifndef NVHI_HOST_CTRLR_CCR_H
#define NVHI_HOST_CTRLR_CCR_H

#include "host/ctrlr/admin.h"
#include "host/ctrlr/log_page.h"

/* What a fence needs to know of an association. */
struct nvhi_assoc {
	char subnqn[NVH_NQN_SIZE];
	uint16_t cntlid;
	uint8_t ciu;
	uint64_t cirn;
	bool ccr;	  /* the subsystem's controllers take Cross-Controller Resets */
	bool tbkas;
	uint32_t kato_ms; /* 0: none */
	uint16_t cqt_ms;  /* 0: not told */
};
/* Of a controller that is, or was last, LIVE. */
void nvhi_ctrlr_assoc(const struct nvhi_ctrlr *ctrlr, struct nvhi_assoc *ret_assoc);

enum nvhi_ccr_result {
	NVHI_CCR_NOW,	 /* done when the command completed */
	NVHI_CCR_LOGGED, /* done, says the log */
	NVHI_CCR_FAILED,
};

struct nvhi_ccr;
/* why: text of a failure. Called once, never inside the call that started it. */
typedef void (*nvhi_ccr_fn)(struct nvhi_ccr *ccr, enum nvhi_ccr_result result, const char *why);

/* Owned by the caller, lent from start to done; zero it once. */
struct nvhi_ccr {
	nvhi_ccr_fn done;
	/* ccr.c's */
	struct nvhi_ctrlr *ctrlr;
	uint16_t icid;
	uint8_t ciu;
	bool busy, polling, look_again, stopped;
	uint64_t deadline;
	uint32_t poll_ms;
	struct nvhi_admin cmd;
	struct nvhi_log_page log;
	struct nvhi_timer timer;
	struct nvhi_list link; /* the controller's, for its notices */
	uint8_t page[4096];
};

/* Through `ctrlr`, which must be LIVE; wait_ms bounds the wait for what was only accepted.
 * -ENOTCONN, -EOPNOTSUPP (its CCRL is 0). */
int nvhi_ccr_start(struct nvhi_ctrlr *ctrlr, struct nvhi_ccr *ccr, const struct nvhi_assoc *target,
		   uint32_t wait_ms);
/* The controller tells that a reset has completed (notice F4h). */
void nvhi_ccr_notice(struct nvhi_ctrlr *ctrlr);
/* The controller goes down: those it carries fail. */
void nvhi_ccr_stop(struct nvhi_ctrlr *ctrlr);

/* ccr_parse.c: pure. Dword 0 of the completion says that the reset is done. */
bool nvhi_ccr_is_immediate(uint32_t dw0);
/* What the log tells of exactly this controller instance: 0 nothing, 1 under way, 2 done, 3 failed;
 * -EPROTO: malformed. */
enum { NVHI_CCR_LOG_NOTHING, NVHI_CCR_LOG_RUNNING, NVHI_CCR_LOG_DONE, NVHI_CCR_LOG_FAILED };
int nvhi_ccr_log_parse(const void *page, uint32_t len, uint16_t icid, uint8_t ciu);

#endif
