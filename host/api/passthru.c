/*
 * Admin passthrough and log pages: one allocation a command, freed behind its callback. Home
 * reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/passthru.h>

#include "base/fork.h"
#include "host/api/host.h"

struct passthru {
	struct nvhi_admin admin;
	nvh_admin_fn done;
	void *arg;
};

static void passthru_done(struct nvhi_admin *admin, int err, const struct nvh_cpl *cpl)
{
	struct passthru *p = nvhi_container_of(admin, struct passthru, admin);

	if (p->done)
		p->done(p->arg, err, err ? NULL : cpl);
	free(p);
}

int nvh_admin_submit(struct nvh_ctrlr *ctrlr, const struct nvh_cmd *cmd, void *data, uint32_t len,
		     unsigned int timeout_ms, nvh_admin_fn done, void *arg)
{
	struct passthru *p;
	int err;

	if (nvhi_forked())
		return -EPERM;
	if (!cmd || (len && !data))
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->done = done;
	p->arg = arg;
	p->admin.req.cmd = *cmd;
	p->admin.done = passthru_done;
	p->admin.timeout_ms = timeout_ms;
	p->admin.short_ok = true;
	err = nvhi_admin_submit(ctrlr->inner, &p->admin, data, len);
	if (err)
		free(p);
	return err;
}

struct passthru_log {
	struct nvhi_log_page log;
	nvh_admin_fn done;
	void *arg;
};

static void passthru_log_done(struct nvhi_log_page *log, int err, const struct nvh_cpl *cpl)
{
	struct passthru_log *p = nvhi_container_of(log, struct passthru_log, log);

	if (p->done)
		p->done(p->arg, err, err ? NULL : cpl);
	free(p);
}

int nvh_ctrlr_get_log(struct nvh_ctrlr *ctrlr, uint8_t lid, uint8_t lsp, uint32_t nsid,
		      uint64_t offset, void *data, uint32_t len, nvh_admin_fn done, void *arg)
{
	struct passthru_log *p;
	int err;

	if (nvhi_forked())
		return -EPERM;
	if (!data)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->done = done;
	p->arg = arg;
	p->log.lid = lid;
	p->log.lsp = lsp;
	p->log.nsid = nsid;
	p->log.offset = offset;
	p->log.data = data;
	p->log.len = len;
	p->log.done = passthru_log_done;
	err = nvhi_log_page_read(ctrlr->inner, &p->log);
	if (err)
		free(p);
	return err;
}
