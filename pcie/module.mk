# The PCIe driver and the buses it drives controllers over.
PCIE_OBJS := $(call objects,$(call sources,pcie pcie/vfio pcie/vfio-user pcie/bind))
$(call objects,$(call sources,pcie/bind)): EXTRA_CFLAGS += $(JSON_CFLAGS)
