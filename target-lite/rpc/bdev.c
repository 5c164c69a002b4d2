/*
 * Block devices that exist: bdev_get_bdevs, bdev_*_delete, bdev_null_resize, bdev_aio_rescan, and
 * how each is written to a configuration. Management reactor; a rescan may block it for a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target-lite/rpc/impl.h"

/* ---- one bdev as an object ---------------------------------------------------------------- */

/* SPDK lists every type of I/O that it knows. */
static int add_io_types(struct json_object *object, const struct tl_bdev *bdev)
{
	static const char *const other[] = {
		"nvme_admin",      "nvme_io",     "nvme_io_md",        "get_zone_info",
		"zone_management", "zone_append", "compare_and_write", "seek_hole",
		"seek_data",       "nvme_iov_md", "nvme_nssr",         "write_uncorrectable",
	};
	struct json_object *types = json_object_new_object();
	int failed = nvhi_json_add_bool(types, "read", true);

	failed |= nvhi_json_add_bool(types, "write", !bdev->read_only);
	failed |= nvhi_json_add_bool(types, "unmap", !bdev->read_only);
	failed |= nvhi_json_add_bool(types, "flush", true);
	failed |= nvhi_json_add_bool(types, "reset", true);
	failed |= nvhi_json_add_bool(types, "write_zeroes", !bdev->read_only);
	failed |= nvhi_json_add_bool(types, "zcopy", bdev->lends);
	failed |= nvhi_json_add_bool(types, "compare", true);
	failed |= nvhi_json_add_bool(types, "abort", true);
	failed |= nvhi_json_add_bool(types, "copy", !bdev->read_only);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(other); i++)
		failed |= nvhi_json_add_bool(types, other[i], false);
	return failed | nvhi_json_add(object, "supported_io_types", types);
}

static int add_rate_limits(struct json_object *object)
{
	struct json_object *limits = json_object_new_object();
	int failed = nvhi_json_add_u64(limits, "rw_ios_per_sec", 0);

	failed |= nvhi_json_add_u64(limits, "rw_mbytes_per_sec", 0);
	failed |= nvhi_json_add_u64(limits, "r_mbytes_per_sec", 0);
	failed |= nvhi_json_add_u64(limits, "w_mbytes_per_sec", 0);
	return failed | nvhi_json_add(object, "assigned_rate_limits", limits);
}

static int add_driver_specific(struct json_object *object, struct tl_bdev *bdev)
{
	struct json_object *specific = json_object_new_object(), *aio;
	int failed = 0;

	if (bdev->ops == &tl_file_ops) {
		aio = json_object_new_object();
		failed |= nvhi_json_add_string(aio, "filename", bdev->ops->filename(bdev));
		failed |= nvhi_json_add_bool(aio, "block_size_override", true);
		failed |= nvhi_json_add_bool(aio, "readonly", bdev->read_only);
		failed |= nvhi_json_add_bool(aio, "fallocate", true);
		failed |= nvhi_json_add_bool(aio, "nowait", false);
		failed |= nvhi_json_add(specific, "aio", aio);
	}
	failed |= tl_rpc_stack_specific(specific, bdev);
	return failed | nvhi_json_add(object, "driver_specific", specific);
}

static struct json_object *bdev_object(struct tl_bdev *bdev)
{
	struct json_object *object = json_object_new_object(), *aliases = json_object_new_array();
	bool claimed = !nvhi_list_empty(&bdev->users);
	int failed = nvhi_json_add_string(object, "name", bdev->name);

