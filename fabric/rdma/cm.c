/*
 * The pump of rdma_cm events and the life of ids. On the channel's reactor.
 * NVMe/RDMA 1.1 section 3.3 (what a refusal says).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "fabric/rdma/cm.h"
#include "fabric/rdma/dev.h"

/* Events of one call: others want their turn too. */
#define CM_EVENTS 32

/* ---- the pump ----------------------------------------------------------------------------- */

/* One event; false: there is none. */
static bool cm_pump_one(struct nvhi_rdma_cm *cm)
{
	const struct nvhi_verbs *verbs = cm->verbs;
	uint8_t private_data[UINT8_MAX];
	struct rdma_cm_event *event, copy;
	struct nvhi_rdma_id *id;

	if (verbs->cm_get_event(cm->channel, &event) < 0)
		return false;
	copy = *event;
	if (copy.param.conn.private_data && copy.param.conn.private_data_len) {
		memcpy(private_data, copy.param.conn.private_data,
		       copy.param.conn.private_data_len);
		copy.param.conn.private_data = private_data;
	} else {
		copy.param.conn.private_data = NULL;
		copy.param.conn.private_data_len = 0;
	}
	id = copy.listen_id ? copy.listen_id->context : copy.id->context;
	verbs->cm_ack_event(event);
	nvhi_log(DEBUG, RDMA, "%s: %s status %d, %u bytes of private data", id->name,
		 verbs->cm_event_str(copy.event), copy.status, copy.param.conn.private_data_len);
	id->fn(id, &copy);
	return true;
}

static int cm_readable(struct nvhi_source *source, unsigned int events)
{
	struct nvhi_rdma_cm *cm = nvhi_container_of(source, struct nvhi_rdma_cm, source);
	int work = 0;

	(void)events;
	while (work < CM_EVENTS && cm->channel && cm_pump_one(cm))
		work++;
	return work;
}

static int cm_open_error(int err, char *errbuf, size_t errbuf_len)
{
	if (err == -ENODEV || err == -ENOENT) {
		snprintf(errbuf, errbuf_len,
			 "no RDMA device here (rdma link lists them; software RDMA: modprobe -a "
			 "rdma_ucm "
			 "rdma_rxe; rdma link add rxe0 type rxe netdev INTERFACE)");
		return -ENODEV;
	}
	if (err == -EACCES || err == -EPERM)
		snprintf(errbuf, errbuf_len,
			 "no access to /dev/infiniband/rdma_cm: %s (its owner, group and mode come "
			 "from "
			 "udev's rules)",
			 strerror(-err));
	else
		snprintf(errbuf, errbuf_len, "opening an RDMA event channel: %s", strerror(-err));
	return err;
}

