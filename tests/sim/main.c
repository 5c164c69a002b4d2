/*
 * The simulated world's program: worlds of the seeds asked for, kept regressions, the same seed
 * twice, mutants.
 *
 *	sim [-n SEEDS] [-f FIRST] [-r FILE]	many worlds, coverage, a closing line
 *	sim -s SEED				one, with its trace
 *	sim -g ...				the same with disks that hold commands
 *	sim -m all|NAME [-n SEEDS]		each mutant must be caught
 *	sim -c all|OFFER:MODE:STORY [-n SEEDS]	the ghost-write matrix; with -s one world of a cell
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/sim/alloc.h"
#include "tests/sim/cell.h"
#include "tests/sim/coverage.h"
#include "tests/sim/world.h"

/* So many worlds must have been through everything. */
#define SEEDS_FOR_ALL 10000
/* A mutant is to be caught so often, in so many times the worlds at most. */
#define MUTANT_CAUGHT 3
#define MUTANT_MORE   20

#define SEEDS_DEFAULT 300
#define TWICE         20 /* seeds run a second time for the same hash */

static unsigned long passed, failed;
static bool hold; /* disks hold commands */
static bool cell_given; /* by options */

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

/* Among all worlds one of twenty is of the ghost-write matrix, fenced. */
static void choose_cell(uint64_t seed)
{
	if (cell_given)
		return;
	memset(&sim_cell, 0, sizeof(sim_cell));
	hold = seed % 20 == 3;
	if (hold)
		sim_cell = (struct sim_cell){
			.on = true,
			.offer = (enum sim_offer)(seed / 20 % SIM_OFFERS),
			.mode = seed / 60 % 2 ? SIM_MODE_AUTO : SIM_MODE_STRICT,
			.story = (enum sim_story)(seed / 120 % SIM_STORY_KILLED),
		};
}

/* ---- one seed, many seeds -------------------------------------------------------------------- */

static int run_one(uint64_t seed)
{
	uint64_t hash;

	choose_cell(seed);
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

	choose_cell(seed);
	sim_world_run(seed, false, SIM_MUTANT_NONE, hold);
	/* What a killed process held is lost. */
	if (!sim.failed && sim_allocated != before && sim_cell.story != SIM_STORY_KILLED)
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
	if (sim_coverage_proofs(seeds >= SEEDS_FOR_ALL ? 100 : 0))
		failed++;
	if (seeds >= SEEDS_FOR_ALL && sim_coverage_lacks(100))
		failed++;
	printf("worlds  %llu in %.1f s: %.0f a second, %.0f turns each\n",
	       (unsigned long long)seeds, took, (double)seeds / took,
	       (double)sim_counts.turns / (double)seeds);
	printf("%lu passed, %lu failed, 0 skipped\n", passed, failed);
	return failed != 0;
}

/* ---- the ghost-write matrix ------------------------------------------------------------------ */

/* A read that went back in time, in the worlds or on the disk after them. */
static bool is_ghost(void)
{
	return strstr(sim.why, ": a read that began at ") != NULL;
}

/* Wrong reads: none, but where nothing is fenced at least one must be seen, or the cell shows nothing. */
static void run_cell(uint64_t seeds)
{
	bool off = sim_cell.mode == SIM_MODE_OFF, good;
	unsigned long ghosts = 0, others = 0;
	uint64_t first = 0;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		sim_world_run(seed, false, SIM_MUTANT_NONE, true);
		if (!sim.failed)
			continue;
		ghosts += is_ghost();
		others += !is_ghost();
		if ((!off || !is_ghost()) && !first) {
			first = seed;
			printf("  seed %llu: %s\n", (unsigned long long)seed, sim.why);
		}
	}
	good = !others && (off ? ghosts > 0 : ghosts == 0);
	printf("%-6s %-7s %-6s %-9s %llu worlds, %lu with a wrong read", good ? "ok" : "FAIL",
	       sim_offer_names[sim_cell.offer], sim_mode_names[sim_cell.mode],
	       sim_story_names[sim_cell.story], (unsigned long long)seeds, ghosts);
	if (others)
		printf(", %lu failed otherwise", others);
	putchar('\n');
	fflush(stdout);
	passed += good;
	failed += !good;
}

/* Each cell in a process of its own: what killed hosts held is given back with it. */
static void run_cell_apart(uint64_t seeds)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		passed = failed = 0;
		sim_coverage_start();
		run_cell(seeds);
		sim_coverage_send();
		fflush(stdout);
		_exit(failed != 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		failed++;
	else
		passed++;
}

static int run_matrix(const char *which, uint64_t seeds)
{
	sim_coverage_send();
	if (strcmp(which, "all") != 0) {
		run_cell_apart(seeds);
	} else {
		for (int s = 0; s < SIM_STORIES; s++)
			for (int o = 0; o < SIM_OFFERS; o++)
				for (int m = 0; m < SIM_MODES; m++) {
					sim_cell = (struct sim_cell){.on = true,
								     .offer = (enum sim_offer)o,
								     .mode = (enum sim_mode)m,
								     .story = (enum sim_story)s};
					run_cell_apart(seeds);
				}
	}
	if (sim_coverage_proofs(!strcmp(which, "all") && seeds >= 1000 ? 100 : 0))
		failed++;
	printf("%lu passed, %lu failed, 0 skipped\n", passed, failed);
	return failed != 0;
}

/* ---- mutants --------------------------------------------------------------------------------- */

/* Where such a bug shows. */
static const char *mutant_cell(enum sim_mutant mutant)
{
	switch (mutant) {
	case SIM_MUTANT_FENCE:
	case SIM_MUTANT_SHORT:
	case SIM_MUTANT_SETTLED:
		return "neither:auto:two-paths";
	case SIM_MUTANT_RDY:
		return "cqt:auto:two-paths";
	case SIM_MUTANT_ACCEPTED:
		return "ccr:auto:two-paths";
	default:
		return NULL;
	}
}

static void run_mutant(enum sim_mutant mutant, uint64_t seeds)
{
	unsigned long struck = 0, caught = 0;
	char first[512] = "";

	sim_cell.on = false;
	hold = mutant_cell(mutant) != NULL;
	if (hold)
		sim_cell_parse(mutant_cell(mutant));

	/* Some bugs strike in few worlds. */
	for (uint64_t seed = 1;
	     seed <= seeds || (caught < MUTANT_CAUGHT && seed <= MUTANT_MORE * seeds); seed++) {
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
	const char *regressions = NULL, *mutant = NULL, *cell = NULL;
	uint64_t seeds = 0, first = 1, seed = 0;
	char culprit[64];
	bool one = false;
	int opt;

	while ((opt = getopt(argc, argv, "n:f:s:r:m:c:g")) != -1) {
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
			hold = cell_given = true;
			break;
		case 'c':
			cell = optarg;
			hold = cell_given = true;
			if (strcmp(cell, "all") != 0 && !sim_cell_parse(cell)) {
				fprintf(stderr, "sim: no cell \"%s\" (neither:auto:two-paths)\n", cell);
				return 2;
			}
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
	if (cell)
		return run_matrix(cell, seeds ? seeds : 1000);
	if (mutant)
		return run_mutants(mutant, seeds ? seeds : 200);
	return run_many(first, seeds ? seeds : SEEDS_DEFAULT, regressions);
}
