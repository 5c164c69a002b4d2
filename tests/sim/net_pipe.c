/*
 * Bytes under way in one direction: a ring of bytes, and chunks of it with the time they arrive.
 * Nothing overtakes within a direction. A chunk lost to a silent link arrives NEVER until the link
 * speaks again.
 */
#include "tests/sim/net_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void sim_pipe_init(struct sim_pipe *pipe)
{
	memset(pipe, 0, sizeof(*pipe));
	pipe->buf = malloc(sim_net.capacity);
}

void sim_pipe_done(struct sim_pipe *pipe)
{
	free(pipe->buf);
	pipe->buf = NULL;
}

static struct sim_chunk *chunk(struct sim_pipe *pipe, uint32_t i)
{
	return &pipe->chunks[(pipe->first + i) % SIM_CHUNKS];
}

size_t sim_pipe_arrived(const struct sim_pipe *pipe)
{
	size_t len = 0;

	for (uint32_t i = 0; i < pipe->count; i++) {
		const struct sim_chunk *c = &pipe->chunks[(pipe->first + i) % SIM_CHUNKS];

		if (c->arrive > sim.now)
			break;
		len += c->len;
	}
	return len;
}

size_t sim_pipe_room(const struct sim_pipe *pipe)
{
	return sim_net.capacity - pipe->len;
}

void sim_pipe_put(struct sim_pipe *pipe, uint64_t arrive, const void *bytes, size_t len)
{
	size_t at = (pipe->head + pipe->len) % sim_net.capacity;
	size_t first = sim_net.capacity - at < len ? sim_net.capacity - at : len;
	struct sim_chunk *last;

	assert(len <= sim_pipe_room(pipe));
	if (arrive < pipe->last_arrive)
		arrive = pipe->last_arrive;
	pipe->last_arrive = arrive;
	memcpy(pipe->buf + at, bytes, first);
	memcpy(pipe->buf, (const uint8_t *)bytes + first, len - first);
	pipe->len += len;
	pipe->sent += len;
	last = pipe->count ? chunk(pipe, pipe->count - 1) : NULL;
	if (last && (last->arrive == arrive || pipe->count == SIM_CHUNKS)) {
		last->len += len;
		last->arrive = arrive;
		return;
	}
	last = chunk(pipe, pipe->count++);
	last->arrive = arrive;
	last->len = len;
	sim_net.stats.chunks++;
}

void sim_pipe_take(struct sim_pipe *pipe, void *bytes, size_t len)
{
	size_t first = sim_net.capacity - pipe->head < len ? sim_net.capacity - pipe->head : len;

	memcpy(bytes, pipe->buf + pipe->head, first);
	memcpy((uint8_t *)bytes + first, pipe->buf, len - first);
	pipe->head = (pipe->head + len) % sim_net.capacity;
	pipe->len -= len;
	while (len > 0) {
		struct sim_chunk *c = chunk(pipe, 0);
		size_t part = c->len < len ? c->len : len;

		c->len -= part;
		len -= part;
		if (c->len == 0) {
			pipe->first = (pipe->first + 1) % SIM_CHUNKS;
			pipe->count--;
		}
	}
}

void sim_pipe_drop_unarrived(struct sim_pipe *pipe)
{
	while (pipe->count > 0) {
		struct sim_chunk *last = chunk(pipe, pipe->count - 1);

		if (last->arrive <= sim.now)
			break;
		pipe->len -= last->len;
		pipe->count--;
	}
	if (pipe->fin && pipe->fin_at > sim.now)
		pipe->fin = false;
	pipe->last_arrive = sim.now;
}

bool sim_pipe_fin_arrived(const struct sim_pipe *pipe)
{
	return pipe->fin && pipe->fin_at <= sim.now;
}

bool sim_pipe_rst_arrived(const struct sim_pipe *pipe)
{
	return pipe->rst && pipe->rst_at <= sim.now;
}

uint64_t sim_pipe_next(const struct sim_pipe *pipe)
{
	uint64_t next = NVHI_NEVER;

	for (uint32_t i = 0; i < pipe->count; i++) {
		const struct sim_chunk *c = &pipe->chunks[(pipe->first + i) % SIM_CHUNKS];

		if (c->arrive > sim.now) {
			next = c->arrive;
			break;
		}
	}
	if (pipe->fin && pipe->fin_at > sim.now && pipe->fin_at < next)
		next = pipe->fin_at;
	if (pipe->rst && pipe->rst_at > sim.now && pipe->rst_at < next)
		next = pipe->rst_at;
	return next;
}
