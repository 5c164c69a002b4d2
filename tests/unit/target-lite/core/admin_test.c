/*
 * target-lite/core: Identify, features, logs, asynchronous events, Abort, discovery.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_feature.h"
#include "base/spec/nvme_identify.h"
#include "base/spec/nvme_log.h"
#include "base/spec/nvmf.h"
#include "base/spec/regs.h"
#include "tests/unit/target_fixture.h"

static struct tt_cmd *identify(struct tt_qpair *qp, uint8_t cns, uint32_t nsid)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_IDENTIFY, nsid);

	tt_cmd_dw(cmd, 10, cns);
	tt_cmd_data(cmd, 4096);
	tt_exec(qp, cmd);
	CU_ASSERT_TRUE(cmd->done);
	return cmd;
}

static unsigned int code_of(struct tt_cmd *cmd)
{
	unsigned int code = nvh_cpl_code(&cmd->cpl);

	tt_cmd_free(cmd);
	return code;
}

static void add_namespaces(uint32_t from, uint32_t to)
{
	for (uint32_t nsid = from; nsid <= to; nsid++) {
		struct tl_bdev_create_opts create = {.blocks = 64, .block_size = 4096};
		struct tl_ns_opts ns = {.nsid = nsid};
		struct tl_bdev *bdev;

		CU_ASSERT_EQUAL_FATAL(tl_null_create(&tt.target->bdevs, &create, &bdev), 0);
		ns.bdev_name = bdev->name;
		CU_ASSERT_EQUAL(tl_subsystem_add_ns(tt_subsystem(), &ns, tt_done, NULL, &nsid), 0);
	}
	tt_run();
}

/* ---- Identify ------------------------------------------------------------------------------- */

