/*
 * target-lite/rpc/config.c: what is saved makes the same target again, and a load that fails leaves
 * nothing behind; and every method without memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/alloc_fail.h"
#include "tests/unit/rpc_fixture.h"

#define NQN  "nqn.2016-06.io.spdk:cnode1"
#define HOST "nqn.2014-08.org.nvmexpress:uuid:0f8d6f6a-5c0c-4d5e-9d5b-2c7d1f1a7e11"
#define ADDR "{\"trtype\":\"tcp\",\"traddr\":\"127.0.0.1\",\"trsvcid\":\"0\"}"

static char *config_of(struct rpc_target *t)
{
	RPC_OK(t, "save_config", NULL);
	return strdup(rpc_text);
}

/* One of everything that a configuration holds. */
static void fill(struct rpc_target *t)
{
	RPC_OK(t, "nvmf_set_crdt", "{\"crdt1\":1,\"crdt2\":2,\"crdt3\":3}");
	RPC_OK(t, "nvmf_create_transport",
	       "{\"trtype\":\"TCP\",\"in_capsule_data_size\":8192,\"io_unit_size\":8192,"
	       "\"c2h_success\":false,\"acceptor_backlog\":7,\"iobuf_large_cache_size\":5}");
	RPC_OK(t, "bdev_null_create", "{\"name\":\"N0\",\"block_size\":4096,\"num_blocks\":2048}");
	RPC_OK(t, "bdev_malloc_create",
	       "{\"block_size\":512,\"num_blocks\":64,"
	       "\"physical_block_size\":4096}");
	RPC_OK(t, "nvmf_create_subsystem",
	       "{\"nqn\":\"" NQN "\",\"ana_reporting\":true,\"max_namespaces\":4,\"min_cntlid\":5,"
	       "\"max_cntlid\":50,\"serial_number\":\"S1\",\"model_number\":\"M1\"}");
	RPC_OK(t, "nvmf_subsystem_add_host", "{\"nqn\":\"" NQN "\",\"host\":\"" HOST "\"}");
	RPC_OK(t, "nvmf_subsystem_add_ns",
	       "{\"nqn\":\"" NQN
	       "\",\"namespace\":{\"bdev_name\":\"N0\",\"nsid\":2,\"anagrpid\":3}}");
	RPC_OK(t, "nvmf_subsystem_add_ns",
	       "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"Malloc0\",\"eui64\":"
	       "\"0011223344556677\"}}");
	RPC_OK(t, "nvmf_subsystem_add_listener",
	       "{\"nqn\":\"" NQN "\",\"listen_address\":" ADDR ",\"ana_state\":\"non_optimized\"}");
	RPC_OK(t, "nvmf_discovery_add_referral",
	       "{\"address\":{\"trtype\":\"tcp\",\"traddr\":\"::1\",\"trsvcid\":\"8009\"},"
	       "\"secure_channel\":true}");
}

static void what_is_saved_makes_the_same_target_again(void)
{
	struct rpc_target first, second;
	char *saved, *again;

	rpc_target_start(&first, false);
	fill(&first);
	saved = config_of(&first);
	rpc_target_stop(&first); /* its port is free again */
	rpc_target_start(&second, true);
	RPC_GIVES(&second, "load_config", saved, "true");
	again = config_of(&second); /* running now, as if framework_start_init had been called */
	CU_ASSERT_STRING_EQUAL(again, saved);
	RPC_FAILS(&second, "load_config", saved, NVHI_RPC_INTERNAL_ERROR, "entry 1, bdev_");
	free(again);
	again = config_of(&second);
	CU_ASSERT_STRING_EQUAL(again, saved);
	free(saved);
	free(again);
	rpc_target_stop(&second);
}

