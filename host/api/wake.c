/*
 * Signs that a target is back, for controllers that wait out their back-off: a discovery controller
 * whose log changed, or names them; another controller at the same address that came back. The
 * attempts pass the host's gate as all do. Home reactor.
 */
#include <string.h>

#include "base/log.h"
#include "host/api/host.h"

static bool wake_is_meant(const struct nvh_ctrlr *ctrlr, const char *traddr, const char *subnqn)
{
	const struct nvhi_tctrlr_opts *t = &nvhi_ctrlr_opts(ctrlr->inner)->transport;

	return nvhi_ctrlr_state(ctrlr->inner) == NVHI_CTRLR_RECONNECT_WAIT &&
	       !strcmp(t->addr.traddr, traddr) && (!subnqn || !strcmp(t->subnqn, subnqn));
}

void nvhi_api_wake(struct nvh_host *host, const char *traddr, const char *subnqn)
{
	struct nvh_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &host->ctrlrs, link) {
		if (!wake_is_meant(ctrlr, traddr, subnqn))
			continue;
		nvhi_log(INFO, API, "%s: discovery tells of its target: trying now", ctrlr->name);
		nvhi_ctrlr_wake(ctrlr->inner);
	}
}

void nvhi_api_wake_neighbours(struct nvh_host *host, const struct nvh_ctrlr *back)
{
	const char *traddr = nvhi_ctrlr_opts(back->inner)->transport.addr.traddr;
	struct nvh_ctrlr *ctrlr;

	nvhi_list_for_each(ctrlr, &host->ctrlrs, link)
		if (ctrlr != back && wake_is_meant(ctrlr, traddr, NULL))
			nvhi_ctrlr_nudge(ctrlr->inner);
}
