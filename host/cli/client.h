/*
 * Talking to nvhostd: finding its socket, starting it on first need, calling a method.
 */
#ifndef NVC_CLIENT_H
#define NVC_CLIENT_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --socket; NULL: where nvhostd is by itself. */
extern const char *nvc_client_socket;

/* Is a daemon running? Starts none. */
bool nvc_client_alive(void);

/* Calls a method, starting the daemon when there is none. Takes `params` (may be NULL). 0 with the
 * result (the caller's; may be NULL for null); -1 after the failure was said on stderr. */
int nvc_call(const char *method, struct json_object *params, struct json_object **ret_result);
/* The same, but the failure's text goes to err and nothing is said. -errno, -EREMOTEIO for an error
 * that the daemon answered (its code in *ret_code). */
int nvc_call_quiet(const char *method, struct json_object *params, struct json_object **ret_result,
		   int *ret_code, char *err, size_t err_len);

/* Calls a method without parameters that sends events until it is answered; on_event returns non-zero
 * to end it. 0, or -1 after the failure was said. */
int nvc_call_events(const char *method,
		    int (*on_event)(const char *method, struct json_object *params, void *arg),
		    void *arg);

/* ---- members of results; defaults where they are missing ------------------------------------ */
const char *nvc_get_string(struct json_object *object, const char *name);
uint64_t nvc_get_u64(struct json_object *object, const char *name, uint64_t missing);
bool nvc_get_bool(struct json_object *object, const char *name);
/* NULL when missing. */
struct json_object *nvc_get(struct json_object *object, const char *name);

/* Prints as nvme-cli prints JSON, and frees. */
void nvc_print_json(struct json_object *root);

#endif
