/*
 * target-lite's management interface: JSON-RPC 2.0 with the method names, parameters and result
 * shapes of SPDK's nvmf_* and bdev_* calls, so that scripts/rpc.py drives it (docs/target-rpc.md).
 * Everything runs on the management reactor.
 */
#ifndef TL_RPC_RPC_H
#define TL_RPC_RPC_H

#include <stdbool.h>
#include <stddef.h>

#include "target-lite/core/target.h"

struct tl_rpc;

/* Where SPDK's rpc.py looks when it is not told. */
#define TL_RPC_DEFAULT_ADDRESS "/var/tmp/spdk.sock"

struct tl_rpc_opts {
	/* As SPDK's --wait-for-rpc: most methods are refused until framework_start_init. */
	bool wait_for_rpc;
	bool allow_remote; /* listen on TCP addresses beyond loopback */
	const int *
		cpus; /* by poll group, -1: not pinned; NULL: none is. For framework_get_reactors */
};

/* -ENOMEM. Lives on target->mgmt; the target outlives it. */
int tl_rpc_create(struct tl_target *target, const struct tl_rpc_opts *opts,
		  struct tl_rpc **ret_rpc);
/* "/path", "unix:/path", "tcp:127.0.0.1:5260"; may be called again for another address. A failure
 * is explained in err (-EADDRINUSE: a live process has the socket). */
int tl_rpc_listen(struct tl_rpc *rpc, const char *address, char *err, size_t err_len);
/* The address number `index`, with the port that 0 picked; -ENOENT. */
int tl_rpc_address(struct tl_rpc *rpc, unsigned int index, char *ret_text, size_t text_len);
/* Runs a configuration as save_config writes it. done(arg, NULL), or with what failed; whatever
 * had been made is undone then. May fire before this returns. */
typedef void (*tl_rpc_loaded_fn)(void *arg, const char *failure);
void tl_rpc_load_file(struct tl_rpc *rpc, const char *path, tl_rpc_loaded_fn done, void *arg);
/* Calls under way are answered into nothing. Before tl_target_destroy, after or before its stop. */
void tl_rpc_destroy(struct tl_rpc *rpc);

/* `target-lite rpc [-s ADDRESS] [-t SECONDS] METHOD [JSON | - | @FILE]`; argv[0] is "rpc". Exit
 * status: 0 done, 1 the call failed (one line on stderr), 2 usage. */
int tl_rpc_client_main(int argc, char **argv);

#endif
