/*
 * A client: its socket and messages. VERSION comes first and within the handshake time; a message that
 * cannot be is the end of the connection, one that asks for what there is not is answered with an
 * error. When the connection is closed its queues go back to the core first. The client's reactor.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/json_util.h"
#include "target-lite/vfio-user/impl.h"

#define CAPABILITIES "{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":4096}}"
#define ACCESS_MAX   4096u

void tl_vfu_reply(struct tl_vfu_conn *conn, uint16_t msg_id, uint16_t command, int error,
		  const struct iovec *payload, unsigned int iovcnt, int fd)
{
	struct nvh_vfu_header header = {
		.msg_id = msg_id,
		.command = command,
		.flags = NVH_VFU_F_REPLY | (error ? NVH_VFU_F_ERROR : 0),
		.error = (uint32_t)error,
	};
	int err = nvhi_vfu_send(conn->sock, &header, payload, iovcnt, &fd, fd >= 0);

	if (err == -ENOBUFS)
		tl_vfu_conn_close(conn, "it does not read its replies");
	else if (err)
		tl_vfu_conn_close(conn, NULL);
}

/* ---- the end --------------------------------------------------------------------------------- */

void tl_vfu_conn_check(struct tl_vfu_conn *conn)
{
	if (!conn->closed || conn->queues_open)
		return;
	nvhi_reactor_undefer(tl_vfu_reactor(conn), &conn->check);
	tl_vfu_data_fini(conn);
	tl_vfu_describe_fini(conn);
	tl_vfu_device_fini(conn);
	tl_vfu_unmap_all(conn);
	close(conn->sock);
	nvhi_list_del(&conn->link);
	free(conn);
}

void tl_vfu_conn_close(struct tl_vfu_conn *conn, const char *fmt, ...)
{
	char why[200];
	va_list ap;

	if (conn->closed)
		return;
	conn->closed = true;
	if (fmt) {
		va_start(ap, fmt);
		vsnprintf(why, sizeof(why), fmt, ap);
		va_end(ap);
		nvhi_log(WARN, TARGET, "%s: %s: disconnected", conn->name, why);
	} else {
		nvhi_log(DEBUG, TARGET, "%s: gone", conn->name);
	}
	nvhi_timer_cancel(tl_vfu_reactor(conn), &conn->greeting);
	nvhi_source_remove(tl_vfu_reactor(conn), &conn->source);
	shutdown(conn->sock, SHUT_RDWR);
	nvhi_vfu_rx_next(&conn->rx);
	tl_vfu_poll_stop(conn);
	tl_vfu_device_close_queues(conn);
	/* Not here: callers still have the connection. */
	nvhi_reactor_defer(tl_vfu_reactor(conn), &conn->check);
}

static void conn_on_check(struct nvhi_defer *defer)
{
	tl_vfu_conn_check(nvhi_container_of(defer, struct tl_vfu_conn, check));
}

/* ---- VERSION --------------------------------------------------------------------------------- */

/* Who the host is: a capability of ours that others leave out, then it has no name. */
static void version_identity(struct tl_vfu_conn *conn, const char *text)
{
	struct json_object *root = json_tokener_parse(text), *caps, *value;
	const char *nqn, *id;

	if (root && json_object_object_get_ex(root, "capabilities", &caps)) {
		if (json_object_object_get_ex(caps, "nvme_hostnqn", &value)) {
			nqn = json_object_get_string(value);
			if (nqn && tl_nqn_valid(nqn))
				snprintf(conn->hostnqn, sizeof(conn->hostnqn), "%s", nqn);
		}
		if (json_object_object_get_ex(caps, "nvme_hostid", &value)) {
			id = json_object_get_string(value);
			for (unsigned int i = 0; id && strlen(id) == 32 && i < 16; i++) {
				unsigned int byte;

				if (sscanf(id + 2 * i, "%2x", &byte) == 1)
					conn->hostid[i] = (uint8_t)byte;
			}
		}
	}
	json_object_put(root);
}

static int on_version(struct tl_vfu_conn *conn)
{
	static const char json[] = CAPABILITIES;
	struct nvh_vfu_version version;
	struct iovec iov[2] = {{&version, sizeof(version)}, {(void *)(uintptr_t)json, sizeof(json)}};
	uint32_t len = conn->rx.payload_len;

	if (conn->greeted || len < sizeof(version))
		return EINVAL;
	memcpy(&version, conn->rx.payload, sizeof(version));
	if (version.major != NVH_VFU_MAJOR) {
		tl_vfu_conn_close(conn, "VERSION: %u.%u is not spoken here", version.major,
				  version.minor);
		return 0;
	}
	if (len > sizeof(version)) {
		if (conn->rx.payload[len - 1])
			return EINVAL;
		version_identity(conn, (const char *)conn->rx.payload + sizeof(version));
	}
	version.minor = NVH_VFU_MINOR;
	conn->greeted = true;
	nvhi_timer_cancel(tl_vfu_reactor(conn), &conn->greeting);
	tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_VERSION, 0, iov, 2, -1);
	return 0;
}

