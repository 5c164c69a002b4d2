/*
 * Paths: one controller and an NSID, merged into a head or refused; and the home end of their
 * lanes. A path extends a lane to each channel of its head; when it leaves it asks for all of them
 * back, and is freed, and its controller told, when the last has come. Home reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "multipath/fence.h"

static const char *const path_state_names[] = {
#define X(upper, lower) [NVHI_PATH_##upper] = #lower,
	NVHI_PATH_STATES(X)
#undef X
};
static const uint32_t path_edges[] = {
	[NVHI_PATH_NEW] = NVHI_FSM_TO(NVHI_PATH_REFUSED) | NVHI_FSM_TO(NVHI_PATH_MERGED),
	[NVHI_PATH_REFUSED] = NVHI_FSM_TO(NVHI_PATH_MERGED) | NVHI_FSM_TO(NVHI_PATH_LEAVING),
	[NVHI_PATH_MERGED] = NVHI_FSM_TO(NVHI_PATH_LEAVING),
	[NVHI_PATH_LEAVING] = 0,
};
struct nvhi_fsm nvhi_path_fsm = NVHI_FSM_INIT("path", path_state_names, path_edges);

static void path_set_state(struct nvhi_path *path, enum nvhi_path_state state)
{
	struct nvhi_mp_subsys *subsys = path->mpc->subsys;

	subsys->nr_refused += state == NVHI_PATH_REFUSED;
	subsys->nr_refused -= path->state == NVHI_PATH_REFUSED;
	nvhi_fsm_set(&nvhi_path_fsm, &path->state, state, NVHI_LOG_MPATH,
		     nvhi_ctrlr_name(path->mpc->ctrlr));
}

/* A lane may read one block for itself, if that is not too large. */
#define PROBE_BLOCK_SHIFT 12u

struct nvhi_path *nvhi_path_find(struct nvhi_mp_ctrlr *mpc, uint32_t nsid)
{
	struct nvhi_list *at = mpc->paths.next;
	struct nvhi_path *path = nvhi_list_entry(at, struct nvhi_path, ctrlr_link);

	/* In order of NSID, and asked for in that order: it is the first, or near the end. */
	if (at == &mpc->paths || path->data.nsid != nsid || path->state == NVHI_PATH_LEAVING)
		at = mpc->paths.prev;
	for (; at != &mpc->paths; at = at->prev) {
		path = nvhi_list_entry(at, struct nvhi_path, ctrlr_link);
		if (path->data.nsid < nsid)
			break;
		if (path->data.nsid == nsid && path->state != NVHI_PATH_LEAVING)
			return path;
	}
	return NULL;
}

static void ctrlr_insert_path(struct nvhi_mp_ctrlr *mpc, struct nvhi_path *path)
{
	struct nvhi_list *at = mpc->paths.prev;

	while (at != &mpc->paths &&
	       nvhi_list_entry(at, struct nvhi_path, ctrlr_link)->data.nsid > path->data.nsid)
		at = at->prev;
	nvhi_list_insert(at, &path->ctrlr_link);
}

/* ---- lanes: the home end -------------------------------------------------------------------- */

static void lane_attach_msg(struct nvhi_msg *msg)
{
	nvhi_lane_attach(nvhi_container_of(msg, struct nvhi_lane, attach_msg));
}

static void lane_drop_msg(struct nvhi_msg *msg)
{
	nvhi_lane_drop(nvhi_container_of(msg, struct nvhi_lane, drop_msg));
}

/* Home again: its reactor has given the lane up. */
static void lane_gone_msg(struct nvhi_msg *msg)
{
	struct nvhi_lane *lane = nvhi_container_of(msg, struct nvhi_lane, gone_msg);

	nvhi_list_del(&lane->channel_home_link);
	nvhi_path_lane_gone(lane);
	free(lane);
}

void nvhi_path_extend(struct nvhi_path *path, struct nvh_channel *channel)
{
	struct nvhi_ioq *ioq = nvhi_ctrlr_ioq(path->mpc->ctrlr, channel->reactor);
	struct nvhi_lane *lane;
	size_t block;

	if (!ioq)
		return;
	block = path->head->block_shift <= PROBE_BLOCK_SHIFT ? 1u << path->head->block_shift : 0;
	lane = calloc(1, sizeof(*lane) + block);
	if (!lane) {
		nvhi_log(ERROR, MPATH, "%s: no memory for a lane over %s to %s", path->head->name,
			 nvhi_ctrlr_name(path->mpc->ctrlr), nvhi_reactor_name(channel->reactor));
		return;
	}
	lane->channel = channel;
	lane->probe_buf = block ? (uint8_t *)(lane + 1) : NULL;
	lane->path = path;
	lane->ioq = ioq;
	lane->ctrlr = path->mpc->ctrlr;
	lane->nsid = path->data.nsid;
	lane->serial = path->mpc->serial;
	lane->attach_msg.fn = lane_attach_msg;
	lane->drop_msg.fn = lane_drop_msg;
	lane->gone_msg.fn = lane_gone_msg;
	nvhi_lane_ana_init(lane);
	nvhi_list_init(&lane->link);
	nvhi_list_init(&lane->unproven);
	nvhi_list_init(&lane->waiter.link);
	nvhi_list_add_tail(&path->lanes, &lane->path_link);
	nvhi_list_add_tail(&channel->home_lanes, &lane->channel_home_link);
	if (channel->reactor == path->mpc->mp->home)
		nvhi_lane_attach(lane);
	else
		nvhi_reactor_post(channel->reactor, &lane->attach_msg);
}

