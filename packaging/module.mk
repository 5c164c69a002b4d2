# make install: programs, library, headers, pkg-config file, man pages, systemd units.
