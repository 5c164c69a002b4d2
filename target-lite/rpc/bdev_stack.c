/*
 * Bdevs that stand on another one: bdev_delay_create, _update_latency, _delete; bdev_error_create,
 * _inject_error, _resume_pending, _delete; how they are listed and saved. Management reactor.
 */
#include <errno.h>
#include <string.h>

#include "base/spec/nvme_status.h"
#include "target-lite/backend/delay.h"
#include "target-lite/backend/error.h"
#include "target-lite/rpc/impl.h"

/* ---- creation -------------------------------------------------------------------------------- */

struct stack_params {
	const char *name, *base_bdev_name, *uuid;
	uint64_t latency[TL_DELAY_KINDS]; /* not decoded in place: see delay_fields */
	uint64_t avg_read_latency, p99_read_latency, avg_write_latency, p99_write_latency;
};

/* tl_*_create with the target's channels; answers. */
static void stack_create(struct nvhi_rpc_call *call, const struct stack_params *p, bool delay)
{
	struct tl_rpc *rpc = tl_rpc_of(call);
	const char *base = delay ? "base_bdev_name" : "base_name";
	struct nvh_reactor *reactors[rpc->target->group_count];
	struct tl_stack_create_opts opts = {
		.base_name = p->base_bdev_name,
		.name = p->name,
		.reactors = reactors,
		.channels = rpc->target->group_count,
	};
	struct tl_bdev *bdev;
	uint8_t uuid[16];
	int rc;

	if (p->uuid && tl_rpc_parse_uuid(p->uuid, uuid)) {
		tl_rpc_bad_param(call, "uuid", "'%.64s' is no UUID", p->uuid);
		return;
	}
	opts.uuid = p->uuid ? uuid : NULL;
	for (uint32_t i = 0; i < opts.channels; i++)
		reactors[i] = rpc->target->groups[i].reactor;
	rc = delay ? tl_delay_create(&rpc->target->bdevs, &opts, p->latency, &bdev)
		   : tl_error_create(&rpc->target->bdevs, &opts, &bdev);
	if (rc == -ENOENT) {
		tl_rpc_bad_param(call, base, "there is no bdev '%.255s'", p->base_bdev_name);
	} else if (rc == -EBUSY) {
		tl_rpc_bad_param(call, base, "'%.255s' is in use", p->base_bdev_name);
	} else if (rc == -EEXIST) {
		tl_rpc_bad_param(call, delay ? "name" : base,
				 "there is a bdev '%.255s' (or one with this UUID)",
				 delay ? p->name : p->base_bdev_name);
	} else if (rc == -EINVAL) {
		tl_rpc_bad_param(call, delay ? "name" : base, "1 to %d bytes are needed",
				 TL_BDEV_NAME_LEN - 1 - (delay ? 0 : 3));
	} else if (rc) {
		tl_rpc_fail(call, rc, "%.255s", p->base_bdev_name);
	} else {
		tl_rpc_bdev_appeared(rpc, bdev);
		if (delay)
			nvhi_rpc_reply_string(call, bdev->name);
		else
			nvhi_rpc_reply_bool(call, true);
	}
}

