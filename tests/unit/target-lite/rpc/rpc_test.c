/*
 * target-lite/rpc: what SPDK's names do to a real target in this process, and what they refuse.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/rpc_fixture.h"

#define NQN  "nqn.2016-06.io.spdk:cnode1"
#define ADDR "{\"trtype\":\"tcp\",\"traddr\":\"127.0.0.1\",\"trsvcid\":\"0\"}"

/* A transport, a subsystem and a bdev. */
static void furnish(struct rpc_target *t)
{
	RPC_GIVES(t, "nvmf_create_transport", "{\"trtype\":\"TCP\"}", "true");
	RPC_GIVES(t, "nvmf_create_subsystem",
		  "{\"nqn\":\"" NQN "\",\"ana_reporting\":true,\"max_namespaces\":4}", "true");
	RPC_GIVES(t, "bdev_null_create", "{\"name\":\"N0\",\"block_size\":512,\"num_blocks\":2048}",
		  "\"N0\"");
}

static char *config_of(struct rpc_target *t)
{
	RPC_OK(t, "save_config", NULL);
	return strdup(rpc_text);
}

/* ---- parameters --------------------------------------------------------------------------- */

static void every_method_refuses_an_unknown_parameter_by_name(void)
{
	const struct nvhi_rpc_method *m = NULL;
	struct rpc_target t;
	int count = 0;

	rpc_target_start(&t, false);
	while ((m = nvhi_rpc_server_next_method(t.rpc->server, m))) {
		if (!(m->flags & TL_RPC_RUNTIME))
			continue;
		RPC_FAILS(&t, m->name, "{\"zzz\":1}", NVHI_RPC_INVALID_PARAMS,
			  "unknown parameter 'zzz'");
		CU_ASSERT_PTR_NOT_NULL(m->help);
		count++;
	}
	CU_ASSERT_TRUE(count >= 40);
	rpc_target_stop(&t);
}

static void every_method_is_in_the_reference(void)
{
	const struct nvhi_rpc_method *m = NULL;
	struct rpc_target t;
	static char text[1 << 18];
	FILE *f = fopen("docs/target-rpc.md", "r");
	size_t len;

	if (!f) {
		nvh_test_skip("docs/target-rpc.md is not below the working directory");
		return;
	}
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = '\0';
	fclose(f);
	rpc_target_start(&t, false);
	while ((m = nvhi_rpc_server_next_method(t.rpc->server, m))) {
		char heading[80], *section, *end;

		snprintf(heading, sizeof(heading), "\n### %s\n", m->name);
		section = strstr(text, heading);
		if (!section)
			printf("  no section: %s\n", m->name);
		CU_ASSERT_PTR_NOT_NULL(section);
		if (!section)
			continue;
		end = strstr(section + 1, "\n### ");
		for (const struct nvhi_json_field *p = m->params; p && p->name; p++) {
			char quoted[80], *found;

			snprintf(quoted, sizeof(quoted), "`%s`", p->name);
			found = strstr(section, quoted);
			if (!found || (end && found > end))
				printf("  %s: no parameter %s\n", m->name, p->name);
			CU_ASSERT_TRUE(found && (!end || found < end));
		}
	}
	rpc_target_stop(&t);
}

