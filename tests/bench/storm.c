/*
 * A target that restarts under many controllers: how many attempts a second it sees, what another
 * subsystem's reads feel of it, and how long the longest turn of the reactor takes (CPU time of the
 * thread, each turn measured). Lines on stdin tell the phases; tests/bench/storm.py drives it.
 *
 *	storm -n CONTROLLERS -a ADDR -s PORT -N NQN   (the one that restarts)
 *	      -A ADDR -S PORT -M NQN                  (the other one, that is read)
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/api/host.h"
#include "host/ctrlr/gate.h"

#include <nvhost/nvhost.h>

#define MAX_READS   4000000u
#define DEPTH	    4u
#define TRIES_MAX   100000u
#define BLOCK_BYTES 4096u

struct reader {
	struct nvh_io *io;
	struct iovec iov;
	uint64_t began;
};

static struct {
	struct nvh_reactor *reactor;
	struct nvh_host *host;
	struct nvh_ns *ns;
	struct nvh_channel *channel;
	struct reader readers[DEPTH];
	uint32_t *took_us; /* of each read of this phase */
	uint32_t nr_took, errors;
	uint64_t tries_at[TRIES_MAX], nr_tries, passed;
	uint64_t longest_turn; /* CPU ns */
	unsigned int live, nr_ctrlrs;
	const char *other_nqn;
	bool closed;
} b;

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * NVHI_NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static void die(const char *what, const char *why)
{
	fprintf(stderr, "storm: %s: %s\n", what, why);
	exit(1);
}

/* ---- reads of the other subsystem ---------------------------------------------------------- */

static void read_next(struct reader *r)
{
	int err;

	r->began = clock_ns(CLOCK_MONOTONIC);
	err = nvh_submit(b.channel, r->io);
	if (err)
		die("submit", strerror(-err));
}

static void read_done(void *arg, int err, const struct nvh_cpl *cpl)
{
	struct reader *r = arg;

	b.errors += err || (cpl && nvh_cpl_is_error(cpl));
	if (b.nr_took < MAX_READS)
		b.took_us[b.nr_took++] =
			(uint32_t)((clock_ns(CLOCK_MONOTONIC) - r->began) / 1000);
	if (b.channel)
		read_next(r);
}

static void reads_start(void)
{
	int err = nvh_channel_open(b.ns, b.reactor, &b.channel);

	if (err)
		die("channel", strerror(-err));
	for (unsigned int i = 0; i < DEPTH; i++) {
		struct reader *r = &b.readers[i];
		struct nvh_ns_info info = {.size = sizeof(info)};

		nvh_ns_info(b.ns, &info);
		r->io = aligned_alloc(64, (nvh_io_size() + 63) / 64 * 64);
		nvh_io_init(r->io);
		r->iov.iov_base = aligned_alloc(4096, BLOCK_BYTES);
		r->iov.iov_len = BLOCK_BYTES;
		r->io->op = NVH_IO_READ;
		r->io->iov = &r->iov;
		r->io->iovcnt = 1;
		r->io->nr_blocks = BLOCK_BYTES / info.block_size;
		r->io->done = read_done;
		r->io->arg = r;
		read_next(r);
	}
}

/* ---- the host ------------------------------------------------------------------------------ */

static bool is_other(const struct nvh_ctrlr *ctrlr)
{
	struct nvh_ctrlr_info info = {.size = sizeof(info)};

	nvh_ctrlr_info(ctrlr, &info);
	return !strcmp(info.subnqn, b.other_nqn);
}

static void count_live(void)
{
	struct nvh_ctrlr *ctrlr = NULL;

	b.live = 0;
	while ((ctrlr = nvh_ctrlr_next(b.host, ctrlr))) {
		struct nvh_ctrlr_info info = {.size = sizeof(info)};

		nvh_ctrlr_info(ctrlr, &info);
		b.live += info.state && !strcmp(info.state, "live") && !is_other(ctrlr);
	}
}

static void on_ns_added(void *arg, struct nvh_ns *ns)
{
	struct nvh_ns_info info = {.size = sizeof(info)};

	(void)arg;
	nvh_ns_info(ns, &info);
	if (!strcmp(info.subnqn, b.other_nqn)) {
		nvh_ns_get(ns);
		b.ns = ns;
	}
}

static void add_ctrlr(const char *addr, const char *port, const char *nqn)
{
	struct nvh_connect_opts o;
	char why[256] = "";

	nvh_connect_opts_init(&o, sizeof(o));
	o.transport = "tcp";
	o.traddr = addr;
	o.trsvcid = port;
	o.subnqn = nqn;
	o.queue_size = 16;
	o.duplicate_connect = true;
	if (nvh_connect(b.host, &o, NULL, NULL, why, sizeof(why)))
		die("connect", why);
}

/* ---- turns --------------------------------------------------------------------------------- */

