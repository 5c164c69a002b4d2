/*
 * What a controller told about one of its namespaces, checked and unpacked: the input of identity
 * checks, channels and listings (Base Specification 2.1 sections 5.1.13.2 and NVM Command
 * Set 4.1.5). Pure data; owned by the controller, home reactor.
 */
#ifndef NVHI_HOST_CTRLR_NS_DATA_H
#define NVHI_HOST_CTRLR_NS_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/spec/nvme.h"

struct nvhi_ns_data {
	uint32_t nsid;
	/* identity; all zeroes counts as not told */
	bool has_uuid, has_nguid, has_eui64;
	uint8_t uuid[16], nguid[16], eui64[8];
	uint8_t csi; /* enum nvh_csi */
	/* I/O may be sent: NVM command set, a format whose block size is 512 B-64 KiB, no
	 * interleaved metadata, no protection information. Otherwise `refusal` says why not. */
	bool io_supported;
	const char *refusal; /* static text; NULL when io_supported */
	/* NVM command set only, else 0 */
	uint64_t nsze, ncap, nuse; /* blocks */
	uint8_t lba_shift;
	uint32_t block_size; /* bytes of data */
	uint16_t md_size;    /* bytes of metadata a block */
	bool md_interleaved;
	uint8_t dps; /* end-to-end protection type and place */
	uint8_t nsfeat, dlfeat;
	uint16_t noiob;
	uint16_t npwg, npwa, npdg, npda, nows, mssrl;
	uint32_t mcl;
	uint8_t msrc;
	uint16_t nawun, nawupf, nacwu, nabsn, nabo, nabspf;
	/* independent of the command set */
	uint8_t nmic; /* NVH_NMIC_SHARED */
	uint8_t rescap;
	uint8_t nsattr;    /* NVH_NSATTR_WRITE_PROTECTED */
	uint32_t anagrpid; /* 0: none */
	bool ready;
};

#endif