static void a_failing_call_changes_nothing(void)
{
	static const struct {
		const char *method, *params, *words;
	} bad[] = {
		{"nvmf_create_transport", "{\"trtype\":\"FC\"}", "trtype"},
		{"nvmf_create_transport", "{\"trtype\":\"TCP\"}", "already exists"},
		{"nvmf_create_transport", "{\"trtype\":\"TCP\",\"max_io_size\":12345}",
		 "max_io_size"},
		{"nvmf_create_transport", "{\"trtype\":\"TCP\",\"max_queue_depth\":1}",
		 "max_queue_depth"},
		{"nvmf_create_transport", "{\"trtype\":\"TCP\",\"dif_insert_or_strip\":true}",
		 "dif_insert_or_strip"},
		{"nvmf_create_transport", "{\"trtype\":\"TCP\",\"tgt_name\":\"other\"}",
		 "tgt_name"},
		{"nvmf_create_subsystem", "{\"nqn\":\"" NQN "\"}", "exists already"},
		{"nvmf_create_subsystem", "{\"nqn\":\"x\"}", "nqn"},
		{"nvmf_create_subsystem", "{\"nqn\":\"nqn.2014-08.org.nvmexpress.discovery\"}",
		 "nqn"},
		{"nvmf_create_subsystem",
		 "{\"nqn\":\"" NQN "2\",\"serial_number\":\"123456789012345678901\"}",
		 "serial_number"},
		{"nvmf_create_subsystem", "{\"nqn\":\"" NQN "2\",\"serial_number\":\"\\u00e9\"}",
		 "serial_number"},
		{"nvmf_create_subsystem",
		 "{\"nqn\":\"" NQN "2\",\"min_cntlid\":9,\"max_cntlid\":8}", "min_cntlid"},
		{"nvmf_create_subsystem", "{\"nqn\":\"" NQN "2\",\"passthrough\":true}",
		 "passthrough"},
		{"nvmf_delete_subsystem", "{\"nqn\":\"" NQN "2\"}", "there is no subsystem"},
		{"fault_add", "{\"kind\":\"delay\"}", "ms"},
		{"fault_add", "{\"kind\":\"hold\",\"ms\":5}", "ms"},
		{"fault_add", "{\"kind\":\"status\"}", "sc"},
		{"fault_add", "{\"kind\":\"silence\",\"sc\":5}", "sc"},
		{"fault_add", "{\"kind\":\"silence\",\"probability\":1.5}", "probability"},
		{"fault_add", "{\"kind\":\"silence\",\"seed\":1}", "seed"},
		{"fault_add", "{\"kind\":\"silence\",\"outlive\":true}", "outlive"},
		{"fault_add", "{\"kind\":\"corrupt_digest\"}", "digest"},
		{"fault_add", "{\"kind\":\"silence\",\"digest\":\"data\"}", "digest"},
		{"fault_add", "{\"kind\":\"malformed_pdu\"}", "field"},
		{"fault_add", "{\"kind\":\"malformed_pdu\",\"field\":\"x\"}", "field"},
		{"fault_add", "{\"kind\":\"ana_flap\",\"nqn\":\"" NQN "\"}", "ms"},
		{"fault_add", "{\"kind\":\"ana_flap\",\"ms\":5}", "nqn"},
		{"fault_add", "{\"kind\":\"ana_flap\",\"ms\":5,\"nqn\":\"" NQN "\",\"qid\":1}",
		 "qid"},
		{"fault_add",
		 "{\"kind\":\"ana_flap\",\"ms\":5,\"nqn\":\"" NQN "\",\"ana_state\":\"x\"}",
		 "ana_state"},
		{"fault_clear", "{\"id\":1}", "there is no fault"},
		{"fault_release", "{\"id\":1}", "there is no fault"},
		{"nvmf_delete_subsystem", "{\"nqn\":\"nqn.2014-08.org.nvmexpress.discovery\"}",
		 "discovery"},
		{"nvmf_subsystem_add_ns",
		 "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"X\"}}",
		 "namespace.bdev_name"},
		{"nvmf_subsystem_add_ns",
		 "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\",\"nsid\":5}}",
		 "namespace.nsid"},
		{"nvmf_subsystem_add_ns",
		 "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\",\"anagrpid\":5}}",
		 "namespace.anagrpid"},
		{"nvmf_subsystem_add_ns",
		 "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\",\"uuid\":\"x\"}}",
		 "namespace.uuid"},
		{"nvmf_subsystem_add_ns",
		 "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\",\"nguid\":\"00\"}}",
		 "namespace.nguid"},
		{"nvmf_subsystem_add_ns",
		 "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\",\"ptpl_file\":\"/x\"}}",
		 "namespace.ptpl_file"},
		{"nvmf_subsystem_add_ns",
		 "{\"nqn\":\"nqn.2014-08.org.nvmexpress.discovery\",\"namespace\":{\"bdev_name\":"
		 "\"N0\"}}",
		 "discovery"},
		{"nvmf_subsystem_remove_ns", "{\"nqn\":\"" NQN "\",\"nsid\":1}", "nsid"},
		{"nvmf_subsystem_set_ns_ana_group",
		 "{\"nqn\":\"" NQN "\",\"nsid\":1,\"anagrpid\":1}", "nsid"},
		{"nvmf_subsystem_add_listener",
		 "{\"nqn\":\"" NQN "\",\"listen_address\":{\"trtype\":\"TCP\",\"traddr\":\"host\","
		 "\"trsvcid\":\"0\"}}",
		 "listen_address.traddr"},
		{"nvmf_subsystem_add_listener",
		 "{\"nqn\":\"" NQN
		 "\",\"listen_address\":{\"trtype\":\"TCP\",\"traddr\":\"127.0.0.1\"}}",
		 "listen_address.trsvcid"},
		{"nvmf_subsystem_add_listener",
		 "{\"nqn\":\"" NQN
		 "\",\"listen_address\":{\"trtype\":\"TCP\",\"traddr\":\"127.0.0.1\","
		 "\"trsvcid\":\"70000\"}}",
		 "listen_address.trsvcid"},
		{"nvmf_subsystem_add_listener",
		 "{\"nqn\":\"" NQN
		 "\",\"listen_address\":{\"trtype\":\"TCP\",\"traddr\":\"192.0.2.77\","
		 "\"trsvcid\":\"0\"}}",
		 "192.0.2.77"},
		{"nvmf_subsystem_add_listener",
		 "{\"nqn\":\"" NQN
		 "\",\"listen_address\":{\"trtype\":\"TCP\",\"traddr\":\"127.0.0.1\","
		 "\"trsvcid\":\"0\",\"adrfam\":\"ib\"}}",
		 "listen_address.adrfam"},
		{"nvmf_subsystem_add_listener",
		 "{\"nqn\":\"" NQN "\",\"listen_address\":" ADDR ",\"secure_channel\":true}",
		 "secure_channel"},
		{"nvmf_subsystem_remove_listener",
		 "{\"nqn\":\"" NQN "\",\"listen_address\":" ADDR "}", "listen_address"},
		{"nvmf_subsystem_listener_set_ana_state",
		 "{\"nqn\":\"" NQN "\",\"listen_address\":" ADDR ",\"ana_state\":\"optimized\"}",
		 "listen_address"},
		{"nvmf_subsystem_listener_set_ana_state",
		 "{\"nqn\":\"" NQN "\",\"listen_address\":" ADDR ",\"ana_state\":\"good\"}",
		 "ana_state"},
		{"nvmf_subsystem_add_host", "{\"nqn\":\"" NQN "\",\"host\":\"me\"}", "host"},
		{"nvmf_subsystem_add_host",
		 "{\"nqn\":\"" NQN "\",\"host\":\"nqn.2014-08.org.a:b\",\"psk\":\"k\"}", "psk"},
		{"nvmf_subsystem_remove_host",
		 "{\"nqn\":\"" NQN "\",\"host\":\"nqn.2014-08.org.a:b\"}", "host"},
		{"nvmf_discovery_remove_referral", "{\"address\":" ADDR "}", "referral"},
		{"nvmf_discovery_add_referral", "{\"address\":" ADDR ",\"subnqn\":\"x\"}",
		 "subnqn"},
		{"bdev_null_create", "{\"name\":\"N0\",\"block_size\":512,\"num_blocks\":8}", "N0"},
		{"bdev_null_create", "{\"name\":\"\",\"block_size\":512,\"num_blocks\":8}", "name"},
		{"bdev_null_create", "{\"name\":\"N1\",\"block_size\":500,\"num_blocks\":8}",
		 "block_size"},
		{"bdev_null_create", "{\"name\":\"N1\",\"block_size\":512,\"num_blocks\":0}",
		 "num_blocks"},
		{"bdev_null_create",
		 "{\"name\":\"N1\",\"block_size\":512,\"num_blocks\":18446744073709551615}",
		 "num_blocks"},
		{"bdev_malloc_create", "{\"block_size\":512,\"num_blocks\":9007199254740992}", ""},
		{"bdev_malloc_create", "{\"block_size\":512,\"num_blocks\":8,\"md_size\":8}",
		 "md_size"},
		{"bdev_malloc_create", "{\"block_size\":512,\"num_blocks\":8,\"uuid\":\"1\"}",
		 "uuid"},
		{"bdev_aio_create", "{\"name\":\"A\",\"filename\":\"/nonexistent\"}",
		 "/nonexistent"},
		{"bdev_aio_create", "{\"name\":\"A\",\"filename\":\"/dev/null\"}", "/dev/null"},
		{"bdev_aio_create", "{\"name\":\"A\",\"filename\":\"/tmp\"}", "/tmp"},
		{"load_config", "{\"filename\":\"/dev/zero\"}", "regular"},
		{"bdev_malloc_delete", "{\"name\":\"N0\"}", "Null disk"},
		{"bdev_null_delete", "{\"name\":\"N9\"}", "N9"},
		{"bdev_null_resize", "{\"name\":\"N0\",\"new_size\":0}", "new_size"},
		{"bdev_get_bdevs", "{\"name\":\"N9\"}", "N9"},
		{"framework_get_config", "{\"name\":\"sock\"}", "sock"},
		{"load_config", "{}", "filename"},
		{"load_config", "{\"filename\":\"/nonexistent\"}", "/nonexistent"},
		{"load_config", "{\"subsystems\":[{\"config\":[{\"method\":\"nix\"}]}]}", "nix"},
		{"load_config", "{\"subsystems\":[7]}", "subsystems[0]"},
		{"spdk_kill_instance", "{\"sig_name\":\"SIGFOO\"}", "sig_name"},
	};
	char *before, *after;
	struct rpc_target t;

	rpc_target_start(&t, false);
	furnish(&t);
	before = config_of(&t);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(bad); i++) {
		int code = rpc_do(&t, bad[i].method, bad[i].params);

		if (!code || !strstr(rpc_text, bad[i].words))
			printf("  %s %s: %s\n", bad[i].method, bad[i].params, rpc_text);
		CU_ASSERT_TRUE(code == NVHI_RPC_INVALID_PARAMS || code == NVHI_RPC_INTERNAL_ERROR);
		CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, bad[i].words));
	}
	after = config_of(&t);
	CU_ASSERT_STRING_EQUAL(after, before);
	free(before);
	free(after);
	rpc_target_stop(&t);
}

