/*
 * What the worlds have been through: see coverage.h.
 */
#include "tests/sim/coverage.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "fabric/tcp/tcp_impl.h"
#include "host/ctrlr/ctrlr.h"
#include "multipath/fence.h"
#include "multipath/io.h"
#include "target-lite/core/impl.h"
#include "target-lite/core/subsystem.h"
#include "target-lite/fault/fault.h"
#include "target-lite/tcp/tcp_impl.h"
#include "tests/sim/dma.h"
#include "tests/sim/world.h"

#define STATES_MAX 16

static struct table {
	const char *side;
	struct nvhi_fsm *fsm;
	uint64_t taken[STATES_MAX * STATES_MAX];
} tables[] = {
	{.side = "host", .fsm = &nvhi_ctrlr_fsm},    {.side = "host", .fsm = &nvhi_tcp_fsm},
	{.side = "host", .fsm = &nvhi_path_fsm},     {.side = "host", .fsm = &nvhi_io_fsm},
	{.side = "host", .fsm = &nvhi_fence_fsm},    {.side = "host", .fsm = &nvhi_ioq_fsm},
	{.side = "host", .fsm = &nvhi_health_fsm},   {.side = "host", .fsm = &nvhi_ioq_health_fsm},
	{.side = "target", .fsm = &tl_tcp_conn_fsm}, {.side = "target", .fsm = &tl_qpair_fsm},
	{.side = "target", .fsm = &tl_ctrlr_fsm},    {.side = "target", .fsm = &tl_subsystem_fsm},
};

void sim_coverage_start(void)
{
	memset(&sim_counts, 0, sizeof(sim_counts));
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(tables); i++) {
		memset(tables[i].taken, 0, sizeof(tables[i].taken));
		tables[i].fsm->taken = tables[i].taken;
	}
}

static void print_table(const struct table *t)
{
	const struct nvhi_fsm *fsm = t->fsm;
	unsigned int legal = 0, taken = 0;
	uint64_t rarest = UINT64_MAX;
	uint32_t rarest_from = 0, rarest_to = 0;

	for (uint32_t from = 0; from < fsm->states; from++)
		for (uint32_t to = 0; to < fsm->states; to++) {
			uint64_t times = t->taken[from * fsm->states + to];

			if (!nvhi_fsm_legal(fsm, from, to))
				continue;
			legal++;
			taken += times > 0;
			if (times >= rarest)
				continue;
			rarest = times;
			rarest_from = from;
			rarest_to = to;
		}
	printf("edges   %-6s %-12s %u of %u taken; the rarest %s -> %s %llu times", t->side,
	       fsm->name, taken, legal, fsm->state_names[rarest_from], fsm->state_names[rarest_to],
	       (unsigned long long)rarest);
	for (uint32_t from = 0; from < fsm->states; from++)
		for (uint32_t to = 0; to < fsm->states; to++)
			if (nvhi_fsm_legal(fsm, from, to) && !t->taken[from * fsm->states + to])
				printf("%s %s -> %s", taken++ < legal ? ", never:" : ",",
				       fsm->state_names[from], fsm->state_names[to]);
	putchar('\n');
}

static bool lacks_fault(const char *name, uint64_t struck, uint64_t least)
{
	if (struck >= least)
		return false;
	printf("FAIL   the fault \"%s\" struck %llu times, not %llu\n", name,
	       (unsigned long long)struck, (unsigned long long)least);
	return true;
}

static bool lacks_edge(const struct table *t)
{
	const struct nvhi_fsm *fsm = t->fsm;
	bool lacks = false;

	for (uint32_t from = 0; from < fsm->states; from++)
		for (uint32_t to = 0; to < fsm->states; to++) {
			if (!nvhi_fsm_legal(fsm, from, to) || t->taken[from * fsm->states + to])
				continue;
			printf("FAIL   %s %s: no world took %s -> %s\n", t->side, fsm->name,
			       fsm->state_names[from], fsm->state_names[to]);
			lacks = true;
		}
	return lacks;
}

bool sim_coverage_lacks(uint64_t least)
{
	bool lacks = false;

	for (size_t i = 0; i < NVHI_ARRAY_SIZE(tables); i++)
		lacks |= lacks_edge(&tables[i]);
	for (int i = 0; i < SIM_FAULT_COUNT; i++)
		lacks |= lacks_fault(sim_fault_names[i], sim_counts.faults[i], least);
	for (int i = 0; tl_fault_kind_names[i]; i++)
		lacks |= lacks_fault(tl_fault_kind_names[i], sim_counts.rig[i], least);
	return lacks;
}