int nvhi_rdma_cm_open(struct nvhi_rdma_cm *cm, struct nvh_reactor *reactor, char *errbuf,
		      size_t errbuf_len)
{
	int flags, err;

	memset(cm, 0, sizeof(*cm));
	err = nvhi_verbs_open(errbuf, errbuf_len, &cm->verbs);
	if (err)
		return err;
	cm->reactor = reactor;
	nvhi_rdma_dev_sweep(cm->verbs);
	errno = 0;
	cm->channel = cm->verbs->cm_create_event_channel();
	if (!cm->channel)
		return cm_open_error(errno ? -errno : -ENODEV, errbuf, errbuf_len);
	flags = fcntl(cm->channel->fd, F_GETFL);
	if (flags < 0 || fcntl(cm->channel->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(cm->channel->fd, F_SETFD, FD_CLOEXEC) < 0) {
		err = -errno;
		goto err_close;
	}
	err = nvhi_source_add(reactor, &cm->source, cm->channel->fd, NVHI_READABLE, cm_readable);
	if (!err)
		return 0;

err_close:
	cm->verbs->cm_destroy_event_channel(cm->channel);
	cm->channel = NULL;
	return cm_open_error(err, errbuf, errbuf_len);
}

void nvhi_rdma_cm_close(struct nvhi_rdma_cm *cm)
{
	if (!cm->channel)
		return;
	nvhi_source_remove(cm->reactor, &cm->source);
	cm->verbs->cm_destroy_event_channel(cm->channel);
	cm->channel = NULL;
}

/* ---- ids ---------------------------------------------------------------------------------- */

int nvhi_rdma_id_create(struct nvhi_rdma_cm *cm, struct nvhi_rdma_id *id, const char *name,
			nvhi_rdma_event_fn fn)
{
	id->verbs = cm->verbs;
	id->fn = fn;
	id->name = name;
	if (cm->verbs->cm_create_id(cm->channel, &id->cm_id, id, RDMA_PS_TCP) == 0)
		return 0;
	id->cm_id = NULL;
	return -errno;
}

int nvhi_rdma_id_adopt(struct nvhi_rdma_cm *cm, struct nvhi_rdma_id *id, struct rdma_cm_id *cm_id,
		       const char *name, nvhi_rdma_event_fn fn)
{
	void *context = cm_id->context;

	id->verbs = cm->verbs;
	id->fn = fn;
	id->name = name;
	/* Before it moves: its events may come at once. */
	cm_id->context = id;
	if (cm_id->channel != cm->channel && cm->verbs->cm_migrate_id(cm_id, cm->channel) < 0) {
		int err = -errno;

		cm_id->context = context;
		return err;
	}
	id->cm_id = cm_id;
	return 0;
}

void nvhi_rdma_id_destroy(struct nvhi_rdma_id *id)
{
	if (!id->cm_id)
		return;
	if (id->cm_id->qp)
		id->verbs->cm_destroy_qp(id->cm_id);
	id->verbs->cm_destroy_id(id->cm_id);
	id->cm_id = NULL;
}

void nvhi_rdma_refuse(const struct nvhi_verbs *verbs, struct rdma_cm_id *cm_id,
		      enum nvh_rdma_cm_status sts)
{
	struct nvh_rdma_cm_rej rej;

	nvh_le16_put(&rej.recfmt, NVH_RDMA_CM_RECFMT);
	nvh_le16_put(&rej.sts, (uint16_t)sts);
	verbs->cm_reject(cm_id, &rej, sizeof(rej));
	verbs->cm_destroy_id(cm_id);
}

/* ---- words -------------------------------------------------------------------------------- */

/* InfiniBand's reasons (Volume 1, 12.6.7.2) that rdma_cm passes on; iWARP gives an errno. */
#define CM_REJ_NO_SUCH_SERVICE 8
#define CM_REJ_CONSUMER        28

static int refused_error(const struct rdma_cm_event *event, char *text, size_t len)
{
	const struct nvh_rdma_cm_rej *rej = event->param.conn.private_data;

	/* IB pads private data to the size of its message. */
	if (event->param.conn.private_data_len >= sizeof(*rej) &&
	    nvh_le16_get(rej->recfmt) == NVH_RDMA_CM_RECFMT && nvh_le16_get(rej->sts)) {
		unsigned sts = nvh_le16_get(rej->sts);

		snprintf(text, len, "the controller refuses the RDMA connection: %s (status %u)",
			 nvh_rdma_cm_status_text(sts), sts);
		return sts == NVH_RDMA_CM_NO_RESOURCES ? -EBUSY : -EINVAL;
	}
	if (event->status == CM_REJ_NO_SUCH_SERVICE || event->status == -ECONNREFUSED ||
	    event->status == ECONNREFUSED) {
		snprintf(text, len, "connection refused");
		return -ECONNREFUSED;
	}
	if (event->status == CM_REJ_CONSUMER)
		snprintf(text, len, "the peer refuses the RDMA connection without an NVMe status");
	else
		snprintf(text, len, "the peer refuses the RDMA connection (reason %d)",
			 event->status);
	return -ECONNREFUSED;
}

int nvhi_rdma_event_error(const struct nvhi_verbs *verbs, const struct rdma_cm_event *event,
			  char *text, size_t len)
{
	int err = event->status < 0 ? event->status : -event->status;

	switch (event->event) {
	case RDMA_CM_EVENT_ADDR_ERROR:
		err = err ? err : -EHOSTUNREACH;
		if (err == -ENODEV)
			nvhi_rdma_dev_missing();
		if (err == -ENODEV)
			snprintf(text, len,
				 "no RDMA device leads to this address (rdma link shows them with "
				 "their "
				 "interfaces; ip route get shows the interface)");
		else
			snprintf(text, len, "the address was not resolved over RDMA: %s",
				 strerror(-err));
		return err;
	case RDMA_CM_EVENT_ROUTE_ERROR:
		err = err ? err : -EHOSTUNREACH;
		snprintf(text, len, "no route over RDMA: %s", strerror(-err));
		return err;
	case RDMA_CM_EVENT_UNREACHABLE:
		err = err ? err : -ETIMEDOUT;
		snprintf(text, len, "no answer to the RDMA connection request: %s", strerror(-err));
		return err;
	case RDMA_CM_EVENT_REJECTED:
		return refused_error(event, text, len);
	case RDMA_CM_EVENT_CONNECT_ERROR:
		/* iWARP reports a refusal without a word from the peer this way. */
		err = err ? err : -ECONNABORTED;
		snprintf(text, len, "the RDMA connection could not be made: %s", strerror(-err));
		return err;
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
		snprintf(text, len, "the controller closed the connection");
		return -ECONNRESET;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		nvhi_rdma_dev_missing();
		snprintf(text, len, "the RDMA device was removed");
		return -ENODEV;
	case RDMA_CM_EVENT_ADDR_CHANGE:
		snprintf(text, len, "the address moved to another RDMA device");
		return -ENETRESET;
	default:
		snprintf(text, len, "unexpected RDMA event: %s", verbs->cm_event_str(event->event));
		return -EPROTO;
	}
}

static void address_text(struct sockaddr *addr, char *text, size_t len)
{
	char ip[INET6_ADDRSTRLEN];

	if (!len)
		return;
	text[0] = '\0';
	if (addr->sa_family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)addr;

		if (inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip)))
			snprintf(text, len, "%s:%u", ip, ntohs(in->sin_port));
	} else if (addr->sa_family == AF_INET6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)addr;

		if (inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip)))
			snprintf(text, len, "[%s]:%u", ip, ntohs(in6->sin6_port));
	}
}

void nvhi_rdma_id_names(const struct nvhi_rdma_id *id, char *local, size_t local_len, char *peer,
			size_t peer_len)
{
	if (local_len)
		local[0] = '\0';
	if (peer_len)
		peer[0] = '\0';
	if (!id->cm_id)
		return;
	address_text(rdma_get_local_addr(id->cm_id), local, local_len);
	address_text(rdma_get_peer_addr(id->cm_id), peer, peer_len);
}
