# The PCIe driver through the whole host stack (docs/pcie.md): pcie_test against QEMU's model of an
# NVMe controller over -qtest, soft_test against one in memory that may be hostile.
# The tests stand between the host and its table of transports.
PCIE_WRAP := -Wl,--wrap=nvhi_transport_by_type
PCIE_TESTS := $(patsubst %.c,$(B)/%,$(wildcard tests/pcie/*_test.c))
PCIE_HELPER_OBJS := $(call objects,$(filter-out %_test.c,$(wildcard tests/pcie/*.c)))
$(PCIE_TESTS): $(B)/%: $(B)/%.o $(PCIE_HELPER_OBJS) $(UNIT_FRAME_OBJS) $(LIB_OBJS)
	$(call link,$(UNIT_WRAP) $(PCIE_WRAP) -lcunit $(LIBS_BASE))

.PHONY: check-pcie
check-pcie: $(PCIE_TESTS) test-deps
	@tests/run.sh $(PCIE_TESTS)
HELP += check-pcie "the PCIe driver against QEMU's NVMe device (-qtest, no guest), and a hostile one"
