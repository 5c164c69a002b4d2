/*
 * The iovec cursor: see iov.h. Pure; any thread.
 */
#include <string.h>

#include "base/iov.h"

void nvhi_iov_cursor_init(struct nvhi_iov_cursor *cursor, const struct iovec *iov, uint32_t iovcnt)
{
	cursor->iov = iov;
	cursor->iovcnt = iovcnt;
	cursor->offset = 0;
}

/* Moves by `bytes`, which must not reach beyond the current element. */
static void cursor_step(struct nvhi_iov_cursor *cursor, size_t bytes)
{
	cursor->offset += bytes;
	if (cursor->offset == cursor->iov->iov_len) {
		cursor->iov++;
		cursor->iovcnt--;
		cursor->offset = 0;
	}
}

static size_t cursor_room(const struct nvhi_iov_cursor *cursor, size_t bytes)
{
	size_t room = cursor->iov->iov_len - cursor->offset;

	return room < bytes ? room : bytes;
}

size_t nvhi_iov_cursor_advance(struct nvhi_iov_cursor *cursor, size_t bytes)
{
	size_t done = 0;

	while (done < bytes && cursor->iovcnt > 0) {
		size_t step = cursor_room(cursor, bytes - done);

		cursor_step(cursor, step);
		done += step;
	}
	return done;
}

uint32_t nvhi_iov_cursor_window(const struct nvhi_iov_cursor *cursor, size_t bytes,
				struct iovec *out, uint32_t max, size_t *ret_bytes)
{
	struct nvhi_iov_cursor at = *cursor;
	uint32_t count = 0;
	size_t covered = 0;

	while (covered < bytes && at.iovcnt > 0) {
		size_t step = cursor_room(&at, bytes - covered);

		if (step > 0) {
			if (count == max)
				break;
			out[count].iov_base = (char *)at.iov->iov_base + at.offset;
			out[count].iov_len = step;
			count++;
		}
		cursor_step(&at, step);
		covered += step;
	}
	*ret_bytes = covered;
	return count;
}

size_t nvhi_iov_cursor_copy_in(struct nvhi_iov_cursor *cursor, const void *src, size_t bytes)
{
	size_t done = 0;

	while (done < bytes && cursor->iovcnt > 0) {
		size_t step = cursor_room(cursor, bytes - done);

		if (step > 0)
			memcpy((char *)cursor->iov->iov_base + cursor->offset,
			       (const char *)src + done, step);
		cursor_step(cursor, step);
		done += step;
	}
	return done;
}

size_t nvhi_iov_cursor_copy_out(struct nvhi_iov_cursor *cursor, void *dst, size_t bytes)
{
	size_t done = 0;

	while (done < bytes && cursor->iovcnt > 0) {
		size_t step = cursor_room(cursor, bytes - done);

		if (step > 0)
			memcpy((char *)dst + done,
			       (const char *)cursor->iov->iov_base + cursor->offset, step);
		cursor_step(cursor, step);
		done += step;
	}
	return done;
}

size_t nvhi_iov_length(const struct iovec *iov, uint32_t iovcnt)
{
	size_t total = 0;

	for (uint32_t i = 0; i < iovcnt; i++)
		if (__builtin_add_overflow(total, iov[i].iov_len, &total))
			return SIZE_MAX;
	return total;
}
