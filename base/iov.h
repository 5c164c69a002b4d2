/*
 * A cursor over a caller's iovec array: where the next byte of a transfer is. Splitting, digests
 * and readv/sendmsg all take their windows from here, so no layer copies or edits the caller's
 * array. Pure; no thread of its own.
 */
#ifndef NVHI_BASE_IOV_H
#define NVHI_BASE_IOV_H

#include <stdint.h>
#include <sys/uio.h>

struct nvhi_iov_cursor {
	const struct iovec *iov; /* current element */
	uint32_t iovcnt;	 /* elements left, the current one included */
	size_t offset;		 /* consumed of the current element */
};

void nvhi_iov_cursor_init(struct nvhi_iov_cursor *cursor, const struct iovec *iov, uint32_t iovcnt);
/* Skips `bytes`; returns how many were there to skip (less only at the end). */
size_t nvhi_iov_cursor_advance(struct nvhi_iov_cursor *cursor, size_t bytes);
/* Fills up to `max` elements of `out` with the next `bytes` without moving; returns the number of
 * elements and through ret_bytes how many bytes they cover (less when max or the end cut it). */
uint32_t nvhi_iov_cursor_window(const struct nvhi_iov_cursor *cursor, size_t bytes,
				struct iovec *out, uint32_t max, size_t *ret_bytes);
/* Copy between the cursor's place and a flat buffer, and advance. Returns bytes copied. */
size_t nvhi_iov_cursor_copy_in(struct nvhi_iov_cursor *cursor, const void *src, size_t bytes);
size_t nvhi_iov_cursor_copy_out(struct nvhi_iov_cursor *cursor, void *dst, size_t bytes);
/* The total, or SIZE_MAX when it overflows. */
size_t nvhi_iov_length(const struct iovec *iov, uint32_t iovcnt);

#endif
