/*
 * The RPC server of target-lite: all method tables together, and which of them may be called
 * before framework_start_init. Management reactor.
 */
#include "target-lite/rpc/rpc.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "target-lite/rpc/impl.h"

static const struct nvhi_rpc_method *const rpc_tables[] = {
	tl_rpc_framework_methods, tl_rpc_config_methods,      tl_rpc_transport_methods,
	tl_rpc_subsystem_methods, tl_rpc_listener_methods,    tl_rpc_ns_methods,
	tl_rpc_host_methods,      tl_rpc_ctrlr_methods,       tl_rpc_discovery_methods,
	tl_rpc_bdev_methods,      tl_rpc_bdev_create_methods, tl_rpc_bdev_stack_methods,
	tl_rpc_fault_methods,
};

static const char *rpc_gate(struct nvhi_rpc_call *call)
{
	uint32_t state = tl_rpc_of(call)->running ? TL_RPC_RUNTIME : TL_RPC_STARTUP;

	if (nvhi_rpc_call_method(call)->flags & state)
		return NULL;
	return state == TL_RPC_STARTUP
		       ? "Method may only be called after framework is initialized using "
			 "framework_start_init RPC."
		       : "Method may only be called before framework is initialized using "
			 "framework_start_init RPC.";
}

int tl_rpc_create(struct tl_target *target, const struct tl_rpc_opts *opts, struct tl_rpc **ret_rpc)
{
	struct tl_rpc *rpc = calloc(1, sizeof(*rpc));
	int rc;

	if (!rpc)
		return -ENOMEM;
	rpc->target = target;
	if (opts)
		rpc->opts = *opts;
	rpc->started = nvhi_reactor_clock(target->mgmt);
	rpc->running = !rpc->opts.wait_for_rpc;
	nvhi_list_init(&rpc->waiting);
	nvhi_list_init(&rpc->loads);
	nvhi_list_init(&rpc->bdev_waits);
	rc = nvhi_rpc_server_create(target->mgmt,
				    &(struct nvhi_rpc_server_opts){
					    .owner = rpc,
					    .gate = rpc_gate,
					    .allow_remote = rpc->opts.allow_remote,
					    .max_request = 32u << 20,
					    .max_output = 16u << 20,
				    },
				    &rpc->server);
	for (size_t i = 0; !rc && i < NVHI_ARRAY_SIZE(rpc_tables); i++)
		rc = nvhi_rpc_server_add_methods(rpc->server, rpc_tables[i]);
	if (rc) {
		nvhi_rpc_server_destroy(rpc->server);
		free(rpc);
		return rc;
	}
	*ret_rpc = rpc;
	return 0;
}

int tl_rpc_listen(struct tl_rpc *rpc, const char *address, char *err, size_t err_len)
{
	return nvhi_rpc_server_listen(rpc->server, address, err, err_len);
}

int tl_rpc_address(struct tl_rpc *rpc, unsigned int index, char *ret_text, size_t text_len)
{
	return nvhi_rpc_server_address(rpc->server, index, ret_text, text_len);
}

void tl_rpc_destroy(struct tl_rpc *rpc)
{
	if (!rpc)
		return;
	nvhi_rpc_server_destroy(rpc->server);
	tl_rpc_loads_done(rpc);
	tl_rpc_framework_done(rpc);
	tl_rpc_bdev_waits_done(rpc);
	free(rpc);
}
