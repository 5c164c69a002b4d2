/*
 * The options of a connect: each wrong one is refused with a line that names it, nothing is sent.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fabric/nqn.h"
#include "host/api/host.h"
#include "tests/unit/nvh_cunit.h"

static struct nvh_reactor *reactor;
static struct nvh_host *host;
static char why[256];

static void setup(void)
{
	struct nvh_host_opts opts = {
		.size = sizeof(opts),
		.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:11111111-2222-4333-8444-555555555555",
		.reactors = &reactor,
		.nr_reactors = 1,
	};

	CU_ASSERT_EQUAL_FATAL(nvh_reactor_create(NULL, &reactor), 0);
	CU_ASSERT_EQUAL_FATAL(nvh_host_create(&opts, &host), 0);
}

static int closed;

static void on_closed(void *arg)
{
	(void)arg;
	closed = 1;
}

static void teardown(void)
{
	closed = 0;
	nvh_host_close(host, on_closed, NULL);
	CU_ASSERT_EQUAL(closed, 0); /* never inside */
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, closed, 5000));
	nvh_reactor_destroy(reactor);
}

static void good(struct nvh_connect_opts *o)
{
	nvh_connect_opts_init(o, sizeof(*o));
	o->transport = "tcp";
	o->traddr = "127.0.0.1";
	o->subnqn = "nqn.2026-01.io.nvhost:x";
}

/* Refused, and the line contains `culprit`. */
static void refused(const struct nvh_connect_opts *o, const char *culprit)
{
	why[0] = '\0';
	CU_ASSERT_EQUAL(nvh_connect(host, o, NULL, NULL, why, sizeof(why)), -EINVAL);
	if (!strstr(why, culprit))
		printf("\n  \"%s\" lacks \"%s\"\n", why, culprit);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, culprit));
	CU_ASSERT_PTR_NULL(nvh_ctrlr_next(host, NULL));
}

#define REFUSED(field, value, culprit)                                                             \
	do {                                                                                       \
		struct nvh_connect_opts o_;                                                        \
		good(&o_);                                                                         \
		o_.field = (value);                                                                \
		refused(&o_, culprit);                                                             \
	} while (0)

