/*
 * A poll group's data buffers: two sizes, each one mapping that is resident only as far as it was
 * ever used, handed out last in first out so that the warm ones go round. A request that finds
 * none stands in line; nothing is allocated on the I/O path. Group reactor.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "target-lite/tcp/tcp_impl.h"

int tl_tcp_bufs_init(struct tl_tcp_bufs *bufs, size_t size, uint32_t count)
{
	bufs->free = calloc(count, sizeof(*bufs->free));
	if (!bufs->free)
		return -ENOMEM;
	bufs->mem = mmap(NULL, size * count, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bufs->mem == MAP_FAILED) {
		free(bufs->free);
		return -ENOMEM;
	}
	bufs->size = size;
	bufs->count = count;
	bufs->fresh = 0;
	bufs->free_count = 0;
	return 0;
}

void tl_tcp_bufs_done(struct tl_tcp_bufs *bufs)
{
	if (!bufs->mem)
		return;
	munmap(bufs->mem, bufs->size * bufs->count);
	free(bufs->free);
	bufs->mem = NULL;
}

static void *bufs_get(struct tl_tcp_bufs *bufs)
{
	if (bufs->free_count)
		return bufs->free[--bufs->free_count];
	if (bufs->fresh < bufs->count)
		return bufs->mem + bufs->size * bufs->fresh++;
	return NULL;
}

static bool bufs_try(struct tl_tcp_bufs *bufs, struct tl_tcp_req *treq)
{
	treq->buf = bufs_get(bufs);
	treq->bufs = bufs;
	return treq->buf != NULL;
}

/* One host that asks for much and sends nothing leaves three quarters to the others. */
static bool buf_within_share(const struct tl_tcp_group *tg, const struct tl_tcp_req *treq)
{
	uint32_t count = tg->large.count;

	return tl_tcp_conn_of(treq->req.qpair)->large_held < (count < 8 ? count : count / 4);
}

static bool buf_try(struct tl_tcp_group *tg, struct tl_tcp_req *treq)
{
	if (treq->req.xfer_len <= tg->small.size && bufs_try(&tg->small, treq))
		return true;
	if (!buf_within_share(tg, treq) || !bufs_try(&tg->large, treq))
		return false;
	tl_tcp_conn_of(treq->req.qpair)->large_held++;
	return true;
}

/* While a buffer is free, those in line have their share already: nobody is overtaken. */
bool tl_tcp_buf_get(struct tl_tcp_group *tg, struct tl_tcp_req *treq)
{
	if (buf_try(tg, treq))
		return true;
	nvhi_list_add_tail(&tg->waiters, &treq->link);
	return false;
}

/* The first in line that may have one. */
static struct tl_tcp_req *buf_next(struct tl_tcp_group *tg)
{
	struct tl_tcp_req *next;

	nvhi_list_for_each(next, &tg->waiters, link)
		if (buf_try(tg, next))
			return next;
	return NULL;
}

void tl_tcp_buf_put(struct tl_tcp_group *tg, struct tl_tcp_req *treq)
{
	struct tl_tcp_bufs *bufs = treq->bufs;
	struct tl_tcp_req *next;

	if (!treq->buf)
		return;
	bufs->free[bufs->free_count++] = treq->buf;
	treq->buf = NULL;
	if (bufs == &tg->large)
		tl_tcp_conn_of(treq->req.qpair)->large_held--;
	while ((next = buf_next(tg))) {
		nvhi_list_del(&next->link);
		tl_tcp_got_buffer(next);
	}
}
