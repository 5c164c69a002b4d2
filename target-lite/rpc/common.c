/*
 * Parameters and pieces of results that several RPC methods share. Management reactor.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "target-lite/rpc/impl.h"

const struct nvhi_json_field tl_rpc_addr_fields[] = {
	NVHI_JSON_FIELD(tl_rpc_addr, trtype, STRING, NVHI_JSON_REQUIRED, .max_len = 32),
	NVHI_JSON_FIELD(tl_rpc_addr, adrfam, STRING, .max_len = 32),
	NVHI_JSON_FIELD(tl_rpc_addr, traddr, STRING, NVHI_JSON_REQUIRED, .max_len = 256),
	NVHI_JSON_FIELD(tl_rpc_addr, trsvcid, STRING, .max_len = 32),
	NVHI_JSON_END,
};

/* ---- errors ------------------------------------------------------------------------------- */

void tl_rpc_bad_param(struct nvhi_rpc_call *call, const char *name, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	nvhi_rpc_error(call, NVHI_RPC_INVALID_PARAMS, "Invalid parameters: parameter '%s': %s",
		       name, text);
}

void tl_rpc_unsupported(struct nvhi_rpc_call *call, const char *name)
{
	tl_rpc_bad_param(call, name, "target-lite does not have this; leave it out");
}

void tl_rpc_fail(struct nvhi_rpc_call *call, int err, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	nvhi_rpc_errno(call, err, "%s: %s", nvhi_rpc_call_method(call)->name, text);
}

void tl_rpc_done(void *arg, int err)
{
	struct nvhi_rpc_call *call = arg;
	struct json_object *nqn;

	if (!err)
		nvhi_rpc_reply_bool(call, true);
	else if (json_object_object_get_ex(nvhi_rpc_params(call), "nqn", &nqn))
		tl_rpc_fail(call, err, "%s", json_object_get_string(nqn));
	else
		nvhi_rpc_errno(call, err, "%s", nvhi_rpc_call_method(call)->name);
}

/* ---- target and subsystem ----------------------------------------------------------------- */

struct tl_target *tl_rpc_target(struct nvhi_rpc_call *call, const char *tgt_name)
{
	struct tl_target *target = tl_rpc_of(call)->target;

	if (tgt_name && strcmp(tgt_name, target->opts.name) != 0) {
		tl_rpc_bad_param(call, "tgt_name", "there is no target '%.64s', only '%s'",
				 tgt_name, target->opts.name);
		return NULL;
	}
	if (target->stopping) {
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "the target is stopping");
		return NULL;
	}
	return target;
}

struct tl_subsystem *tl_rpc_subsystem(struct nvhi_rpc_call *call, const struct tl_rpc_nqn *name)
{
	struct tl_target *target = tl_rpc_target(call, name->tgt_name);
	struct tl_subsystem *ss;

	if (!target)
		return NULL;
	ss = tl_target_find_subsystem(target, name->nqn);
	if (!ss) {
		nvhi_rpc_error(
			call, NVHI_RPC_INVALID_PARAMS,
			"Invalid parameters: parameter 'nqn': there is no subsystem '%.223s'",
			name->nqn);
		return NULL;
	}
	if (ss->deleting) {
		nvhi_rpc_error(call, NVHI_RPC_INTERNAL_ERROR, "subsystem %s is being deleted",
			       ss->nqn);
		return NULL;
	}
	return ss;
}

/* ---- addresses ---------------------------------------------------------------------------- */

static int bad_addr(struct nvhi_rpc_call *call, const char *name, const char *member,
		    const char *value, const char *why)
{
	char full[64];

	snprintf(full, sizeof(full), "%s.%s", name, member);
	tl_rpc_bad_param(call, full, "'%.64s' %s", value, why);
	return -EINVAL;
}

/* Rewrites a numeric address in its one canonical text. */
static int normalise_ip(enum tl_adrfam adrfam, const char *text, char *ret_text, size_t len)
{
	int family = adrfam == TL_ADRFAM_IPV6 ? AF_INET6 : AF_INET;
	uint8_t bytes[16];

	if (inet_pton(family, text, bytes) != 1)
		return -EINVAL;
	return inet_ntop(family, bytes, ret_text, (socklen_t)len) ? 0 : -EINVAL;
}

