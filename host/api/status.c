/*
 * NVMe statuses for callers that think in errno, and their names. Pure. Base Specification 2.1,
 * section 4.2.3.
 */
#include <errno.h>
#include <stddef.h>

#include <nvhost/io.h>

#include "base/spec/nvme.h"

int nvh_status_to_errno(const struct nvh_cpl *cpl)
{
	if (!cpl)
		return -EIO;
	switch (nvh_cpl_code(cpl)) {
	case NVH_ST_SUCCESS:
		return 0;
	case NVH_ST_INVALID_OPCODE:
		return -EOPNOTSUPP;
	case NVH_ST_INVALID_FIELD:
	case NVH_ST_INVALID_NS:
	case NVH_ST_CMD_SIZE_LIMIT:
		return -EINVAL;
	case NVH_ST_LBA_RANGE:
		return -ERANGE;
	case NVH_ST_CAPACITY_EXCEEDED:
	case NVH_ST_NS_INSUFFICIENT_CAP:
	case NVH_ST_INSUFFICIENT_CAPACITY:
		return -ENOSPC;
	case NVH_ST_NS_WRITE_PROTECTED:
	case NVH_ST_WRITE_TO_RO_RANGE:
		return -EROFS;
	case NVH_ST_RESV_CONFLICT:
		return -EBADE;
	case NVH_ST_OP_DENIED:
	case NVH_ST_ACCESS_DENIED:
	case NVH_ST_LOCKDOWN:
		return -EACCES;
	case NVH_ST_NS_NOT_READY:
	case NVH_ST_FORMAT_IN_PROGRESS:
	case NVH_ST_SANITIZE_IN_PROGRESS:
	case NVH_ST_CMD_INTERRUPTED:
		return -EAGAIN;
	case NVH_ST_KEEP_ALIVE_EXPIRED:
		return -ETIMEDOUT;
	case NVH_ST_COMPARE_FAILED:
	case NVH_ST_GUARD_CHECK:
	case NVH_ST_APPTAG_CHECK:
	case NVH_ST_REFTAG_CHECK:
	case NVH_ST_STORAGE_TAG_CHECK:
		return -EILSEQ;
	case NVH_ST_DATA_XFER_ERROR:
	case NVH_ST_TRANSIENT_TRANSPORT:
		return -EREMOTEIO;
	default:
		return nvh_cpl_sct(cpl) == NVH_SCT_PATH ? -EREMOTEIO : -EIO;
	}
}

const char *nvh_status_string(const struct nvh_cpl *cpl)
{
	if (!cpl)
		return "no completion";
	return nvh_status_text(nvh_cpl_sct(cpl), nvh_cpl_sc(cpl));
}
