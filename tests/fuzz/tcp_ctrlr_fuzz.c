/*
 * Fuzz target: target-lite's connections against a host that says what the input says: handshakes,
 * Connects, commands of any kind, data for R2Ts right and wrong, raw bytes, in pieces, with time
 * passing, streams ending, and an operator at work. Two connections at once, so that one can be an
 * I/O queue of the other.
 *
 * Holds for every input: what the target sends is a sequence of well-formed PDUs; a command is
 * answered at most once; an R2T and C2HData stay within their command; and when the host has left,
 * nothing of it is left.
 */
#include <errno.h>

#include "base/crc32c.h"
#include "base/spec/nvme.h"
#include "base/spec/nvmf.h"
#include "fabric/tcp/pdu.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/tcp/tcp.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_wire.h"

#define SUBNQN  "nqn.2016-06.io.spdk:cnode1"
#define HOSTNQN "nqn.2014-08.org.nvmexpress:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
#define WIRES   2
#define CIDS    16

struct host_wire {
	struct fuzz_wire wire;
	struct nvhi_pdu_params params; /* role host: we are one */
	struct {
		bool out;
		bool connect; /* an admin Connect */
		uint32_t len; /* that its SGL describes */
		uint32_t got;
	} cmds[CIDS];
	struct nvh_tcp_r2t r2ts[8]; /* not answered yet */
	unsigned int num_r2ts;
	bool raw; /* raw bytes were sent: anything may have been agreed and answered */
};

static struct host_wire wires[WIRES];
static struct tl_target *target;
static struct tl_subsystem *subsystem;
static struct tl_bdev *bdev;
static uint16_t cntlid;
static int changes; /* asked for and not done */

/* ---- the target, once ----------------------------------------------------------------------- */

static void some_random(void *buf, size_t len)
{
	memset(buf, 0x5a, len);
}

static const struct tl_listen_addr listen_addr = {.trtype = TL_TRTYPE_TCP,
						  .adrfam = TL_ADRFAM_IPV4,
						  .traddr = "127.0.0.1",
						  .trsvcid = "4420"};

static void change_done(void *arg, int err)
{
	(void)arg;
	(void)err; /* of two changes one may come too late */
	changes--;
}

/* A change that was accepted will be reported once. */
static void changing(int err)
{
	changes += !err;
}

static void add_ns(void)
{
	uint32_t nsid;

	changing(tl_subsystem_add_ns(subsystem,
				     &(struct tl_ns_opts){.bdev_name = "Malloc0", .nsid = 1},
				     change_done, NULL, &nsid));
}

static void add_listener(void)
{
	changing(tl_subsystem_add_listener(subsystem, &listen_addr, false, TL_ANA_OPTIMIZED,
					   change_done, NULL, NULL));
}

/* What an operator does meanwhile. */
static void manage(uint8_t what)
{
	static const enum tl_ana_state states[] = {TL_ANA_OPTIMIZED, TL_ANA_NON_OPTIMIZED,
						   TL_ANA_INACCESSIBLE, TL_ANA_CHANGE};

	switch (what % 8) {
	case 0:
		add_ns();
		break;
	case 1:
		changing(tl_subsystem_remove_ns(subsystem, 1, change_done, NULL));
		break;
	case 2:
	case 3:
		changing(tl_subsystem_set_ana_state(subsystem, &listen_addr, what >> 7,
						    states[what >> 5 & 3], change_done, NULL));
		break;
	case 4:
		tl_bdev_resize(bdev, what & 0x80 ? 128 : 256);
		break;
	case 5:
		tl_target_discovery_changed(target);
		break;
	case 6:
		add_listener();
		break;
	default:
		changing(tl_subsystem_remove_listener(subsystem, &listen_addr, change_done, NULL));
		break;
	}
}

static void start(void)
{
	struct nvh_reactor *reactor = fuzz_reactor();
	struct tl_target_opts topts = {.name = "fuzz", .tbkas = true, .random = some_random};
	struct tl_bdev_create_opts bopts = {.name = "Malloc0", .blocks = 256, .block_size = 512};
	struct tl_subsystem_opts sopts = {.nqn = SUBNQN,
					  .serial_number = "1",
					  .model_number = "fuzz",
					  .max_namespaces = 32,
					  .allow_any_host = true,
					  .ana_reporting = true};
	struct tl_transport_opts opts;
	struct tl_transport *transport;

	tl_transport_opts_default(&opts);
	opts.num_shared_buffers = 2; /* so that requests wait for one */
	opts.max_io_size = 16384;
	opts.r2t_size = 4096;
	if (tl_target_create(&topts, &reactor, 1, &target) ||
	    tl_tcp_create(target, &opts, fuzz_net(), &transport) ||
	    tl_malloc_create(&target->bdevs, &bopts, &bdev) ||
	    tl_subsystem_create(target, &sopts, &subsystem))
		abort();
	changes++;
	tl_subsystem_start(subsystem, change_done, NULL);
	fuzz_run();
}

