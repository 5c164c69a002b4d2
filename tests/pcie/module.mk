# The PCIe driver through the whole host stack (docs/pcie.md): pcie_test against QEMU's model of an
# NVMe controller over -qtest, soft_test against one in memory that may be hostile.
# The tests stand between the host and its table of transports.
PCIE_WRAP := -Wl,--wrap=nvhi_transport_by_type
PCIE_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/pcie/*_test.c))
SOFT_OBJS := $(call objects,$(wildcard tests/pcie/soft*.c))
SOFT_OBJS := $(filter-out %_test.o,$(SOFT_OBJS))
$(B)/tests/pcie/pcie_test: $(B)/tests/pcie/qtest_bus.o
$(filter %/soft_test %/hostile_test,$(PCIE_TESTS)): $(SOFT_OBJS)
$(PCIE_TESTS): $(B)/%: $(B)/%.o $(UNIT_FRAME_OBJS) $(LIB_OBJS)
	$(call link,$(UNIT_WRAP) $(PCIE_WRAP) -lcunit $(LIBS_BASE))

.PHONY: check-pcie
check-pcie: $(PCIE_TESTS) test-deps
	@tests/run.sh $(PCIE_TESTS)
HELP += check-pcie "the PCIe driver against QEMU's NVMe device (-qtest, no guest), and a hostile one"
