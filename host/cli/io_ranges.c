/*
 * nvhost flush, write-zeroes, verify, dsm: commands that name blocks but carry no data of theirs.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_util.h"
#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"

/* Calls and prints `success`, or the status. Takes params. */
static int range_call(const char *method, struct json_object *params, const char *success)
{
	struct json_object *result;
	unsigned int status;

	if (!params)
		return nvc_fail("out of memory");
	if (nvc_call(method, params, &result) < 0)
		return 1;
	status = (unsigned int)nvc_get_u64(result, "status", 0);
	json_object_put(result);
	if (status) {
		nvc_admin_say_status(status);
		return 1;
	}
	puts(success);
	return 0;
}

static struct json_object *range_device(const char *device, uint32_t nsid)
{
	struct json_object *o = json_object_new_object();
	int err = nvhi_json_add_string(o, "device", nvc_admin_device(device));

	if (nsid)
		err = err ? err : nvhi_json_add_u64(o, "nsid", nsid);
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

int nvc_flush(int argc, char **argv)
{
	uint32_t nsid = 0;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("namespace-id", 'n', U32, &nsid, "identifier of desired namespace"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "flush",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Commit data and metadata associated with given namespaces to nonvolatile "
			 "media. Applies to all commands finished before the flush was submitted.",
	};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	return range_call("flush", range_device(args.words[0], nsid), "NVMe Flush: success");
}

struct range {
	uint32_t nsid;
	uint64_t start, ref_tag;
	uint16_t count, app_tag, app_tag_mask;
	uint8_t prinfo;
	bool deac, limited_retry, fua;
};

static struct json_object *range_params(const char *device, const struct range *r)
{
	struct json_object *o = range_device(device, r->nsid);
	int err = nvhi_json_add_u64(o, "slba", r->start);

