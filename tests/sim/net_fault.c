/*
 * What goes wrong on links: resets, silence, half-closes.
 */
#include "tests/sim/dma.h"
#include "tests/sim/net_impl.h"

#include <assert.h>
#include <string.h>

static bool conn_is_up(const struct sim_conn *conn, unsigned int link)
{
	return conn->link == link && !conn->connecting && (conn->end[0] || conn->end[1]);
}

unsigned int sim_net_link_conns(unsigned int link)
{
	struct sim_conn *conn;
	unsigned int count = 0;

	nvhi_list_for_each(conn, &sim_net.conns, link_all)
		count += conn_is_up(conn, link);
	return count;
}

static struct sim_conn *draw_conn(unsigned int link)
{
	unsigned int count = sim_net_link_conns(link), which;
	struct sim_conn *conn;

	if (!count)
		return NULL;
	which = (unsigned int)sim_below(sim_rng(SIM_RNG_FAULT), count);
	nvhi_list_for_each(conn, &sim_net.conns, link_all)
		if (conn_is_up(conn, link) && which-- == 0)
			return conn;
	return NULL;
}

static void conn_reset(struct sim_conn *conn)
{
	sim_net_attention();
	for (int dir = 0; dir < 2; dir++) {
		struct sim_pipe *pipe = &conn->pipe[dir];

		sim_pipe_drop_unarrived(pipe);
		pipe->rst = true;
		pipe->rst_at = sim.now;
	}
}

bool sim_net_cut(unsigned int link)
{
	struct sim_conn *conn;
	bool any = false;

	if (sim_net.links[link].dma)
		return sim_dma_cut(link, false);

	nvhi_list_for_each(conn, &sim_net.conns, link_all) {
		if (!conn_is_up(conn, link))
			continue;
		conn_reset(conn);
		any = true;
	}
	return any;
}

bool sim_net_cut_one(unsigned int link)
{
	struct sim_conn *conn;

	if (sim_net.links[link].dma)
		return sim_dma_cut(link, true);
	conn = draw_conn(link);
	if (conn)
		conn_reset(conn);
	return conn != NULL;
}

void sim_net_close_of(struct nvh_reactor *reactor)
{
	struct sim_net_poller *poller = sim_net_poller(reactor);
	struct sim_stream *s, *next;

	nvhi_list_for_each_safe(s, next, &poller->streams, link)
		s->stream.ops->close(&s->stream, true);
}

bool sim_net_half_close(unsigned int link)
{
	struct sim_conn *conn = draw_conn(link);
	struct sim_pipe *pipe;

	if (!conn)
		return false;
	pipe = &conn->pipe[sim_below(sim_rng(SIM_RNG_FAULT), 2)];
	if (pipe->fin || pipe->last_arrive == NVHI_NEVER)
		return false;
	sim_net_attention();
	pipe->fin = true;
	pipe->fin_at = pipe->last_arrive > sim.now ? pipe->last_arrive : sim.now;
	return true;
}

/* ---- silence --------------------------------------------------------------------------------- */

static void pipe_silence(struct sim_pipe *pipe)
{
	for (uint32_t i = 0; i < pipe->count; i++) {
		struct sim_chunk *c = &pipe->chunks[(pipe->first + i) % SIM_CHUNKS];

		if (c->arrive > sim.now)
			pipe->last_arrive = c->arrive = NVHI_NEVER;
	}
	if (pipe->fin && pipe->fin_at > sim.now)
		pipe->fin_at = NVHI_NEVER;
	if (pipe->rst && pipe->rst_at > sim.now)
		pipe->rst = false; /* nobody repeats a reset */
}

/* The sender's retransmission, up to 200 ms later, brings all that was lost. */
static void pipe_speak(struct sim_conn *conn, enum sim_dir dir)
{
	struct sim_link *link = &sim_net.links[conn->link];
	uint64_t again =
		sim_link_arrival(link, dir) + sim_below(sim_rng(SIM_RNG_NET), 200 * SIM_MS);
	struct sim_pipe *pipe = &conn->pipe[dir], *back = &conn->pipe[!dir];
	bool lost = false;

	for (uint32_t i = 0; i < pipe->count; i++) {
		struct sim_chunk *c = &pipe->chunks[(pipe->first + i) % SIM_CHUNKS];

		if (c->arrive == NVHI_NEVER) {
			c->arrive = again;
			lost = true;
		}
	}
	if (pipe->fin && pipe->fin_at == NVHI_NEVER) {
		pipe->fin_at = again;
		lost = true;
	}
	if (lost || pipe->last_arrive == NVHI_NEVER)
		pipe->last_arrive = again;
	/* Who hears a dead connection's bytes answers with a reset. */
	if (lost && !conn->end[dir == SIM_TO_TARGET ? 1 : 0] && !conn->pending && !back->rst &&
	    !link->silent[!dir]) {
		back->rst = true;
		back->rst_at = again + link->latency[!dir];
	}
}

void sim_net_silence(unsigned int link, enum sim_dir dir, bool on)
{
	struct sim_link *l = &sim_net.links[link];
	struct sim_conn *conn;

	if (l->silent[dir] == on)
		return;
	l->silent[dir] = on;
	sim_net_attention();
	nvhi_list_for_each(conn, &sim_net.conns, link_all) {
		if (conn->link != link)
			continue;
		if (conn->connecting) {
			if (on)
				conn->syn_at = NVHI_NEVER;
			else if (!l->silent[!dir])
				conn->syn_at = sim.now + sim_below(sim_rng(SIM_RNG_NET), SIM_S);
		} else if (on) {
			pipe_silence(&conn->pipe[dir]);
		} else {
			pipe_speak(conn, dir);
		}
	}
}
