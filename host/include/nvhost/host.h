/*
 * The host: an identity (host NQN, host ID) and all that is connected under it.
 */
#ifndef NVHOST_HOST_H
#define NVHOST_HOST_H

#include <nvhost/reactor.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct nvh_host;
struct nvh_ctrlr;
struct nvh_ns;
struct nvh_failover;

/* Attach and remove, in the manner of spdk_nvme_probe: all optional, all on the home reactor. A new
 * controller is told first, then its namespaces, then nvh_connect_fn; an end the other way round. They
 * may call anything but the synchronous calls. */
struct nvh_host_events {
	/* A controller became live for the first time / came back / was lost / is gone for good. */
	void (*ctrlr_attached)(void *arg, struct nvh_ctrlr *ctrlr);
	void (*ctrlr_state)(void *arg, struct nvh_ctrlr *ctrlr);
	void (*ctrlr_removed)(void *arg, struct nvh_ctrlr *ctrlr);
	/* A namespace appeared / changed (size, identity, paths) / is about to go: close your channels.
	 * It stays valid until its last channel is closed. */
	void (*ns_added)(void *arg, struct nvh_ns *ns);
	void (*ns_changed)(void *arg, struct nvh_ns *ns);
	void (*ns_removed)(void *arg, struct nvh_ns *ns);
	/* An asynchronous event that the library does not handle alone: ANA or discovery log changed
	 * (type 2, info F0h: read the log again), SMART, reservations. */
	void (*ctrlr_notice)(void *arg, struct nvh_ctrlr *ctrlr, uint8_t type, uint8_t info,
			     uint8_t lid);
	/* A fence is over; see nvh_host_assoc. */
	void (*fence_over)(void *arg);
	/* A step of a failover: detected, fenced, selected, first success, returned (failover.h). */
	void (*failover)(void *arg, const struct nvh_failover *failover);
};

struct nvh_host_opts {
	size_t size;
	const char *hostnqn;	/* NULL: /etc/nvme/hostnqn, else the user's own file, made when missing */
	const char *hostid;	/* UUID text; NULL: /etc/nvme/hostid when the NQN came from there too, else that
				 * of a uuid hostnqn, else /etc/nvme/hostid, else one made and kept */
	struct nvh_reactor *const *reactors; /* [0] is the home reactor; I/O may run on each */
	unsigned int nr_reactors;	     /* at least 1 */
	const struct nvh_host_events *events;
	void *events_arg;
};

/* NVHOST_CONFIG_DIR in the environment names one folder that stands for both of these places.
 * -EINVAL (bad NQN or UUID: a log line names it; no reactor, or one twice), -ENOMEM, -EPERM. The
 * reactors must outlive the host. */
int nvh_host_create(const struct nvh_host_opts *opts, struct nvh_host **ret_host);
/* Disconnects everything (orderly shutdown, bounded), then calls done; the host is then freed.
 * Home reactor. All channels must have been closed; all reactors run until done is called. */
void nvh_host_close(struct nvh_host *host, void (*done)(void *arg), void *arg);
const char *nvh_host_nqn(const struct nvh_host *host);
/* 36 characters and NUL. */
void nvh_host_id(const struct nvh_host *host, char ret_text[37]);
struct nvh_reactor *nvh_host_home(const struct nvh_host *host);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
