/*
 * Shared by the method files of rpc/: the context, common parameters, and the pieces of results
 * that several methods give. Management reactor.
 */
#ifndef TL_RPC_IMPL_H
#define TL_RPC_IMPL_H

#include <json-c/json.h>

#include "base/jsonrpc.h"
#include "target-lite/core/ctrlr.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/core/target.h"
#include "target-lite/rpc/rpc.h"

/* struct nvhi_rpc_method.flags: the states a method may be called in. */
enum {
	TL_RPC_STARTUP = 1u << 0, /* until framework_start_init, with --wait-for-rpc */
	TL_RPC_RUNTIME = 1u << 1,
	TL_RPC_ANY = TL_RPC_STARTUP | TL_RPC_RUNTIME,
};

struct tl_rpc {
	struct tl_target *target;
	struct nvhi_rpc_server *server;
	struct tl_rpc_opts opts;
	bool running;                /* framework_start_init is done or was not needed */
	uint64_t started;            /* ns, of the management reactor's clock */
	struct nvhi_list waiting;    /* calls of framework_wait_init */
	struct nvhi_list loads;      /* load_config under way */
	struct nvhi_list bdev_waits; /* calls of bdev_get_bdevs with a timeout */
};

extern const struct nvhi_rpc_method tl_rpc_framework_methods[];
extern const struct nvhi_rpc_method tl_rpc_config_methods[];
extern const struct nvhi_rpc_method tl_rpc_transport_methods[];
extern const struct nvhi_rpc_method tl_rpc_subsystem_methods[];
extern const struct nvhi_rpc_method tl_rpc_listener_methods[];
extern const struct nvhi_rpc_method tl_rpc_ns_methods[];
extern const struct nvhi_rpc_method tl_rpc_host_methods[];
extern const struct nvhi_rpc_method tl_rpc_ctrlr_methods[];
extern const struct nvhi_rpc_method tl_rpc_discovery_methods[];
extern const struct nvhi_rpc_method tl_rpc_bdev_methods[];
extern const struct nvhi_rpc_method tl_rpc_bdev_create_methods[];
extern const struct nvhi_rpc_method tl_rpc_bdev_stack_methods[];
extern const struct nvhi_rpc_method tl_rpc_fault_methods[];

/* ---- parameters (common.c) ---------------------------------------------------------------- */

static inline struct tl_rpc *tl_rpc_of(struct nvhi_rpc_call *call)
{
	return nvhi_rpc_owner(call);
}

/* nqn and tgt_name: what nearly every method takes. */
struct tl_rpc_nqn {
	const char *nqn, *tgt_name;
};
/* The target, NULL when tgt_name is another's: the call has been answered then. */
struct tl_target *tl_rpc_target(struct nvhi_rpc_call *call, const char *tgt_name);
/* The subsystem; NULL: there is none (or it is on its way out) and the call has been answered. */
struct tl_subsystem *tl_rpc_subsystem(struct nvhi_rpc_call *call, const struct tl_rpc_nqn *name);

struct tl_rpc_addr {
	const char *trtype, *adrfam, *traddr, *trsvcid;
};
extern const struct nvhi_json_field tl_rpc_addr_fields[];
/* Checks and normalises; `name` is the parameter's. -EINVAL: the call has been answered. */
int tl_rpc_parse_addr(struct nvhi_rpc_call *call, const char *name, const struct tl_rpc_addr *addr,
		      struct tl_listen_addr *ret_addr);
/* Hex digits to exactly len bytes, first digit first. -EINVAL. */
int tl_rpc_parse_hex(const char *text, uint8_t *ret_bytes, size_t len);
int tl_rpc_parse_uuid(const char *text, uint8_t ret_uuid[16]);

/* Answers with -32602 "Invalid parameters: parameter 'name': ...". */
void tl_rpc_bad_param(struct nvhi_rpc_call *call, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A known parameter whose value asks for what this target does not have. */
void tl_rpc_unsupported(struct nvhi_rpc_call *call, const char *name);

/* ---- answers ------------------------------------------------------------------------------ */

/* A tl_done_fn whose arg is the call: true, or an error that names method and subsystem. */
void tl_rpc_done(void *arg, int err);
/* "method: what: cause", -32603. */
void tl_rpc_fail(struct nvhi_rpc_call *call, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Members of the object an address is printed as. 0 or -ENOMEM. */
int tl_rpc_add_addr(struct json_object *object, const struct tl_listen_addr *addr);
struct json_object *tl_rpc_addr_object(const struct tl_listen_addr *addr);
int tl_rpc_add_uuid(struct json_object *object, const char *name, const uint8_t uuid[16]);
int tl_rpc_add_hex(struct json_object *object, const char *name, const uint8_t *bytes, size_t len);
bool tl_rpc_all_zero(const uint8_t *bytes, size_t len);
/* Gives `object` back, or releases it and gives NULL when building it failed. */
static inline struct json_object *tl_rpc_built(struct json_object *object, int failed)
{
	if (!failed)
		return object;
	json_object_put(object);
	return NULL;
}

/* ---- configuration (config.c): what makes the same thing again --------------------------------
 */

/* {"method", "params"} appended to `config`; takes params. */
int tl_rpc_config_add(struct json_object *config, const char *method, struct json_object *params);
int tl_rpc_transport_config(struct tl_target *target, struct json_object *config);
int tl_rpc_subsystem_config(struct tl_target *target, struct json_object *config);
int tl_rpc_ns_config(struct tl_subsystem *ss, struct json_object *config);
int tl_rpc_host_config(struct tl_subsystem *ss, struct json_object *config);
int tl_rpc_listener_config(struct tl_subsystem *ss, struct json_object *config);
int tl_rpc_discovery_config(struct tl_target *target, struct json_object *config);
int tl_rpc_bdev_config(struct tl_target *target, struct json_object *config);
/* bdev_stack.c: a bdev that stands on another; what driver_specific holds of it (nothing of others),
 * and the call that makes it. */
bool tl_rpc_is_stack(const struct tl_bdev *bdev);
int tl_rpc_stack_specific(struct json_object *specific, struct tl_bdev *bdev);
int tl_rpc_stack_config(struct tl_bdev *bdev, struct json_object *config);

/* A bdev was made: those who wait for it are answered. */
void tl_rpc_bdev_appeared(struct tl_rpc *rpc, struct tl_bdev *bdev);
/* framework_start_init without a call. */
void tl_rpc_framework_start(struct tl_rpc *rpc);
/* Loads under way end when their present call is answered. */
void tl_rpc_loads_done(struct tl_rpc *rpc);
/* The waiting calls of framework_wait_init are dropped. */
void tl_rpc_framework_done(struct tl_rpc *rpc);
/* The waiting calls of bdev_get_bdevs are dropped (server and reactor are going). */
void tl_rpc_bdev_waits_done(struct tl_rpc *rpc);

#endif
