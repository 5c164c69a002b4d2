/*
 * Connection parameters between JSON, the command line and struct nvh_connect_opts.
 */
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "host/daemon/params.h"

#define PARAM(memb, typ, ...) NVHI_JSON_FIELD(nvd_params, memb, typ, __VA_ARGS__)

const struct nvhi_json_field nvd_params_fields[] = {
	PARAM(transport, STRING, .help = "tcp"),
	PARAM(traddr, STRING, .help = "address of the target"),
	PARAM(trsvcid, STRING, .help = "port; 4420, or 8009 for discovery"),
	PARAM(nqn, STRING, .help = "subsystem NQN"),
	PARAM(host_traddr, STRING, .help = "local address to connect from"),
	PARAM(host_iface, STRING, .help = "network interface to connect through"),
	PARAM(hostnqn, STRING, .help = "host NQN"),
	PARAM(hostid, STRING, .help = "host ID, a UUID"),
	PARAM(dhchap_secret, STRING),
	PARAM(dhchap_ctrl_secret, STRING),
	PARAM(name, STRING, .max_len = 31, .help = "the controller's name; nvhN"),
	PARAM(policy, STRING, .max_len = 31,
	      .help = "path selection: latency, round-robin, queue-depth, numa"),
	PARAM(write_fence, STRING, .max_len = 7,
	      .help = "writes of a lost connection: auto, strict, off"),
	PARAM(no_path, STRING, .max_len = 31,
	      .help = "I/O without a usable path: fail, queue:SECONDS, queue"),
	PARAM(no_path_bytes, U64, .help = "at most so much of it waits, 0: no limit"),
	PARAM(nr_io_queues, U32, .max = 1024, .help = "0: one a reactor"),
	PARAM(nr_write_queues, U32, .max = 1024),
	PARAM(nr_poll_queues, U32, .max = 1024),
	PARAM(queue_size, U32, .min = 16, .max = 1024),
	PARAM(keep_alive_tmo, U32, .max = 86400, NVHI_JSON_PRESENT(nvd_params, has_keep_alive_tmo),
	      .help = "seconds, 0: none"),
	PARAM(reconnect_delay, DOUBLE, .help = "seconds"),
	PARAM(ctrl_loss_tmo, I32, .help = "seconds, -1: for ever"),
	PARAM(fast_io_fail_tmo, I32, .help = "seconds, -1: off"),
	PARAM(io_timeout, DOUBLE, .help = "seconds until a command is aborted"),
	PARAM(suspect_tmo, DOUBLE, .help = "seconds of silence until a path is in doubt"),
	PARAM(tos, I32, .help = "type of service, -1: none"),
	PARAM(hdr_digest, BOOL),
	PARAM(data_digest, BOOL),
	PARAM(disable_sqflow, BOOL),
	PARAM(duplicate_connect, BOOL),
	PARAM(persistent, BOOL),
	PARAM(tls, BOOL),
	PARAM(discovery, BOOL),
	PARAM(hedge_reads, BOOL, .help = "reads that are late are sent twice"),
	PARAM(no_fast_detect, BOOL,
	      .help = "a silent path is left by keep-alive and I/O time-out alone"),
	PARAM(follow, BOOL, .help = "connect what the discovery log names, and will name"),
	NVHI_JSON_END,
};

void nvd_params_init(struct nvd_params *params)
{
	*params = (struct nvd_params){
		.queue_size = 128,
		.keep_alive_tmo = 5,
		.ctrl_loss_tmo = 600,
		.fast_io_fail_tmo = -1,
		.tos = -1,
	};
}

int nvd_params_from_json(struct json_object *object, struct nvd_params *ret_params, char *err,
			 size_t err_len)
{
	struct nvd_params params;
	int rc;

	nvd_params_init(&params);
	rc = nvhi_json_decode(object, nvd_params_fields, &params, err, err_len);
	if (!rc)
		*ret_params = params;
	return rc;
}

