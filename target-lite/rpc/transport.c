/*
 * Transports: nvmf_create_transport, nvmf_get_transports; and what concerns the target as a whole:
 * nvmf_set_crdt, nvmf_get_stats. Management reactor.
 */
#include <errno.h>
#include <string.h>

#include "target-lite/rdma/rdma.h"
#include "target-lite/vfio-user/vfio_user.h"
#include "target-lite/rpc/impl.h"
#include "target-lite/tcp/tcp.h"

/* ---- nvmf_create_transport ---------------------------------------------------------------- */

struct create_transport {
	const char *trtype, *tgt_name;
	struct tl_transport_opts opts;
	uint32_t iobuf_small_cache_size;
	bool has_small, has_buffers;
	struct json_object *masked_oncs, *masked_fuses;
};

#define OPT(memb, typ, ...)                                                                        \
	{                                                                                          \
		.name = #memb, .type = NVHI_JSON_##typ,                                            \
		.offset = offsetof(struct create_transport, opts.memb), __VA_ARGS__                \
	}
#define OTHER_TRANSPORT(memb)                                                                      \
	{                                                                                          \
		.name = memb, .type = NVHI_JSON_IGNORE                                             \
	}

static const struct nvhi_json_field create_fields[] = {
	NVHI_JSON_FIELD(create_transport, trtype, STRING, NVHI_JSON_REQUIRED,
			.help = "TCP, RDMA, VFIOUSER"),
	NVHI_JSON_FIELD(create_transport, tgt_name, STRING),
	OPT(max_queue_depth, U32, .min = 2, .max = 65535, .help = "entries of an I/O queue (128)"),
	OPT(max_io_qpairs_per_ctrlr, U32, .min = 1, .max = 65534, .help = "I/O queues (127)"),
	OPT(in_capsule_data_size, U32, .max = 1u << 20,
	    .help = "bytes of data in a command capsule (4096)"),
	OPT(max_io_size, U32, .min = 8192, .max = TL_TCP_IO_SIZE_MAX,
	    .help = "bytes of one command (131072)"),
	OPT(io_unit_size, U32, .min = 1, .help = "deprecated; kept for listings"),
	OPT(max_aq_depth, U32, .min = 32, .max = 4096, .help = "entries of the admin queue (128)"),
	OPT(num_shared_buffers, U32, .min = 1, .max = 65536,
	    .help = "data buffers of a poll group (511; RDMA: 127)",
	    NVHI_JSON_PRESENT(create_transport, has_buffers)),
	OPT(buf_cache_size, U32, .help = "deprecated; kept for listings"),
	NVHI_JSON_FIELD(create_transport, iobuf_small_cache_size, U32, .help = "kept for listings",
			NVHI_JSON_PRESENT(create_transport, has_small)),
	OPT(iobuf_large_cache_size, U32, .help = "kept for listings"),
	OPT(zcopy, BOOL, .help = "kept for listings: reads lend memory wherever they can"),
	OPT(c2h_success, BOOL, .help = "C2HData may carry the completion (true)"),
	OPT(dif_insert_or_strip, BOOL, .help = "only false"),
	OPT(sock_priority, U32, .help = "only 0"),
	OPT(acceptor_backlog, U32, .min = 1, .max = 65535, .help = "of the listening socket (100)"),
	OPT(abort_timeout_sec, U32, .help = "kept for listings"),
	OPT(control_msg_num, U32, .max = 65535, .help = "kept for listings"),
	OPT(max_srq_depth, U32, .min = 2, .max = 32768,
	    .help = "RDMA: entries of a poll group's shared receive queue (1024)"),
	OPT(no_srq, BOOL, .help = "RDMA: each queue has its own receive queue (false)"),
	OPT(num_cqe, U32, .min = 16, .max = 1u << 20,
	    .help = "RDMA: entries of a completion queue (4096)"),
	OPT(ack_timeout, U32, .max = 31,
	    .help = "RDMA: an acknowledgement is awaited 4.096 us * 2^this (0: the system's)"),
	OPT(data_wr_pool_size, U32, .help = "kept for listings (RDMA)"),
	OPT(disable_command_passthru, BOOL, .help = "kept for listings: nothing is passed through"),
	OPT(kas, U32, .max = 65535,
	    .help = "keep-alive granularity, units of 100 ms (1); 0: no keep-alive"),
	OPT(min_kato, U32, .help = "a shorter keep-alive timeout is raised to this, ms (0)"),
	NVHI_JSON_FIELD(create_transport, masked_oncs, ARRAY, .help = "only empty"),
	NVHI_JSON_FIELD(create_transport, masked_fuses, ARRAY, .help = "only empty"),
	/* vfio-user's and polling's; rpc.py sends them for every transport. */
	OTHER_TRANSPORT("acceptor_poll_rate"),
	OTHER_TRANSPORT("no_wr_batching"),
	OTHER_TRANSPORT("disable_mappable_bar0"),
	OTHER_TRANSPORT("disable_adaptive_irq"),
	OTHER_TRANSPORT("disable_shadow_doorbells"),
	NVHI_JSON_END,
};

