# Benches below the library: programs of their own, run by hand or by `make bench`.
BENCH_BASE_OBJS := $(BASE_OBJS) $(FABRIC_OBJS) $(PCIE_OBJS) $(B)/host/transport.o
$(B)/tests/bench/qpair_bench: $(B)/tests/bench/qpair_bench.o $(B)/tests/bench/null_ctrlr.o $(BENCH_BASE_OBJS)
	$(call link,$(LIBS_BASE))

# The yardstick of the network alone, and what the reactor and our streams add to it.
$(B)/tests/bench/tcp_pingpong $(B)/tests/bench/reactor_bench: $(B)/tests/bench/%: $(B)/tests/bench/%.o $(BASE_OBJS)
	$(call link,$(LIBS_BASE))

# The yardstick of RDMA.
$(B)/tests/bench/verbs_pingpong: $(B)/tests/bench/verbs_pingpong.o
	$(call link,-libverbs -lrdmacm)

# The channel beside a driver that knows one path.
$(B)/tests/bench/layer_cost: $(B)/tests/bench/layer_cost.o $(LIB_OBJS)
	$(call link,$(LIBS_BASE))

# PCIe against a controller in memory.
$(B)/tests/bench/pcie_cost: $(B)/tests/bench/pcie_cost.o $(B)/tests/pcie/soft.o $(B)/tests/pcie/soft_exec.o $(LIB_OBJS)
	$(call link,$(PCIE_WRAP) $(LIBS_BASE))

# A target that restarts under many controllers.
$(B)/tests/bench/storm: $(B)/tests/bench/storm.o $(LIB_OBJS)
	$(call link,$(LIBS_BASE))

BENCH_PROGRAMS += $(addprefix $(B)/tests/bench/,qpair_bench tcp_pingpong reactor_bench verbs_pingpong layer_cost pcie_cost storm)
.PHONY: bench-programs
bench-programs: $(BENCH_PROGRAMS)
HELP += bench-programs "the benches below the library (tests/bench)"

.PHONY: bench
bench: all bench-programs test-deps
	@$(E2E_ENV) BENCH_BIN=$(CURDIR)/$(B)/tests/bench tests/bench/bench.py
HELP += bench "IOPS, latency and CPU through the library and FUSE (SPDK_DIR= compares)"

.PHONY: bench-rdma
bench-rdma: all bench-programs vm-setup
	@$(VM_ENV) PINGPONG=$(CURDIR)/$(B)/tests/bench/verbs_pingpong VM_PASS=PINGPONG tests/vm/run tests/bench/rdma_cost.sh
HELP += bench-rdma "an I/O over RDMA beside bare verbs and the kernel's host (a guest; valgrind, fio)"

.PHONY: bench-failover
bench-failover: all test-deps
	@$(E2E_ENV) tests/bench/failover.py
HELP += bench-failover "the longest stall when a path is cut, falls silent, flips (RUNS=20; root, nft)"

.PHONY: bench-paths
bench-paths: all test-deps $(B)/tests/bench/layer_cost
	@$(E2E_ENV) BENCH_BIN=$(CURDIR)/$(B)/tests/bench tests/bench/paths.py
HELP += bench-paths "policies with a slow path, hedged reads, what the layer costs, two paths beside one (PARTS=)"

.PHONY: bench-pcie
bench-pcie: $(B)/tests/bench/pcie_cost test-deps
	@MODE=$(MODE) tests/bench/pcie_cost.sh
HELP += bench-pcie "instructions of a read over PCIe, by callgrind (DEPTH=, SHOW=1: by function)"

.PHONY: bench-storm
bench-storm: all test-deps $(B)/tests/bench/storm
	@$(E2E_ENV) BENCH_BIN=$(CURDIR)/$(B)/tests/bench tests/bench/storm.py
HELP += bench-storm "64 controllers of a target that restarts: attempts, others' p99, the longest turn (RUNS=3)"

.PHONY: bench-flap
bench-flap: all test-deps
	@$(E2E_ENV) SECONDS=$(or $(SECONDS),60) tests/e2e/flapping.py
HELP += bench-flap "a path that flaps at 1 Hz: switches, errors, the longest stall (SECONDS=60)"