static void parts_together_are_the_whole(void)
{
	struct rpc_target t;
	char *whole;

	rpc_target_start(&t, false);
	fill(&t);
	whole = config_of(&t);
	RPC_GIVES(&t, "framework_get_subsystems", NULL,
		  "[{\"subsystem\":\"bdev\",\"depends_on\":[]},"
		  "{\"subsystem\":\"nvmf\",\"depends_on\":[\"bdev\"]}]");
	RPC_OK(&t, "framework_get_config", "{\"name\":\"bdev\"}");
	CU_ASSERT_PTR_NOT_NULL(strstr(whole, rpc_text));
	RPC_OK(&t, "framework_get_config", "{\"name\":\"nvmf\",\"with_batches\":false}");
	CU_ASSERT_PTR_NOT_NULL(strstr(whole, rpc_text));
	free(whole);
	rpc_target_stop(&t);
}

static void a_load_that_fails_is_undone(void)
{
	struct rpc_target t;
	char *before, *after;

	rpc_target_start(&t, false);
	RPC_OK(&t, "nvmf_create_transport", "{\"trtype\":\"TCP\"}");
	RPC_OK(&t, "nvmf_create_subsystem", "{\"nqn\":\"" NQN "0\"}");
	RPC_OK(&t, "bdev_null_create", "{\"name\":\"X\",\"block_size\":512,\"num_blocks\":8}");
	before = config_of(&t);
	RPC_FAILS(&t, "load_config",
		  "{\"subsystems\":[{\"subsystem\":\"bdev\",\"config\":["
		  "{\"method\":\"bdev_null_create\",\"params\":{\"name\":\"N0\",\"block_size\":512,"
		  "\"num_blocks\":8}},"
		  "{\"method\":\"bdev_malloc_create\",\"params\":{\"block_size\":512,"
		  "\"num_blocks\":8}}]},"
		  "{\"subsystem\":\"sock\",\"config\":null},"
		  "{\"subsystem\":\"nvmf\",\"config\":[["
		  "{\"method\":\"nvmf_create_subsystem\",\"params\":{\"nqn\":\"" NQN "\"}}],"
		  "{\"method\":\"nvmf_subsystem_add_host\",\"params\":{\"nqn\":\"" NQN
		  "0\",\"host\":\"" HOST "\"}},"
		  "{\"method\":\"nvmf_subsystem_add_ns\",\"params\":{\"nqn\":\"" NQN
		  "0\",\"namespace\":{\"bdev_name\":\"X\"}}},"
		  "{\"method\":\"nvmf_discovery_add_referral\",\"params\":{\"address\":{\"trtype\":"
		  "\"TCP\",\"traddr\":\"127.0.0.1\",\"trsvcid\":\"8009\"}}},"
		  "{\"method\":\"nvmf_subsystem_remove_ns\",\"params\":{\"nqn\":\"" NQN
		  "\",\"nsid\":9}}]}]}",
		  NVHI_RPC_INTERNAL_ERROR, "entry 7, nvmf_subsystem_remove_ns");
	after = config_of(&t);
	CU_ASSERT_STRING_EQUAL(after, before);
	free(before);
	free(after);
	rpc_target_stop(&t);
}

