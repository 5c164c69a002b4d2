/*
 * nvhost admin-passthru, io-passthru, get-feature: commands made on the command line.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/cli/admin.h"
#include "host/cli/bits.h"
#include "host/cli/cmd.h"
#include "host/cli/fields.h"

#define PASSTHRU_DATA_MAX (1u << 20)

struct passthru {
	struct nvc_admin cmd;
	bool admin;
	uint16_t rsvd;
	uint8_t prefill;
	const char *file;
	bool raw, show, dry_run, read, write, latency;
};

static void passthru_show(const struct passthru *p)
{
	const struct nvc_admin *c = &p->cmd;

	printf("opcode       : %02x\n", c->opcode);
	printf("flags        : %02x\n", c->flags);
	printf("rsvd1        : %04x\n", p->rsvd);
	printf("nsid         : %08x\n", c->nsid);
	printf("cdw2         : %08x\n", c->cdw2);
	printf("cdw3         : %08x\n", c->cdw3);
	printf("data_len     : %08x\n", c->len);
	printf("cdw10        : %08x\n", c->cdw10);
	printf("cdw11        : %08x\n", c->cdw11);
	printf("cdw12        : %08x\n", c->cdw12);
	printf("cdw13        : %08x\n", c->cdw13);
	printf("cdw14        : %08x\n", c->cdw14);
	printf("cdw15        : %08x\n", c->cdw15);
	printf("timeout_ms   : %08x\n", c->timeout_ms);
}

static int passthru_load(const struct passthru *p, uint8_t *data)
{
	FILE *file = p->file ? fopen(p->file, "re") : stdin;
	size_t got;

	if (!file)
		return nvc_fail("--input-file: %s: %s", p->file, strerror(errno));
	got = fread(data, 1, p->cmd.len, file);
	if (ferror(file))
		return nvc_fail("--input-file: %s: cannot be read", p->file ? p->file : "stdin");
	if (file != stdin)
		fclose(file);
	if (got < p->cmd.len)
		memset(data + got, p->prefill, p->cmd.len - got);
	return 0;
}

static int passthru_output(const struct passthru *p, const uint8_t *data)
{
	FILE *file;

	if (!p->file) {
		if (p->raw)
			return fwrite(data, 1, p->cmd.len, stdout) != p->cmd.len;
		nvc_hexdump(stdout, data, p->cmd.len);
		return 0;
	}
	file = fopen(p->file, "we");
	if (!file || fwrite(data, 1, p->cmd.len, file) != p->cmd.len || fclose(file) != 0)
		return nvc_fail("--input-file: %s: %s", p->file, strerror(errno));
	return 0;
}

static int passthru_send(struct passthru *p, uint8_t *data)
{
	const char *kind = p->admin ? "Admin" : "IO";
	const char *name =
		p->admin ? nvh_admin_opc_name(p->cmd.opcode) : nvh_io_opc_name(p->cmd.opcode);
	struct timespec from, to;
	unsigned int status;
	uint64_t result;

	if (!strcmp(name, "unknown") || !strcmp(name, "vendor specific"))
		name = "Vendor Specific";
	p->cmd.write_data = p->write && p->cmd.len ? data : NULL;
	clock_gettime(CLOCK_MONOTONIC, &from);
	if (nvc_admin_send(p->admin ? "admin_passthru" : "io_passthru", &p->cmd, data, &status,
			   &result) < 0)
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (p->latency)
		printf("%s Command %s latency: %lld us\n", kind, name,
		       (to.tv_sec - from.tv_sec) * 1000000ll + (to.tv_nsec - from.tv_nsec) / 1000);
	if (status) {
		nvc_admin_say_status(status);
		return 1;
	}
	fprintf(stderr, "%s Command %s is Success and result: 0x%08x\n", kind, name,
		(uint32_t)result);
	return p->read && p->cmd.len ? passthru_output(p, data) : 0;
}

static int passthru_run(struct passthru *p)
{
	uint8_t *data = NULL;
	int status = 0;

	/* Bits 1:0 of an opcode say which way its data goes; nothing can turn that round. */
	p->write = p->cmd.opcode & NVH_DATA_TO_CTRLR;
	p->read = p->cmd.opcode & NVH_DATA_TO_HOST;
	if (p->cmd.len && !p->read && !p->write)
		return nvc_misuse(
			"--data-len %u, but opcode %#x carries no data (its bits 1:0 are 0)",
			p->cmd.len, p->cmd.opcode);
	if (p->cmd.len) {
		data = malloc(p->cmd.len);
		if (!data)
			return nvc_fail("out of memory for %u bytes", p->cmd.len);
		memset(data, p->prefill, p->cmd.len);
	}
	if (p->write && p->cmd.len)
		status = passthru_load(p, data);
	if (!status && (p->show || p->dry_run))
		passthru_show(p);
	if (!status && !p->dry_run)
		status = passthru_send(p, data);
	free(data);
	return status;
}

