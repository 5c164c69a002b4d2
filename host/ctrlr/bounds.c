/*
 * How long things may take with a controller's options and what it told: the numbers that the timers
 * of host/ctrlr are made of, for whoever explains them. Home reactor.
 */
#include "host/ctrlr/ctrlr_impl.h"

void nvhi_ctrlr_bounds(const struct nvhi_ctrlr *ctrlr, struct nvhi_ctrlr_bounds *ret_bounds)
{
	const struct nvhi_ctrlr_opts *opts = &ctrlr->opts;
	uint64_t stuck = opts->io_timeout_ms ? opts->io_timeout_ms * NVHI_NSEC_PER_MSEC : NVHI_NEVER;
	uint64_t keep_alive = nvhi_keepalive_bound_ns(ctrlr);
	uint64_t grace = nvhi_abort_grace_ms(ctrlr) * NVHI_NSEC_PER_MSEC;

	ret_bounds->aborted_ns = stuck;
	ret_bounds->stuck_ns = stuck == NVHI_NEVER ? NVHI_NEVER : stuck + grace;
	ret_bounds->silent_ns =
		keep_alive < ret_bounds->stuck_ns ? keep_alive : ret_bounds->stuck_ns;
	ret_bounds->silent_by = keep_alive < ret_bounds->stuck_ns ? "keep-alive" : "io-timeout";
	ret_bounds->left_ns = nvhi_ioq_quiet_bound_ns(ctrlr);
	ret_bounds->left_by = "the queue's silence and a probe, while another path answers";
	if (ret_bounds->left_ns != NVHI_NEVER)
		ret_bounds->left_ns += nvhi_probe_bound_ns();
	if (ret_bounds->left_ns > ret_bounds->silent_ns) {
		ret_bounds->left_ns = ret_bounds->silent_ns;
		ret_bounds->left_by = ret_bounds->silent_by;
	}
	/* The Disconnect of its queue may be waited for as long as the Abort. */
	if ((ctrlr->caps.ofcs & NVH_OFCS_DISCONNECT) && ret_bounds->stuck_ns != NVHI_NEVER)
		ret_bounds->stuck_ns += grace;
	ret_bounds->attempt_ns = opts->transport.connect_timeout_ms * NVHI_NSEC_PER_MSEC;
	ret_bounds->retry_ns = opts->reconnect_delay_max_ms * NVHI_NSEC_PER_MSEC;
}
