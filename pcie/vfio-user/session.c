/*
 * The connection to the process that is the controller: made, negotiated and lost; replies. VERSION
 * first, then all questions at once: what the device has, its doorbells, its registers. A reply that
 * says no, or nothing within the deadline, is the end; so is the end of the connection, which tells
 * at once of a server that died. The controller's home reactor.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcie/vfio-user/impl.h"

/* The last two are ours: who the host is, which PCI has no word for. Others leave them out. */
#define CAPABILITIES                                                                               \
	"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":4096,"                          \
	"\"nvme_hostnqn\":\"%s\",\"nvme_hostid\":\"%s\"}}"
#define DOORBELLS_MAX ((uint64_t)1 << 20)

#define NVHI_X(upper, lower) #lower,
static const char *const vfu_state_names[] = {NVHI_VFU_STATES(NVHI_X)};
#undef NVHI_X

#define TO(state) NVHI_FSM_TO(NVHI_VFU_##state)
static const uint32_t vfu_edges[NVHI_ARRAY_SIZE(vfu_state_names)] = {
	[NVHI_VFU_OFF] = TO(GREETING),
	[NVHI_VFU_GREETING] = TO(ASKING) | TO(OFF),
	[NVHI_VFU_ASKING] = TO(LIVE) | TO(OFF),
	[NVHI_VFU_LIVE] = TO(OFF),
};
#undef TO
static const struct nvhi_fsm vfu_fsm = NVHI_FSM_INIT("vfio-user", vfu_state_names, vfu_edges);

static void vfu_set(struct nvhi_vfu *vfu, enum nvhi_vfu_state state)
{
	nvhi_fsm_set(&vfu_fsm, &vfu->state, state, NVHI_LOG_PCIE, vfu->name);
}

/* ---- asking ------------------------------------------------------------------------------- */

int nvhi_vfu_ask(struct nvhi_vfu *vfu, enum nvhi_vfu_ask ask, unsigned int seq, uint16_t command,
		 uint32_t flags, const struct iovec *payload, unsigned int iovcnt, int fd)
{
	struct nvh_vfu_header header = {
		.msg_id = (uint16_t)(ask << NVHI_VFU_ASK_SHIFT | (seq & NVHI_VFU_SEQ_MASK)),
		.command = command,
		.flags = NVH_VFU_F_COMMAND | flags,
	};
	int err = nvhi_vfu_send(vfu->sock, &header, payload, iovcnt, &fd, fd >= 0);

	/* Home learns by its source; the driver sees a device that is gone. */
	if (err) {
		atomic_store(&vfu->gone, true);
		shutdown(vfu->sock, SHUT_RDWR);
	}
	return err;
}

int nvhi_vfu_region_read(struct nvhi_vfu *vfu, enum nvhi_vfu_ask ask, unsigned int seq,
			 uint32_t offset, uint32_t count)
{
	struct nvh_vfu_region_access access = {
		.offset = offset, .region = VFIO_PCI_BAR0_REGION_INDEX, .count = count};
	struct iovec iov = {&access, sizeof(access)};

	return nvhi_vfu_ask(vfu, ask, seq, NVH_VFU_REGION_READ, 0, &iov, 1, -1);
}

int nvhi_vfu_region_write(struct nvhi_vfu *vfu, uint32_t region, uint32_t offset,
			  const void *value, uint32_t count, uint32_t flags)
{
	struct nvh_vfu_region_access access = {.offset = offset, .region = region, .count = count};
	struct iovec iov[2] = {{&access, sizeof(access)}, {(void *)(uintptr_t)value, count}};

	return nvhi_vfu_ask(vfu, NVHI_VFU_ASK_WRITE, 0, NVH_VFU_REGION_WRITE, flags, iov, 2, -1);
}

static int ask_version(struct nvhi_vfu *vfu)
{
	struct nvh_vfu_version version = {NVH_VFU_MAJOR, NVH_VFU_MINOR};
	char json[512], id[33];
	struct iovec iov[2] = {{&version, sizeof(version)}, {json, 0}};

	for (unsigned int i = 0; i < 16; i++)
		snprintf(id + 2 * i, 3, "%02x", vfu->hostid[i]);
	iov[1].iov_len = 1 + (size_t)snprintf(json, sizeof(json), CAPABILITIES,
					      strpbrk(vfu->hostnqn, "\"\\") ? "" : vfu->hostnqn, id);

	return nvhi_vfu_ask(vfu, NVHI_VFU_ASK_VERSION, 0, NVH_VFU_VERSION, 0, iov, 2, -1);
}

