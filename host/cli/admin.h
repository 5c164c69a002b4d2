/*
 * Admin commands through the daemon, for the sub-commands that identify, read logs and features.
 */
#ifndef NVC_ADMIN_H
#define NVC_ADMIN_H

#include <json-c/json.h>
#include <nvhost/spec/nvme.h>
#include <stddef.h>
#include <stdint.h>

/* What a DEVICE word stands for, as the method `resolve` answers. -1 after the failure was said. */
int nvc_admin_resolve(const char *device, struct json_object **ret_resolved);
/* The NSID of a resolved namespace; 0 for a controller. */
uint32_t nvc_admin_nsid(struct json_object *resolved);
/* A path of a mounted file made absolute; other names as they are. Not thread-safe. */
const char *nvc_admin_device(const char *word);

struct nvc_admin {
	const char *device;
	uint8_t opcode, flags;
	uint32_t nsid, cdw2, cdw3, cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
	uint32_t timeout_ms;
	const void *write_data; /* of len bytes; NULL: a read of len bytes, or no data */
	uint32_t len;
};
/* 0: done, with the status (15 bits, 0 is success) in *ret_status, and `len` bytes in data when it
 * was a read that succeeded. -1 after the failure was said. ret_result may be NULL. */
int nvc_admin_send(const char *method, const struct nvc_admin *cmd, void *data,
		   unsigned int *ret_status, uint64_t *ret_result);
/* The same; a bad status is said as nvme-cli says it, and is a failure (exit status 1). */
int nvc_admin_read(const struct nvc_admin *cmd, void *data);
/* "NVMe status: Invalid Field in Command(0x4002)" on stderr. */
void nvc_admin_say_status(unsigned int status);

int nvc_admin_identify(const char *device, uint8_t cns, uint32_t nsid, uint8_t csi, void *data);
/* A log page of any length, in chunks that every controller can send. */
int nvc_admin_log(const struct nvc_admin *cmd, uint64_t offset, void *data, size_t len);
/* The whole discovery log page, read until it did not change meanwhile. The caller frees. */
int nvc_admin_discovery_log(const char *device, uint8_t **ret_page, size_t *ret_len);

#endif
