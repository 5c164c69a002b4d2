/*
 * Every builder against the golden bytes, and digests against published CRC32C vectors.
 */
#include <string.h>

#include "base/crc32c.h"
#include "base/spec/nvme.h"
#include "fabric/tcp/pdu.h"
#include "tests/unit/golden.h"
#include "tests/unit/nvh_cunit.h"

static struct golden golden;

/* The built header (and padding) equals the golden stream at `at`. */
static void same(const char *name, size_t at, const uint8_t *buf, uint32_t len, uint32_t want_len)
{
	golden_load(&golden, name);
	CU_ASSERT_EQUAL(len, want_len);
	CU_ASSERT_FATAL(at + len <= golden.len);
	CU_ASSERT_EQUAL(memcmp(buf, golden.bytes + at, len), 0);
}

static void ic_pdus_are_built_as_the_golden_ones(void)
{
	uint8_t buf[NVHI_PDU_HDR_ROOM];
	uint32_t n;

	n = nvhi_pdu_icreq_build(buf, 0, NVH_TCP_DGST_HDR | NVH_TCP_DGST_DATA, 15);
	same("tcp/icreq.hex", 0, buf, n, 128);
	n = nvhi_pdu_icresp_build(buf, 31, NVH_TCP_DGST_HDR, 131072);
	same("tcp/icresp.hex", 0, buf, n, 128);
}

static void a_read_capsule_is_built_in_its_place(void)
{
	static const struct nvhi_pdu_params params = {.role = NVHI_PDU_HOST, .ic_done = true};
	uint8_t buf[NVHI_PDU_HDR_ROOM] = {0};
	struct nvh_cmd *cmd = &((struct nvh_tcp_capsule_cmd *)buf)->cmd;
	uint32_t n;

	cmd->opc = NVH_OPC_READ;
	cmd->flags = NVH_CMD_PSDT_SGL;
	nvh_le16_put(&cmd->cid, 7);
	nvh_le32_put(&cmd->nsid, 1);
	nvh_le32_put(&cmd->dptr.sgl.len, 4096);
	cmd->dptr.sgl.id = NVH_SGL_ID_TRANSPORT;
	nvh_le32_put(&cmd->cdw10, 0x10);
	nvh_le32_put(&cmd->cdw12, 7);
	n = nvhi_pdu_capsule_cmd_build(buf, &params, cmd, 0);
	same("tcp/capsule_cmd_read.hex", 0, buf, n, 72);
}

static void a_write_capsule_has_digests_and_padding(void)
{
	static const struct nvhi_pdu_params params = {
		.role = NVHI_PDU_HOST, .ic_done = true, .hdgst = true, .ddgst = true, .cpda = 15};
	static const uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	struct iovec iov[2] = {{(void *)data, 3}, {(void *)(data + 3), 5}};
	struct nvhi_iov_cursor cursor;
	uint8_t buf[NVHI_PDU_HDR_ROOM], digest[4];
	struct nvh_cmd cmd = {.opc = NVH_OPC_WRITE, .flags = NVH_CMD_PSDT_SGL};
	uint32_t n;

	memset(buf, 0xff, sizeof(buf));
	nvh_le16_put(&cmd.cid, 0x122);
	nvh_le32_put(&cmd.nsid, 1);
	nvh_le32_put(&cmd.dptr.sgl.len, 8);
	cmd.dptr.sgl.id = NVH_SGL_ID_IN_CAPSULE;
	n = nvhi_pdu_capsule_cmd_build(buf, &params, &cmd, 8);
	same("tcp/capsule_cmd_write_digests.hex", 0, buf, n, 128);
	nvhi_iov_cursor_init(&cursor, iov, 2);
	nvhi_pdu_ddgst_put(digest, nvhi_pdu_ddgst(&cursor, 8));
	CU_ASSERT_EQUAL(memcmp(digest, golden.bytes + golden.len - 4, 4), 0);
}

static void responses_are_built_as_the_golden_ones(void)
{
	static const struct nvhi_pdu_params params = {.role = NVHI_PDU_CTRLR, .ic_done = true};
	uint8_t buf[NVHI_PDU_HDR_ROOM];
	struct nvh_cpl cpl = {0};
	uint32_t n;

	nvh_le16_put(&cpl.sqhd, 3);
	nvh_le16_put(&cpl.cid, 7);
	n = nvhi_pdu_capsule_resp_build(buf, &params, &cpl);
	same("tcp/capsule_resp.hex", 0, buf, n, 24);
	nvh_le32_put(&cpl.dw0, 0x2a);
	nvh_le16_put(&cpl.sqhd, 4);
	nvh_le16_put(&cpl.cid, 8);
	nvh_cpl_set_status(&cpl, NVH_ST_INVALID_FIELD | NVH_CPL_DNR);
	n = nvhi_pdu_capsule_resp_build(buf, &params, &cpl);
	same("tcp/capsule_resp.hex", 24, buf, n, 24);
}