static int ask_all(struct nvhi_vfu *vfu)
{
	struct nvh_vfu_device_info info = {.argsz = sizeof(info)};
	struct vfio_region_info region = {
		.argsz = NVHI_VFU_PAYLOAD_MAX, .index = VFIO_PCI_BAR0_REGION_INDEX};
	struct iovec iov = {&info, sizeof(info)};
	int err = nvhi_vfu_ask(vfu, NVHI_VFU_ASK_INFO, 0, NVH_VFU_DEVICE_GET_INFO, 0, &iov, 1, -1);

	iov = (struct iovec){&region, sizeof(region)};
	err = err ? err
		  : nvhi_vfu_ask(vfu, NVHI_VFU_ASK_BAR0, 0, NVH_VFU_DEVICE_GET_REGION_INFO, 0, &iov, 1,
				 -1);
	err = err ? err : nvhi_vfu_map_all(vfu);
	err = err ? err : nvhi_vfu_region_read(vfu, NVHI_VFU_ASK_CAP, 0, NVH_REG_CAP, 8);
	err = err ? err : nvhi_vfu_region_read(vfu, NVHI_VFU_ASK_VS, 0, NVH_REG_VS, 4);
	err = err ? err : nvhi_vfu_region_read(vfu, NVHI_VFU_ASK_CC, 0, NVH_REG_CC, 4);
	err = err ? err
		  : nvhi_vfu_region_read(vfu, NVHI_VFU_ASK_CSTS, vfu->cc_writes, NVH_REG_CSTS, 4);
	vfu->awaited = 1u << NVHI_VFU_ASK_INFO | 1u << NVHI_VFU_ASK_BAR0 | 1u << NVHI_VFU_ASK_CAP |
		       1u << NVHI_VFU_ASK_VS | 1u << NVHI_VFU_ASK_CC | 1u << NVHI_VFU_ASK_CSTS;
	vfu->csts_asked = 1;
	vfu->csts_asked_ns = nvhi_reactor_now(vfu->home);
	return err;
}

/* ---- the end ------------------------------------------------------------------------------ */

static void vfu_answer(struct nvhi_defer *defer)
{
	struct nvhi_vfu *vfu = nvhi_container_of(defer, struct nvhi_vfu, answer);
	struct nvhi_pcie_start *start = vfu->start;

	vfu->start = NULL;
	if (start)
		start->done(start, vfu->err, vfu->why);
	else if (vfu->err && vfu->bus.gone)
		vfu->bus.gone(&vfu->bus, vfu->err, vfu->why);
}

static void vfu_tell(struct nvhi_vfu *vfu, int err)
{
	vfu->err = err;
	nvhi_reactor_defer(vfu->home, &vfu->answer);
}

static void vfu_off(struct nvhi_vfu *vfu)
{
	nvhi_timer_cancel(vfu->home, &vfu->deadline);
	atomic_store(&vfu->gone, true);
	nvhi_vfu_map_stop(vfu);
	if (vfu->state == NVHI_VFU_OFF)
		return;
	nvhi_source_remove(vfu->home, &vfu->source);
	shutdown(vfu->sock, SHUT_RDWR);
	nvhi_vfu_rx_next(&vfu->rx);
	vfu_set(vfu, NVHI_VFU_OFF);
}

__attribute__((format(printf, 3, 4))) static void vfu_end(struct nvhi_vfu *vfu, int err,
							  const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(vfu->why, sizeof(vfu->why), fmt, ap);
	va_end(ap);
	vfu_off(vfu);
	vfu_tell(vfu, err);
}

/* ---- replies ------------------------------------------------------------------------------ */

static const char *ask_name(enum nvhi_vfu_ask ask)
{
	static const char *const names[] = {
		[NVHI_VFU_ASK_VERSION] = "VERSION",	  [NVHI_VFU_ASK_INFO] = "DEVICE_GET_INFO",
		[NVHI_VFU_ASK_BAR0] = "GET_REGION_INFO",  [NVHI_VFU_ASK_CAP] = "a read of CAP",
		[NVHI_VFU_ASK_VS] = "a read of VS",	  [NVHI_VFU_ASK_CC] = "a read of CC",
		[NVHI_VFU_ASK_CSTS] = "a read of CSTS",	  [NVHI_VFU_ASK_MAP] = "DMA_MAP",
		[NVHI_VFU_ASK_UNMAP] = "DMA_UNMAP",	  [NVHI_VFU_ASK_WRITE] = "a register write",
		[NVHI_VFU_ASK_IRQS] = "SET_IRQS",
	};

	return ask < NVHI_ARRAY_SIZE(names) && names[ask] ? names[ask] : "nothing that was asked";
}