static int params_add(struct json_object *object, const struct nvhi_json_field *field,
		      const struct nvd_params *params, const struct nvd_params *defaults)
{
	const char *at = (const char *)params + field->offset;
	const char *def = (const char *)defaults + field->offset;

	switch (field->type) {
	case NVHI_JSON_STRING: {
		const char *text = *(const char *const *)at;

		return text ? nvhi_json_add_string(object, field->name, text) : 0;
	}
	case NVHI_JSON_BOOL:
		return *(const bool *)at ? nvhi_json_add_bool(object, field->name, true) : 0;
	case NVHI_JSON_U32:
		if (field->has_present) {
			if (!*(const bool *)((const char *)params + field->present))
				return 0;
		} else if (!memcmp(at, def, sizeof(uint32_t))) {
			return 0;
		}
		return nvhi_json_add_u64(object, field->name, *(const uint32_t *)at);
	case NVHI_JSON_I32:
		if (!memcmp(at, def, sizeof(int32_t)))
			return 0;
		return nvhi_json_add_i64(object, field->name, *(const int32_t *)at);
	case NVHI_JSON_U64:
		if (!memcmp(at, def, sizeof(uint64_t)))
			return 0;
		return nvhi_json_add_u64(object, field->name, *(const uint64_t *)at);
	case NVHI_JSON_DOUBLE:
		if (!memcmp(at, def, sizeof(double)))
			return 0;
		return nvhi_json_add(object, field->name,
				     json_object_new_double(*(const double *)at));
	default:
		return -EINVAL;
	}
}

struct json_object *nvd_params_to_json(const struct nvd_params *params)
{
	struct json_object *object = json_object_new_object();
	struct nvd_params defaults;

	nvd_params_init(&defaults);
	for (const struct nvhi_json_field *f = nvd_params_fields; object && f->name; f++) {
		if (params_add(object, f, params, &defaults) < 0) {
			json_object_put(object);
			object = NULL;
		}
	}
	return object;
}

static bool params_is_uuid(const char *text)
{
	for (int i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return false;
	}
	return text[36] == '\0';
}

int nvd_hostid_of_nqn(const char *hostnqn, char ret_text[37])
{
	size_t prefix = strlen(NVH_NQN_UUID_PREFIX);

	if (strncmp(hostnqn, NVH_NQN_UUID_PREFIX, prefix) != 0 || !params_is_uuid(hostnqn + prefix))
		return -ENOENT;
	for (int i = 0; i <= 36; i++)
		ret_text[i] = (char)tolower((unsigned char)hostnqn[prefix + i]);
	return 0;
}

/* What nobody here can do yet must not look as if it had been done. */
static int params_unsupported(const struct nvd_params *params, char *err, size_t err_len)
{
	const char *what = params->dhchap_secret        ? "--dhchap-secret (authentication)"
			   : params->dhchap_ctrl_secret ? "--dhchap-ctrl-secret (authentication)"
			   : params->tls                ? "--tls"
			   : params->nr_write_queues    ? "--nr-write-queues"
			   : params->nr_poll_queues     ? "--nr-poll-queues"
							: NULL;

	if (!what)
		return 0;
	snprintf(err, err_len, "%s is not supported", what);
	return -ENOTSUP;
}

static int params_check(const struct nvd_params *params, char *err, size_t err_len)
{
	if (!params->transport) {
		snprintf(err, err_len, "--transport (-t) is missing; tcp, for example");
		return -EINVAL;
	}
	if (!params->traddr) {
		snprintf(err, err_len, "--traddr (-a) is missing: the address of the target");
		return -EINVAL;
	}
	if (params->host_iface && !if_nametoindex(params->host_iface)) {
		snprintf(err, err_len, "--host-iface '%s': no such network interface (ip link)",
			 params->host_iface);
		return -EINVAL;
	}
	if (params->hostid && !params_is_uuid(params->hostid)) {
		snprintf(err, err_len, "--hostid '%s' is not a UUID", params->hostid);
		return -EINVAL;
	}
	if (params->queue_size < 16 || params->queue_size > 1024) {
		snprintf(err, err_len, "--queue-size %u is out of range (16 to 1024)",
			 params->queue_size);
		return -EINVAL;
	}
	if (params->tos < -1 || params->tos > 255) {
		snprintf(err, err_len, "--tos %d is out of range (0 to 255)", params->tos);
		return -EINVAL;
	}
	if (params->ctrl_loss_tmo < -1 || params->fast_io_fail_tmo < -1) {
		snprintf(err, err_len, "%s %d: seconds, or -1",
			 params->ctrl_loss_tmo < -1 ? "--ctrl-loss-tmo" : "--fast_io_fail_tmo",
			 params->ctrl_loss_tmo < -1 ? params->ctrl_loss_tmo
						    : params->fast_io_fail_tmo);
		return -EINVAL;
	}
	if (!(params->reconnect_delay >= 0 && params->reconnect_delay <= 3600)) {
		snprintf(err, err_len, "--reconnect-delay %g is out of range (0 to 3600 seconds)",
			 params->reconnect_delay);
		return -EINVAL;
	}
	if (!(params->io_timeout >= 0 && params->io_timeout <= 86400)) {
		snprintf(err, err_len, "--io-timeout %g is out of range (0 to 86400 seconds)",
			 params->io_timeout);
		return -EINVAL;
	}
	if (params->suspect_tmo != 0 && !(params->suspect_tmo >= 0.001 && params->suspect_tmo <= 60)) {
		snprintf(err, err_len, "--suspect-tmo %g is out of range (0.001 to 60 seconds)",
			 params->suspect_tmo);
		return -EINVAL;
	}
	if (params->suspect_tmo != 0 && params->no_fast_detect) {
		snprintf(err, err_len, "--suspect-tmo and --no-fast-detect contradict each other");
		return -EINVAL;
	}
	return params_unsupported(params, err, err_len);
}