	err = err ? err : nvhi_json_add_u64(o, "nlb", r->count + 1u);
	err = err ? err : nvhi_json_add_bool(o, "fua", r->fua);
	err = err ? err : nvhi_json_add_bool(o, "limited_retry", r->limited_retry);
	if (r->deac)
		err = err ? err : nvhi_json_add_bool(o, "deac", true);
	if (r->prinfo) {
		err = err ? err : nvhi_json_add_u64(o, "prinfo", r->prinfo);
		err = err ? err : nvhi_json_add_u64(o, "reftag", (uint32_t)r->ref_tag);
		err = err ? err : nvhi_json_add_u64(o, "apptag", r->app_tag);
		err = err ? err : nvhi_json_add_u64(o, "apptag_mask", r->app_tag_mask);
	}
	if (err) {
		json_object_put(o);
		return NULL;
	}
	return o;
}

#define RANGE_OPTS(r)                                                                              \
	NVC_NUMBER("namespace-id", 'n', U32, &(r).nsid, "desired namespace"),                      \
		NVC_NUMBER("start-block", 's', U64, &(r).start,                                    \
			   "64-bit LBA of first block to access"),                                 \
		NVC_NUMBER("block-count", 'c', U16, &(r).count,                                    \
			   "number of blocks (zeroes based) on device to access"),                 \
		NVC_FLAG("limited-retry", 'l', &(r).limited_retry, "limit media access attempts"), \
		NVC_FLAG("force-unit-access", 'f', &(r).fua,                                       \
			 "force device to commit data before command completes"),                  \
		NVC_NUMBER("prinfo", 'p', U8, &(r).prinfo, "PI and check field", .max = 15),       \
		NVC_NUMBER("ref-tag", 'r', U64, &(r).ref_tag, "reference tag for end-to-end PI"),  \
		NVC_NUMBER("app-tag-mask", 'm', U16, &(r).app_tag_mask,                            \
			   "app tag mask for end-to-end PI"),                                      \
		NVC_NUMBER("app-tag", 'a', U16, &(r).app_tag, "app tag for end-to-end PI")

int nvc_write_zeroes(int argc, char **argv)
{
	struct range r = {0};
	const struct nvc_opt opts[] = {
		RANGE_OPTS(r),
		NVC_FLAG("deac", 'd', &r.deac,
			 "Set DEAC bit, requesting controller to deallocate specified logical "
			 "blocks"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "write-zeroes",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "The Write Zeroes command is used to set a range of logical blocks to "
			 "zero.",
	};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	return range_call("write_zeroes", range_params(args.words[0], &r),
			  "NVME Write Zeroes Success");
}

int nvc_verify(int argc, char **argv)
{
	struct range r = {0};
	const struct nvc_opt opts[] = {RANGE_OPTS(r), NVC_END};
	const struct nvc_usage usage = {
		.command = "verify",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Verify specified logical blocks on the given device.",
	};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	return range_call("verify", range_params(args.words[0], &r), "NVME Verify Success");
}

/* ---- dsm ---------------------------------------------------------------------------------- */

/* "0,128,0x100": how many numbers, or -1 after the failure was said. */
static int dsm_numbers(const char *option, const char *text, uint64_t *ret_values)
{
	char *copy = text ? strdup(text) : NULL, *save = NULL;
	int nr = 0;

	for (char *word = copy ? strtok_r(copy, ",", &save) : NULL; word;
	     word = strtok_r(NULL, ",", &save)) {
		if (nr == NVH_DSM_MAX_RANGES || nvc_parse_size(word, 1000, &ret_values[nr]) < 0) {
			nvc_misuse(nr == NVH_DSM_MAX_RANGES ? "--%s: '%s' is behind the 256th range"
							    : "--%s: '%s' is not a number",
				   option, word);
			nr = -1;
			break;
		}
		nr++;
	}
	free(copy);
	return nr;
}

static int dsm_send(const char *device, uint32_t nsid, const struct nvh_dsm_range *ranges, int nr,
		    uint32_t attributes)
{
	const struct nvc_admin cmd = {
		.device = device,
		.opcode = NVH_OPC_DSM,
		.nsid = nsid,
		.cdw10 = (uint32_t)nr - 1,
		.cdw11 = attributes,
		.write_data = ranges,
		.len = (uint32_t)((size_t)nr * sizeof(*ranges)),
	};
	unsigned int status;

	if (nvc_admin_send("io_passthru", &cmd, NULL, &status, NULL) < 0)
		return 1;
	if (status) {
		nvc_admin_say_status(status);
		return 1;
	}
	puts("NVMe DSM: success");
	return 0;
}

int nvc_dsm(int argc, char **argv)
{
	const char *attrs = NULL, *blocks = NULL, *slbs = NULL;
	uint32_t nsid = 0, cdw11 = 0;
	bool ad = false, idw = false, idr = false;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("namespace-id", 'n', U32, &nsid, "identifier of desired namespace"),
		NVC_STRING("ctx-attrs", 'a', "LIST", &attrs,
			   "Comma separated list of the context attributes in each range"),
		NVC_STRING("blocks", 'b', "LIST", &blocks,
			   "Comma separated list of the number of blocks in each range"),
		NVC_STRING("slbs", 's', "LIST", &slbs,
			   "Comma separated list of the starting block in each range"),
		NVC_FLAG("ad", 'd', &ad, "Attribute Deallocate"),
		NVC_FLAG("idw", 'w', &idw, "Attribute Integral Dataset for Write"),
		NVC_FLAG("idr", 'r', &idr, "Attribute Integral Dataset for Read"),
		NVC_NUMBER(
			"cdw11", 'c', U32, &cdw11,
			"All the command DWORD 11 attributes. Use instead of specifying individual "
			"attributes"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "dsm",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about =
			"The Dataset Management command is used by the host to indicate attributes "
			"for ranges of logical blocks.",
	};
	uint64_t a[NVH_DSM_MAX_RANGES] = {0}, b[NVH_DSM_MAX_RANGES] = {0};
	uint64_t s[NVH_DSM_MAX_RANGES] = {0};
	struct nvh_dsm_range ranges[NVH_DSM_MAX_RANGES];
	struct nvc_args args;
	int status, na, nb, ns, nr;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	na = dsm_numbers("ctx-attrs", attrs, a);
	nb = dsm_numbers("blocks", blocks, b);
	ns = dsm_numbers("slbs", slbs, s);
	if (na < 0 || nb < 0 || ns < 0)
		return 2;
	nr = na > nb ? na : nb;
	nr = nr > ns ? nr : ns;
	if (!nr)
		return nvc_misuse("No range definition provided (--slbs, --blocks)");
	for (int i = 0; i < nr; i++) {
		nvh_le32_put(&ranges[i].cattr, (uint32_t)a[i]);
		nvh_le32_put(&ranges[i].nlb, (uint32_t)b[i]);
		nvh_le64_put(&ranges[i].slba, s[i]);
	}
	if (!cdw11)
		cdw11 = (ad ? NVH_DSM_AD : 0) | (idw ? NVH_DSM_IDW : 0) | (idr ? NVH_DSM_IDR : 0);
	return dsm_send(args.words[0], nsid, ranges, nr, cdw11);
}