static const char *on_version(struct nvhi_vfu *vfu)
{
	struct nvh_vfu_version version;

	if (vfu->rx.payload_len < sizeof(version))
		return "its VERSION is cut short";
	memcpy(&version, vfu->rx.payload, sizeof(version));
	if (version.major != NVH_VFU_MAJOR)
		return "it speaks another major version of the protocol";
	vfu_set(vfu, NVHI_VFU_ASKING);
	if (ask_all(vfu))
		return "it does not take the questions";
	return NULL;
}

static const char *on_info(struct nvhi_vfu *vfu)
{
	struct nvh_vfu_device_info info;

	if (vfu->rx.payload_len < sizeof(info))
		return "its DEVICE_GET_INFO is cut short";
	memcpy(&info, vfu->rx.payload, sizeof(info));
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
	    info.num_regions <= VFIO_PCI_CONFIG_REGION_INDEX)
		return "what it plays is no PCI device";
	return NULL;
}

/* Where BAR 0 may be mapped: the first area that holds I/O queues' doorbells. */
static bool bar0_area(const struct nvhi_vfu *vfu, const struct vfio_region_info *info,
		      struct vfio_region_sparse_mmap_area *ret_area)
{
	const uint8_t *payload = vfu->rx.payload;
	uint32_t at = info->cap_offset, len = vfu->rx.payload_len;
	struct vfio_region_info_cap_sparse_mmap cap;

	for (unsigned int n = 0; (info->flags & VFIO_REGION_INFO_FLAG_CAPS) && at && n < 8; n++) {
		if (at > len || len - at < sizeof(cap))
			return false;
		memcpy(&cap, payload + at, sizeof(cap));
		if (cap.header.id != VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
			at = cap.header.next;
			continue;
		}
		for (uint32_t i = 0; i < cap.nr_areas; i++) {
			size_t area = at + sizeof(cap) + (size_t)i * sizeof(*ret_area);

			if (area > len || len - area < sizeof(*ret_area))
				return false;
			memcpy(ret_area, payload + area, sizeof(*ret_area));
			if (ret_area->offset <= NVH_REG_DOORBELLS &&
			    ret_area->size > NVH_REG_DOORBELLS - ret_area->offset)
				return true;
		}
		return false;
	}
	*ret_area = (struct vfio_region_sparse_mmap_area){0, info->size};
	return true;
}

static void bar0_unmap(struct nvhi_vfu *vfu)
{
	if (vfu->db)
		munmap(vfu->db, vfu->db_size);
	vfu->db = NULL;
}

/* Doorbells that cannot be mapped are rung by messages. The file must be as long as it says, and sealed
 * so that it stays: what lies behind its end would be a signal when touched. */
static void bar0_map(struct nvhi_vfu *vfu, const struct vfio_region_info *info)
{
	struct vfio_region_sparse_mmap_area area;
	int fd = nvhi_vfu_rx_take_fd(&vfu->rx, 0);
	struct stat st;
	void *p;

	if (fd < 0)
		return;
	if ((info->flags & VFIO_REGION_INFO_FLAG_MMAP) && bar0_area(vfu, info, &area) &&
	    area.size <= DOORBELLS_MAX && area.offset <= info->size &&
	    area.size <= info->size - area.offset && area.size >= sizeof(uint32_t) &&
	    area.offset % sizeof(uint32_t) == 0 && fcntl(fd, F_GET_SEALS) > 0 &&
	    (fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) && fstat(fd, &st) == 0 &&
	    info->offset <= INT64_MAX - area.offset - area.size &&
	    (uint64_t)st.st_size >= info->offset + area.offset + area.size) {
		p = mmap(NULL, area.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)(info->offset + area.offset));
		if (p != MAP_FAILED) {
			vfu->db = p;
			vfu->db_offset = area.offset;
			vfu->db_size = area.size;
		}
	}
	close(fd);
}

static const char *on_bar0(struct nvhi_vfu *vfu)
{
	struct vfio_region_info info;

	if (vfu->rx.payload_len < sizeof(info))
		return "its GET_REGION_INFO is cut short";
	memcpy(&info, vfu->rx.payload, sizeof(info));
	if (info.index != VFIO_PCI_BAR0_REGION_INDEX || info.size <= NVH_REG_DOORBELLS + 8)
		return "its BAR 0 is too small for a controller";
	bar0_map(vfu, &info);
	return NULL;
}

