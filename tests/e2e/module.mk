# End-to-end tests over real sockets: every executable tests/e2e/*.sh and *.py is one test. They get
# BIN (the programs), LIB (libnvhost), EXAMPLES, SRC (the tree) and make their own folders and ports.
E2E_TESTS := $(wildcard tests/e2e/*.sh tests/e2e/*.py)
E2E_ENV = BIN=$(CURDIR)/$(B)/bin LIB=$(CURDIR)/$(B)/lib EXAMPLES=$(CURDIR)/$(B)/examples \
	SRC=$(CURDIR) MODE=$(MODE) VERSION=$(VERSION)

.PHONY: check-e2e
check-e2e: all examples test-deps
	@$(E2E_ENV) tests/run.sh $(sort $(filter-out tests/e2e/lib.sh tests/e2e/lib.py,$(E2E_TESTS)))
HELP += check-e2e "end-to-end tests only (T=name: one)"
ifneq (,$(T))
E2E_TESTS := $(wildcard tests/e2e/$(T) tests/e2e/$(T).sh tests/e2e/$(T).py)
endif

# The ghost-write matrix over real sockets: 36 cells, RUNS=20 runs each (CELL=neither:auto:two-paths: one).
.PHONY: ghost-matrix
ghost-matrix: all
	@$(E2E_ENV) CELL=$(or $(CELL),all) RUNS=$(or $(RUNS),20) tests/e2e/ghosts.py
HELP += ghost-matrix "ghost writes over real sockets: 36 cells, RUNS=20 runs each (CELL=neither:off:failed)"

# SPDK's own rpc.py against target-lite; CI replays its recorded requests instead (rpc_replay.py).
.PHONY: check-rpc-live
check-rpc-live: $(B)/bin/target-lite
	@test -n "$(SPDK_DIR)" || { echo "make check-rpc-live SPDK_DIR=<SPDK source tree>" >&2; exit 2; }
	@$(E2E_ENV) tests/rpc_live.py $(SPDK_DIR)
HELP += check-rpc-live "SPDK's rpc.py drives target-lite (SPDK_DIR=its source tree)"