static void print_ios(void)
{
	static const char *const names[SIM_OPS] = {
		[NVH_IO_READ] = "read",
		[NVH_IO_WRITE] = "write",
		[NVH_IO_FLUSH] = "flush",
		[NVH_IO_WRITE_ZEROES] = "write zeroes",
		[NVH_IO_DEALLOCATE] = "deallocate",
		[NVH_IO_COMPARE] = "compare",
		[NVH_IO_VERIFY] = "verify",
		[NVH_IO_PASSTHRU] = "passthrough",
	};

	printf("I/O    ");
	for (int i = 0; i < SIM_OPS; i++)
		printf(" %s %llu%s", names[i], (unsigned long long)sim_counts.ios[i],
		       i < SIM_OPS - 1 ? "," : "\n");
	printf("ended   good %llu, failed %llu, refused %llu, canceled %llu, timed out %llu, without a path %llu; "
	       "blocks "
	       "read and checked %llu\n",
	       (unsigned long long)sim_counts.good, (unsigned long long)sim_counts.failed,
	       (unsigned long long)sim_counts.refused, (unsigned long long)sim_counts.canceled,
	       (unsigned long long)sim_counts.timed_out, (unsigned long long)sim_counts.no_path,
	       (unsigned long long)sim_counts.blocks_read);
}

/* Shared with children. */
static uint64_t *proofs(void)
{
	static uint64_t *shared;

	if (!shared)
		shared = mmap(NULL, sizeof(nvhi_proofs_used), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared;
}

void sim_coverage_send(void)
{
	for (int i = 0; i < NVHI_PROOF_COUNT; i++)
		proofs()[i] += nvhi_proofs_used[i];
}

bool sim_coverage_proofs(uint64_t least)
{
	bool lacks = false;

	sim_coverage_send();
	printf("proofs ");
	for (int i = 0; i < NVHI_PROOF_COUNT; i++) {
		printf(" %s %llu%s", nvhi_proof_names[i], (unsigned long long)proofs()[i],
		       i < NVHI_PROOF_COUNT - 1 ? "," : "\n");
		lacks |= i != NVHI_PROOF_NONE && proofs()[i] < least;
	}
	if (lacks)
		printf("FAIL   each proof but \"none\" must be used %llu times\n",
		       (unsigned long long)least);
	return lacks;
}

void sim_coverage_print(void)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(tables); i++)
		print_table(&tables[i]);
	printf("faults ");
	for (int i = 0; i < SIM_FAULT_COUNT; i++)
		printf(" %s %llu%s", sim_fault_names[i], (unsigned long long)sim_counts.faults[i],
		       i < SIM_FAULT_COUNT - 1 ? "," : "\n");
	printf("rig    ");
	for (int i = 0; tl_fault_kind_names[i]; i++)
		printf(" %s %llu%s", tl_fault_kind_names[i], (unsigned long long)sim_counts.rig[i],
		       tl_fault_kind_names[i + 1] ? "," : "\n");
	printf("others  strangers %llu\n", (unsigned long long)sim_counts.strangers);
	printf("paths   worlds over streams %llu, over DMA %llu, over both %llu; late touches of "
	       "lent "
	       "memory %llu\n",
	       (unsigned long long)sim_counts.transports[1],
	       (unsigned long long)sim_counts.transports[2],
	       (unsigned long long)sim_counts.transports[3], (unsigned long long)sim_dma_late);
	print_ios();
	printf("silence reads while only paths broke and one was good %llu, the slowest %llu ms\n",
	       (unsigned long long)sim_counts.promised,
	       (unsigned long long)(sim_counts.slowest_promised / SIM_MS));
	printf("life    connects %llu, reconnects %llu; slowest I/O while nothing was wrong %llu "
	       "us, "
	       "while one path was good %llu ms; %llu s of virtual time\n",
	       (unsigned long long)sim_counts.connects, (unsigned long long)sim_counts.reconnects,
	       (unsigned long long)(sim_counts.slowest_calm / SIM_US),
	       (unsigned long long)(sim_counts.slowest_good / SIM_MS),
	       (unsigned long long)(sim_counts.virtual_ns / SIM_S));
}