/* One turn, its CPU time, and the attempts that began in it. */
static void turn(void)
{
	uint64_t before = clock_ns(CLOCK_THREAD_CPUTIME_ID), took;

	nvh_reactor_run(b.reactor, 0);
	took = clock_ns(CLOCK_THREAD_CPUTIME_ID) - before;
	if (took > b.longest_turn)
		b.longest_turn = took;
	for (; b.passed < b.host->gate.passed; b.passed++)
		if (b.nr_tries < TRIES_MAX)
			b.tries_at[b.nr_tries++] = clock_ns(CLOCK_MONOTONIC);
}

static int by_value(const void *x, const void *y)
{
	uint32_t a = *(const uint32_t *)x, c = *(const uint32_t *)y;

	return a < c ? -1 : a > c;
}

static uint64_t most_tries_in_a_second(void)
{
	uint64_t most = 0, from = 0;

	for (uint64_t i = 0; i < b.nr_tries; i++) {
		while (b.tries_at[i] - b.tries_at[from] >= NVHI_NSEC_PER_SEC)
			from++;
		most = i - from + 1 > most ? i - from + 1 : most;
	}
	return most;
}

/* What the phase was like; the next one begins. */
static void report(const char *phase)
{
	qsort(b.took_us, b.nr_took, sizeof(b.took_us[0]), by_value);
	printf("{\"phase\": \"%s\", \"reads\": %u, \"errors\": %u, \"p50_us\": %u, \"p99_us\": %u, "
	       "\"max_us\": %u, \"attempts\": %llu, \"attempts_per_second\": %llu, \"at_once\": %u, "
	       "\"longest_turn_us\": %llu, \"live\": %u}\n",
	       phase, b.nr_took, b.errors, b.nr_took ? b.took_us[b.nr_took / 2] : 0,
	       b.nr_took ? b.took_us[(uint64_t)b.nr_took * 99 / 100] : 0,
	       b.nr_took ? b.took_us[b.nr_took - 1] : 0, (unsigned long long)b.nr_tries,
	       (unsigned long long)most_tries_in_a_second(), b.host->gate.most_inside,
	       (unsigned long long)(b.longest_turn / 1000), b.live);
	fflush(stdout);
	b.nr_took = b.errors = 0;
	b.nr_tries = b.longest_turn = 0;
	b.host->gate.most_inside = 0;
}

static void on_closed(void *arg)
{
	(void)arg;
	b.closed = true;
}

static void finish(void)
{
	struct nvh_channel *channel = b.channel;

	b.channel = NULL; /* reads end with those under way */
	for (int i = 0; i < 100000; i++)
		turn();
	nvh_channel_close(channel);
	nvh_ns_put(b.ns);
	nvh_host_close(b.host, on_closed, NULL);
	while (!b.closed)
		nvh_reactor_run(b.reactor, 10);
	nvh_reactor_destroy(b.reactor);
}

/* A word on stdin ends the phase; true when it was the last. */
static bool told(void)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};
	char word[64];

	if (poll(&in, 1, 0) <= 0)
		return false;
	if (!fgets(word, sizeof(word), stdin))
		return true;
	word[strcspn(word, "\n")] = '\0';
	if (!strcmp(word, "end"))
		return true;
	count_live();
	report(word);
	return false;
}

static void run(unsigned int want)
{
	uint64_t next_look = 0;

	for (;;) {
		uint64_t now = clock_ns(CLOCK_MONOTONIC);

		turn();
		if (now < next_look)
			continue;
		next_look = now + NVHI_NSEC_PER_MSEC;
		if (!b.channel && b.ns) {
			count_live();
			if (b.live == want) {
				reads_start();
				report("connect");
			}
		}
		if (told())
			return;
	}
}

int main(int argc, char **argv)
{
	static const struct nvh_host_events events = {.ns_added = on_ns_added};
	const char *addr = "", *port = "", *nqn = "", *addr2 = "", *port2 = "";
	struct nvh_host_opts opts = {.size = sizeof(opts), .events = &events};
	unsigned int count = 64;
	int opt;

	while ((opt = getopt(argc, argv, "n:a:s:N:A:S:M:")) != -1) {
		switch (opt) {
		case 'n':
			count = (unsigned int)atoi(optarg);
			break;
		case 'a':
			addr = optarg;
			break;
		case 's':
			port = optarg;
			break;
		case 'N':
			nqn = optarg;
			break;
		case 'A':
			addr2 = optarg;
			break;
		case 'S':
			port2 = optarg;
			break;
		case 'M':
			b.other_nqn = optarg;
			break;
		default:
			return 2;
		}
	}
	if (!b.other_nqn)
		return 2;
	b.took_us = malloc(MAX_READS * sizeof(b.took_us[0]));
	if (!b.took_us || nvh_reactor_create(NULL, &b.reactor))
		die("reactor", "no memory");
	opts.reactors = &b.reactor;
	opts.nr_reactors = 1;
	if (nvh_host_create(&opts, &b.host))
		die("host", "not created");
	add_ctrlr(addr2, port2, b.other_nqn);
	for (unsigned int i = 0; i < count; i++)
		add_ctrlr(addr, port, nqn);
	run(count);
	finish();
	free(b.took_us);
	return 0;
}
