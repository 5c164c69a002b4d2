/*
 * nvhost perf: jobs that keep a fixed number of I/Os under way on a namespace, each job on its own
 * reactor (and core, where asked), with latencies, CPU time and verified data.
 */
#ifndef NVC_PERF_H
#define NVC_PERF_H

#include <nvhost/nvhost.h>
#include <stdatomic.h>

#include "base/histogram.h"
#include "host/cli/opts.h"
#include "host/daemon/params.h"

#define PERF_JOBS_MAX 64

struct perf_opts {
	const char *rw;
	bool random;
	uint32_t read_percent; /* 100: reads only, 0: writes only */
	uint64_t bs, size, offset, ios;
	uint32_t iodepth, numjobs, seed;
	double runtime, ramp; /* seconds; runtime 0: until ios are done */
	bool verify, poll, fua;
	int cpus[PERF_JOBS_MAX]; /* -1: not pinned */
};

/* The command line. */
struct perf_cmd {
	struct perf_opts opts;
	struct nvd_params params;
	const char *device; /* NULL: params tell the address */
	const char *paths;  /* further addresses, "ADDR[:PORT],..."; NULL: none */
	uint32_t nsid;      /* 0: the device's, else 1 */
	enum nvc_format format;
	char nqn[NVH_NQN_SIZE]; /* what the controller said, when none was given */
};
/* perf_opts.c: 0; the exit status of a mistake (said); -1 after help. opts and params hold the
 * defaults before. */
int perf_cmd_parse(struct perf_cmd *cmd, int argc, char **argv);

struct perf_dir {
	uint64_t ios, bytes;
	struct nvhi_histogram latency; /* ns */
};

enum { PERF_READ, PERF_WRITE };

struct perf_job;

/* One I/O of a job, reused until the end: nothing is allocated while it runs. */
struct perf_slot {
	struct perf_job *job;
	uint64_t start;
	uint64_t block; /* in units of bs, from the job's first */
	uint8_t dir;
	bool checking; /* read back at the end */
	bool sent;     /* the library has it */
	uint32_t gen;  /* verify: what is written, or expected */
	struct iovec iov;
	struct nvh_io io; /* last: nvh_io_size() bytes */
};

struct perf_job {
	const struct perf_opts *opts;
	struct nvh_reactor *reactor;
	struct nvh_ns *ns;
	struct nvh_channel *channel;
	unsigned int index;
	/* Its part of the namespace. */
	uint64_t first_lba, nr_blocks;
	uint32_t lbas_per_block, lba_size;
	/* State, owned by its reactor's thread. */
	uint64_t rng[2], cursor, issued, limit;
	uint64_t measure_from, end;
	uint32_t outstanding, parked; /* parked: waiting for the last write before reading back */
	bool starting, stopping, checking;
	uint64_t check_cursor;
	uint8_t *buffers;
	void *slots;
	size_t slot_size;
	uint32_t *gens; /* verify: generation of each block, the top bit while it is busy */
	struct perf_dir dir[2];
	uint64_t verified, verify_errors, errors;
	int first_err; /* -errno, or 0 and first_status */
	uint16_t first_status;
	char first_error[160];
	_Atomic uint64_t progress; /* I/Os done, for the live line */
	uint64_t started, finished;
	void (*done)(struct perf_job *job);
	void *owner;
};

/* Splits the namespace among the jobs and allocates. 0 or -errno with the reason in err. */
int perf_job_init(struct perf_job *job, const struct perf_opts *opts, struct nvh_ns *ns,
		  struct nvh_reactor *reactor, unsigned int index, char *err, size_t err_len);
void perf_job_free(struct perf_job *job);
/* Starts; on the reactor's thread. job->done comes there when the last I/O is back. */
void perf_job_start(struct perf_job *job);

/* Sends nothing more; with `cancel` what is under way ends too. On the reactor's thread. */
void perf_job_stop(struct perf_job *job, bool cancel);

/* perf_verify.c: fills lbas blocks with tags for (lba, gen); checks them: 0, or -1 with the reason.
 */
void perf_fill(uint8_t *data, uint32_t lba_size, uint32_t lbas, uint64_t lba, uint32_t gen,
	       uint32_t seed);
int perf_check(const uint8_t *data, uint32_t lba_size, uint32_t lbas, uint64_t lba, uint32_t gen,
	       uint32_t seed, char *err, size_t err_len);

/* perf_print.c */
struct perf_result {
	const struct perf_opts *opts;
	char target[512];
	struct perf_dir dir[2];
	double seconds, user_us, sys_us; /* CPU in all, for all I/Os */
	uint64_t verified, verify_errors, errors;
	char first_error[160];
	struct nvh_hedge_info hedge;
};
void perf_print(FILE *out, const struct perf_result *result);
struct json_object *perf_to_json(const struct perf_result *result);

#endif
