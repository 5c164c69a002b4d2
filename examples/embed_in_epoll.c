/*
 * libnvhost inside an application's own event loop: one thread, one epoll, no thread of the
 * library's. The loop serves a timer of the application beside the storage: it counts reads per
 * second while a few of them are kept in flight, then ends.
 *
 *	embed_in_epoll -a 127.0.0.1 -s 4420 -n NQN [-d DEPTH] [-r SECONDS]
 *
 * Builds against an installed libnvhost with
 *	cc embed_in_epoll.c $(pkg-config --cflags --libs nvhost)
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <nvhost/nvhost.h>

#define MAX_DEPTH 128

struct app;

struct slot {
	struct app *app;
	struct nvh_io *io;
	struct iovec iov;
};

struct app {
	struct nvh_reactor *reactor;
	struct nvh_host *host;
	struct nvh_channel *channel;
	struct slot slots[MAX_DEPTH];
	unsigned int depth, seconds_left;
	unsigned int inflight;
	unsigned long long reads, reads_before;
	unsigned long long nr_blocks, next_lba;
	int quitting, closed, failed;
};

static void read_done(void *arg, int err, const struct nvh_cpl *cpl);

static void read_next(struct slot *slot)
{
	struct app *app = slot->app;
	int err;

	slot->io->lba = app->next_lba++ % app->nr_blocks;
	err = nvh_submit(app->channel, slot->io);
	if (err) {
		fprintf(stderr, "submit: %s\n", strerror(-err));
		app->failed = app->quitting = 1;
		return;
	}
	app->inflight++;
}

static void host_closed(void *arg)
{
	struct app *app = arg;

	app->closed = 1;
}

/* The last read is home: leave in order. */
static void wind_down(struct app *app)
{
	if (!app->quitting || app->inflight || app->closed)
		return;
	if (app->channel) {
		nvh_channel_close(app->channel);
		app->channel = NULL;
		nvh_host_close(app->host, host_closed, app);
	}
}

static void read_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct slot *slot = arg;
	struct app *app = slot->app;

	app->inflight--;
	if (err || nvh_status_to_errno(cpl)) {
		fprintf(stderr, "read: %s\n", err ? strerror(-err) : nvh_status_string(cpl));
		app->failed = app->quitting = 1;
	}
	app->reads++;
	if (!app->quitting)
		read_next(slot);
	wind_down(app);
}

static void begin_reads(struct app *app, struct nvh_ns *ns)
{
	struct nvh_ns_info info = {.size = sizeof(info)};
	int err;

	nvh_ns_info(ns, &info);
	app->nr_blocks = info.nr_blocks;
	err = nvh_channel_open(ns, app->reactor, &app->channel);
	if (err) {
		fprintf(stderr, "channel: %s\n", strerror(-err));
		app->failed = app->quitting = 1;
		nvh_host_close(app->host, host_closed, app);
		return;
	}
	for (unsigned int i = 0; i < app->depth; i++) {
		struct slot *slot = &app->slots[i];

		slot->app = app;
		slot->iov.iov_len = info.block_size;
		slot->iov.iov_base = malloc(info.block_size);
		slot->io = malloc(nvh_io_size());
		if (!slot->io || !slot->iov.iov_base)
			abort();
		nvh_io_init(slot->io);
		slot->io->op = NVH_IO_READ;
		slot->io->nr_blocks = 1;
		slot->io->iov = &slot->iov;
		slot->io->iovcnt = 1;
		slot->io->done = read_done;
		slot->io->arg = slot;
		if (!app->quitting)
			read_next(slot);
	}
	wind_down(app);
}

static void connected(void *arg, int err, struct nvh_ctrlr *ctrlr, const char *message,
		      const struct nvh_cpl *cpl)
{
	struct app *app = arg;
	struct nvh_ns *ns;

	(void)ctrlr;
	(void)cpl;
	ns = err ? NULL : nvh_ns_next(app->host, NULL);
	if (ns) {
		begin_reads(app, ns);
		return;
	}
	fprintf(stderr, "connect: %s\n", err ? message : "no namespace");
	app->failed = app->quitting = 1;
	nvh_host_close(app->host, host_closed, app);
}

/* The application's own business, once a second. */
static void tick(struct app *app, int timer_fd)
{
	unsigned long long expirations;

	if (read(timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	printf("%llu reads/s\n", app->reads - app->reads_before);
	fflush(stdout);
	app->reads_before = app->reads;
	if (app->seconds_left && --app->seconds_left == 0)
		app->quitting = 1;
	wind_down(app);
}

static int loop(struct app *app)
{
	struct itimerspec second = {{1, 0}, {1, 0}};
	struct epoll_event event = {.events = EPOLLIN};
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int reactor_fd = nvh_reactor_fd(app->reactor);

	if (epoll_fd < 0 || timer_fd < 0 || reactor_fd < 0) {
		perror("epoll");
		return 1;
	}
	timerfd_settime(timer_fd, 0, &second, NULL);
	event.data.fd = timer_fd;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &event);
	event.data.fd = reactor_fd;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, reactor_fd, &event);
	while (!app->closed) {
		int n = epoll_wait(epoll_fd, &event, 1, -1);

		if (n < 0 && errno != EINTR)
			return 1;
		if (n != 1)
			continue;
		if (event.data.fd == timer_fd)
			tick(app, timer_fd);
		else
			nvh_reactor_run(app->reactor, 0);
	}
	close(timer_fd);
	close(epoll_fd);
	return app->failed;
}

int main(int argc, char **argv)
{
	struct nvh_host_opts host_opts = {.size = sizeof(host_opts), .nr_reactors = 1};
	struct app app = {.depth = 4, .seconds_left = 3};
	struct nvh_connect_opts opts;
	char why[256];
	int opt, result;

	nvh_connect_opts_init(&opts, sizeof(opts));
	opts.transport = "tcp";
	opts.no_retry = true;
	while ((opt = getopt(argc, argv, "t:a:s:n:d:r:")) != -1) {
		switch (opt) {
		case 't':
			opts.transport = optarg;
			break;
		case 'a':
			opts.traddr = optarg;
			break;
		case 's':
			opts.trsvcid = optarg;
			break;
		case 'n':
			opts.subnqn = optarg;
			break;
		case 'd':
			app.depth = (unsigned int)atoi(optarg);
			break;
		case 'r':
			app.seconds_left = (unsigned int)atoi(optarg);
			break;
		default:
			opts.traddr = NULL;
		}
	}
	if (!opts.traddr || !opts.subnqn || app.depth < 1 || app.depth > MAX_DEPTH) {
		fprintf(stderr, "usage: %s -a ADDRESS -s PORT -n NQN [-d 1-%d] [-r SECONDS]\n",
			argv[0], MAX_DEPTH);
		return 2;
	}
	if (nvh_reactor_create(NULL, &app.reactor))
		return 1;
	host_opts.reactors = &app.reactor;
	if (nvh_host_create(&host_opts, &app.host))
		return 1;
	if (nvh_connect(app.host, &opts, connected, &app, why, sizeof(why))) {
		fprintf(stderr, "connect: %s\n", why);
		nvh_host_close_sync(app.host);
		nvh_reactor_destroy(app.reactor);
		return 1;
	}
	result = loop(&app);
	for (unsigned int i = 0; i < app.depth; i++) {
		free(app.slots[i].io);
		free(app.slots[i].iov.iov_base);
	}
	nvh_reactor_destroy(app.reactor);
	return result;
}
