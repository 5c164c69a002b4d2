/*
 * The simulated world's program: worlds of the seeds asked for, kept regressions, the same seed
 * twice, mutants.
 *
 *	sim [-n SEEDS] [-f FIRST] [-r FILE]	many worlds, coverage, a closing line
 *	sim -s SEED				one, with its trace
 *	sim -g ...				the same with disks that hold commands
 *	sim -m all|NAME [-n SEEDS]		each mutant must be caught
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/sim/alloc.h"
#include "tests/sim/coverage.h"
#include "tests/sim/world.h"

#define SEEDS_DEFAULT 300
#define TWICE         20 /* seeds run a second time for the same hash */

static unsigned long passed, failed;
static bool hold; /* disks hold commands */

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* An assertion or a crash: which world was it? */
static void on_crash(int sig)
{
	char text[96];
	int len = snprintf(text, sizeof(text), "\nFAIL seed %llu: signal %d (make sim SEED=%llu)\n",
			   (unsigned long long)sim.seed, sig, (unsigned long long)sim.seed);

	fflush(stdout); /* the trace so far; we are lost anyhow */
	if (write(STDOUT_FILENO, text, (size_t)len) < 0)
		_exit(3);
	signal(sig, SIG_DFL);
	raise(sig);
}

/* The log in between the trace. */
static void log_line(enum nvhi_log_level level, const char *component, const char *line)
{
	if (sim.verbose)
		printf("%6llu.%06llu ms    %s %s: %s\n", (unsigned long long)(sim.now / SIM_MS),
		       (unsigned long long)(sim.now % SIM_MS), nvhi_log_level_name(level),
		       component, line);
}

static void verdict(bool good, uint64_t seed, const char *why)
{
	if (good) {
		passed++;
		return;
	}
	failed++;
	printf("FAIL seed %llu: %s (make sim SEED=%llu)\n", (unsigned long long)seed, why,
	       (unsigned long long)seed);
	fflush(stdout);
}

/* ---- one seed, many seeds -------------------------------------------------------------------- */

static int run_one(uint64_t seed)
{
	uint64_t hash;

	sim_world_run(seed, true, SIM_MUTANT_NONE, hold);
	hash = sim.hash;
	verdict(!sim.failed, seed, sim.why);
	sim_world_run(seed, false, SIM_MUTANT_NONE, hold);
	printf("trace hash %016llx\n", (unsigned long long)hash);
	verdict(sim.hash == hash, seed, "the same seed gave another trace");
	return failed != 0;
}

static void run_seed(uint64_t seed, bool twice)
{
	long before = sim_allocated;
	uint64_t hash;

	sim_world_run(seed, false, SIM_MUTANT_NONE, hold);
	if (!sim.failed && sim_allocated != before)
		sim_fail("%ld pieces of memory are left", sim_allocated - before);
	verdict(!sim.failed, seed, sim.why);
	hash = sim.hash;
	if (!twice || sim.failed)
		return;
	sim_world_run(seed, false, SIM_MUTANT_NONE, hold);
	verdict(sim.hash == hash, seed, "the same seed gave another trace");
}

/* "SEED what it showed", a line each. */
static void run_regressions(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long long seed;
	char line[256];

	if (!file) {
		perror(path);
		exit(2);
	}
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%llu", &seed) == 1)
			run_seed(seed, false);
	fclose(file);
}

static int run_many(uint64_t first, uint64_t seeds, const char *regressions)
{
	double start = seconds(), took;

	sim_coverage_start();
	run_seed(first, false); /* what is allocated once and for all */
	if (regressions)
		run_regressions(regressions);
	for (uint64_t i = 1; i < seeds; i++)
		run_seed(first + i, i <= TWICE);
	took = seconds() - start;
	sim_coverage_print();
	printf("worlds  %llu in %.1f s: %.0f a second, %.0f turns each\n",
	       (unsigned long long)seeds, took, (double)seeds / took,
	       (double)sim_counts.turns / (double)seeds);
	printf("%lu passed, %lu failed, 0 skipped\n", passed, failed);
	return failed != 0;
}

/* ---- mutants --------------------------------------------------------------------------------- */

static void run_mutant(enum sim_mutant mutant, uint64_t seeds)
{
	unsigned long struck = 0, caught = 0;
	char first[512] = "";

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		sim_world_run(seed, false, mutant, hold);
		struck += sim.mutations > 0;
		if (sim.failed && sim.mutations) {
			if (!caught++)
				snprintf(first, sizeof(first), "%s", sim.why);
		} else if (sim.failed) {
			printf("FAIL seed %llu fails without the mutant: %s\n",
			       (unsigned long long)seed, sim.why);
			failed++;
		}
	}
	printf("%-6s %s: struck in %lu worlds, caught in %lu%s%s\n", caught ? "caught" : "FAIL",
	       sim_mutant_names[mutant], struck, caught, caught ? "; " : "", first);
	passed += caught > 0;
	failed += !caught;
}

static int run_mutants(const char *name, uint64_t seeds)
{
	for (int m = SIM_MUTANT_NONE + 1; m < SIM_MUTANT_COUNT; m++)
		if (!strcmp(name, "all") || !strcmp(name, sim_mutant_names[m]))
			run_mutant((enum sim_mutant)m, seeds);
	if (!passed && !failed) {
		fprintf(stderr, "sim: no mutant \"%s\"\n", name);
		return 2;
	}
	printf("%lu passed, %lu failed, 0 skipped\n", passed, failed);
	return failed != 0;
}

int main(int argc, char **argv)
{
	const char *regressions = NULL, *mutant = NULL;
	uint64_t seeds = 0, first = 1, seed = 0;
	char culprit[64];
	bool one = false;
	int opt;

	while ((opt = getopt(argc, argv, "n:f:s:r:m:g")) != -1) {
		switch (opt) {
		case 'n':
			seeds = strtoull(optarg, NULL, 0);
			break;
		case 'f':
			first = strtoull(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 0);
			one = true;
			break;
		case 'r':
			regressions = optarg;
			break;
		case 'g':
			hold = true;
			break;
		case 'm':
			mutant = optarg;
			break;
		default:
			fprintf(stderr, "usage: sim [-n SEEDS] [-f FIRST] [-r FILE] | -s SEED | -m "
					"all|NAME [-n SEEDS]\n");
			return 2;
		}
	}
	signal(SIGABRT, on_crash);
	signal(SIGSEGV, on_crash);
	if (one) {
		nvhi_log_configure("all:info", culprit, sizeof(culprit));
		nvhi_log_configure_env(culprit, sizeof(culprit));
		nvhi_log_set_hook(log_line);
		return run_one(seed);
	}
	if (mutant)
		return run_mutants(mutant, seeds ? seeds : 200);
	return run_many(first, seeds ? seeds : SEEDS_DEFAULT, regressions);
}