static void on_greeting_late(struct nvhi_timer *timer)
{
	tl_vfu_conn_close(nvhi_container_of(timer, struct tl_vfu_conn, greeting),
			  "no VERSION in time");
}

/* ---- questions ------------------------------------------------------------------------------- */

static int on_device_info(struct tl_vfu_conn *conn)
{
	struct nvh_vfu_device_info info = {
		.argsz = sizeof(info),
		.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET,
		.num_regions = VFIO_PCI_NUM_REGIONS,
		.num_irqs = VFIO_PCI_NUM_IRQS,
	};
	struct iovec iov = {&info, sizeof(info)};

	tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_DEVICE_GET_INFO, 0, &iov, 1, -1);
	return 0;
}

static int on_dma_map(struct tl_vfu_conn *conn)
{
	struct nvh_vfu_dma_map map;
	int fd, err;

	if (conn->rx.payload_len < sizeof(map) || conn->rx.nr_fds > 1)
		return EINVAL;
	memcpy(&map, conn->rx.payload, sizeof(map));
	fd = nvhi_vfu_rx_take_fd(&conn->rx, 0);
	if (fd < 0) {
		/* Not memory that a queue or data may be in: a VM's other regions. */
		tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_DMA_MAP, 0, NULL, 0, -1);
		return 0;
	}
	err = tl_vfu_map(conn, &map, fd);
	close(fd);
	if (!err)
		tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_DMA_MAP, 0, NULL, 0, -1);
	return err;
}

static int on_dma_unmap(struct tl_vfu_conn *conn)
{
	struct nvh_vfu_dma_unmap unmap;
	struct iovec iov = {&unmap, sizeof(unmap)};
	int err;

	if (conn->rx.payload_len < sizeof(unmap))
		return EINVAL;
	memcpy(&unmap, conn->rx.payload, sizeof(unmap));
	err = tl_vfu_unmap(conn, &unmap);
	if (err == 0)
		tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_DMA_UNMAP, 0, &iov, 1, -1);
	return err < 0 ? 0 : err;
}

/* ---- region accesses ------------------------------------------------------------------------- */

static bool region_read(struct tl_vfu_conn *conn, const struct nvh_vfu_region_access *access,
			uint8_t *data)
{
	switch (access->region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		tl_vfu_config_read(conn, (uint32_t)access->offset, data, access->count);
		return true;
	case VFIO_PCI_BAR4_REGION_INDEX:
		memcpy(data, conn->bar4 + access->offset, access->count);
		return true;
	default:
		return tl_vfu_reg_read(conn, (uint32_t)access->offset, data, access->count);
	}
}

static bool region_write(struct tl_vfu_conn *conn, const struct nvh_vfu_region_access *access,
			 const uint8_t *data)
{
	uint32_t value;

	switch (access->region) {
	case VFIO_PCI_CONFIG_REGION_INDEX:
		tl_vfu_config_write(conn, (uint32_t)access->offset, data, access->count);
		return true;
	case VFIO_PCI_BAR4_REGION_INDEX:
		memcpy(conn->bar4 + access->offset, data, access->count);
		return true;
	default:
		if (access->offset < NVH_REG_DOORBELLS)
			return tl_vfu_reg_write(conn, (uint32_t)access->offset, data,
						access->count);
		if (access->count != sizeof(value))
			return false;
		memcpy(&value, data, sizeof(value));
		return tl_vfu_doorbell(conn, (uint32_t)access->offset, value);
	}
}

static uint32_t region_size(uint32_t region)
{
	switch (region) {
	case VFIO_PCI_BAR0_REGION_INDEX:
		return TL_VFU_BAR0_SIZE;
	case VFIO_PCI_BAR4_REGION_INDEX:
		return TL_VFU_PAGE;
	case VFIO_PCI_CONFIG_REGION_INDEX:
		return TL_VFU_CONFIG_SIZE;
	default:
		return 0;
	}
}

static int on_region(struct tl_vfu_conn *conn, bool write)
{
	struct nvh_vfu_region_access access;
	uint8_t data[ACCESS_MAX];
	struct iovec iov[2] = {{&access, sizeof(access)}, {data, 0}};
	uint32_t size, len = conn->rx.payload_len;

	if (len < sizeof(access))
		return EINVAL;
	memcpy(&access, conn->rx.payload, sizeof(access));
	size = region_size(access.region);
	if (!access.count || access.count > ACCESS_MAX || access.offset >= size ||
	    access.count > size - access.offset ||
	    (write && len - sizeof(access) < access.count))
		return EINVAL;
	if (write) {
		if (!region_write(conn, &access, conn->rx.payload + sizeof(access)))
			return EINVAL;
	} else {
		memset(data, 0, access.count);
		if (!region_read(conn, &access, data))
			return EINVAL;
		iov[1].iov_len = access.count;
	}
	if (!conn->closed && !(conn->rx.header.flags & NVH_VFU_F_NO_REPLY))
		tl_vfu_reply(conn, conn->rx.header.msg_id, conn->rx.header.command, 0, iov,
			     write ? 1 : 2, -1);
	return 0;
}

