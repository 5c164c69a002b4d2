/*
 * Building PRPs: the first entry may begin anywhere in its page, all others begin a page; each but
 * the last fills its page to the end. Two entries stand in the command; with more the second points
 * to the list. Any thread. Base Specification 2.1 section 4.3.1.
 */
#include <errno.h>

#include "pcie/prp.h"

/* What was put down so far. */
struct prp_state {
	uint32_t page_size;
	const struct nvhi_prp_list *list;
	uint32_t count; /* entries, the first one included */
	uint64_t first;
	uint64_t next; /* where the last entry's bytes end */
};

/* The next `len` bytes lie at `iova`, contiguous. */
static int prp_add(struct prp_state *s, uint64_t iova, uint64_t len)
{
	uint64_t mask = s->page_size - 1;

	while (len > 0) {
		uint64_t room = s->page_size - (iova & mask);

		if (s->count == 0) {
			if (iova & 3)
				return -EINVAL;
			s->first = iova;
			s->count = 1;
		} else if (s->next == iova && (iova & mask)) {
			/* goes on in the same page */
		} else if ((s->next & mask) || (iova & mask)) {
			return -EINVAL;
		} else if (s->count > s->list->max) {
			return -EINVAL;
		} else {
			nvh_le64_put(&s->list->entries[s->count - 1], iova);
			s->count++;
		}
		if (room > len)
			room = len;
		s->next = iova + room;
		iova += room;
		len -= room;
	}
	return 0;
}

static void prp_put(const struct prp_state *s, struct nvh_cmd *cmd)
{
	uint64_t second = 0;

	if (s->count == 2)
		second = nvh_le64_get(s->list->entries[0]);
	else if (s->count > 2)
		second = s->list->iova;
	cmd->flags &= (uint8_t)~NVH_CMD_PSDT_MASK;
	nvh_le64_put(&cmd->dptr.prp.prp1, s->first);
	nvh_le64_put(&cmd->dptr.prp.prp2, second);
}

/* A piece of the caller's memory, which may be several for the device. */
static int prp_add_memory(struct prp_state *s, struct nvhi_pcie_bus *bus, const uint8_t *addr,
			  size_t len)
{
	while (len > 0) {
		size_t span = 0;
		uint64_t iova = bus->ops->iova(bus, addr, len, &span);
		int err;

		if (iova == NVHI_IOVA_NONE || span == 0)
			return -EINVAL;
		if (span > len)
			span = len;
		err = prp_add(s, iova, span);
		if (err)
			return err;
		addr += span;
		len -= span;
	}
	return 0;
}

int nvhi_prp_build(struct nvhi_pcie_bus *bus, const struct nvhi_iov_cursor *cursor, uint32_t len,
		   uint32_t page_size, const struct nvhi_prp_list *list, struct nvh_cmd *cmd)
{
	struct prp_state s = {.page_size = page_size, .list = list};
	const struct iovec *iov = cursor->iov;
	size_t offset = cursor->offset, left = len;

	for (uint32_t i = 0; i < cursor->iovcnt && left > 0; i++, iov++, offset = 0) {
		size_t piece = iov->iov_len - offset;
		int err;

		if (piece > left)
			piece = left;
		err = prp_add_memory(&s, bus, (const uint8_t *)iov->iov_base + offset, piece);
		if (err)
			return err;
		left -= piece;
	}
	if (left > 0)
		return -EINVAL;
	prp_put(&s, cmd);
	return 0;
}

int nvhi_prp_build_flat(uint64_t iova, uint32_t len, uint32_t page_size,
			const struct nvhi_prp_list *list, struct nvh_cmd *cmd)
{
	struct prp_state s = {.page_size = page_size, .list = list};
	int err = prp_add(&s, iova, len);

	if (err)
		return err;
	prp_put(&s, cmd);
	return 0;
}
