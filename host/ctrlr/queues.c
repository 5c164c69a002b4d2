/*
 * The home side of the I/O queues: all are told to connect at once, counted in, opened when the
 * controller is LIVE, and counted out again when the association ends. The reactors' side is in
 * ioq_life.c; the two talk by messages only. Home reactor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "host/ctrlr/ioq_impl.h"

/* Backstop of the state: the transport bounds each step of a connect, admin.c each command of the
 * scan. */
#define QUEUES_SCAN_MS 30000u
#define QUEUES_STEPS   3u

static void queues_on_connected(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, connected);
	struct nvhi_ctrlr *ctrlr = ioq->ctrlr;
	char what[32];

	if (ctrlr->state != NVHI_CTRLR_QUEUES)
		return;
	if (ioq->connect_err) {
		snprintf(what, sizeof(what), "connect I/O queue %u", ioq->qid);
		nvhi_ctrlr_fail(ctrlr, ioq->connect_err,
				ioq->connect_has_cpl ? &ioq->connect_cpl : NULL, what, "%s",
				ioq->connect_why);
		return;
	}
	ctrlr->ioqs_connecting--;
	nvhi_queues_check(ctrlr);
}

static void queues_on_lost(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, lost);
	char what[32];

	snprintf(what, sizeof(what), "I/O queue %u", ioq->qid);
	nvhi_ctrlr_fail(ioq->ctrlr, ioq->lost_err, NULL, what, "%s", ioq->lost_why);
}

static void queues_on_stopped(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, stopped);
	struct nvhi_ctrlr *ctrlr = ioq->ctrlr;

	ioq->running = ioq->stopping = false;
	nvhi_abort_cancel(&ioq->abort);
	ctrlr->ioqs_running--;
	nvhi_ctrlr_queue_gone(ctrlr);
}

static void queues_abort_sent(struct nvhi_abort *abort)
{
	struct nvhi_ioq *ioq = nvhi_container_of(abort, struct nvhi_ioq, abort);

	nvhi_reactor_post(ioq->reactor, &ioq->abort_ready);
}

static void queues_on_abort_wanted(struct nvhi_msg *msg)
{
	struct nvhi_ioq *ioq = nvhi_container_of(msg, struct nvhi_ioq, abort_wanted);

	if (ioq->ctrlr->state == NVHI_CTRLR_LIVE)
		nvhi_abort_queue(ioq->ctrlr, &ioq->abort, ioq->qid, ioq->abort_cid);
}

/* ---- together ---------------------------------------------------------------------------- */

int nvhi_queues_init(struct nvhi_ctrlr *ctrlr)
{
	uint32_t count = ctrlr->opts.nr_reactors;
	int err;

	if (count == 0)
		return 0;
	ctrlr->ioqs = calloc(count, sizeof(*ctrlr->ioqs));
	if (!ctrlr->ioqs)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++) {
		struct nvhi_ioq *ioq = &ctrlr->ioqs[i];

		err = nvhi_ioq_init(ioq, ctrlr, ctrlr->reactors[i], (uint16_t)(i + 1),
				    i < ctrlr->nr_ioqs ? ctrlr->opts.queue_size - 1u : 0);
		if (err)
			return err;
		ioq->connected.fn = queues_on_connected;
		ioq->lost.fn = queues_on_lost;
		ioq->stopped.fn = queues_on_stopped;
		ioq->abort_wanted.fn = queues_on_abort_wanted;
		ioq->abort.sent = queues_abort_sent;
		nvhi_list_init(&ioq->abort.link);
	}
	return 0;
}

void nvhi_queues_fini(struct nvhi_ctrlr *ctrlr)
{
	for (uint32_t i = 0; ctrlr->ioqs && i < ctrlr->opts.nr_reactors; i++)
		nvhi_ioq_fini(&ctrlr->ioqs[i]);
	free(ctrlr->ioqs);
}

void nvhi_queues_start(struct nvhi_ctrlr *ctrlr)
{
	uint32_t count = ctrlr->caps.nr_io_queues;

	nvhi_ctrlr_set_state(ctrlr, NVHI_CTRLR_QUEUES, "connect I/O queues and read namespaces",
			     QUEUES_STEPS * ctrlr->opts.transport.connect_timeout_ms +
				     QUEUES_SCAN_MS);
	ctrlr->ioqs_connecting = count;
	for (uint32_t i = 0; i < count; i++) {
		struct nvhi_ioq *ioq = &ctrlr->ioqs[i];

		ioq->running = true;
		ioq->entries = (uint16_t)(ctrlr->caps.queue_depth + 1);
		ctrlr->ioqs_running++;
		nvhi_reactor_post(ioq->reactor, &ioq->start);
	}
	nvhi_ana_start(ctrlr);
	if (nvhi_ctrlr_is_ending(ctrlr))
		return;
	if (!ctrlr->opts.no_scan && ctrlr->caps.cntrltype != NVH_CNTRLTYPE_ADMIN)
		nvhi_scan_request(ctrlr, true, NULL, 0);
	nvhi_queues_check(ctrlr);
}

void nvhi_queues_check(struct nvhi_ctrlr *ctrlr)
{
	if (ctrlr->state == NVHI_CTRLR_QUEUES && ctrlr->ioqs_connecting == 0 &&
	    !ctrlr->scan.running && !ctrlr->ana.reading)
		nvhi_ctrlr_become_live(ctrlr);
}

void nvhi_queues_open(struct nvhi_ctrlr *ctrlr)
{
	for (uint32_t i = 0; i < ctrlr->caps.nr_io_queues; i++)
		if (ctrlr->ioqs[i].running && !ctrlr->ioqs[i].stopping)
			nvhi_reactor_post(ctrlr->ioqs[i].reactor, &ctrlr->ioqs[i].open);
}

void nvhi_queues_stop(struct nvhi_ctrlr *ctrlr)
{
	for (uint32_t i = 0; i < ctrlr->opts.nr_reactors; i++) {
		struct nvhi_ioq *ioq = &ctrlr->ioqs[i];

		if (!ioq->running || ioq->stopping)
			continue;
		ioq->stopping = true;
		nvhi_reactor_post(ioq->reactor, &ioq->stop);
	}
}

uint64_t nvhi_queues_heard_ns(const struct nvhi_ctrlr *ctrlr)
{
	uint64_t latest = 0, heard;

	for (uint32_t i = 0; i < ctrlr->caps.nr_io_queues; i++) {
		heard = __atomic_load_n(&ctrlr->ioqs[i].heard_ns, __ATOMIC_RELAXED);
		latest = heard > latest ? heard : latest;
	}
	return latest;
}
