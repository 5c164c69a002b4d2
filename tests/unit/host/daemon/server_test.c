/*
 * host/daemon/: the daemon as an object, without a target. Methods answer, wrong parameters are
 * named, the state is saved, read again, and set aside when it is damaged.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/daemon/server.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/nvh_cunit.h"

static char dir[64], socket_path[128], state_path[128];
static struct nvd_daemon *daemon_under_test;

struct answer {
	struct nvhi_rpc_local local;
	bool done;
	int code;
	char message[1024];
	struct json_object *result;
};

static void answered(struct nvhi_rpc_local *local, struct json_object *result, int code,
		     const char *message)
{
	struct answer *a = nvhi_container_of(local, struct answer, local);

	a->done = true;
	a->code = code;
	a->result = json_object_get(result);
	snprintf(a->message, sizeof(a->message), "%s", message ? message : "");
}

static void call(const char *method, const char *params, struct answer *a)
{
	struct json_object *p = params ? json_tokener_parse(params) : NULL;

	memset(a, 0, sizeof(*a));
	a->local.fn = answered;
	nvhi_rpc_server_call(daemon_under_test->server, method, p, &a->local);
	CU_ASSERT_TRUE_FATAL(NVH_RUN_UNTIL(nvd_home(daemon_under_test), a->done, 20000));
	json_object_put(p);
}

static void check_error(const char *method, const char *params, const char *needle)
{
	struct answer a;

	call(method, params, &a);
	CU_ASSERT_NOT_EQUAL(a.code, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(a.message, needle));
	if (!strstr(a.message, needle))
		fprintf(stderr, "    %s: '%s' lacks '%s'\n", method, a.message, needle);
}

static void start(void)
{
	struct nvd_server_opts opts = {
		.socket = socket_path,
		.state_path = state_path,
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:81fa5356-751c-4457-a232-6f63b691387a",
		.nr_reactors = 1,
	};
	char err[256];

	CU_ASSERT_EQUAL_FATAL(nvd_server_create(&opts, &daemon_under_test, err, sizeof(err)), 0);
}

static void stop(void)
{
	nvd_daemon_stop(daemon_under_test);
	nvh_reactor_loop(nvd_home(daemon_under_test));
	nvd_server_destroy(daemon_under_test);
}

static void put_state(const char *text)
{
	FILE *file = fopen(state_path, "w");

	fputs(text, file);
	fclose(file);
}

/* ---- tests -------------------------------------------------------------------------------- */

