/*
 * Wire structures: fields at the byte offsets of the specification, status and opcode texts.
 */
#include "base/spec/nvme.h"

#include <string.h>

#include "base/spec/nvme_tcp.h"
#include "base/spec/nvmf.h"
#include "tests/unit/nvh_cunit.h"

static void integers_are_little_endian(void)
{
	static const uint8_t b[8] = {1, 2, 3, 4, 5, 6, 7, 0x88};
	struct nvh_le128 big;
	struct nvh_le16 v16;
	struct nvh_le24 v24;
	struct nvh_le32 v32;
	struct nvh_le64 v64;

	memcpy(&v16, b, 2);
	memcpy(&v24, b, 3);
	memcpy(&v32, b, 4);
	memcpy(&v64, b, 8);
	CU_ASSERT_EQUAL(nvh_le16_get(v16), 0x0201);
	CU_ASSERT_EQUAL(nvh_le24_get(v24), 0x030201);
	CU_ASSERT_EQUAL(nvh_le32_get(v32), 0x04030201);
	CU_ASSERT_EQUAL(nvh_le64_get(v64), 0x8807060504030201ull);
	v16 = nvh_le16_of(0x0201);
	v24 = nvh_le24_of(0x030201);
	v32 = nvh_le32_of(0x04030201);
	v64 = nvh_le64_of(0x8807060504030201ull);
	CU_ASSERT_EQUAL(memcmp(&v16, b, 2), 0);
	CU_ASSERT_EQUAL(memcmp(&v24, b, 3), 0);
	CU_ASSERT_EQUAL(memcmp(&v32, b, 4), 0);
	CU_ASSERT_EQUAL(memcmp(&v64, b, 8), 0);
	nvh_le128_put(&big, 5);
	CU_ASSERT_EQUAL(nvh_le128_get_sat(big), 5);
	big.hi.b[7] = 1;
	CU_ASSERT_EQUAL(nvh_le128_get_sat(big), UINT64_MAX);
}

/* A completion as it came from the wire: Namespace Not Ready, CRD 2, M, DNR, phase 1. */
static void a_status_is_taken_apart(void)
{
	static const uint8_t wire[16] = {0xef, 0xbe, 0xad, 0xde, 1,    0,    0,    0,
					 5,    0,    2,    0,    0x34, 0x12, 0x05, 0xe1};
	struct nvh_cpl cpl;

	memcpy(&cpl, wire, sizeof(cpl));
	CU_ASSERT_EQUAL(nvh_cpl_phase(&cpl), 1);
	CU_ASSERT_EQUAL(nvh_cpl_sc(&cpl), NVH_SC_NS_NOT_READY);
	CU_ASSERT_EQUAL(nvh_cpl_sct(&cpl), NVH_SCT_GENERIC);
	CU_ASSERT_EQUAL(nvh_cpl_code(&cpl), NVH_ST_NS_NOT_READY);
	CU_ASSERT_EQUAL(nvh_cpl_crd(&cpl), 2);
	CU_ASSERT_EQUAL(nvh_cpl_more(&cpl), 1);
	CU_ASSERT_EQUAL(nvh_cpl_dnr(&cpl), 1);
	CU_ASSERT_TRUE(nvh_cpl_is_error(&cpl));
	CU_ASSERT_EQUAL(nvh_cpl_result64(&cpl), 0x1deadbeefull);
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.cid), 0x1234);
	nvh_cpl_set_status(&cpl, NVH_ST_ANA_INACCESSIBLE | NVH_CPL_DNR);
	CU_ASSERT_EQUAL(nvh_le16_get(cpl.status), 0x8605);
	CU_ASSERT_EQUAL(nvh_cpl_sct(&cpl), NVH_SCT_PATH);
	nvh_cpl_set_status(&cpl, 0);
	CU_ASSERT_FALSE(nvh_cpl_is_error(&cpl));
}

