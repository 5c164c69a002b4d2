/*
 * host/cli/topology.c, list_print.c, subsys_print.c: list, list-subsys and show-topology from the
 * daemon's answer.
 */
#include <stdlib.h>
#include <string.h>

#include "host/cli/topology.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/nvh_cunit.h"

static const char answer[] =
	"{\"hostnqn\":\"nqn.h\",\"hostid\":\"id\",\"controllers\":["
	"{\"name\":\"nvh0\",\"state\":\"live\",\"transport\":\"tcp\",\"traddr\":\"10.0.0.1\","
	"\"trsvcid\":\"4420\",\"src_addr\":\"10.0.0.9\",\"nqn\":\"nqn.a\",\"serial\":\"S1\","
	"\"model\":\"M\",\"firmware\":\"F\"},"
	"{\"name\":\"nvh1\",\"state\":\"connecting\",\"transport\":\"tcp\",\"traddr\":\"10.0.0.2\","
	"\"trsvcid\":\"4420\",\"nqn\":\"nqn.a\"},"
	"{\"name\":\"nvh2\",\"state\":\"live\",\"transport\":\"tcp\",\"traddr\":\"10.0.0.3\","
	"\"trsvcid\":\"4420\",\"nqn\":\"nqn.b\",\"serial\":\"S2\"}],"
	"\"namespaces\":[{\"name\":\"nvh0n1\",\"nqn\":\"nqn.a\",\"nsid\":1,\"nr_blocks\":2048,"
	"\"block_size\":4096,\"metadata_size\":8,\"nuse\":1024,\"paths\":["
	"{\"controller\":\"nvh0\",\"state\":\"live\",\"ana_state\":\"optimized\"}],"
	"\"files\":[\"/mnt/nqn.a/n1\"]}]}";

static struct nvc_topology build(void)
{
	struct nvc_topology t = {0};

	CU_ASSERT_EQUAL_FATAL(nvc_topology_build(json_tokener_parse(answer), &t), 0);
	return t;
}

static char *text;
static size_t text_len;

static void controllers_and_namespaces_are_grouped_by_subsystem(void)
{
	struct nvc_topology t = build();

	CU_ASSERT_EQUAL_FATAL(t.nr, 2);
	CU_ASSERT_STRING_EQUAL(t.subsys[0].name, "nvh-subsys0");
	CU_ASSERT_STRING_EQUAL(t.subsys[0].nqn, "nqn.a");
	CU_ASSERT_EQUAL(t.subsys[0].nr_ctrlrs, 2);
	CU_ASSERT_EQUAL(t.subsys[0].nr_nss, 1);
	CU_ASSERT_STRING_EQUAL(t.subsys[1].name, "nvh-subsys2");
	CU_ASSERT_EQUAL(t.subsys[1].nr_nss, 0);
	nvc_topology_free(&t);
}

static void list_has_nvme_clis_columns(void)
{
	struct nvc_topology t = build();
	FILE *out = open_memstream(&text, &text_len);

	nvc_list_print(out, &t);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(
		text,
		"Node                  Generic               SN                   Model            "
		"   "
		"                     Namespace Usage                      Format           FW Rev "
		" \n"
		"--------------------- --------------------- -------------------- "
		"---------------------------------------- --------- -------------------------- "
		"---------------- --------\n"
		"nvh0n1                /mnt/nqn.a/n1         S1                   M                "
		"   "
		"                     1           4.19  MB /   8.39  MB      4 KiB +  8 B   F      "
		" \n");
	free(text);
	nvc_topology_free(&t);
}

static void list_json_has_nvme_clis_members(void)
{
	struct nvc_topology t = build();
	struct json_object *root = nvc_list_to_json(&t);

	CU_ASSERT_STRING_EQUAL(
		json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN |
							     JSON_C_TO_STRING_NOSLASHESCAPE),
		"{\"Devices\":[{\"NameSpace\":1,\"DevicePath\":\"nvh0n1\",\"Firmware\":\"F\","
		"\"ModelNumber\":\"M\",\"SerialNumber\":\"S1\",\"UsedBytes\":4194304,"
		"\"MaximumLBA\":2048,\"PhysicalSize\":8388608,\"SectorSize\":4096,"
		"\"File\":\"/mnt/nqn.a/n1\"}]}");
	json_object_put(root);
	nvc_topology_free(&t);
}

