/*
 * What the files of core/ ask of each other and no transport, backend or RPC needs.
 */
#ifndef TL_CORE_IMPL_H
#define TL_CORE_IMPL_H

#include "base/spec/nvme_log.h"
#include "base/spec/nvme_status.h"
#include "target-lite/core/ctrlr.h"
#include "target-lite/core/request.h"
#include "target-lite/core/subsystem.h"

/* What a persistent discovery controller announces unless told otherwise. */
#define TL_DISCOVERY_AEN NVH_AEN_DISCOVERY

#define TL_FIRMWARE_REVISION "nvhost"

/* Copy: source ranges a command, bytes a range. */
#define TL_COPY_MAX_RANGES 16
#define TL_COPY_MAX_BYTES  (1u << 20)

/* A status that says "do not retry". */
#define TL_DNR(status) ((status) | NVH_CPL_DNR)

/* ---- requests (request.c) ------------------------------------------------------------------ */

/* Ends the core's part; status is SCT << 8 | SC with NVH_CPL_DNR and CRD bits. */
void tl_request_complete(struct tl_request *req, unsigned int status);
/* Puts the request where Abort and the end of the connection find it. */
void tl_request_track(struct tl_request *req);
/* Completes with `len` bytes of `data`, cut to what the host offered; zero-fills nothing. */
void tl_request_reply(struct tl_request *req, const void *data, size_t len);
/* A subsystem's command again, after it was held. */
void tl_request_dispatch(struct tl_request *req);
/* Executes a command that a fault let go; also that of a queue pair which has ended since. */
void tl_request_run(struct tl_request *req);
static inline struct tl_ctrlr *tl_request_ctrlr(const struct tl_request *req)
{
	return req->qpair->ctrlr;
}
static inline uint32_t tl_cdw10(const struct tl_request *req)
{
	return nvh_le32_get(req->cmd.cdw10);
}
static inline uint32_t tl_cdw11(const struct tl_request *req)
{
	return nvh_le32_get(req->cmd.cdw11);
}
static inline uint32_t tl_cdw12(const struct tl_request *req)
{
	return nvh_le32_get(req->cmd.cdw12);
}
static inline uint32_t tl_nsid(const struct tl_request *req)
{
	return nvh_le32_get(req->cmd.nsid);
}

/* ---- commands; each completes the request, now or later ------------------------------------- */

void tl_connect_exec(struct tl_request *req);  /* connect.c */
void tl_fabrics_exec(struct tl_request *req);  /* property.c */
void tl_admin_exec(struct tl_request *req);    /* admin.c */
void tl_io_exec(struct tl_request *req);       /* io.c */
void tl_identify_exec(struct tl_request *req); /* identify.c */
void tl_set_features_exec(struct tl_request *req);
void tl_get_features_exec(struct tl_request *req);
void tl_log_exec(struct tl_request *req);
void tl_abort_exec(struct tl_request *req);
void tl_aer_exec(struct tl_request *req);
void tl_discovery_log_exec(struct tl_request *req);
/* The part of a log page a command asks for; 0 or a status. */
unsigned int tl_log_window(const struct tl_request *req, uint64_t *ret_offset, uint32_t *ret_len);

/* ---- I/O (io.c, io_multi.c) ----------------------------------------------------------------- */

/* Counts the request to the namespace; until tl_request_end. */
void tl_request_hold_ns(struct tl_request *req, struct tl_ns *ns);
/* No longer; may end the wait of a drain. */
void tl_request_release_ns(struct tl_request *req);
/* Range and size checks of Read, Write and their like; 0 or a status. */
unsigned int tl_io_range(const struct tl_ns *ns, uint64_t lba, uint64_t blocks);
/* The state of the path for this namespace; 0 or a status. */
unsigned int tl_io_ana_status(const struct tl_ctrlr *ctrlr, const struct tl_ns *ns);
void tl_io_submit(struct tl_request *req, enum tl_bdev_op op, uint64_t lba, uint64_t blocks,
		  tl_bdev_io_fn done);
void tl_io_compare(struct tl_request *req);
void tl_io_verify(struct tl_request *req);
void tl_io_dsm(struct tl_request *req);
void tl_io_copy(struct tl_request *req);
void tl_io_fused_first(struct tl_request *req);
void tl_io_fused_second(struct tl_request *req);

/* ---- controllers (ctrlr.c, connect.c, aer.c, property.c) ------------------------------------ */

extern struct nvhi_fsm tl_ctrlr_fsm;
/* Management reactor. 0 or -ENOMEM; CNTLID is chosen by the caller. */
/* CAP of a controller of this transport. */
uint64_t tl_ctrlr_cap(const struct tl_transport_opts *opts);
int tl_ctrlr_create(struct tl_subsystem *ss, struct tl_qpair *admin, uint16_t cntlid,
		    struct tl_ctrlr **ret_ctrlr);