static void it_starts_answers_and_ends(void)
{
	struct answer a;
	struct stat st;

	start();
	CU_ASSERT_EQUAL(stat(socket_path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);
	call("version", NULL, &a);
	CU_ASSERT_EQUAL(a.code, 0);
	json_object_put(a.result);
	call("list", NULL, &a);
	CU_ASSERT_EQUAL(a.code, 0);
	CU_ASSERT_STRING_EQUAL(
		json_object_to_json_string_ext(a.result, JSON_C_TO_STRING_PLAIN),
		"{\"hostnqn\":\"nqn.2014-08.org.nvmexpress:uuid:81fa5356-751c-4457-a232-"
		"6f63b691387a\",\"hostid\":\"81fa5356-751c-4457-a232-6f63b691387a\","
		"\"controllers\":[],\"namespaces\":[]}");
	json_object_put(a.result);
	stop();
	CU_ASSERT_EQUAL(stat(socket_path, &st), -1);
}

static void wrong_parameters_are_named(void)
{
	start();
	check_error("connect", "{\"transport\":\"tcp\",\"tradr\":\"x\"}", "'tradr'");
	check_error("connect", "{\"traddr\":\"x\"}", "--transport");
	check_error("connect", "{\"transport\":\"tcp\",\"traddr\":\"127.0.0.1\",\"queue_size\":5}",
		    "queue_size");
	check_error("connect", "{\"transport\":\"tcp\",\"traddr\":\"127.0.0.1\",\"tls\":true}",
		    "--tls");
	check_error("disconnect", "{}", "nqn or device");
	check_error("resolve", "{\"device\":\"nvh9\"}", "nvh9: no such controller or namespace");
	check_error("id", NULL, "id");
	check_error("admin_passthru", "{\"device\":\"nvh9\",\"opcode\":6}", "nvh9");
	check_error("admin_passthru", "{\"device\":\"nvh9\"}", "opcode");
	check_error("read", "{\"device\":\"nvh9n1\",\"slba\":0}", "nlb");
	check_error("read", "{\"device\":\"nvh9n1\",\"slba\":0,\"nlb\":1}", "nvh9n1");
	check_error("umount", "{\"path\":\"/nowhere\"}", "/nowhere: not mounted");
	check_error("mount", "{\"path\":\"relative\"}", "'relative' is not absolute");
	check_error("mount", "{\"path\":\"/tmp\",\"ns\":\"nqn.x:1\"}", "nqn.x:1");
	check_error("mount", "{\"path\":\"/nonexistent-folder\"}", "/nonexistent-folder");
	check_error("log_set_level", "{\"level\":\"frob\"}", "frob");
	check_error("get_log", "{\"device\":\"nvh0\",\"log_id\":1,\"log_len\":0}", "log_len");
	stop();
}

static void a_refused_connect_leaves_nothing_behind(void)
{
	struct answer a;

	start();
	/* Port 1 of the loopback: nobody listens there. */
	check_error("connect",
		    "{\"transport\":\"tcp\",\"traddr\":\"127.0.0.1\",\"trsvcid\":\"1\","
		    "\"nqn\":\"nqn.2014-08.org.example:a\"}",
		    "127.0.0.1:1");
	CU_ASSERT_TRUE(nvhi_list_empty(&daemon_under_test->conns));
	call("list_subsys", NULL, &a);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(json_object_to_json_string_ext(a.result, 0), "\"controllers\":[]"));
	json_object_put(a.result);
	CU_ASSERT_NOT_EQUAL(access(state_path, F_OK), 0);
	stop();
}

static void every_method_is_listed(void)
{
	struct answer a;
	const char *text;

	start();
	call("rpc_get_methods", NULL, &a);
	text = json_object_to_json_string_ext(a.result, JSON_C_TO_STRING_PLAIN);
	for (const char *const *name =
		     (const char *const[]){"connect", "disconnect", "list", "mount", "umount",
					   "mounts", "get_log", "ctrlr_identify", "ns_identify",
					   "admin_passthru", "read", "write", "log_set_level",
					   NULL};
	     *name; name++) {
		char quoted[64];

		snprintf(quoted, sizeof(quoted), "\"%s\"", *name);
		CU_ASSERT_PTR_NOT_NULL(strstr(text, quoted));
	}
	json_object_put(a.result);
	stop();
}

static void a_saved_connection_is_tried_on_keeps_its_name_and_stays_saved(void)
{
	struct nvd_conn *conn;
	struct answer a;

	put_state("{\"version\":1,\"connections\":[{\"name\":\"nvh3\",\"transport\":\"tcp\","
		  "\"traddr\":\"127.0.0.1\",\"trsvcid\":\"1\",\"nqn\":\"nqn.2014-08.org.example:"
		  "a\"}],"
		  "\"mounts\":[{\"path\":\"/"
		  "nonexistent-file\",\"ns\":\"nqn.2014-08.org.example:a:1\"}"
		  "]}");
	start();
	nvd_state_load(daemon_under_test);
	conn = nvd_conn_find(daemon_under_test, "nvh3");
	CU_ASSERT_PTR_NOT_NULL_FATAL(conn);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(nvd_home(daemon_under_test), conn->attempts >= 2, 20000));
	CU_ASSERT_PTR_NOT_NULL(strstr(conn->last_message, "127.0.0.1:1"));
	call("list", NULL, &a);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(json_object_to_json_string_ext(a.result, 0), "\"state\":\"connecting\""));
	json_object_put(a.result);
	/* Waiting is no reason to lose it. */
	CU_ASSERT_EQUAL(nvd_state_save(daemon_under_test), 0);
	CU_ASSERT_EQUAL(nvd_conn_add(daemon_under_test, conn->json, NULL, NULL, a.message,
				     sizeof(a.message)),
			-EALREADY);
	CU_ASSERT_PTR_NOT_NULL(strstr(a.message, "nvh3"));
	stop();
	start();
	nvd_state_load(daemon_under_test);
	CU_ASSERT_PTR_NOT_NULL(nvd_conn_find(daemon_under_test, "nvh3"));
	CU_ASSERT_PTR_NOT_NULL(nvd_mount_find(daemon_under_test, "/nonexistent-file"));
	call("umount", "{\"path\":\"/nonexistent-file\"}", &a);
	CU_ASSERT_EQUAL(a.code, 0);
	json_object_put(a.result);
	call("disconnect", "{\"device\":\"nvh3\"}", &a);
	CU_ASSERT_EQUAL(a.code, 0);
	json_object_put(a.result);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(nvd_home(daemon_under_test),
				     nvhi_list_empty(&daemon_under_test->conns), 20000));
	stop();
	start();
	nvd_state_load(daemon_under_test);
	CU_ASSERT_TRUE(nvhi_list_empty(&daemon_under_test->conns));
	CU_ASSERT_TRUE(nvhi_list_empty(&daemon_under_test->mounts));
	stop();
	unlink(state_path);
}