static int passthru_main(int argc, char **argv, struct passthru *p)
{
	bool opcode_given = false;
	struct nvc_admin *c = &p->cmd;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("opcode", 'o', U8, &c->opcode, "opcode (required)",
			   .given = &opcode_given),
		NVC_NUMBER("flags", 'f', U8, &c->flags, "command flags"),
		NVC_NUMBER("prefill", 'p', U8, &p->prefill,
			   "prefill buffers with known byte-value, default 0"),
		NVC_NUMBER("rsvd", 'R', U16, &p->rsvd, "value for reserved field (ignored)"),
		NVC_NUMBER("namespace-id", 'n', U32, &c->nsid, "desired namespace"),
		NVC_NUMBER("data-len", 'l', U32, &c->len, "data I/O length (bytes)",
			   .max = PASSTHRU_DATA_MAX),
		NVC_NUMBER("timeout", 't', U32, &c->timeout_ms, "timeout value, in milliseconds",
			   .max = 3600000),
		NVC_NUMBER("cdw2", '2', U32, &c->cdw2, "command dword 2 value"),
		NVC_NUMBER("cdw3", '3', U32, &c->cdw3, "command dword 3 value"),
		NVC_NUMBER("cdw10", '4', U32, &c->cdw10, "command dword 10 value"),
		NVC_NUMBER("cdw11", '5', U32, &c->cdw11, "command dword 11 value"),
		NVC_NUMBER("cdw12", '6', U32, &c->cdw12, "command dword 12 value"),
		NVC_NUMBER("cdw13", '7', U32, &c->cdw13, "command dword 13 value"),
		NVC_NUMBER("cdw14", '8', U32, &c->cdw14, "command dword 14 value"),
		NVC_NUMBER("cdw15", '9', U32, &c->cdw15, "command dword 15 value"),
		NVC_STRING("input-file", 'i', "FILE", &p->file, "data input or output file"),
		NVC_FLAG("raw-binary", 'b', &p->raw, "dump output in binary format"),
		NVC_FLAG("show-command", 's', &p->show, "print command before sending"),
		NVC_FLAG("dry-run", 'd', &p->dry_run, "show command instead of sending"),
		NVC_FLAG("read", 'r', &p->read, "set dataflow direction to receive"),
		NVC_FLAG("write", 'w', &p->write, "set dataflow direction to send"),
		NVC_FLAG("latency", 'T', &p->latency, "output latency statistics"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = p->admin ? "admin-passthru" : "io-passthru",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = p->admin
				 ? "Send a user-defined Admin command to the specified device, "
				   "return results."
				 : "Send a user-defined IO command to the specified device, return "
				   "results.",
	};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (!opcode_given)
		return nvc_misuse("--opcode (-o) is missing");
	c->device = args.words[0];
	return passthru_run(p);
}

int nvc_admin_passthru(int argc, char **argv)
{
	struct passthru p = {.admin = true};

	return passthru_main(argc, argv, &p);
}

int nvc_io_passthru(int argc, char **argv)
{
	struct passthru p = {.admin = false};

	return passthru_main(argc, argv, &p);
}

/* ---- get-feature -------------------------------------------------------------------------- */

static const struct {
	uint8_t id;
	uint16_t len; /* of its data, 0: none */
	const char *name;
} features[] = {
	{NVH_FID_ARBITRATION, 0, "Arbitration"},
	{NVH_FID_POWER_MGMT, 0, "Power Management"},
	{NVH_FID_LBA_RANGE, 4096, "LBA Range Type"},
	{NVH_FID_TEMP_THRESH, 0, "Temperature Threshold"},
	{NVH_FID_ERROR_RECOVERY, 0, "Error Recovery"},
	{NVH_FID_VWC, 0, "Volatile Write Cache"},
	{NVH_FID_NUM_QUEUES, 0, "Number of Queues"},
	{NVH_FID_IRQ_COALESCE, 0, "Interrupt Coalescing"},
	{NVH_FID_IRQ_CONFIG, 0, "Interrupt Vector Configuration"},
	{NVH_FID_WRITE_ATOMICITY, 0, "Write Atomicity Normal"},
	{NVH_FID_AEC, 0, "Async Event Configuration"},
	{NVH_FID_APST, 256, "Autonomous Power State Transition"},
	{NVH_FID_HMB, 4096, "Host Memory Buffer"},
	{NVH_FID_TIMESTAMP, 8, "Timestamp"},
	{NVH_FID_KATO, 0, "Keep Alive Timer"},
	{NVH_FID_HCTM, 0, "Host Controlled Thermal Management"},
	{NVH_FID_NOPSC, 0, "Non-Operational Power State Config"},
	{NVH_FID_RRL, 0, "Read Recovery Level Config"},
	{NVH_FID_PLM_CONFIG, 512, "Predicatable Latency Mode Config"},
	{NVH_FID_PLM_WINDOW, 0, "Predicatable Latency Mode Window"},
	{NVH_FID_LBA_STATUS, 0, "LBA Status Infomation Attributes"},
	{NVH_FID_HOST_BEHAVIOR, 512, "Host Behavior"},
	{NVH_FID_SANITIZE, 0, "Sanitize"},
	{NVH_FID_ENDURANCE_EVENT, 0, "Endurance Group Event Configuration"},
	{NVH_FID_IOCS_PROFILE, 0, "I/O Command Set Profile"},
	{NVH_FID_SW_PROGRESS, 0, "Software Progress"},
	{NVH_FID_HOST_ID, 8, "Host Identifier"},
	{NVH_FID_RESV_MASK, 0, "Reservation Notification Mask"},
	{NVH_FID_RESV_PERSIST, 0, "Reservation Persistence"},
	{NVH_FID_NS_WRITE_PROTECT, 0, "Namespce Write Protect"},
};

