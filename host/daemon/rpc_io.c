/*
 * RPC: single I/O commands on a namespace. For command lines and tests, not for speed: data travels
 * as base64 and each call opens its own channel on the home reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/daemon/base64.h"
#include "host/daemon/daemon.h"

#define IO_DATA_MAX (1u << 20)

struct io_params {
	const char *device, *data;
	uint64_t slba;
	uint32_t nlb, data_len, nsid;
	uint8_t opcode, flags, prinfo;
	uint16_t apptag, apptag_mask;
	uint32_t reftag;
	uint32_t cdw2, cdw3, cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
	uint32_t timeout_ms;
	bool fua, limited_retry, deac, has_nsid;
};

#define IO_PARAM(memb, typ, ...) NVHI_JSON_FIELD(io_params, memb, typ, __VA_ARGS__)

/* nlb counts blocks: 1 is one block. */
#define IO_COMMON                                                                                  \
	IO_PARAM(device, STRING, NVHI_JSON_REQUIRED),                                              \
		IO_PARAM(nsid, U32, NVHI_JSON_PRESENT(io_params, has_nsid), .min = 1),             \
		IO_PARAM(timeout_ms, U32, .max = 3600000)
#define IO_RANGE                                                                                   \
	IO_COMMON, IO_PARAM(slba, U64, NVHI_JSON_REQUIRED),                                        \
		IO_PARAM(nlb, U32, NVHI_JSON_REQUIRED, .min = 1), IO_PARAM(fua, BOOL),             \
		IO_PARAM(limited_retry, BOOL), IO_PARAM(prinfo, U8, .max = 15),                    \
		IO_PARAM(reftag, U32), IO_PARAM(apptag, U16), IO_PARAM(apptag_mask, U16)
#define IO_WRITE_DATA                                                                              \
	IO_PARAM(data, STRING, NVHI_JSON_REQUIRED, .max_len = NVD_BASE64_SIZE(IO_DATA_MAX))

static const struct nvhi_json_field io_range_fields[] = {IO_RANGE, NVHI_JSON_END};
static const struct nvhi_json_field io_zero_fields[] = {IO_RANGE, IO_PARAM(deac, BOOL),
							NVHI_JSON_END};
static const struct nvhi_json_field io_write_fields[] = {IO_RANGE, IO_WRITE_DATA, NVHI_JSON_END};
static const struct nvhi_json_field io_flush_fields[] = {IO_COMMON, NVHI_JSON_END};
static const struct nvhi_json_field io_passthru_fields[] = {
	IO_COMMON,
	IO_PARAM(opcode, U8, NVHI_JSON_REQUIRED),
	IO_PARAM(flags, U8),
	IO_PARAM(cdw2, U32),
	IO_PARAM(cdw3, U32),
	IO_PARAM(cdw10, U32),
	IO_PARAM(cdw11, U32),
	IO_PARAM(cdw12, U32),
	IO_PARAM(cdw13, U32),
	IO_PARAM(cdw14, U32),
	IO_PARAM(cdw15, U32),
	IO_PARAM(data_len, U32, .max = IO_DATA_MAX),
	IO_PARAM(data, STRING, .max_len = NVD_BASE64_SIZE(IO_DATA_MAX)),
	NVHI_JSON_END,
};

struct io_work {
	struct nvhi_rpc_call *call;
	struct nvh_channel *channel;
	struct nvh_cmd cmd;
	struct iovec iov;
	bool to_host;
	uint8_t *data;
	struct nvh_io io; /* last: nvh_io_size() bytes */
};

static void io_free(struct io_work *work)
{
	if (work->channel)
		nvh_channel_close(work->channel);
	free(work->data);
	free(work);
}

static void io_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct io_work *work = arg;

	if (err)
		nvhi_rpc_errno(work->call, err, "%s", nvhi_rpc_call_method(work->call)->name);
	else
		nvhi_rpc_reply(work->call,
			       nvd_rpc_completion(cpl, work->to_host ? work->data : NULL,
						  work->iov.iov_len));
	io_free(work);
}

