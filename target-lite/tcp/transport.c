/*
 * The transport's own life, its listeners and the spreading of connections over poll groups.
 * Management reactor, but for the start and stop in each group.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_identify.h"
#include "target-lite/tcp/tcp_impl.h"

#define TCP_SMALL_BUFFER 8192u

static struct tl_tcp *tcp_of(struct tl_transport *transport)
{
	return nvhi_container_of(transport, struct tl_tcp, transport);
}

/* ---- accepting ------------------------------------------------------------------------------ */

/* A connection on its way to its poll group. */
struct tcp_accepted {
	struct nvhi_msg msg;
	struct tl_tcp *tcp;
	struct tl_poll_group *group;
	struct tl_listen_addr addr;
	intptr_t pending;
};

static void tcp_arrive(struct nvhi_msg *msg)
{
	struct tcp_accepted *acc = nvhi_container_of(msg, struct tcp_accepted, msg);
	struct tl_tcp_group *tg = acc->group->transport_data[acc->tcp->transport.slot];

	if (tg && !acc->group->stopping && !acc->group->stopped)
		tl_tcp_conn_accept(tg, acc->pending, &acc->addr);
	else
		acc->tcp->net->ops->reject(acc->tcp->net, acc->pending);
	free(acc);
}

static void tcp_accept(struct nvhi_listener *net_listener, intptr_t pending)
{
	struct tl_listener *listener = net_listener->owner;
	struct tl_tcp *tcp = tcp_of(listener->transport);
	struct tcp_accepted *acc = calloc(1, sizeof(*acc));

	if (!acc) {
		tcp->net->ops->reject(tcp->net, pending);
		return;
	}
	acc->tcp = tcp;
	acc->group = tl_target_pick_group(tcp->transport.target);
	acc->addr = listener->addr;
	acc->pending = pending;
	acc->msg.fn = tcp_arrive;
	nvhi_reactor_post(acc->group->reactor, &acc->msg);
}

static int tcp_listen(struct tl_transport *transport, struct tl_listener *listener)
{
	struct tl_tcp *tcp = tcp_of(transport);
	struct nvhi_listener *net_listener;
	struct sockaddr_storage sa;
	socklen_t len;
	int ret = tl_listen_sockaddr(&listener->addr, &sa, &len);

	if (ret)
		return ret;
	ret = tcp->net->ops->listen(tcp->net, transport->target->mgmt, (struct sockaddr *)&sa, len,
				    (int)transport->opts.acceptor_backlog, tcp_accept,
				    &net_listener);
	if (ret)
		return ret;
	net_listener->owner = listener;
	listener->transport_data = net_listener;
	snprintf(listener->addr.trsvcid, sizeof(listener->addr.trsvcid), "%u",
		 tl_sockaddr_port(&net_listener->addr));
	return 0;
}

static void tcp_unlisten(struct tl_transport *transport, struct tl_listener *listener)
{
	tcp_of(transport)->net->ops->unlisten(listener->transport_data);
}

/* ---- groups --------------------------------------------------------------------------------- */

static int tcp_group_start(struct tl_transport *transport, struct tl_poll_group *group)
{
	const struct tl_transport_opts *opts = &transport->opts;
	struct tl_tcp_group *tg = calloc(1, sizeof(*tg));
	int ret = -ENOMEM;

	if (!tg)
		return ret;
	tg->tcp = tcp_of(transport);
	tg->group = group;
	nvhi_list_init(&tg->waiters);
	ret = tl_tcp_bufs_init(&tg->small, TCP_SMALL_BUFFER, opts->num_shared_buffers * 4);
	if (!ret)
		ret = tl_tcp_bufs_init(&tg->large, opts->max_io_size, opts->num_shared_buffers);
	if (ret) {
		tl_tcp_bufs_done(&tg->small);
		free(tg);
		return ret;
	}
	group->transport_data[transport->slot] = tg;
	return 0;
}

static void tcp_group_stop(struct tl_transport *transport, struct tl_poll_group *group)
{
	struct tl_tcp_group *tg = group->transport_data[transport->slot];

	if (!tg)
		return;
	group->transport_data[transport->slot] = NULL;
	tl_tcp_bufs_done(&tg->small);
	tl_tcp_bufs_done(&tg->large);
	free(tg);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void tcp_destroy(struct tl_transport *transport)
{
	free(tcp_of(transport));
}

static const struct tl_transport_ops tcp_ops = {
	.trtype = TL_TRTYPE_TCP,
	.listen = tcp_listen,
	.unlisten = tcp_unlisten,
	.group_start = tcp_group_start,
	.group_stop = tcp_group_stop,
	.complete = tl_tcp_complete,
	.connected = tl_tcp_connected,
	.disconnect = tl_tcp_disconnect,
	.reset = tl_tcp_reset,
	.mute = tl_tcp_mute,
	.release = tl_tcp_release,
	.destroy = tcp_destroy,
};

const char *tl_tcp_check_opts(const struct tl_transport_opts *opts)
{
	if (opts->max_queue_depth < 2 || opts->max_queue_depth > 65535)
		return "max_queue_depth";
	if (opts->max_aq_depth < 32 || opts->max_aq_depth > 4096)
		return "max_aq_depth";
	if (opts->max_io_qpairs_per_ctrlr < 1 || opts->max_io_qpairs_per_ctrlr > 65534)
		return "max_io_qpairs_per_ctrlr";
	if (opts->in_capsule_data_size & 15 || opts->in_capsule_data_size > (1u << 20))
		return "in_capsule_data_size";
	if (opts->max_io_size < 8192 || opts->max_io_size & (opts->max_io_size - 1) ||
	    opts->max_io_size > TL_TCP_IO_SIZE_MAX)
		return "max_io_size";
	if (opts->num_shared_buffers < 1 || opts->num_shared_buffers > 65536)
		return "num_shared_buffers";
	if (opts->dif_insert_or_strip)
		return "dif_insert_or_strip";
	if (opts->acceptor_backlog < 1 || opts->acceptor_backlog > 65535)
		return "acceptor_backlog";
	if (opts->kas > 65535)
		return "kas";
	return NULL;
}

int tl_tcp_create(struct tl_target *target, const struct tl_transport_opts *opts,
		  struct nvhi_net *net, struct tl_transport **ret_transport)
{
	struct tl_tcp *tcp;
	int ret;

	if (tl_tcp_check_opts(opts))
		return -EINVAL;
	tcp = calloc(1, sizeof(*tcp));
	if (!tcp)
		return -ENOMEM;
	tcp->transport.ops = &tcp_ops;
	tcp->transport.opts = *opts;
	tcp->transport.sgls = 1 | NVH_SGLS_OFFSET | NVH_SGLS_TRANSPORT;
	tcp->transport.msdbd = 1;
	tcp->net = net;
	ret = tl_target_add_transport(target, &tcp->transport);
	if (ret) {
		free(tcp);
		return ret;
	}
	*ret_transport = &tcp->transport;
	return 0;
}