static void data_pdus_are_built_as_the_golden_ones(void)
{
	struct nvhi_pdu_params params = {.role = NVHI_PDU_HOST, .ic_done = true};
	uint8_t buf[NVHI_PDU_HDR_ROOM];
	uint32_t n;

	n = nvhi_pdu_h2c_data_build(buf, &params, 5, 9, 0, 8, false);
	same("tcp/h2c_data.hex", 0, buf, n, 24);
	n = nvhi_pdu_h2c_data_build(buf, &params, 5, 9, 8, 4, true);
	same("tcp/h2c_data.hex", 32, buf, n, 24);
	params.hdgst = true;
	params.ddgst = true;
	params.hpda = 7;
	memset(buf, 0xff, sizeof(buf));
	n = nvhi_pdu_c2h_data_build(buf, &params, 3, 0, 6, NVH_TCP_F_LAST | NVH_TCP_F_SUCCESS);
	same("tcp/c2h_data_success.hex", 0, buf, n, 32);
	n = nvhi_pdu_r2t_build(buf, &params, 4, 2, 0x1000, 0x2000);
	same("tcp/r2t.hex", 0, buf, n, 28);
}

static void term_requests_carry_the_header_in_error(void)
{
	static const struct nvhi_pdu_params host = {.role = NVHI_PDU_HOST};
	static const struct nvhi_pdu_params ctrlr = {.role = NVHI_PDU_CTRLR};
	static const uint8_t r2t[24] = {9, 0, 24, 0, 0xff, 0, 0, 0, 1, 0, 2};
	uint8_t buf[NVHI_PDU_TERM_ROOM], big[200] = {0};
	struct nvhi_pdu_error error;
	uint32_t n;

	nvhi_pdu_error_set(&error, NVH_TCP_FES_HDR_FIELD, 4, "PLEN", "wrong", 255);
	n = nvhi_pdu_term_build(buf, &host, &error, r2t, sizeof(r2t));
	same("tcp/h2c_term_req.hex", 0, buf, n, 48);
	nvhi_pdu_error_set(&error, NVH_TCP_FES_UNSUPPORTED, 8, "PFV", "wrong", 1);
	n = nvhi_pdu_term_build(buf, &ctrlr, &error, NULL, 0);
	same("tcp/c2h_term_req.hex", 0, buf, n, 24);
	n = nvhi_pdu_term_build(buf, &ctrlr, &error, big, sizeof(big));
	CU_ASSERT_EQUAL(n, NVHI_PDU_TERM_ROOM);
}

/* RFC 3720 appendix B.4. */
static void crc32c_gives_the_published_values(void)
{
	uint8_t buf[32], out[4];

	memset(buf, 0, sizeof(buf));
	CU_ASSERT_EQUAL(nvhi_crc32c(buf, 32), 0x8a9136aa);
	memset(buf, 0xff, sizeof(buf));
	CU_ASSERT_EQUAL(nvhi_crc32c(buf, 32), 0x62a8ab43);
	for (unsigned int i = 0; i < 32; i++)
		buf[i] = (uint8_t)i;
	CU_ASSERT_EQUAL(nvhi_crc32c(buf, 32), 0x46dd794e);
	for (unsigned int i = 0; i < 32; i++)
		buf[i] = (uint8_t)(31 - i);
	CU_ASSERT_EQUAL(nvhi_crc32c(buf, 32), 0x113fdb5c);
	CU_ASSERT_EQUAL(nvhi_crc32c("123456789", 9), 0xe3069283);
	nvhi_pdu_ddgst_put(out, 0x8a9136aa);
	CU_ASSERT_EQUAL(memcmp(out, "\xaa\x36\x91\x8a", 4), 0);
}

static void a_digest_over_many_elements_is_the_digest_of_the_whole(void)
{
	uint8_t data[999];
	struct iovec iov[40], whole = {data, sizeof(data)};
	struct nvhi_iov_cursor a, b;
	size_t at = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (unsigned int i = 0; i < 40; i++) {
		size_t n = i == 39 ? sizeof(data) - at : (i * 5) % 31;

		iov[i] = (struct iovec){data + at, n};
		at += n;
	}
	nvhi_iov_cursor_init(&a, &whole, 1);
	nvhi_iov_cursor_init(&b, iov, 40);
	CU_ASSERT_EQUAL(nvhi_pdu_ddgst(&a, sizeof(data)), nvhi_pdu_ddgst(&b, sizeof(data)));
	nvhi_iov_cursor_advance(&b, 100);
	CU_ASSERT_EQUAL(nvhi_crc32c(data + 100, 500), nvhi_pdu_ddgst(&b, 500));
}

NVH_UNIT_MAIN("fabric/tcp/pdu_build", NVH_TEST(ic_pdus_are_built_as_the_golden_ones),
	      NVH_TEST(a_read_capsule_is_built_in_its_place),
	      NVH_TEST(a_write_capsule_has_digests_and_padding),
	      NVH_TEST(responses_are_built_as_the_golden_ones),
	      NVH_TEST(data_pdus_are_built_as_the_golden_ones),
	      NVH_TEST(term_requests_carry_the_header_in_error),
	      NVH_TEST(crc32c_gives_the_published_values),
	      NVH_TEST(a_digest_over_many_elements_is_the_digest_of_the_whole))