static const char *on_register(struct nvhi_vfu *vfu, enum nvhi_vfu_ask ask, unsigned int seq)
{
	size_t want = ask == NVHI_VFU_ASK_CAP ? 8 : 4;
	uint64_t value = 0;

	if (ask == NVHI_VFU_ASK_CSTS ? !vfu->csts_asked : !(vfu->awaited & 1u << ask))
		return "it answers what was not asked";
	if (vfu->rx.payload_len < sizeof(struct nvh_vfu_region_access) + want)
		return "its register is cut short";
	memcpy(&value, vfu->rx.payload + sizeof(struct nvh_vfu_region_access), want);
	switch (ask) {
	case NVHI_VFU_ASK_CAP:
		vfu->cap = value;
		break;
	case NVHI_VFU_ASK_VS:
		vfu->vs = (uint32_t)value;
		break;
	case NVHI_VFU_ASK_CC:
		vfu->cc = (uint32_t)value;
		break;
	default:
		vfu->csts_asked--;
		vfu->csts_asked_ns = nvhi_reactor_now(vfu->home);
		if (seq != (vfu->cc_writes & NVHI_VFU_SEQ_MASK))
			break; /* from before the last change */
		vfu->csts = (uint32_t)value;
		vfu->csts_stale = false;
		break;
	}
	return NULL;
}

static const char *vfu_on_reply(struct nvhi_vfu *vfu)
{
	enum nvhi_vfu_ask ask = vfu->rx.header.msg_id >> NVHI_VFU_ASK_SHIFT;
	unsigned int seq = vfu->rx.header.msg_id & NVHI_VFU_SEQ_MASK;
	const char *why = NULL;

	if (vfu->state == NVHI_VFU_GREETING)
		return ask == NVHI_VFU_ASK_VERSION ? on_version(vfu) : "it answers before VERSION";
	switch (ask) {
	case NVHI_VFU_ASK_INFO:
	case NVHI_VFU_ASK_BAR0:
		if (!(vfu->awaited & 1u << ask))
			return "it answers what was not asked";
		why = ask == NVHI_VFU_ASK_INFO ? on_info(vfu) : on_bar0(vfu);
		break;
	case NVHI_VFU_ASK_CAP:
	case NVHI_VFU_ASK_VS:
	case NVHI_VFU_ASK_CC:
	case NVHI_VFU_ASK_CSTS:
		why = on_register(vfu, ask, seq);
		break;
	case NVHI_VFU_ASK_MAP:
	case NVHI_VFU_ASK_UNMAP:
	case NVHI_VFU_ASK_WRITE:
	case NVHI_VFU_ASK_IRQS:
		return NULL;
	default:
		return "it answers what was not asked";
	}
	vfu->awaited &= ~(1u << ask);
	if (!why && vfu->state == NVHI_VFU_ASKING && !vfu->awaited) {
		vfu_set(vfu, NVHI_VFU_LIVE);
		nvhi_timer_cancel(vfu->home, &vfu->deadline);
		vfu->why[0] = '\0';
		atomic_store(&vfu->gone, false);
		vfu_tell(vfu, 0);
	}
	return why;
}

/* Servers may ask for memory by messages; ours has it mapped. */
static void vfu_refuse(struct nvhi_vfu *vfu)
{
	struct nvh_vfu_header reply = {
		.msg_id = vfu->rx.header.msg_id,
		.command = vfu->rx.header.command,
		.flags = NVH_VFU_F_REPLY | NVH_VFU_F_ERROR,
		.error = EOPNOTSUPP,
	};

	nvhi_vfu_send(vfu->sock, &reply, NULL, 0, NULL, 0);
}

static void vfu_on_message(struct nvhi_vfu *vfu)
{
	const struct nvh_vfu_header *h = &vfu->rx.header;
	const char *why;

	if ((h->flags & NVH_VFU_F_TYPE) == NVH_VFU_F_COMMAND) {
		vfu_refuse(vfu);
	} else if (h->flags & NVH_VFU_F_ERROR) {
		vfu_end(vfu, -EIO, "%s: %s was refused: %s", vfu->traddr,
			ask_name(h->msg_id >> NVHI_VFU_ASK_SHIFT), strerror((int)(h->error & 0xfff)));
		return;
	} else {
		why = vfu_on_reply(vfu);
		if (why) {
			vfu_end(vfu, -EPROTO, "%s: %s", vfu->traddr, why);
			return;
		}
	}
	nvhi_vfu_rx_next(&vfu->rx);
}

