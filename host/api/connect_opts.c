/*
 * The options of a connect: defaults, checks, and their translation for the controller. Every
 * refusal names the option and the value. Pure but for looking up a host name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fabric/nqn.h"
#include "fabric/resolve.h"
#include "host/api/host.h"

void nvh_connect_opts_init(struct nvh_connect_opts *opts, size_t size)
{
	struct nvh_connect_opts defaults = {
		.size = size,
		.queue_size = 128,
		.keep_alive_tmo_ms = 5000,
		.reconnect_delay_ms = 100,
		.reconnect_delay_max_ms = 10000,
		.ctrl_loss_tmo_s = 600,
		.fast_io_fail_tmo_s = -1,
		.connect_timeout_ms = 3000,
		.io_timeout_ms = 30000,
		.admin_timeout_ms = 10000,
		.tos = -1,
		.suspect_tmo_ms = 100,
	};

	memset(opts, 0, size);
	memcpy(opts, &defaults, size < sizeof(defaults) ? size : sizeof(defaults));
}

static const char *const write_fences[] = {
	[NVHI_WRITE_FENCE_AUTO] = "auto",
	[NVHI_WRITE_FENCE_STRICT] = "strict",
	[NVHI_WRITE_FENCE_OFF] = "off",
};

const char *nvhi_api_write_fence_name(uint8_t mode)
{
	return write_fences[mode];
}

int nvhi_api_write_fence_parse(const char *text)
{
	for (int i = 0; text && i < (int)NVHI_ARRAY_SIZE(write_fences); i++)
		if (!strcmp(text, write_fences[i]))
			return i;
	return text ? -EINVAL : NVHI_WRITE_FENCE_AUTO;
}

#define refuse(...) (snprintf(errbuf, errbuf_len, __VA_ARGS__), -EINVAL)

static int opts_numbers(const struct nvh_connect_opts *o, char *errbuf, size_t errbuf_len)
{
	if (o->queue_size < 16 || o->queue_size > 1024)
		return refuse("queue-size %u: not in 16-1024", o->queue_size);
	if (o->ctrl_loss_tmo_s < -1)
		return refuse("ctrl-loss-tmo %d: seconds, or -1 for ever", o->ctrl_loss_tmo_s);
	if (o->fast_io_fail_tmo_s < -1)
		return refuse("fast_io_fail_tmo %d: seconds, or -1 for off", o->fast_io_fail_tmo_s);
	if (o->reconnect_delay_ms < 1)
		return refuse("reconnect-delay %u ms: at least 1", o->reconnect_delay_ms);
	if (o->tos < -1 || o->tos > 255)
		return refuse("tos %d: not in 0-255", o->tos);
	if (o->connect_timeout_ms < 1)
		return refuse("connect timeout %u ms: at least 1", o->connect_timeout_ms);
	if (o->suspect_tmo_ms > 60000)
		return refuse("suspect-tmo %u ms: at most 60000", o->suspect_tmo_ms);
	if (o->admin_timeout_ms < 1)
		return refuse("admin timeout %u ms: at least 1", o->admin_timeout_ms);
	return 0;
}

/* Time proves nothing without a keep-alive time-out. */
static int opts_fence(const struct nvh_connect_opts *o, bool discovery, uint8_t *ret_mode,
		      char *errbuf, size_t errbuf_len)
{
	int mode = nvhi_api_write_fence_parse(o->write_fence);

	if (mode < 0)
		return refuse("write-fence \"%.32s\": not auto, strict or off", o->write_fence);
	if (!o->keep_alive_tmo_ms && mode == NVHI_WRITE_FENCE_STRICT)
		return refuse("write-fence strict needs a keep-alive time-out: with keep-alive-tmo 0 "
			      "no time proves that an old write is dead");
	if (!o->keep_alive_tmo_ms && mode == NVHI_WRITE_FENCE_AUTO && !discovery)
		nvhi_log(WARN, API,
			 "connect %s: with keep-alive-tmo 0 no time proves that a write of a lost "
			 "connection is dead; only a target that offers Cross-Controller Reset is "
			 "fenced", o->traddr);
	*ret_mode = (uint8_t)mode;
	return 0;
}

static int opts_addresses(const struct nvh_connect_opts *o, bool discovery,
			  struct nvhi_tctrlr_opts *t, char *errbuf, size_t errbuf_len)
{
	const char *trsvcid = o->trsvcid && o->trsvcid[0] ? o->trsvcid : NULL;
	enum nvh_trtype trtype;
	int err;

	if (!o->transport || nvhi_trtype_parse(o->transport, &trtype))
		return refuse("transport \"%.32s\": not tcp, rdma, pcie or vfio-user",
			      o->transport ? o->transport : "");
	if (!o->traddr || !o->traddr[0])
		return refuse("traddr is missing");
	if (!trsvcid && discovery && trtype == NVH_TRTYPE_TCP)
		trsvcid = "8009";
	err = nvhi_addr_set(trtype, o->traddr, trsvcid, &t->addr, errbuf, errbuf_len);
	if (err)
		err = nvhi_addr_resolve(trtype, o->traddr, trsvcid, &t->addr, errbuf, errbuf_len);
	if (err)
		return err;
	if (o->host_traddr && o->host_traddr[0]) {
		char why[256];

		if (nvhi_addr_set(trtype, o->host_traddr, NULL, &t->host_addr, why, sizeof(why)))
			return refuse("host-traddr: %s", why);
	}
	if (o->policy && !nvhi_mp_policy_known(o->policy))
		return refuse("policy \"%.32s\": not latency, round-robin, queue-depth or numa",
			      o->policy);
	if (o->host_iface) {
		if (strlen(o->host_iface) >= sizeof(t->host_iface))
			return refuse("host-iface \"%.32s\": too long for an interface",
				      o->host_iface);
		strcpy(t->host_iface, o->host_iface);
	}
	return 0;
}

