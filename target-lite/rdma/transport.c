/*
 * The RDMA transport's own life, its part of each poll group, its options and counters. Management
 * reactor, but for the start and stop in each group.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/spec/nvme_identify.h"
#include "target-lite/rdma/rdma_impl.h"

/* Lengths in keyed descriptors have 24 bits. */
#define RDMA_IO_SIZE_MAX (4u << 20)

/* ---- groups --------------------------------------------------------------------------------- */

/* Some times: it takes the kernel a while, and so does the last connection. */
static void rdma_sweep(struct nvhi_timer *timer)
{
	struct tl_rdma_group *tg = nvhi_container_of(timer, struct tl_rdma_group, sweep);

	nvhi_rdma_dev_sweep(tg->rdma->verbs);
	if (++tg->sweeps % TL_RDMA_SWEEPS)
		nvhi_timer_arm(tg->group->reactor, timer, TL_RDMA_SWEEP_NS);
}

static int rdma_group_start(struct tl_transport *transport, struct tl_poll_group *group)
{
	struct tl_rdma_group *tg = calloc(1, sizeof(*tg));
	char text[300];
	int err;

	if (!tg)
		return -ENOMEM;
	tg->rdma = tl_rdma_of(transport);
	tg->group = group;
	nvhi_list_init(&tg->devs);
	tg->sweep.fn = rdma_sweep;
	err = nvhi_rdma_cm_open(&tg->cm, group->reactor, text, sizeof(text));
	if (err) {
		nvhi_log(ERROR, RDMA, "%s: %s", group->name, text);
		free(tg);
		return err;
	}
	group->transport_data[transport->slot] = tg;
	__atomic_store_n(&tg->rdma->groups[group->index], tg, __ATOMIC_RELEASE);
	return 0;
}

static void rdma_group_stop(struct tl_transport *transport, struct tl_poll_group *group)
{
	struct tl_rdma_group *tg = group->transport_data[transport->slot];

	if (!tg)
		return;
	__atomic_store_n(&tg->rdma->groups[group->index], NULL, __ATOMIC_RELEASE);
	group->transport_data[transport->slot] = NULL;
	tl_rdma_conns_bury(tg);
	nvhi_timer_cancel(group->reactor, &tg->sweep);
	nvhi_rdma_cm_close(&tg->cm);
	free(tg);
}

/* ---- counters ------------------------------------------------------------------------------- */

static void rdma_stats(struct tl_transport *transport, struct tl_poll_group *group, tl_stat_fn fn,
		       void *arg)
{
	const struct tl_rdma_group *tg =
		__atomic_load_n(&tl_rdma_of(transport)->groups[group->index], __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; tg && i < TL_RDMA_DEVS_MAX && tg->stats[i].name[0]; i++) {
		const struct tl_rdma_stats *stats = &tg->stats[i];

#define X(stat) fn(arg, stats->name, #stat, __atomic_load_n(&stats->stat, __ATOMIC_RELAXED));
		TL_RDMA_STATS(X)
#undef X
	}
}

/* ---- life ----------------------------------------------------------------------------------- */

static void rdma_destroy(struct tl_transport *transport)
{
	struct tl_rdma *rdma = tl_rdma_of(transport);

	nvhi_rdma_cm_close(&rdma->cm);
	free(rdma->groups);
	free(rdma);
}

static const struct tl_transport_ops rdma_ops = {
	.trtype = TL_TRTYPE_RDMA,
	.listen = tl_rdma_listen,
	.unlisten = tl_rdma_unlisten,
	.group_start = rdma_group_start,
	.group_stop = rdma_group_stop,
	.complete = tl_rdma_complete,
	.connected = tl_rdma_connected,
	.disconnect = tl_rdma_disconnect,
	.reset = tl_rdma_reset,
	.mute = tl_rdma_mute,
	.release = tl_rdma_release,
	.stats = rdma_stats,
	.destroy = rdma_destroy,
};