/* What a table cannot say. Non-zero: answered. */
static int check_transport(struct nvhi_rpc_call *call, struct create_transport *p)
{
	if (p->opts.dif_insert_or_strip) {
		tl_rpc_unsupported(call, "dif_insert_or_strip");
	} else if (p->opts.sock_priority) {
		tl_rpc_unsupported(call, "sock_priority");
	} else if (p->masked_oncs && json_object_array_length(p->masked_oncs)) {
		tl_rpc_unsupported(call, "masked_oncs");
	} else if (p->masked_fuses && json_object_array_length(p->masked_fuses)) {
		tl_rpc_unsupported(call, "masked_fuses");
	} else if (p->opts.max_io_size & (p->opts.max_io_size - 1)) {
		tl_rpc_bad_param(call, "max_io_size", "%u is no power of two", p->opts.max_io_size);
	} else if (p->opts.in_capsule_data_size & 15) {
		tl_rpc_bad_param(call, "in_capsule_data_size", "%u is no multiple of 16",
				 p->opts.in_capsule_data_size);
	} else {
		if (p->has_small)
			p->opts.buf_cache_size = p->iobuf_small_cache_size;
		/* As SPDK: never more in the capsule than a command may have. */
		if (p->opts.in_capsule_data_size > p->opts.max_io_size)
			p->opts.in_capsule_data_size = p->opts.max_io_size;
		return 0;
	}
	return -EINVAL;
}

/* As many as are worth locking in memory. */
#define RDMA_BUFFERS 127u

static void create_rdma(struct nvhi_rpc_call *call, struct tl_target *target,
			struct create_transport *p)
{
	struct tl_transport *transport;
	char text[400];

	if (!p->has_buffers)
		p->opts.num_shared_buffers = RDMA_BUFFERS;
	if (tl_rdma_create(target, &p->opts, text, sizeof(text), &transport))
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "transport RDMA: %s", text);
	else
		nvhi_rpc_reply_bool(call, true);
}

static void create_tcp(struct nvhi_rpc_call *call, struct tl_target *target,
		       struct create_transport *p)
{
	struct tl_transport *transport;
	int rc = tl_tcp_create(target, &p->opts, &nvhi_net_sockets, &transport);

	if (rc)
		tl_rpc_fail(call, rc, "transport TCP");
	else
		nvhi_rpc_reply_bool(call, true);
}

static void create_vfio_user(struct nvhi_rpc_call *call, struct tl_target *target,
			     struct create_transport *p)
{
	struct tl_transport *transport;
	int rc = tl_vfu_create(target, &p->opts, &transport);

	if (rc)
		tl_rpc_fail(call, rc, "transport VFIOUSER");
	else
		nvhi_rpc_reply_bool(call, true);
}

