# Namespace heads, paths and path choice.
MULTIPATH_OBJS := $(call objects,$(call sources,multipath))