const char *tl_rdma_check_opts(const struct tl_transport_opts *opts)
{
	if (opts->max_queue_depth < 2 || opts->max_queue_depth > 32768)
		return "max_queue_depth";
	if (opts->max_aq_depth < 32 || opts->max_aq_depth > 4096)
		return "max_aq_depth";
	if (opts->max_io_qpairs_per_ctrlr < 1 || opts->max_io_qpairs_per_ctrlr > 65534)
		return "max_io_qpairs_per_ctrlr";
	if (opts->in_capsule_data_size & 15 || opts->in_capsule_data_size > (1u << 20))
		return "in_capsule_data_size";
	if (opts->max_io_size < 8192 || opts->max_io_size & (opts->max_io_size - 1) ||
	    opts->max_io_size > RDMA_IO_SIZE_MAX)
		return "max_io_size";
	if (opts->num_shared_buffers < 1 || opts->num_shared_buffers > 65536)
		return "num_shared_buffers";
	if (opts->max_srq_depth < 2 || opts->max_srq_depth > 32768)
		return "max_srq_depth";
	if (opts->num_cqe < 16 || opts->num_cqe > (1u << 20))
		return "num_cqe";
	if (opts->ack_timeout > 31)
		return "ack_timeout";
	if (opts->acceptor_backlog < 1 || opts->acceptor_backlog > 65535)
		return "acceptor_backlog";
	if (opts->kas > 65535)
		return "kas";
	return NULL;
}

/* The device will lock this memory for each poll group. Better told now than to the first host. */
static int rdma_check_memlock(const struct tl_target *target, const struct tl_transport_opts *opts,
			      char *errbuf, size_t errbuf_len)
{
	size_t need = tl_rdma_pinned(opts) * target->group_count;
	struct rlimit limit;
	void *mem;
	int err;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return 0;
	/* Who may lock more than the limit, may; nothing is touched by the try. */
	mem = mmap(NULL, need, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		return 0;
	err = mlock2(mem, need, MLOCK_ONFAULT) ? -errno : 0;
	munmap(mem, need);
	if (err != -ENOMEM && err != -EPERM && err != -EAGAIN)
		return 0;
	snprintf(errbuf, errbuf_len,
		 "its buffers need %zu KiB of locked memory, the limit is %llu KiB (ulimit -l %zu, "
		 "or "
		 "LimitMEMLOCK= of the systemd unit; or fewer num_shared_buffers)",
		 need >> 10, (unsigned long long)limit.rlim_cur >> 10, (need >> 10) + 1024);
	return -EDQUOT;
}

int tl_rdma_create(struct tl_target *target, const struct tl_transport_opts *opts, char *errbuf,
		   size_t errbuf_len, struct tl_transport **ret_transport)
{
	const char *culprit = tl_rdma_check_opts(opts);
	struct tl_rdma *rdma;
	int err;

	if (culprit) {
		snprintf(errbuf, errbuf_len, "%s is out of range", culprit);
		return -EINVAL;
	}
	err = rdma_check_memlock(target, opts, errbuf, errbuf_len);
	if (err)
		return err;
	snprintf(errbuf, errbuf_len, "no memory");
	rdma = calloc(1, sizeof(*rdma));
	if (rdma)
		rdma->groups = calloc(target->group_count, sizeof(*rdma->groups));
	if (!rdma || !rdma->groups) {
		free(rdma);
		return -ENOMEM;
	}
	rdma->transport.ops = &rdma_ops;
	rdma->transport.opts = *opts;
	rdma->transport.sgls = 1 | NVH_SGLS_KEYED | NVH_SGLS_OFFSET;
	rdma->transport.msdbd = TL_RDMA_SGLS_MAX;
	err = nvhi_rdma_cm_open(&rdma->cm, target->mgmt, errbuf, errbuf_len);
	if (!err) {
		rdma->verbs = rdma->cm.verbs;
		err = tl_target_add_transport(target, &rdma->transport);
		if (err)
			snprintf(errbuf, errbuf_len, "%s", strerror(-err));
	}
	if (err) {
		nvhi_rdma_cm_close(&rdma->cm);
		free(rdma->groups);
		free(rdma);
		return err;
	}
	*ret_transport = &rdma->transport;
	return 0;
}
