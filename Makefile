# nvhost. `make help` lists the targets. Objects go to build/$(MODE)/, so modes coexist; the
# programs of the default mode stand in build/bin/.
#
# MODE: release (default), debug, asan (ASan+UBSan), tsan, cov; or any name of your own.
# V=1 shows commands, WERROR=1 makes warnings errors (CI does).

MODE ?= release
B    := build/$(MODE)
CC   ?= gcc
.DEFAULT_GOAL := all

VERSION := $(shell cat VERSION)
PREFIX  ?= /usr/local
DESTDIR ?=

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

# ---- flags ---------------------------------------------------------------------------------
WARN := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes $(if $(findstring clang,$(CC)),,-Wno-format-truncation) $(if $(WERROR),-Werror)
CPPFLAGS_ALL := -D_GNU_SOURCE -DNVHOST_VERSION='"$(VERSION)"' -I. -Ihost/include $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 $(WARN) -fvisibility=hidden -fno-strict-aliasing -fPIC -g -pthread
OPT := -O2
ifneq (,$(findstring asan,$(MODE)))
OPT := -O1 -fno-omit-frame-pointer
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif
ifneq (,$(findstring tsan,$(MODE)))
OPT := -O1 -fno-omit-frame-pointer
SAN := -fsanitize=thread
endif
ifneq (,$(findstring debug,$(MODE)))
OPT := -O0
endif
ifneq (,$(findstring cov,$(MODE)))
OPT := -O0
SAN := --coverage
endif
CFLAGS_ALL += $(OPT) $(SAN) $(CFLAGS)
LDFLAGS_ALL := -pthread $(SAN) $(LDFLAGS)

# ---- libraries -----------------------------------------------------------------------------
# DPDK: the few static archives only. Shared linkage would load every driver plugin and let EAL
# probe the machine's own network card (docs/architecture.md, "DPDK").
# build/deps.mk is made by packaging/deps.sh (which installs what is missing) and then included, so
# a fresh machine needs no second run.
-include build/deps.mk
LIBS_DPDK := -Wl,--whole-archive $(DPDK_LIBDIR)/librte_eal.a $(DPDK_LIBDIR)/librte_ring.a \
	$(DPDK_LIBDIR)/librte_kvargs.a $(DPDK_LIBDIR)/librte_telemetry.a -Wl,--no-whole-archive \
	-lbsd -lnuma -lfdt -ldl -lm
LIBS_BASE := $(LIBS_DPDK) -lisal $(LIBS_JSON)
ifeq (,$(filter help clean distclean format,$(MAKECMDGOALS)))
build/deps.mk: packaging/deps.sh
	@packaging/deps.sh build $@
endif

# ---- modules: each adds its sources; see */module.mk ----------------------------------------
sources = $(wildcard $(addsuffix /*.c,$(1)))
objects = $(patsubst %.c,$(B)/%.o,$(1))

PROGRAMS :=
HELP :=
include base/module.mk
include fabric/module.mk
include pcie/module.mk
include multipath/module.mk
include fuse/module.mk
include host/module.mk
include target-lite/module.mk
include examples/module.mk
include tests/module.mk
include packaging/module.mk

.PHONY: all
all: $(PROGRAMS) $(LIBNVHOST)
ifeq ($(MODE),release)
all: $(patsubst $(B)/bin/%,build/bin/%,$(PROGRAMS))
build/bin/%: $(B)/bin/%
	@mkdir -p $(@D)
	$(Q)ln -sf ../$(MODE)/bin/$* $@
endif

# ---- rules ---------------------------------------------------------------------------------
$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<

# $(call link,libraries): links the target from its object prerequisites.
link = $(call say,LD,$@)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o %.a,$^) $(1)

-include $(shell find $(B) -name '*.d' 2>/dev/null)

.PHONY: clean distclean format compile_commands.json help
clean:
	rm -rf $(B)
distclean:
	rm -rf build compile_commands.json
format:
	git ls-files '*.c' '*.h' | xargs clang-format -i
compile_commands.json:
	@rm -rf build/cc && bear --output $@ -- $(MAKE) MODE=cc all >/dev/null && echo "$@"
help:
	@printf 'nvhost %s: make [MODE=release|debug|asan|tsan|cov] TARGET\n\n' "$(VERSION)"
	@printf '  %-22s %s\n' all "build the programs and libnvhost (build/bin, build/MODE)" $(HELP) \
		clean "remove this mode's objects" distclean "remove build/" \
		format "clang-format the tree" compile_commands.json "for editors (needs bear)"