/* As every input finds it. */
static void restore(void)
{
	fuzz_run();
	manage(1);
	manage(7);
	fuzz_run();
	manage(4);
	add_ns();
	add_listener();
	fuzz_run();
	FUZZ_CHECK(!changes);
}

/* ---- what the target says ------------------------------------------------------------------- */

static void hear_response(struct host_wire *w, const struct nvh_cpl *cpl)
{
	uint16_t cid = nvh_le16_get(cpl->cid);

	if (w->raw)
		return;
	FUZZ_CHECK(cid < CIDS && w->cmds[cid].out);
	w->cmds[cid].out = false;
	if (w->cmds[cid].connect && !nvh_cpl_is_error(cpl))
		cntlid = (uint16_t)nvh_le32_get(cpl->dw0);
}

static void hear_c2h(struct host_wire *w, const struct nvh_tcp_c2h_data *pdu)
{
	uint16_t cid = nvh_le16_get(pdu->cccid);
	uint32_t datao = nvh_le32_get(pdu->datao), datal = nvh_le32_get(pdu->datal);

	if (w->raw)
		return;
	FUZZ_CHECK(cid < CIDS && w->cmds[cid].out);
	FUZZ_CHECK(datao == w->cmds[cid].got && datal <= w->cmds[cid].len - datao);
	w->cmds[cid].got += datal;
	if (pdu->ch.flags & NVH_TCP_F_SUCCESS)
		w->cmds[cid].out = false;
}

static void hear_r2t(struct host_wire *w, const struct nvh_tcp_r2t *pdu)
{
	uint16_t cid = nvh_le16_get(pdu->cccid);

	if (!w->raw) {
		FUZZ_CHECK(cid < CIDS && w->cmds[cid].out);
		FUZZ_CHECK((uint64_t)nvh_le32_get(pdu->r2to) + nvh_le32_get(pdu->r2tl) <=
			   w->cmds[cid].len);
	}
	if (w->num_r2ts < 8)
		w->r2ts[w->num_r2ts++] = *pdu;
}

/* Takes apart what has come; the validator of the host's side judges it. */
static void hear(struct host_wire *w)
{
	const union nvhi_pdu_hdr *hdr;
	struct nvhi_pdu_error error;
	uint32_t plen, data_len;

	while ((hdr = (const union nvhi_pdu_hdr *)fuzz_wire_next(&w->wire, &plen)) != NULL) {
		bool ic = hdr->ch.type == NVH_TCP_IC_RESP;
		char text[256];

		if (nvhi_pdu_check_common(&w->params, &hdr->ch, &error) ||
		    (!w->raw && nvhi_pdu_check(&w->params, hdr, &data_len, &error))) {
			fprintf(stderr, "type %u: %s\n", hdr->ch.type,
				nvhi_pdu_error_text(&error, text, sizeof(text)));
			abort();
		}
		if (ic) {
			w->params.hdgst = hdr->icresp.dgst & NVH_TCP_DGST_HDR;
			w->params.ddgst = hdr->icresp.dgst & NVH_TCP_DGST_DATA;
			w->params.cpda = hdr->icresp.cpda;
			w->params.ic_done = true;
		} else if (hdr->ch.type == NVH_TCP_CAPSULE_RESP) {
			hear_response(w, &hdr->capsule_resp.cpl);
		} else if (hdr->ch.type == NVH_TCP_C2H_DATA) {
			hear_c2h(w, &hdr->c2h);
		} else if (hdr->ch.type == NVH_TCP_R2T) {
			hear_r2t(w, &hdr->r2t);
		}
	}
}

static void run(void)
{
	fuzz_run();
	for (unsigned int i = 0; i < WIRES; i++)
		hear(&wires[i]);
}

/* ---- what the host says --------------------------------------------------------------------- */

static void put_digested(struct host_wire *w, const void *hdr, uint32_t hlen, const void *data,
			 uint32_t len)
{
	uint8_t digest[4];

	fuzz_wire_put(&w->wire, hdr, hlen);
	fuzz_wire_put(&w->wire, data, len);
	nvhi_pdu_ddgst_put(digest, nvhi_crc32c(data, len));
	if (len && w->params.ddgst)
		fuzz_wire_put(&w->wire, digest, 4);
}

static void put_icreq(struct host_wire *w, uint8_t dgst, uint8_t maxr2t)
{
	uint8_t buf[NVHI_PDU_HDR_ROOM];

	if (w->wire.in_len)
		w->raw = true; /* a second one: whatever follows */
	else
		w->params.hpda = dgst >> 2;
	fuzz_wire_put(&w->wire, buf, nvhi_pdu_icreq_build(buf, dgst >> 2, dgst & 3, maxr2t & 3));
}

