/*
 * The admin queue: created, connected (transport, handshake, Connect command: the transport's
 * business), lost, revoked. Home reactor. Base Specification 2.1 sections 3.1.2 and 6.3.
 */
#include <errno.h>
#include <string.h>

#include "host/ctrlr/ctrlr_impl.h"

/* The transport bounds transport connect, handshake and Connect each; this is the backstop. */
#define CONNECT_STEPS     3u
#define CONNECT_MARGIN_MS 500u

static struct nvhi_ctrlr *ctrlr_of_admin(struct nvhi_qpair *qpair)
{
	return nvhi_container_of(qpair->events, struct nvhi_ctrlr, admin_events);
}

static void admin_connected(struct nvhi_qpair *qpair, int err, const struct nvh_cpl *cpl)
{
	struct nvhi_ctrlr *ctrlr = ctrlr_of_admin(qpair);

	if (ctrlr->state != NVHI_CTRLR_CONNECTING)
		return;
	if (err) {
		nvhi_ctrlr_fail(ctrlr, err, cpl, "connect", "%s",
				qpair->why[0] ? qpair->why : strerror(-err));
		return;
	}
	nvhi_ctrlr_enable(ctrlr);
}

static void admin_lost(struct nvhi_qpair *qpair, int err, const char *why)
{
	struct nvhi_ctrlr *ctrlr = ctrlr_of_admin(qpair);

	nvhi_ctrlr_fail(ctrlr, err, NULL, "admin queue", "%s", why);
}

static void admin_revoked(struct nvhi_qpair *qpair)
{
	struct nvhi_ctrlr *ctrlr = ctrlr_of_admin(qpair);

	ctrlr->admin = NULL;
	ctrlr->admin_revoking = false;
	ctrlr->transport->qpair_destroy(qpair);
	nvhi_admin_flush(ctrlr); /* what the last completions asked for */
	nvhi_ctrlr_queue_gone(ctrlr);
}

void nvhi_ctrlr_connect(struct nvhi_ctrlr *ctrlr)
{
	struct nvhi_qpair_opts opts = {
		.reactor = ctrlr->home,
		.qid = 0,
		.entries = NVHI_ADMIN_ENTRIES,
		.events = &ctrlr->admin_events,
	};
	int err;

	ctrlr->admin_events.connected = admin_connected;
	ctrlr->admin_events.lost = admin_lost;
	ctrlr->admin_events.revoked = admin_revoked;
	ctrlr->reconnect_now = false;
	ctrlr->tctrlr->ioccsz = 0;
	ctrlr->tctrlr->icdoff = 0;
	ctrlr->tctrlr->sgls = 0;
	ctrlr->tctrlr->id = NULL;
	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_CONNECTING, "connect",
			     CONNECT_STEPS * ctrlr->opts.transport.connect_timeout_ms +
				     CONNECT_MARGIN_MS);
	err = ctrlr->transport->qpair_create(ctrlr->tctrlr, &opts, &ctrlr->admin);
	if (err) {
		nvhi_ctrlr_fail(ctrlr, err, NULL, "connect", "%s", strerror(-err));
		return;
	}
	ctrlr->transport->qpair_connect(ctrlr->admin);
}
