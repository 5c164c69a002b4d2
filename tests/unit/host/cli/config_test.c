/*
 * host/cli/config.c: discovery.conf and config.json, and the line that names what is wrong in them.
 */
#include "host/cli/config.h"
#include "host/cli/dump.h"
#include "host/cli/opts.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/host/cli/capture.h"
#include "tests/unit/nvh_cunit.h"

static char dir[] = "/tmp/nvhost-config.XXXXXX";
static char path[128];

static const char *put(const char *name, const char *text)
{
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	fputs(text, file);
	fclose(file);
	return path;
}

static void discovery_conf_has_a_controller_a_line(void)
{
	struct nvc_config config = {0};

	put("discovery.conf", "# a comment\n\n--hostnqn=nqn.only-defaults\n"
			      "-t tcp -a 10.0.0.1 -s 8010 -p\n"
			      "  --transport=tcp --traddr fe80::1 -w ::1 --hdr-digest");
	CU_ASSERT_EQUAL(nvc_config_read_discovery(&config, path), 0);
	CU_ASSERT_EQUAL_FATAL(config.nr, 2);
	CU_ASSERT_STRING_EQUAL(config.entries[0].traddr, "10.0.0.1");
	CU_ASSERT_STRING_EQUAL(config.entries[0].trsvcid, "8010");
	CU_ASSERT_TRUE(config.entries[0].persistent && config.entries[0].discovery);
	CU_ASSERT_STRING_EQUAL(config.entries[1].traddr, "fe80::1");
	CU_ASSERT_STRING_EQUAL(config.entries[1].host_traddr, "::1");
	CU_ASSERT_TRUE(config.entries[1].hdr_digest && !config.entries[1].persistent);
	nvc_config_free(&config);
}

static void an_unknown_option_in_discovery_conf_names_file_line_and_option(void)
{
	struct nvc_config config = {0};
	const char *said;

	put("discovery.conf", "-t tcp -a 10.0.0.1\n-t tcp --traddres=10.0.0.2\n");
	capture_begin();
	CU_ASSERT_EQUAL(nvc_config_read_discovery(&config, path), -EINVAL);
	said = capture_end();
	CU_ASSERT_PTR_NOT_NULL(
		strstr(said, "discovery.conf:2: unknown option '--traddres=10.0.0.2'"));
	nvc_config_free(&config);
}

static void a_missing_file_is_told_from_a_bad_one(void)
{
	struct nvc_config config = {0};

	CU_ASSERT_EQUAL(nvc_config_read_discovery(&config, "/nonexistent/x"), -ENOENT);
	CU_ASSERT_EQUAL(nvc_config_read_json(&config, "/nonexistent/x"), -ENOENT);
	nvc_config_free(&config);
}

static void config_json_is_nvme_clis(void)
{
	struct nvc_config config = {0};

	put("config.json",
	    "[{\"hostnqn\": \"nqn.host\", \"hostid\": \"id\", \"hostsymname\": \"x\","
	    "  \"subsystems\": ["
	    "   {\"nqn\": \"nqn.2014-08.org.nvmexpress.discovery\","
	    "    \"ports\": [{\"transport\": \"tcp\", \"traddr\": \"10.0.0.1\","
	    "                 \"persistent\": true}]},"
	    "   {\"nqn\": \"nqn.sub\","
	    "    \"ports\": [{\"transport\": \"tcp\", \"traddr\": \"10.0.0.2\","
	    "                 \"trsvcid\": \"4420\", \"nr_io_queues\": 2, \"keep_alive_tmo\": 7,"
	    "                 \"ctrl_loss_tmo\": -1, \"hdr_digest\": true}]}]}]");
	CU_ASSERT_EQUAL(nvc_config_read_json(&config, path), 0);
	CU_ASSERT_EQUAL_FATAL(config.nr, 2);
	CU_ASSERT_TRUE(config.entries[0].discovery && config.entries[0].persistent);
	CU_ASSERT_FALSE(config.entries[1].discovery);
	CU_ASSERT_STRING_EQUAL(config.entries[1].nqn, "nqn.sub");
	CU_ASSERT_STRING_EQUAL(config.entries[1].hostnqn, "nqn.host");
	CU_ASSERT_EQUAL(config.entries[1].nr_io_queues, 2);
	CU_ASSERT_TRUE(config.entries[1].has_keep_alive_tmo);
	CU_ASSERT_EQUAL(config.entries[1].keep_alive_tmo, 7);
	CU_ASSERT_EQUAL(config.entries[1].ctrl_loss_tmo, -1);
	CU_ASSERT_TRUE(config.entries[1].hdr_digest);
	nvc_config_free(&config);
}

static void check_bad_json(const char *text, const char *needle)
{
	struct nvc_config config = {0};
	const char *said;

	put("config.json", text);
	capture_begin();
	CU_ASSERT_EQUAL(nvc_config_read_json(&config, path), -EINVAL);
	said = capture_end();
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "config.json"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, needle));
	nvc_config_free(&config);
}

