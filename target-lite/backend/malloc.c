/*
 * Memory as a block device: one anonymous mapping, zero until written, resident only where it was
 * touched. All I/O completes inline; reads lend the memory itself. Any reactor; two commands that
 * overlap in time and range may see each other's bytes mixed, as NVMe allows beyond one block.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/spec/nvme_status.h"
#include "target-lite/backend/bdev_impl.h"

#ifdef __SANITIZE_THREAD__
/* Hosts that write and read the same blocks at once race by their own will. */
const char *__tsan_default_suppressions(void);
__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void)
{
	return "race:malloc_copy\nrace:malloc_zero\n";
}
#endif

struct malloc_bdev {
	struct tl_bdev bdev;
	uint8_t *mem;
	size_t size;
};

static struct malloc_bdev *malloc_of(struct tl_bdev *bdev)
{
	return nvhi_container_of(bdev, struct malloc_bdev, bdev);
}

static void malloc_copy(uint8_t *at, const struct tl_bdev_io *io)
{
	for (uint32_t i = 0; i < io->iovcnt; i++) {
		if (io->op == TL_BDEV_WRITE)
			memcpy(at, io->iov[i].iov_base, io->iov[i].iov_len);
		else
			memcpy(io->iov[i].iov_base, at, io->iov[i].iov_len);
		at += io->iov[i].iov_len;
	}
}

/* Whole pages inside go back to the system (and read as zeroes), the ragged ends are cleared. */
static void malloc_zero(uint8_t *at, size_t len)
{
	const size_t page = 4096;
	uint8_t *first = (uint8_t *)(((uintptr_t)at + page - 1) & ~(uintptr_t)(page - 1));
	uint8_t *last = (uint8_t *)(((uintptr_t)at + len) & ~(uintptr_t)(page - 1));

	if (len < 16 * page || last <= first ||
	    madvise(first, (size_t)(last - first), MADV_DONTNEED)) {
		memset(at, 0, len);
		return;
	}
	memset(at, 0, (size_t)(first - at));
	memset(last, 0, (size_t)(at + len - last));
}

static void malloc_submit(struct tl_bdev *bdev, struct tl_bdev_io *io)
{
	struct malloc_bdev *m = malloc_of(bdev);
	uint8_t *at = m->mem + io->lba * bdev->block_size;

	switch (io->op) {
	case TL_BDEV_READ:
	case TL_BDEV_WRITE:
		malloc_copy(at, io);
		break;
	case TL_BDEV_WRITE_ZEROES:
	case TL_BDEV_UNMAP:
		malloc_zero(at, io->blocks * bdev->block_size);
		break;
	case TL_BDEV_FLUSH:
		break;
	}
	tl_bdev_io_complete(io, NVH_ST_SUCCESS);
}

static const void *malloc_lend(struct tl_bdev *bdev, uint64_t lba, uint64_t blocks)
{
	(void)blocks;
	return malloc_of(bdev)->mem + lba * bdev->block_size;
}

static void malloc_destroy(struct tl_bdev *bdev)
{
	struct malloc_bdev *m = malloc_of(bdev);

	munmap(m->mem, m->size);
	free(m);
}

const struct tl_bdev_ops tl_malloc_ops = {
	.product = "Malloc disk",
	.submit = malloc_submit,
	.lend = malloc_lend,
	.abort = tl_bdev_no_abort,
	.resize = tl_bdev_no_resize,
	.filename = tl_bdev_no_filename,
	.stop = tl_bdev_no_stop,
	.destroy = malloc_destroy,
};

int tl_malloc_create(struct tl_bdevs *bdevs, const struct tl_bdev_create_opts *opts,
		     struct tl_bdev **ret_bdev)
{
	struct malloc_bdev *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return -ENOMEM;
	m->bdev.ops = &tl_malloc_ops;
	m->bdev.inline_io = true;
	m->bdev.lends = true;
	ret = tl_bdev_init_size(&m->bdev, opts);
	if (!ret)
		ret = tl_bdev_init_name(bdevs, &m->bdev, opts, "Malloc");
	if (ret)
		goto err_free;
	m->size = m->bdev.blocks * m->bdev.block_size;
	m->mem = mmap(NULL, m->size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->mem == MAP_FAILED) {
		ret = -ENOMEM;
		goto err_free;
	}
	ret = tl_bdev_register(bdevs, &m->bdev);
	if (ret)
		goto err_unmap;
	*ret_bdev = &m->bdev;
	return 0;
err_unmap:
	munmap(m->mem, m->size);
err_free:
	free(m);
	return ret;
}
