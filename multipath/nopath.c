/*
 * No usable path: how long I/O waits for one, and how much of it (docs/multipath.md, "No usable
 * path"). One clock a channel, from the moment when its last good path went, whatever took it: the
 * connection, an ANA state, or statuses that refuse each command. So a subsystem whose paths are all
 * connected and all inaccessible is bounded as one that cannot be reached is. Home decides the bound
 * and tells it in words that the channels' reactors read; these do the rest.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "multipath/head.h"

/* A channel that was just opened has its paths on the way to it, unless home knows of none. */
#define NO_PATH_OPENING_NS NVHI_NSEC_PER_SEC

/* ---- the setting ------------------------------------------------------------------------------- */

int nvhi_no_path_parse(const char *text, struct nvhi_no_path *ret_setting)
{
	struct nvhi_no_path setting = {.until_loss = !text};
	unsigned long seconds;
	char *end;

	if (!text) {
		setting.wait_ns = NVHI_NEVER;
	} else if (!strcmp(text, "queue")) {
		setting.wait_ns = NVHI_NEVER;
	} else if (!strncmp(text, "queue:", 6) && text[6] >= '0' && text[6] <= '9') {
		errno = 0;
		seconds = strtoul(text + 6, &end, 10);
		if (errno || *end || seconds > NVHI_NO_PATH_MAX_S)
			return -EINVAL;
		setting.wait_ns = seconds * NVHI_NSEC_PER_SEC;
	} else if (strcmp(text, "fail") != 0) {
		return -EINVAL;
	}
	*ret_setting = setting;
	return 0;
}

/* ---- home -------------------------------------------------------------------------------------- */

/* The longest that one of its paths is tried for; of seconds, -1 is for ever. */
static uint64_t longest(uint64_t a, int seconds)
{
	uint64_t b = seconds < 0 ? NVHI_NEVER : (uint64_t)seconds * NVHI_NSEC_PER_SEC;

	return a > b ? a : b;
}

static uint64_t head_wait_ns(const struct nvh_ns *head)
{
	const struct nvhi_no_path *setting = nvhi_head_no_path(head);
	uint64_t loss = 0, fast = 0, wait = setting->wait_ns;
	const struct nvhi_path *path;

	nvhi_list_for_each(path, &head->paths, head_link) {
		const struct nvhi_ctrlr_opts *opts = nvhi_ctrlr_opts(path->mpc->ctrlr);

		loss = longest(loss, opts->ctrl_loss_tmo_s);
		fast = longest(fast, opts->fast_io_fail_tmo_s);
	}
	if (setting->until_loss)
		wait = loss;
	return fast < wait ? fast : wait;
}

bool nvhi_head_publish_no_path(struct nvh_ns *head)
{
	uint64_t wait = head_wait_ns(head), max = nvhi_head_no_path(head)->max_bytes;
	bool changed = __atomic_exchange_n(&head->no_path_ns, wait, __ATOMIC_ACQ_REL) != wait;

	__atomic_store_n(&head->no_path_max, max, __ATOMIC_RELAXED);
	return changed;
}

const struct nvhi_no_path *nvhi_head_no_path(const struct nvh_ns *head)
{
	return head->no_path_own || !head->subsys ? &head->no_path : &head->subsys->no_path;
}

void nvhi_mp_ns_set_no_path(struct nvh_ns *head, const struct nvhi_no_path *setting)
{
	head->no_path = *setting;
	head->no_path_own = true;
	nvhi_head_policy(head);
}

int nvhi_mp_set_no_path(struct nvhi_mp *mp, const char *subnqn, const struct nvhi_no_path *setting)
{
	struct nvhi_mp_subsys *subsys = nvhi_mp_subsys_find(mp, subnqn);
	struct nvh_ns *head;

	if (!subsys)
		return -ENOENT;
	subsys->no_path = *setting;
	nvhi_list_for_each(head, &subsys->heads, link) {
		head->no_path_own = false;
		nvhi_head_policy(head);
	}
	return 0;
}

