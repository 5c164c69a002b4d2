# The PCIe driver and the buses it drives controllers over.
PCIE_OBJS := $(call objects,$(call sources,pcie pcie/vfio-user))
