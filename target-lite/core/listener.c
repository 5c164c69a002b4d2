/*
 * Listeners: an address is bound once by its transport and shared by the subsystems that have it.
 * Adding and removing goes through pause -> change -> resume. Management reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/core/impl.h"

/* ---- addresses the target listens on -------------------------------------------------------- */

struct tl_listener *tl_target_get_listener(struct tl_target *target,
					   const struct tl_listen_addr *addr, int *ret_err)
{
	struct tl_transport *transport = tl_target_find_transport(target, addr->trtype);
	struct tl_listener *listener;

	if (!transport) {
		*ret_err = -EPROTONOSUPPORT;
		return NULL;
	}
	nvhi_list_for_each(listener, &target->listeners, link) {
		if (tl_listen_addr_equal(&listener->addr, addr)) {
			/* A vfio-user client does not name the subsystem: its address does. */
			if (addr->trtype == TL_TRTYPE_VFIOUSER) {
				*ret_err = -EADDRINUSE;
				return NULL;
			}
			listener->users++;
			return listener;
		}
	}
	listener = calloc(1, sizeof(*listener));
	if (!listener) {
		*ret_err = -ENOMEM;
		return NULL;
	}
	listener->transport = transport;
	listener->addr = *addr;
	listener->users = 1;
	listener->portid = target->next_portid++;
	*ret_err = transport->ops->listen(transport, listener);
	if (*ret_err) {
		free(listener);
		return NULL;
	}
	nvhi_list_add_tail(&target->listeners, &listener->link);
	nvhi_log(INFO, TARGET, "listening on %s %s:%s", tl_trtype_name(addr->trtype),
		 listener->addr.traddr, listener->addr.trsvcid);
	return listener;
}

void tl_target_put_listener(struct tl_target *target, struct tl_listener *listener)
{
	(void)target;
	if (--listener->users)
		return;
	nvhi_list_del(&listener->link);
	listener->transport->ops->unlisten(listener->transport, listener);
	free(listener);
}

/* ---- a subsystem's listeners ---------------------------------------------------------------- */

struct tl_subsystem_listener *tl_subsystem_find_listener(const struct tl_subsystem *ss,
							 const struct tl_listen_addr *addr)
{
	struct tl_subsystem_listener *sl;

	nvhi_list_for_each(sl, &ss->listeners, link)
		if (tl_listen_addr_equal(&sl->addr, addr))
			return sl;
	return NULL;
}

/* Freed when it is removed and the last controller that came through it is gone. */
void tl_subsystem_listener_put(struct tl_subsystem_listener *sl)
{
	if (sl->listener || sl->ctrlrs)
		return;
	free(sl->ana_saved);
	free(sl->ana_state);
	free(sl);
}

struct listener_change {
	struct tl_subsystem_change change;
	struct tl_subsystem_listener *sl;
	struct tl_listen_addr addr;
	uint32_t anagrpid;
	enum tl_ana_state state;
	bool any, on; /* flap */
};

static struct listener_change *listener_change_of(struct tl_subsystem_change *change)
{
	return nvhi_container_of(change, struct listener_change, change);
}

static void listener_change_free(struct tl_subsystem_change *change)
{
	free(listener_change_of(change));
}

static struct listener_change *listener_change_new(void (*apply)(struct tl_subsystem_change *),
						   tl_done_fn done, void *arg)
{
	struct listener_change *lc = calloc(1, sizeof(*lc));

	if (!lc)
		return NULL;
	lc->change.apply = apply;
	lc->change.finish = listener_change_free;
	lc->change.done = done;
	lc->change.arg = arg;
	return lc;
}

/* ---- add ------------------------------------------------------------------------------------ */

static void listener_add_apply(struct tl_subsystem_change *change)
{
	struct listener_change *lc = listener_change_of(change);

	lc->sl->adding = false;
	tl_target_discovery_changed(change->ss->target);
}

static struct tl_subsystem_listener *listener_new(struct tl_subsystem *ss,
						  enum tl_ana_state ana_state)
{
	struct tl_subsystem_listener *sl = calloc(1, sizeof(*sl));

	if (!sl)
		return NULL;
	sl->ana_state = malloc(ss->max_nsid);
	if (!sl->ana_state) {
		free(sl);
		return NULL;
	}
	memset(sl->ana_state, (int)ana_state, ss->max_nsid);
	sl->subsystem = ss;
	return sl;
}

int tl_subsystem_add_listener(struct tl_subsystem *ss, const struct tl_listen_addr *addr,
			      bool secure_channel, enum tl_ana_state ana_state, tl_done_fn done,
			      void *arg, struct tl_listen_addr *ret_addr)
{
	struct tl_subsystem_listener *sl;
	struct listener_change *lc;
	int err = 0;

	if (ss->deleting)
		return -EBUSY;
	if (tl_subsystem_find_listener(ss, addr))
		return -EEXIST;
	sl = listener_new(ss, ana_state);
	lc = listener_change_new(listener_add_apply, done, arg);
	if (sl && lc) {
		sl->listener = tl_target_get_listener(ss->target, addr, &err);
	} else {
		err = -ENOMEM;
	}
	if (err) {
		if (sl)
			free(sl->ana_state);
		free(sl);
		free(lc);
		return err;
	}
	sl->addr = sl->listener->addr;
	sl->secure_channel = secure_channel;
	/* Reserves the address; Connect and the discovery log see it from the change on. */
	sl->adding = true;
	nvhi_list_add_tail(&ss->listeners, &sl->link);
	if (ret_addr)
		*ret_addr = sl->addr;
	lc->sl = sl;
	tl_subsystem_change(ss, &lc->change);
	return 0;
}