/* ---- what they do ------------------------------------------------------------------------- */

static void faults_are_listed_until_they_are_cleared(void)
{
	struct rpc_target t;

	rpc_target_start(&t, false);
	RPC_GIVES(&t, "fault_list", NULL, "[]");
	RPC_GIVES(&t, "fault_add",
		  "{\"kind\":\"status\",\"sct\":3,\"sc\":2,\"crd\":1,\"dnr\":true,\"nsid\":1}",
		  "1");
	RPC_GIVES(&t, "fault_add",
		  "{\"kind\":\"delay\",\"ms\":7,\"at\":\"completion\",\"probability\":0.5,"
		  "\"seed\":9,\"count\":2,\"qid\":0,\"cntlid\":3,\"opcode\":24}",
		  "2");
	RPC_OK(&t, "fault_list", NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"sct\":3,\"sc\":2,\"crd\":1,\"dnr\":true"));
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"cntlid\":3,\"qid\":0,\"opcode\":24"));
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"seed\":9,\"ms\":7,\"at\":\"completion\""));
	RPC_GIVES(&t, "fault_release", "{\"id\":2}", "0");
	RPC_GIVES(&t, "fault_clear", "{\"id\":1}", "0");
	RPC_FAILS(&t, "fault_clear", "{\"id\":1}", NVHI_RPC_INVALID_PARAMS, "there is no fault 1");
	RPC_GIVES(&t, "fault_clear", NULL, "0");
	RPC_GIVES(&t, "fault_list", NULL, "[]");
	rpc_target_stop(&t);
}

