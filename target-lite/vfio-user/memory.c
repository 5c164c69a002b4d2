/*
 * The client's memory: files that it sent, mapped, and found again by the device's addresses. A file
 * must be a memfd that is sealed against shrinking, so that no access of ours meets its end; a map
 * that requests or queues use goes when the last of them has let it go. The client's reactor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "target-lite/vfio-user/impl.h"

#ifndef HUGETLBFS_MAGIC
#define HUGETLBFS_MAGIC 0x958458f6
#endif

static bool map_overlaps(const struct tl_vfu_map *map, uint64_t iova, uint64_t size)
{
	return map->base && iova < map->iova + map->size && map->iova < iova + size;
}

/* A file that cannot end under us: no hole of it can fail to be filled, no end come nearer. Seals first:
 * only memory has them, and nothing else is asked of a file that may be anything. */
static int map_check_file(struct tl_vfu_conn *conn, int fd, uint64_t end)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstatfs(fd, &fs) < 0 ||
	    fs.f_type == HUGETLBFS_MAGIC) {
		if (conn->complaints++ < TL_VFU_COMPLAINTS)
			nvhi_log(WARN, TARGET,
				 "%s: DMA_MAP: its memory is no memfd of ordinary pages sealed with "
				 "F_SEAL_SHRINK",
				 conn->name);
		return EPERM;
	}
	if (fstat(fd, &st) < 0)
		return errno;
	return st.st_size < 0 || (uint64_t)st.st_size < end ? EINVAL : 0;
}

int tl_vfu_map(struct tl_vfu_conn *conn, const struct nvh_vfu_dma_map *map, int fd)
{
	const uint32_t both = NVH_VFU_DMA_READABLE | NVH_VFU_DMA_WRITABLE;
	struct tl_vfu_map *slot = NULL;
	uint64_t end;
	void *base;
	int err;

	if (!map->size || (map->size | map->addr | map->offset) % TL_VFU_PAGE ||
	    map->size > UINT64_MAX - map->addr || map->offset > INT64_MAX ||
	    map->size > INT64_MAX - map->offset)
		return EINVAL;
	if ((map->flags & both) != both)
		return 0; /* a ROM: neither queues nor data are there */
	if (map->size > TL_VFU_MAPPED_MAX - conn->mapped)
		return ENOMEM;
	for (uint32_t i = 0; i < TL_VFU_MAPS_MAX; i++) {
		if (map_overlaps(&conn->maps[i], map->addr, map->size))
			return EEXIST;
		if (!conn->maps[i].base && !slot)
			slot = &conn->maps[i];
	}
	if (!slot)
		return ENOSPC;
	end = map->offset + map->size;
	err = map_check_file(conn, fd, end);
	if (err)
		return err;
	base = mmap(NULL, map->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)map->offset);
	if (base == MAP_FAILED)
		return errno;
	conn->mapped += map->size;
	*slot = (struct tl_vfu_map){.iova = map->addr, .size = map->size, .base = base};
	return 0;
}

static void map_free(struct tl_vfu_conn *conn, struct tl_vfu_map *map)
{
	conn->mapped -= map->size;
	munmap(map->base, map->size);
	memset(map, 0, sizeof(*map));
}

static int unmap_everything(struct tl_vfu_conn *conn)
{
	for (uint32_t i = 0; i < TL_VFU_MAPS_MAX; i++)
		if (conn->maps[i].users)
			return EBUSY;
	tl_vfu_unmap_all(conn);
	return 0;
}

int tl_vfu_unmap(struct tl_vfu_conn *conn, const struct nvh_vfu_dma_unmap *unmap)
{
	if (unmap->flags & NVH_VFU_UNMAP_ALL)
		return unmap_everything(conn);
	if (!unmap->size || unmap->size > UINT64_MAX - unmap->addr)
		return EINVAL;
	for (uint32_t i = 0; i < TL_VFU_MAPS_MAX; i++) {
		struct tl_vfu_map *map = &conn->maps[i];

		if (!map_overlaps(map, unmap->addr, unmap->size))
			continue;
		if (map->iova != unmap->addr || map->size != unmap->size)
			return EINVAL; /* a part of it, or more than it */
		if (map->going)
			return EBUSY; /* the one who asked first is told */
		if (!map->users) {
			map_free(conn, map);
			return 0;
		}
		map->going = true;
		map->reply = conn->rx.header.msg_id;
		return -1;
	}
	return 0; /* of what came without a file, or was for reading only: never ours */
}

void tl_vfu_unmap_all(struct tl_vfu_conn *conn)
{
	for (uint32_t i = 0; i < TL_VFU_MAPS_MAX; i++)
		if (conn->maps[i].base)
			map_free(conn, &conn->maps[i]);
}

static struct tl_vfu_map *map_find(struct tl_vfu_conn *conn, uint64_t iova)
{
	struct tl_vfu_map *map = &conn->maps[conn->last_map];

	if (map->base && !map->going && iova >= map->iova && iova - map->iova < map->size)
		return map;
	for (uint32_t i = 0; i < TL_VFU_MAPS_MAX; i++) {
		map = &conn->maps[i];
		if (map->base && !map->going && iova >= map->iova &&
		    iova - map->iova < map->size) {
			conn->last_map = i;
			return map;
		}
	}
	return NULL;
}

uint8_t *tl_vfu_get_part(struct tl_vfu_conn *conn, uint64_t iova, uint64_t *len,
			 struct tl_vfu_map **ret_map)
{
	struct tl_vfu_map *map = map_find(conn, iova);
	uint64_t at;

	if (!map)
		return NULL;
	at = iova - map->iova;
	if (*len > map->size - at)
		*len = map->size - at;
	map->users++;
	*ret_map = map;
	return map->base + at;
}

uint8_t *tl_vfu_get(struct tl_vfu_conn *conn, uint64_t iova, uint64_t len,
		    struct tl_vfu_map **ret_map)
{
	struct tl_vfu_map *map = map_find(conn, iova);

	if (!map || len > map->size - (iova - map->iova))
		return NULL;
	map->users++;
	*ret_map = map;
	return map->base + (iova - map->iova);
}

void tl_vfu_put(struct tl_vfu_conn *conn, struct tl_vfu_map *map)
{
	struct nvh_vfu_dma_unmap done = {.argsz = sizeof(done)};
	struct iovec iov = {&done, sizeof(done)};
	uint16_t reply = map->reply;

	if (--map->users || !map->going)
		return;
	done.addr = map->iova;
	done.size = map->size;
	map_free(conn, map);
	if (!conn->closed)
		tl_vfu_reply(conn, reply, NVH_VFU_DMA_UNMAP, 0, &iov, 1, -1);
}