static int vfu_on_readable(struct nvhi_source *source, unsigned int events)
{
	struct nvhi_vfu *vfu = nvhi_container_of(source, struct nvhi_vfu, source);
	int work = 0, n = 1;

	(void)events;
	while (vfu->state != NVHI_VFU_OFF && work < 32 && (n = nvhi_vfu_rx_read(&vfu->rx, vfu->sock)) > 0) {
		vfu_on_message(vfu);
		work++;
	}
	if (n < 0)
		vfu_end(vfu, n == -ECONNRESET || n == -EPIPE ? -ENODEV : -EPROTO,
			n == -EPROTO   ? "%s: no vfio-user message begins like that"
			: n == -EMFILE ? "%s: a message with more file descriptors than can be"
				       : "%s: the process that was the controller is gone",
			vfu->traddr);
	return work + (n < 0);
}

/* ---- starting ----------------------------------------------------------------------------- */

static void vfu_on_deadline(struct nvhi_timer *timer)
{
	struct nvhi_vfu *vfu = nvhi_container_of(timer, struct nvhi_vfu, deadline);

	vfu_end(vfu, -ETIMEDOUT, "%s: no answer to %s within %u ms", vfu->traddr,
		vfu->state == NVHI_VFU_GREETING ? "VERSION" : "the questions after VERSION",
		vfu->start ? vfu->start->timeout_ms : 0);
}

/* The folder that a listener was given, where the socket is called "cntrl", or the socket itself. */
static int vfu_connect(const struct nvhi_vfu *vfu, int *ret_sock)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	int n, sock, err;

	if (stat(vfu->traddr, &st) < 0)
		return -errno;
	n = snprintf(sa.sun_path, sizeof(sa.sun_path), S_ISDIR(st.st_mode) ? "%s/cntrl" : "%s",
		     vfu->traddr);
	if (n >= (int)sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return -errno;
	if (connect(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		err = -errno;
		close(sock);
		return err;
	}
	*ret_sock = sock;
	return 0;
}

void nvhi_vfu_start(struct nvhi_pcie_bus *bus, struct nvh_reactor *home,
		    struct nvhi_pcie_start *start)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);
	int sock = -1, err;

	vfu->home = home;
	vfu->start = start;
	if (vfu->state != NVHI_VFU_OFF && !atomic_load(&vfu->gone)) {
		vfu_tell(vfu, 0);
		return;
	}
	vfu_off(vfu);
	if (vfu->sock >= 0)
		close(vfu->sock);
	bar0_unmap(vfu);
	err = vfu_connect(vfu, &sock);
	vfu->sock = sock;
	if (err) {
		snprintf(vfu->why, sizeof(vfu->why), "%s: %s%s", vfu->traddr, strerror(-err),
			 err == -ENOENT ? " (a target with a vfio-user listener there makes it)" : "");
		vfu_tell(vfu, err);
		return;
	}
	vfu_set(vfu, NVHI_VFU_GREETING);
	err = nvhi_source_add(home, &vfu->source, sock, NVHI_READABLE, vfu_on_readable);
	if (err) {
		vfu->state = NVHI_VFU_OFF;
		snprintf(vfu->why, sizeof(vfu->why), "%s: cannot watch its socket", vfu->traddr);
		vfu_tell(vfu, err);
		return;
	}
	err = nvhi_timer_arm(home, &vfu->deadline, start->timeout_ms * NVHI_NSEC_PER_MSEC);
	err = err ? err : ask_version(vfu);
	if (err)
		vfu_end(vfu, err, "%s: %s", vfu->traddr, strerror(-err));
}

void nvhi_vfu_abandon(struct nvhi_pcie_bus *bus)
{
	struct nvhi_vfu *vfu = nvhi_vfu_of(bus);

	vfu->start = NULL;
	vfu_off(vfu);
	nvhi_reactor_undefer(vfu->home, &vfu->answer);
}

void nvhi_vfu_session_init(struct nvhi_vfu *vfu)
{
	vfu->sock = -1;
	atomic_store(&vfu->gone, true);
	vfu->deadline.fn = vfu_on_deadline;
	vfu->answer.fn = vfu_answer;
	nvhi_list_init(&vfu->answer.link);
	nvhi_vfu_rx_init(&vfu->rx);
}

void nvhi_vfu_session_fini(struct nvhi_vfu *vfu)
{
	if (vfu->home)
		nvhi_vfu_abandon(&vfu->bus);
	bar0_unmap(vfu);
	if (vfu->sock >= 0)
		close(vfu->sock);
}