static void list_subsys_shows_each_controller_with_its_address_and_state(void)
{
	struct nvc_topology t = build();
	FILE *out = open_memstream(&text, &text_len);

	nvc_subsys_print(out, &t, NULL, false);
	fclose(out);
	CU_ASSERT_STRING_EQUAL(text,
			       "nvh-subsys0 - NQN=nqn.a\n\\\n"
			       " +- nvh0 tcp traddr=10.0.0.1,trsvcid=4420,src_addr=10.0.0.9 live \n"
			       " +- nvh1 tcp traddr=10.0.0.2,trsvcid=4420 connecting \n"
			       "nvh-subsys2 - NQN=nqn.b\n\\\n"
			       " +- nvh2 tcp traddr=10.0.0.3,trsvcid=4420 live \n");
	free(text);
	out = open_memstream(&text, &text_len);
	nvc_subsys_print(out, &t, "nqn.a", true);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "live optimized\n"));
	CU_ASSERT_PTR_NULL(strstr(text, "nqn.b"));
	free(text);
	nvc_topology_free(&t);
}

static void list_subsys_json_is_an_array_of_hosts(void)
{
	struct nvc_topology t = build();
	struct json_object *root = nvc_subsys_to_json(&t, "nqn.b", false);

	CU_ASSERT_STRING_EQUAL(
		json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN),
		"[{\"HostNQN\":\"nqn.h\",\"HostID\":\"id\",\"Subsystems\":[{\"Name\":\"nvh-"
		"subsys2\","
		"\"NQN\":\"nqn.b\",\"Paths\":[{\"Name\":\"nvh2\",\"Transport\":\"tcp\","
		"\"Address\":\"traddr=10.0.0.3,trsvcid=4420\",\"State\":\"live\"}]}]}]");
	json_object_put(root);
	nvc_topology_free(&t);
}

static void topology_goes_by_namespace_or_by_controller(void)
{
	struct nvc_topology t = build();
	FILE *out = open_memstream(&text, &text_len);

	nvc_topology_print(out, &t, false, false);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " +- ns 1\n \\\n  +- nvh0 tcp traddr=10.0.0.1,"));
	free(text);
	out = open_memstream(&text, &text_len);
	nvc_topology_print(out, &t, true, true);
	fclose(out);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "  +- ns 1 live optimized inflight="));
	free(text);
	nvc_topology_free(&t);
}

static int build_and_free(void *arg)
{
	struct nvc_topology t;
	int err = nvc_topology_build(json_object_get(arg), &t);

	if (!err)
		nvc_topology_free(&t);
	return err;
}

static void a_failed_allocation_leaks_nothing(void)
{
	struct json_object *root = json_tokener_parse(answer);

	CU_ASSERT_TRUE(nvh_alloc_walk(build_and_free, root, false) >= 5);
	CU_ASSERT_EQUAL(json_object_put(root), 1); /* no reference was kept */
}

static void an_empty_answer_prints_headings_only(void)
{
	struct nvc_topology t = {0};
	FILE *out = open_memstream(&text, &text_len);
	struct json_object *root;

	CU_ASSERT_EQUAL(nvc_topology_build(json_tokener_parse("{\"controllers\":[],"
							      "\"namespaces\":[]}"),
					   &t),
			0);
	nvc_list_print(out, &t);
	fclose(out);
	CU_ASSERT_EQUAL(strncmp(text, "Node ", 5), 0);
	CU_ASSERT_PTR_NULL(strstr(text, "nvh"));
	free(text);
	root = nvc_list_to_json(&t);
	CU_ASSERT_STRING_EQUAL(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN),
			       "{\"Devices\":[]}");
	json_object_put(root);
	nvc_topology_free(&t);
}

NVH_UNIT_MAIN("host/cli/topology", NVH_TEST(controllers_and_namespaces_are_grouped_by_subsystem),
	      NVH_TEST(list_has_nvme_clis_columns), NVH_TEST(list_json_has_nvme_clis_members),
	      NVH_TEST(list_subsys_shows_each_controller_with_its_address_and_state),
	      NVH_TEST(list_subsys_json_is_an_array_of_hosts),
	      NVH_TEST(topology_goes_by_namespace_or_by_controller),
	      NVH_TEST(a_failed_allocation_leaks_nothing),
	      NVH_TEST(an_empty_answer_prints_headings_only))