static void nvmf_create_transport(struct nvhi_rpc_call *call)
{
	struct create_transport p = {0};
	struct tl_target *target;
	const char *culprit;
	enum tl_trtype trtype;

	tl_transport_opts_default(&p.opts);
	if (nvhi_rpc_decode(call, &p))
		return;
	target = tl_rpc_target(call, p.tgt_name);
	if (!target || check_transport(call, &p))
		return;
	if (tl_trtype_parse(p.trtype, &trtype)) {
		tl_rpc_bad_param(call, "trtype",
				 "'%.32s' is no transport of this target (TCP, RDMA, VFIOUSER)",
				 p.trtype);
		return;
	}
	culprit = trtype == TL_TRTYPE_RDMA  ? tl_rdma_check_opts(&p.opts)
		  : trtype == TL_TRTYPE_TCP ? tl_tcp_check_opts(&p.opts)
					    : tl_vfu_check_opts(&p.opts);
	if (culprit) {
		tl_rpc_bad_param(call, culprit, "out of range");
		return;
	}
	if (tl_target_find_transport(target, trtype))
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "Transport type '%s' already exists",
			       tl_trtype_name(trtype));
	else if (trtype == TL_TRTYPE_RDMA)
		create_rdma(call, target, &p);
	else if (trtype == TL_TRTYPE_VFIOUSER)
		create_vfio_user(call, target, &p);
	else
		create_tcp(call, target, &p);
}

/* ---- nvmf_get_transports ------------------------------------------------------------------ */

static int add_opts(struct json_object *o, const struct tl_transport *transport)
{
	const struct tl_transport_opts *opts = &transport->opts;
	int failed = nvhi_json_add_string(o, "trtype", tl_trtype_name(transport->ops->trtype));

	failed |= nvhi_json_add_u64(o, "max_queue_depth", opts->max_queue_depth);
	failed |= nvhi_json_add_u64(o, "max_io_qpairs_per_ctrlr", opts->max_io_qpairs_per_ctrlr);
	failed |= nvhi_json_add_u64(o, "in_capsule_data_size", opts->in_capsule_data_size);
	failed |= nvhi_json_add_u64(o, "max_io_size", opts->max_io_size);
	failed |= nvhi_json_add_u64(o, "max_aq_depth", opts->max_aq_depth);
	failed |= nvhi_json_add_u64(o, "iobuf_small_cache_size", opts->buf_cache_size);
	failed |= nvhi_json_add_u64(o, "iobuf_large_cache_size", opts->iobuf_large_cache_size);
	failed |= nvhi_json_add_bool(o, "dif_insert_or_strip", opts->dif_insert_or_strip);
	failed |= nvhi_json_add_bool(o, "zcopy", opts->zcopy);
	failed |= nvhi_json_add_bool(o, "c2h_success", opts->c2h_success);
	failed |= nvhi_json_add_u64(o, "sock_priority", opts->sock_priority);
	failed |= nvhi_json_add_u64(o, "abort_timeout_sec", opts->abort_timeout_sec);
	failed |= nvhi_json_add_u64(o, "ack_timeout", opts->ack_timeout);
	failed |= nvhi_json_add_u64(o, "data_wr_pool_size", opts->data_wr_pool_size);
	failed |= nvhi_json_add_bool(o, "disable_command_passthru", opts->disable_command_passthru);
	failed |= nvhi_json_add_u64(o, "kas", opts->kas);
	failed |= nvhi_json_add_u64(o, "min_kato", opts->min_kato);
	if (transport->ops->trtype == TL_TRTYPE_RDMA) {
		failed |= nvhi_json_add_u64(o, "max_srq_depth", opts->max_srq_depth);
		failed |= nvhi_json_add_bool(o, "no_srq", opts->no_srq);
		failed |= nvhi_json_add_u64(o, "num_cqe", opts->num_cqe);
	}
	return failed;
}

static struct json_object *transport_object(const struct tl_transport *transport)
{
	struct json_object *object = json_object_new_object();

	return tl_rpc_built(object, add_opts(object, transport));
}

