# Fuzz targets (libFuzzer, clang): tests/fuzz/NAME_fuzz.c is one, tests/fuzz/corpus/NAME its kept
# corpus, tests/fuzz/NAME.dict its words. `make fuzz` builds them in a mode of their own and runs
# each for FUZZ_SECONDS; FUZZ=NAME runs one.
FUZZ_SECONDS ?= 10
FUZZ ?= *
FUZZ_SRCS := $(wildcard tests/fuzz/$(FUZZ)_fuzz.c)
FUZZ_TARGETS := $(patsubst %.c,$(B)/%,$(FUZZ_SRCS))
FUZZ_SHARED := $(call objects,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_OBJS := $(BASE_OBJS) $(FABRIC_OBJS) $(FABRIC_CODEC_OBJS) $(TARGET_OBJS) $(PCIE_OBJS) \
	$(call objects,host/transport.c host/ctrlr/ns_desc.c)
FUZZ_SAN := -fsanitize=address,undefined
$(B)/lib/libfuzz.a: $(sort $(FUZZ_OBJS) $(FUZZ_SHARED))
	$(call say,AR,$@)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^
$(FUZZ_TARGETS): $(B)/%: $(B)/%.o $(B)/lib/libfuzz.a
	$(call link,$(LIBS_BASE))
$(patsubst %,%.o,$(FUZZ_TARGETS)): EXTRA_CFLAGS += $(JSON_CFLAGS)

.PHONY: fuzz fuzz-deps fuzz-run
fuzz: fuzz-deps
	@$(MAKE) --no-print-directory MODE=fuzz CC=clang fuzz-run \
		CFLAGS='-O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link $(FUZZ_SAN) -fno-sanitize-recover=all -Wno-unknown-warning-option' \
		LDFLAGS='-fsanitize=fuzzer $(FUZZ_SAN)'
fuzz-deps:
	@packaging/deps.sh fuzz
fuzz-run: $(FUZZ_TARGETS)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh $^
HELP += fuzz "fuzz the parsers, FUZZ_SECONDS=10 each (FUZZ=NAME: one)"
