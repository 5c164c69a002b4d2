/*
 * Connection management on a reactor: a channel of rdma_cm events whose descriptor is a source of
 * the reactor, and the ids that report through it. An event is copied and acknowledged before its
 * id hears of it, so the handler may destroy that id, any other, and close the channel (whose
 * memory must outlive the handler).
 *
 * Channel and ids are touched by the channel's reactor alone; nvhi_rdma_id_adopt moves an id that
 * was accepted elsewhere. Everything is asynchronous: a call starts a step, an event tells its
 * outcome.
 */
#ifndef NVHI_FABRIC_RDMA_CM_H
#define NVHI_FABRIC_RDMA_CM_H

#include "base/reactor.h"
#include "base/spec/nvme_rdma.h"
#include "fabric/rdma/verbs.h"

struct nvhi_rdma_id;

/*
 * `event` is a copy that lives until the handler returns, private data included (NULL when none
 * came). On a listening id RDMA_CM_EVENT_CONNECT_REQUEST brings the new connection in event->id:
 * the handler adopts it, or refuses it by nvhi_rdma_refuse; it must do one of them. Until it is
 * adopted its other events come to the listening id, with event->id naming it.
 */
typedef void (*nvhi_rdma_event_fn)(struct nvhi_rdma_id *id, const struct rdma_cm_event *event);

struct nvhi_rdma_cm {
	const struct nvhi_verbs *verbs;
	struct nvh_reactor *reactor;
	struct rdma_event_channel *channel; /* NULL: not open */
	struct nvhi_source source;
};

/* Zeroed before use; `name` stands in log lines. */
struct nvhi_rdma_id {
	const struct nvhi_verbs *verbs;
	struct rdma_cm_id *cm_id; /* NULL: none */
	nvhi_rdma_event_fn fn;
	const char *name;
};

/*
 * Opens a channel on the reactor. -ENODEV: this machine has no RDMA device or its modules are not
 * loaded; -ENOSYS: no rdma-core: both with one line in errbuf that says what to do. Other -errno
 * likewise. Owner thread.
 */
int nvhi_rdma_cm_open(struct nvhi_rdma_cm *cm, struct nvh_reactor *reactor, char *errbuf,
		      size_t errbuf_len);
/* Closes it; its ids must be destroyed. Harmless when not open. */
void nvhi_rdma_cm_close(struct nvhi_rdma_cm *cm);

/* A new id of the TCP port space. 0/-errno. */
int nvhi_rdma_id_create(struct nvhi_rdma_cm *cm, struct nvhi_rdma_id *id, const char *name,
			nvhi_rdma_event_fn fn);
/* Takes the id of a CONNECT_REQUEST, in its handler; when `cm` is another channel (of another
 * reactor) the id moves there, which waits for nothing but system calls, and its events may come to
 * `fn` there before this returns. 0/-errno: still the caller's. */
int nvhi_rdma_id_adopt(struct nvhi_rdma_cm *cm, struct nvhi_rdma_id *id, struct rdma_cm_id *cm_id,
		       const char *name, nvhi_rdma_event_fn fn);
/* Destroys the queue pair, if there is one, and the id. After it returns the device touches no
 * memory for this queue pair and no event comes. Harmless when there is none. */
void nvhi_rdma_id_destroy(struct nvhi_rdma_id *id);

/* Refuses a connection request with private data that says why (an NVMe/RDMA reject), and destroys
 * its id. */
void nvhi_rdma_refuse(const struct nvhi_verbs *verbs, struct rdma_cm_id *cm_id,
		      enum nvh_rdma_cm_status sts);

/*
 * Why an id failed, in words for the user, from an event that is no success ("refused: invalid
 * HSQSIZE", "no route to it over RDMA: ..."). Returns -errno: -ECONNREFUSED, -EHOSTUNREACH,
 * -ETIMEDOUT, -ECONNRESET, -ENODEV, -EPROTO...
 */
int nvhi_rdma_event_error(const struct nvhi_verbs *verbs, const struct rdma_cm_event *event,
			  char *text, size_t len);

/* Text of the two ends ("192.168.0.1:4420"); "" when not bound. */
void nvhi_rdma_id_names(const struct nvhi_rdma_id *id, char *local, size_t local_len, char *peer,
			size_t peer_len);

#endif