static void path_free(struct nvhi_path *path)
{
	struct nvhi_mp_ctrlr *mpc = path->mpc;

	nvhi_list_del(&path->ctrlr_link);
	if (path->head)
		nvhi_ns_put(path->head);
	free(path);
	nvhi_mp_ctrlr_check_left(mpc);
}

void nvhi_path_lane_gone(struct nvhi_lane *lane)
{
	struct nvhi_path *path = lane->path;

	nvhi_latency_merge(&path->histogram, &lane->histogram);
	path->ios += __atomic_load_n(&lane->ios, __ATOMIC_RELAXED);
	path->errors += __atomic_load_n(&lane->errors, __ATOMIC_RELAXED);
	nvhi_fence_take_lane(lane);
	nvhi_list_del(&lane->path_link);
	if (path->state == NVHI_PATH_LEAVING && nvhi_list_empty(&path->lanes))
		path_free(path);
}

/* ---- merging -------------------------------------------------------------------------------- */

static void path_merge(struct nvhi_path *path, struct nvh_ns *head)
{
	struct nvh_channel *channel;

	path_set_state(path, NVHI_PATH_MERGED);
	/* Nobody followed it while the path was refused. */
	path->ana = nvhi_ctrlr_ana_state(path->mpc->ctrlr, path->data.anagrpid);
	nvhi_ns_get(head);
	path->head = head;
	nvhi_list_add_tail(&head->paths, &path->head_link);
	head->nr_paths++;
	nvhi_list_for_each(channel, &head->channels, head_link)
		nvhi_path_extend(path, channel);
	nvhi_head_policy(head);
	nvhi_head_changed(head);
	if (path->mpc->live)
		nvhi_head_announce(head);
}

/* Finds or makes the head of a path that has none. */
static void path_place(struct nvhi_path *path)
{
	const char *why;
	struct nvh_ns *head = nvhi_head_match(path->mpc->subsys, &path->data, &why);

	if (!head && !why) {
		head = nvhi_head_create(path->mpc, &path->data);
		why = "no memory";
	}
	if (head) {
		path_merge(path, head);
		return;
	}
	nvhi_log(WARN, MPATH,
		 "%s: namespace %u of %s is not used as a path: %s from what the other "
		 "controllers of the subsystem tell",
		 nvhi_ctrlr_name(path->mpc->ctrlr), path->data.nsid, path->mpc->subsys->nqn, why);
	if (path->state == NVHI_PATH_NEW)
		path_set_state(path, NVHI_PATH_REFUSED);
}

/* A head has changed or gone: paths that did not fit may fit now. */
static void subsys_place_refused(struct nvhi_mp_subsys *subsys, uint32_t nsid)
{
	struct nvhi_mp_ctrlr *mpc;
	struct nvhi_path *path;

	if (!subsys->nr_refused)
		return;
	nvhi_list_for_each(mpc, &subsys->ctrlrs, link) {
		path = mpc->leaving ? NULL : nvhi_path_find(mpc, nsid);
		if (path && path->state == NVHI_PATH_REFUSED)
			path_place(path);
	}
}

void nvhi_path_leave(struct nvhi_path *path, int err)
{
	struct nvh_reactor *home = path->mpc->mp->home;
	struct nvhi_mp_subsys *subsys = path->mpc->subsys;
	struct nvh_ns *head = path->head;
	struct nvhi_lane *lane, *next;
	uint32_t nsid = path->data.nsid;

	path_set_state(path, NVHI_PATH_LEAVING);
	nvhi_list_for_each_safe(lane, next, &path->lanes, path_link) {
		lane->dropping = true;
		if (lane->channel->reactor == home)
			nvhi_lane_drop(lane);
		else
			nvhi_reactor_post(lane->channel->reactor, &lane->drop_msg);
	}
	if (head) {
		nvhi_list_del(&path->head_link);
		head->nr_paths--;
		if (nvhi_list_empty(&head->paths)) {
			nvhi_head_remove(head, err);
		} else {
			nvhi_head_policy(head);
			nvhi_head_changed(head);
		}
	}
	nvhi_subsys_get(subsys); /* freeing the path may end its controller's membership */
	if (nvhi_list_empty(&path->lanes))
		path_free(path);
	subsys_place_refused(subsys, nsid);
	nvhi_subsys_put(subsys);
}

/* ---- what controllers tell ------------------------------------------------------------------ */

