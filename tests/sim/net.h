/*
 * The simulated network: byte streams with latency in each direction, partial reads and writes,
 * backpressure; and links that can be cut, fall silent, slow down and refuse. Implements struct
 * nvhi_net (base/stream.h) for both ends. A link is one way from the host to one listener's
 * address.
 */
#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "base/stream.h"
#include "tests/sim/sim.h"

#define SIM_LINKS 4

enum sim_dir {
	SIM_TO_TARGET,
	SIM_TO_HOST,
};

/* The address of link i is 192.0.2.(i+1), port 4420. */
struct sim_link {
	uint64_t latency[2]; /* ns, by enum sim_dir */
	uint64_t jitter;
	uint64_t slow[2]; /* added for now: a delay spike */
	bool silent[2];   /* nothing arrives: a black hole */
	bool refuse;      /* no listener answers */
	bool dma;         /* not streams: dma.h */
	bool corrupt;     /* the next bytes behind a handshake get one turned over */
};

struct sim_net_stats {
	uint64_t connects, bytes, chunks, short_reads, short_writes, full;
	uint32_t streams, conns, listeners; /* now */
};

struct sim_net {
	struct nvhi_net net;
	struct sim_link links[SIM_LINKS];
	struct nvhi_list conns;     /* struct sim_conn.link_all */
	struct nvhi_list listeners; /* struct sim_listener.link_all */
	struct nvhi_list pollers;   /* struct sim_net_poller: one a reactor */
	uint32_t capacity;          /* bytes a direction holds */
	uint16_t next_port;
	bool changed;  /* since `next` was worked out */
	uint64_t next; /* when something arrives */
	struct sim_net_stats stats;
};
extern struct sim_net sim_net;

void sim_net_init(uint32_t capacity);
/* A stream, connection or listener that is left is a failure. */
void sim_net_done(void);
/* A reactor that streams live on; after the world's reactors were created, and before they go. */
void sim_net_serve(struct nvh_reactor *reactor);
void sim_net_unserve_all(void);
/* When something arrives next, NVHI_NEVER: nothing is under way. */
uint64_t sim_net_next(void);
/* Time has moved. */
void sim_net_passed(void);
/* Whether that reactor's streams may have something to tell. */
bool sim_net_wants_turn(struct nvh_reactor *reactor);

/* ---- faults; each returns whether there was anything to strike ------------------------------- */

/* Every connection of the link is reset, at both ends. */
bool sim_net_cut(unsigned int link);
/* One connection, drawn, is reset at both ends. */
bool sim_net_cut_one(unsigned int link);
/* One connection, drawn: both ends see an orderly end behind what was sent. */
bool sim_net_half_close(unsigned int link);
/* Silence begins: what is under way is lost with it and comes again after its end. */
void sim_net_silence(unsigned int link, enum sim_dir dir, bool on);
/* The kernel closes the streams of a process that was killed: connections made with a linger time of
 * none are reset, what they had not sent is lost. */
void sim_net_close_of(struct nvh_reactor *reactor);
unsigned int sim_net_link_conns(unsigned int link);

#endif
