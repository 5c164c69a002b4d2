/*
 * Synchronous convenience over the asynchronous API. When a thread serves the reactor the call is
 * posted there and waited for; otherwise the caller drives the reactor itself until the answer is
 * there. Never from inside a callback: that thread's reactor would wait for itself.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nvhost/passthru.h>
#include <nvhost/sync.h>

#include "base/fork.h"
#include "host/api/host.h"

struct sync_call;
/* Begins the asynchronous call; -errno when it was refused (sync_finish is not called then). */
typedef int (*sync_start_fn)(struct sync_call *call);

struct sync_call {
	struct nvhi_msg msg;
	sync_start_fn start;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	int err;
};

static void sync_finish(struct sync_call *call, int err)
{
	pthread_mutex_lock(&call->lock);
	call->err = err;
	call->done = true;
	pthread_cond_signal(&call->cond);
	pthread_mutex_unlock(&call->lock);
}

static void sync_begin(struct nvhi_msg *msg)
{
	struct sync_call *call = nvhi_container_of(msg, struct sync_call, msg);
	int err = call->start(call);

	if (err)
		sync_finish(call, err);
}

static int sync_wait(struct sync_call *call, struct nvh_reactor *reactor)
{
	nvhi_reactor_post(reactor, &call->msg);
	pthread_mutex_lock(&call->lock);
	while (!call->done)
		pthread_cond_wait(&call->cond, &call->lock);
	pthread_mutex_unlock(&call->lock);
	return call->err;
}

/* Nobody serves `reactor`. Neither, perhaps, does anybody serve `home`, on which it depends. */
static int sync_drive(struct sync_call *call, struct nvh_reactor *reactor, struct nvh_reactor *home)
{
	bool both = home != reactor && !nvhi_api_reactor_is_served(home);
	int err;

	sync_begin(&call->msg);
	while (!call->done) {
		err = nvhi_reactor_run(reactor, both ? 1 : -1);
		if (err >= 0 && both)
			err = nvhi_reactor_run(home, 0);
		if (err < 0 && err != -EINTR)
			return err;
	}
	return call->err;
}

static int sync_run(struct sync_call *call, sync_start_fn start, struct nvh_reactor *reactor,
		    struct nvh_reactor *home)
{
	int err;

	if (nvhi_forked())
		return -EPERM;
	if (nvhi_reactor_current())
		return -EDEADLK;
	pthread_mutex_init(&call->lock, NULL);
	pthread_cond_init(&call->cond, NULL);
	call->msg.fn = sync_begin;
	call->start = start;
	call->done = false;
	if (nvhi_api_reactor_is_served(reactor))
		err = sync_wait(call, reactor);
	else
		err = sync_drive(call, reactor, home);
	pthread_cond_destroy(&call->cond);
	pthread_mutex_destroy(&call->lock);
	return err;
}

/* ---- anything -------------------------------------------------------------------------------- */

struct sync_any {
	struct sync_call call;
	void (*fn)(void *arg);
	void *arg;
};

static int any_start(struct sync_call *call)
{
	struct sync_any *any = nvhi_container_of(call, struct sync_any, call);

	any->fn(any->arg);
	sync_finish(call, 0);
	return 0;
}

int nvh_reactor_call(struct nvh_reactor *reactor, void (*fn)(void *arg), void *arg)
{
	struct sync_any any = {.fn = fn, .arg = arg};

	return sync_run(&any.call, any_start, reactor, reactor);
}

/* ---- connect, disconnect, close -------------------------------------------------------------- */

struct sync_connect {
	struct sync_call call;
	struct nvh_host *host;
	const struct nvh_connect_opts *opts;
	struct nvh_ctrlr *ctrlr;
	char message[320];
};

static void connect_done(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
			 const struct nvh_cpl *cpl)
{
	struct sync_connect *c = arg;

	(void)cpl;
	c->ctrlr = ctrlr;
	snprintf(c->message, sizeof(c->message), "%s", message);
	sync_finish(&c->call, err);
}

static int connect_start(struct sync_call *call)
{
	struct sync_connect *c = nvhi_container_of(call, struct sync_connect, call);

	return nvh_connect(c->host, c->opts, connect_done, c, c->message, sizeof(c->message));
}

int nvh_connect_sync(struct nvh_host *host, const struct nvh_connect_opts *opts,
		     struct nvh_ctrlr **ret_ctrlr, char *message, size_t message_len)
{
	struct sync_connect c = {.host = host, .opts = opts};
	int err = sync_run(&c.call, connect_start, host->mp.home, host->mp.home);

	if (message && message_len)
		snprintf(message, message_len, "%s",
			 c.message[0] || !err ? c.message : strerror(-err));
	if (!err && ret_ctrlr)
		*ret_ctrlr = c.ctrlr;
	return err;
}

struct sync_end {
	struct sync_call call;
	struct nvh_ctrlr *ctrlr;
	struct nvh_host *host;
};

