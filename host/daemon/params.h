/*
 * The parameters of a connection: one set of names for the command line, the RPC, the saved state
 * and nvme-cli's config.json. Pure; any thread.
 */
#ifndef NVD_PARAMS_H
#define NVD_PARAMS_H

#include <json-c/json.h>
#include <nvhost/nvhost.h>

#include "base/json_util.h"

/* Seconds where nvme-cli has seconds. Strings are borrowed. */
struct nvd_params {
	const char *transport, *traddr, *trsvcid, *nqn;
	const char *host_traddr, *host_iface, *hostnqn, *hostid;
	const char *dhchap_secret, *dhchap_ctrl_secret;
	const char *name, *policy, *write_fence, *no_path;
	uint64_t no_path_bytes;
	uint32_t nr_io_queues, nr_write_queues, nr_poll_queues, queue_size;
	uint32_t keep_alive_tmo;
	double reconnect_delay; /* 0: from 100 ms up to 10 s */
	double io_timeout, suspect_tmo; /* 0: the default */
	int32_t ctrl_loss_tmo, fast_io_fail_tmo, tos;
	bool has_keep_alive_tmo;
	bool hdr_digest, data_digest, disable_sqflow, duplicate_connect, persistent, tls, discovery;
	bool hedge_reads, no_fast_detect;
	bool follow; /* a discovery controller: connect what its log names, and will name */
};

extern const struct nvhi_json_field nvd_params_fields[];

void nvd_params_init(struct nvd_params *params);
/* What is not the default, as an object; NULL when out of memory. */
struct json_object *nvd_params_to_json(const struct nvd_params *params);
/* -EINVAL with a reason that names the parameter. The strings point into `object`. */
int nvd_params_from_json(struct json_object *object, struct nvd_params *ret_params, char *err,
			 size_t err_len);
/* Checks and converts for the library. `hostid_text` holds the host ID when it is derived from the
 * host NQN's UUID; it and the strings of params must live as long as ret_opts. -EINVAL, -ENOTSUP
 * with a reason that names the option. */
int nvd_params_to_opts(const struct nvd_params *params, struct nvh_connect_opts *ret_opts,
		       char hostid_text[37], char *err, size_t err_len);
/* Do they name the same controller (address, NQN, host)? */
bool nvd_params_same(const struct nvd_params *a, const struct nvd_params *b);

/* The host ID in "nqn.2014-08.org.nvmexpress:uuid:<UUID>". -ENOENT when it has none. */
int nvd_hostid_of_nqn(const char *hostnqn, char ret_text[37]);

#endif
