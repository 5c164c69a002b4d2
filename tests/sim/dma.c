/*
 * Connections without bytes and what travels on them: see dma.h. A message waits while its link is
 * silent, and breaks its connection when that lasts; nothing overtakes within a direction.
 */
#include "tests/sim/dma.h"

#include <stdlib.h>
#include <string.h>

#define SILENCE_STEP  (5 * SIM_MS)
#define SILENCE_LIMIT (1500 * SIM_MS)

static struct {
	struct nvhi_list conns, ghosts;
	uint64_t count;
} dma;

struct dma_ghost {
	struct nvhi_timer timer;
	struct nvh_reactor *reactor;
	struct iovec iov;
	struct nvhi_list link;
};

uint64_t sim_dma_late;

/* ---- connections ------------------------------------------------------------------------------
 */

struct dma_conn *dma_conn_new(unsigned int link, struct dma_host *host, struct nvh_reactor *reactor)
{
	struct dma_conn *conn = calloc(1, sizeof(*conn));

	conn->link = link;
	conn->number = ++dma.count;
	conn->host = host;
	conn->reactor[SIM_TO_HOST] = reactor;
	nvhi_list_init(&conn->msgs);
	nvhi_list_add_tail(&dma.conns, &conn->link_all);
	return conn;
}

void dma_conn_check_free(struct dma_conn *conn)
{
	if (conn->host || conn->target || conn->delivering || !nvhi_list_empty(&conn->msgs))
		return;
	nvhi_list_del(&conn->link_all);
	free(conn);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

struct dma_msg *dma_msg_new(struct dma_conn *conn, enum dma_what what)
{
	struct dma_msg *msg = calloc(1, sizeof(*msg));

	msg->conn = conn;
	msg->what = what;
	nvhi_list_init(&msg->link);
	return msg;
}

static void msg_free(struct dma_msg *msg)
{
	nvhi_timer_cancel(msg->conn->reactor[msg->dir], &msg->timer);
	nvhi_list_del(&msg->link);
	if (msg->treq)
		dma_target_unfetched(msg->treq);
	free(msg->data);
	free(msg);
}

static bool msg_is_first(const struct dma_msg *msg)
{
	const struct dma_msg *other;

	nvhi_list_for_each(other, &msg->conn->msgs, link)
		if (other->dir == msg->dir)
			return other == msg;
	return false;
}

static void msg_again(struct dma_msg *msg, uint64_t ns)
{
	nvhi_timer_arm_at(msg->conn->reactor[msg->dir], &msg->timer, sim.now + ns);
}

static void msg_deliver(struct dma_msg *msg)
{
	struct dma_conn *conn = msg->conn;

	SIM_TRACE("dma %llu: message %llu arrives, slot %llu", conn->number, msg->what, msg->slot);
	if (msg->what == DMA_CONNECT) {
		conn->target = dma_target_accept(conn);
		if (!conn->target)
			dma_send(dma_msg_new(conn, DMA_REFUSED), SIM_TO_HOST, 0);
	} else if (msg->dir == SIM_TO_TARGET && conn->target) {
		dma_target_deliver(conn->target, msg);
	} else if (msg->dir == SIM_TO_HOST && conn->host) {
		dma_host_deliver(conn->host, msg);
	}
}

static void msg_fired(struct nvhi_timer *timer)
{
	struct dma_msg *msg = nvhi_container_of(timer, struct dma_msg, timer);
	struct dma_conn *conn = msg->conn;

	if (!msg_is_first(msg)) {
		msg_again(msg, SIM_MS);
		return;
	}
	if (sim_net.links[conn->link].silent[msg->dir] && !conn->broken) {
		msg->waited += SILENCE_STEP;
		if (msg->waited < SILENCE_LIMIT)
			msg_again(msg, SILENCE_STEP);
		else
			dma_break(conn); /* and this message with it, or not */
		return;
	}
	nvhi_list_del(&msg->link);
	conn->delivering = true;
	msg_deliver(msg);
	msg_free(msg);
	conn->delivering = false;
	dma_conn_check_free(conn);
}

void dma_send(struct dma_msg *msg, enum sim_dir dir, uint64_t extra)
{
	struct dma_conn *conn = msg->conn;
	const struct sim_link *link = &sim_net.links[conn->link];
	uint64_t at = sim.now + link->latency[dir] + link->slow[dir] + extra;

	if (link->jitter)
		at += sim_below(sim_rng(SIM_RNG_NET), link->jitter);
	if (at < conn->last[dir])
		at = conn->last[dir];
	conn->last[dir] = at;
	msg->dir = dir;
	msg->timer.fn = msg_fired;
	nvhi_list_add_tail(&conn->msgs, &msg->link);
	nvhi_timer_arm_at(conn->reactor[dir], &msg->timer, at);
}

void dma_drop(struct dma_conn *conn, uint32_t kinds)
{
	struct dma_msg *msg, *tmp;

	nvhi_list_for_each_safe(msg, tmp, &conn->msgs, link)
		if (kinds & 1u << msg->what)
			msg_free(msg);
}

/* ---- breaking ---------------------------------------------------------------------------------
 */

void dma_break(struct dma_conn *conn)
{
	struct dma_msg *msg, *tmp;

	if (conn->broken)
		return;
	SIM_TRACE("dma %llu of link %llu breaks", conn->number, conn->link);
	conn->broken = true;
	nvhi_list_for_each_safe(msg, tmp, &conn->msgs, link) {
		if (msg->what == DMA_DATA && conn->host && sim_chance(sim_rng(SIM_RNG_NET), 50))
			msg_again(msg, sim_below(sim_rng(SIM_RNG_NET), 20 * SIM_MS));
		else
			msg_free(msg);
	}
	if (conn->host)
		dma_host_broken(conn->host);
	if (conn->target)
		dma_target_broken(conn->target);
	dma_conn_check_free(conn);
}

bool sim_dma_cut(unsigned int link, bool one)
{
	struct dma_conn *conn, *tmp;
	uint64_t count = 0, which;

	nvhi_list_for_each(conn, &dma.conns, link_all)
		count += conn->link == link && !conn->broken;
	if (!count)
		return false;
	which = sim_below(sim_rng(SIM_RNG_FAULT), count);
	nvhi_list_for_each_safe(conn, tmp, &dma.conns, link_all)
		if (conn->link == link && !conn->broken && (!one || which-- == 0))
			dma_break(conn);
	return true;
}

/* ---- the mutant -------------------------------------------------------------------------------
 */

static void ghost_free(struct dma_ghost *ghost)
{
	nvhi_timer_cancel(ghost->reactor, &ghost->timer);
	nvhi_list_del(&ghost->link);
	free(ghost);
}

static void ghost_strikes(struct nvhi_timer *timer)
{
	struct dma_ghost *ghost = nvhi_container_of(timer, struct dma_ghost, timer);

	memset(ghost->iov.iov_base, 0x66, ghost->iov.iov_len);
	sim.mutations++;
	ghost_free(ghost);
}

void dma_haunt(struct nvh_reactor *reactor, const struct iovec *iov)
{
	struct dma_ghost *ghost = calloc(1, sizeof(*ghost));

	ghost->reactor = reactor;
	ghost->iov = *iov;
	ghost->timer.fn = ghost_strikes;
	nvhi_list_add_tail(&dma.ghosts, &ghost->link);
	nvhi_timer_arm(reactor, &ghost->timer, sim_below(sim_rng(SIM_RNG_NET), 10 * SIM_MS));
}

void sim_dma_init(void)
{
	nvhi_list_init(&dma.conns);
	nvhi_list_init(&dma.ghosts);
	dma.count = 0;
}

void sim_dma_done(void)
{
	while (!nvhi_list_empty(&dma.ghosts))
		ghost_free(nvhi_list_first(&dma.ghosts, struct dma_ghost, link));
	if (!nvhi_list_empty(&dma.conns))
		sim_fail("a connection of the DMA transport is left (%llu)",
			 (unsigned long long)nvhi_list_first(&dma.conns, struct dma_conn, link_all)
				 ->number);
}
