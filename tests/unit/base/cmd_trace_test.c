/*
 * base/cmd_trace.c: commands and completions in words.
 */
#include <string.h>

#include "base/cmd_trace.h"
#include "base/spec/nvmf.h"
#include "tests/unit/nvh_cunit.h"

static char text[256];

static struct nvh_cmd command(uint8_t opc, uint16_t cid, uint32_t nsid)
{
	struct nvh_cmd cmd;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opc = opc;
	nvh_le16_put(&cmd.cid, cid);
	nvh_le32_put(&cmd.nsid, nsid);
	return cmd;
}

static void set_sgl(struct nvh_cmd *cmd, uint8_t id, uint32_t len)
{
	cmd->flags = NVH_CMD_PSDT_SGL;
	cmd->dptr.sgl.id = id;
	nvh_le32_put(&cmd->dptr.sgl.len, len);
}

static void a_read_names_its_blocks(void)
{
	struct nvh_cmd cmd = command(NVH_OPC_READ, 63, 1);

	nvh_le32_put(&cmd.cdw10, 0x10);
	nvh_le32_put(&cmd.cdw11, 1);
	nvh_le32_put(&cmd.cdw12, 7);
	set_sgl(&cmd, NVH_SGL_ID_TRANSPORT, 4096);
	CU_ASSERT_STRING_EQUAL(nvhi_cmd_text(1, &cmd, text, sizeof(text)),
			       "Read sqid:1 cid:63 nsid:1 lba:4294967312 len:8"
			       " SGL TRANSPORT DATA BLOCK len:0x1000");
}

static void a_write_in_its_capsule_names_the_offset_form(void)
{
	struct nvh_cmd cmd = command(NVH_OPC_WRITE, 2, 5);

	nvh_le32_put(&cmd.cdw12, NVH_RW_FUA);
	set_sgl(&cmd, NVH_SGL_ID_IN_CAPSULE, 512);
	CU_ASSERT_STRING_EQUAL(nvhi_cmd_text(3, &cmd, text, sizeof(text)),
			       "Write sqid:3 cid:2 nsid:5 lba:0 len:1 fua"
			       " SGL DATA BLOCK OFFSET 0x0 len:0x200");
}

static void prps_are_shown_where_there_are_some(void)
{
	struct nvh_cmd cmd = command(NVH_OPC_FLUSH, 9, 1);

	CU_ASSERT_STRING_EQUAL(nvhi_cmd_text(1, &cmd, text, sizeof(text)),
			       "Flush sqid:1 cid:9 nsid:1");
	cmd = command(NVH_OPC_DSM, 9, 1);
	nvh_le32_put(&cmd.cdw10, 3);
	nvh_le32_put(&cmd.cdw11, NVH_DSM_AD);
	nvh_le64_put(&cmd.dptr.prp.prp1, 0x1000);
	CU_ASSERT_STRING_EQUAL(nvhi_cmd_text(1, &cmd, text, sizeof(text)),
			       "Dataset Management sqid:1 cid:9 nsid:1 ranges:4 attr:0x4"
			       " PRP1 0x1000 PRP2 0x0");
}

static void admin_commands_show_their_dwords(void)
{
	struct nvh_cmd cmd = command(NVH_ADM_IDENTIFY, 1, 0);

	nvh_le32_put(&cmd.cdw10, 1);
	set_sgl(&cmd, NVH_SGL_ID_TRANSPORT, 4096);
	CU_ASSERT_STRING_EQUAL(nvhi_cmd_text(0, &cmd, text, sizeof(text)),
			       "Identify (06) qid:0 cid:1 nsid:0 cdw10:00000001 cdw11:00000000"
			       " SGL TRANSPORT DATA BLOCK len:0x1000");
}