/* Sends a command under its CID when that is free. */
static void put_cmd(struct host_wire *w, struct nvh_cmd *cmd, const void *data, uint32_t len)
{
	uint8_t buf[NVHI_PDU_HDR_ROOM];
	uint16_t cid = nvh_le16_get(cmd->cid);

	if (cid >= CIDS || w->cmds[cid].out || w->wire.closed)
		return;
	w->cmds[cid].out = true;
	w->cmds[cid].connect = false;
	w->cmds[cid].got = 0;
	w->cmds[cid].len = nvh_le32_get(cmd->dptr.sgl.len);
	put_digested(w, buf, nvhi_pdu_capsule_cmd_build(buf, &w->params, cmd, len), data, len);
}

static void put_connect(struct host_wire *w, uint16_t cid, uint16_t qid, uint16_t sqsize,
			uint8_t cattr, bool discovery)
{
	struct nvh_fab_connect_data data;
	struct nvh_fab_connect_cmd cmd;
	struct nvh_cmd sqe;

	memset(&cmd, 0, sizeof(cmd));
	memset(&data, 0, sizeof(data));
	cmd.opc = NVH_ADM_FABRICS;
	cmd.flags = NVH_CMD_PSDT_SGL;
	cmd.fctype = NVH_FCTYPE_CONNECT;
	nvh_le16_put(&cmd.cid, cid);
	nvh_le32_put(&cmd.sgl1.len, sizeof(data));
	cmd.sgl1.id = NVH_SGL_ID_IN_CAPSULE;
	nvh_le16_put(&cmd.qid, qid);
	nvh_le16_put(&cmd.sqsize, sqsize);
	cmd.cattr = cattr;
	nvh_le32_put(&cmd.kato, 10000);
	memset(data.hostid, 7, sizeof(data.hostid));
	nvh_le16_put(&data.cntlid, qid ? cntlid : NVH_CNTLID_DYNAMIC);
	strcpy(data.subnqn, discovery ? NVH_DISCOVERY_NQN : SUBNQN);
	strcpy(data.hostnqn, HOSTNQN);
	memcpy(&sqe, &cmd, sizeof(sqe));
	put_cmd(w, &sqe, &data, sizeof(data));
	if (cid < CIDS && !qid)
		w->cmds[cid].connect = true;
}

static void put_enable(struct host_wire *w, uint32_t cc)
{
	struct nvh_fab_prop_cmd cmd;
	struct nvh_cmd sqe;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opc = NVH_ADM_FABRICS;
	cmd.flags = NVH_CMD_PSDT_SGL;
	cmd.fctype = NVH_FCTYPE_PROPERTY_SET;
	nvh_le16_put(&cmd.cid, 1);
	nvh_le32_put(&cmd.ofst, NVH_REG_CC);
	nvh_le64_put(&cmd.value, cc);
	memcpy(&sqe, &cmd, sizeof(sqe));
	put_cmd(w, &sqe, NULL, 0);
}

/* Admin queue on wire 0 and an I/O queue on wire 1, as a good host makes them. */
static void go_live(uint8_t how)
{
	for (unsigned int i = 0; i < WIRES; i++) {
		if (wires[i].wire.in_len)
			return;
		put_icreq(&wires[i], how & 3, how >> 2);
	}
	run();
	put_connect(&wires[0], 0, 0, 31, how & 0x10 ? NVH_CATTR_DISABLE_SQFLOW : 0, how & 0x80);
	run();
	put_enable(&wires[0], 0x00460001);
	run();
	if (how & 0x80)
		return;
	put_connect(&wires[1], 0, 1, 15, how & 0x10 ? NVH_CATTR_DISABLE_SQFLOW : 0, false);
	run();
}

/* A command: some fields from the input, others as a driver fills them. */
static void command(struct fuzz_input *in, struct host_wire *w)
{
	static uint8_t data[8192];
	uint8_t kind = fuzz_u8(in);
	struct nvh_cmd cmd;
	uint32_t len = (fuzz_u8(in) | (uint32_t)fuzz_u8(in) << 8) % 20000, icd = 0;

	memset(&cmd, 0, sizeof(cmd));
	cmd.opc = fuzz_u8(in);
	cmd.flags = NVH_CMD_PSDT_SGL | (kind >> 6);
	nvh_le16_put(&cmd.cid, kind % CIDS);
	nvh_le32_put(&cmd.nsid, kind & 0x20 ? fuzz_u8(in) : 1);
	fuzz_fill(in, &cmd.cdw10, kind & 0x10 ? 24 : 4);
	if (!(kind & 0x10))
		nvh_le32_put(&cmd.cdw12, len / 512 ? len / 512 - 1 : 0);
	nvh_le32_put(&cmd.dptr.sgl.len, len);
	cmd.dptr.sgl.id = NVH_SGL_ID_TRANSPORT;
	if ((cmd.opc & 3) == NVH_DATA_TO_CTRLR && len <= 4096 && w->params.ic_done) {
		cmd.dptr.sgl.id = NVH_SGL_ID_IN_CAPSULE;
		icd = len;
		fuzz_fill(in, data, len < 256 ? len : 256);
	} else if ((cmd.opc & 3) == NVH_DATA_NONE) {
		memset(&cmd.dptr, 0, sizeof(cmd.dptr));
	}
	put_cmd(w, &cmd, data, icd);
}