	failed |= nvhi_json_add(object, "aliases", aliases);
	failed |= nvhi_json_add_string(object, "product_name", bdev->ops->product);
	failed |= nvhi_json_add_u64(object, "block_size", bdev->block_size);
	failed |= nvhi_json_add_u64(object, "num_blocks", bdev->blocks);
	failed |= nvhi_json_add_u64(object, "preferred_write_alignment", 0);
	failed |= nvhi_json_add_u64(object, "preferred_write_granularity", 0);
	failed |= nvhi_json_add_u64(object, "optimal_write_size", 0);
	failed |= nvhi_json_add_u64(object, "preferred_unmap_alignment", 0);
	failed |= nvhi_json_add_u64(object, "preferred_unmap_granularity", 0);
	failed |= tl_rpc_add_uuid(object, "uuid", bdev->uuid);
	/* A bdev is found by its UUID too. */
	failed |=
		nvhi_json_append(aliases, json_object_get(json_object_object_get(object, "uuid")));
	failed |= add_rate_limits(object);
	failed |= nvhi_json_add_bool(object, "claimed", claimed);
	if (claimed)
		failed |= nvhi_json_add_string(object, "claim_type", "exclusive_write");
	failed |= nvhi_json_add_bool(object, "zoned", false);
	failed |= add_io_types(object, bdev);
	failed |= add_driver_specific(object, bdev);
	return tl_rpc_built(object, failed);
}

/* ---- bdev_get_bdevs ----------------------------------------------------------------------- */

struct get_bdevs {
	const char *name;
	uint64_t timeout;
};
static const struct nvhi_json_field get_fields[] = {
	NVHI_JSON_FIELD(get_bdevs, name, STRING, .help = "only this one; name or UUID"),
	NVHI_JSON_FIELD(get_bdevs, timeout, U64, .max = 86400000,
			.help = "ms to wait until the named one exists (0)"),
	NVHI_JSON_END,
};

/* A call that waits for a bdev to appear. */
struct bdev_wait {
	struct tl_rpc *rpc;
	struct nvhi_rpc_call *call;
	struct nvhi_timer timer;
	struct nvhi_list link;
	char name[TL_BDEV_NAME_LEN];
};

static void reply_one(struct nvhi_rpc_call *call, struct tl_bdev *bdev)
{
	struct json_object *list = json_object_new_array();

	nvhi_rpc_reply(call, tl_rpc_built(list, nvhi_json_append(list, bdev_object(bdev))));
}

static void no_bdev(struct nvhi_rpc_call *call, const char *name)
{
	tl_rpc_bad_param(call, "name", "there is no bdev '%.255s'", name);
}

/* Takes the wait apart; the caller answers its call. */
static struct nvhi_rpc_call *wait_end(struct bdev_wait *wait)
{
	struct nvhi_rpc_call *call = wait->call;

	nvhi_timer_cancel(wait->rpc->target->mgmt, &wait->timer);
	nvhi_list_del(&wait->link);
	nvhi_rpc_on_gone(call, NULL);
	free(wait);
	return call;
}

static void wait_timeout(struct nvhi_timer *timer)
{
	struct bdev_wait *wait = nvhi_container_of(timer, struct bdev_wait, timer);
	char name[TL_BDEV_NAME_LEN];

	memcpy(name, wait->name, sizeof(name));
	no_bdev(wait_end(wait), name);
}

static void wait_gone(struct nvhi_rpc_call *call)
{
	nvhi_rpc_reply_bool(wait_end(nvhi_rpc_context(call)), false);
}

static void wait_start(struct nvhi_rpc_call *call, const struct get_bdevs *p)
{
	struct tl_rpc *rpc = tl_rpc_of(call);
	struct bdev_wait *wait = calloc(1, sizeof(*wait));

	if (wait) {
		wait->rpc = rpc;
		wait->call = call;
		wait->timer.fn = wait_timeout;
		strncpy(wait->name, p->name, sizeof(wait->name) - 1);
	}
	if (!wait ||
	    nvhi_timer_arm(rpc->target->mgmt, &wait->timer, p->timeout * NVHI_NSEC_PER_MSEC)) {
		free(wait);
		nvhi_rpc_reply(call, NULL);
		return;
	}
	nvhi_list_add_tail(&rpc->bdev_waits, &wait->link);
	nvhi_rpc_set_context(call, wait);
	nvhi_rpc_on_gone(call, wait_gone);
}