static void statuses_have_texts(void)
{
	CU_ASSERT_STRING_EQUAL(nvh_status_text(0, 0), "Successful Completion");
	CU_ASSERT_STRING_EQUAL(nvh_status_text(1, 0x09), "Invalid Log Page");
	CU_ASSERT_STRING_EQUAL(nvh_status_text(1, 0x80), "Conflicting Attributes");
	CU_ASSERT_STRING_EQUAL(nvh_fabrics_status_text(1, 0x80), "Connect Incompatible Format");
	CU_ASSERT_STRING_EQUAL(nvh_fabrics_status_text(0, 0x06), "Internal Error");
	CU_ASSERT_STRING_EQUAL(nvh_status_text(2, 0x81), "Unrecovered Read Error");
	CU_ASSERT_STRING_EQUAL(nvh_status_text(3, 0x02), "Asymmetric Access Inaccessible");
	CU_ASSERT_STRING_EQUAL(nvh_status_text(0, 0x7f), "Unknown generic status");
	CU_ASSERT_STRING_EQUAL(nvh_status_text(7, 0x01), "Vendor specific status");
	CU_ASSERT_STRING_EQUAL(nvh_status_text(5, 0x01), "Status of a reserved type");
	CU_ASSERT_STRING_EQUAL(nvh_status_name(0, 0x80), "LBA_RANGE");
	CU_ASSERT_STRING_EQUAL(nvh_status_name(6, 0x80), "UNKNOWN");
}

static void opcodes_have_names(void)
{
	CU_ASSERT_STRING_EQUAL(nvh_admin_opc_name(NVH_ADM_IDENTIFY), "Identify");
	CU_ASSERT_STRING_EQUAL(nvh_admin_opc_name(0x38), "Cross-Controller Reset");
	CU_ASSERT_STRING_EQUAL(nvh_admin_opc_name(0xc0), "vendor specific");
	CU_ASSERT_STRING_EQUAL(nvh_admin_opc_name(0x03), "unknown");
	CU_ASSERT_STRING_EQUAL(nvh_io_opc_name(NVH_OPC_WRITE_ZEROES), "Write Zeroes");
	CU_ASSERT_STRING_EQUAL(nvh_io_opc_name(0x80), "vendor specific");
	CU_ASSERT_STRING_EQUAL(nvh_io_opc_name(0x03), "unknown");
	CU_ASSERT_STRING_EQUAL(nvh_fabrics_type_name(NVH_FCTYPE_CONNECT), "Connect");
	CU_ASSERT_STRING_EQUAL(nvh_fabrics_type_name(2), "unknown");
	CU_ASSERT_STRING_EQUAL(nvh_tcp_pdu_name(NVH_TCP_R2T), "R2T");
	CU_ASSERT_STRING_EQUAL(nvh_tcp_pdu_name(8), "unknown");
	CU_ASSERT_EQUAL(nvh_opc_data_dir(NVH_OPC_WRITE), NVH_DATA_TO_CTRLR);
	CU_ASSERT_EQUAL(nvh_opc_data_dir(NVH_ADM_IDENTIFY), NVH_DATA_TO_HOST);
	CU_ASSERT_EQUAL(nvh_opc_data_dir(NVH_ADM_KEEP_ALIVE), NVH_DATA_NONE);
}

