# The host: controllers, discovery, the public API (libnvhost), the daemon and the command line.
HOST_CORE_OBJS := $(call objects,$(call sources,host host/ctrlr host/discovery host/api))
LIB_OBJS := $(HOST_CORE_OBJS) $(MULTIPATH_OBJS) $(FABRIC_OBJS) $(PCIE_OBJS) $(BASE_OBJS)
DAEMON_OBJS := $(call objects,$(call sources,host/daemon))
DAEMON_LIB_OBJS := $(filter-out %/main.o,$(DAEMON_OBJS))
CLI_OBJS := $(call objects,$(call sources,host/cli))
CLI_LIB_OBJS := $(filter-out %/main.o,$(CLI_OBJS))
# What the command line shares with the daemon: where things are, what a connection is made of.
CLI_SHARED_OBJS := $(patsubst %,$(B)/host/daemon/%.o,paths params base64)
$(DAEMON_OBJS) $(CLI_OBJS): EXTRA_CFLAGS += $(JSON_CFLAGS)

SOVERSION := 0
LIBNVHOST := $(B)/lib/libnvhost.so.$(VERSION) $(B)/lib/libnvhost.a
$(B)/lib/libnvhost.so.$(VERSION): $(LIB_OBJS) host/libnvhost.map
	$(call say,LD,$@)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -shared -o $@ \
		-Wl,-soname,libnvhost.so.$(SOVERSION) -Wl,--version-script=host/libnvhost.map \
		$(filter %.o,$^) -Wl,--exclude-libs,ALL $(LIBS_BASE)
	$(Q)ln -sf libnvhost.so.$(VERSION) $(B)/lib/libnvhost.so.$(SOVERSION)
	$(Q)ln -sf libnvhost.so.$(SOVERSION) $(B)/lib/libnvhost.so
$(B)/lib/libnvhost.a: $(LIB_OBJS)
	$(call say,AR,$@)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

PROGRAMS += $(B)/bin/nvhost $(B)/bin/nvhostd
$(B)/bin/nvhost: $(CLI_OBJS) $(CLI_SHARED_OBJS) $(FUSE_OBJS) $(LIB_OBJS)
	$(call link,$(LIBS_BASE) $(LIBS_FUSE))
$(B)/bin/nvhostd: $(DAEMON_OBJS) $(FUSE_OBJS) $(LIB_OBJS)
	$(call link,$(LIBS_BASE) $(LIBS_FUSE))