void nvhi_mp_ns_added(struct nvhi_mp_ctrlr *mpc, const struct nvhi_ns_data *data)
{
	struct nvhi_path *path = nvhi_path_find(mpc, data->nsid);

	if (path)
		nvhi_path_leave(path, -ENODEV);
	path = calloc(1, sizeof(*path));
	if (!path) {
		nvhi_log(ERROR, MPATH, "%s: no memory for namespace %u",
			 nvhi_ctrlr_name(mpc->ctrlr), data->nsid);
		return;
	}
	path->mpc = mpc;
	path->data = *data;
	path->ana = nvhi_ctrlr_ana_state(mpc->ctrlr, data->anagrpid);
	if (path->ana == NVHI_ANA_UNKNOWN) /* a new group comes without a notice of its own */
		nvhi_ctrlr_ana_refresh(mpc->ctrlr);
	nvhi_list_init(&path->lanes);
	nvhi_list_init(&path->head_link);
	ctrlr_insert_path(mpc, path);
	path_place(path);
}

void nvhi_mp_ns_changed(struct nvhi_mp_ctrlr *mpc, const struct nvhi_ns_data *data, uint32_t what)
{
	struct nvhi_path *path = nvhi_path_find(mpc, data->nsid);

	if (!path || (what & (NVHI_NS_IDENTITY | NVHI_NS_FORMAT))) {
		/* Another namespace stands there now; no I/O of the old one may reach it. */
		nvhi_mp_ns_added(mpc, data);
		return;
	}
	path->data = *data;
	if (path->state == NVHI_PATH_REFUSED) {
		path_place(path);
		return;
	}
	nvhi_head_update(path->head, data);
	if (what & NVHI_NS_ANA) {
		nvhi_path_ana(path);
		if (path->ana == NVHI_ANA_UNKNOWN)
			nvhi_ctrlr_ana_refresh(mpc->ctrlr);
	}
	nvhi_head_changed(path->head);
	subsys_place_refused(mpc->subsys, data->nsid);
}

/* Its controller has read the namespace anew. What the head was told by others meanwhile may be
 * older: that its own size is as before says nothing. */
void nvhi_path_live(struct nvhi_path *path)
{
	if (path->data.nsze == path->head->data.nsze)
		return;
	nvhi_head_update(path->head, &path->data);
	nvhi_head_changed(path->head);
	subsys_place_refused(path->mpc->subsys, path->data.nsid);
}

void nvhi_mp_ns_removed(struct nvhi_mp_ctrlr *mpc, uint32_t nsid, int err)
{
	struct nvhi_path *path = nvhi_path_find(mpc, nsid);

	if (path)
		nvhi_path_leave(path, err);
}

/* ---- hope ----------------------------------------------------------------------------------- */

void nvhi_head_policy(struct nvh_ns *head)
{
	const struct nvhi_path *path;
	int err = -ENOTCONN;
	bool changed;

	if (head->removed)
		return;
	nvhi_list_for_each(path, &head->paths, head_link)
		if (!path->mpc->fast_fail)
			err = 0;
	changed = nvhi_head_publish_no_path(head);
	if ((__atomic_exchange_n(&head->no_path_err, err, __ATOMIC_ACQ_REL) != err && err) ||
	    changed)
		nvhi_head_kick(head);
}

static const char *path_state_text(const struct nvhi_path *path)
{
	const struct nvhi_lane *lane;
	uint32_t shown = NVHI_HEALTH_LIVE;

	if (path->state != NVHI_PATH_MERGED)
		return path_state_names[path->state];
	if (!path->mpc->live)
		return nvhi_ctrlr_state_brief(nvhi_ctrlr_state(path->mpc->ctrlr));
	nvhi_list_for_each(lane, &path->lanes, path_link) {
		uint32_t health = __atomic_load_n(&lane->health_told, __ATOMIC_RELAXED);

		if (health > shown) /* in doubt on one reactor */
			shown = health;
	}
	return nvhi_health_name(shown);
}

struct nvhi_mp_ctrlr *nvhi_mp_path(const struct nvh_ns *ns, unsigned int index,
				   struct nvh_path_info *ret_info)
{
	const struct nvhi_path *path;
	const struct nvhi_lane *lane;

	nvhi_list_for_each(path, &ns->paths, head_link) {
		if (index-- > 0)
			continue;
		ret_info->state = path_state_text(path);
		ret_info->ana_state = nvhi_ana_state_text(path->ana);
		ret_info->ana_group = path->data.anagrpid;
		ret_info->ios = path->ios;
		ret_info->errors = path->errors;
		ret_info->inflight = 0;
		nvhi_list_for_each(lane, &path->lanes, path_link) {
			ret_info->ios += __atomic_load_n(&lane->ios, __ATOMIC_RELAXED);
			ret_info->errors += __atomic_load_n(&lane->errors, __ATOMIC_RELAXED);
			ret_info->inflight += __atomic_load_n(&lane->inflight, __ATOMIC_RELAXED);
		}
		return path->mpc;
	}
	return NULL;
}