/* Every byte of the page holds a number made of its offset; fields must show theirs. */
static void identify_fields_stand_where_the_specification_puts_them(void)
{
	union {
		uint8_t b[4096];
		struct nvh_id_ctrlr ctrlr;
		struct nvh_id_ns ns;
	} page;

	for (unsigned int i = 0; i < sizeof(page.b); i++)
		page.b[i] = (uint8_t)(i ^ i >> 8);
#define AT(off)   ((uint8_t)((off) ^ (off) >> 8))
#define AT16(off) (AT(off) | AT((off) + 1) << 8)
	CU_ASSERT_EQUAL(page.ctrlr.mdts, AT(77));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ctrlr.cntlid), AT16(78));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ctrlr.crdt2), AT16(130));
	CU_ASSERT_EQUAL(page.ctrlr.acl, AT(258));
	CU_ASSERT_EQUAL(page.ctrlr.aerl, AT(259));
	CU_ASSERT_EQUAL(page.ctrlr.lpa, AT(261));
	CU_ASSERT_EQUAL(page.ctrlr.npss, AT(263));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ctrlr.kas), AT16(320));
	CU_ASSERT_EQUAL(page.ctrlr.anacap, AT(343));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ctrlr.cqt), AT16(386));
	CU_ASSERT_EQUAL(page.ctrlr.cqes, AT(513));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ctrlr.fuses), AT16(522));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ctrlr.awupf), AT16(528));
	CU_ASSERT_EQUAL(page.ctrlr.nwpc, AT(531));
	CU_ASSERT_EQUAL(page.ctrlr.mnan.b[0], AT(540));
	CU_ASSERT_EQUAL(page.ctrlr.iorcsz.b[0], AT(1796));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ctrlr.icdoff), AT16(1800));
	CU_ASSERT_EQUAL(page.ctrlr.fcatt, AT(1802));
	CU_ASSERT_EQUAL(page.ns.nlbaf, AT(25));
	CU_ASSERT_EQUAL(page.ns.rescap, AT(31));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ns.noiob), AT16(46));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ns.nows), AT16(72));
	CU_ASSERT_EQUAL(page.ns.msrc, AT(80));
	CU_ASSERT_EQUAL(nvh_le16_get(page.ns.endgid), AT16(102));
	CU_ASSERT_EQUAL(page.ns.lbaf[63].lbads, AT(128 + 63 * 4 + 2));
}

static void the_format_index_uses_high_bits_only_with_many_formats(void)
{
	static struct nvh_id_ns id;

	id.flbas = 0x61 | NVH_FLBAS_EXTENDED;
	id.nlbaf = 15;
	CU_ASSERT_EQUAL(nvh_id_ns_format(&id), 1);
	id.nlbaf = 16;
	CU_ASSERT_EQUAL(nvh_id_ns_format(&id), 0x31);
}

static void registers_are_taken_apart(void)
{
	const uint64_t cap = 0x0053203028ff007full;

	CU_ASSERT_EQUAL(nvh_cap_mqes(cap), 127);
	CU_ASSERT_EQUAL(nvh_cap_to(cap), 0x28);
	CU_ASSERT_EQUAL(nvh_cap_dstrd(cap), 0);
	CU_ASSERT_EQUAL(nvh_cap_mpsmin(cap), 3);
	CU_ASSERT_EQUAL(nvh_cap_mpsmax(cap), 5);
	CU_ASSERT_EQUAL(nvh_cap_css(0x41ull << NVH_CAP_CSS_SHIFT), 0x41);
	CU_ASSERT_EQUAL(nvh_vs(2, 1, 3), 0x20103);
	CU_ASSERT_EQUAL(nvh_cc_shn(0x00464001), NVH_CC_SHN_NORMAL);
	CU_ASSERT_EQUAL(nvh_cc_iosqes(0x00464001), NVH_SQES_LOG2);
	CU_ASSERT_EQUAL(nvh_cc_iocqes(0x00464001), NVH_CQES_LOG2);
	CU_ASSERT_EQUAL(nvh_csts_shst(0x9), NVH_CSTS_SHST_COMPLETE);
	CU_ASSERT_EQUAL(nvh_db_cq(2, 1), 0x1000 + 5 * 8);
	CU_ASSERT_EQUAL(nvh_aer_dw0(NVH_AER_NOTICE, NVH_AER_DISCOVERY_CHANGED, NVH_LID_DISCOVERY),
			0x70f002);
}

NVH_UNIT_MAIN("base/spec", NVH_TEST(integers_are_little_endian), NVH_TEST(a_status_is_taken_apart),
	      NVH_TEST(statuses_have_texts), NVH_TEST(opcodes_have_names),
	      NVH_TEST(identify_fields_stand_where_the_specification_puts_them),
	      NVH_TEST(the_format_index_uses_high_bits_only_with_many_formats),
	      NVH_TEST(registers_are_taken_apart))
