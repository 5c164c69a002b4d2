/*
 * Making block devices: bdev_malloc_create, bdev_null_create, bdev_aio_create (a file). Management
 * reactor; opening a file may block it for a moment.
 */
#include <errno.h>
#include <string.h>

#include "target-lite/rpc/impl.h"

struct create_params {
	const char *name, *uuid, *filename;
	uint32_t block_size, physical_block_size, md_size;
	uint64_t num_blocks;
	int32_t dif_type;
	uint32_t preferred_write_granularity, preferred_write_alignment, optimal_write_size;
	uint32_t preferred_unmap_granularity, preferred_unmap_alignment;
	bool readonly, nowait;
};

#define SIZE_FIELDS                                                                                \
	NVHI_JSON_FIELD(create_params, block_size, U32, NVHI_JSON_REQUIRED,                        \
			.help = "bytes, a power of two from 512 to 65536"),                        \
		NVHI_JSON_FIELD(create_params, num_blocks, U64, NVHI_JSON_REQUIRED, .min = 1),     \
		NVHI_JSON_FIELD(create_params, uuid, STRING, .help = "(random)"),                  \
		NVHI_JSON_FIELD(create_params, physical_block_size, U32, .help = "(block_size)"),  \
		NVHI_JSON_FIELD(create_params, md_size, U32, .help = "only 0"),                    \
		NVHI_JSON_FIELD(create_params, dif_type, I32, .help = "only 0"),                   \
		{.name = "dif_is_head_of_md", .type = NVHI_JSON_IGNORE},                           \
	{                                                                                          \
		.name = "dif_pi_format", .type = NVHI_JSON_IGNORE                                  \
	}

/* ---- what all of them check --------------------------------------------------------------- */

/* Non-zero: answered. */
static int create_opts(struct nvhi_rpc_call *call, const struct create_params *p, uint8_t uuid[16],
		       struct tl_bdev_create_opts *opts)
{
	const char *lacking = p->md_size                       ? "md_size"
			      : p->dif_type                    ? "dif_type"
			      : p->nowait                      ? "nowait"
			      : p->preferred_write_granularity ? "preferred_write_granularity"
			      : p->preferred_write_alignment   ? "preferred_write_alignment"
			      : p->optimal_write_size          ? "optimal_write_size"
			      : p->preferred_unmap_granularity ? "preferred_unmap_granularity"
			      : p->preferred_unmap_alignment   ? "preferred_unmap_alignment"
							       : NULL;
	uint32_t size = p->block_size;

	if (lacking)
		tl_rpc_unsupported(call, lacking);
	else if (p->name && (!p->name[0] || strlen(p->name) >= TL_BDEV_NAME_LEN))
		tl_rpc_bad_param(call, "name", "1 to %d bytes are needed", TL_BDEV_NAME_LEN - 1);
	else if (size && (size < 512 || size > 65536 || (size & (size - 1))))
		tl_rpc_bad_param(call, "block_size", "%u is no power of two from 512 to 65536",
				 size);
	else if (p->physical_block_size && (p->physical_block_size & (p->physical_block_size - 1)))
		tl_rpc_bad_param(call, "physical_block_size", "%u is no power of two",
				 p->physical_block_size);
	else if (size && p->num_blocks > INT64_MAX / size)
		tl_rpc_bad_param(call, "num_blocks", "%llu blocks of %u bytes are too much",
				 (unsigned long long)p->num_blocks, size);
	else if (p->uuid && tl_rpc_parse_uuid(p->uuid, uuid))
		tl_rpc_bad_param(call, "uuid", "'%.64s' is no UUID", p->uuid);
	else {
		*opts = (struct tl_bdev_create_opts){
			.name = p->name,
			.uuid = p->uuid ? uuid : NULL,
			.blocks = p->num_blocks,
			.block_size = size,
			.physical_block_size = p->physical_block_size,
			.filename = p->filename,
			.read_only = p->readonly,
		};
		return 0;
	}
	return -EINVAL;
}

static void created(struct nvhi_rpc_call *call, const struct create_params *p, int err,
		    struct tl_bdev *bdev)
{
	if (!err) {
		tl_rpc_bdev_appeared(tl_rpc_of(call), bdev);
		nvhi_rpc_reply_string(call, bdev->name);
	} else if (err == -EEXIST) {
		tl_rpc_bad_param(call, "name", "there is a bdev '%.255s' (or one with this UUID)",
				 p->name ? p->name : "");
	} else if (err == -ENOMEM && p->num_blocks) {
		tl_rpc_fail(call, err, "%llu blocks of %u bytes", (unsigned long long)p->num_blocks,
			    p->block_size);
	} else {
		tl_rpc_fail(call, err, "%.255s", p->name ? p->name : "unnamed");
	}
}

