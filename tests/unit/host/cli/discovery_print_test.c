/*
 * host/cli/discovery_print.c, local.c: the discovery log in nvme-cli's shapes; damaged pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/discovery_print.h"
#include "tests/unit/nvh_cunit.h"

static struct nvh_discovery_log_entry entries[2];

static void put_text(char *field, size_t size, const char *text)
{
	memset(field, ' ', size);
	memcpy(field, text, strlen(text));
}

static struct nvc_discovery make_log(void)
{
	memset(entries, 0, sizeof(entries));
	entries[0].trtype = NVH_TRTYPE_TCP;
	entries[0].adrfam = NVH_ADRFAM_IPV4;
	entries[0].subtype = NVH_SUBTYPE_NVM;
	entries[0].treq = NVH_TREQ_DISABLE_SQFLOW;
	nvh_le16_put(&entries[0].portid, 1);
	put_text(entries[0].trsvcid, sizeof(entries[0].trsvcid), "4420");
	put_text(entries[0].traddr, sizeof(entries[0].traddr), "10.0.0.1");
	strcpy(entries[0].subnqn, "nqn.2016-06.io.example:a");
	entries[1].trtype = NVH_TRTYPE_RDMA;
	entries[1].adrfam = NVH_ADRFAM_IPV6;
	entries[1].subtype = NVH_SUBTYPE_DISC_REFERRAL;
	nvh_le16_put(&entries[1].eflags, NVH_EFLAGS_DUPRETINFO | NVH_EFLAGS_EPCSD);
	entries[1].tsas.rdma.prtype = NVH_RDMA_PRTYPE_ROCEV2;
	entries[1].tsas.rdma.qptype = NVH_RDMA_QPTYPE_CONNECTED;
	entries[1].tsas.rdma.cms = NVH_RDMA_CMS_RDMA_CM;
	put_text(entries[1].traddr, sizeof(entries[1].traddr), "fe80::1");
	strcpy(entries[1].subnqn, NVH_DISCOVERY_NQN);
	return (struct nvc_discovery){.genctr = 7, .nr = 2, .entries = entries};
}

static void the_log_prints_as_nvme_cli(void)
{
	struct nvc_discovery log = make_log();
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	nvc_discovery_print(out, &log);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(
		text, "\nDiscovery Log Number of Records 2, Generation counter 7\n"
		      "=====Discovery Log Entry 0======\n"
		      "trtype:  tcp\nadrfam:  ipv4\nsubtype: nvme subsystem\n"
		      "treq:    not specified, sq flow control disable supported\nportid:  1\n"
		      "trsvcid: 4420\nsubnqn:  nqn.2016-06.io.example:a\ntraddr:  10.0.0.1\n"
		      "eflags:  none\nsectype: none\n"
		      "=====Discovery Log Entry 1======\n"
		      "trtype:  rdma\nadrfam:  ipv6\nsubtype: discovery subsystem referral\n"
		      "treq:    not specified\nportid:  0\ntrsvcid: \n"
		      "subnqn:  nqn.2014-08.org.nvmexpress.discovery\ntraddr:  fe80::1\n"
		      "eflags:  explicit discovery connections, duplicate discovery information\n"
		      "rdma_prtype: roce-v2\nrdma_qptype: connected\nrdma_cms:    rdma-cm\n"
		      "rdma_pkey: 0x0000\n");
	free(text);
}

static void the_json_has_nvme_clis_members(void)
{
	struct nvc_discovery log = make_log();
	struct json_object *root = nvc_discovery_to_json(&log), *records, *first, *v;

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	CU_ASSERT_TRUE_FATAL(json_object_object_get_ex(root, "records", &records));
	CU_ASSERT_EQUAL(json_object_array_length(records), 2);
	first = json_object_array_get_idx(records, 0);
	CU_ASSERT_STRING_EQUAL(
		json_object_to_json_string_ext(first, JSON_C_TO_STRING_PLAIN),
		"{\"trtype\":\"tcp\",\"adrfam\":\"ipv4\",\"subtype\":\"nvme subsystem\","
		"\"treq\":\"not specified, sq flow control disable supported\","
		"\"portid\":1,\"trsvcid\":\"4420\","
		"\"subnqn\":\"nqn.2016-06.io.example:a\",\"traddr\":\"10.0.0.1\","
		"\"eflags\":\"none\",\"sectype\":\"none\"}");
	CU_ASSERT_TRUE(json_object_object_get_ex(root, "genctr", &v));
	CU_ASSERT_EQUAL(json_object_get_int(v), 7);
	json_object_put(root);
}

static void control_bytes_of_a_peer_do_not_reach_the_terminal(void)
{
	char text[9];

	nvc_field_text("a\033[2Jb  ", 8, text);
	CU_ASSERT_STRING_EQUAL(text, "a?[2Jb");
}

static void a_page_shorter_than_its_records_is_refused(void)
{
	static uint8_t page[1024 + 1024];
	struct nvc_discovery log = {0};

	nvh_le64_put((struct nvh_le64 *)(page + 8), 1);
	CU_ASSERT_EQUAL(nvc_discovery_from_bytes(page, sizeof(page), &log), 0);
	CU_ASSERT_EQUAL(log.nr, 1);
	nvc_discovery_free(&log);
	CU_ASSERT_EQUAL(nvc_discovery_from_bytes(page, sizeof(page) - 1, &log), -EINVAL);
	CU_ASSERT_EQUAL(nvc_discovery_from_bytes(page, 1023, &log), -EINVAL);
	nvh_le64_put((struct nvh_le64 *)(page + 8), UINT64_MAX);
	CU_ASSERT_EQUAL(nvc_discovery_from_bytes(page, sizeof(page), &log), -EINVAL);
}

NVH_UNIT_MAIN("host/cli/discovery_print", NVH_TEST(the_log_prints_as_nvme_cli),
	      NVH_TEST(the_json_has_nvme_clis_members),
	      NVH_TEST(control_bytes_of_a_peer_do_not_reach_the_terminal),
	      NVH_TEST(a_page_shorter_than_its_records_is_refused))