static const struct nvhi_json_field delay_fields[] = {
	NVHI_JSON_FIELD(stack_params, name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(stack_params, base_bdev_name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(stack_params, avg_read_latency, U64, NVHI_JSON_REQUIRED, .help = "us"),
	NVHI_JSON_FIELD(stack_params, p99_read_latency, U64, NVHI_JSON_REQUIRED, .help = "us"),
	NVHI_JSON_FIELD(stack_params, avg_write_latency, U64, NVHI_JSON_REQUIRED, .help = "us"),
	NVHI_JSON_FIELD(stack_params, p99_write_latency, U64, NVHI_JSON_REQUIRED, .help = "us"),
	NVHI_JSON_FIELD(stack_params, uuid, STRING, .help = "(random)"),
	NVHI_JSON_END,
};

static void bdev_delay_create(struct nvhi_rpc_call *call)
{
	struct stack_params p = {0};

	if (nvhi_rpc_decode(call, &p))
		return;
	p.latency[TL_DELAY_AVG_READ] = p.avg_read_latency;
	p.latency[TL_DELAY_P99_READ] = p.p99_read_latency;
	p.latency[TL_DELAY_AVG_WRITE] = p.avg_write_latency;
	p.latency[TL_DELAY_P99_WRITE] = p.p99_write_latency;
	for (int i = 0; i < TL_DELAY_KINDS; i++)
		if (p.latency[i] > TL_DELAY_US_MAX) {
			tl_rpc_bad_param(call,
					 i < TL_DELAY_AVG_WRITE ? "p99_read_latency"
								: "p99_write_latency",
					 "more than an hour");
			return;
		}
	if (p.p99_read_latency < p.avg_read_latency)
		tl_rpc_bad_param(call, "p99_read_latency", "is less than avg_read_latency");
	else if (p.p99_write_latency < p.avg_write_latency)
		tl_rpc_bad_param(call, "p99_write_latency", "is less than avg_write_latency");
	else
		stack_create(call, &p, true);
}

static const struct nvhi_json_field error_fields[] = {
	{.name = "base_name",
	 .type = NVHI_JSON_STRING,
	 .required = true,
	 .offset = offsetof(struct stack_params, base_bdev_name)},
	NVHI_JSON_FIELD(stack_params, uuid, STRING, .help = "(random)"),
	NVHI_JSON_END,
};

static void bdev_error_create(struct nvhi_rpc_call *call)
{
	struct stack_params p = {0};

	if (!nvhi_rpc_decode(call, &p))
		stack_create(call, &p, false);
}

/* ---- by name --------------------------------------------------------------------------------- */

/* The bdev of that kind; NULL: answered. `param`: which parameter has the name. */
static struct tl_bdev *stack_find(struct nvhi_rpc_call *call, const char *param, const char *name,
				  const struct tl_bdev_ops *ops)
{
	struct tl_bdev *bdev = tl_bdev_find(&tl_rpc_of(call)->target->bdevs, name);

	if (!bdev || bdev->deleting)
		tl_rpc_bad_param(call, param, "there is no bdev '%.255s'", name);
	else if (bdev->ops != ops)
		tl_rpc_bad_param(call, param, "'%.255s' is a bdev of kind '%s', not '%s'", name,
				 bdev->ops->product, ops->product);
	else
		return bdev;
	return NULL;
}

struct stack_ref {
	const char *name;
};
static const struct nvhi_json_field ref_fields[] = {
	NVHI_JSON_FIELD(stack_ref, name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_END,
};

static void delete_done(void *arg, int err)
{
	struct nvhi_rpc_call *call = arg;

	if (err)
		nvhi_rpc_errno(call, err, "%s", nvhi_rpc_call_method(call)->name);
	else
		nvhi_rpc_reply_bool(call, true);
}

static void stack_delete(struct nvhi_rpc_call *call, const struct tl_bdev_ops *ops)
{
	struct stack_ref p = {0};
	struct tl_bdev *bdev;

	if (nvhi_rpc_decode(call, &p))
		return;
	bdev = stack_find(call, "name", p.name, ops);
	if (bdev)
		tl_bdev_delete(bdev, delete_done, call); /* it is not being deleted yet */
}

static void bdev_delay_delete(struct nvhi_rpc_call *call)
{
	stack_delete(call, &tl_delay_ops);
}

static void bdev_error_delete(struct nvhi_rpc_call *call)
{
	stack_delete(call, &tl_error_ops);
}

struct update_params {
	const char *delay_bdev_name;
	int latency_type;
	uint64_t latency_us;
};
static const struct nvhi_json_field update_fields[] = {
	NVHI_JSON_FIELD(update_params, delay_bdev_name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(update_params, latency_type, ENUM, NVHI_JSON_REQUIRED,
			.names = tl_delay_kind_names),
	NVHI_JSON_FIELD(update_params, latency_us, U64, NVHI_JSON_REQUIRED, .max = TL_DELAY_US_MAX),
	NVHI_JSON_END,
};

static void bdev_delay_update_latency(struct nvhi_rpc_call *call)
{
	struct update_params p = {0};
	struct tl_bdev *bdev;

	if (nvhi_rpc_decode(call, &p))
		return;
	bdev = stack_find(call, "delay_bdev_name", p.delay_bdev_name, &tl_delay_ops);
	if (!bdev)
		return;
	tl_delay_update(bdev, p.latency_type, p.latency_us);
	nvhi_rpc_reply_bool(call, true);
}

/* ---- errors ---------------------------------------------------------------------------------- */

static const char *const io_type_names[] = {"clear", "read", "write", "unmap",
					    "flush", "all",  NULL};
enum { IO_TYPE_CLEAR, IO_TYPE_READ, IO_TYPE_WRITE, IO_TYPE_UNMAP, IO_TYPE_FLUSH, IO_TYPE_ALL };
static const enum tl_bdev_op io_type_ops[] = {
	[IO_TYPE_READ] = TL_BDEV_READ,
	[IO_TYPE_WRITE] = TL_BDEV_WRITE,
	[IO_TYPE_UNMAP] = TL_BDEV_UNMAP,
	[IO_TYPE_FLUSH] = TL_BDEV_FLUSH,
};

struct inject_params {
	const char *name;
	int io_type, error_type;
	uint32_t num;
	uint8_t nvme_sct, nvme_sc, corrupt_value;
	uint64_t queue_depth, corrupt_offset;
};
static const struct nvhi_json_field inject_fields[] = {
	NVHI_JSON_FIELD(inject_params, name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(inject_params, io_type, ENUM, NVHI_JSON_REQUIRED, .names = io_type_names),
	NVHI_JSON_FIELD(inject_params, error_type, ENUM, NVHI_JSON_REQUIRED,
			.names = tl_error_type_names),
	NVHI_JSON_FIELD(inject_params, nvme_sct, U8, .max = 7, .help = "of 'nvme_failure' (0)"),
	NVHI_JSON_FIELD(inject_params, nvme_sc, U8, .help = "of 'nvme_failure' (0)"),
	NVHI_JSON_FIELD(inject_params, num, U32, .help = "I/Os (1); 0: no more"),
	NVHI_JSON_FIELD(inject_params, queue_depth, U64,
			.help = "only with so many I/Os below (0)"),
	NVHI_JSON_FIELD(inject_params, corrupt_offset, U64, .help = "byte of 'corrupt_data' (0)"),
	NVHI_JSON_FIELD(inject_params, corrupt_value, U8, .help = "what it is XORed with"),
	NVHI_JSON_END,
};

static void bdev_error_inject_error(struct nvhi_rpc_call *call)
{
	struct inject_params p = {.num = 1};
	struct tl_error_opts opts;
	struct tl_bdev *bdev;
	bool status;

	if (nvhi_rpc_decode(call, &p))
		return;
	bdev = stack_find(call, "name", p.name, &tl_error_ops);
	if (!bdev)
		return;
	status = p.nvme_sct || p.nvme_sc;
	if (status != (p.error_type == TL_ERROR_NVME_FAILURE)) {
		tl_rpc_bad_param(call, "nvme_sc",
				 status ? "belongs to error_type 'nvme_failure'"
					: "'nvme_failure' needs nvme_sct or nvme_sc");
		return;
	}
	if (p.error_type == TL_ERROR_CORRUPT_DATA && !p.corrupt_value) {
		tl_rpc_bad_param(call, "corrupt_value", "'corrupt_data' needs one that is not 0");
		return;
	}
	opts = (struct tl_error_opts){
		.type = (enum tl_error_type)p.error_type,
		.status = (uint16_t)(p.nvme_sct << 8 | p.nvme_sc),
		.num = p.io_type == IO_TYPE_CLEAR ? 0 : p.num,
		.queue_depth = p.queue_depth,
		.corrupt_offset = p.corrupt_offset,
		.corrupt_value = p.corrupt_value,
	};
	for (int type = IO_TYPE_READ; type <= IO_TYPE_FLUSH; type++)
		if (type == p.io_type || p.io_type == IO_TYPE_ALL || p.io_type == IO_TYPE_CLEAR)
			tl_error_inject(bdev, io_type_ops[type], &opts);
	nvhi_rpc_reply_bool(call, true);
}

static void bdev_error_resume_pending(struct nvhi_rpc_call *call)
{
	struct stack_ref p = {0};
	struct tl_bdev *bdev;

	if (nvhi_rpc_decode(call, &p))
		return;
	bdev = stack_find(call, "name", p.name, &tl_error_ops);
	if (!bdev)
		return;
	tl_error_resume(bdev);
	nvhi_rpc_reply_bool(call, true);
}

/* ---- listed and saved ------------------------------------------------------------------------ */

static int delay_members(struct json_object *object, struct tl_bdev *bdev)
{
	static const char *const names[] = {"avg_read_latency", "p99_read_latency",
					    "avg_write_latency", "p99_write_latency"};
	int failed = nvhi_json_add_string(object, "name", bdev->name);

	failed |= nvhi_json_add_string(object, "base_bdev_name", tl_stack_base(bdev)->name);
	failed |= tl_rpc_add_uuid(object, "uuid", bdev->uuid);
	for (int i = 0; i < TL_DELAY_KINDS; i++)
		failed |= nvhi_json_add_u64(object, names[i],
					    tl_delay_latency(bdev, (enum tl_delay_kind)i));
	return failed;
}

int tl_rpc_stack_specific(struct json_object *specific, struct tl_bdev *bdev)
{
	struct json_object *object;
	int failed;

	if (bdev->ops != &tl_delay_ops && bdev->ops != &tl_error_ops)
		return 0;
	object = json_object_new_object();
	if (bdev->ops == &tl_delay_ops) {
		failed = delay_members(object, bdev);
		return failed | nvhi_json_add(specific, "delay", object);
	}
	failed = nvhi_json_add_string(object, "base_bdev", tl_stack_base(bdev)->name);
	return failed | nvhi_json_add(specific, "error_disk", object);
}

int tl_rpc_stack_config(struct tl_bdev *bdev, struct json_object *config)
{
	struct json_object *params = json_object_new_object();
	int failed;

	if (bdev->ops == &tl_delay_ops) {
		failed = delay_members(params, bdev);
		return failed | tl_rpc_config_add(config, "bdev_delay_create", params);
	}
	failed = nvhi_json_add_string(params, "base_name", tl_stack_base(bdev)->name);
	failed |= tl_rpc_add_uuid(params, "uuid", bdev->uuid);
	return failed | tl_rpc_config_add(config, "bdev_error_create", params);
}

bool tl_rpc_is_stack(const struct tl_bdev *bdev)
{
	return bdev->ops == &tl_delay_ops || bdev->ops == &tl_error_ops;
}

const struct nvhi_rpc_method tl_rpc_bdev_stack_methods[] = {
	{"bdev_delay_create", bdev_delay_create, delay_fields, "a bdev that slows another down",
	 TL_RPC_RUNTIME},
	{"bdev_delay_update_latency", bdev_delay_update_latency, update_fields,
	 "changes one of its latencies", TL_RPC_RUNTIME},
	{"bdev_delay_delete", bdev_delay_delete, ref_fields,
	 "takes its namespaces away and deletes it", TL_RPC_RUNTIME},
	{"bdev_error_create", bdev_error_create, error_fields,
	 "a bdev that fails another's I/O on command", TL_RPC_RUNTIME},
	{"bdev_error_inject_error", bdev_error_inject_error, inject_fields,
	 "the next I/Os go wrong", TL_RPC_RUNTIME},
	{"bdev_error_resume_pending", bdev_error_resume_pending, ref_fields,
	 "what it holds goes on", TL_RPC_RUNTIME},
	{"bdev_error_delete", bdev_error_delete, ref_fields,
	 "takes its namespaces away and deletes it", TL_RPC_RUNTIME},
	{.name = NULL},
};
