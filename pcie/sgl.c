/*
 * Building SGLs; see sgl.h. Pieces that lie side by side for the device become one descriptor; one
 * stands in the command, more in a last segment that the command points to. Any thread.
 */
#include <errno.h>
#include <string.h>

#include "pcie/sgl.h"

struct sgl_state {
	struct nvh_sgl *list; /* NULL: one descriptor at most */
	uint32_t max, count;
	uint64_t addr, len; /* of the last descriptor, not put down yet */
	bool dwords;
};

static void sgl_put(struct nvh_sgl *sgl, uint64_t addr, uint32_t len, uint8_t id)
{
	memset(sgl, 0, sizeof(*sgl));
	nvh_le64_put(&sgl->addr, addr);
	nvh_le32_put(&sgl->len, len);
	sgl->id = id;
}

static int sgl_add(struct sgl_state *s, uint64_t addr, uint64_t len)
{
	if (s->dwords && ((addr | len) & 3))
		return -EINVAL;
	if (s->count && s->addr + s->len == addr) {
		s->len += len;
		return 0;
	}
	if (s->count == s->max)
		return -EINVAL;
	if (s->count)
		sgl_put(&s->list[s->count - 1], s->addr, (uint32_t)s->len,
			NVH_SGL_ID(NVH_SGL_DATA, NVH_SGL_SUB_ADDRESS));
	s->count++;
	s->addr = addr;
	s->len = len;
	return 0;
}

static int sgl_add_memory(struct sgl_state *s, struct nvhi_pcie_bus *bus, const uint8_t *addr,
			  size_t len)
{
	while (len > 0) {
		size_t span = 0;
		uint64_t iova = bus->ops->iova(bus, addr, len, &span);

		if (iova == NVHI_IOVA_NONE || span == 0)
			return -EINVAL;
		if (span > len)
			span = len;
		if (sgl_add(s, iova, span))
			return -EINVAL;
		addr += span;
		len -= span;
	}
	return 0;
}

static int sgl_add_all(struct sgl_state *s, struct nvhi_pcie_bus *bus,
		       const struct nvhi_iov_cursor *cursor, size_t left)
{
	const struct iovec *iov = cursor->iov;
	size_t offset = cursor->offset;

	for (uint32_t i = 0; i < cursor->iovcnt && left > 0; i++, iov++, offset = 0) {
		size_t piece = iov->iov_len - offset;

		if (piece > left)
			piece = left;
		if (sgl_add_memory(s, bus, (const uint8_t *)iov->iov_base + offset, piece))
			return -EINVAL;
		left -= piece;
	}
	return left || !s->count ? -EINVAL : 0;
}

static void sgl_set(struct nvh_cmd *cmd, uint64_t addr, uint32_t len, unsigned int type)
{
	cmd->flags = (uint8_t)((cmd->flags & ~NVH_CMD_PSDT_MASK) | NVH_CMD_PSDT_SGL);
	sgl_put(&cmd->dptr.sgl, addr, len, NVH_SGL_ID(type, NVH_SGL_SUB_ADDRESS));
}

int nvhi_sgl_build_one(struct nvhi_pcie_bus *bus, const struct nvhi_iov_cursor *cursor,
		       uint32_t len, bool dwords, struct nvh_cmd *cmd)
{
	struct sgl_state s = {.max = 1, .dwords = dwords};

	if (sgl_add_all(&s, bus, cursor, len))
		return -EINVAL;
	sgl_set(cmd, s.addr, (uint32_t)s.len, NVH_SGL_DATA);
	return 0;
}

int nvhi_sgl_build(struct nvhi_pcie_bus *bus, const struct nvhi_iov_cursor *cursor, uint32_t len,
		   bool dwords, const struct nvhi_prp_list *list, struct nvh_cmd *cmd)
{
	struct sgl_state s = {
		.list = (struct nvh_sgl *)list->entries,
		.max = (uint32_t)(list->max * sizeof(*list->entries) / sizeof(struct nvh_sgl)),
		.dwords = dwords,
	};

	if (sgl_add_all(&s, bus, cursor, len))
		return -EINVAL;
	sgl_put(&s.list[s.count - 1], s.addr, (uint32_t)s.len,
		NVH_SGL_ID(NVH_SGL_DATA, NVH_SGL_SUB_ADDRESS));
	sgl_set(cmd, list->iova, (uint32_t)(s.count * sizeof(*s.list)), NVH_SGL_LAST_SEGMENT);
	return 0;
}
