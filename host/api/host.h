/*
 * The objects behind the public handles: the host and its controllers. Home reactor.
 */
#ifndef NVHI_HOST_API_HOST_H
#define NVHI_HOST_API_HOST_H

#include <nvhost/ctrlr.h>
#include <nvhost/host.h>

#include "host/api/api.h"
#include "host/ctrlr/ctrlr.h"
#include "multipath/multipath.h"

struct nvhi_api_memory {
	void *addr;
	size_t len;
	struct nvhi_list link;
};

/* A reactor has done all that it was asked for. */
struct nvhi_api_farewell {
	struct nvhi_msg msg;
	struct nvh_host *host;
};

struct nvh_host {
	struct nvhi_mp mp;
	struct nvhi_api_identity identity;
	struct nvh_host_events events;
	void *events_arg;
	struct nvhi_list ctrlrs; /* struct nvh_ctrlr.link */
	struct nvhi_list memory; /* struct nvhi_api_memory.link */
	struct nvhi_net *net;	 /* where byte streams come from; simulations put theirs here */
	struct nvhi_gate gate;	 /* that all attempts to connect pass */
	struct nvhi_api_link *links; /* link.c; NULL: not watched */
	uint64_t seed;		 /* of the next controller's jitter */
	uint32_t nr_discoveries; /* one-shots under way */
	bool connected_once;	 /* the other reactors run */
	bool closing, close_posted;
	struct nvhi_api_farewell *farewells; /* one a reactor but home */
	uint32_t nr_farewells;		     /* not yet answered; atomic */
	void (*close_done)(void *arg);
	void *close_arg;
	struct nvhi_msg close_msg;
};

static inline struct nvh_reactor *nvhi_api_home(const struct nvh_host *host)
{
	return host->mp.home;
}
/* Something went; perhaps it was the last. */
void nvhi_api_host_check_closed(struct nvh_host *host);

/* Waits for nvh_disconnect. */
struct nvhi_api_goodbye {
	void (*done)(void *arg);
	void *arg;
	struct nvhi_list link;
};

struct nvh_ctrlr {
	struct nvhi_ctrlr_owner owner;
	struct nvhi_mp_ctrlr mpc; /* joined unless `discovery` */
	struct nvhi_ctrlr *inner;
	struct nvh_host *host;
	struct nvhi_list link;
	bool discovery;
	bool attached; /* it was LIVE once */
	int instance;  /* the N of nvhN; -1 for other names */
	char name[32];
	nvh_connect_fn connect_done; /* NULL once told */
	void *connect_arg;
	struct nvhi_api_goodbye first_goodbye;
	struct nvhi_list goodbyes;
	bool has_why;
	struct nvhi_ctrlr_error why; /* of its end */
};

/* Options checked and translated; errbuf tells what is wrong. -EINVAL. */
int nvhi_api_connect_opts(struct nvh_host *host, const struct nvh_connect_opts *opts,
			  struct nvhi_ctrlr_opts *ret_inner, char *errbuf, size_t errbuf_len);
/* As nvh_connect, with translated options. */
int nvhi_api_connect(struct nvh_host *host, const struct nvhi_ctrlr_opts *inner, const char *name,
		     nvh_connect_fn done, void *arg, char *errbuf, size_t errbuf_len,
		     struct nvh_ctrlr **ret_ctrlr);

/* "auto", "strict", "off" (NULL: auto) and enum nvhi_write_fence. -EINVAL. */
const char *nvhi_api_write_fence_name(uint8_t mode);
int nvhi_api_write_fence_parse(const char *text);

/* link.c: an interface that comes up, or gets an address, ends the waits of those who are reconnecting.
 * Watched from the first wait on; nothing where the kernel does not tell. */
void nvhi_api_link_watch(struct nvh_host *host);
void nvhi_api_link_close(struct nvh_host *host);
/* wake.c: the peer may be back. Those that wait for their next attempt begin it: all at this address
 * and of this subsystem (NULL: any). */
void nvhi_api_wake(struct nvh_host *host, const char *traddr, const char *subnqn);
/* This one came back: others at its address try too; their back-off goes on. */
void nvhi_api_wake_neighbours(struct nvh_host *host, const struct nvh_ctrlr *back);

/* memory.c: a new controller learns what is registered. */
int nvhi_api_memory_attach(struct nvh_host *host, struct nvhi_ctrlr *inner);
void nvhi_api_memory_free(struct nvh_host *host);

#endif