/* ---- remove --------------------------------------------------------------------------------- */

static void listener_remove_apply(struct tl_subsystem_change *change)
{
	struct tl_subsystem *ss = change->ss;
	struct tl_subsystem_listener *sl =
		tl_subsystem_find_listener(ss, &listener_change_of(change)->addr);
	struct tl_ctrlr *ctrlr;

	/* A second removal that was in line behind the first; the address may be asked for anew by
	 * a change behind this one. */
	if (!sl || sl->adding) {
		change->err = -ENOENT;
		return;
	}
	nvhi_list_del(&sl->link);
	nvhi_list_for_each(ctrlr, &ss->ctrlrs, link)
		if (ctrlr->listener == sl)
			tl_ctrlr_disconnect(ctrlr);
	tl_target_put_listener(ss->target, sl->listener);
	sl->listener = NULL;
	tl_subsystem_listener_put(sl);
	tl_target_discovery_changed(ss->target);
}

int tl_subsystem_remove_listener(struct tl_subsystem *ss, const struct tl_listen_addr *addr,
				 tl_done_fn done, void *arg)
{
	struct listener_change *lc;

	if (ss->deleting)
		return -EBUSY;
	if (!tl_subsystem_find_listener(ss, addr))
		return -ENOENT;
	lc = listener_change_new(listener_remove_apply, done, arg);
	if (!lc)
		return -ENOMEM;
	lc->addr = *addr;
	tl_subsystem_change(ss, &lc->change);
	return 0;
}

/* ---- ANA state ------------------------------------------------------------------------------ */

static void ana_set(uint8_t *states, const struct tl_subsystem *ss,
		    const struct listener_change *lc)
{
	if (lc->anagrpid)
		states[lc->anagrpid - 1] = (uint8_t)lc->state;
	else
		memset(states, (int)lc->state, ss->max_nsid);
}

static void ana_tell(struct tl_subsystem_listener *sl)
{
	struct tl_ctrlr *ctrlr;

	sl->ana_change_count++;
	nvhi_list_for_each(ctrlr, &sl->subsystem->ctrlrs, link)
		if (ctrlr->listener == sl)
			tl_ctrlr_post_event(ctrlr, TL_EVENT_ANA_CHANGED);
}

static void listener_ana_apply(struct tl_subsystem_change *change)
{
	struct listener_change *lc = listener_change_of(change);
	struct tl_subsystem *ss = change->ss;
	struct tl_subsystem_listener *sl = tl_subsystem_find_listener(ss, &lc->addr);

	if (!sl) {
		change->err = -ENOENT;
		return;
	}
	ana_set(sl->ana_state, ss, lc);
	if (sl->ana_saved)
		ana_set(sl->ana_saved, ss, lc);
	ana_tell(sl);
}

int tl_subsystem_set_ana_state(struct tl_subsystem *ss, const struct tl_listen_addr *addr,
			       uint32_t anagrpid, enum tl_ana_state state, tl_done_fn done,
			       void *arg)
{
	struct listener_change *lc;

	if (!ss->ana_reporting)
		return -ENOTSUP;
	if (anagrpid > ss->max_nsid)
		return -EINVAL;
	if (ss->deleting)
		return -EBUSY;
	if (!tl_subsystem_find_listener(ss, addr))
		return -ENOENT;
	lc = listener_change_new(listener_ana_apply, done, arg);
	if (!lc)
		return -ENOMEM;
	lc->addr = *addr;
	lc->anagrpid = anagrpid;
	lc->state = state;
	tl_subsystem_change(ss, &lc->change);
	return 0;
}

/* ---- ANA states that flap -------------------------------------------------------------------- */

static int listener_flap(struct tl_subsystem_listener *sl, const struct listener_change *lc)
{
	uint32_t size = sl->subsystem->max_nsid;

	if (lc->on && !sl->ana_saved) {
		sl->ana_saved = malloc(size);
		if (!sl->ana_saved)
			return -ENOMEM;
		memcpy(sl->ana_saved, sl->ana_state, size);
	}
	if (lc->on) {
		ana_set(sl->ana_state, sl->subsystem, lc);
	} else if (sl->ana_saved) {
		memcpy(sl->ana_state, sl->ana_saved, size);
		free(sl->ana_saved);
		sl->ana_saved = NULL;
	}
	ana_tell(sl);
	return 0;
}

static void listener_flap_apply(struct tl_subsystem_change *change)
{
	struct listener_change *lc = listener_change_of(change);
	struct tl_subsystem_listener *sl;

	nvhi_list_for_each(sl, &change->ss->listeners, link)
		if (!sl->adding && (lc->any || tl_listen_addr_equal(&sl->addr, &lc->addr)) &&
		    listener_flap(sl, lc))
			change->err = -ENOMEM;
}

int tl_subsystem_flap_ana(struct tl_subsystem *ss, const struct tl_listen_addr *addr,
			  uint32_t anagrpid, enum tl_ana_state state, bool on, tl_done_fn done,
			  void *arg)
{
	struct listener_change *lc;

	if (!ss->ana_reporting)
		return -ENOTSUP;
	if (ss->deleting)
		return -EBUSY;
	lc = listener_change_new(listener_flap_apply, done, arg);
	if (!lc)
		return -ENOMEM;
	lc->any = !addr;
	if (addr)
		lc->addr = *addr;
	lc->anagrpid = anagrpid;
	lc->state = state;
	lc->on = on;
	tl_subsystem_change(ss, &lc->change);
	return 0;
}