static int io_find_ns(struct nvhi_rpc_call *call, const struct io_params *params,
		      struct nvh_ns **ret_ns)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(call);
	struct nvh_ctrlr_info info = {.size = sizeof(info)};
	struct nvd_target target;
	char err[512], name[300];

	if (nvd_target_find(daemon, params->device, &target, err, sizeof(err)) < 0) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s", err);
		return -EINVAL;
	}
	if (params->has_nsid && target.ctrlr && (!target.ns || target.nsid != params->nsid)) {
		nvh_ctrlr_info(target.ctrlr, &info);
		snprintf(name, sizeof(name), "%s:%u", info.subnqn, params->nsid);
		target.ns = nvh_ns_find(daemon->host, name);
		if (!target.ns) {
			nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "%s: no such namespace",
				       name);
			return -EINVAL;
		}
	}
	if (!target.ns) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
			       "%s is a controller: name a namespace (%sn1) or its NSID",
			       params->device, params->device);
		return -EINVAL;
	}
	*ret_ns = target.ns;
	return 0;
}

/* The buffer: decoded data, or room for len bytes. -EINVAL: answered. */
static int io_data(struct io_work *work, const struct io_params *params, size_t len)
{
	size_t got;

	if (len > IO_DATA_MAX) {
		nvhi_rpc_error(work->call, NVHI_RPC_INVALID_PARAMS, "%zu bytes are above %u", len,
			       IO_DATA_MAX);
		return -EINVAL;
	}
	work->data = calloc(1, len ? len : 1);
	if (!work->data) {
		nvhi_rpc_errno(work->call, -ENOMEM, "data");
		return -EINVAL;
	}
	if (params->data &&
	    (nvd_base64_decode(params->data, work->data, len, &got) < 0 || got != len)) {
		nvhi_rpc_error(work->call, NVHI_RPC_INVALID_PARAMS,
			       "parameter 'data': base64 of exactly %zu bytes is needed", len);
		return -EINVAL;
	}
	work->iov = (struct iovec){.iov_base = work->data, .iov_len = len};
	work->io.iov = &work->iov;
	work->io.iovcnt = len ? 1 : 0;
	return 0;
}

static struct io_work *io_new(struct nvhi_rpc_call *call, enum nvh_io_op op)
{
	struct io_work *work = calloc(1, offsetof(struct io_work, io) + nvh_io_size());

	if (!work) {
		nvhi_rpc_errno(call, -ENOMEM, "I/O");
		return NULL;
	}
	work->call = call;
	nvh_io_init(&work->io);
	work->io.op = (uint8_t)op;
	work->io.done = io_done;
	work->io.arg = work;
	return work;
}

static void io_submit(struct io_work *work, struct nvh_ns *ns, const struct io_params *params)
{
	struct nvd_daemon *daemon = nvhi_rpc_owner(work->call);
	int rc = nvh_channel_open(ns, nvd_home(daemon), &work->channel);

	if (params->timeout_ms)
		work->io.deadline_ns = nvhi_reactor_clock(nvd_home(daemon)) +
				       params->timeout_ms * NVHI_NSEC_PER_MSEC;
	if (!rc)
		rc = nvh_submit(work->channel, &work->io);
	if (rc) {
		nvhi_rpc_errno(work->call, rc, "%s", params->device);
		io_free(work);
	}
}

static void io_range(struct nvhi_rpc_call *call, enum nvh_io_op op)
{
	bool moves_data = op == NVH_IO_READ || op == NVH_IO_WRITE || op == NVH_IO_COMPARE;
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct io_params params = {0};
	struct io_work *work;
	struct nvh_ns *ns;

	if (nvhi_rpc_decode(call, &params) < 0 || io_find_ns(call, &params, &ns) < 0)
		return;
	work = io_new(call, op);
	if (!work)
		return;
	nvh_ns_info(ns, &info);
	if (params.slba >= info.nr_blocks || params.nlb > info.nr_blocks - params.slba) {
		nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS,
			       "%s: %u blocks from %llu on go beyond the end (%llu blocks)",
			       info.name, params.nlb, (unsigned long long)params.slba,
			       (unsigned long long)info.nr_blocks);
		io_free(work);
		return;
	}
	if (moves_data && io_data(work, &params, (size_t)params.nlb * info.block_size) < 0) {
		io_free(work);
		return;
	}
	work->to_host = op == NVH_IO_READ;
	work->io.lba = params.slba;
	work->io.nr_blocks = params.nlb;
	work->io.flags = (params.fua ? NVH_IO_FUA : 0) | (params.deac ? NVH_IO_DEAC : 0) |
			 (params.limited_retry ? NVH_IO_LIMITED_RETRY : 0);
	work->io.pi_flags = params.prinfo;
	work->io.reftag = params.reftag;
	work->io.apptag = params.apptag;
	work->io.apptag_mask = params.apptag_mask;
	io_submit(work, ns, &params);
}

