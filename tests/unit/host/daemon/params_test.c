/*
 * host/daemon/params.c: connection parameters between JSON, the command line and the library.
 */
#include <errno.h>
#include <string.h>

#include "host/daemon/params.h"
#include "tests/unit/nvh_cunit.h"

static struct nvd_params some(void)
{
	struct nvd_params p;

	nvd_params_init(&p);
	p.transport = "tcp";
	p.traddr = "10.0.0.1";
	p.nqn = "nqn.2014-08.org.example:a";
	return p;
}

static void only_what_is_not_default_is_saved(void)
{
	struct nvd_params p = some();
	struct json_object *o = nvd_params_to_json(&p);

	CU_ASSERT_STRING_EQUAL(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
			       "{\"transport\":\"tcp\",\"traddr\":\"10.0.0.1\","
			       "\"nqn\":\"nqn.2014-08.org.example:a\"}");
	json_object_put(o);
}

static void all_of_it_survives_json(void)
{
	struct nvd_params p = some(), q;
	struct json_object *o;
	char err[256];

	p.trsvcid = "4421";
	p.host_traddr = "10.0.0.9";
	p.host_iface = "eth0";
	p.hostnqn = "nqn.h";
	p.hostid = "x";
	p.name = "nvh7";
	p.nr_io_queues = 3;
	p.queue_size = 64;
	p.keep_alive_tmo = 0;
	p.has_keep_alive_tmo = true;
	p.reconnect_delay = 2.5;
	p.ctrl_loss_tmo = -1;
	p.fast_io_fail_tmo = 9;
	p.tos = 4;
	p.hdr_digest = p.data_digest = p.disable_sqflow = true;
	p.duplicate_connect = p.persistent = p.discovery = p.follow = true;
	o = nvd_params_to_json(&p);
	CU_ASSERT_EQUAL_FATAL(nvd_params_from_json(o, &q, err, sizeof(err)), 0);
	CU_ASSERT_STRING_EQUAL(q.trsvcid, "4421");
	CU_ASSERT_STRING_EQUAL(q.host_traddr, "10.0.0.9");
	CU_ASSERT_STRING_EQUAL(q.host_iface, "eth0");
	CU_ASSERT_STRING_EQUAL(q.hostnqn, "nqn.h");
	CU_ASSERT_STRING_EQUAL(q.hostid, "x");
	CU_ASSERT_STRING_EQUAL(q.name, "nvh7");
	CU_ASSERT_EQUAL(q.nr_io_queues, 3);
	CU_ASSERT_EQUAL(q.queue_size, 64);
	CU_ASSERT_TRUE(q.has_keep_alive_tmo && q.keep_alive_tmo == 0);
	CU_ASSERT_DOUBLE_EQUAL(q.reconnect_delay, 2.5, 0);
	CU_ASSERT_EQUAL(q.ctrl_loss_tmo, -1);
	CU_ASSERT_EQUAL(q.fast_io_fail_tmo, 9);
	CU_ASSERT_EQUAL(q.tos, 4);
	CU_ASSERT_TRUE(q.hdr_digest && q.data_digest && q.disable_sqflow);
	CU_ASSERT_TRUE(q.duplicate_connect && q.persistent && q.discovery && q.follow);
	json_object_put(o);
}

static void an_unknown_parameter_is_named(void)
{
	struct json_object *o = json_tokener_parse("{\"transport\":\"tcp\",\"tradr\":\"x\"}");
	struct nvd_params p = some();
	char err[1024];

	CU_ASSERT_EQUAL(nvd_params_from_json(o, &p, err, sizeof(err)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, "'tradr'"));
	CU_ASSERT_STRING_EQUAL(p.traddr, "10.0.0.1");
	json_object_put(o);
}

static void the_host_id_is_that_of_the_nqns_uuid(void)
{
	struct nvd_params p = some();
	struct nvh_connect_opts opts;
	char id[37] = "", err[256];

	p.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:81FA5356-751c-4457-a232-6f63b691387a";
	CU_ASSERT_EQUAL(nvd_params_to_opts(&p, &opts, id, err, sizeof(err)), 0);
	CU_ASSERT_STRING_EQUAL(opts.hostid, "81fa5356-751c-4457-a232-6f63b691387a");
	p.hostid = "00000000-0000-0000-0000-000000000001";
	CU_ASSERT_EQUAL(nvd_params_to_opts(&p, &opts, id, err, sizeof(err)), 0);
	CU_ASSERT_STRING_EQUAL(opts.hostid, "00000000-0000-0000-0000-000000000001");
	CU_ASSERT_EQUAL(nvd_hostid_of_nqn("nqn.2014-08.org.example:a", id), -ENOENT);
	CU_ASSERT_EQUAL(nvd_hostid_of_nqn(NVH_NQN_UUID_PREFIX "81fa5356", id), -ENOENT);
}

