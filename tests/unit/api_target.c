/*
 * A target for tests: see api_target.h. Every change is made on the target's reactor and waited
 * for by the test's thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/subsystem.h"
#include "target-lite/tcp/tcp.h"
#include "tests/unit/api_target.h"
#include "tests/unit/nvh_cunit.h"

static struct {
	struct nvh_reactor *reactor;
	struct nvhi_reactor_thread *thread;
	struct tl_target *target;
	struct tl_subsystem *ss;
	struct tl_listen_addr addr;
	int pending, err; /* atomic */
} t;

/* What a call on the target's reactor is given and gives. */
struct target_call {
	int (*fn)(struct target_call *call);
	uint32_t nsid;
	uint64_t blocks;
	bool null;
	int err;
};

static void target_step(void *arg, int err)
{
	(void)arg;
	if (err)
		__atomic_store_n(&t.err, err, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&t.pending, 1, __ATOMIC_ACQ_REL);
}

static void target_run(void *arg)
{
	struct target_call *call = arg;

	call->err = call->fn(call);
}

/* `steps` answers follow. */
static void target_do(struct target_call *call, int steps)
{
	__atomic_store_n(&t.pending, steps, __ATOMIC_RELEASE);
	nvhi_reactor_call(t.reactor, target_run, call);
	CU_ASSERT_EQUAL_FATAL(call->err, 0);
	CU_ASSERT_FATAL(NVH_WAIT(__atomic_load_n(&t.pending, __ATOMIC_ACQUIRE) == 0, 20000));
	CU_ASSERT_EQUAL_FATAL(__atomic_load_n(&t.err, __ATOMIC_ACQUIRE), 0);
}

static void target_random(void *buf, size_t len)
{
	static uint32_t seed = 1;

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525u + 1013904223u;
		((uint8_t *)buf)[i] = (uint8_t)(seed >> 24);
	}
}

static int begin(struct target_call *call)
{
	struct tl_subsystem_opts ss = {.nqn = TARGET_NQN, .allow_any_host = true};
	struct tl_transport_opts opts;
	struct tl_transport *transport;
	int err;

	(void)call;
	tl_transport_opts_default(&opts);
	err = tl_tcp_create(t.target, &opts, &nvhi_net_sockets, &transport);
	if (!err)
		err = tl_subsystem_create(t.target, &ss, &t.ss);
	if (!err)
		tl_subsystem_start(t.ss, target_step, NULL);
	return err;
}

static int add_ns(struct target_call *call)
{
	struct tl_bdev_create_opts opts = {.blocks = call->blocks, .block_size = TARGET_BLOCK};
	struct tl_ns_opts ns = {0};
	struct tl_bdev *bdev;
	uint8_t uuid[16];
	int err;

	target_random(uuid, sizeof(uuid));
	opts.uuid = uuid;
	if (call->null)
		err = tl_null_create(&t.target->bdevs, &opts, &bdev);
	else
		err = tl_malloc_create(&t.target->bdevs, &opts, &bdev);
	if (err)
		return err;
	ns.bdev_name = bdev->name;
	return tl_subsystem_add_ns(t.ss, &ns, target_step, NULL, &call->nsid);
}

static int remove_ns(struct target_call *call)
{
	return tl_subsystem_remove_ns(t.ss, call->nsid, target_step, NULL);
}

static int resize_ns(struct target_call *call)
{
	return tl_bdev_resize(tl_subsystem_ns(t.ss, call->nsid)->bdev, call->blocks);
}

static int listen_on(struct target_call *call)
{
	struct tl_listen_addr addr = t.addr;

	(void)call;
	return tl_subsystem_add_listener(t.ss, &addr, false, TL_ANA_OPTIMIZED, target_step, NULL,
					 &t.addr);
}

static int listen_off(struct target_call *call)
{
	(void)call;
	return tl_subsystem_remove_listener(t.ss, &t.addr, target_step, NULL);
}

static int refer(struct target_call *call)
{
	struct tl_referral referral = {.addr = t.addr};
	int err = tl_target_add_referral(t.target, &referral);

	(void)call;
	strcpy(referral.addr.trsvcid, "1");
	return err ? err : tl_target_add_referral(t.target, &referral);
}

void target_refer(void)
{
	struct target_call call = {.fn = refer};

	target_do(&call, 0);
}

static int stop(struct target_call *call)
{
	(void)call;
	tl_target_stop(t.target, target_step, NULL);
	return 0;
}

static uint32_t target_add(uint64_t blocks, bool null)
{
	struct target_call call = {.fn = add_ns, .blocks = blocks, .null = null};

	target_do(&call, 1);
	return call.nsid;
}

uint32_t target_add_ns(void)
{
	return target_add(TARGET_BLOCKS, false);
}

uint32_t target_add_null_ns(uint64_t blocks)
{
	return target_add(blocks, true);
}

void target_remove_ns(uint32_t nsid)
{
	struct target_call call = {.fn = remove_ns, .nsid = nsid};

	target_do(&call, 1);
}

void target_resize_ns(uint32_t nsid, uint64_t blocks)
{
	struct target_call call = {.fn = resize_ns, .nsid = nsid, .blocks = blocks};

	target_do(&call, 0);
}

void target_listen(int on)
{
	struct target_call call = {.fn = on ? listen_on : listen_off};

	target_do(&call, 1);
}

const char *target_port(void)
{
	return t.addr.trsvcid;
}

void target_up(unsigned int nr_ns)
{
	struct tl_target_opts opts = {.name = "nvmf_tgt", .random = target_random};
	struct nvhi_reactor_opts ropts = {.name = "target"};
	struct target_call call = {.fn = begin};

	memset(&t, 0, sizeof(t));
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_create(&ropts, &t.reactor), 0);
	CU_ASSERT_EQUAL_FATAL(tl_target_create(&opts, &t.reactor, 1, &t.target), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_reactor_thread_start(t.reactor, -1, &t.thread), 0);
	target_do(&call, 1);
	for (unsigned int i = 0; i < nr_ns; i++)
		target_add_ns();
	t.addr.trtype = TL_TRTYPE_TCP;
	t.addr.adrfam = TL_ADRFAM_IPV4;
	strcpy(t.addr.traddr, "127.0.0.1");
	strcpy(t.addr.trsvcid, "0");
	target_listen(1);
}

void target_down(void)
{
	struct target_call call = {.fn = stop};

	target_do(&call, 1);
	nvhi_reactor_thread_join(t.thread);
	nvhi_reactor_destroy(t.reactor);
	tl_target_destroy(t.target);
}
