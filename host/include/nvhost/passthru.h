/*
 * Admin passthrough and log pages: what id-ctrl, get-log and friends are made of. Home reactor.
 */
#ifndef NVHOST_PASSTHRU_H
#define NVHOST_PASSTHRU_H

#include <nvhost/ctrlr.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

typedef void (*nvh_admin_fn)(void *arg, int err, const struct nvh_cpl *cpl);
/* Sends cmd (CID and data pointer are filled in) with a flat buffer, direction by opcode bits 1:0
 * (for fabrics type too). Never retried. -ENOTCONN when not live, -EAGAIN when too many are
 * outstanding, -ENOMEM. timeout_ms 0: the controller's admin timeout. */
int nvh_admin_submit(struct nvh_ctrlr *ctrlr, const struct nvh_cmd *cmd, void *data, uint32_t len,
		     unsigned int timeout_ms, nvh_admin_fn done, void *arg);
/* Get Log Page in chunks that fit, of any length, from offset. */
int nvh_ctrlr_get_log(struct nvh_ctrlr *ctrlr, uint8_t lid, uint8_t lsp, uint32_t nsid, uint64_t offset,
		      void *data, uint32_t len, nvh_admin_fn done, void *arg);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
