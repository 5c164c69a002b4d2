# target-lite: core (no syscalls, no clock of its own), backends, tcp/, rdma/, rpc/, fault/.
TARGET_OBJS := $(call objects,$(call sources,target-lite/core target-lite/backend target-lite/tcp target-lite/rdma \
	target-lite/vfio-user \
	target-lite/rpc target-lite/fault))
TARGET_MAIN_OBJS := $(call objects,$(call sources,target-lite))
$(TARGET_OBJS) $(TARGET_MAIN_OBJS): EXTRA_CFLAGS += $(JSON_CFLAGS)

PROGRAMS += $(B)/bin/target-lite
$(B)/bin/target-lite: $(TARGET_MAIN_OBJS) $(TARGET_OBJS) $(FABRIC_CODEC_OBJS) $(BASE_OBJS)
	$(call link,$(LIBS_BASE))