static void a_configuration_goes_through_a_file(void)
{
	char dir[] = "/tmp/nvh-cfg-XXXXXX", params[128], path[64];
	struct rpc_target first, second;
	char *saved, *again;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/config.json", dir);
	snprintf(params, sizeof(params), "{\"filename\":\"%s\"}", path);
	rpc_target_start(&first, false);
	fill(&first);
	RPC_GIVES(&first, "save_config", params, "true");
	saved = config_of(&first);
	rpc_target_stop(&first);
	rpc_target_start(&second, false);
	RPC_GIVES(&second, "load_config", params, "true");
	again = config_of(&second);
	CU_ASSERT_STRING_EQUAL(again, saved);
	free(saved);
	free(again);
	rpc_target_stop(&second);
	CU_ASSERT_EQUAL(remove(path), 0);
	CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void a_load_ends_when_the_target_does(void)
{
	static struct rpc_answer load;
	struct rpc_target t;

	rpc_target_start(&t, false);
	rpc_begin(&t, &load, "load_config",
		  "{\"subsystems\":[{\"subsystem\":\"nvmf\",\"config\":["
		  "{\"method\":\"nvmf_create_subsystem\",\"params\":{\"nqn\":\"" NQN "\"}},"
		  "{\"method\":\"nvmf_create_subsystem\",\"params\":{\"nqn\":\"" NQN "2\"}}]}]}");
	CU_ASSERT_FALSE(load.done);
	rpc_target_stop(&t);
	CU_ASSERT_TRUE(load.done);
	CU_ASSERT_NOT_EQUAL(load.code, 0);
}

/* ---- without memory ----------------------------------------------------------------------- */

struct walk {
	struct rpc_target *t;
	const char *method, *params, *undo, *undo_params;
};

static int walk_call(void *arg)
{
	struct walk *w = arg;
	int code = rpc_do(w->t, w->method, w->params);

	if (code) {
		CU_ASSERT_TRUE(code == NVHI_RPC_INTERNAL_ERROR || code == NVHI_RPC_INVALID_PARAMS);
		return -ENOMEM;
	}
	nvh_alloc_fail_at(0);
	if (w->undo)
		RPC_OK(w->t, w->undo, w->undo_params);
	return 0;
}

static void without_memory_a_call_fails_and_changes_nothing(void)
{
	static const struct walk calls[] = {
		{NULL, "bdev_null_create", "{\"name\":\"N1\",\"block_size\":512,\"num_blocks\":8}",
		 "bdev_null_delete", "{\"name\":\"N1\"}"},
		{NULL, "bdev_malloc_create",
		 "{\"name\":\"M1\",\"block_size\":512,\"num_blocks\":8}", "bdev_malloc_delete",
		 "{\"name\":\"M1\"}"},
		{NULL, "nvmf_create_subsystem", "{\"nqn\":\"" NQN "9\"}", "nvmf_delete_subsystem",
		 "{\"nqn\":\"" NQN "9\"}"},
		{NULL, "nvmf_subsystem_add_host",
		 "{\"nqn\":\"" NQN "\",\"host\":\"nqn.2014-08.org.a:b\"}",
		 "nvmf_subsystem_remove_host",
		 "{\"nqn\":\"" NQN "\",\"host\":\"nqn.2014-08.org.a:b\"}"},
		{NULL, "nvmf_subsystem_add_ns",
		 "{\"nqn\":\"" NQN "\",\"namespace\":{\"bdev_name\":\"Spare\",\"nsid\":4}}",
		 "nvmf_subsystem_remove_ns", "{\"nqn\":\"" NQN "\",\"nsid\":4}"},
		{NULL, "nvmf_discovery_add_referral", "{\"address\":" ADDR "}",
		 "nvmf_discovery_remove_referral", "{\"address\":" ADDR "}"},
		{NULL, "nvmf_get_subsystems", NULL, NULL, NULL},
		{NULL, "framework_get_reactors", NULL, NULL, NULL},
		{NULL, "save_config", NULL, NULL, NULL},
	};
	struct rpc_target t;
	char *before, *after;

	rpc_target_start(&t, false);
	fill(&t);
	RPC_OK(&t, "bdev_null_create", "{\"name\":\"Spare\",\"block_size\":512,\"num_blocks\":8}");
	before = config_of(&t);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(calls); i++) {
		struct walk w = calls[i];

		w.t = &t;
		CU_ASSERT_TRUE(nvh_alloc_walk(walk_call, &w, false) >= 1);
	}
	after = config_of(&t);
	CU_ASSERT_STRING_EQUAL(after, before);
	free(before);
	free(after);
	rpc_target_stop(&t);
}

NVH_UNIT_MAIN("target-lite/rpc/config", NVH_TEST(what_is_saved_makes_the_same_target_again),
	      NVH_TEST(parts_together_are_the_whole), NVH_TEST(a_load_that_fails_is_undone),
	      NVH_TEST(a_configuration_goes_through_a_file),
	      NVH_TEST(a_load_ends_when_the_target_does),
	      NVH_TEST(without_memory_a_call_fails_and_changes_nothing))
