/*
 * Base64 (RFC 4648, with padding): how binary data travels in JSON. Pure.
 */
#ifndef NVD_BASE64_H
#define NVD_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* Characters that len bytes take, the ending NUL included. */
#define NVD_BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

void nvd_base64_encode(const void *data, size_t len, char *ret_text);
/* A fresh string; NULL when out of memory. */
char *nvd_base64_dup(const void *data, size_t len);
/* -EINVAL: not base64, or more than `max` bytes. */
int nvd_base64_decode(const char *text, void *ret_data, size_t max, size_t *ret_len);

#endif