static void end_done(void *arg)
{
	struct sync_end *e = arg;

	sync_finish(&e->call, 0);
}

static int disconnect_start(struct sync_call *call)
{
	struct sync_end *e = nvhi_container_of(call, struct sync_end, call);

	nvh_disconnect(e->ctrlr, end_done, e);
	return 0;
}

void nvh_disconnect_sync(struct nvh_ctrlr *ctrlr)
{
	struct sync_end e = {.ctrlr = ctrlr};
	struct nvh_reactor *home = ctrlr->host->mp.home;

	sync_run(&e.call, disconnect_start, home, home);
}

static int host_close_start(struct sync_call *call)
{
	struct sync_end *e = nvhi_container_of(call, struct sync_end, call);

	nvh_host_close(e->host, end_done, e);
	return 0;
}

void nvh_host_close_sync(struct nvh_host *host)
{
	struct sync_end e = {.host = host};
	struct nvh_reactor *home = host->mp.home;

	sync_run(&e.call, host_close_start, home, home);
}

/* ---- I/O ------------------------------------------------------------------------------------- */

struct sync_io {
	struct sync_call call;
	struct nvh_channel *channel;
	struct nvh_io *io;
	struct nvh_cpl cpl;
};

static void io_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct sync_io *s = arg;

	if (!err)
		s->cpl = *cpl;
	sync_finish(&s->call, err);
}

static int io_start(struct sync_call *call)
{
	struct sync_io *s = nvhi_container_of(call, struct sync_io, call);

	return nvh_submit(s->channel, s->io);
}

int nvh_io_sync(struct nvh_channel *channel, struct nvh_io *io, struct nvh_cpl *ret_cpl)
{
	struct sync_io s = {.channel = channel, .io = io};
	int err;

	if (nvhi_forked())
		return -EPERM;
	io->done = io_done;
	io->arg = &s;
	err = sync_run(&s.call, io_start, nvhi_channel_reactor(channel),
		       nvhi_channel_home(channel));
	if (!err && ret_cpl)
		*ret_cpl = s.cpl;
	return err;
}

static int io_bytes(struct nvh_channel *channel, uint8_t op, void *buf, size_t len, uint64_t offset)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	struct iovec iov = {.iov_base = buf, .iov_len = len};
	struct nvh_cpl cpl;
	struct nvh_io *io;
	int err;

	nvh_ns_info(nvh_channel_ns(channel), &info);
	if (op != NVH_IO_FLUSH && (!len || len % info.block_size || offset % info.block_size ||
				   len / info.block_size > UINT32_MAX))
		return -EINVAL;
	io = malloc(nvh_io_size());
	if (!io)
		return -ENOMEM;
	nvh_io_init(io);
	io->op = op;
	io->lba = offset / info.block_size;
	io->nr_blocks = (uint32_t)(len / info.block_size);
	io->iov = &iov;
	io->iovcnt = 1;
	err = nvh_io_sync(channel, io, &cpl);
	free(io);
	return err ? err : nvh_status_to_errno(&cpl);
}

int nvh_read_sync(struct nvh_channel *channel, void *buf, size_t len, uint64_t offset)
{
	return io_bytes(channel, NVH_IO_READ, buf, len, offset);
}

int nvh_write_sync(struct nvh_channel *channel, const void *buf, size_t len, uint64_t offset)
{
	return io_bytes(channel, NVH_IO_WRITE, (void *)(uintptr_t)buf, len, offset);
}

int nvh_flush_sync(struct nvh_channel *channel)
{
	return io_bytes(channel, NVH_IO_FLUSH, NULL, 0, 0);
}

/* ---- admin ----------------------------------------------------------------------------------- */

struct sync_admin {
	struct sync_call call;
	struct nvh_ctrlr *ctrlr;
	const struct nvh_cmd *cmd;
	void *data;
	uint32_t len;
	unsigned int timeout_ms;
	struct nvh_cpl cpl;
};

static void admin_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct sync_admin *a = arg;

	if (!err)
		a->cpl = *cpl;
	sync_finish(&a->call, err);
}

static int admin_start(struct sync_call *call)
{
	struct sync_admin *a = nvhi_container_of(call, struct sync_admin, call);

	return nvh_admin_submit(a->ctrlr, a->cmd, a->data, a->len, a->timeout_ms, admin_done, a);
}

int nvh_admin_sync(struct nvh_ctrlr *ctrlr, const struct nvh_cmd *cmd, void *data, uint32_t len,
		   unsigned int timeout_ms, struct nvh_cpl *ret_cpl)
{
	struct sync_admin a = {
		.ctrlr = ctrlr,
		.cmd = cmd,
		.data = data,
		.len = len,
		.timeout_ms = timeout_ms,
	};
	struct nvh_reactor *home = ctrlr->host->mp.home;
	int err = sync_run(&a.call, admin_start, home, home);

	if (!err && ret_cpl)
		*ret_cpl = a.cpl;
	return err;
}
