/*
 * Channels and I/O behind their public names. What happens to an I/O is multipath's.
 */
#include <errno.h>
#include <string.h>

#include <nvhost/io.h>

#include "base/fork.h"
#include "multipath/io.h"
#include "multipath/multipath.h"

size_t nvh_io_size(void)
{
	return sizeof(struct nvhi_io);
}

void nvh_io_init(struct nvh_io *io)
{
	memset(nvhi_io_of(io), 0, sizeof(struct nvhi_io));
}

int nvh_channel_open(struct nvh_ns *ns, struct nvh_reactor *reactor,
		     struct nvh_channel **ret_channel)
{
	if (nvhi_forked())
		return -EPERM;
	return nvhi_channel_open(ns, reactor, ret_channel);
}

void nvh_channel_close(struct nvh_channel *channel)
{
	if (channel && !nvhi_forked())
		nvhi_channel_close(channel);
}

struct nvh_ns *nvh_channel_ns(const struct nvh_channel *channel)
{
	return nvhi_channel_ns(channel);
}

int nvh_submit(struct nvh_channel *channel, struct nvh_io *io)
{
	if (nvhi_forked())
		return -EPERM;
	return nvhi_channel_submit(channel, io);
}

void nvh_cancel(struct nvh_channel *channel, struct nvh_io *io)
{
	if (!nvhi_forked())
		nvhi_channel_cancel(channel, io);
}
