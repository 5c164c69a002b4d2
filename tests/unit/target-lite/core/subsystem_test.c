/*
 * target-lite/core/change.c, subsystem.c, listener.c, ns.c: changes under I/O, in order and whole.
 */
#include <errno.h>
#include <string.h>

#include "base/spec/nvme_identify.h"
#include "base/spec/nvme_log.h"
#include "tests/unit/target_fixture.h"

static struct tl_listen_addr other_addr(void)
{
	struct tl_listen_addr addr = tt_addr;

	strcpy(addr.trsvcid, "4421");
	return addr;
}

static void add_null(const char *name, uint32_t nsid)
{
	struct tl_bdev_create_opts create = {.name = name, .blocks = 64, .block_size = 4096};
	struct tl_ns_opts ns = {.bdev_name = name, .nsid = nsid};
	struct tl_bdev *bdev;
	uint32_t got = 0;

	CU_ASSERT_EQUAL(tl_null_create(&tt.target->bdevs, &create, &bdev), 0);
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(tt_subsystem(), &ns, tt_done, NULL, &got), 0);
	CU_ASSERT(!nsid || got == nsid);
}

static struct tt_cmd *flush(uint32_t nsid)
{
	return tt_cmd(NVH_OPC_FLUSH, nsid);
}

static void what_can_be_refused_at_once_is(void)
{
	struct tl_ns_opts ns = {.bdev_name = "nobody"};
	struct tl_listen_addr addr = other_addr();
	struct tl_subsystem *ss;
	struct tl_subsystem_opts opts = {.nqn = TT_NQN};
	uint32_t nsid;

	tt_setup(1);
	CU_ASSERT_EQUAL(tl_subsystem_create(tt.target, &opts, &ss), -EEXIST);
	opts.nqn = "nqn.2026-13";
	CU_ASSERT_EQUAL(tl_subsystem_create(tt.target, &opts, &ss), -EINVAL);
	opts.nqn = "nqn.2026-01.io.nvhost:b";
	opts.serial_number = "123456789012345678901";
	CU_ASSERT_EQUAL(tl_subsystem_create(tt.target, &opts, &ss), -EINVAL);
	opts.serial_number = "tab\there";
	CU_ASSERT_EQUAL(tl_subsystem_create(tt.target, &opts, &ss), -EINVAL);
	opts.serial_number = NULL;
	opts.min_cntlid = 9;
	opts.max_cntlid = 8;
	CU_ASSERT_EQUAL(tl_subsystem_create(tt.target, &opts, &ss), -EINVAL);
	ss = tt_subsystem();
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(ss, &ns, tt_done, NULL, &nsid), -ENODEV);
	ns.bdev_name = "M0";
	ns.nsid = 1;
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(ss, &ns, tt_done, NULL, &nsid), -EEXIST);
	ns.nsid = 33;
	CU_ASSERT_EQUAL(tl_subsystem_add_ns(ss, &ns, tt_done, NULL, &nsid), -EINVAL);
	CU_ASSERT_EQUAL(tl_subsystem_remove_ns(ss, 2, tt_done, NULL), -ENOENT);
	CU_ASSERT_EQUAL(tl_subsystem_remove_listener(ss, &addr, tt_done, NULL), -ENOENT);
	CU_ASSERT_EQUAL(tl_subsystem_add_listener(ss, &tt_addr, false, TL_ANA_OPTIMIZED, tt_done,
						  NULL, NULL),
			-EEXIST);
	tt.listen_error = -EADDRINUSE;
	CU_ASSERT_EQUAL(
		tl_subsystem_add_listener(ss, &addr, false, TL_ANA_OPTIMIZED, tt_done, NULL, NULL),
		-EADDRINUSE);
	addr.trtype = TL_TRTYPE_RDMA;
	CU_ASSERT_EQUAL(
		tl_subsystem_add_listener(ss, &addr, false, TL_ANA_OPTIMIZED, tt_done, NULL, NULL),
		-EPROTONOSUPPORT);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 0);
	tt_teardown();
}