void tl_rpc_bdev_appeared(struct tl_rpc *rpc, struct tl_bdev *bdev)
{
	struct bdev_wait *wait, *next;

	nvhi_list_for_each_safe(wait, next, &rpc->bdev_waits, link)
		if (tl_bdev_find(&rpc->target->bdevs, wait->name) == bdev)
			reply_one(wait_end(wait), bdev);
}

void tl_rpc_bdev_waits_done(struct tl_rpc *rpc)
{
	struct bdev_wait *wait, *next;

	nvhi_list_for_each_safe(wait, next, &rpc->bdev_waits, link)
		nvhi_rpc_reply_bool(wait_end(wait), false);
}

static void bdev_get_bdevs(struct nvhi_rpc_call *call)
{
	struct tl_bdevs *bdevs = &tl_rpc_of(call)->target->bdevs;
	struct json_object *list;
	struct get_bdevs p = {0};
	struct tl_bdev *bdev;
	int failed = 0;

	if (nvhi_rpc_decode(call, &p))
		return;
	if (p.name) {
		bdev = tl_bdev_find(bdevs, p.name);
		if (bdev)
			reply_one(call, bdev);
		else if (p.timeout && strlen(p.name) < TL_BDEV_NAME_LEN)
			wait_start(call, &p);
		else
			no_bdev(call, p.name);
		return;
	}
	list = json_object_new_array();
	nvhi_list_for_each(bdev, &bdevs->list, link)
		failed |= nvhi_json_append(list, bdev_object(bdev));
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

/* ---- delete and resize -------------------------------------------------------------------- */

struct bdev_ref {
	const char *name;
	uint64_t new_size;
};
static const struct nvhi_json_field ref_fields[] = {
	NVHI_JSON_FIELD(bdev_ref, name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_END,
};
static const struct nvhi_json_field resize_fields[] = {
	NVHI_JSON_FIELD(bdev_ref, name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(bdev_ref, new_size, U64, NVHI_JSON_REQUIRED, .min = 1,
			.max = INT64_MAX >> 20, .help = "MiB"),
	NVHI_JSON_END,
};

/* The named bdev of this kind; NULL: answered. */
static struct tl_bdev *ref_decode(struct nvhi_rpc_call *call, struct bdev_ref *p,
				  const struct tl_bdev_ops *ops)
{
	struct tl_bdev *bdev;

	if (nvhi_rpc_decode(call, p))
		return NULL;
	bdev = tl_bdev_find(&tl_rpc_of(call)->target->bdevs, p->name);
	if (!bdev || bdev->deleting) {
		no_bdev(call, p->name);
	} else if (bdev->ops != ops) {
		tl_rpc_bad_param(call, "name", "'%.255s' is a %s, not a %s", p->name,
				 bdev->ops->product, ops->product);
	} else {
		return bdev;
	}
	return NULL;
}

static void delete_done(void *arg, int err)
{
	struct nvhi_rpc_call *call = arg;

	if (err)
		nvhi_rpc_errno(call, err, "%s", nvhi_rpc_call_method(call)->name);
	else
		nvhi_rpc_reply_bool(call, true);
}

static void bdev_delete(struct nvhi_rpc_call *call, const struct tl_bdev_ops *ops)
{
	struct bdev_ref p = {0};
	struct tl_bdev *bdev = ref_decode(call, &p, ops);
	int rc = bdev ? tl_bdev_delete(bdev, delete_done, call) : 0;

	if (rc)
		delete_done(call, rc);
}

static void bdev_malloc_delete(struct nvhi_rpc_call *call)
{
	bdev_delete(call, &tl_malloc_ops);
}

static void bdev_null_delete(struct nvhi_rpc_call *call)
{
	bdev_delete(call, &tl_null_ops);
}

static void bdev_aio_delete(struct nvhi_rpc_call *call)
{
	bdev_delete(call, &tl_file_ops);
}

static void resize(struct nvhi_rpc_call *call, struct tl_bdev *bdev, uint64_t bytes)
{
	uint64_t blocks = bytes / bdev->block_size;
	int rc;

	if (!blocks) {
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR,
			       "%s: %llu bytes are less than a block", bdev->name,
			       (unsigned long long)bytes);
		return;
	}
	rc = blocks == bdev->blocks ? 0 : tl_bdev_resize(bdev, blocks);
	if (rc)
		tl_rpc_fail(call, rc, "%s to %llu bytes", bdev->name, (unsigned long long)bytes);
	else
		nvhi_rpc_reply_bool(call, true);
}

static void bdev_null_resize(struct nvhi_rpc_call *call)
{
	struct bdev_ref p = {0};
	struct tl_bdev *bdev = ref_decode(call, &p, &tl_null_ops);

	if (bdev)
		resize(call, bdev, p.new_size << 20);
}

/* The size of a file or block device. */
static int file_bytes(const char *path, uint64_t *ret_bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	off_t end = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	int rc = end < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	if (!rc)
		*ret_bytes = (uint64_t)end;
	return rc;
}

static void bdev_aio_rescan(struct nvhi_rpc_call *call)
{
	struct bdev_ref p = {0};
	struct tl_bdev *bdev = ref_decode(call, &p, &tl_file_ops);
	uint64_t bytes;
	int rc;

	if (!bdev)
		return;
	rc = file_bytes(bdev->ops->filename(bdev), &bytes);
	if (rc)
		tl_rpc_fail(call, rc, "%s", bdev->ops->filename(bdev));
	else
		resize(call, bdev, bytes);
}

/* ---- configuration ------------------------------------------------------------------------ */

static int create_config(struct tl_bdev *bdev, struct json_object *config)
{
	struct json_object *params = json_object_new_object();
	bool file = bdev->ops == &tl_file_ops;
	const char *method = file                          ? "bdev_aio_create"
			     : bdev->ops == &tl_malloc_ops ? "bdev_malloc_create"
							   : "bdev_null_create";
	int failed = nvhi_json_add_string(params, "name", bdev->name);

	failed |= nvhi_json_add_u64(params, "block_size", bdev->block_size);
	failed |= tl_rpc_add_uuid(params, "uuid", bdev->uuid);
	if (file) {
		failed |= nvhi_json_add_string(params, "filename", bdev->ops->filename(bdev));
		failed |= nvhi_json_add_bool(params, "readonly", bdev->read_only);
	} else {
		failed |= nvhi_json_add_u64(params, "num_blocks", bdev->blocks);
		failed |=
			nvhi_json_add_u64(params, "physical_block_size", bdev->physical_block_size);
	}
	return failed | tl_rpc_config_add(config, method, params);
}

int tl_rpc_bdev_config(struct tl_target *target, struct json_object *config)
{
	struct tl_bdev *bdev;
	int failed = 0;

	nvhi_list_for_each(bdev, &target->bdevs.list, link)
		if (!bdev->deleting)
			failed |= tl_rpc_is_stack(bdev) ? tl_rpc_stack_config(bdev, config)
							: create_config(bdev, config);
	return failed;
}

const struct nvhi_rpc_method tl_rpc_bdev_methods[] = {
	{"bdev_get_bdevs", bdev_get_bdevs, get_fields, "bdevs and what they can do",
	 TL_RPC_RUNTIME},
	{"bdev_malloc_delete", bdev_malloc_delete, ref_fields,
	 "takes its namespaces away and deletes it", TL_RPC_RUNTIME},
	{"bdev_null_delete", bdev_null_delete, ref_fields,
	 "takes its namespaces away and deletes it", TL_RPC_RUNTIME},
	{"bdev_null_resize", bdev_null_resize, resize_fields, "changes the size", TL_RPC_RUNTIME},
	{"bdev_aio_delete", bdev_aio_delete, ref_fields,
	 "takes its namespaces away and closes the file", TL_RPC_RUNTIME},
	{"bdev_aio_rescan", bdev_aio_rescan, ref_fields, "takes over a new size of the file",
	 TL_RPC_RUNTIME},
	{.name = NULL},
};
