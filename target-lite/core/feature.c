/*
 * Set and Get Features. Admin reactor. Base Specification 2.1 section 5.1.25.
 */
#include <string.h>

#include "base/spec/nvme_feature.h"
#include "target-lite/core/impl.h"

static void set_num_queues(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint32_t nsq = tl_cdw11(req) & NVH_FEAT_NSQ_MASK;
	uint32_t ncq = tl_cdw11(req) >> NVH_FEAT_NCQ_SHIFT;
	uint32_t most = ctrlr->max_io_queues - 1;

	if (nsq == 0xffff || ncq == 0xffff) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	nsq = nsq < most ? nsq : most;
	ncq = ncq < most ? ncq : most;
	ctrlr->nr_queues = nsq + 1;
	nvh_le32_put(&req->cpl.dw0, ncq << NVH_FEAT_NCQ_SHIFT | nsq);
	tl_request_complete(req, NVH_ST_SUCCESS);
}

static void set_host_behavior(struct tl_request *req)
{
	const struct nvh_host_behavior *data = req->iov.iov_base;

	if (req->dir != NVH_DATA_TO_CTRLR || req->xfer_len < sizeof(*data)) {
		tl_request_complete(req, TL_DNR(NVH_ST_SGL_INVALID_DATA_LEN));
		return;
	}
	if (data->acre > 1) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	tl_request_ctrlr(req)->acre = data->acre;
	tl_request_complete(req, NVH_ST_SUCCESS);
}

static void set_kato(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint32_t kato = tl_cdw11(req);

	if (kato == 0 && ctrlr->discovery) {
		tl_request_complete(req, TL_DNR(NVH_ST_KEEP_ALIVE_INVALID));
		return;
	}
	tl_ctrlr_set_kato(ctrlr, kato);
	tl_request_complete(req, NVH_ST_SUCCESS);
}

static bool feature_in_discovery(uint8_t fid)
{
	return fid == NVH_FID_AEC || fid == NVH_FID_KATO;
}

void tl_set_features_exec(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint8_t fid = (uint8_t)tl_cdw10(req);
	uint32_t value = tl_cdw11(req);

	if (tl_cdw10(req) & NVH_FEAT_SAVE) {
		tl_request_complete(req, TL_DNR(NVH_ST_FEATURE_NOT_SAVEABLE));
		return;
	}
	if (ctrlr->discovery && !feature_in_discovery(fid)) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	switch (fid) {
	case NVH_FID_NUM_QUEUES:
		set_num_queues(req);
		return;
	case NVH_FID_KATO:
		set_kato(req);
		return;
	case NVH_FID_HOST_BEHAVIOR:
		set_host_behavior(req);
		return;
	case NVH_FID_AEC:
		ctrlr->aen_config = value;
		break;
	case NVH_FID_ARBITRATION:
		ctrlr->arbitration = value;
		break;
	case NVH_FID_POWER_MGMT:
		if (value & 0x1f) {
			tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
			return;
		}
		ctrlr->power = value;
		break;
	case NVH_FID_TEMP_THRESH:
		ctrlr->temp_thresh = value;
		break;
	case NVH_FID_ERROR_RECOVERY:
		if (value & NVH_FEAT_ER_DULBE) {
			tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
			return;
		}
		ctrlr->error_recovery = value & NVH_FEAT_ER_TLER_MASK;
		break;
	case NVH_FID_VWC:
		/* The cache of a file is the system's: it cannot be switched off. */
		if (!(value & NVH_FEAT_VWC_WCE)) {
			tl_request_complete(req, TL_DNR(NVH_ST_FEATURE_NOT_CHANGEABLE));
			return;
		}
		break;
	case NVH_FID_WRITE_ATOMICITY:
	case NVH_FID_RESV_MASK:
		break;
	case NVH_FID_RESV_PERSIST:
		if (value & 1) {
			tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
			return;
		}
		break;
	case NVH_FID_HOST_ID:
		/* Comes with Connect and stays. */
		tl_request_complete(req, TL_DNR(NVH_ST_CMD_SEQUENCE));
		return;
	default:
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	tl_request_complete(req, NVH_ST_SUCCESS);
}

static void get_host_behavior(struct tl_request *req)
{
	struct nvh_host_behavior data;

	memset(&data, 0, sizeof(data));
	data.acre = tl_request_ctrlr(req)->acre;
	tl_request_reply(req, &data, sizeof(data));
}

static void get_host_id(struct tl_request *req)
{
	if (!(tl_cdw11(req) & NVH_FEAT_HOSTID_EXHID)) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	tl_request_reply(req, tl_request_ctrlr(req)->hostid, 16);
}

void tl_get_features_exec(struct tl_request *req)
{
	struct tl_ctrlr *ctrlr = tl_request_ctrlr(req);
	uint8_t fid = (uint8_t)tl_cdw10(req);
	uint32_t sel = tl_cdw10(req) >> NVH_FEAT_SEL_SHIFT & 7;
	uint32_t value = 0;

	if ((ctrlr->discovery && !feature_in_discovery(fid)) || sel != NVH_FEAT_SEL_CURRENT) {
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	switch (fid) {
	case NVH_FID_HOST_BEHAVIOR:
		get_host_behavior(req);
		return;
	case NVH_FID_HOST_ID:
		get_host_id(req);
		return;
	case NVH_FID_NUM_QUEUES:
		value = (ctrlr->nr_queues ? ctrlr->nr_queues : ctrlr->max_io_queues) - 1;
		value |= value << NVH_FEAT_NCQ_SHIFT;
		break;
	case NVH_FID_KATO:
		value = ctrlr->kato_ms;
		break;
	case NVH_FID_AEC:
		value = ctrlr->aen_config;
		break;
	case NVH_FID_ARBITRATION:
		value = ctrlr->arbitration;
		break;
	case NVH_FID_POWER_MGMT:
		value = ctrlr->power;
		break;
	case NVH_FID_TEMP_THRESH:
		value = ctrlr->temp_thresh;
		break;
	case NVH_FID_ERROR_RECOVERY:
		value = ctrlr->error_recovery;
		break;
	case NVH_FID_VWC:
		value = NVH_FEAT_VWC_WCE;
		break;
	case NVH_FID_WRITE_ATOMICITY:
	case NVH_FID_IRQ_COALESCE:
	case NVH_FID_RESV_MASK:
	case NVH_FID_RESV_PERSIST:
		break;
	default:
		tl_request_complete(req, TL_DNR(NVH_ST_INVALID_FIELD));
		return;
	}
	nvh_le32_put(&req->cpl.dw0, value);
	tl_request_complete(req, NVH_ST_SUCCESS);
}