static void a_namespace_is_added_listed_and_removed(void)
{
	struct rpc_target t;

	rpc_target_start(&t, false);
	furnish(&t);
	RPC_GIVES(&t, "nvmf_subsystem_add_ns",
		  "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\",\"nsid\":3,\"eui64\":"
		  "\"00112233445566aA\"}}",
		  "3");
	RPC_OK(&t, "nvmf_get_subsystems", "{\"nqn\":\"" NQN "\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"nsid\":3,\"bdev_name\":\"N0\",\"name\":\"N0\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"eui64\":\"00112233445566AA\""));
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"anagrpid\":3"));
	RPC_OK(&t, "bdev_get_bdevs", "{\"name\":\"N0\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"claimed\":true"));
	RPC_FAILS(&t, "nvmf_subsystem_add_ns",
		  "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\",\"nsid\":3}}",
		  NVHI_RPC_INVALID_PARAMS, "in use");
	RPC_OK(&t, "bdev_null_create", "{\"name\":\"N1\",\"block_size\":512,\"num_blocks\":8}");
	RPC_FAILS(&t, "nvmf_subsystem_add_ns",
		  "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N1\",\"nsid\":3}}",
		  NVHI_RPC_INVALID_PARAMS, "3 is taken");
	RPC_GIVES(&t, "nvmf_subsystem_remove_ns", "{\"nqn\":\"" NQN "\",\"nsid\":3}", "true");
	RPC_OK(&t, "bdev_get_bdevs", "{\"name\":\"N0\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"claimed\":false"));
	rpc_target_stop(&t);
}

