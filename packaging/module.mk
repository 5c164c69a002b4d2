# make install: programs, library, headers, pkg-config file, man pages, systemd units. DESTDIR and
# PREFIX as ever; LIBDIR and UNITDIR for distributions that have their own places.
LIBDIR  ?= $(PREFIX)/lib
UNITDIR ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
INSTALL ?= install

PUBLIC_HEADERS := $(wildcard host/include/nvhost/*.h)
SPEC_HEADERS := $(wildcard base/spec/*.h)
MAN_PAGES = $(wildcard docs/man/*.[1-8])
USER_UNITS = $(wildcard packaging/systemd/user/*.service)
UNITS = $(wildcard packaging/systemd/*.service packaging/systemd/*.socket packaging/systemd/*.target)

# Written anew each time: PREFIX may differ from the last run's.
.PHONY: $(B)/nvhost.pc
$(B)/nvhost.pc: packaging/nvhost.pc.in
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@VERSION@|$(VERSION)|' \
		-e 's|@LIBS_PRIVATE@|$(LIBS_BASE) -pthread|' $< >$@

.PHONY: install uninstall
install: all $(B)/nvhost.pc
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(Q)$(INSTALL) -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(PREFIX)/include/nvhost/spec
	$(Q)$(INSTALL) -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	$(Q)$(INSTALL) -m 755 $(B)/lib/libnvhost.so.$(VERSION) $(DESTDIR)$(LIBDIR)
	$(Q)ln -sf libnvhost.so.$(VERSION) $(DESTDIR)$(LIBDIR)/libnvhost.so.$(SOVERSION)
	$(Q)ln -sf libnvhost.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libnvhost.so
	$(Q)$(INSTALL) -m 644 $(B)/lib/libnvhost.a $(DESTDIR)$(LIBDIR)
	$(Q)$(INSTALL) -m 644 $(PUBLIC_HEADERS) $(DESTDIR)$(PREFIX)/include/nvhost
	$(Q)$(INSTALL) -m 644 $(SPEC_HEADERS) $(DESTDIR)$(PREFIX)/include/nvhost/spec
	$(Q)$(INSTALL) -m 644 $(B)/nvhost.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	$(Q)for page in $(MAN_PAGES); do \
		$(INSTALL) -D -m 644 $$page \
			$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	$(Q)for unit in $(UNITS); do \
		$(INSTALL) -d $(DESTDIR)$(UNITDIR) || exit 1; \
		sed 's|@PREFIX@|$(PREFIX)|g' $$unit >$(DESTDIR)$(UNITDIR)/$${unit##*/} || exit 1; \
	done
	$(Q)for unit in $(USER_UNITS); do \
		$(INSTALL) -d $(DESTDIR)$(USERUNITDIR) || exit 1; \
		sed 's|@PREFIX@|$(PREFIX)|g' $$unit >$(DESTDIR)$(USERUNITDIR)/$${unit##*/} || exit 1; \
	done
	$(Q)$(INSTALL) -D -m 644 packaging/completion/nvhost \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/nvhost
uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,$(notdir $(PROGRAMS)))
	rm -f $(DESTDIR)$(LIBDIR)/libnvhost.* $(DESTDIR)$(LIBDIR)/pkgconfig/nvhost.pc
	rm -rf $(DESTDIR)$(PREFIX)/include/nvhost
	rm -f $(foreach p,$(MAN_PAGES),$(DESTDIR)$(PREFIX)/share/man/man$(patsubst .%,%,$(suffix $(p)))/$(notdir $(p)))
	rm -f $(addprefix $(DESTDIR)$(UNITDIR)/,$(notdir $(UNITS)))
	rm -f $(addprefix $(DESTDIR)$(USERUNITDIR)/,$(notdir $(USER_UNITS)))
	rm -f $(DESTDIR)$(PREFIX)/share/bash-completion/completions/nvhost
HELP += install "install below DESTDIR/PREFIX (default /usr/local)" uninstall "remove what install put there"
