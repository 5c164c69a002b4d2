# Tests. unit/: CUnit, one program a module; e2e/: over real sockets; sim/: a simulated world; pcie/:
# QEMU's NVMe device without a guest; fuzz/, bench/.
-include tests/unit/module.mk
-include tests/e2e/module.mk
-include tests/fuzz/module.mk
-include tests/bench/module.mk
-include tests/sim/module.mk
-include tests/pcie/module.mk
-include tests/vm/module.mk

.PHONY: check check-layering check-asan check-tsan check-races test-deps
# The README's test command: everything, with one closing line that counts.
check: all examples unit $(SIM_TEST) $(PCIE_TESTS) test-deps
	@$(E2E_ENV) tests/run.sh tests/layering.py $(UNIT_TESTS) $(SIM_TEST) $(PCIE_TESTS) $(sort $(filter-out tests/e2e/lib.%,$(E2E_TESTS)))
test-deps:
	@packaging/deps.sh test
# Whatever includes CUnit waits until it is installed.
$(call objects,$(UNIT_SRCS) $(wildcard tests/pcie/*.c)) $(UNIT_FRAME_OBJS) $(UNIT_HELPER_OBJS): | test-deps
check-layering:
	@tests/layering.py
check-asan:
	@$(MAKE) --no-print-directory MODE=asan check
check-tsan:
	@$(MAKE) --no-print-directory MODE=tsan check-races
# What has threads: the unit tests, and hedged reads on two reactors while paths come and go.
check-races: all unit test-deps
	@$(E2E_ENV) tests/run.sh $(UNIT_TESTS) tests/e2e/hedge_verify.py
HELP += check "all tests: unit, end to end, layering" check-layering "who may include whom" \
	check-asan "unit and e2e tests under ASan+UBSan" check-tsan "unit tests, and hedged reads end to end, under TSan"
