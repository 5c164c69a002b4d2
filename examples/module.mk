# Examples build against the tree here; against an installed library with pkg-config alone in
# tests/e2e.
EXAMPLES := $(patsubst examples/%.c,$(B)/examples/%,$(wildcard examples/*.c))
$(B)/examples/%: $(B)/examples/%.o $(B)/lib/libnvhost.so.$(VERSION)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $< -L$(B)/lib -lnvhost \
		-Wl,-rpath,'$$ORIGIN/../lib'
.PHONY: examples
examples: $(EXAMPLES)
HELP += examples "build examples/"
.PHONY: demo
demo: all
	@BIN=$(CURDIR)/$(B)/bin examples/demo.sh
HELP += demo "the main job, seen: target, discover, connect, mount, write, verify"
