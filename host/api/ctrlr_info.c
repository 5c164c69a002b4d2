/*
 * Looking at controllers: walking, finding, describing. Home reactor.
 */
#include <stdio.h>
#include <string.h>

#include "fabric/nqn.h"
#include "host/api/host.h"

struct nvh_ctrlr *nvh_ctrlr_next(struct nvh_host *host, struct nvh_ctrlr *prev)
{
	struct nvhi_list *next = prev ? prev->link.next : host->ctrlrs.next;

	return next == &host->ctrlrs ? NULL : nvhi_list_entry(next, struct nvh_ctrlr, link);
}

struct nvh_ctrlr *nvh_ctrlr_find(struct nvh_host *host, const char *name)
{
	struct nvh_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &host->ctrlrs, link)
		if (!strcmp(ctrlr->name, name))
			return ctrlr;
	return NULL;
}

static void info_addresses(const struct nvhi_tctrlr_opts *t, struct nvh_ctrlr_info *info)
{
	snprintf(info->transport, sizeof(info->transport), "%s", nvhi_trtype_name(t->addr.trtype));
	snprintf(info->traddr, sizeof(info->traddr), "%.255s", t->addr.traddr);
	snprintf(info->trsvcid, sizeof(info->trsvcid), "%.31s", t->addr.trsvcid);
	snprintf(info->host_traddr, sizeof(info->host_traddr), "%.255s", t->host_addr.traddr);
	snprintf(info->host_iface, sizeof(info->host_iface), "%s", t->host_iface);
	snprintf(info->subnqn, sizeof(info->subnqn), "%.223s", t->subnqn);
	snprintf(info->hostnqn, sizeof(info->hostnqn), "%.223s", t->hostnqn);
	nvhi_uuid_format(t->hostid, info->hostid);
}

void nvh_ctrlr_info(const struct nvh_ctrlr *ctrlr, struct nvh_ctrlr_info *ret_info)
{
	const struct nvhi_ctrlr_opts *opts = nvhi_ctrlr_opts(ctrlr->inner);
	const struct nvhi_ctrlr_caps *caps = nvhi_ctrlr_caps(ctrlr->inner);
	const struct nvhi_ctrlr_error *error = nvhi_ctrlr_last_error(ctrlr->inner);
	struct nvh_ctrlr_info info;
	size_t size = ret_info->size;

	memset(&info, 0, sizeof(info));
	info.size = size;
	snprintf(info.name, sizeof(info.name), "%s", ctrlr->name);
	info.state = nvhi_ctrlr_state_brief(nvhi_ctrlr_state(ctrlr->inner));
	info_addresses(&opts->transport, &info);
	nvhi_ctrlr_addresses(ctrlr->inner, info.local, sizeof(info.local), NULL, 0);
	snprintf(info.serial, sizeof(info.serial), "%s", caps->serial);
	snprintf(info.model, sizeof(info.model), "%s", caps->model);
	snprintf(info.firmware, sizeof(info.firmware), "%s", caps->firmware);
	info.cntlid = caps->cntlid;
	info.discovery = ctrlr->discovery;
	info.nr_io_queues = caps->nr_io_queues;
	info.queue_size = opts->queue_size;
	info.keep_alive_tmo_ms = caps->kato_ms;
	info.max_transfer = caps->max_transfer;
	info.reconnects = nvhi_ctrlr_reconnects(ctrlr->inner);
	info.queue_reconnects = nvhi_ctrlr_rejoins(ctrlr->inner);
	info.last_error = error->err;
	snprintf(info.last_message, sizeof(info.last_message), "%s", error->message);
	info.hdr_digest = opts->transport.hdr_digest;
	info.data_digest = opts->transport.data_digest;
	memcpy(ret_info, &info, size && size < sizeof(info) ? size : sizeof(info));
}

const struct nvh_id_ctrlr *nvh_ctrlr_identify(const struct nvh_ctrlr *ctrlr)
{
	return nvhi_ctrlr_identify(ctrlr->inner);
}