static void changes_asked_for_together_are_made_in_order(void)
{
	struct tl_listen_addr addr = other_addr();
	struct tl_subsystem *ss;

	tt_setup(2);
	ss = tt_subsystem();
	add_null("N1", 0);
	add_null("N2", 7);
	CU_ASSERT_EQUAL(
		tl_subsystem_add_listener(ss, &addr, false, TL_ANA_OPTIMIZED, tt_done, NULL, NULL),
		0);
	CU_ASSERT_PTR_NULL(ss->ns[1]);
	CU_ASSERT_EQUAL(tt.done, 0); /* never inside the call */
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 3);
	CU_ASSERT_PTR_NOT_NULL(ss->ns[1]);
	CU_ASSERT_PTR_NOT_NULL(ss->ns[6]);
	CU_ASSERT_EQUAL(tl_subsystem_remove_ns(ss, 2, tt_done, NULL), 0);
	CU_ASSERT_EQUAL(tl_subsystem_remove_ns(ss, 2, tt_done, NULL), -ENOENT);
	CU_ASSERT_EQUAL(tl_subsystem_remove_listener(ss, &addr, tt_done, NULL), 0);
	CU_ASSERT_EQUAL(tl_subsystem_remove_listener(ss, &addr, tt_done, NULL), 0);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 6);
	CU_ASSERT_EQUAL(tt.err, -ENOENT); /* the listener was gone when the second had its turn */
	CU_ASSERT_EQUAL(tt.listens, 1);
	tt_teardown();
}

static void port_0_tells_the_port_it_got(void)
{
	struct tl_listen_addr addr = tt_addr, got;

	tt_setup(1);
	strcpy(addr.trsvcid, "0");
	CU_ASSERT_EQUAL(tl_subsystem_add_listener(tt_subsystem(), &addr, false, TL_ANA_OPTIMIZED,
						  tt_done, NULL, &got),
			0);
	CU_ASSERT_STRING_EQUAL(got.trsvcid, "50000");
	tt_run();
	tt_teardown();
}

static void an_address_is_listened_on_once_for_two_subsystems(void)
{
	struct tl_subsystem_opts opts = {.nqn = "nqn.2026-01.io.nvhost:b", .allow_any_host = true};
	struct tl_subsystem *ss;

	tt_setup(1);
	CU_ASSERT_EQUAL(tl_subsystem_create(tt.target, &opts, &ss), 0);
	tl_subsystem_start(ss, tt_done, NULL);
	CU_ASSERT_EQUAL(tl_subsystem_add_listener(ss, &tt_addr, false, TL_ANA_OPTIMIZED, tt_done,
						  NULL, NULL),
			0);
	tt_run();
	CU_ASSERT_EQUAL(tt.listens, 1);
	CU_ASSERT_EQUAL(tl_subsystem_remove_listener(tt_subsystem(), &tt_addr, tt_done, NULL), 0);
	tt_run();
	CU_ASSERT_EQUAL(tt.listens, 1);
	CU_ASSERT_EQUAL(tl_subsystem_delete(ss, tt_done, NULL), 0);
	tt_run();
	CU_ASSERT_EQUAL(tt.listens, 0);
	tt_teardown();
}

static void a_namespace_goes_when_its_last_command_has_ended(void)
{
	struct tt_qpair *admin, *io;
	struct tt_cmd *busy, *late, *other;

	tt_setup(2);
	add_null("N1", 2);
	tt_run();
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(1, admin, 1);
	busy = flush(1);
	busy->keep = true;
	CU_ASSERT_EQUAL(tt_status(io, busy), NVH_ST_SUCCESS);
	tt.done = 0;
	CU_ASSERT_EQUAL(tl_subsystem_remove_ns(tt_subsystem(), 1, tt_done, NULL), 0);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 0);
	late = flush(1);
	tt_exec(io, late);
	CU_ASSERT_FALSE(late->done); /* held */
	other = flush(2);
	CU_ASSERT_EQUAL(tt_status(io, other), NVH_ST_SUCCESS); /* not concerned */
	tl_request_end(&busy->req);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 1);
	CU_ASSERT_TRUE(late->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&late->cpl), NVH_ST_INVALID_NS);
	tt_cmd_free(busy);
	tt_cmd_free(late);
	tt_cmd_free(other);
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