uint64_t nvhi_ns_no_path_wait(const struct nvh_ns *head)
{
	return __atomic_load_n(&head->no_path_ns, __ATOMIC_RELAXED);
}

/* ---- a channel's reactor --------------------------------------------------------------------------- */

void nvhi_channel_path_counted(struct nvh_channel *channel, bool good)
{
	if (good) {
		channel->no_path_since = 0;
		channel->was_good = true;
		channel->no_path_told = false;
	} else if (!channel->no_path_since) {
		channel->no_path_since = nvhi_reactor_now(channel->reactor) ?: 1;
	}
}

static uint64_t no_path_due(const struct nvh_channel *channel)
{
	uint64_t wait = __atomic_load_n(&channel->ns->no_path_ns, __ATOMIC_ACQUIRE), since;

	if (!channel->no_path_since || wait == NVHI_NEVER)
		return NVHI_NEVER;
	since = __atomic_load_n(&channel->ns->no_path_since, __ATOMIC_RELAXED);
	if (channel->was_good || !since)
		since = channel->no_path_since;
	if (!channel->was_good && since == channel->no_path_since && wait < NO_PATH_OPENING_NS)
		wait = NO_PATH_OPENING_NS;
	return since + wait;
}

bool nvhi_channel_no_path_over(const struct nvh_channel *channel)
{
	return nvhi_reactor_now(channel->reactor) >= no_path_due(channel);
}

int nvhi_channel_no_path(struct nvh_channel *channel)
{
	int err = __atomic_load_n(&channel->ns->no_path_err, __ATOMIC_ACQUIRE);
	uint64_t due = no_path_due(channel);

	if (err)
		return err;
	if (nvhi_reactor_now(channel->reactor) < due) {
		if (due != NVHI_NEVER)
			nvhi_channel_timer_want(channel, due);
		return 0;
	}
	if (!channel->no_path_told)
		nvhi_log(WARN, MPATH,
			 "%s: no usable path within %" PRIu64 " s: I/O fails until one returns "
			 "(no-path, ctrl-loss-tmo, fast_io_fail_tmo)",
			 channel->ns->name, (uint64_t)(nvhi_ns_no_path_wait(channel->ns) / NVHI_NSEC_PER_SEC));
	channel->no_path_told = true;
	return -ENOTCONN;
}

static uint64_t io_bytes(const struct nvhi_io *io)
{
	return io->op.has_data ? (uint64_t)io->pub.nr_blocks << io->channel->block_shift : 0;
}

void nvhi_io_count_waiting(struct nvhi_io *io)
{
	if (io->waiting_bytes)
		return;
	io->waiting_bytes = io_bytes(io);
	__atomic_fetch_add(&io->channel->ns->waiting_bytes, io->waiting_bytes, __ATOMIC_RELAXED);
}

void nvhi_io_uncount_waiting(struct nvhi_io *io)
{
	if (!io->waiting_bytes)
		return;
	__atomic_fetch_sub(&io->channel->ns->waiting_bytes, io->waiting_bytes, __ATOMIC_RELAXED);
	io->waiting_bytes = 0;
}

/* What waited for room in a queue waits for a path now. */
void nvhi_channel_count_waiting(struct nvh_channel *channel)
{
	struct nvhi_io *io;

	nvhi_list_for_each(io, &channel->waiting, link)
		nvhi_io_count_waiting(io);
}

bool nvhi_io_fits_waiting(const struct nvhi_io *io)
{
	const struct nvh_ns *ns = io->channel->ns;
	uint64_t max = __atomic_load_n(&ns->no_path_max, __ATOMIC_RELAXED);

	return !max ||
	       __atomic_load_n(&ns->waiting_bytes, __ATOMIC_RELAXED) + io_bytes(io) <= max;
}