struct get_transports {
	const char *trtype, *tgt_name;
};
static const struct nvhi_json_field get_transports_fields[] = {
	NVHI_JSON_FIELD(get_transports, trtype, STRING, .help = "only this one"),
	NVHI_JSON_FIELD(get_transports, tgt_name, STRING),
	NVHI_JSON_END,
};

static void nvmf_get_transports(struct nvhi_rpc_call *call)
{
	struct get_transports p = {0};
	struct tl_transport *transport, *only = NULL;
	struct tl_target *target;
	struct json_object *list;
	enum tl_trtype trtype;
	int failed = 0;

	if (nvhi_rpc_decode(call, &p))
		return;
	target = tl_rpc_target(call, p.tgt_name);
	if (!target)
		return;
	if (p.trtype && !tl_trtype_parse(p.trtype, &trtype))
		only = tl_target_find_transport(target, trtype);
	if (p.trtype && !only) {
		tl_rpc_bad_param(call, "trtype", "there is no transport '%.32s' (create it first)",
				 p.trtype);
		return;
	}
	list = json_object_new_array();
	nvhi_list_for_each(transport, &target->transports, link)
		if (!only || only == transport)
			failed |= nvhi_json_append(list, transport_object(transport));
	nvhi_rpc_reply(call, tl_rpc_built(list, failed));
}

/* ---- nvmf_set_crdt ------------------------------------------------------------------------ */

struct set_crdt {
	uint16_t crdt1, crdt2, crdt3;
};
static const struct nvhi_json_field set_crdt_fields[] = {
	NVHI_JSON_FIELD(set_crdt, crdt1, U16, .help = "units of 100 ms (0)"),
	NVHI_JSON_FIELD(set_crdt, crdt2, U16, .help = "units of 100 ms (0)"),
	NVHI_JSON_FIELD(set_crdt, crdt3, U16, .help = "units of 100 ms (0)"),
	NVHI_JSON_END,
};

static void nvmf_set_crdt(struct nvhi_rpc_call *call)
{
	struct set_crdt p = {0};

	if (nvhi_rpc_decode(call, &p))
		return;
	tl_target_set_crdt(tl_rpc_of(call)->target, (uint16_t[]){p.crdt1, p.crdt2, p.crdt3});
	nvhi_rpc_reply_bool(call, true);
}

/* ---- nvmf_get_stats ----------------------------------------------------------------------- */

#define LOAD(stat) __atomic_load_n(&(stat), __ATOMIC_RELAXED)

/* A transport's counters become objects, one a device. */
struct stats_objects {
	struct json_object *devices, *device;
	const char *name;
	int failed;
};

static void add_stat(void *arg, const char *device, const char *name, uint64_t value)
{
	struct stats_objects *s = arg;

	if (!s->device || strcmp(s->name, device)) {
		s->device = json_object_new_object();
		s->name = device;
		s->failed |= nvhi_json_add_string(s->device, "name", device);
		s->failed |= nvhi_json_append(s->devices, s->device);
	}
	s->failed |= nvhi_json_add_u64(s->device, name, value);
}

static struct json_object *transport_stats(struct tl_transport *transport,
					   struct tl_poll_group *group)
{
	struct json_object *object = json_object_new_object();
	int failed = nvhi_json_add_string(object, "trtype", tl_trtype_name(transport->ops->trtype));

	if (transport->ops->stats) {
		struct stats_objects s = {.devices = json_object_new_array()};

		transport->ops->stats(transport, group, add_stat, &s);
		failed |= s.failed | nvhi_json_add(object, "devices", s.devices);
	}
	return tl_rpc_built(object, failed);
}

static struct json_object *group_object(const struct tl_target *target,
					struct tl_poll_group *group)
{
	struct json_object *object = json_object_new_object(), *list = json_object_new_array();
	const struct tl_group_stats *s = &group->stats;
	struct tl_transport *transport;
	int failed = nvhi_json_add_string(object, "name", group->name);

