/*
 * NVMe Qualified Names, UUIDs and host identifiers: checking, building, deriving. Pure.
 *
 * Base Specification 2.1 section 4.7 (NQN), RFC 9562 (UUID).
 */
#ifndef NVHI_FABRIC_NQN_H
#define NVHI_FABRIC_NQN_H

#include <stddef.h>
#include <stdint.h>

#include "base/spec/nvmf.h"

/*
 * The form that the specification asks for: nqn.YYYY-MM.reverse.domain:string, or the UUID form, or
 * the discovery NQN; at most 223 bytes of UTF-8. For names that we create. -EINVAL, *ret_why (if
 * not NULL) says which rule is broken.
 */
int nvhi_nqn_check(const char *nqn, const char **ret_why);
/*
 * Only what cannot be sent or shown: empty, longer than 223 bytes, control bytes, not UTF-8. For
 * names of others: the kernel's target takes any word for a subsystem.
 */
int nvhi_nqn_check_lenient(const char *nqn, const char **ret_why);

#define NVHI_UUID_TEXT 37 /* 36 characters and NUL */

/* 8-4-4-4-12 hexadecimal digits, any case; also 32 digits without dashes. -EINVAL. */
int nvhi_uuid_parse(const char *text, uint8_t ret_uuid[16]);
/* Lower case; returns buf. */
const char *nvhi_uuid_format(const uint8_t uuid[16], char buf[NVHI_UUID_TEXT]);
/* Makes 16 random bytes a version 4 UUID. */
void nvhi_uuid_make_v4(uint8_t uuid[16]);

/* nqn.2014-08.org.nvmexpress:uuid:... of a UUID. */
void nvhi_nqn_from_uuid(const uint8_t uuid[16], char ret_nqn[NVH_NQN_SIZE]);
/* The UUID in such an NQN: the host ID of a host that was given only its NQN. -ENOENT when the NQN
 * has another form. */
int nvhi_nqn_to_uuid(const char *nqn, uint8_t ret_uuid[16]);

#endif