static void fabrics_commands_show_what_they_are(void)
{
	struct nvh_cmd cmd = command(NVH_ADM_FABRICS, 4, 0);
	struct nvh_fab_prop_cmd *prop = (struct nvh_fab_prop_cmd *)&cmd;

	prop->fctype = NVH_FCTYPE_PROPERTY_SET;
	nvh_le32_put(&prop->ofst, 0x14);
	nvh_le64_put(&prop->value, 0x460001);
	CU_ASSERT_STRING_EQUAL(nvhi_cmd_text(0, &cmd, text, sizeof(text)),
			       "FABRIC Property Set qid:0 cid:4 ofst:0x14 value:0x460001");
}

static void a_completion_shows_status_and_flags(void)
{
	struct nvh_cmd cmd = command(NVH_OPC_READ, 63, 1);
	struct nvh_cpl cpl;

	memset(&cpl, 0, sizeof(cpl));
	nvh_le16_put(&cpl.cid, 63);
	nvh_le16_put(&cpl.sqhd, 0x1f);
	nvh_le16_put(&cpl.status, (0x4080 << 1) | 1);
	CU_ASSERT_STRING_EQUAL(
		nvhi_cpl_text(1, &cmd, &cpl, text, sizeof(text)),
		"LBA Out of Range (00/80) qid:1 cid:63 cdw0:0 sqhd:001f p:1 m:0 dnr:1");
	cmd = command(NVH_ADM_FABRICS, 63, 0);
	nvh_le16_put(&cpl.status, 0x0184 << 1);
	nvhi_cpl_text(0, &cmd, &cpl, text, sizeof(text));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Connect Invalid Host (01/84)"));
}

static void a_short_buffer_holds_what_fits(void)
{
	struct nvh_cmd cmd = command(NVH_OPC_READ, 63, 1);

	memset(text, 'x', sizeof(text));
	nvhi_cmd_text(1, &cmd, text, 10);
	CU_ASSERT_STRING_EQUAL(text, "Read sqid");
	CU_ASSERT_EQUAL(text[10], 'x');
	nvhi_cmd_text(1, &cmd, text, 0);
	CU_ASSERT_EQUAL(text[0], 'R');
}

static int lines;
static char line_seen[256];

static void hook(enum nvhi_log_level level, const char *component, const char *line)
{
	(void)level;
	CU_ASSERT_STRING_EQUAL(component, "nvme");
	lines++;
	strncpy(line_seen, line, sizeof(line_seen) - 1);
}

static void traces_cost_nothing_until_asked_for(void)
{
	struct nvh_cmd cmd = command(NVH_OPC_FLUSH, 1, 1);
	unsigned char before = nvhi_log_levels[NVHI_LOG_NVME];
	char culprit[32];

	nvhi_log_set_hook(hook);
	nvhi_trace_cmd("nvh0/q1", 1, &cmd);
	CU_ASSERT_EQUAL(lines, 0);
	CU_ASSERT_EQUAL(nvhi_log_configure("nvme", culprit, sizeof(culprit)), 0);
	nvhi_trace_cmd("nvh0/q1", 1, &cmd);
	CU_ASSERT_EQUAL(lines, 1);
	CU_ASSERT_STRING_EQUAL(line_seen, "nvh0/q1: > Flush sqid:1 cid:1 nsid:1");
	nvhi_log_levels[NVHI_LOG_NVME] = before;
	nvhi_log_set_hook(NULL);
}

NVH_UNIT_MAIN("base/cmd_trace", NVH_TEST(a_read_names_its_blocks),
	      NVH_TEST(a_write_in_its_capsule_names_the_offset_form),
	      NVH_TEST(prps_are_shown_where_there_are_some),
	      NVH_TEST(admin_commands_show_their_dwords),
	      NVH_TEST(fabrics_commands_show_what_they_are),
	      NVH_TEST(a_completion_shows_status_and_flags),
	      NVH_TEST(a_short_buffer_holds_what_fits),
	      NVH_TEST(traces_cost_nothing_until_asked_for))
