/*
 * The namespace identification descriptors (Identify CNS 03h): parsed into the identity that
 * multipath compares. Pure; every byte is a stranger's. Base Specification 2.1 section 5.1.13.2.3.
 */
#ifndef NVHI_HOST_CTRLR_NS_DESC_H
#define NVHI_HOST_CTRLR_NS_DESC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/spec/nvme_identify.h"

/* An identifier of all zeroes is none. */
struct nvhi_ns_ids {
	bool has_eui64;
	bool has_nguid;
	bool has_uuid;
	bool has_csi; /* without a CSI descriptor the command set is NVM */
	uint8_t csi;  /* enum nvh_csi */
	uint8_t eui64[NVH_NIDL_EUI64];
	uint8_t nguid[NVH_NIDL_NGUID];
	uint8_t uuid[NVH_NIDL_UUID];
};

/*
 * Parses `len` bytes of descriptors (4,096 as read, or fewer). Types that are not known are
 * skipped. -EPROTO when a descriptor runs past the end, has the wrong length for its type, or
 * contradicts an earlier one; *ret_why (if not NULL) says which. *ret_ids is untouched then.
 */
int nvhi_ns_desc_parse(const void *buf, size_t len, struct nvhi_ns_ids *ret_ids,
		       const char **ret_why);

/* Adds EUI64 and NGUID of Identify Namespace where the descriptors had none. */
void nvhi_ns_ids_merge(struct nvhi_ns_ids *ids, const struct nvh_id_ns *id_ns);

#endif