static void deleting_a_bdev_takes_its_namespace_away(void)
{
	struct rpc_target t;

	rpc_target_start(&t, false);
	furnish(&t);
	RPC_OK(&t, "nvmf_subsystem_add_ns",
	       "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\"}}");
	RPC_GIVES(&t, "bdev_null_delete", "{\"name\":\"N0\"}", "true");
	RPC_OK(&t, "nvmf_get_subsystems", "{\"nqn\":\"" NQN "\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"namespaces\":[]"));
	RPC_GIVES(&t, "bdev_get_bdevs", NULL, "[]");
	rpc_target_stop(&t);
}

static void a_null_bdev_is_resized_in_mib(void)
{
	struct rpc_target t;

	rpc_target_start(&t, false);
	furnish(&t);
	RPC_OK(&t, "nvmf_subsystem_add_ns",
	       "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"N0\"}}");
	RPC_GIVES(&t, "bdev_null_resize", "{\"name\":\"N0\",\"new_size\":5}", "true");
	RPC_OK(&t, "bdev_get_bdevs", "{\"name\":\"N0\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"num_blocks\":10240"));
	rpc_target_stop(&t);
}

static void a_file_is_rescanned(void)
{
	char dir[] = "/tmp/nvh-rpc-XXXXXX", path[64], params[256];
	struct rpc_target t;
	FILE *f;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/disk", dir);
	f = fopen(path, "w");
	CU_ASSERT_EQUAL(ftruncate(fileno(f), 1 << 20), 0);
	rpc_target_start(&t, false);
	snprintf(params, sizeof(params), "{\"name\":\"A0\",\"filename\":\"%s\"}", path);
	RPC_GIVES(&t, "bdev_aio_create", params, "\"A0\"");
	RPC_OK(&t, "bdev_get_bdevs", NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"num_blocks\":2048"));
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, path));
	CU_ASSERT_EQUAL(ftruncate(fileno(f), 2 << 20), 0);
	RPC_GIVES(&t, "bdev_aio_rescan", "{\"name\":\"A0\"}", "true");
	RPC_OK(&t, "bdev_get_bdevs", NULL);
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "\"num_blocks\":4096"));
	RPC_GIVES(&t, "bdev_aio_delete", "{\"name\":\"A0\"}", "true");
	rpc_target_stop(&t);
	fclose(f);
	remove(path);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void a_fifo_does_not_block_the_target(void)
{
	char dir[] = "/tmp/nvh-rpc-XXXXXX", path[64], params[256];
	struct rpc_target t;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	rpc_target_start(&t, false);
	snprintf(params, sizeof(params), "{\"name\":\"A\",\"filename\":\"%s\",\"readonly\":true}",
		 path);
	RPC_FAILS(&t, "bdev_aio_create", params, NVHI_RPC_INTERNAL_ERROR, path);
	snprintf(params, sizeof(params), "{\"filename\":\"%s\"}", path);
	RPC_FAILS(&t, "load_config", params, NVHI_RPC_INVALID_PARAMS, "regular");
	rpc_target_stop(&t);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void a_call_waits_for_a_bdev_to_appear(void)
{
	static struct rpc_answer wait, vain;
	struct rpc_target t;

	rpc_target_start(&t, false);
	rpc_begin(&t, &wait, "bdev_get_bdevs", "{\"name\":\"N0\",\"timeout\":10000}");
	rpc_begin(&t, &vain, "bdev_get_bdevs", "{\"name\":\"N7\",\"timeout\":20}");
	CU_ASSERT_FALSE(wait.done);
	furnish(&t);
	CU_ASSERT_TRUE(wait.done);
	CU_ASSERT_EQUAL(wait.code, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(wait.text, "\"name\":\"N0\""));
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(t.reactor, vain.done, 10000));
	CU_ASSERT_EQUAL(vain.code, NVHI_RPC_INVALID_PARAMS);
	rpc_begin(&t, &vain, "bdev_get_bdevs", "{\"name\":\"N7\",\"timeout\":10000}");
	rpc_target_stop(&t); /* answers it, too */
	CU_ASSERT_TRUE(vain.done);
}

