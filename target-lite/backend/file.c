/*
 * A file or block device behind a namespace ("aio" in SPDK's words). Reads and writes that the page
 * cache can take at once are done in place (RWF_NOWAIT); everything that would block goes to the
 * pool of backend/file_pool.c. Any reactor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/iov.h"
#include "base/log.h"
#include "base/spec/nvme_cmd.h"
#include "base/spec/nvme_status.h"
#include "target-lite/backend/bdev_impl.h"
#include "target-lite/backend/file_pool.h"

struct file_bdev {
	struct tl_bdev bdev;
	int fd;
	char *filename;
};

static struct file_bdev *file_of(struct tl_bdev *bdev)
{
	return nvhi_container_of(bdev, struct file_bdev, bdev);
}

/* ---- status --------------------------------------------------------------------------------- */

static unsigned int file_status(const struct tl_bdev_io *io, int err)
{
	const struct file_bdev *f = file_of(io->bdev);

	if (!err)
		return NVH_ST_SUCCESS;
	nvhi_log(WARN, TARGET, "%s: %s: %s", io->bdev->name, f->filename, strerror(err));
	switch (err) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return NVH_ST_CAPACITY_EXCEEDED | NVH_CPL_DNR;
	case EROFS:
	case EPERM:
	case EBADF:
		return NVH_ST_NS_WRITE_PROTECTED | NVH_CPL_DNR;
	case ENOMEM:
		return NVH_ST_INTERNAL;
	default:
		return io->op == TL_BDEV_READ ? NVH_ST_READ_ERROR : NVH_ST_WRITE_FAULT;
	}
}

/* ---- blocking, on a pool thread ------------------------------------------------------------- */

#define FILE_IOVS 16

/* All of it, however many calls it takes. 0 or an errno. */
static int file_transfer(int fd, const struct tl_bdev_io *io, off_t at, int flags)
{
	struct nvhi_iov_cursor cursor;
	struct iovec iov[FILE_IOVS];
	size_t window;

	nvhi_iov_cursor_init(&cursor, io->iov, io->iovcnt);
	for (;;) {
		uint32_t n = nvhi_iov_cursor_window(&cursor, SIZE_MAX, iov, FILE_IOVS, &window);
		ssize_t moved;

		if (!window)
			return 0;
		moved = io->op == TL_BDEV_READ ? preadv2(fd, iov, (int)n, at, flags)
					       : pwritev2(fd, iov, (int)n, at, flags);
		if (moved < 0 && errno == EINTR)
			continue;
		if (moved < 0)
			return errno;
		if (moved == 0)
			return EIO; /* the file was cut short behind us */
		nvhi_iov_cursor_advance(&cursor, (size_t)moved);
		at += moved;
	}
}

static int file_write_zeroes(int fd, off_t at, uint64_t len)
{
	static const uint8_t zeroes[64 << 10];

	while (len) {
		size_t chunk = len < sizeof(zeroes) ? len : sizeof(zeroes);
		ssize_t moved = pwrite(fd, zeroes, chunk, at);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved <= 0)
			return moved ? errno : EIO;
		at += moved;
		len -= (uint64_t)moved;
	}
	return 0;
}

static int file_zero(const struct tl_bdev_io *io, int fd, off_t at, uint64_t len)
{
	int first = io->deallocate ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	int err = 0;

	if (fallocate(fd, first | FALLOC_FL_KEEP_SIZE, at, (off_t)len))
		err = errno;
	if (err == EOPNOTSUPP || err == EINVAL || err == ENOSYS)
		err = file_write_zeroes(fd, at, len);
	if (!err && io->fua && fdatasync(fd))
		err = errno;
	return err;
}

/* Advice: a file system that cannot punch holes leaves the blocks as they are. */
static int file_unmap(int fd, off_t at, uint64_t len)
{
	if (!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)len))
		return 0;
	return errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL ? 0 : errno;
}