static void strict_needs_a_keep_alive_time_out(void)
{
	struct nvh_connect_opts o;
	struct nvhi_ctrlr_opts inner;

	setup();
	good(&o);
	o.write_fence = "strict";
	CU_ASSERT_EQUAL(nvhi_api_connect_opts(host, &o, &inner, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(inner.write_fence, NVHI_WRITE_FENCE_STRICT);
	o.keep_alive_tmo_ms = 0;
	refused(&o, "strict");
	o.write_fence = NULL;
	CU_ASSERT_EQUAL(nvhi_api_connect_opts(host, &o, &inner, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(inner.write_fence, NVHI_WRITE_FENCE_AUTO);
	teardown();
}

static void an_earlier_association_is_checked(void)
{
	struct nvh_assoc assoc = {.size = sizeof(assoc), .write_fence = "auto", .kato_ms = 1000};
	struct nvh_assoc listed = {.size = sizeof(listed)};

	setup();
	CU_ASSERT_EQUAL(nvh_host_fence(host, &assoc), -EINVAL); /* of no subsystem */
	strcpy(assoc.subnqn, "nqn.2026-01.io.nvhost:x");
	strcpy(assoc.write_fence, "maybe");
	CU_ASSERT_EQUAL(nvh_host_fence(host, &assoc), -EINVAL);
	memset(assoc.name, 'x', sizeof(assoc.name));
	CU_ASSERT_EQUAL(nvh_host_fence(host, &assoc), -EINVAL);
	memset(assoc.name, 0, sizeof(assoc.name));
	memset(assoc.write_fence, 0, sizeof(assoc.write_fence));
	strcpy(assoc.name, "nvh3");
	strcpy(assoc.write_fence, "off");
	CU_ASSERT_EQUAL(nvh_host_fence(host, &assoc), 0);
	CU_ASSERT_EQUAL(nvh_host_assoc(host, 0, &listed), -ENOENT);
	strcpy(assoc.write_fence, "strict");
	assoc.cntlid = 9;
	assoc.cirn = UINT64_MAX;
	CU_ASSERT_EQUAL(nvh_host_fence(host, &assoc), 0);
	CU_ASSERT_EQUAL(nvh_host_assoc(host, 0, &listed), 0);
	CU_ASSERT_EQUAL(memcmp(&listed, &assoc, sizeof(assoc)), 0);
	CU_ASSERT_EQUAL(nvh_host_assoc(host, 1, &listed), -ENOENT);
	teardown();
}

static void each_wrong_option_is_named(void)
{
	setup();
	REFUSED(transport, NULL, "transport");
	REFUSED(transport, "smoke", "smoke");
	REFUSED(traddr, NULL, "traddr");
	REFUSED(traddr, "", "traddr");
	REFUSED(trsvcid, "70000", "70000");
	REFUSED(trsvcid, "http", "http");
	REFUSED(subnqn, "", "nqn");
	REFUSED(write_fence, "maybe", "write-fence \"maybe\"");
	REFUSED(hostnqn, "bad\nnqn", "hostnqn");
	REFUSED(hostnqn, "bad", "\"bad\"");
	REFUSED(hostid, "123", "123");
	REFUSED(host_traddr, "300.1.1.1", "host-traddr");
	REFUSED(host_iface, "an-interface-name-too-long", "host-iface");
	REFUSED(queue_size, 15, "15");
	REFUSED(queue_size, 1025, "1025");
	REFUSED(ctrl_loss_tmo_s, -2, "ctrl-loss-tmo");
	REFUSED(fast_io_fail_tmo_s, -2, "fast_io_fail_tmo");
	REFUSED(reconnect_delay_ms, 0, "reconnect-delay");
	REFUSED(tos, 256, "tos");
	REFUSED(connect_timeout_ms, 0, "connect timeout");
	REFUSED(admin_timeout_ms, 0, "admin timeout");
	REFUSED(size, 0, "size");
	REFUSED(name, "a/b", "a/b");
	REFUSED(name, "a-name-of-more-than-thirty-one-bytes", "a-name");
	teardown();
}

static void options_are_translated(void)
{
	struct nvh_connect_opts o;
	struct nvhi_ctrlr_opts in;
	char text[NVHI_UUID_TEXT];

	setup();
	good(&o);
	o.data_digest = true;
	o.ctrl_loss_tmo_s = 7;
	CU_ASSERT_EQUAL(nvhi_api_connect_opts(host, &o, &in, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(in.transport.addr.trsvcid, "4420");
	CU_ASSERT_STRING_EQUAL(nvhi_uuid_format(in.transport.hostid, text),
			       "11111111-2222-4333-8444-555555555555");
	CU_ASSERT_TRUE(in.transport.data_digest && !in.transport.hdr_digest);
	CU_ASSERT_EQUAL(in.ctrl_loss_tmo_s, 7);
	CU_ASSERT_EQUAL(in.queue_size, 128);
	CU_ASSERT_FALSE(in.discovery);

	/* An NQN of one's own brings its own ID, when it has one. */
	o.hostnqn = "nqn.2014-08.org.nvmexpress:uuid:99999999-2222-4333-8444-555555555555";
	CU_ASSERT_EQUAL(nvhi_api_connect_opts(host, &o, &in, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(in.transport.hostid[0], 0x99);

	o.subnqn = NULL;
	CU_ASSERT_EQUAL(nvhi_api_connect_opts(host, &o, &in, why, sizeof(why)), 0);
	CU_ASSERT_TRUE(in.discovery);
	CU_ASSERT_STRING_EQUAL(in.transport.addr.trsvcid, "8009");
	teardown();
}

static void an_older_program_gets_defaults_for_what_it_does_not_know(void)
{
	struct nvh_connect_opts o;
	struct nvhi_ctrlr_opts in;

	setup();
	good(&o);
	o.size = offsetof(struct nvh_connect_opts, hdr_digest);
	o.hdr_digest = o.no_retry = true; /* beyond its size */
	CU_ASSERT_EQUAL(nvhi_api_connect_opts(host, &o, &in, why, sizeof(why)), 0);
	CU_ASSERT_FALSE(in.transport.hdr_digest || in.no_retry);
	CU_ASSERT_EQUAL(in.admin_timeout_ms, 10000);
	teardown();
}

static int connects;

static void on_connect(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
		       const struct nvh_cpl *cpl)
{
	(void)arg;
	(void)cpl;
	connects++;
	CU_ASSERT_TRUE(err < 0);
	CU_ASSERT_PTR_NULL(ctrlr);
	CU_ASSERT_TRUE(message[0] != '\0');
}

static void connecting_twice_is_told_apart_from_once(void)
{
	struct nvh_connect_opts o;
	struct nvh_ctrlr *first;

	setup();
	connects = 0;
	good(&o);
	o.trsvcid = "1"; /* nobody is there: it tries on */
	CU_ASSERT_EQUAL(nvh_connect(host, &o, on_connect, NULL, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(nvh_connect(host, &o, on_connect, NULL, why, sizeof(why)), -EALREADY);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "nvh0"));
	o.duplicate_connect = true;
	CU_ASSERT_EQUAL(nvh_connect(host, &o, on_connect, NULL, why, sizeof(why)), 0);
	first = nvh_ctrlr_next(host, NULL);
	CU_ASSERT_PTR_EQUAL(nvh_ctrlr_find(host, "nvh0"), first);
	CU_ASSERT_PTR_EQUAL(nvh_ctrlr_find(host, "nvh1"), nvh_ctrlr_next(host, first));
	o.name = "nvh1";
	CU_ASSERT_EQUAL(nvh_connect(host, &o, on_connect, NULL, why, sizeof(why)), -EEXIST);
	CU_ASSERT_EQUAL(connects, 0);
	teardown();
	CU_ASSERT_EQUAL(connects, 2); /* each was told how it ended */
}

static void a_refused_connection_is_told_once_with_no_retry(void)
{
	struct nvh_connect_opts o;

	setup();
	connects = 0;
	good(&o);
	o.trsvcid = "1";
	o.no_retry = true;
	CU_ASSERT_EQUAL(nvh_connect(host, &o, on_connect, NULL, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(connects, 0);
	CU_ASSERT_TRUE(NVH_RUN_UNTIL(reactor, connects > 0, 5000));
	CU_ASSERT_PTR_NULL(nvh_ctrlr_next(host, NULL));
	teardown();
	CU_ASSERT_EQUAL(connects, 1);
}

NVH_UNIT_MAIN("host/api/connect_opts", NVH_TEST(each_wrong_option_is_named),
	      NVH_TEST(strict_needs_a_keep_alive_time_out),
	      NVH_TEST(an_earlier_association_is_checked),
	      NVH_TEST(options_are_translated),
	      NVH_TEST(an_older_program_gets_defaults_for_what_it_does_not_know),
	      NVH_TEST(connecting_twice_is_told_apart_from_once),
	      NVH_TEST(a_refused_connection_is_told_once_with_no_retry))
