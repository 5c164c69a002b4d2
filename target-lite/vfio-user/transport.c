/*
 * The transport's own life, its listeners (a socket "cntrl" in the folder that the address names, as
 * SPDK has it) and the spreading of clients over poll groups. Management reactor, but for the start
 * and stop in each group.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "target-lite/vfio-user/impl.h"

#define IO_SIZE_MAX (1u << 20)

/* ---- accepting ------------------------------------------------------------------------------- */

#define ACCEPT_REST_NS (100 * NVHI_NSEC_PER_MSEC)

struct vfu_listener {
	struct nvhi_source source;
	struct nvhi_timer rest; /* after an error that lasts: no descriptors left */
	struct tl_listener *listener;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	unsigned int clients; /* ever */
};

/* A client on its way to its poll group. */
struct vfu_accepted {
	struct nvhi_msg msg;
	struct tl_vfu *vfu;
	struct tl_poll_group *group;
	struct tl_listen_addr addr;
	char subnqn[TL_NQN_SIZE];
	unsigned int number;
	int sock;
};

static void vfu_arrive(struct nvhi_msg *msg)
{
	struct vfu_accepted *acc = nvhi_container_of(msg, struct vfu_accepted, msg);
	struct tl_vfu_group *vg = acc->group->transport_data[acc->vfu->transport.slot];

	if (vg && !acc->group->stopping && !acc->group->stopped)
		tl_vfu_conn_accept(vg, acc->sock, &acc->addr, acc->subnqn, acc->number);
	else
		close(acc->sock);
	free(acc);
}

/* The one whose controllers are found there: an address belongs to one subsystem here. */
static const char *vfu_subnqn(const struct tl_target *target, const struct tl_listen_addr *addr)
{
	struct tl_subsystem *ss;

	nvhi_list_for_each (ss, &target->subsystems, link)
		if (ss->type == TL_SUBSYSTEM_NVM && tl_subsystem_find_listener(ss, addr))
			return ss->nqn;
	return NULL;
}

static int vfu_accept(struct nvhi_source *source, unsigned int events)
{
	struct vfu_listener *vl = nvhi_container_of(source, struct vfu_listener, source);
	struct tl_transport *transport = vl->listener->transport;
	const char *subnqn = vfu_subnqn(transport->target, &vl->listener->addr);
	struct vfu_accepted *acc;
	int sock = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (sock < 0) {
		if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR &&
		    nvhi_timer_arm(transport->target->mgmt, &vl->rest, ACCEPT_REST_NS) == 0)
			nvhi_source_modify(transport->target->mgmt, source, 0);
		return 0;
	}
	acc = subnqn ? calloc(1, sizeof(*acc)) : NULL;
	if (!acc) {
		close(sock);
		return 1;
	}
	acc->vfu = nvhi_container_of(transport, struct tl_vfu, transport);
	acc->group = tl_target_pick_group(transport->target);
	acc->addr = vl->listener->addr;
	snprintf(acc->subnqn, sizeof(acc->subnqn), "%s", subnqn);
	acc->number = ++vl->clients;
	acc->sock = sock;
	acc->msg.fn = vfu_arrive;
	nvhi_reactor_post(acc->group->reactor, &acc->msg);
	return 1;
}

static void vfu_rested(struct nvhi_timer *timer)
{
	struct vfu_listener *vl = nvhi_container_of(timer, struct vfu_listener, rest);

	nvhi_source_modify(vl->listener->transport->target->mgmt, &vl->source, NVHI_READABLE);
}

/* ---- listeners ------------------------------------------------------------------------------- */

/* A socket that nobody listens on is what a target that was killed left behind. */
static bool socket_is_dead(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool dead = fd >= 0 && connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) < 0 &&
		    errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return dead;
}

static int vfu_bind(struct vfu_listener *vl, int backlog, int *ret_fd)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err = 0;

	if (fd < 0)
		return -errno;
	memcpy(sa.sun_path, vl->path, sizeof(sa.sun_path));
	if (socket_is_dead(&sa))
		unlink(vl->path);
	/* Who may connect reads and writes the disk: its owner, unless the folder says otherwise. */
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		err = -errno;
	if (!err && (chmod(vl->path, 0600) < 0 || listen(fd, backlog) < 0)) {
		err = -errno;
		unlink(vl->path);
	}
	if (err)
		close(fd);
	else
		*ret_fd = fd;
	return err;
}