/* Management reactor: the qpair has no command left and leaves its controller. */
void tl_ctrlr_detach(struct tl_ctrlr *ctrlr, struct tl_qpair *qpair);
/* Management reactor: asks the qpair's reactor to close it. */
void tl_qpair_post_disconnect(struct tl_qpair *qpair);
/* Management reactor: what faults hold of it is never executed. */
void tl_qpair_post_quench(struct tl_qpair *qpair);
/* Qpair's reactor: a request of a closing qpair has ended; goes on when it was the last. */
void tl_qpair_ended(struct tl_qpair *qpair);
extern struct nvhi_fsm tl_qpair_fsm;
/* Admin reactor: the admin queue is live / is closing. */
void tl_ctrlr_admin_start(struct tl_ctrlr *ctrlr, uint32_t kato_ms);
void tl_ctrlr_admin_stop(struct tl_ctrlr *ctrlr);
/* Any reactor, while the controller has queues: ends it as its keep-alive timer does. */
void tl_ctrlr_kill(struct tl_ctrlr *ctrlr);
void tl_ctrlr_set_kato(struct tl_ctrlr *ctrlr, uint32_t kato_ms);
void tl_ctrlr_keep_alive(struct tl_ctrlr *ctrlr);
void tl_ctrlr_log_error(struct tl_ctrlr *ctrlr, const struct tl_request *req, unsigned int status);
/* Admin reactor: sends what is pending where an AER waits. */
void tl_aer_flush(struct tl_ctrlr *ctrlr);
/* Admin reactor: the log page that answers this event was read (RAE clear). */
void tl_aer_rearm(struct tl_ctrlr *ctrlr, uint8_t lid);
void tl_aer_abort_all(struct tl_ctrlr *ctrlr, unsigned int status);
void tl_event_take(struct nvhi_msg *msg);
/* By message: management reactor, close the I/O queues; admin reactor, they are closed. */
void tl_ctrlr_quiesce(struct nvhi_msg *msg);
void tl_ctrlr_quiesced(struct nvhi_msg *msg);
/* ccr.c; the first two on the admin reactor. */
void tl_ccr_exec(struct tl_request *req);
void tl_ccr_log_exec(struct tl_request *req);
void tl_ccr_ctrlr_gone(struct tl_ctrlr *ctrlr);
/* Completes the queue's waiting Disconnect when it is the last request. */
void tl_disconnect_check(struct tl_qpair *qpair);
/* Requests that have not begun end with ABORTED_SQ_DELETION. */
void tl_qpair_abort_waiting(struct tl_qpair *qpair);

/* ---- subsystems (subsystem.c, change.c, ns.c) ----------------------------------------------- */

/* A `finish` for a change that is not on the heap. */
void tl_change_keep(struct tl_subsystem_change *change);
/* Queues it; pause -> apply -> resume -> done, finish. In an inactive subsystem without pause. */
void tl_subsystem_change(struct tl_subsystem *ss, struct tl_subsystem_change *change);
/* Group reactor: whether this command must wait; then it is queued. */
bool tl_subsystem_hold(struct tl_group_subsystem *gs, struct tl_request *req);
/* Group reactor: the last command of a namespace that is being drained has ended. */
void tl_subsystem_drained(struct tl_group_subsystem *gs);
/* Deletion goes on when no change and no controller is left. */
void tl_subsystem_delete_step(struct tl_subsystem *ss);
/* Management reactor: a controller is gone. */
void tl_subsystem_ctrlr_gone(struct tl_subsystem *ss);
void tl_subsystem_listener_put(struct tl_subsystem_listener *sl);
/* While paused: every controller is told, by list and event. */
void tl_subsystem_ns_changed(struct tl_subsystem *ss, uint32_t nsid);
/* A namespace out of its subsystem, its bdev released. While paused or inactive. */
void tl_ns_free(struct tl_ns *ns);
/* Deletes everything that hangs on an inactive subsystem, and the subsystem. */
void tl_subsystem_free(struct tl_subsystem *ss);
struct tl_listener *tl_target_get_listener(struct tl_target *target,
					   const struct tl_listen_addr *addr, int *ret_err);
void tl_target_put_listener(struct tl_target *target, struct tl_listener *listener);

/* ---- the target (target.c) ------------------------------------------------------------------ */

/* While it stops: a subsystem, or a group's queue pair, is gone. */
void tl_target_check_stopped(struct tl_target *target);
void tl_group_check_stopped(struct tl_poll_group *group);

/* A counter with one writer and many readers. */
#define tl_count(counter, by) __atomic_store_n((counter), *(counter) + (by), __ATOMIC_RELAXED)

/* ---- text ---------------------------------------------------------------------------------- */

/* Copies, space padded and not terminated, as Identify wants it. */
void tl_pad(char *field, size_t size, const char *text);

#endif