static void ana_states_are_set_per_listener_and_group(void)
{
	struct rpc_target t;
	char address[160], params[512], *port;

	rpc_target_start(&t, false);
	furnish(&t);
	RPC_GIVES(&t, "nvmf_subsystem_add_listener",
		  "{\"nqn\":\"" NQN "\",\"listen_address\":" ADDR
		  ",\"ana_state\":\"inaccessible\"}",
		  "true");
	RPC_OK(&t, "nvmf_subsystem_get_listeners", "{\"nqn\":\"" NQN "\"}");
	port = strstr(rpc_text, "\"trsvcid\":\"") + 11;
	snprintf(address, sizeof(address),
		 "{\"trtype\":\"TCP\",\"traddr\":\"127.0.0.1\",\"trsvcid\":\"%.*s\"}",
		 (int)strcspn(port, "\""), port);
	snprintf(params, sizeof(params),
		 "{\"nqn\":\"" NQN
		 "\",\"listen_address\":%s,\"ana_state\":\"change\",\"anagrpid\":2}",
		 address);
	RPC_GIVES(&t, "nvmf_subsystem_listener_set_ana_state", params, "true");
	RPC_OK(&t, "nvmf_subsystem_get_listeners", "{\"nqn\":\"" NQN "\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "{\"ana_group\":1,\"ana_state\":\"inaccessible\"},"
						"{\"ana_group\":2,\"ana_state\":\"change\"}"));
	snprintf(params, sizeof(params),
		 "{\"nqn\":\"" NQN
		 "\",\"listen_address\":%s,\"ana_state\":\"change\",\"anagrpid\":9}",
		 address);
	RPC_FAILS(&t, "nvmf_subsystem_listener_set_ana_state", params, NVHI_RPC_INVALID_PARAMS,
		  "anagrpid");
	rpc_target_stop(&t);
}

static void calls_wait_for_framework_start_init(void)
{
	static struct rpc_answer wait;
	struct rpc_target t;

	rpc_target_start(&t, true);
	RPC_FAILS(&t, "nvmf_get_subsystems", NULL, NVHI_RPC_INVALID_STATE, "framework_start_init");
	RPC_OK(&t, "rpc_get_methods", "{\"current\":true}");
	CU_ASSERT_PTR_NULL(strstr(rpc_text, "nvmf_get_subsystems"));
	CU_ASSERT_PTR_NOT_NULL(strstr(rpc_text, "framework_start_init"));
	rpc_begin(&t, &wait, "framework_wait_init", NULL);
	CU_ASSERT_FALSE(wait.done);
	RPC_GIVES(&t, "framework_start_init", NULL, "true");
	CU_ASSERT_TRUE(wait.done);
	RPC_FAILS(&t, "framework_start_init", NULL, NVHI_RPC_INVALID_STATE, "framework_start_init");
	RPC_OK(&t, "nvmf_get_subsystems", NULL);
	rpc_target_stop(&t);
}

NVH_UNIT_MAIN("target-lite/rpc", NVH_TEST(every_method_refuses_an_unknown_parameter_by_name),
	      NVH_TEST(every_method_is_in_the_reference), NVH_TEST(a_failing_call_changes_nothing),
	      NVH_TEST(faults_are_listed_until_they_are_cleared),
	      NVH_TEST(a_namespace_is_added_listed_and_removed),
	      NVH_TEST(deleting_a_bdev_takes_its_namespace_away),
	      NVH_TEST(a_null_bdev_is_resized_in_mib), NVH_TEST(a_file_is_rescanned),
	      NVH_TEST(a_fifo_does_not_block_the_target),
	      NVH_TEST(a_call_waits_for_a_bdev_to_appear),
	      NVH_TEST(ana_states_are_set_per_listener_and_group),
	      NVH_TEST(calls_wait_for_framework_start_init))
