# The PCIe driver. Not in libnvhost until there is a bus for real devices (docs/pcie.md); the unit
# tests and tests/pcie link it.
PCIE_OBJS := $(call objects,$(call sources,pcie))