static void a_held_command_ends_with_its_connection(void)
{
	struct tt_qpair *admin, *io, *io2;
	struct tt_cmd *busy, *held;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(0, admin, 1);
	io2 = tt_io(0, admin, 2);
	busy = flush(1);
	busy->keep = true;
	tt_status(io, busy);
	tl_subsystem_remove_ns(tt_subsystem(), 1, tt_done, NULL);
	tt_run();
	held = flush(1);
	tt_exec(io2, held);
	CU_ASSERT_FALSE(held->done);
	tt_break(io2);
	CU_ASSERT_TRUE(held->done);
	tt_free(io2);
	tl_request_end(&busy->req);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 1);
	tt_cmd_free(busy);
	tt_cmd_free(held);
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

static void deleting_a_bdev_takes_its_namespaces_along(void)
{
	struct tl_bdev *bdev;

	tt_setup(2);
	bdev = tl_bdev_find(&tt.target->bdevs, "M0");
	CU_ASSERT_EQUAL(tl_bdev_delete(bdev, tt_done, NULL), 0);
	CU_ASSERT_EQUAL(tl_bdev_delete(bdev, tt_done, NULL), -EBUSY);
	CU_ASSERT_EQUAL(tt.done, 0);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 1);
	CU_ASSERT_PTR_NULL(tl_bdev_find(&tt.target->bdevs, "M0"));
	CU_ASSERT_PTR_NULL(tt_subsystem()->ns[0]);
	tt_teardown();
}