/* ---- malloc and null ---------------------------------------------------------------------- */

static const struct nvhi_json_field malloc_fields[] = {
	NVHI_JSON_FIELD(create_params, name, STRING, .help = "(Malloc0, Malloc1, ...)"),
	SIZE_FIELDS,
	{.name = "optimal_io_boundary", .type = NVHI_JSON_IGNORE},
	{.name = "md_interleave", .type = NVHI_JSON_IGNORE},
	{.name = "numa_id", .type = NVHI_JSON_IGNORE},
	NVHI_JSON_END,
};

static const struct nvhi_json_field null_fields[] = {
	NVHI_JSON_FIELD(create_params, name, STRING, NVHI_JSON_REQUIRED),
	SIZE_FIELDS,
	NVHI_JSON_FIELD(create_params, preferred_write_granularity, U32, .help = "only 0"),
	NVHI_JSON_FIELD(create_params, preferred_write_alignment, U32, .help = "only 0"),
	NVHI_JSON_FIELD(create_params, optimal_write_size, U32, .help = "only 0"),
	NVHI_JSON_FIELD(create_params, preferred_unmap_granularity, U32, .help = "only 0"),
	NVHI_JSON_FIELD(create_params, preferred_unmap_alignment, U32, .help = "only 0"),
	NVHI_JSON_END,
};

typedef int (*create_fn)(struct tl_bdevs *bdevs, const struct tl_bdev_create_opts *opts,
			 struct tl_bdev **ret_bdev);

static void create(struct nvhi_rpc_call *call, create_fn fn)
{
	struct create_params p = {0};
	struct tl_bdev_create_opts opts;
	struct tl_bdev *bdev = NULL;
	uint8_t uuid[16];
	int rc;

	if (nvhi_rpc_decode(call, &p) || create_opts(call, &p, uuid, &opts))
		return;
	rc = fn(&tl_rpc_of(call)->target->bdevs, &opts, &bdev);
	created(call, &p, rc, bdev);
}

static void bdev_malloc_create(struct nvhi_rpc_call *call)
{
	create(call, tl_malloc_create);
}

static void bdev_null_create(struct nvhi_rpc_call *call)
{
	create(call, tl_null_create);
}

/* ---- file --------------------------------------------------------------------------------- */

static const struct nvhi_json_field aio_fields[] = {
	NVHI_JSON_FIELD(create_params, name, STRING, NVHI_JSON_REQUIRED),
	NVHI_JSON_FIELD(create_params, filename, STRING, NVHI_JSON_REQUIRED,
			.help = "a file or block device"),
	NVHI_JSON_FIELD(create_params, block_size, U32,
			.help = "bytes (512, or the device's logical block)"),
	NVHI_JSON_FIELD(create_params, readonly, BOOL, .help = "(false)"),
	NVHI_JSON_FIELD(create_params, uuid, STRING, .help = "(random)"),
	NVHI_JSON_FIELD(create_params, nowait, BOOL, .help = "only false"),
	{.name = "fallocate",
	 .type = NVHI_JSON_IGNORE,
	 .help = "taken, not needed: holes are punched where the file can"},
	NVHI_JSON_END,
};

static void bdev_aio_create(struct nvhi_rpc_call *call)
{
	struct create_params p = {0};
	struct tl_bdev_create_opts opts;
	struct tl_bdev *bdev = NULL;
	uint8_t uuid[16];
	int rc;

	if (nvhi_rpc_decode(call, &p) || create_opts(call, &p, uuid, &opts))
		return;
	rc = tl_file_create(&tl_rpc_of(call)->target->bdevs, &opts, &bdev);
	if (rc == -ERANGE)
		tl_rpc_bad_param(call, "filename", "'%.512s' is smaller than one block of %u bytes",
				 p.filename, p.block_size ? p.block_size : 512);
	else if (rc && rc != -EEXIST && rc != -ENOMEM)
		tl_rpc_fail(call, rc, "%.512s", p.filename);
	else
		created(call, &p, rc, bdev);
}

const struct nvhi_rpc_method tl_rpc_bdev_create_methods[] = {
	{"bdev_malloc_create", bdev_malloc_create, malloc_fields, "a bdev in memory",
	 TL_RPC_RUNTIME},
	{"bdev_null_create", bdev_null_create, null_fields,
	 "a bdev that reads zeroes and forgets writes", TL_RPC_RUNTIME},
	{"bdev_aio_create", bdev_aio_create, aio_fields, "a bdev on a file or block device",
	 TL_RPC_RUNTIME},
	{.name = NULL},
};