static void check_refused(struct nvd_params p, int want, const char *needle)
{
	struct nvh_connect_opts opts;
	char id[37], err[256] = "";

	CU_ASSERT_EQUAL(nvd_params_to_opts(&p, &opts, id, err, sizeof(err)), want);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, needle));
}

static void a_wrong_value_is_refused_by_name(void)
{
	struct nvd_params p;

#define WRONG(member, value, want, needle)                                                         \
	p = some();                                                                                \
	p.member = value;                                                                          \
	check_refused(p, want, needle)
	WRONG(transport, NULL, -EINVAL, "--transport");
	WRONG(traddr, NULL, -EINVAL, "--traddr");
	WRONG(hostid, "zz", -EINVAL, "--hostid 'zz'");
	WRONG(host_iface, "no-such-iface", -EINVAL, "--host-iface 'no-such-iface'");
	WRONG(queue_size, 8, -EINVAL, "--queue-size 8");
	WRONG(tos, 256, -EINVAL, "--tos 256");
	WRONG(ctrl_loss_tmo, -2, -EINVAL, "--ctrl-loss-tmo -2");
	WRONG(reconnect_delay, 1e6, -EINVAL, "--reconnect-delay");
	WRONG(dhchap_secret, "DHHC-1:", -ENOTSUP, "--dhchap-secret");
	WRONG(tls, true, -ENOTSUP, "--tls");
	WRONG(nr_poll_queues, 1, -ENOTSUP, "--nr-poll-queues");
#undef WRONG
}

static void seconds_become_milliseconds_and_defaults_stay(void)
{
	struct nvd_params p = some();
	struct nvh_connect_opts opts, defaults;
	char id[37], err[256];

	nvh_connect_opts_init(&defaults, sizeof(defaults));
	CU_ASSERT_EQUAL(nvd_params_to_opts(&p, &opts, id, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(opts.keep_alive_tmo_ms, defaults.keep_alive_tmo_ms);
	CU_ASSERT_EQUAL(opts.reconnect_delay_ms, defaults.reconnect_delay_ms);
	CU_ASSERT_EQUAL(opts.ctrl_loss_tmo_s, 600);
	p.keep_alive_tmo = 12;
	p.has_keep_alive_tmo = true;
	p.reconnect_delay = 2;
	CU_ASSERT_EQUAL(nvd_params_to_opts(&p, &opts, id, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(opts.keep_alive_tmo_ms, 12000);
	CU_ASSERT_EQUAL(opts.reconnect_delay_ms, 2000);
	CU_ASSERT_EQUAL(opts.reconnect_delay_max_ms, 2000);
	p = some();
	p.nqn = NVH_DISCOVERY_NQN;
	CU_ASSERT_EQUAL(nvd_params_to_opts(&p, &opts, id, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(opts.keep_alive_tmo_ms, 30000);
}

static void the_default_port_is_the_same_as_none(void)
{
	struct nvd_params a = some(), b = some();

	b.trsvcid = "4420";
	CU_ASSERT_TRUE(nvd_params_same(&a, &b));
	b.trsvcid = "4421";
	CU_ASSERT_FALSE(nvd_params_same(&a, &b));
	b = some();
	b.host_traddr = "10.0.0.9";
	CU_ASSERT_FALSE(nvd_params_same(&a, &b));
	a.nqn = NULL;
	b = a;
	b.nqn = NVH_DISCOVERY_NQN;
	b.trsvcid = "8009";
	CU_ASSERT_TRUE(nvd_params_same(&a, &b));
}

NVH_UNIT_MAIN("host/daemon/params", NVH_TEST(only_what_is_not_default_is_saved),
	      NVH_TEST(all_of_it_survives_json), NVH_TEST(an_unknown_parameter_is_named),
	      NVH_TEST(the_host_id_is_that_of_the_nqns_uuid),
	      NVH_TEST(a_wrong_value_is_refused_by_name),
	      NVH_TEST(seconds_become_milliseconds_and_defaults_stay),
	      NVH_TEST(the_default_port_is_the_same_as_none))
