/*
 * The owner of a controller under test: writes down what it is told; and I/O on its queues. See
 * ctrlr_fixture.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/ctrlr_fixture.h"

static struct test_owner *owner_of(struct nvhi_ctrlr_owner *base)
{
	return nvhi_container_of(base, struct test_owner, base);
}

static void owner_state(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr,
			enum nvhi_ctrlr_state state)
{
	struct test_owner *owner = owner_of(base);

	CU_ASSERT_EQUAL(nvhi_ctrlr_state(ctrlr), state);
	if (owner->nr_states < NVHI_ARRAY_SIZE(owner->states))
		owner->states[owner->nr_states++] = state;
	if (owner->on_state)
		owner->on_state(owner, state);
}

static void owner_on_live(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr, bool first)
{
	struct test_owner *owner = owner_of(base);

	(void)ctrlr;
	owner->live++;
	owner->live_first += first;
	owner->live_at = world_now();
}

static void owner_failed(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr,
			 const struct nvhi_ctrlr_error *error)
{
	(void)ctrlr;
	owner_of(base)->failed++;
	owner_of(base)->error = *error;
}

static void owner_lost(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr,
		       const struct nvhi_ctrlr_error *error)
{
	(void)ctrlr;
	owner_of(base)->lost++;
	owner_of(base)->lost_at = world_now();
	owner_of(base)->error = *error;
}

static void owner_quiesced(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr)
{
	(void)ctrlr;
	owner_of(base)->quiesced++;
}

static void owner_fast_fail(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr)
{
	(void)ctrlr;
	owner_of(base)->fast_fail++;
	owner_of(base)->fast_fail_at = world_now();
}

static void owner_deleted(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr,
			  const struct nvhi_ctrlr_error *why)
{
	struct test_owner *owner = owner_of(base);

	owner->deleted++;
	owner->deleted_at = world_now();
	owner->why_given = why != NULL;
	if (why)
		owner->why = *why;
	CU_ASSERT_EQUAL(nvhi_ctrlr_ns_count(ctrlr), 0);
	nvhi_ctrlr_destroy(ctrlr);
	owner->destroyed = true;
}

static void owner_ns_added(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr,
			   const struct nvhi_ns_data *ns)
{
	CU_ASSERT_PTR_EQUAL(nvhi_ctrlr_ns_find(ctrlr, ns->nsid), ns);
	owner_of(base)->added++;
}

static void owner_ns_changed(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr,
			     const struct nvhi_ns_data *ns, uint32_t what)
{
	CU_ASSERT_PTR_EQUAL(nvhi_ctrlr_ns_find(ctrlr, ns->nsid), ns);
	owner_of(base)->changed++;
	owner_of(base)->last_what = what;
}

static void owner_ns_removed(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr, uint32_t nsid)
{
	CU_ASSERT_PTR_NULL(nvhi_ctrlr_ns_find(ctrlr, nsid));
	owner_of(base)->removed++;
	owner_of(base)->last_removed = nsid;
}

static void owner_notice(struct nvhi_ctrlr_owner *base, struct nvhi_ctrlr *ctrlr, uint8_t type,
			 uint8_t info, uint8_t lid)
{
	(void)ctrlr;
	(void)type;
	(void)lid;
	owner_of(base)->notices++;
	owner_of(base)->last_info = info;
}

const struct nvhi_ctrlr_events test_owner_events = {
	.state = owner_state,
	.live = owner_on_live,
	.failed = owner_failed,
	.lost = owner_lost,
	.quiesced = owner_quiesced,
	.fast_io_fail = owner_fast_fail,
	.deleted = owner_deleted,
	.ns_added = owner_ns_added,
	.ns_changed = owner_ns_changed,
	.ns_removed = owner_ns_removed,
	.notice = owner_notice,
};

void test_opts(struct nvhi_ctrlr_opts *opts, unsigned int index)
{
	static char names[FAKE_CTRLRS][8];

	nvhi_ctrlr_opts_init(opts);
	snprintf(names[index], sizeof(names[index]), "nvh%u", index);
	opts->transport.name = names[index];
	opts->transport.addr.trtype = NVH_TRTYPE_TCP;
	opts->transport.addr.adrfam = NVH_ADRFAM_IPV4;
	snprintf(opts->transport.addr.traddr, sizeof(opts->transport.addr.traddr), "10.0.0.1");
	snprintf(opts->transport.addr.trsvcid, sizeof(opts->transport.addr.trsvcid), "%u", index);
	snprintf(opts->transport.subnqn, sizeof(opts->transport.subnqn), "nqn.2024-01.test:sub");
	snprintf(opts->transport.hostnqn, sizeof(opts->transport.hostnqn), "nqn.2024-01.test:host");
	opts->ops = &fake_transport;
	opts->home = world[0];
	opts->reactors = world;
	opts->nr_reactors = WORLD_REACTORS;
	opts->seed = index + 1;
}

void owner_connect(struct test_owner *owner, const struct nvhi_ctrlr_opts *opts)
{
	char text[256] = "";

	memset(owner, 0, sizeof(*owner));
	owner->base.events = &test_owner_events;
	CU_ASSERT_FATAL(nvhi_ctrlr_create(opts, &owner->base, text, sizeof(text), &owner->ctrlr) ==
			0);
	nvhi_ctrlr_start(owner->ctrlr);
}

void owner_live(struct test_owner *owner, const struct nvhi_ctrlr_opts *opts)
{
	owner_connect(owner, opts);
	CU_ASSERT_FATAL(WORLD_UNTIL(owner->live > 0, 1000));
	world_run_ns(50000); /* the queues open */
}

void owner_delete(struct test_owner *owner)
{
	nvhi_ctrlr_delete(owner->ctrlr);
	CU_ASSERT_TRUE(WORLD_UNTIL(owner->deleted > 0, 30000));
	world_run_ms(0);
}

/* ---- I/O
 * ------------------------------------------------------------------------------------------ */

static void test_io_done(struct nvhi_ioq_req *r, int err, const struct nvh_cpl *cpl)
{
	struct test_io *io = r->owner;

	io->done++;
	io->err = err;
	io->code = err ? 0 : nvh_cpl_code(cpl);
	io->at = world_now();
}

bool test_io_submit(struct nvhi_ioq *ioq, struct test_io *io)
{
	struct nvhi_ioq_req *r = nvhi_ioq_get(ioq);

	if (!r)
		return false;
	memset(&r->req.cmd, 0, sizeof(r->req.cmd));
	r->req.cmd.opc = NVH_OPC_FLUSH;
	r->req.dir = NVHI_DIR_NONE;
	r->req.len = 0;
	r->done = test_io_done;
	r->owner = io;
	if (nvhi_ioq_submit(ioq, r) < 0) {
		nvhi_ioq_put(ioq, r);
		return false;
	}
	return true;
}
