/*
 * Get Log Page of any length from any offset, in chunks that fit the controller's limits (Base
 * Specification 2.1 section 5.1.12). Home reactor.
 */
#ifndef NVHI_HOST_CTRLR_LOG_PAGE_H
#define NVHI_HOST_CTRLR_LOG_PAGE_H

#include "host/ctrlr/admin.h"

struct nvhi_log_page;
/* err as nvhi_admin_fn; err == 0 and success: all `len` bytes are there. A controller without
 * extended log data (LPA bit 2) cannot seek: -EOPNOTSUPP. */
typedef void (*nvhi_log_page_fn)(struct nvhi_log_page *log, int err, const struct nvh_cpl *cpl);

/* Owned by the caller, lent from read to done; zero it once. */
struct nvhi_log_page {
	uint8_t lid, lsp;
	uint16_t lsi;
	uint8_t csi;
	bool rae;        /* retain the asynchronous event */
	uint32_t nsid;   /* usually 0 or NVH_NSID_ALL */
	uint64_t offset; /* bytes, a multiple of 4 */
	void *data;
	uint32_t len;        /* bytes, a multiple of 4, not 0 */
	uint32_t chunk;      /* bytes a command at most; 0: max_transfer, 128 KiB at most */
	uint32_t timeout_ms; /* each chunk; 0: the admin timeout */
	nvhi_log_page_fn done;
	/* log_page.c's */
	struct nvhi_ctrlr *ctrlr;
	uint32_t pos;
	uint32_t asked;
	struct nvhi_admin admin;
};

/* -EINVAL: len or offset not a multiple of 4, len 0; -ENOTCONN; -EOPNOTSUPP. done is not called
 * then. */
int nvhi_log_page_read(struct nvhi_ctrlr *ctrlr, struct nvhi_log_page *log);

#endif