/* ---- messages -------------------------------------------------------------------------------- */

static int conn_dispatch(struct tl_vfu_conn *conn)
{
	switch (conn->rx.header.command) {
	case NVH_VFU_VERSION:
		return on_version(conn);
	case NVH_VFU_DMA_MAP:
		return on_dma_map(conn);
	case NVH_VFU_DMA_UNMAP:
		return on_dma_unmap(conn);
	case NVH_VFU_DEVICE_GET_INFO:
		return on_device_info(conn);
	case NVH_VFU_DEVICE_GET_REGION_INFO:
		return tl_vfu_region_info(conn);
	case NVH_VFU_DEVICE_GET_IRQ_INFO:
		return tl_vfu_irq_info(conn);
	case NVH_VFU_DEVICE_SET_IRQS: {
		int err = tl_vfu_set_irqs(conn);

		if (!err)
			tl_vfu_reply(conn, conn->rx.header.msg_id, NVH_VFU_DEVICE_SET_IRQS, 0, NULL,
				     0, -1);
		return err;
	}
	case NVH_VFU_REGION_READ:
		return on_region(conn, false);
	case NVH_VFU_REGION_WRITE:
		return on_region(conn, true);
	case NVH_VFU_DEVICE_RESET:
		return tl_vfu_device_reset(conn);
	default:
		return EOPNOTSUPP;
	}
}

static void conn_message(struct tl_vfu_conn *conn)
{
	const struct nvh_vfu_header *h = &conn->rx.header;
	int err;

	if ((h->flags & NVH_VFU_F_TYPE) != NVH_VFU_F_COMMAND) {
		tl_vfu_conn_close(conn, "message type %x is no command", h->flags & NVH_VFU_F_TYPE);
		return;
	}
	if (!conn->greeted && h->command != NVH_VFU_VERSION) {
		tl_vfu_conn_close(conn, "command %u before VERSION", h->command);
		return;
	}
	err = conn_dispatch(conn);
	if (conn->closed)
		return;
	if (err) {
		if (conn->complaints++ < TL_VFU_COMPLAINTS)
			nvhi_log(INFO, TARGET, "%s: command %u of %u bytes: %s", conn->name,
				 h->command, h->size, strerror(err));
		if (!(h->flags & NVH_VFU_F_NO_REPLY))
			tl_vfu_reply(conn, h->msg_id, h->command, err, NULL, 0, -1);
	}
	if (!conn->closed)
		nvhi_vfu_rx_next(&conn->rx);
}

static int conn_readable(struct nvhi_source *source, unsigned int events)
{
	struct tl_vfu_conn *conn = nvhi_container_of(source, struct tl_vfu_conn, source);
	int work = 0, n = 1;

	(void)events;
	while (!conn->closed && work < 64 && (n = nvhi_vfu_rx_read(&conn->rx, conn->sock)) > 0) {
		conn_message(conn);
		work++;
	}
	if (n == -EPROTO)
		tl_vfu_conn_close(conn, "a message of %u bytes cannot be", conn->rx.header.size);
	else if (n == -EMFILE)
		tl_vfu_conn_close(conn, "more file descriptors than there is room for");
	else if (n < 0)
		tl_vfu_conn_close(conn, NULL);
	return work + (n < 0);
}

/* ---- the beginning --------------------------------------------------------------------------- */

void tl_vfu_conn_accept(struct tl_vfu_group *vg, int sock, const struct tl_listen_addr *addr,
			const char *subnqn, unsigned int number)
{
	struct tl_vfu_conn *conn = calloc(1, sizeof(*conn));
	const struct tl_transport_opts *opts = &vg->vfu->transport.opts;

	if (!conn) {
		close(sock);
		return;
	}
	conn->vg = vg;
	conn->addr = *addr;
	conn->sock = sock;
	conn->db_fd = -1;
	snprintf(conn->subnqn, sizeof(conn->subnqn), "%s", subnqn);
	snprintf(conn->name, sizeof(conn->name), "%.48s#%u", addr->traddr, number);
	nvhi_vfu_rx_init(&conn->rx);
	conn->greeting.fn = on_greeting_late;
	conn->check.fn = conn_on_check;
	nvhi_list_init(&conn->check.link);
	nvhi_list_add_tail(&vg->conns, &conn->link);
	tl_vfu_describe_init(conn);
	if (tl_vfu_device_init(conn) || tl_vfu_data_init(conn) ||
	    nvhi_timer_arm(tl_vfu_reactor(conn), &conn->greeting,
			   opts->handshake_ms * NVHI_NSEC_PER_MSEC) ||
	    nvhi_source_add(tl_vfu_reactor(conn), &conn->source, sock, NVHI_READABLE,
			    conn_readable)) {
		nvhi_log(WARN, TARGET, "%s: no memory for another client", conn->name);
		nvhi_timer_cancel(tl_vfu_reactor(conn), &conn->greeting);
		conn->closed = true;
		tl_vfu_conn_check(conn);
		return;
	}
	nvhi_log(DEBUG, TARGET, "%s: connected", conn->name);
}