static void a_resize_reaches_the_namespace_and_its_hosts(void)
{
	struct tt_qpair *admin;
	struct tt_cmd *aer, *id, *log;

	tt_setup(1);
	add_null("N1", 2);
	tt_run();
	admin = tt_admin(0, TT_NQN, 0);
	aer = tt_cmd(NVH_ADM_AER, 0);
	tt_exec(admin, aer);
	CU_ASSERT_FALSE(aer->done);
	CU_ASSERT_EQUAL(tl_bdev_resize(tl_bdev_find(&tt.target->bdevs, "N1"), 100), 0);
	CU_ASSERT_EQUAL(tl_bdev_resize(tl_bdev_find(&tt.target->bdevs, "M0"), 100), -ENOTSUP);
	tt_run();
	CU_ASSERT_TRUE(aer->done);
	CU_ASSERT_EQUAL(tt_dw0(aer), nvh_aer_dw0(NVH_AER_NOTICE, NVH_AER_NS_CHANGED, 4));
	id = tt_cmd(NVH_ADM_IDENTIFY, 2);
	tt_cmd_data(id, 4096);
	CU_ASSERT_EQUAL(tt_status(admin, id), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(nvh_le64_get(((struct nvh_id_ns *)id->data)->nsze), 100);
	log = tt_log(admin, NVH_LID_CHANGED_NS, 0, 4096);
	CU_ASSERT_EQUAL(nvh_le32_get(((struct nvh_ns_list *)log->data)->nsid[0]), 2);
	CU_ASSERT_EQUAL(nvh_le32_get(((struct nvh_ns_list *)log->data)->nsid[1]), 0);
	tt_cmd_free(log);
	log = tt_log(admin, NVH_LID_CHANGED_NS, 0, 4096);
	CU_ASSERT_EQUAL(nvh_le32_get(((struct nvh_ns_list *)log->data)->nsid[0]), 0);
	tt_cmd_free(log);
	tt_cmd_free(id);
	tt_cmd_free(aer);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

static void a_removed_listener_takes_only_its_own_controllers(void)
{
	struct tl_listen_addr addr = other_addr();
	struct tt_connect opts = TT_CONNECT_DEFAULT;
	struct tt_qpair *here, *there;

	tt_setup(2);
	tl_subsystem_add_listener(tt_subsystem(), &addr, false, TL_ANA_OPTIMIZED, tt_done, NULL,
				  NULL);
	tt_run();
	here = tt_admin(0, TT_NQN, 0);
	there = tt_open(1);
	there->qpair.listen_addr = addr;
	CU_ASSERT_EQUAL(tt_connect(there, &opts, NULL), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tl_subsystem_remove_listener(tt_subsystem(), &addr, tt_done, NULL), 0);
	tt_run();
	CU_ASSERT_TRUE(there->disconnected);
	CU_ASSERT_FALSE(here->disconnected);
	tt_free(there);
	tt_break(here);
	tt_free(here);
	tt_teardown();
}

static void an_inaccessible_path_serves_identify_but_no_io(void)
{
	static const struct {
		enum tl_ana_state state;
		unsigned int status;
	} cases[] = {
		{TL_ANA_INACCESSIBLE, NVH_ST_ANA_INACCESSIBLE},
		{TL_ANA_PERSISTENT_LOSS, NVH_ST_ANA_PERSISTENT_LOSS},
		{TL_ANA_CHANGE, NVH_ST_ANA_TRANSITION},
		{TL_ANA_NON_OPTIMIZED, NVH_ST_SUCCESS},
		{TL_ANA_OPTIMIZED, NVH_ST_SUCCESS},
	};
	struct tt_qpair *admin, *io;

	tt_setup(2);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(1, admin, 1);
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(cases); i++) {
		struct tt_cmd *cmd = flush(1), *log, *aer = tt_cmd(NVH_ADM_AER, 0);
		struct nvh_ana_group *group;

		tt_exec(admin, aer);
		CU_ASSERT_EQUAL(tl_subsystem_set_ana_state(tt_subsystem(), &tt_addr, 0,
							   cases[i].state, tt_done, NULL),
				0);
		tt_run();
		CU_ASSERT_TRUE(aer->done);
		CU_ASSERT_EQUAL(tt_dw0(aer),
				nvh_aer_dw0(NVH_AER_NOTICE, NVH_AER_ANA_CHANGED, NVH_LID_ANA));
		CU_ASSERT_EQUAL(tt_status(io, cmd), cases[i].status);
		log = tt_log(admin, NVH_LID_ANA, 0, 64);
		group = (struct nvh_ana_group *)(log->data + sizeof(struct nvh_ana_log));
		CU_ASSERT_EQUAL(nvh_le16_get(((struct nvh_ana_log *)log->data)->ngrps), 1);
		CU_ASSERT_EQUAL(group->state, cases[i].state);
		CU_ASSERT_EQUAL(nvh_le32_get(group->nnsids), 1);
		CU_ASSERT_EQUAL(nvh_le64_get(((struct nvh_ana_log *)log->data)->chgcnt), i + 1);
		tt_cmd_free(log);
		tt_cmd_free(cmd);
		tt_cmd_free(aer);
	}
	CU_ASSERT_EQUAL(tl_subsystem_set_ana_state(tt_subsystem(), &tt_addr, 33, TL_ANA_CHANGE,
						   tt_done, NULL),
			-EINVAL);
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

static void deleting_a_subsystem_waits_for_its_commands(void)
{
	struct tt_qpair *admin, *io;
	struct tt_cmd *busy;

	tt_setup(2);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(1, admin, 1);
	busy = flush(1);
	busy->keep = true;
	tt_status(io, busy);
	CU_ASSERT_EQUAL(tl_subsystem_delete(tt_subsystem(), tt_done, NULL), 0);
	CU_ASSERT_EQUAL(tl_subsystem_delete(tt_subsystem(), tt_done, NULL), -EBUSY);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 0);
	CU_ASSERT_TRUE(admin->disconnected && io->disconnected);
	tl_request_end(&busy->req);
	tt_run();
	CU_ASSERT_EQUAL(tt.done, 1);
	CU_ASSERT_PTR_NULL(tt_subsystem());
	tt_cmd_free(busy);
	tt_free(admin);
	tt_free(io);
	CU_ASSERT_EQUAL(tl_subsystem_delete(tl_target_find_subsystem(tt.target, TL_DISCOVERY_NQN),
					    tt_done, NULL),
			-EPERM);
	tt_teardown();
}

NVH_UNIT_MAIN("target-lite/core/subsystem", NVH_TEST(what_can_be_refused_at_once_is),
	      NVH_TEST(changes_asked_for_together_are_made_in_order),
	      NVH_TEST(port_0_tells_the_port_it_got),
	      NVH_TEST(an_address_is_listened_on_once_for_two_subsystems),
	      NVH_TEST(a_namespace_goes_when_its_last_command_has_ended),
	      NVH_TEST(a_held_command_ends_with_its_connection),
	      NVH_TEST(deleting_a_bdev_takes_its_namespaces_along),
	      NVH_TEST(a_resize_reaches_the_namespace_and_its_hosts),
	      NVH_TEST(a_removed_listener_takes_only_its_own_controllers),
	      NVH_TEST(an_inaccessible_path_serves_identify_but_no_io),
	      NVH_TEST(deleting_a_subsystem_waits_for_its_commands))
