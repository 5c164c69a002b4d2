/*
 * The table that libfuse calls, and what we ask of the kernel when the connection begins.
 */
#include "fuse/impl.h"

#include <string.h>

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	conn->max_write = NVF_MAX_IO;
	conn->max_readahead = NVF_MAX_IO;
	conn->max_background = NVF_BACKGROUND;
	conn->congestion_threshold = NVF_BACKGROUND * 3 / 4;
	conn->want |= conn->capable & (FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO |
				       FUSE_CAP_PARALLEL_DIROPS);
	/* Writes reach the namespace before write(2) returns: no writeback cache. */
	conn->want &= ~(unsigned int)(FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_SPLICE_READ |
				      FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	nvf_mount_ready(userdata);
}

const struct fuse_lowlevel_ops nvf_ops = {
	.init = op_init,
	.lookup = nvf_op_lookup,
	.getattr = nvf_op_getattr,
	.setattr = nvf_op_setattr,
	.readlink = nvf_op_readlink,
	.readdir = nvf_op_readdir,
	.open = nvf_op_open,
	.release = nvf_op_release,
	.read = nvf_op_read,
	.write = nvf_op_write,
	.fsync = nvf_op_fsync,
	.flush = nvf_op_flush,
	.fallocate = nvf_op_fallocate,
	.statfs = nvf_op_statfs,
	.getxattr = nvf_op_getxattr,
	.listxattr = nvf_op_listxattr,
};
