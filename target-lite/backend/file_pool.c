/*
 * A few threads and one queue: what a file cannot do without blocking is done here, and the result
 * travels back to the I/O's reactor as a message. The I/O path meets this lock only for work that
 * costs a system call on a disk anyway.
 */
#include "target-lite/backend/file_pool.h"

#include <pthread.h>
#include <signal.h>

#define FILE_POOL_THREADS 4

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct nvhi_list queue; /* struct tl_bdev_io by link */
	bool stop;
	tl_file_work_fn work;
	unsigned int users, threads;
	pthread_t thread[FILE_POOL_THREADS];
} pool = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.queue = NVHI_LIST_INIT(pool.queue),
};

static void pool_done(struct nvhi_msg *msg)
{
	struct tl_bdev_io *io = nvhi_container_of(msg, struct tl_bdev_io, msg);

	io->done(io);
}

static void *pool_thread(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct tl_bdev_io *io;

		while (nvhi_list_empty(&pool.queue) && !pool.stop)
			pthread_cond_wait(&pool.wake, &pool.lock);
		if (nvhi_list_empty(&pool.queue))
			break;
		io = nvhi_list_first(&pool.queue, struct tl_bdev_io, link);
		nvhi_list_del(&io->link);
		pthread_mutex_unlock(&pool.lock);
		io->status = (uint16_t)pool.work(io);
		nvhi_reactor_post(io->channel->reactor, &io->msg);
		pthread_mutex_lock(&pool.lock);
	}
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

static void pool_stop(void)
{
	pthread_mutex_lock(&pool.lock);
	pool.stop = true;
	pthread_cond_broadcast(&pool.wake);
	pthread_mutex_unlock(&pool.lock);
	while (pool.threads)
		pthread_join(pool.thread[--pool.threads], NULL);
	pool.stop = false;
}

int tl_file_pool_get(tl_file_work_fn work)
{
	sigset_t all, old;
	int err = 0;

	if (pool.users++)
		return 0;
	pool.work = work;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (pool.threads < FILE_POOL_THREADS && !err) {
		err = pthread_create(&pool.thread[pool.threads], NULL, pool_thread, NULL);
		pool.threads += !err;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err || pool.threads)
		return 0;
	pool.users--;
	return -err;
}

void tl_file_pool_put(void)
{
	if (--pool.users == 0)
		pool_stop();
}

void tl_file_pool_submit(struct tl_bdev_io *io)
{
	io->msg.fn = pool_done;
	pthread_mutex_lock(&pool.lock);
	nvhi_list_add_tail(&pool.queue, &io->link);
	pthread_cond_signal(&pool.wake);
	pthread_mutex_unlock(&pool.lock);
}