static void an_unknown_key_in_config_json_names_file_and_key(void)
{
	check_bad_json("[{\"hostnqm\": \"x\"}]", "host 1: unknown key 'hostnqm'");
	check_bad_json("[{\"subsystems\": [{\"nqn\": \"x\", \"port\": []}]}]",
		       "subsystem 1: unknown key 'port'");
	check_bad_json("[{\"subsystems\": [{\"nqn\": \"x\", \"ports\": [{\"transport\": \"tcp\","
		       "\"ctrl_loss_timeout\": 1}]}]}]",
		       "port 1: unknown key 'ctrl_loss_timeout'");
	check_bad_json("{}", "an array of hosts");
	check_bad_json("[{\"subsystems\": [{\"ports\": []}]}]", "'nqn' is missing");
	check_bad_json("[", "config.json");
	check_bad_json("[{\"subsystems\": [{\"nqn\": \"x\", \"ports\": [{\"transport\": \"tcp\","
		       "\"queue_size\": 5}]}]}]",
		       "queue_size");
}

static void a_dump_is_read_back(void)
{
	struct json_object *connections = json_tokener_parse(
		"[{\"transport\":\"tcp\",\"traddr\":\"10.0.0.1\",\"nqn\":\"nqn.a\",\"name\":"
		"\"nvh0\","
		"\"keep_alive_tmo\":7},"
		"{\"transport\":\"tcp\",\"traddr\":\"10.0.0.2\",\"nqn\":\"nqn.a\",\"name\":"
		"\"nvh1\"},"
		"{\"transport\":\"tcp\",\"traddr\":\"10.0.0.3\",\"hostnqn\":\"nqn.other\","
		"\"persistent\":true,\"discovery\":true,\"follow\":true,\"name\":\"nvh2\"}]");
	struct json_object *root = nvc_dump_build(connections, "nqn.me", "my-id");
	struct nvc_config config = {0};

	CU_ASSERT_PTR_NOT_NULL_FATAL(root);
	CU_ASSERT_EQUAL(json_object_array_length(root), 2);
	put("config.json", json_object_to_json_string(root));
	CU_ASSERT_EQUAL(nvc_config_read_json(&config, path), 0);
	CU_ASSERT_EQUAL_FATAL(config.nr, 3);
	CU_ASSERT_STRING_EQUAL(config.entries[0].hostnqn, "nqn.me");
	CU_ASSERT_STRING_EQUAL(config.entries[0].hostid, "my-id");
	CU_ASSERT_EQUAL(config.entries[0].keep_alive_tmo, 7);
	CU_ASSERT_STRING_EQUAL(config.entries[1].traddr, "10.0.0.2");
	CU_ASSERT_STRING_EQUAL(config.entries[2].hostnqn, "nqn.other");
	CU_ASSERT_STRING_EQUAL(config.entries[2].nqn, NVH_DISCOVERY_NQN);
	CU_ASSERT_TRUE(config.entries[2].discovery && config.entries[2].persistent);
	nvc_config_free(&config);
	json_object_put(root);
	json_object_put(connections);
}

static int read_both(void *arg)
{
	struct nvc_config config = {0};
	char file[160];
	int err;

	(void)arg;
	snprintf(file, sizeof(file), "%s/discovery.conf", dir);
	err = nvc_config_read_discovery(&config, file);
	snprintf(file, sizeof(file), "%s/config.json", dir);
	if (!err)
		err = nvc_config_read_json(&config, file);
	nvc_config_free(&config);
	return err;
}

static void a_failed_allocation_leaks_nothing(void)
{
	put("discovery.conf", "-t tcp -a 10.0.0.1\n-t tcp -a 10.0.0.2\n");
	put("config.json", "[{\"subsystems\": [{\"nqn\": \"x\", \"ports\": ["
			   "{\"transport\": \"tcp\", \"traddr\": \"10.0.0.3\"}]}]}]");
	CU_ASSERT_TRUE(nvh_alloc_walk(read_both, NULL, false) >= 4);
}

static void the_users_folder_is_read_and_named(void)
{
	struct nvc_config config = {0};
	char places[512];

	setenv("NVHOST_CONFIG_DIR", dir, 1);
	put("discovery.conf", "-t tcp -a 10.0.0.1\n");
	put("config.json", "[]");
	CU_ASSERT_EQUAL(nvc_config_read_all(&config, NULL), 0);
	CU_ASSERT_EQUAL(config.nr, 1);
	nvc_config_free(&config);
	nvc_config_places(places, sizeof(places));
	CU_ASSERT_STRING_EQUAL(places, dir);
	capture_begin();
	CU_ASSERT_EQUAL(nvc_config_read_all(&config, "/nonexistent/c.json"), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(capture_end(), "/nonexistent/c.json"));
	nvc_config_free(&config);
	unsetenv("NVHOST_CONFIG_DIR");
}

int main(int argc, char **argv)
{
	static const struct nvh_test tests[] = {
		NVH_TEST(discovery_conf_has_a_controller_a_line),
		NVH_TEST(an_unknown_option_in_discovery_conf_names_file_line_and_option),
		NVH_TEST(a_missing_file_is_told_from_a_bad_one),
		NVH_TEST(config_json_is_nvme_clis),
		NVH_TEST(an_unknown_key_in_config_json_names_file_and_key),
		NVH_TEST(a_dump_is_read_back),
		NVH_TEST(a_failed_allocation_leaks_nothing),
		NVH_TEST(the_users_folder_is_read_and_named),
	};
	int status;

	if (!mkdtemp(dir))
		return 1;
	status = NVH_CUNIT_MAIN("host/cli/config", tests, argc, argv);
	snprintf(path, sizeof(path), "%s/discovery.conf", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/config.json", dir);
	unlink(path);
	rmdir(dir);
	return status;
}
