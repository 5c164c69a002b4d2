/*
 * Looking at namespaces: walking, finding by any of their names, their paths. Home reactor, except
 * nvh_ns_info and references.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <nvhost/latency.h>
#include <nvhost/ns.h>

#include "base/fork.h"
#include "fabric/nqn.h"
#include "host/api/host.h"

struct nvh_ns *nvh_ns_next(struct nvh_host *host, struct nvh_ns *prev)
{
	return nvhi_mp_ns_next(&host->mp, prev);
}

static void hex(const uint8_t *bytes, size_t len, char *text)
{
	for (size_t i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02x", bytes[i]);
}

/* "NQN:NSID", the NSID behind the last colon. */
static bool ns_is_nqn_nsid(const struct nvh_ns_info *info, const char *name)
{
	const char *colon = strrchr(name, ':');
	unsigned long nsid;
	char *end;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return false;
	errno = 0;
	nsid = strtoul(colon + 1, &end, 10);
	return !errno && !*end && nsid == info->nsid &&
	       strlen(info->subnqn) == (size_t)(colon - name) &&
	       !strncmp(info->subnqn, name, (size_t)(colon - name));
}

static bool ns_is_named(const struct nvh_ns_info *info, const char *name)
{
	char text[40];

	if (!strcmp(info->name, name))
		return true;
	if (!strncmp(name, "nvme-", 5))
		name += 5; /* as udev's by-id links are called */
	if (!strncmp(name, "uuid.", 5)) {
		nvhi_uuid_format(info->uuid, text);
		return info->has_uuid && !strcasecmp(text, name + 5);
	}
	if (!strncmp(name, "eui.", 4)) {
		hex(info->nguid, sizeof(info->nguid), text);
		if (info->has_nguid && !strcasecmp(text, name + 4))
			return true;
		hex(info->eui64, sizeof(info->eui64), text);
		return info->has_eui64 && !strcasecmp(text, name + 4);
	}
	return ns_is_nqn_nsid(info, name);
}

struct nvh_ns *nvh_ns_find(struct nvh_host *host, const char *name)
{
	struct nvh_ns *ns = NULL;

	while ((ns = nvh_ns_next(host, ns))) {
		struct nvh_ns_info info;

		nvhi_ns_snapshot_read(ns, &info);
		if (ns_is_named(&info, name))
			return ns;
	}
	return NULL;
}

void nvh_ns_info(const struct nvh_ns *ns, struct nvh_ns_info *ret_info)
{
	struct nvh_ns_info info;
	size_t size = ret_info->size;

	nvhi_ns_snapshot_read(ns, &info);
	if (!size || size > sizeof(info))
		size = sizeof(info);
	memcpy(ret_info, &info, size);
	ret_info->size = size;
}

void nvh_ns_get(struct nvh_ns *ns)
{
	nvhi_ns_get(ns);
}

void nvh_ns_put(struct nvh_ns *ns)
{
	nvhi_ns_put(ns);
}

bool nvh_ns_reactor_usable(const struct nvh_ns *ns, const struct nvh_reactor *reactor)
{
	return nvhi_ns_reactor_usable(ns, reactor);
}

const char *nvh_ns_policy(const struct nvh_ns *ns)
{
	return nvhi_ns_policy(ns);
}

int nvh_subsys_set_policy(struct nvh_host *host, const char *subnqn, const char *policy)
{
	if (nvhi_forked())
		return -EPERM;
	return nvhi_mp_set_policy(&host->mp, subnqn, policy);
}

int nvh_ns_path_latency(const struct nvh_ns *ns, unsigned int index, bool writes,
			struct nvh_latency *ret_latency)
{
	return nvhi_mp_path_latency(ns, index, writes, ret_latency);
}

int nvh_subsys_set_no_path(struct nvh_host *host, const char *subnqn, const char *no_path,
			   uint64_t max_bytes)
{
	struct nvhi_no_path setting;

	if (nvhi_forked())
		return -EPERM;
	if (nvhi_no_path_parse(no_path, &setting))
		return -EINVAL;
	setting.max_bytes = max_bytes;
	return nvhi_mp_set_no_path(&host->mp, subnqn, &setting);
}

int nvh_ns_set_no_path(struct nvh_ns *ns, const char *no_path, uint64_t max_bytes)
{
	struct nvhi_no_path setting;

	if (nvhi_forked())
		return -EPERM;
	if (nvhi_no_path_parse(no_path, &setting))
		return -EINVAL;
	setting.max_bytes = max_bytes;
	nvhi_mp_ns_set_no_path(ns, &setting);
	return 0;
}

int nvh_subsys_set_hedge(struct nvh_host *host, const char *subnqn, bool on)
{
	if (nvhi_forked())
		return -EPERM;
	return nvhi_mp_set_hedge(&host->mp, subnqn, on);
}

void nvh_ns_hedge_info(const struct nvh_ns *ns, struct nvh_hedge_info *ret_info)
{
	struct nvh_hedge_info info = {.size = ret_info->size};
	struct nvhi_hedge_counts counts;

	info.on = nvhi_mp_ns_hedged(ns, &counts);
	info.reads = counts.reads;
	info.sent = counts.sent;
	info.won = counts.won;
	memcpy(ret_info, &info, info.size && info.size < sizeof(info) ? info.size : sizeof(info));
}

uint64_t nvh_ns_no_path_ns(const struct nvh_ns *ns)
{
	return nvhi_ns_no_path_wait(ns);
}

int nvh_ns_path_info(const struct nvh_ns *ns, unsigned int index, struct nvh_path_info *ret_info)
{
	struct nvh_path_info info;
	struct nvhi_mp_ctrlr *mpc;
	size_t size = ret_info->size;

	memset(&info, 0, sizeof(info));
	mpc = nvhi_mp_path(ns, index, &info);
	if (!mpc)
		return -ENOENT;
	info.size = size;
	info.ctrlr = nvhi_container_of(mpc, struct nvh_ctrlr, mpc);
	snprintf(info.ctrlr_name, sizeof(info.ctrlr_name), "%s", info.ctrlr->name);
	memcpy(ret_info, &info, size && size < sizeof(info) ? size : sizeof(info));
	return 0;
}