static void identify_controller_says_what_the_target_can(void)
{
	struct tt_qpair *admin;
	struct nvh_id_ctrlr *id;
	struct tt_cmd *cmd;
	uint16_t crdt[3] = {1, 20, 300};

	tt_setup(1);
	tl_target_set_crdt(tt.target, crdt);
	admin = tt_admin(0, TT_NQN, 0);
	cmd = identify(admin, NVH_CNS_CTRLR, 0);
	id = (struct nvh_id_ctrlr *)cmd->data;
	CU_ASSERT_EQUAL(cmd->data_len, 4096);
	CU_ASSERT_EQUAL(memcmp(id->sn, "00000000000000000000", 20), 0);
	CU_ASSERT_EQUAL(memcmp(id->mn, "SPDK bdev Controller                    ", 40), 0);
	CU_ASSERT_STRING_EQUAL(id->subnqn, TT_NQN);
	CU_ASSERT_EQUAL(id->mdts, 5); /* 128 KiB */
	CU_ASSERT_EQUAL(id->cmic, NVH_CMIC_MULTI_PORT | NVH_CMIC_MULTI_CTRLR | NVH_CMIC_ANA);
	CU_ASSERT_EQUAL(id->cntrltype, NVH_CNTRLTYPE_IO);
	CU_ASSERT_EQUAL(nvh_le16_get(id->crdt1), 1);
	CU_ASSERT_EQUAL(nvh_le16_get(id->crdt3), 300);
	CU_ASSERT_EQUAL(nvh_le32_get(id->ioccsz), 4 + 4096 / 16);
	CU_ASSERT_EQUAL(nvh_le32_get(id->iorcsz), 1);
	CU_ASSERT_EQUAL(nvh_le16_get(id->ofcs), NVH_OFCS_DISCONNECT);
	CU_ASSERT_EQUAL(nvh_le32_get(id->nn), 32);
	CU_ASSERT_EQUAL(id->sqes, 0x66);
	CU_ASSERT_EQUAL(id->cqes, 0x44);
	CU_ASSERT_EQUAL(nvh_le16_get(id->maxcmd), 128);
	tt_cmd_free(cmd);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

static void namespaces_are_identified_and_described(void)
{
	struct tt_qpair *admin;
	struct nvh_id_ns *id;
	struct tt_cmd *cmd;
	struct tl_ns *ns;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	ns = tt_subsystem()->ns[0];
	cmd = identify(admin, NVH_CNS_NS, 1);
	id = (struct nvh_id_ns *)cmd->data;
	CU_ASSERT_EQUAL(nvh_le64_get(id->nsze), 1024);
	CU_ASSERT_EQUAL(id->lbaf[0].lbads, 9);
	CU_ASSERT_EQUAL(id->nmic, NVH_NMIC_SHARED);
	CU_ASSERT_EQUAL(nvh_le32_get(id->anagrpid), 1);
	CU_ASSERT_EQUAL(memcmp(id->nguid, ns->uuid, 16), 0);
	tt_cmd_free(cmd);
	cmd = identify(admin, NVH_CNS_NS_DESC, 1);
	CU_ASSERT_EQUAL(cmd->data[0], NVH_NIDT_NGUID);
	CU_ASSERT_EQUAL(cmd->data[20], NVH_NIDT_UUID);
	CU_ASSERT_EQUAL(cmd->data[21], 16);
	CU_ASSERT_EQUAL(memcmp(cmd->data + 24, ns->uuid, 16), 0);
	CU_ASSERT_EQUAL(cmd->data[40], NVH_NIDT_CSI);
	CU_ASSERT_EQUAL(cmd->data[45], 0); /* ends the list */
	tt_cmd_free(cmd);
	cmd = identify(admin, NVH_CNS_NS, 2); /* inactive: zeroes */
	CU_ASSERT_EQUAL(nvh_cpl_code(&cmd->cpl), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(cmd->data[0] | cmd->data[26] | cmd->data[4095], 0);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(code_of(identify(admin, NVH_CNS_NS, 33)), NVH_ST_INVALID_NS);
	CU_ASSERT_EQUAL(code_of(identify(admin, NVH_CNS_NS_DESC, 2)), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(code_of(identify(admin, NVH_CNS_INDEP_NS, 1)), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(code_of(identify(admin, NVH_CNS_IOCS_CTRLR, 0)), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(code_of(identify(admin, NVH_CNS_IOCS_NS, 1)), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(code_of(identify(admin, 0xff, 0)), NVH_ST_INVALID_FIELD);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

static void the_active_list_goes_beyond_1024(void)
{
	struct tl_subsystem_opts opts = {.nqn = "nqn.2026-01.io.nvhost:many",
					 .allow_any_host = true,
					 .max_namespaces = 2048};
	struct tl_bdev_create_opts create = {.name = "N", .blocks = 64, .block_size = 512};
	struct tl_ns_opts ns = {.bdev_name = "N"};
	struct tl_subsystem *ss;
	struct tt_qpair *admin;
	struct nvh_ns_list *list;
	struct tl_bdev *bdev;
	struct tt_cmd *cmd;
	uint32_t nsid;

	tt_setup(1);
	CU_ASSERT_EQUAL(tl_subsystem_create(tt.target, &opts, &ss), 0);
	CU_ASSERT_EQUAL(tl_null_create(&tt.target->bdevs, &create, &bdev), 0);
	for (uint32_t i = 0; i < 1500; i++)
		CU_ASSERT_EQUAL(tl_subsystem_add_ns(ss, &ns, NULL, NULL, &nsid), 0);
	tl_subsystem_add_listener(ss, &tt_addr, false, TL_ANA_OPTIMIZED, NULL, NULL, NULL);
	tt_run();
	tl_subsystem_start(ss, NULL, NULL);
	tt_run();
	admin = tt_admin(0, opts.nqn, 0);
	cmd = identify(admin, NVH_CNS_ACTIVE_NS, 0);
	list = (struct nvh_ns_list *)cmd->data;
	CU_ASSERT_EQUAL(nvh_le32_get(list->nsid[0]), 1);
	CU_ASSERT_EQUAL(nvh_le32_get(list->nsid[1023]), 1024);
	tt_cmd_free(cmd);
	cmd = identify(admin, NVH_CNS_ACTIVE_NS, 1024);
	list = (struct nvh_ns_list *)cmd->data;
	CU_ASSERT_EQUAL(nvh_le32_get(list->nsid[0]), 1025);
	CU_ASSERT_EQUAL(nvh_le32_get(list->nsid[475]), 1500);
	CU_ASSERT_EQUAL(nvh_le32_get(list->nsid[476]), 0);
	tt_cmd_free(cmd);
	CU_ASSERT_EQUAL(code_of(identify(admin, NVH_CNS_ACTIVE_NS, 0xfffffffe)), NVH_ST_INVALID_NS);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

/* ---- features ------------------------------------------------------------------------------- */

static unsigned int set_feature(struct tt_qpair *qp, uint8_t fid, uint32_t value, uint32_t *ret_dw0)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_SET_FEATURES, 0);

	tt_cmd_dw(cmd, 10, fid);
	tt_cmd_dw(cmd, 11, value);
	tt_status(qp, cmd);
	if (ret_dw0)
		*ret_dw0 = tt_dw0(cmd);
	return code_of(cmd);
}

static uint32_t get_feature(struct tt_qpair *qp, uint8_t fid)
{
	struct tt_cmd *cmd = tt_cmd(NVH_ADM_GET_FEATURES, 0);
	uint32_t value;

	tt_cmd_dw(cmd, 10, fid);
	value = tt_status(qp, cmd) ? UINT32_MAX : tt_dw0(cmd);
	tt_cmd_free(cmd);
	return value;
}

static void features_are_kept_and_limits_are_held(void)
{
	struct tt_qpair *admin;
	struct tt_cmd *cmd;
	uint32_t dw0;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 5050);
	CU_ASSERT_EQUAL(get_feature(admin, NVH_FID_NUM_QUEUES), 126u << 16 | 126);
	CU_ASSERT_EQUAL(set_feature(admin, NVH_FID_NUM_QUEUES, 3u << 16 | 5, &dw0), 0);
	CU_ASSERT_EQUAL(dw0, 3u << 16 | 5);
	CU_ASSERT_EQUAL(set_feature(admin, NVH_FID_NUM_QUEUES, 999u << 16 | 999, &dw0), 0);
	CU_ASSERT_EQUAL(dw0, 126u << 16 | 126);
	CU_ASSERT_EQUAL(set_feature(admin, NVH_FID_NUM_QUEUES, 0xffff, NULL), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(get_feature(admin, NVH_FID_KATO), 5100); /* to the unit of KAS */
	CU_ASSERT_EQUAL(set_feature(admin, NVH_FID_KATO, 7000, NULL), 0);
	CU_ASSERT_EQUAL(get_feature(admin, NVH_FID_KATO), 7000);
	CU_ASSERT_EQUAL(get_feature(admin, NVH_FID_AEC), NVH_AEN_NS_ATTR | NVH_AEN_ANA);
	CU_ASSERT_EQUAL(set_feature(admin, NVH_FID_HOST_ID, 0, NULL), NVH_ST_CMD_SEQUENCE);
	CU_ASSERT_EQUAL(set_feature(admin, 0xdd, 0, NULL), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(get_feature(admin, 0xdd), UINT32_MAX);
	cmd = tt_cmd(NVH_ADM_SET_FEATURES, 0);
	tt_cmd_dw(cmd, 10, NVH_FID_AEC | NVH_FEAT_SAVE);
	CU_ASSERT_EQUAL(tt_status(admin, cmd), NVH_ST_FEATURE_NOT_SAVEABLE);
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_ADM_SET_FEATURES, 0);
	tt_cmd_dw(cmd, 10, NVH_FID_HOST_BEHAVIOR);
	CU_ASSERT_EQUAL(tt_status(admin, cmd), NVH_ST_SGL_INVALID_DATA_LEN); /* no data */
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_ADM_SET_FEATURES, 0);
	tt_cmd_dw(cmd, 10, NVH_FID_HOST_BEHAVIOR);
	tt_cmd_data(cmd, 512);
	memset(cmd->data, 0, 512);
	cmd->data[0] = 1;
	CU_ASSERT_EQUAL(tt_status(admin, cmd), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(admin->qpair.ctrlr->acre, 1);
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_ADM_GET_FEATURES, 0);
	tt_cmd_dw(cmd, 10, NVH_FID_HOST_ID);
	tt_cmd_dw(cmd, 11, NVH_FEAT_HOSTID_EXHID);
	tt_cmd_data(cmd, 16);
	CU_ASSERT_EQUAL(tt_status(admin, cmd), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(cmd->data[15], 1);
	tt_cmd_free(cmd);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

/* ---- logs ----------------------------------------------------------------------------------- */

static void a_log_is_read_in_windows(void)
{
	struct tt_qpair *admin;
	struct tt_cmd *whole, *part;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	whole = tt_log(admin, NVH_LID_CMD_EFFECTS, 0, 4096);
	part = tt_log(admin, NVH_LID_CMD_EFFECTS, 1024, 64);
	CU_ASSERT_EQUAL(part->data_len, 64);
	CU_ASSERT_EQUAL(memcmp(part->data, whole->data + 1024, 64), 0);
	CU_ASSERT_EQUAL(nvh_le32_get(((struct nvh_effects_log *)whole->data)->iocs[NVH_OPC_WRITE]),
			NVH_EFFECT_CSUPP | NVH_EFFECT_LBCC);
	tt_cmd_free(whole);
	tt_cmd_free(part);
	whole = tt_log(admin, NVH_LID_SMART, 512, 4); /* just behind the end */
	CU_ASSERT_EQUAL(code_of(whole), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(code_of(tt_log(admin, NVH_LID_SMART, 516, 4)), NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(code_of(tt_log(admin, NVH_LID_SMART, UINT64_MAX - 3, 4)),
			NVH_ST_INVALID_FIELD);
	CU_ASSERT_EQUAL(code_of(tt_log(admin, 0x99, 0, 4)), NVH_ST_INVALID_LOG_PAGE);
	CU_ASSERT_EQUAL(code_of(tt_log(admin, NVH_LID_DISCOVERY, 0, 4)), NVH_ST_INVALID_LOG_PAGE);
	whole = tt_cmd(NVH_ADM_GET_LOG_PAGE, 0);
	tt_cmd_dw(whole, 10, NVH_LID_SMART | 127u << 16);
	tt_cmd_data(whole, 508); /* less room than asked for */
	CU_ASSERT_EQUAL(tt_status(admin, whole), NVH_ST_SGL_INVALID_DATA_LEN);
	tt_cmd_free(whole);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

static void errors_and_traffic_are_logged(void)
{
	struct tt_qpair *admin, *io;
	struct nvh_error_log_entry *entry;
	struct tt_cmd *cmd;

	tt_setup(2);
	admin = tt_admin(0, TT_NQN, 0);
	io = tt_io(1, admin, 1);
	cmd = tt_cmd(NVH_OPC_READ, 1);
	tt_cmd_rw(cmd, 1020, 8);
	CU_ASSERT_EQUAL(tt_status(io, cmd), NVH_ST_LBA_RANGE);
	tt_cmd_free(cmd);
	cmd = tt_cmd(NVH_OPC_READ, 1);
	tt_cmd_rw(cmd, 0, 8);
	CU_ASSERT_EQUAL(tt_status(io, cmd), NVH_ST_SUCCESS);
	tt_cmd_free(cmd);
	cmd = tt_log(admin, NVH_LID_ERROR, 0, 128);
	entry = (struct nvh_error_log_entry *)cmd->data;
	CU_ASSERT_EQUAL(nvh_le64_get(entry[0].error_count), 1);
	CU_ASSERT_EQUAL(nvh_le64_get(entry[0].lba), 1020);
	CU_ASSERT_EQUAL(nvh_le16_get(entry[0].sqid), 1);
	CU_ASSERT_EQUAL(nvh_le16_get(entry[0].status) >> 1 & 0x7ff, NVH_ST_LBA_RANGE);
	CU_ASSERT_EQUAL(nvh_le64_get(entry[1].error_count), 0);
	tt_cmd_free(cmd);
	cmd = tt_log(admin, NVH_LID_SMART, 0, 512);
	CU_ASSERT_EQUAL(nvh_le128_get_sat(((struct nvh_smart_log *)cmd->data)->host_reads), 1);
	CU_ASSERT_EQUAL(nvh_le128_get_sat(((struct nvh_smart_log *)cmd->data)->num_error_entries),
			1);
	tt_cmd_free(cmd);
	tt_break(io);
	tt_break(admin);
	tt_free(io);
	tt_free(admin);
	tt_teardown();
}

/* ---- events --------------------------------------------------------------------------------- */

static void events_wait_for_a_request_and_for_their_log(void)
{
	struct tt_qpair *admin;
	struct tt_cmd *aer[6];

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	add_namespaces(2, 2); /* before any request */
	for (int i = 0; i < 6; i++) {
		aer[i] = tt_cmd(NVH_ADM_AER, 0);
		tt_exec(admin, aer[i]);
	}
	CU_ASSERT_TRUE(aer[0]->done);
	CU_ASSERT_FALSE(aer[1]->done || aer[2]->done || aer[3]->done || aer[4]->done);
	CU_ASSERT_TRUE(aer[5]->done); /* a fifth is too many */
	CU_ASSERT_EQUAL(nvh_cpl_code(&aer[5]->cpl), NVH_ST_AER_LIMIT);
	add_namespaces(3, 4);
	CU_ASSERT_FALSE(aer[1]->done); /* masked until the list was read */
	tt_cmd_free(tt_log(admin, NVH_LID_CHANGED_NS, 0, 4096));
	CU_ASSERT_TRUE(aer[1]->done);
	CU_ASSERT_FALSE(aer[2]->done);
	tt_break(admin);
	CU_ASSERT_TRUE(aer[2]->done && aer[3]->done && aer[4]->done);
	for (int i = 0; i < 6; i++)
		tt_cmd_free(aer[i]);
	tt_free(admin);
	tt_teardown();
}

static void an_event_that_was_not_asked_for_is_not_sent(void)
{
	struct tt_qpair *admin;
	struct tt_cmd *aer;

	tt_setup(1);
	admin = tt_admin(0, TT_NQN, 0);
	CU_ASSERT_EQUAL(set_feature(admin, NVH_FID_AEC, 0, NULL), 0);
	aer = tt_cmd(NVH_ADM_AER, 0);
	tt_exec(admin, aer);
	add_namespaces(2, 2);
	CU_ASSERT_FALSE(aer->done);
	tt_break(admin);
	tt_cmd_free(aer);
	tt_free(admin);
	tt_teardown();
}

static void abort_ends_what_waits_and_says_what_it_could_not(void)
{
	struct tt_qpair *admin;
	struct tt_cmd *aer, *abort;

	tt_setup(2);
	admin = tt_admin(1, TT_NQN, 0);
	aer = tt_cmd(NVH_ADM_AER, 0);
	tt_exec(admin, aer);
	abort = tt_cmd(NVH_ADM_ABORT, 0);
	tt_cmd_dw(abort, 10, 0xfff0u << NVH_ABORT_CID_SHIFT);
	CU_ASSERT_EQUAL(tt_status(admin, abort), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_dw0(abort), NVH_ABORT_NOT_ABORTED);
	CU_ASSERT_FALSE(aer->done);
	tt_cmd_free(abort);
	abort = tt_cmd(NVH_ADM_ABORT, 0);
	tt_cmd_dw(abort, 10, (uint32_t)nvh_le16_get(aer->req.cmd.cid) << NVH_ABORT_CID_SHIFT);
	CU_ASSERT_EQUAL(tt_status(admin, abort), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_dw0(abort), 0);
	CU_ASSERT_TRUE(aer->done);
	CU_ASSERT_EQUAL(nvh_cpl_code(&aer->cpl), NVH_ST_ABORT_REQUESTED);
	tt_cmd_free(abort);
	abort = tt_cmd(NVH_ADM_ABORT, 0);
	tt_cmd_dw(abort, 10, 9); /* no such queue */
	CU_ASSERT_EQUAL(tt_status(admin, abort), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(tt_dw0(abort), NVH_ABORT_NOT_ABORTED);
	tt_cmd_free(abort);
	tt_cmd_free(aer);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

/* ---- discovery ------------------------------------------------------------------------------ */

static void the_discovery_log_lists_what_the_host_may_see(void)
{
	struct tl_subsystem_opts opts = {.nqn = "nqn.2026-01.io.nvhost:hidden"};
	struct nvh_discovery_log_header *hdr;
	struct nvh_discovery_log_entry *e;
	struct tl_subsystem *hidden;
	struct tl_referral ref = {.addr = tt_addr};
	struct tt_qpair *disc;
	struct tt_cmd *log;

	tt_setup(2);
	CU_ASSERT_EQUAL(tl_subsystem_create(tt.target, &opts, &hidden), 0);
	tl_subsystem_start(hidden, NULL, NULL);
	tl_subsystem_add_listener(hidden, &tt_addr, false, TL_ANA_OPTIMIZED, NULL, NULL, NULL);
	strcpy(ref.addr.traddr, "192.0.2.7");
	CU_ASSERT_EQUAL(tl_target_add_referral(tt.target, &ref), 0);
	CU_ASSERT_EQUAL(tl_target_add_referral(tt.target, &ref), -EEXIST);
	tt_run();
	disc = tt_admin(1, TL_DISCOVERY_NQN, 0);
	log = tt_log(disc, NVH_LID_DISCOVERY, 0, 4096);
	hdr = (struct nvh_discovery_log_header *)log->data;
	e = (struct nvh_discovery_log_entry *)(hdr + 1);
	CU_ASSERT_EQUAL(nvh_le64_get(hdr->numrec), 2);
	CU_ASSERT_EQUAL(nvh_le64_get(hdr->genctr), tt.target->genctr);
	CU_ASSERT_EQUAL(e[0].subtype, NVH_SUBTYPE_NVM);
	CU_ASSERT_STRING_EQUAL(e[0].subnqn, TT_NQN);
	CU_ASSERT_EQUAL(memcmp(e[0].traddr, "192.0.2.1   ", 12), 0);
	CU_ASSERT_EQUAL(memcmp(e[0].trsvcid, "4420    ", 8), 0);
	CU_ASSERT_EQUAL(e[1].subtype, NVH_SUBTYPE_DISC_REFERRAL);
	CU_ASSERT_EQUAL(memcmp(e[1].traddr, "192.0.2.7   ", 12), 0);
	CU_ASSERT_EQUAL(log->data[3 * 1024], 0);
	tt_cmd_free(log);
	CU_ASSERT_EQUAL(tl_subsystem_add_host(hidden, TT_HOST), 0);
	log = tt_log(disc, NVH_LID_DISCOVERY, 2048, 1024);
	e = (struct nvh_discovery_log_entry *)log->data;
	CU_ASSERT_STRING_EQUAL(e->subnqn, opts.nqn);
	tt_cmd_free(log);
	CU_ASSERT_EQUAL(tl_target_remove_referral(tt.target, &ref.addr, NULL), 0);
	CU_ASSERT_EQUAL(tl_target_remove_referral(tt.target, &ref.addr, NULL), -ENOENT);
	CU_ASSERT_EQUAL(code_of(tt_log(disc, NVH_LID_SMART, 0, 512)), NVH_ST_INVALID_LOG_PAGE);
	tt_break(disc);
	tt_free(disc);
	tt_teardown();
}

static void a_wildcard_listener_is_announced_where_the_host_came_in(void)
{
	struct tl_listen_addr any = {TL_TRTYPE_TCP, TL_ADRFAM_IPV4, "0.0.0.0", "4430"};
	struct tl_listen_addr any6 = {TL_TRTYPE_TCP, TL_ADRFAM_IPV6, "::", "4430"};
	struct nvh_discovery_log_header *hdr;
	struct nvh_discovery_log_entry *e;
	struct tt_qpair *disc;
	struct tt_cmd *log;

	tt_setup(1);
	CU_ASSERT_EQUAL(tl_subsystem_add_listener(tt_subsystem(), &any, false, TL_ANA_OPTIMIZED,
						  tt_done, NULL, NULL),
			0);
	CU_ASSERT_EQUAL(tl_subsystem_add_listener(tt_subsystem(), &any6, false, TL_ANA_OPTIMIZED,
						  tt_done, NULL, NULL),
			0);
	tt_run();
	disc = tt_admin(0, TL_DISCOVERY_NQN, 0);
	log = tt_log(disc, NVH_LID_DISCOVERY, 0, 4096);
	hdr = (struct nvh_discovery_log_header *)log->data;
	e = (struct nvh_discovery_log_entry *)(hdr + 1);
	CU_ASSERT_EQUAL(nvh_le64_get(hdr->numrec), 2); /* it came by IPv4 */
	CU_ASSERT_EQUAL(memcmp(e[1].traddr, "192.0.2.1   ", 12), 0);
	CU_ASSERT_EQUAL(memcmp(e[1].trsvcid, "4430  ", 6), 0);
	tt_cmd_free(log);
	tt_break(disc);
	tt_free(disc);
	tt_teardown();
}

static void every_window_of_a_long_discovery_log_fits_the_whole(void)
{
	struct tt_qpair *disc;
	struct tt_cmd *whole;

	tt_setup(1);
	for (unsigned int i = 0; i < 20; i++) {
		struct tl_referral ref = {.addr = tt_addr};

		sprintf(ref.addr.trsvcid, "%u", 5000 + i);
		CU_ASSERT_EQUAL(tl_target_add_referral(tt.target, &ref), 0);
	}
	disc = tt_admin(0, TL_DISCOVERY_NQN, 0);
	whole = tt_log(disc, NVH_LID_DISCOVERY, 0, 22 * 1024);
	for (uint32_t len = 4; len < 8192; len = len * 3 + 8) {
		for (uint32_t at = 0; at + len <= 22 * 1024; at += len) {
			struct tt_cmd *part = tt_log(disc, NVH_LID_DISCOVERY, at, len);

			if (memcmp(part->data, whole->data + at, len))
				CU_FAIL("a window differs from the whole");
			tt_cmd_free(part);
		}
	}
	tt_cmd_free(whole);
	tt_break(disc);
	tt_free(disc);
	tt_teardown();
}

static void a_persistent_discovery_controller_hears_of_changes(void)
{
	struct tt_qpair *lasting, *passing;
	struct tt_cmd *aer, *aer2, *ns;
	uint64_t genctr;

	tt_setup(1);
	lasting = tt_admin(0, TL_DISCOVERY_NQN, 30000);
	passing = tt_admin(0, TL_DISCOVERY_NQN, 0);
	aer = tt_cmd(NVH_ADM_AER, 0);
	tt_exec(lasting, aer);
	aer2 = tt_cmd(NVH_ADM_AER, 0);
	tt_exec(passing, aer2);
	genctr = tt.target->genctr;
	tl_subsystem_set_allow_any_host(tt_subsystem(), false);
	tt_run();
	CU_ASSERT_EQUAL(tt.target->genctr, genctr + 1);
	CU_ASSERT_TRUE(aer->done);
	CU_ASSERT_EQUAL(tt_dw0(aer), nvh_aer_dw0(NVH_AER_NOTICE, NVH_AER_DISCOVERY_CHANGED, 0x70));
	CU_ASSERT_FALSE(aer2->done);
	ns = tt_cmd(NVH_ADM_IDENTIFY, 1);
	tt_cmd_data(ns, 4096);
	CU_ASSERT_EQUAL(tt_status(lasting, ns), NVH_ST_INVALID_FIELD); /* it has no namespaces */
	tt_cmd_free(ns);
	/* Without keep-alive it ends after some time without commands. */
	tt_advance_ms(121000);
	tt_advance_ms(50); /* late, so once more */
	CU_ASSERT_TRUE(passing->disconnected);
	CU_ASSERT_TRUE(lasting->disconnected); /* 30 s without keep-alive */
	tt_cmd_free(aer);
	tt_cmd_free(aer2);
	tt_free(lasting);
	tt_free(passing);
	tt_teardown();
}

static void commands_wait_for_cc_en(void)
{
	struct tt_connect opts = TT_CONNECT_DEFAULT;
	struct tt_qpair *admin;

	tt_setup(1);
	admin = tt_open(0);
	CU_ASSERT_EQUAL(tt_connect(admin, &opts, NULL), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(code_of(identify(admin, NVH_CNS_CTRLR, 0)), NVH_ST_CMD_SEQUENCE);
	CU_ASSERT_EQUAL(tt_prop_set(admin, NVH_REG_CC, 1), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(code_of(identify(admin, NVH_CNS_CTRLR, 0)), NVH_ST_SUCCESS);
	CU_ASSERT_EQUAL(code_of(tt_log(admin, NVH_LID_SMART, 0, 512)), NVH_ST_SUCCESS);
	tt_break(admin);
	tt_free(admin);
	tt_teardown();
}

NVH_UNIT_MAIN("target-lite/core/admin", NVH_TEST(identify_controller_says_what_the_target_can),
	      NVH_TEST(namespaces_are_identified_and_described),
	      NVH_TEST(the_active_list_goes_beyond_1024),
	      NVH_TEST(features_are_kept_and_limits_are_held), NVH_TEST(a_log_is_read_in_windows),
	      NVH_TEST(errors_and_traffic_are_logged),
	      NVH_TEST(events_wait_for_a_request_and_for_their_log),
	      NVH_TEST(an_event_that_was_not_asked_for_is_not_sent),
	      NVH_TEST(abort_ends_what_waits_and_says_what_it_could_not),
	      NVH_TEST(the_discovery_log_lists_what_the_host_may_see),
	      NVH_TEST(a_wildcard_listener_is_announced_where_the_host_came_in),
	      NVH_TEST(every_window_of_a_long_discovery_log_fits_the_whole),
	      NVH_TEST(a_persistent_discovery_controller_hears_of_changes),
	      NVH_TEST(commands_wait_for_cc_en))
