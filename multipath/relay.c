/*
 * I/O from a reactor that has no path: a controller may grant fewer queues than there are reactors,
 * after a reconnect too, and another one, with more queues, may be lost. Such I/O travels as a message to the home reactor, which always
 * has one, goes out through a channel there, and comes back as a message. Slower by two hops, but
 * it ends; the fast path pays one branch. Half of this runs on the channel's reactor, half on home,
 * as marked.
 */
#include <errno.h>

#include "base/log.h"
#include "multipath/head.h"

bool nvhi_channel_must_relay(const struct nvh_channel *channel)
{
	const struct nvh_ns *ns = channel->ns;

	return channel->index != 0 &&
	       !(__atomic_load_n(&ns->usable[channel->index], __ATOMIC_RELAXED) & NVHI_HERE_NOW) &&
	       (__atomic_load_n(&ns->usable[0], __ATOMIC_RELAXED) & NVHI_HERE_NOW);
}

/* The channel's reactor: both messages are back. */
static void relay_end(struct nvhi_io *io)
{
	struct nvh_cpl cpl = io->cpl;

	io->origin->outstanding--;
	io->origin = NULL;
	io->pub.done(io->pub.arg, io->err, io->err ? NULL : &cpl);
}

/* The channel's reactor. */
static void relay_on_return(struct nvhi_msg *msg)
{
	struct nvhi_io *io = nvhi_container_of(msg, struct nvhi_io, relay_msg);

	io->returned = true;
	if (!io->recalled)
		relay_end(io);
}

/* Home. */
void nvhi_io_relay_back(struct nvhi_io *io, int err, const struct nvh_cpl *cpl)
{
	io->err = err;
	if (!err)
		io->cpl = *cpl;
	io->at_home = false;
	io->relay_msg.fn = relay_on_return;
	nvhi_reactor_post(io->origin->reactor, &io->relay_msg);
}

/* Home. */
static void relay_on_arrival(struct nvhi_msg *msg)
{
	struct nvhi_io *io = nvhi_container_of(msg, struct nvhi_io, relay_msg);
	struct nvh_channel *origin = io->origin;
	int err = 0;

	if (!origin->relay) {
		err = nvhi_channel_open(origin->ns, origin->ns->mp->home, &origin->relay);
		if (!err)
			nvhi_log(INFO, MPATH, "%s: %s has no path, its I/O goes through %s",
				 origin->ns->name, nvhi_reactor_name(origin->reactor),
				 nvhi_reactor_name(origin->ns->mp->home));
	}
	io->at_home = true;
	if (!err)
		err = nvhi_channel_submit_any(origin->relay, &io->pub);
	if (err)
		nvhi_io_relay_back(io, err, NULL);
}

/* The channel's reactor. The io is on no list and has nothing out. */
void nvhi_io_relay(struct nvhi_io *io)
{
	nvhi_failover_io_ends(io);
	nvhi_io_uncount_waiting(io);
	io->origin = io->channel;
	io->returned = io->recalled = false;
	io->state =
		NVHI_IO_STATE_IDLE; /* its states from now on are those of the channel at home */
	io->relay_msg.fn = relay_on_arrival;
	nvhi_reactor_post(io->origin->ns->mp->home, &io->relay_msg);
}

/* The channel's reactor: the recall is back, and the io, if it came first, may end. */
static void recall_on_return(struct nvhi_msg *msg)
{
	struct nvhi_io *io = nvhi_container_of(msg, struct nvhi_io, recall_msg);

	io->recalled = false;
	if (io->returned)
		relay_end(io);
}

/* Home. */
static void recall_on_arrival(struct nvhi_msg *msg)
{
	struct nvhi_io *io = nvhi_container_of(msg, struct nvhi_io, recall_msg);

	if (io->at_home)
		nvhi_channel_cancel(io->origin->relay, &io->pub);
	io->recall_msg.fn = recall_on_return;
	nvhi_reactor_post(io->origin->reactor, &io->recall_msg);
}

/* The channel's reactor. The io is not the caller's again before the recall is back. */
void nvhi_io_recall(struct nvhi_io *io)
{
	if (io->recalled || io->returned)
		return;
	io->recalled = true;
	io->recall_msg.fn = recall_on_arrival;
	nvhi_reactor_post(io->origin->ns->mp->home, &io->recall_msg);
}
