/*
 * nvhost read, write, compare: blocks between a namespace and a file. The data goes through the
 * daemon in pieces; a large command is several NVMe commands anyway.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json_util.h"
#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/daemon/base64.h"

#define IO_PIECE (512u << 10) /* bytes a call */

struct io_cmd {
	const char *method; /* also the sub-command */
	bool to_device;
	uint32_t nsid;
	uint64_t start, data_size, metadata_size, ref_tag, storage_tag;
	uint16_t count; /* 0's based, as nvme-cli has it */
	uint16_t app_tag, app_tag_mask;
	const char *file, *metadata;
	uint8_t prinfo;
	bool limited_retry, fua, show, dry_run, latency, force;
	/* Found out. */
	const char *device;
	uint32_t block_size;
	uint8_t *data;
	size_t len;
};

/* ---- data --------------------------------------------------------------------------------- */

static int io_read_file(struct io_cmd *io)
{
	size_t want = io->data_size < io->len ? (size_t)io->data_size : io->len, got = 0;
	int fd = io->file ? open(io->file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;

	if (fd < 0)
		return nvc_fail("--data: %s: %s", io->file, strerror(errno));
	while (got < want) {
		ssize_t n = read(fd, io->data + got, want - got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int status = nvc_fail("--data: %s: %s", io->file ? io->file : "stdin",
					      strerror(errno));

			if (io->file)
				close(fd);
			return status;
		}
		if (n == 0)
			break; /* the rest is zeroes, as with nvme-cli */
		got += (size_t)n;
	}
	if (io->file)
		close(fd);
	return 0;
}

static int io_write_file(const struct io_cmd *io)
{
	size_t want = io->data_size < io->len ? (size_t)io->data_size : io->len, put = 0;
	int fd = io->file ? open(io->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : STDOUT_FILENO;
	int status = 0;

	if (fd < 0)
		return nvc_fail("--data: %s: %s", io->file, strerror(errno));
	while (put < want && !status) {
		ssize_t n = write(fd, io->data + put, want - put);

		if (n < 0 && errno != EINTR)
			status = nvc_fail("--data: %s: %s", io->file ? io->file : "stdout",
					  strerror(errno));
		else if (n > 0)
			put += (size_t)n;
	}
	if (io->file && close(fd) < 0 && !status)
		status = nvc_fail("--data: %s: %s", io->file, strerror(errno));
	return status;
}

/* ---- calls -------------------------------------------------------------------------------- */

static struct json_object *io_params(const struct io_cmd *io, uint64_t lba, uint32_t blocks,
				     const uint8_t *data)
{
	struct json_object *o = json_object_new_object();
	int err = nvhi_json_add_string(o, "device", nvc_admin_device(io->device));
	char *text;

	if (io->nsid)
		err = err ? err : nvhi_json_add_u64(o, "nsid", io->nsid);
	err = err ? err : nvhi_json_add_u64(o, "slba", lba);
	err = err ? err : nvhi_json_add_u64(o, "nlb", blocks);
	err = err ? err : nvhi_json_add_bool(o, "fua", io->fua);
	err = err ? err : nvhi_json_add_bool(o, "limited_retry", io->limited_retry);
	if (io->prinfo) {
		err = err ? err : nvhi_json_add_u64(o, "prinfo", io->prinfo);
		err = err ? err
			  : nvhi_json_add_u64(o, "reftag",
					      (uint32_t)(io->ref_tag + (lba - io->start)));
		err = err ? err : nvhi_json_add_u64(o, "apptag", io->app_tag);
		err = err ? err : nvhi_json_add_u64(o, "apptag_mask", io->app_tag_mask);
	}
	if (io->to_device) {
		text = nvd_base64_dup(data, (size_t)blocks * io->block_size);
		err = err ? err : text ? nvhi_json_add_string(o, "data", text) : -ENOMEM;
		free(text);
	}
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

static int io_piece(const struct io_cmd *io, uint64_t lba, uint32_t blocks, uint8_t *data)
{
	struct json_object *params = io_params(io, lba, blocks, data), *result;
	size_t len = (size_t)blocks * io->block_size, got = 0;
	unsigned int nvme_status;
	int status = 0;

	if (!params)
		return nvc_fail("out of memory");
	if (nvc_call(io->method, params, &result) < 0)
		return 1;
	nvme_status = (unsigned int)nvc_get_u64(result, "status", 0);
	if (nvme_status) {
		nvc_admin_say_status(nvme_status);
		status = 1;
	} else if (!io->to_device &&
		   (nvd_base64_decode(nvc_get_string(result, "data"), data, len, &got) < 0 ||
		    got != len)) {
		status = nvc_fail("%s: the daemon's answer has %zu bytes, not %zu", io->device, got,
				  len);
	}
	json_object_put(result);
	return status;
}

static int io_pieces(const struct io_cmd *io)
{
	uint32_t left = io->count + 1u, most = IO_PIECE / io->block_size;
	uint64_t lba = io->start;
	uint8_t *at = io->data;

	if (!most)
		most = 1;
	while (left) {
		uint32_t blocks = left < most ? left : most;
		int status = io_piece(io, lba, blocks, at);

		if (status)
			return status;
		lba += blocks;
		left -= blocks;
		at += (size_t)blocks * io->block_size;
	}
	return 0;
}

/* ---- the command -------------------------------------------------------------------------- */

static int io_prepare(struct io_cmd *io)
{
	struct json_object *resolved, *ns;
	uint64_t size, csi;

	if (nvc_admin_resolve(io->device, &resolved) < 0)
		return 1;
	ns = nvc_get(resolved, "namespace");
	io->block_size = (uint32_t)nvc_get_u64(ns, "block_size", 0);
	csi = nvc_get_u64(ns, "csi", 0);
	json_object_put(resolved);
	if (csi)
		return nvc_fail("%s is %s namespace: no block I/O", io->device,
				csi == NVH_CSI_ZNS ? "a zoned"
				: csi == NVH_CSI_KV  ? "a key-value"
						     : "no NVM");
	if (!io->block_size)
		return nvc_misuse("%s is not a namespace (nvhost list shows them)", io->device);
	size = (io->count + 1ull) * io->block_size;
	if (io->data_size < size)
		fprintf(stderr, "Rounding data size to fit block count (%llu bytes)\n",
			(unsigned long long)size);
	io->len = (size_t)size;
	io->data = calloc(1, io->len);
	return io->data ? 0 : nvc_fail("out of memory for %zu bytes", io->len);
}

static void io_show(const struct io_cmd *io)
{
	printf("opcode       : %02x\n", !strcmp(io->method, "read")    ? NVH_OPC_READ
					: !strcmp(io->method, "write") ? NVH_OPC_WRITE
								       : NVH_OPC_COMPARE);
	printf("nsid         : %02x\n", io->nsid);
	printf("control      : %04x\n",
	       io->prinfo << 10 | (io->limited_retry ? 0x8000 : 0) | (io->fua ? 0x4000 : 0));
	printf("nblocks      : %04x\n", io->count);
	printf("slba         : %llx\n", (unsigned long long)io->start);
	printf("reftag       : %llx\n", (unsigned long long)io->ref_tag);
	printf("apptag       : %04x\n", io->app_tag);
	printf("appmask      : %04x\n", io->app_tag_mask);
}

static int io_run(struct io_cmd *io)
{
	struct timespec from, to;
	int status = io_prepare(io);

	if (!status && io->to_device)
		status = io_read_file(io);
	if (!status && (io->show || io->dry_run))
		io_show(io);
	if (!status && !io->dry_run) {
		clock_gettime(CLOCK_MONOTONIC, &from);
		status = io_pieces(io);
		clock_gettime(CLOCK_MONOTONIC, &to);
		if (io->latency)
			printf(" latency: %s: %lld us\n", io->method,
			       (to.tv_sec - from.tv_sec) * 1000000ll +
				       (to.tv_nsec - from.tv_nsec) / 1000);
		if (!status && !io->to_device)
			status = io_write_file(io);
		if (!status)
			fprintf(stderr, "%s: Success\n", io->method);
	}
	free(io->data);
	return status;
}

static int io_main(int argc, char **argv, struct io_cmd *io, const char *about)
{
	const struct nvc_opt opts[] = {
		NVC_NUMBER("namespace-id", 'n', U32, &io->nsid, "identifier of desired namespace"),
		NVC_NUMBER("start-block", 's', U64, &io->start,
			   "64-bit addr of first block to access"),
		NVC_NUMBER("block-count", 'c', U16, &io->count,
			   "number of blocks (zeroes based) on device to access"),
		NVC_NUMBER("data-size", 'z', U64, &io->data_size, "size of data in bytes"),
		NVC_NUMBER("ref-tag", 'r', U64, &io->ref_tag, "reference tag for end-to-end PI"),
		NVC_STRING("data", 'd', "FILE", &io->file, "data file"),
		NVC_NUMBER("prinfo", 'p', U8, &io->prinfo, "PI and check field", .max = 15),
		NVC_NUMBER("app-tag-mask", 'm', U16, &io->app_tag_mask,
			   "app tag mask for end-to-end PI"),
		NVC_NUMBER("app-tag", 'a', U16, &io->app_tag, "app tag for end-to-end PI"),
		NVC_FLAG("limited-retry", 'l', &io->limited_retry,
			 "limit num. media access attempts"),
		NVC_FLAG("force-unit-access", 'f', &io->fua,
			 "force device to commit data before command completes"),
		NVC_FLAG("show-command", 'v', &io->show, "show command before sending"),
		NVC_FLAG("dry-run", 'w', &io->dry_run, "show command instead of sending"),
		NVC_FLAG("latency", 't', &io->latency, "output latency statistics"),
		NVC_FLAG("force", 0, &io->force, "accepted for nvme-cli's sake"),
		NVC_END,
	};
	const struct nvc_usage usage = {.command = io->method,
					.args = "DEVICE",
					.opts = opts,
					.min_args = 1,
					.max_args = 1,
					.about = about};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	io->device = args.words[0];
	if (!io->data_size)
		return nvc_misuse("--data-size (-z) is missing: the size of the data in bytes");
	return io_run(io);
}

int nvc_read(int argc, char **argv)
{
	struct io_cmd io = {.method = "read"};

	return io_main(argc, argv, &io,
		       "Copy specified logical blocks on the given device to "
		       "specified data buffer (default buffer is stdout).");
}

int nvc_write(int argc, char **argv)
{
	struct io_cmd io = {.method = "write", .to_device = true};

	return io_main(argc, argv, &io,
		       "Copy from provided data buffer (default buffer is stdin) to "
		       "specified logical blocks on the given device.");
}

int nvc_compare(int argc, char **argv)
{
	struct io_cmd io = {.method = "compare", .to_device = true};

	return io_main(argc, argv, &io,
		       "Compare specified logical blocks on device with specified "
		       "data buffer; return failure if buffer and block(s) are "
		       "dissimilar");
}