int nvd_params_to_opts(const struct nvd_params *params, struct nvh_connect_opts *ret_opts,
		       char hostid_text[37], char *err, size_t err_len)
{
	struct nvh_connect_opts opts;
	int rc = params_check(params, err, err_len);

	if (rc)
		return rc;
	nvh_connect_opts_init(&opts, sizeof(opts));
	opts.transport = params->transport;
	opts.traddr = params->traddr;
	opts.trsvcid = params->trsvcid;
	opts.subnqn = params->nqn;
	opts.host_traddr = params->host_traddr;
	opts.host_iface = params->host_iface;
	opts.hostnqn = params->hostnqn;
	opts.hostid = params->hostid;
	if (params->hostnqn && !params->hostid &&
	    nvd_hostid_of_nqn(params->hostnqn, hostid_text) == 0)
		opts.hostid = hostid_text;
	opts.name = params->name;
	opts.policy = params->policy;
	opts.write_fence = params->write_fence;
	opts.no_path = params->no_path;
	opts.hedge_reads = params->hedge_reads;
	opts.no_path_bytes = params->no_path_bytes;
	opts.nr_io_queues = params->nr_io_queues;
	opts.queue_size = params->queue_size;
	if (params->has_keep_alive_tmo)
		opts.keep_alive_tmo_ms = params->keep_alive_tmo * 1000;
	else if (params->discovery || (params->nqn && !strcmp(params->nqn, NVH_DISCOVERY_NQN)))
		opts.keep_alive_tmo_ms = 30000;
	if (params->reconnect_delay > 0) {
		opts.reconnect_delay_ms = (unsigned int)(params->reconnect_delay * 1000 + 0.5);
		opts.reconnect_delay_max_ms = opts.reconnect_delay_ms;
	}
	opts.ctrl_loss_tmo_s = params->ctrl_loss_tmo;
	opts.fast_io_fail_tmo_s = params->fast_io_fail_tmo;
	if (params->io_timeout > 0)
		opts.io_timeout_ms = (unsigned int)(params->io_timeout * 1000 + 0.999);
	if (params->suspect_tmo > 0)
		opts.suspect_tmo_ms = (unsigned int)(params->suspect_tmo * 1000 + 0.5);
	if (params->no_fast_detect)
		opts.suspect_tmo_ms = 0;
	opts.tos = params->tos;
	opts.hdr_digest = params->hdr_digest;
	opts.data_digest = params->data_digest;
	opts.disable_sqflow = params->disable_sqflow;
	opts.duplicate_connect = params->duplicate_connect;
	opts.persistent = params->persistent;
	opts.discovery = params->discovery;
	*ret_opts = opts;
	return 0;
}

static bool params_text_same(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

static const char *params_port(const struct nvd_params *params)
{
	if (params->trsvcid && params->trsvcid[0])
		return params->trsvcid;
	return params->discovery || !params->nqn || !strcmp(params->nqn, NVH_DISCOVERY_NQN)
		       ? "8009"
		       : "4420";
}

bool nvd_params_same(const struct nvd_params *a, const struct nvd_params *b)
{
	return params_text_same(a->transport, b->transport) &&
	       params_text_same(a->traddr, b->traddr) && !strcmp(params_port(a), params_port(b)) &&
	       params_text_same(a->nqn ? a->nqn : NVH_DISCOVERY_NQN,
				b->nqn ? b->nqn : NVH_DISCOVERY_NQN) &&
	       params_text_same(a->host_traddr, b->host_traddr) &&
	       params_text_same(a->host_iface, b->host_iface) &&
	       params_text_same(a->hostnqn, b->hostnqn);
}