/* The data of the oldest R2T, right, or bent by `how`. */
static void answer_r2t(struct host_wire *w, uint8_t how)
{
	static const uint8_t data[16384];
	uint8_t buf[NVHI_PDU_HDR_ROOM];
	struct nvh_tcp_r2t r2t = w->r2ts[0];
	uint32_t off = nvh_le32_get(r2t.r2to), left = nvh_le32_get(r2t.r2tl);
	uint16_t ttag = nvh_le16_get(r2t.ttag);

	if (!w->num_r2ts)
		return;
	memmove(w->r2ts, w->r2ts + 1, --w->num_r2ts * sizeof(r2t));
	if (how & 0x80)
		off += how & 0x7f;
	if (how & 0x40)
		ttag = (uint16_t)(ttag + (how & 3));
	while (left) {
		uint32_t n = how & 0x20 && left > 512 ? 512 : left;

		if (n > sizeof(data))
			n = sizeof(data);
		left -= n;
		put_digested(w, buf,
			     nvhi_pdu_h2c_data_build(buf, &w->params, nvh_le16_get(r2t.cccid), ttag,
						     off, n, !left ^ (how & 0x10)),
			     data, n);
		off += n;
	}
}

/* ---- one step of the input ------------------------------------------------------------------ */

static void raw(struct fuzz_input *in, struct host_wire *w)
{
	uint8_t bytes[160], len = fuzz_u8(in) % sizeof(bytes);

	fuzz_fill(in, bytes, len);
	fuzz_wire_put(&w->wire, bytes, len);
	w->raw = true;
}

static void step(struct fuzz_input *in)
{
	uint8_t op = fuzz_u8(in);
	struct host_wire *w = &wires[op >> 4 & 1];

	switch (op & 0xf) {
	case 0:
		raw(in, w);
		break;
	case 1:
		put_icreq(w, fuzz_u8(in) & 0x7f, fuzz_u8(in));
		break;
	case 2:
		put_connect(w, 2, op >> 5 & 3, fuzz_u8(in), fuzz_u8(in), op & 0x80);
		break;
	case 3:
		if (op & 0x40)
			manage(fuzz_u8(in));
		else
			put_enable(w, 0x00460000u | (fuzz_u8(in) & 0xf) << 12 | (op >> 5 & 1));
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		command(in, w);
		break;
	case 8:
	case 9:
		answer_r2t(w, op & 0x80 ? fuzz_u8(in) : 0);
		break;
	case 10:
		w->wire.step = 1 + fuzz_u8(in) * 16u;
		break;
	case 11:
		w->wire.room = op & 0x80 ? SIZE_MAX : fuzz_u8(in) * 64u;
		break;
	case 12:
		fuzz_pass(1 + fuzz_u8(in) * 100u);
		break;
	case 13:
		w->wire.eof = op & 0x80;
		break;
	case 14:
		go_live(fuzz_u8(in));
		break;
	default:
		run();
		break;
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

static void leave(struct host_wire *w)
{
	w->wire.eof = true;
	w->wire.room = SIZE_MAX;
	w->wire.step = SIZE_MAX;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	const struct tl_group_stats *stats;

	if (!target)
		start();
	restore();
	cntlid = 1;
	for (unsigned int i = 0; i < WIRES; i++) {
		struct fuzz_wire wire = wires[i].wire;

		memset(&wires[i], 0, sizeof(wires[i]));
		wires[i].wire = wire;
		wires[i].params.role = NVHI_PDU_HOST;
		fuzz_wire_init(&wires[i].wire);
		fuzz_wire_accept(&wires[i].wire);
	}
	while (in.left)
		step(&in);
	run();
	for (unsigned int i = 0; i < WIRES; i++)
		leave(&wires[i]);
	fuzz_pass(60000);
	FUZZ_CHECK(!changes);
	stats = &target->groups[0].stats;
	FUZZ_CHECK(!stats->current_admin_qpairs && !stats->current_io_qpairs &&
		   !stats->current_unassociated_qpairs && nvhi_list_empty(&subsystem->ctrlrs));
	for (unsigned int i = 0; i < WIRES; i++)
		fuzz_wire_fini(&wires[i].wire);
	return 0;
}
