/*
 * Who else comes to the targets: strangers that talk nonsense, or nothing at all, and go; queue pairs
 * taken back before they connect; and the host as a discovery controller's client. They must disturb nobody and leave nothing behind. Drawn
 * apart from all other numbers, as rig.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/spec/nvme_tcp.h"
#include "fabric/tcp/tcp.h"
#include "host/api/host.h"
#include "tests/sim/world.h"

struct stranger {
	struct nvhi_stream *stream; /* NULL: not there */
	struct nvhi_timer timer;    /* comes, or goes */
	bool said;
};

static struct {
	struct sim_rng rng, timid;
	bool wanted, stopped;
	struct stranger stranger;
	struct nvh_ctrlr *discovery;
} visitors;

bool sim_visitors_wanted(void)
{
	return visitors.wanted;
}

/* ---- a queue pair that is taken back before it has begun --------------------------------------
 */

static void timid_revoked(struct nvhi_qpair *qpair)
{
	struct nvhi_tctrlr *tctrlr = qpair->tctrlr;

	nvhi_transport_tcp.qpair_destroy(qpair);
	nvhi_transport_tcp.tctrlr_close(tctrlr);
}

static void timid_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	(void)cpl;
	sim_fail("%s: connected (%d), and nobody asked for it", qpair->name, err);
}

static void timid_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	sim_fail("%s: lost (%d: %s), and it was never there", qpair->name, err, why);
}

static void timid_comes(void)
{
	static const struct nvhi_qpair_events events = {
		.connected = timid_connected, .lost = timid_lost, .revoked = timid_revoked};
	struct nvhi_tctrlr_opts opts = {.addr.trtype = NVH_TRTYPE_TCP,
					.tos = -1,
					.connect_timeout_ms = 1000,
					.net = &sim_net.net,
					.name = "timid"};
	struct nvhi_qpair_opts qopts = {
		.reactor = sim_world.world, .entries = 32, .events = &events};
	struct nvhi_tctrlr *tctrlr;
	struct nvhi_qpair *qpair;

	if (nvhi_transport_tcp.tctrlr_open(&opts, &tctrlr))
		return;
	if (nvhi_transport_tcp.qpair_create(tctrlr, &qopts, &qpair)) {
		nvhi_transport_tcp.tctrlr_close(tctrlr);
		return;
	}
	nvhi_transport_tcp.revoke(qpair);
}

/* ---- strangers --------------------------------------------------------------------------------
 */

static void stranger_leaves(struct stranger *s)
{
	if (!s->stream)
		return;
	s->stream->ops->close(s->stream, sim_chance(&visitors.rng, 50));
	s->stream = NULL;
}

/* Noise, or an ICReq that is nearly right. */
static void stranger_speaks(struct stranger *s)
{
	uint8_t bytes[200];
	struct nvh_tcp_icreq *icreq = (struct nvh_tcp_icreq *)bytes;
	struct iovec iov = {.iov_base = bytes, .iov_len = sim_between(&visitors.rng, 1, 200)};

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)sim_next(&visitors.rng);
	if (sim_chance(&visitors.rng, 50)) {
		icreq->ch.type = NVH_TCP_IC_REQ;
		icreq->ch.flags = 0;
		icreq->ch.hlen = icreq->ch.plen.b[0] = sizeof(*icreq);
		icreq->ch.pdo = icreq->ch.plen.b[1] = icreq->ch.plen.b[2] = icreq->ch.plen.b[3] = 0;
	}
	s->said = true;
	sim_counts.strangers++;
	s->stream->ops->writev(s->stream, &iov, 1, false);
}

static int stranger_event(struct nvhi_stream *stream, unsigned int events)
{
	struct stranger *s = stream->owner;
	uint8_t sink[64];
	struct iovec iov = {.iov_base = sink, .iov_len = sizeof(sink)};
	ssize_t got;

	if (events & NVHI_STREAM_OPEN && !s->said && sim_chance(&visitors.rng, 80))
		stranger_speaks(s);
	stream->ops->want(stream, NVHI_READABLE);
	got = events & NVHI_HANGUP ? 0 : stream->ops->readv(stream, &iov, 1);
	if (got == 0 || (got < 0 && got != -EAGAIN))
		stranger_leaves(s);
	return 1;
}

static void stranger_comes(struct stranger *s)
{
	unsigned int link = (unsigned int)sim_below(&visitors.rng, sim_world.plan.nr_links);
	struct nvhi_stream_connect_opts opts = {.tos = -1, .peer_len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *in = (struct sockaddr_in *)&opts.peer;

	if (sim_net.links[link].dma)
		return;
	in->sin_family = AF_INET;
	in->sin_addr.s_addr = htonl(0xc0000201u + link);
	in->sin_port = htons(4420);
	s->said = false;
	if (sim_net.net.ops->connect(&sim_net.net, sim_world.world, &opts, stranger_event,
				     &s->stream)) {
		s->stream = NULL;
		return;
	}
	s->stream->owner = s;
	s->stream->ops->want(s->stream, NVHI_READABLE | NVHI_WRITABLE);
}

static void stranger_timer(struct nvhi_timer *timer)
{
	struct stranger *s = nvhi_container_of(timer, struct stranger, timer);

	if (visitors.stopped)
		return;
	if (s->stream)
		stranger_leaves(s);
	else
		stranger_comes(s);
	if (sim_chance(&visitors.timid, 6))
		timid_comes();
	nvhi_timer_arm(sim_world.world, timer, sim_between(&visitors.rng, 1, 600) * SIM_MS);
}

/* ---- discovery --------------------------------------------------------------------------------
 */

struct nvhi_ctrlr_opts *sim_visitors_discovery(struct nvh_host *host, struct nvhi_ctrlr_opts *inner)
{
	struct nvh_connect_opts opts;
	char why[256];

	if (!visitors.wanted || sim_net.links[0].dma)
		return NULL;
	nvh_connect_opts_init(&opts, sizeof(opts));
	opts.transport = "tcp";
	opts.traddr = "192.0.2.1";
	opts.trsvcid = "4420";
	opts.persistent = true;
	opts.keep_alive_tmo_ms = 1000;
	opts.reconnect_delay_ms = 50;
	if (nvhi_api_connect_opts(host, &opts, inner, why, sizeof(why)))
		sim_fail("discovery: %s", why);
	inner->transport.net = &sim_net.net;
	inner->seed = sim_next(&visitors.rng);
	return inner;
}

/* ---- life -------------------------------------------------------------------------------------
 */

void sim_visitors_draw(void)
{
	memset(&visitors, 0, sizeof(visitors));
	visitors.rng.state = sim.seed ^ 0x715;
	visitors.timid.state = sim.seed ^ 0x716;
	visitors.wanted = sim_chance(&visitors.rng, 20);
	visitors.stranger.timer.fn = stranger_timer;
}

void sim_visitors_start(void)
{
	if (visitors.wanted)
		nvhi_timer_arm(sim_world.world, &visitors.stranger.timer, SIM_MS);
}

void sim_visitors_stop(void)
{
	visitors.stopped = true;
	nvhi_timer_cancel(sim_world.world, &visitors.stranger.timer);
	stranger_leaves(&visitors.stranger);
}

bool sim_visitors_impatient(void)
{
	return visitors.wanted && sim_chance(&visitors.rng, 20);
}
