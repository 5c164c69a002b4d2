/*
 * What the targets see of the host's knowledge: a host that has not read a controller's ANA log
 * must not send I/O through it, for a state that nobody told is no permission. The log can be made
 * unreadable (a fault), by a wrap of the target's function that answers Get Log Page.
 */
#include "tests/sim/anawatch.h"

#include <string.h>

#include "target-lite/core/impl.h"
#include "tests/sim/node.h"

#define CTRLRS 2048

/* Controllers whose ANA log was read, the youngest. */
static struct {
	const struct tl_ctrlr *ctrlr;
	uint16_t cntlid;
} readers[CTRLRS];
static unsigned int next_reader;
unsigned int sim_unreadable_logs;

void __real_tl_log_exec(struct tl_request *req);
void __wrap_tl_log_exec(struct tl_request *req);

void sim_anawatch_init(void)
{
	memset(readers, 0, sizeof(readers));
	next_reader = sim_unreadable_logs = 0;
}

static bool has_read(const struct tl_ctrlr *ctrlr)
{
	for (unsigned int i = 0; i < CTRLRS && i < next_reader; i++)
		if (readers[i].ctrlr == ctrlr && readers[i].cntlid == ctrlr->cntlid)
			return true;
	return false;
}

void __wrap_tl_log_exec(struct tl_request *req)
{
	const struct tl_ctrlr *ctrlr = req->qpair->ctrlr;

	if ((tl_cdw10(req) & 0xff) == NVH_LID_ANA) {
		if (sim_unreadable_logs &&
		    sim_chance(sim_rng(SIM_RNG_TARGET), sim_unreadable_logs)) {
			SIM_TRACE("ctrlr %llu: its ANA log cannot be read", ctrlr->cntlid);
			tl_request_complete(req, TL_DNR(NVH_ST_INTERNAL));
			return;
		}
		if (!has_read(ctrlr)) {
			readers[next_reader % CTRLRS].ctrlr = ctrlr;
			readers[next_reader++ % CTRLRS].cntlid = ctrlr->cntlid;
		}
	}
	__real_tl_log_exec(req);
}

void sim_anawatch_io(const struct tl_bdev_io *io)
{
	const struct tl_request *req = nvhi_container_of(io, struct tl_request, io);
	const struct tl_ctrlr *ctrlr = req->qpair->ctrlr;

	if (ctrlr->subsystem->ana_reporting && !has_read(ctrlr))
		sim_fail("controller %u got I/O though the host has not read its ANA log",
			 ctrlr->cntlid);
}