static int parse_port(const char *text, char *ret_text, size_t len)
{
	unsigned long port = 0;

	if (!text[0] || strlen(text) > 5)
		return -EINVAL;
	for (const char *c = text; *c; c++) {
		if (*c < '0' || *c > '9')
			return -EINVAL;
		port = port * 10 + (unsigned long)(*c - '0');
	}
	if (port > 65535)
		return -EINVAL;
	snprintf(ret_text, len, "%lu", port);
	return 0;
}

int tl_rpc_parse_addr(struct nvhi_rpc_call *call, const char *name, const struct tl_rpc_addr *addr,
		      struct tl_listen_addr *ret_addr)
{
	struct tl_listen_addr out = {.adrfam = TL_ADRFAM_IPV4};

	if (tl_trtype_parse(addr->trtype, &out.trtype))
		return bad_addr(call, name, "trtype", addr->trtype, "is no transport (TCP, RDMA, VFIOUSER)");
	if (out.trtype == TL_TRTYPE_VFIOUSER) {
		snprintf(out.traddr, sizeof(out.traddr), "%s", addr->traddr);
		*ret_addr = out;
		return 0;
	}
	if (addr->adrfam) {
		if (tl_adrfam_parse(addr->adrfam, &out.adrfam))
			return bad_addr(call, name, "adrfam", addr->adrfam,
					"is no address family (IPv4, IPv6)");
	} else if (strchr(addr->traddr, ':')) {
		out.adrfam = TL_ADRFAM_IPV6;
	}
	if (normalise_ip(out.adrfam, addr->traddr, out.traddr, sizeof(out.traddr)))
		return bad_addr(call, name, "traddr", addr->traddr,
				out.adrfam == TL_ADRFAM_IPV6 ? "is no numeric IPv6 address"
							     : "is no numeric IPv4 address");
	if (parse_port(addr->trsvcid ? addr->trsvcid : "", out.trsvcid, sizeof(out.trsvcid)))
		return bad_addr(call, name, "trsvcid", addr->trsvcid ? addr->trsvcid : "",
				"is no port (0 to 65535)");
	*ret_addr = out;
	return 0;
}

int tl_rpc_add_addr(struct json_object *object, const struct tl_listen_addr *addr)
{
	int failed = nvhi_json_add_string(object, "trtype", tl_trtype_name(addr->trtype));

	failed |= nvhi_json_add_string(object, "adrfam", tl_adrfam_name(addr->adrfam));
	failed |= nvhi_json_add_string(object, "traddr", addr->traddr);
	failed |= nvhi_json_add_string(object, "trsvcid", addr->trsvcid);
	return failed ? -ENOMEM : 0;
}

struct json_object *tl_rpc_addr_object(const struct tl_listen_addr *addr)
{
	struct json_object *object = json_object_new_object();

	return tl_rpc_built(object, tl_rpc_add_addr(object, addr));
}

/* ---- bytes as text ------------------------------------------------------------------------ */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int tl_rpc_parse_hex(const char *text, uint8_t *ret_bytes, size_t len)
{
	if (strlen(text) != 2 * len)
		return -EINVAL;
	for (size_t i = 0; i < 2 * len; i++)
		if (hex_digit(text[i]) < 0)
			return -EINVAL;
	for (size_t i = 0; i < len; i++)
		ret_bytes[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	return 0;
}

int tl_rpc_parse_uuid(const char *text, uint8_t ret_uuid[16])
{
	char digits[33];
	size_t n = 0;

	if (strlen(text) != 36)
		return -EINVAL;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash != (text[i] == '-'))
			return -EINVAL;
		if (!dash)
			digits[n++] = text[i];
	}
	digits[n] = '\0';
	return tl_rpc_parse_hex(digits, ret_uuid, 16);
}

bool tl_rpc_all_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

int tl_rpc_add_hex(struct json_object *object, const char *name, const uint8_t *bytes, size_t len)
{
	char text[65];

	for (size_t i = 0; i < len && i < 32; i++)
		snprintf(text + 2 * i, 3, "%02X", bytes[i]);
	return nvhi_json_add_string(object, name, text);
}

int tl_rpc_add_uuid(struct json_object *object, const char *name, const uint8_t uuid[16])
{
	char text[37];
	size_t n = 0;

	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[n++] = '-';
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%02x", uuid[i]);
	}
	return nvhi_json_add_string(object, name, text);
}
