# Unit tests: tests/unit/<path>_test.c mirrors <path>.c and links every real object (libnvhost's,
# target-lite's and fuse's); shared helpers are the other files of tests/unit.
UNIT_FRAME_OBJS := $(call objects,tests/unit/nvh_cunit.c tests/unit/alloc_fail.c)
UNIT_HELPER_OBJS := $(filter-out $(UNIT_FRAME_OBJS),$(call objects,$(wildcard tests/unit/*.c)))
# One folder alone: make check-unit UNIT_DIR=tests/unit/base
UNIT_DIR ?= tests/unit
UNIT_SRCS := $(shell find $(UNIT_DIR) -name '*_test.c' | sort)
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(UNIT_SRCS))
# What libunit.a holds; one floor alone: make unit UNIT_OBJS='$(BASE_OBJS)'
UNIT_OBJS ?= $(LIB_OBJS) $(TARGET_OBJS) $(FUSE_OBJS) $(DAEMON_LIB_OBJS) $(CLI_LIB_OBJS)
# alloc_fail.c stands between our code and malloc.
UNIT_WRAP := $(foreach fn,malloc calloc realloc aligned_alloc posix_memalign free strdup strndup \
	asprintf vasprintf,-Wl,--wrap=$(fn))
$(B)/lib/libunit.a: $(UNIT_HELPER_OBJS) $(UNIT_OBJS)
	$(call say,AR,$@)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^
$(UNIT_TESTS): $(B)/%: $(B)/%.o $(UNIT_FRAME_OBJS) $(B)/lib/libunit.a
	$(call link,$(UNIT_WRAP) -lcunit $(LIBS_BASE) $(LIBS_FUSE))
$(patsubst %.c,$(B)/%.o,$(UNIT_SRCS)) $(UNIT_HELPER_OBJS): EXTRA_CFLAGS += $(JSON_CFLAGS) $(FUSE_CFLAGS)

.PHONY: unit check-unit
unit: $(UNIT_TESTS)
check-unit: unit
	@tests/run.sh $(UNIT_TESTS)
HELP += check-unit "unit tests only"