struct get_feature {
	const char *device;
	uint8_t id, sel, uuid_index;
	uint32_t nsid, len, cdw11;
	bool raw, human;
};

static const char *feature_name(uint8_t id, uint32_t *ret_len)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (features[i].id == id) {
			*ret_len = features[i].len;
			return features[i].name;
		}
	}
	*ret_len = 0;
	return "Unknown";
}

static int feature_run(struct get_feature *g)
{
	static const char *const sels[] = {"Current", "Default", "Saved", "Supported capabilities"};
	struct nvc_admin cmd = {
		.device = g->device,
		.opcode = NVH_ADM_GET_FEATURES,
		.nsid = g->nsid,
		.cdw10 = g->id | (uint32_t)g->sel << NVH_FEAT_SEL_SHIFT,
		.cdw11 = g->cdw11,
		.cdw14 = g->uuid_index,
	};
	uint8_t data[4096];
	unsigned int status;
	uint64_t result;
	uint32_t len;
	const char *name = feature_name(g->id, &len);

	/* A fabrics controller knows the 128-bit host identifier only. */
	if (g->id == NVH_FID_HOST_ID && (g->cdw11 & NVH_FEAT_HOSTID_EXHID))
		len = 16;
	cmd.len = g->sel == NVH_FEAT_SEL_SUPPORTED ? 0 : g->len ? g->len : len;
	if (nvc_admin_send("admin_passthru", &cmd, data, &status, &result) < 0)
		return 1;
	if (status) {
		nvc_admin_say_status(status);
		return 1;
	}
	if (g->raw && cmd.len)
		return fwrite(data, cmd.len, 1, stdout) != 1;
	printf("get-feature:%#0*x (%s), %s value:%#0*x\n", g->id ? 4 : 2, g->id, name, sels[g->sel],
	       (uint32_t)result ? 10 : 8, (uint32_t)result);
	if (g->human && g->sel != NVH_FEAT_SEL_SUPPORTED)
		nvc_feature_print(stdout, g->id, (uint32_t)result);
	if (cmd.len)
		nvc_hexdump(stdout, data, cmd.len);
	return 0;
}

int nvc_get_feature(int argc, char **argv)
{
	struct get_feature g = {0};
	bool id_given = false;
	const struct nvc_opt opts[] = {
		NVC_NUMBER("feature-id", 'f', U8, &g.id, "feature identifier", .given = &id_given),
		NVC_NUMBER("namespace-id", 'n', U32, &g.nsid, "identifier of desired namespace"),
		NVC_NUMBER("sel", 's', U8, &g.sel, "[0-3]: current/default/saved/supported",
			   .max = 3),
		NVC_NUMBER("data-len", 'l', U32, &g.len, "buffer len (if) data is received",
			   .max = 4096),
		NVC_FLAG("raw-binary", 'b', &g.raw, "show feature in binary format"),
		NVC_FLAG("human-readable", 'H', &g.human, "show feature in readable format"),
		NVC_NUMBER("cdw11", 'c', U32, &g.cdw11, "feature specific dword 11"),
		NVC_NUMBER("uuid-index", 'U', U8, &g.uuid_index, "specify uuid index", .max = 127),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "get-feature",
		.args = "DEVICE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Read operating parameters of the specified controller.",
	};
	struct nvc_args args;
	int status;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (!id_given)
		return nvc_misuse("--feature-id (-f) is missing");
	g.device = args.words[0];
	return feature_run(&g);
}