static unsigned int file_work(struct tl_bdev_io *io)
{
	struct file_bdev *f = file_of(io->bdev);
	off_t at = (off_t)(io->lba * io->bdev->block_size);
	uint64_t len = io->blocks * io->bdev->block_size;
	int err = 0;

	switch (io->op) {
	case TL_BDEV_READ:
		err = file_transfer(f->fd, io, at, 0);
		break;
	case TL_BDEV_WRITE:
		err = file_transfer(f->fd, io, at, io->fua ? RWF_DSYNC : 0);
		break;
	case TL_BDEV_FLUSH:
		err = fdatasync(f->fd) ? errno : 0;
		break;
	case TL_BDEV_WRITE_ZEROES:
		err = file_zero(io, f->fd, at, len);
		break;
	case TL_BDEV_UNMAP:
		err = file_unmap(f->fd, at, len);
		break;
	}
	return file_status(io, err);
}

/* ---- on the reactor ------------------------------------------------------------------------- */

/* Whether the page cache had it, whole, at once. */
static bool file_try_now(struct file_bdev *f, const struct tl_bdev_io *io)
{
	off_t at = (off_t)(io->lba * io->bdev->block_size);
	ssize_t len = (ssize_t)(io->blocks * io->bdev->block_size);

	if (io->op == TL_BDEV_READ)
		return preadv2(f->fd, io->iov, (int)io->iovcnt, at, RWF_NOWAIT) == len;
	if (io->op == TL_BDEV_WRITE && !io->fua)
		return pwritev2(f->fd, io->iov, (int)io->iovcnt, at, RWF_NOWAIT) == len;
	return false;
}

static void file_submit(struct tl_bdev *bdev, struct tl_bdev_io *io)
{
	if (file_try_now(file_of(bdev), io))
		tl_bdev_io_complete(io, NVH_ST_SUCCESS);
	else
		tl_file_pool_submit(io);
}

static const char *file_filename(const struct tl_bdev *bdev)
{
	return nvhi_container_of(bdev, const struct file_bdev, bdev)->filename;
}

static void file_free(struct file_bdev *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->filename);
	free(f);
}

/* Follows the file, which somebody else has made larger or smaller. */
static int file_resize(struct tl_bdev *bdev, uint64_t blocks)
{
	off_t end = lseek(file_of(bdev)->fd, 0, SEEK_END);

	if (end < 0)
		return -errno;
	if (blocks > (uint64_t)end / bdev->block_size)
		return -ENOSPC;
	bdev->blocks = blocks;
	return 0;
}

static void file_destroy(struct tl_bdev *bdev)
{
	tl_file_pool_put();
	file_free(file_of(bdev));
}

const struct tl_bdev_ops tl_file_ops = {
	.product = "AIO disk",
	.submit = file_submit,
	.lend = tl_bdev_no_lend,
	.abort = tl_bdev_no_abort,
	.resize = file_resize,
	.filename = file_filename,
	.stop = tl_bdev_no_stop,
	.destroy = file_destroy,
};

/* ---- creation ------------------------------------------------------------------------------- */

