# The file system: session, metadata, data path, unaligned I/O.
FUSE_OBJS := $(call objects,$(call sources,fuse))
$(FUSE_OBJS): EXTRA_CFLAGS += $(FUSE_CFLAGS)