static void rpc_read(struct nvhi_rpc_call *call)
{
	io_range(call, NVH_IO_READ);
}

static void rpc_write(struct nvhi_rpc_call *call)
{
	io_range(call, NVH_IO_WRITE);
}

static void rpc_compare(struct nvhi_rpc_call *call)
{
	io_range(call, NVH_IO_COMPARE);
}

static void rpc_verify(struct nvhi_rpc_call *call)
{
	io_range(call, NVH_IO_VERIFY);
}

static void rpc_write_zeroes(struct nvhi_rpc_call *call)
{
	io_range(call, NVH_IO_WRITE_ZEROES);
}

static void rpc_flush(struct nvhi_rpc_call *call)
{
	struct io_params params = {0};
	struct io_work *work;
	struct nvh_ns *ns;

	if (nvhi_rpc_decode(call, &params) < 0 || io_find_ns(call, &params, &ns) < 0)
		return;
	work = io_new(call, NVH_IO_FLUSH);
	if (work)
		io_submit(work, ns, &params);
}

static void rpc_io_passthru(struct nvhi_rpc_call *call)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct io_params params = {0};
	struct io_work *work;
	struct nvh_cmd *cmd;
	struct nvh_ns *ns;

	if (nvhi_rpc_decode(call, &params) < 0 || io_find_ns(call, &params, &ns) < 0)
		return;
	work = io_new(call, NVH_IO_PASSTHRU);
	if (!work)
		return;
	if (io_data(work, &params, params.data_len) < 0) {
		io_free(work);
		return;
	}
	cmd = &work->cmd;
	nvh_ns_info(ns, &info);
	cmd->opc = params.opcode;
	cmd->flags = params.flags;
	nvh_le32_put(&cmd->nsid, info.nsid);
	nvh_le32_put(&cmd->cdw2, params.cdw2);
	nvh_le32_put(&cmd->cdw3, params.cdw3);
	nvh_le32_put(&cmd->cdw10, params.cdw10);
	nvh_le32_put(&cmd->cdw11, params.cdw11);
	nvh_le32_put(&cmd->cdw12, params.cdw12);
	nvh_le32_put(&cmd->cdw13, params.cdw13);
	nvh_le32_put(&cmd->cdw14, params.cdw14);
	nvh_le32_put(&cmd->cdw15, params.cdw15);
	work->to_host = nvh_opc_data_dir(params.opcode) & NVH_DATA_TO_HOST;
	work->io.cmd = cmd;
	io_submit(work, ns, &params);
}

const struct nvhi_rpc_method nvd_rpc_io_methods[] = {
	{.name = "read", .fn = rpc_read, .params = io_range_fields, .help = "reads blocks"},
	{.name = "write", .fn = rpc_write, .params = io_write_fields, .help = "writes blocks"},
	{.name = "compare",
	 .fn = rpc_compare,
	 .params = io_write_fields,
	 .help = "compares blocks"},
	{.name = "verify", .fn = rpc_verify, .params = io_range_fields, .help = "verifies blocks"},
	{.name = "write_zeroes",
	 .fn = rpc_write_zeroes,
	 .params = io_zero_fields,
	 .help = "zeroes blocks"},
	{.name = "flush",
	 .fn = rpc_flush,
	 .params = io_flush_fields,
	 .help = "commits the volatile cache"},
	{.name = "io_passthru",
	 .fn = rpc_io_passthru,
	 .params = io_passthru_fields,
	 .help = "any I/O command"},
	{.name = NULL},
};