static int file_open(struct file_bdev *f, const struct tl_bdev_create_opts *opts)
{
	/* Non-blocking for the opening alone: it must not wait for the other end of a FIFO. */
	int flags = (opts->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK;

	if (opts->blocks && !opts->read_only)
		flags |= O_CREAT;
	f->filename = strdup(opts->filename);
	if (!f->filename)
		return -ENOMEM;
	f->fd = open(opts->filename, flags, 0644);
	return f->fd < 0 || fcntl(f->fd, F_SETFL, flags & ~O_NONBLOCK) ? -errno : 0;
}

/* The size in bytes, after an extension that was asked for; and a device's own block size. */
static int file_size(struct file_bdev *f, const struct tl_bdev_create_opts *opts,
		     uint32_t *block_size, uint64_t *ret_size)
{
	struct stat st;

	if (fstat(f->fd, &st))
		return -errno;
	if (S_ISBLK(st.st_mode)) {
		int logical = 0;

		if (ioctl(f->fd, BLKGETSIZE64, ret_size) || ioctl(f->fd, BLKSSZGET, &logical))
			return -errno;
		if (!*block_size)
			*block_size = (uint32_t)logical;
		return *block_size < (uint32_t)logical ? -EINVAL : 0;
	}
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (!*block_size)
		*block_size = 512;
	if (opts->blocks && opts->blocks > (uint64_t)INT64_MAX / *block_size)
		return -EFBIG;
	if (opts->blocks && !opts->read_only && (uint64_t)st.st_size < opts->blocks * *block_size) {
		if (ftruncate(f->fd, (off_t)(opts->blocks * *block_size)))
			return -errno;
		st.st_size = (off_t)(opts->blocks * *block_size);
	}
	*ret_size = (uint64_t)st.st_size;
	return 0;
}

/*
 * The same file has the same UUID, in every process and after every restart: a host that comes back
 * finds its namespace again. From the file's device, inode and time of birth.
 */
static int file_uuid(struct file_bdev *f)
{
	static const uint8_t zero[16];
	uint64_t words[4] = {0}, a = 0xcbf29ce484222325, b = 0x9ae16a3b2f90404f;
	struct statx stx;

	if (memcmp(f->bdev.uuid, zero, 16))
		return 0;
	if (statx(f->fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &stx))
		return -errno;
	words[0] = (uint64_t)stx.stx_dev_major << 32 | stx.stx_dev_minor;
	words[1] = stx.stx_ino;
	if (stx.stx_mask & STATX_BTIME)
		words[2] = (uint64_t)stx.stx_btime.tv_sec * 1000000000u + stx.stx_btime.tv_nsec;
	for (size_t i = 0; i < sizeof(words); i++) {
		uint8_t byte = ((const uint8_t *)words)[i];

		a = (a ^ byte) * 0x100000001b3;
		b = (b ^ byte) * 0x9e3779b97f4a7c15;
		b ^= b >> 29;
	}
	memcpy(f->bdev.uuid, &a, 8);
	memcpy(f->bdev.uuid + 8, &b, 8);
	f->bdev.uuid[6] = (f->bdev.uuid[6] & 0x0f) | 0x80; /* RFC 9562 version 8: our own making */
	f->bdev.uuid[8] = (f->bdev.uuid[8] & 0x3f) | 0x80;
	return 0;
}

static int file_init(struct tl_bdevs *bdevs, struct file_bdev *f,
		     const struct tl_bdev_create_opts *opts)
{
	struct tl_bdev_create_opts sized = *opts;
	uint64_t size;
	int ret = file_open(f, opts);

	if (!ret)
		ret = file_size(f, opts, &sized.block_size, &size);
	if (ret)
		return ret;
	if (sized.block_size && size < sized.block_size)
		return -ERANGE;
	if (!opts->blocks || opts->blocks > size / sized.block_size)
		sized.blocks = size / sized.block_size;
	ret = tl_bdev_init_size(&f->bdev, &sized);
	if (!ret)
		ret = tl_bdev_init_name(bdevs, &f->bdev, opts, "AIO");
	if (!ret)
		ret = file_uuid(f);
	return ret;
}

int tl_file_create(struct tl_bdevs *bdevs, const struct tl_bdev_create_opts *opts,
		   struct tl_bdev **ret_bdev)
{
	struct file_bdev *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return -ENOMEM;
	f->fd = -1;
	f->bdev.ops = &tl_file_ops;
	f->bdev.write_cache = true;
	f->bdev.read_only = opts->read_only;
	ret = file_init(bdevs, f, opts);
	if (ret)
		goto err_free;
	ret = tl_file_pool_get(file_work);
	if (ret)
		goto err_free;
	ret = tl_bdev_register(bdevs, &f->bdev);
	if (ret)
		goto err_pool;
	*ret_bdev = &f->bdev;
	return 0;
err_pool:
	tl_file_pool_put();
err_free:
	file_free(f);
	return ret;
}
