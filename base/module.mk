# The ground floor: runtime and wire structs. Knows nothing of NVMe control flow.
BASE_OBJS := $(call objects,$(call sources,base base/spec))
$(BASE_OBJS): EXTRA_CFLAGS += $(DPDK_CFLAGS) $(JSON_CFLAGS)