static int vfu_listen(struct tl_transport *transport, struct tl_listener *listener)
{
	struct vfu_listener *vl = calloc(1, sizeof(*vl));
	struct stat st;
	int fd = -1, err = 0;

	if (!vl)
		return -ENOMEM;
	if (stat(listener->addr.traddr, &st) < 0)
		err = -errno;
	else if (!S_ISDIR(st.st_mode))
		err = -ENOTDIR;
	else if (snprintf(vl->path, sizeof(vl->path), "%s/cntrl", listener->addr.traddr) >=
		 (int)sizeof(vl->path))
		err = -ENAMETOOLONG;
	err = err ? err : vfu_bind(vl, (int)transport->opts.acceptor_backlog, &fd);
	if (err) {
		free(vl);
		return err;
	}
	vl->listener = listener;
	vl->rest.fn = vfu_rested;
	err = nvhi_source_add(transport->target->mgmt, &vl->source, fd, NVHI_READABLE, vfu_accept);
	if (err) {
		unlink(vl->path);
		close(fd);
		free(vl);
		return err;
	}
	listener->transport_data = vl;
	return 0;
}

static void vfu_unlisten(struct tl_transport *transport, struct tl_listener *listener)
{
	struct vfu_listener *vl = listener->transport_data;
	int fd = vl->source.fd;

	nvhi_timer_cancel(transport->target->mgmt, &vl->rest);
	nvhi_source_remove(transport->target->mgmt, &vl->source);
	unlink(vl->path);
	close(fd);
	free(vl);
}

/* ---- groups ---------------------------------------------------------------------------------- */

static int vfu_group_start(struct tl_transport *transport, struct tl_poll_group *group)
{
	struct tl_vfu_group *vg = calloc(1, sizeof(*vg));
	int err;

	if (!vg)
		return -ENOMEM;
	vg->vfu = nvhi_container_of(transport, struct tl_vfu, transport);
	vg->group = group;
	nvhi_list_init(&vg->conns);
	vg->zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	err = vg->zero_fd < 0 ? -errno : 0;
	if (!err && syscall(SYS_io_setup, TL_VFU_AIO_EVENTS * 2, &vg->aio) < 0) {
		err = -errno;
		close(vg->zero_fd);
	}
	if (err) {
		free(vg);
		return err;
	}
	group->transport_data[transport->slot] = vg;
	return 0;
}

static void vfu_group_stop(struct tl_transport *transport, struct tl_poll_group *group)
{
	struct tl_vfu_group *vg = group->transport_data[transport->slot];
	struct tl_vfu_conn *conn, *next;

	if (!vg)
		return;
	/* The core has all queues back: what is left are clients without any. */
	nvhi_list_for_each_safe (conn, next, &vg->conns, link) {
		tl_vfu_conn_close(conn, NULL);
		nvhi_reactor_undefer(group->reactor, &conn->check);
		tl_vfu_conn_check(conn);
	}
	group->transport_data[transport->slot] = NULL;
	syscall(SYS_io_destroy, vg->aio);
	close(vg->zero_fd);
	free(vg);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void vfu_destroy(struct tl_transport *transport)
{
	free(nvhi_container_of(transport, struct tl_vfu, transport));
}

static const struct tl_transport_ops vfu_ops = {
	.trtype = TL_TRTYPE_VFIOUSER,
	.listen = vfu_listen,
	.unlisten = vfu_unlisten,
	.group_start = vfu_group_start,
	.group_stop = vfu_group_stop,
	.complete = tl_vfu_complete,
	.connected = tl_vfu_connected,
	.disconnect = tl_vfu_disconnect,
	.mute = tl_vfu_mute,
	.release = tl_vfu_release,
	.destroy = vfu_destroy,
};

const char *tl_vfu_check_opts(const struct tl_transport_opts *opts)
{
	if (opts->max_queue_depth < 2 || opts->max_queue_depth > 65535)
		return "max_queue_depth";
	if (opts->max_aq_depth < 32 || opts->max_aq_depth > 4096)
		return "max_aq_depth";
	if (opts->max_io_qpairs_per_ctrlr < 1 || opts->max_io_qpairs_per_ctrlr > 65534)
		return "max_io_qpairs_per_ctrlr";
	if (opts->max_io_size < 8192 || opts->max_io_size & (opts->max_io_size - 1) ||
	    opts->max_io_size > IO_SIZE_MAX)
		return "max_io_size";
	if (opts->acceptor_backlog < 1 || opts->acceptor_backlog > 65535)
		return "acceptor_backlog";
	return NULL;
}

int tl_vfu_create(struct tl_target *target, const struct tl_transport_opts *opts,
		  struct tl_transport **ret_transport)
{
	struct tl_vfu *vfu;
	int err;

	if (tl_vfu_check_opts(opts))
		return -EINVAL;
	vfu = calloc(1, sizeof(*vfu));
	if (!vfu)
		return -ENOMEM;
	vfu->transport.ops = &vfu_ops;
	vfu->transport.opts = *opts;
	if (vfu->transport.opts.max_io_qpairs_per_ctrlr > TL_VFU_QUEUES_MAX - 1)
		vfu->transport.opts.max_io_qpairs_per_ctrlr = TL_VFU_QUEUES_MAX - 1;
	err = tl_target_add_transport(target, &vfu->transport);
	if (err) {
		free(vfu);
		return err;
	}
	*ret_transport = &vfu->transport;
	return 0;
}