static int opts_names(const struct nvh_host *host, const struct nvh_connect_opts *o,
		      struct nvhi_tctrlr_opts *t, char *errbuf, size_t errbuf_len)
{
	bool local = nvhi_trtype_is_local(t->addr.trtype);
	const char *subnqn = o->subnqn ? o->subnqn : local ? "" : NVH_DISCOVERY_NQN, *why = "";
	const char *hostnqn = o->hostnqn ? o->hostnqn : host->identity.hostnqn;
	int err = 0;

	if (subnqn[0] || !local) /* else Identify tells it */
		err = nvhi_nqn_check_lenient(subnqn, &why);
	if (err)
		return refuse("nqn \"%.230s\": %s", subnqn, why);
	if (nvhi_nqn_check(hostnqn, &why))
		return refuse("hostnqn \"%.230s\": %s", hostnqn, why);
	snprintf(t->subnqn, sizeof(t->subnqn), "%s", subnqn);
	snprintf(t->hostnqn, sizeof(t->hostnqn), "%s", hostnqn);
	memcpy(t->hostid, host->identity.hostid, sizeof(t->hostid));
	if (o->hostid) {
		if (nvhi_uuid_parse(o->hostid, t->hostid))
			return refuse("hostid \"%.64s\": not a UUID", o->hostid);
	} else if (o->hostnqn) {
		nvhi_nqn_to_uuid(o->hostnqn, t->hostid); /* other forms keep the host's */
	}
	return 0;
}

/* "queue" promises for ever: nothing may be set that ends it. */
static int opts_no_path(const struct nvh_connect_opts *o, int *ctrl_loss_tmo_s, char *errbuf,
			size_t errbuf_len)
{
	struct nvhi_no_path setting;

	if (nvhi_no_path_parse(o->no_path, &setting))
		return refuse("no-path \"%.32s\": not fail, queue:SECONDS (0 to %u) or queue", o->no_path,
			      NVHI_NO_PATH_MAX_S);
	if (o->no_path_bytes && !o->no_path)
		return refuse("no-path-bytes without no-path: say what waits");
	if (!o->no_path || setting.wait_ns != NVHI_NEVER)
		return 0;
	if (o->fast_io_fail_tmo_s >= 0)
		return refuse("no-path queue and fast_io_fail_tmo %d contradict each other",
			      o->fast_io_fail_tmo_s);
	*ctrl_loss_tmo_s = -1;
	return 0;
}

static bool transport_is_local(const char *name)
{
	enum nvh_trtype trtype;

	return name && !nvhi_trtype_parse(name, &trtype) && nvhi_trtype_is_local(trtype);
}

int nvhi_api_connect_opts(struct nvh_host *host, const struct nvh_connect_opts *opts,
			  struct nvhi_ctrlr_opts *ret_inner, char *errbuf, size_t errbuf_len)
{
	struct nvhi_ctrlr_opts in;
	struct nvh_connect_opts o;
	bool discovery;
	int err;

	if (!opts || opts->size < sizeof(size_t) || opts->size > 4096)
		return refuse("options without a size (nvh_connect_opts_init)");
	nvh_connect_opts_init(&o, sizeof(o));
	memcpy(&o, opts, opts->size < sizeof(o) ? opts->size : sizeof(o));
	discovery = o.discovery || (o.subnqn && !strcmp(o.subnqn, NVH_DISCOVERY_NQN)) ||
		    (!o.subnqn && !transport_is_local(o.transport));
	nvhi_ctrlr_opts_init(&in);
	err = opts_numbers(&o, errbuf, errbuf_len);
	if (!err)
		err = opts_addresses(&o, discovery, &in.transport, errbuf, errbuf_len);
	if (!err)
		err = opts_names(host, &o, &in.transport, errbuf, errbuf_len);
	if (!err)
		err = opts_fence(&o, discovery, &in.write_fence, errbuf, errbuf_len);
	if (!err)
		err = opts_no_path(&o, &o.ctrl_loss_tmo_s, errbuf, errbuf_len);
	if (err)
		return err;
	in.transport.kato_ms = o.keep_alive_tmo_ms;
	in.transport.tos = o.tos;
	in.transport.hdr_digest = o.hdr_digest;
	in.transport.data_digest = o.data_digest;
	in.transport.disable_sqflow = o.disable_sqflow;
	in.transport.connect_timeout_ms = o.connect_timeout_ms;
	in.transport.net = host->net;
	in.home = host->mp.home;
	in.reactors = host->mp.reactors;
	in.nr_reactors = host->mp.nr_reactors;
	in.nr_io_queues = o.nr_io_queues;
	in.discovery = discovery;
	in.persistent = o.persistent;
	in.queue_size = (uint16_t)o.queue_size;
	in.reconnect_delay_ms = o.reconnect_delay_ms;
	in.reconnect_delay_max_ms = o.reconnect_delay_max_ms > o.reconnect_delay_ms
					    ? o.reconnect_delay_max_ms
					    : o.reconnect_delay_ms;
	in.ctrl_loss_tmo_s = o.ctrl_loss_tmo_s;
	in.fast_io_fail_tmo_s = o.fast_io_fail_tmo_s;
	in.io_timeout_ms = o.io_timeout_ms;
	in.admin_timeout_ms = o.admin_timeout_ms;
	in.suspect_ms = o.suspect_tmo_ms;
	in.no_retry = o.no_retry;
	in.gate = &host->gate;
	in.seed = ++host->seed;
	*ret_inner = in;
	return 0;
}
