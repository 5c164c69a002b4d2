# The lab: tests with the Linux kernel as the other side, in an emulated guest (docs/lab.md). Needs root, fetches
# kernels and QEMU from Debian's archive; not part of make check.
# The long ones first, so that none is left alone at the end.
VM_TESTS := $(sort $(wildcard tests/vm/t/*.sh))
VM_LONG := %_on_nvmet_rxe.sh %_on_nvmet_siw.sh %_lite_rxe.sh %_lite_siw.sh
VM_TESTS := $(filter $(VM_LONG),$(VM_TESTS)) $(filter-out $(VM_LONG),$(VM_TESTS))
ifneq (,$(T))
VM_TESTS := $(wildcard $(foreach t,$(T),tests/vm/t/$(t) tests/vm/t/$(t).sh))
endif
# The kernels that the tests name, and VM_KERNELS more; then siw and noiommu, if one names those.
VM_KERNELS ?=
VM_WORDS = $(shell cat $(VM_TESTS) 2>/dev/null | grep '^. vm:')
VM_NEED = $(sort 6.12 $(VM_KERNELS) $(patsubst kernel=%,%,$(filter kernel=%,$(VM_WORDS)))) \
	$(sort $(patsubst rdma=%,%,$(filter rdma=siw,$(VM_WORDS))) $(patsubst noiommu=1,noiommu,$(filter noiommu=1,$(VM_WORDS))))
# Guests at a time: each keeps a core and a half busy.
VM_JOBS ?= 2
VM_ENV = BIN=$(CURDIR)/$(B)/bin EXAMPLES=$(CURDIR)/$(B)/examples LIB=$(CURDIR)/$(B)/lib SRC=$(CURDIR) MODE=$(MODE) \
	SHAPES=$(CURDIR)/$(B)/tests/vm/io_shapes HOSTILE=$(CURDIR)/$(B)/tests/vm/rdma_hostile TEST_LOGS=build/vm/logs JOBS=$(VM_JOBS)

# Programs of the tests' own: on the public API, and one on bare verbs.
VM_PROGRAMS := $(B)/tests/vm/io_shapes $(B)/tests/vm/rdma_hostile
$(B)/tests/vm/io_shapes: %: %.o $(B)/lib/libnvhost.so.$(VERSION)
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $< -L$(B)/lib -lnvhost -Wl,-rpath,'$$ORIGIN/../../lib'
$(B)/tests/vm/rdma_hostile: %: %.o
	$(call say,LD,$@)$(CC) $(LDFLAGS_ALL) -o $@ $< -lrdmacm -libverbs

.PHONY: check-vm vm-shell vm-setup vm-matrix ci-vm
vm-setup:
	@packaging/deps.sh vm
	@tests/vm/setup $(VM_NEED)
# In CI: where the guests cannot run, or their kernels cannot be had, that is said and skipped; within VM_MINUTES.
VM_MINUTES ?= 20
ci-vm:
	@tests/vm/ci $(VM_MINUTES) $(MAKE)
check-vm: all examples $(VM_PROGRAMS) vm-setup
	@test -n "$(VM_TESTS)" || { echo "no vm test $(T) in tests/vm/t" >&2; exit 2; }
	@case "$(VM_TESTS)" in *native_asan*) $(MAKE) --no-print-directory MODE=asan all ;; esac
	@$(VM_ENV) NATIVE_BIN=$(CURDIR)/build/asan/bin tests/run.sh -t 900 $(VM_TESTS); status=$$?; \
	TEST_LOGS=build/vm/logs tests/vm/report $(VM_TESTS) >build/vm/report.md; exit $$status
# The table of the last whole run becomes the one in docs.
vm-matrix:
	@TEST_LOGS=build/vm/logs tests/vm/report $(VM_TESTS) >build/vm/report.md
	@cp build/vm/report.md docs/lab-matrix.md
vm-shell: all vm-setup
	@$(VM_ENV) tests/vm/run --shell
HELP += check-vm "tests in a guest: the kernel's NVMe host and target (root; T=name)" \
	vm-matrix "docs/lab-matrix.md, of the last check-vm" ci-vm "check-vm, skipped with the reason where it cannot run" \
	vm-shell "a guest to look around in" vm-setup "fetch the guests' kernels"
