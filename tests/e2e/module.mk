# End-to-end tests over real sockets: every executable tests/e2e/*.sh and *.py is one test. They get
# BIN (the programs), LIB (libnvhost), EXAMPLES, SRC (the tree) and make their own folders and ports.
E2E_TESTS := $(wildcard tests/e2e/*.sh tests/e2e/*.py)
E2E_ENV = BIN=$(CURDIR)/$(B)/bin LIB=$(CURDIR)/$(B)/lib EXAMPLES=$(CURDIR)/$(B)/examples \
	SRC=$(CURDIR) MODE=$(MODE) VERSION=$(VERSION)

.PHONY: check-e2e
check-e2e: all examples test-deps
	@$(E2E_ENV) tests/run.sh $(sort $(filter-out tests/e2e/lib.sh tests/e2e/lib.py,$(E2E_TESTS)))
HELP += check-e2e "end-to-end tests only (T=name: one)"
ifneq (,$(T))
E2E_TESTS := $(wildcard tests/e2e/$(T) tests/e2e/$(T).sh tests/e2e/$(T).py)
endif
