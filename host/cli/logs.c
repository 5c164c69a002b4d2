/*
 * nvhost get-log, smart-log, error-log.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/logs.h"

#define LOG_LEN_MAX    (64u << 20)
#define LOG_ERRORS_MAX 256u

struct get_log {
	uint32_t nsid, len, aen;
	uint64_t lpo;
	uint8_t id, lsp, uuid_index, csi;
	uint16_t lsi;
	bool rae, raw, ot;
};

static int get_log_run(const char *device, const struct get_log *g)
{
	const struct nvc_admin cmd = {
		.device = device,
		.nsid = g->nsid,
		.cdw10 = g->id | (uint32_t)g->lsp << NVH_LOG_LSP_SHIFT | (g->rae ? NVH_LOG_RAE : 0),
		.cdw11 = (uint32_t)g->lsi << NVH_LOG_LSI_SHIFT,
		.cdw14 = (uint32_t)g->csi << NVH_LOG_CSI_SHIFT | (g->ot ? NVH_LOG_OT : 0) |
			 g->uuid_index,
	};
	void *data = malloc(g->len);
	int status = 0;

	if (!data)
		return nvc_fail("out of memory for %u bytes", g->len);
	if (nvc_admin_log(&cmd, g->lpo, data, g->len) < 0) {
		status = 1;
	} else if (g->raw) {
		status = fwrite(data, g->len, 1, stdout) != 1;
	} else {
		printf("Device:%s log-id:%d namespace-id:%#x\n", device, g->id, g->nsid);
		nvc_hexdump(stdout, data, g->len);
	}
	free(data);
	return status;
}

int nvc_get_log(int argc, char **argv)
{
	struct get_log g = {.nsid = NVH_NSID_ALL, .id = 0xff};
	const struct nvc_opt opts[] = {
		NVC_NUMBER("namespace-id", 'n', U32, &g.nsid, "desired namespace"),
		NVC_NUMBER("log-id", 'i', U8, &g.id, "identifier of log to retrieve"),
		NVC_NUMBER("log-len", 'l', U32, &g.len, "how many bytes to retrieve",
			   .max = LOG_LEN_MAX),
		NVC_NUMBER("aen", 'a', U32, &g.aen, "result of the aen, use to override log id"),
		NVC_NUMBER("lpo", 'o', U64, &g.lpo,
			   "log page offset specifies the location within a log page from where to "
			   "start returning data"),
		NVC_NUMBER("lsp", 's', U8, &g.lsp, "log specific field", .max = 127),
		NVC_NUMBER("lsi", 'S', U16, &g.lsi,
			   "log specific identifier specifies an identifier that is required for a "
			   "particular log page"),
		NVC_FLAG("rae", 'r', &g.rae, "Retain an Asynchronous Event"),
		NVC_NUMBER("uuid-index", 'U', U8, &g.uuid_index, "UUID index", .max = 127),
		NVC_FLAG("raw-binary", 'b', &g.raw, "output in raw format"),
		NVC_NUMBER("csi", 'y', U8, &g.csi, "command set identifier"),
		NVC_FLAG("ot", 'O', &g.ot, "offset type"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "get-log",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Retrieve desired number of bytes from a given log on a specified device "
			 "in "
			 "either hex-dump (default) or binary format",
	};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (g.aen) {
		g.len = 4096;
		g.id = (uint8_t)(g.aen >> 16);
	}
	if (!g.len)
		return nvc_misuse("--log-len (-l) is missing: how many bytes to retrieve");
	return get_log_run(args.words[0], &g);
}

int nvc_smart_log(int argc, char **argv)
{
	const char *format_text = NULL;
	uint32_t nsid = NVH_NSID_ALL;
	bool raw = false, human = false;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("namespace-id", 'n', U32, &nsid, "(optional) desired namespace"),
		NVC_STRING("output-format", 'o', "FMT", &format_text,
			   "Output format: normal|json|binary"),
		NVC_FLAG("raw-binary", 'b', &raw, "output in binary format"),
		NVC_FLAG("human-readable", 'H', &human, "show info in readable format"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "smart-log",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Retrieve SMART log for the given device (or optionally a namespace) in "
			 "either decoded format (default) or binary.",
	};
	struct nvc_admin cmd = {.cdw10 = NVH_LID_SMART};
	struct nvh_smart_log log;
	struct json_object *root;
	enum nvc_format format;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, true, &format) < 0)
		return 2;
	cmd.device = args.words[0];
	cmd.nsid = nsid;
	if (nvc_admin_log(&cmd, 0, &log, sizeof(log)) < 0)
		return 1;
	if (raw || format == NVC_BINARY)
		return fwrite(&log, sizeof(log), 1, stdout) != 1;
	if (format == NVC_NORMAL) {
		nvc_smart_print(stdout, &log, args.words[0], nsid, human);
		return 0;
	}
	root = nvc_smart_to_json(&log);
	if (!root)
		return nvc_fail("out of memory");
	nvc_print_json(root);
	return 0;
}

/* No more entries than the controller keeps (ELPE counts from 0). */
static int error_log_run(const char *device, uint32_t asked, bool raw, enum nvc_format format)
{
	struct nvh_error_log_entry entries[LOG_ERRORS_MAX];
	const struct nvc_admin cmd = {
		.device = device, .nsid = NVH_NSID_ALL, .cdw10 = NVH_LID_ERROR};
	struct nvh_id_ctrlr id;
	struct json_object *root;
	uint32_t nr;

	if (nvc_admin_identify(device, NVH_CNS_CTRLR, 0, 0, &id) < 0)
		return 1;
	nr = asked < id.elpe + 1u ? asked : id.elpe + 1u;
	if (nvc_admin_log(&cmd, 0, entries, nr * sizeof(entries[0])) < 0)
		return 1;
	if (raw || format == NVC_BINARY)
		return fwrite(entries, sizeof(entries[0]), nr, stdout) != nr;
	if (format == NVC_NORMAL) {
		nvc_errors_print(stdout, entries, nr, device);
		return 0;
	}
	root = nvc_errors_to_json(entries, nr);
	if (!root)
		return nvc_fail("out of memory");
	nvc_print_json(root);
	return 0;
}

int nvc_error_log(int argc, char **argv)
{
	const char *format_text = NULL;
	uint32_t entries = 64;
	bool raw = false;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("log-entries", 'e', U32, &entries, "number of entries to retrieve",
			   .min = 1, .max = LOG_ERRORS_MAX),
		NVC_STRING("output-format", 'o', "FMT", &format_text,
			   "Output format: normal|json|binary"),
		NVC_FLAG("raw-binary", 'b', &raw, "dump in binary format"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "error-log",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Retrieve specified number of error log entries from a given device in "
			 "either decoded format (default) or binary.",
	};
	enum nvc_format format;
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (nvc_parse_format(format_text, true, &format) < 0)
		return 2;
	return error_log_run(args.words[0], entries, raw, format);
}
