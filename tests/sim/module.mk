# The simulated world: the real host and target on virtual time in one thread (docs/simulation.md).
# make sim SEEDS=1000, make sim SEED=17 (with its trace), make sim-mutants.
SIM_OBJS := $(call objects,$(wildcard tests/sim/*.c))
SIM_WRAPPED := nvhi_part_done nvhi_part_drop nvhi_hedge_sent nvhi_io_rewind nvhi_classify nvhi_ctrlr_ana_state nvhi_transport_by_type \
	nvhi_fence_unproven nvhi_ioq_is_settled nvhi_ctrlr_probed nvhi_ctrlr_reg_get nvhi_ccr_is_immediate nvhi_fence_time_ns tl_log_exec \
	malloc calloc realloc aligned_alloc free
SIM_WRAP := $(foreach fn,$(SIM_WRAPPED),-Wl,--wrap=$(fn))
SIM_TEST := $(B)/tests/sim/sim_test $(B)/tests/sim/ghosts_test
SEEDS ?= 1000
$(SIM_OBJS): EXTRA_CFLAGS += $(JSON_CFLAGS) $(DPDK_CFLAGS)
$(B)/tests/sim/sim: $(SIM_OBJS) $(sort $(LIB_OBJS) $(TARGET_OBJS))
	$(call link,$(SIM_WRAP) $(LIBS_BASE))
# What `make check` runs.
$(B)/tests/sim/ghosts_test: $(B)/tests/sim/sim
	$(Q)printf '#!/bin/sh\nexec %s -c all -n 15\n' $< >$@ && chmod +x $@
$(B)/tests/sim/sim_test: $(B)/tests/sim/sim tests/sim/regressions.txt
	$(Q)printf '#!/bin/sh\nexec %s -n 300 -r tests/sim/regressions.txt\n' $< >$@ && chmod +x $@

.PHONY: sim sim-mutants sim-ghosts
sim: $(B)/tests/sim/sim
	@$< $(if $(SEED),-s $(SEED),-n $(SEEDS) -r tests/sim/regressions.txt)
sim-mutants: $(B)/tests/sim/sim
	@$< -m $(or $(MUTANT),all)
# The ghost-write matrix: what targets offer x write-fence x how it comes about, SEEDS worlds a cell.
# CELL=neither:auto:two-paths: one cell; with SEED=N one world of it with its trace.
sim-ghosts: $(B)/tests/sim/sim
	@$< -c $(or $(CELL),all) $(if $(SEED),-s $(SEED),-n $(SEEDS))
HELP += sim "the simulated world: SEEDS=1000 of them, or SEED=17 with its trace" \
	sim-mutants "bugs put in on purpose: the simulated world's checker must catch each" \
	sim-ghosts "the ghost-write matrix: 36 cells, SEEDS=1000 worlds each (CELL=neither:auto:one-path)"