static void a_damaged_state_is_set_aside_not_lost(void)
{
	static const char *const bad[] = {
		"", "{", "[]", "{\"version\":2}",
		"{\"version\":1,\"connections\":[],\"mounts\":[],\"x\":1}"};
	char aside[160];

	snprintf(aside, sizeof(aside), "%s.bad", state_path);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		unlink(aside);
		put_state(bad[i]);
		start();
		CU_ASSERT_EQUAL(nvd_state_load(daemon_under_test), 0);
		CU_ASSERT_EQUAL(access(aside, F_OK), 0);
		CU_ASSERT_NOT_EQUAL(access(state_path, F_OK), 0);
		CU_ASSERT_TRUE(nvhi_list_empty(&daemon_under_test->conns));
		stop();
	}
	unlink(aside);
}

static int create_and_end(void *arg)
{
	struct nvd_server_opts opts = {
		.socket = socket_path,
		.state_path = state_path,
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:81fa5356-751c-4457-a232-6f63b691387a",
		.nr_reactors = 1,
	};
	char err[256];
	int rc = nvd_server_create(&opts, &daemon_under_test, err, sizeof(err));

	(void)arg;
	if (!rc)
		stop();
	return rc;
}

static void a_daemon_that_cannot_be_made_leaves_nothing(void)
{
	struct stat st;

	CU_ASSERT_TRUE(nvh_alloc_walk(create_and_end, NULL, true) >= 3);
	CU_ASSERT_NOT_EQUAL(stat(socket_path, &st), 0);
}

static void a_socket_in_use_is_said(void)
{
	struct nvd_server_opts opts = {
		.socket = socket_path, .state_path = state_path, .nr_reactors = 1};
	struct nvd_daemon *second;
	char err[256] = "";

	start();
	CU_ASSERT_NOT_EQUAL(nvd_server_create(&opts, &second, err, sizeof(err)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, socket_path));
	stop();
}

int main(int argc, char **argv)
{
	static const struct nvh_test tests[] = {
		NVH_TEST(it_starts_answers_and_ends),
		NVH_TEST(wrong_parameters_are_named),
		NVH_TEST(a_refused_connect_leaves_nothing_behind),
		NVH_TEST(every_method_is_listed),
		NVH_TEST(a_saved_connection_is_tried_on_keeps_its_name_and_stays_saved),
		NVH_TEST(a_damaged_state_is_set_aside_not_lost),
		NVH_TEST(a_daemon_that_cannot_be_made_leaves_nothing),
		NVH_TEST(a_socket_in_use_is_said),
	};
	int status;

	snprintf(dir, sizeof(dir), "/tmp/nvhost-daemon.XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
	snprintf(state_path, sizeof(state_path), "%s/state.json", dir);
	status = NVH_CUNIT_MAIN("host/daemon/server", tests, argc, argv);
	unlink(state_path);
	rmdir(dir);
	return status;
}