	failed |= nvhi_json_add_u64(object, "admin_qpairs", LOAD(s->admin_qpairs));
	failed |= nvhi_json_add_u64(object, "io_qpairs", LOAD(s->io_qpairs));
	failed |= nvhi_json_add_u64(object, "current_admin_qpairs", LOAD(s->current_admin_qpairs));
	failed |= nvhi_json_add_u64(object, "current_io_qpairs", LOAD(s->current_io_qpairs));
	failed |= nvhi_json_add_u64(object, "current_unassociated_qpairs",
				    LOAD(s->current_unassociated_qpairs));
	/* SPDK counts what waits for a bdev's memory. No bdev of ours ever lacks it. */
	failed |= nvhi_json_add_u64(object, "pending_bdev_io", 0);
	failed |= nvhi_json_add_u64(object, "completed_nvme_io", LOAD(s->completed_io));
	nvhi_list_for_each(transport, &target->transports, link)
		failed |= nvhi_json_append(list, transport_stats(transport, group));
	failed |= nvhi_json_add(object, "transports", list);
	return tl_rpc_built(object, failed);
}

struct get_stats {
	const char *tgt_name;
};
static const struct nvhi_json_field get_stats_fields[] = {
	NVHI_JSON_FIELD(get_stats, tgt_name, STRING),
	NVHI_JSON_END,
};

static void nvmf_get_stats(struct nvhi_rpc_call *call)
{
	struct json_object *result, *list;
	struct get_stats p = {0};
	struct tl_target *target;
	int failed;

	if (nvhi_rpc_decode(call, &p))
		return;
	target = tl_rpc_target(call, p.tgt_name);
	if (!target)
		return;
	result = json_object_new_object();
	list = json_object_new_array();
	failed = nvhi_json_add_u64(result, "tick_rate", NVHI_NSEC_PER_SEC);
	for (uint32_t i = 0; i < target->group_count; i++)
		failed |= nvhi_json_append(list, group_object(target, &target->groups[i]));
	failed |= nvhi_json_add(result, "poll_groups", list);
	nvhi_rpc_reply(call, tl_rpc_built(result, failed));
}

/* ---- configuration ------------------------------------------------------------------------ */

int tl_rpc_transport_config(struct tl_target *target, struct json_object *config)
{
	struct json_object *params = json_object_new_object();
	struct tl_transport *transport;
	int failed = nvhi_json_add_u64(params, "crdt1", target->crdt[0]);

	failed |= nvhi_json_add_u64(params, "crdt2", target->crdt[1]);
	failed |= nvhi_json_add_u64(params, "crdt3", target->crdt[2]);
	failed |= tl_rpc_config_add(config, "nvmf_set_crdt", params);
	nvhi_list_for_each(transport, &target->transports, link) {
		const struct tl_transport_opts *opts = &transport->opts;

		params = transport_object(transport);
		failed |= nvhi_json_add_u64(params, "io_unit_size", opts->io_unit_size);
		failed |= nvhi_json_add_u64(params, "num_shared_buffers", opts->num_shared_buffers);
		failed |= nvhi_json_add_u64(params, "acceptor_backlog", opts->acceptor_backlog);
		failed |= nvhi_json_add_u64(params, "control_msg_num", opts->control_msg_num);
		failed |= tl_rpc_config_add(config, "nvmf_create_transport", params);
	}
	return failed;
}

const struct nvhi_rpc_method tl_rpc_transport_methods[] = {
	{"nvmf_create_transport", nvmf_create_transport, create_fields, "makes a transport",
	 TL_RPC_RUNTIME},
	{"nvmf_get_transports", nvmf_get_transports, get_transports_fields,
	 "transports and their options", TL_RPC_RUNTIME},
	{"nvmf_set_crdt", nvmf_set_crdt, set_crdt_fields,
	 "command retry delay times of controllers made from now on", TL_RPC_ANY},
	{"nvmf_get_stats", nvmf_get_stats, get_stats_fields, "counters of the poll groups",
	 TL_RPC_RUNTIME},
	{.name = NULL},
};
