# The PCIe driver through the whole host stack, against QEMU's model of an NVMe controller over
# -qtest (docs/pcie.md).
# The test stands between the host and its table of transports.
PCIE_WRAP := -Wl,--wrap=nvhi_transport_by_type
PCIE_TEST := $(B)/tests/pcie/pcie_test
$(PCIE_TEST): $(call objects,$(wildcard tests/pcie/*.c)) $(UNIT_FRAME_OBJS) $(LIB_OBJS)
	$(call link,$(UNIT_WRAP) $(PCIE_WRAP) -lcunit $(LIBS_BASE))

.PHONY: check-pcie
check-pcie: $(PCIE_TEST) test-deps
	@tests/run.sh $<
HELP += check-pcie "the PCIe driver against QEMU's NVMe device (-qtest, no guest)"
