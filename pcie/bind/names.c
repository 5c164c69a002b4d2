/*
 * Vendors and devices by name, out of pci.ids: a vendor is a line of four digits and a name, its
 * devices follow it, one tab deeper.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcie/bind/bind.h"

static FILE *names_open(const struct nvhi_bind *bind)
{
	static const char *const places[] = {"usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids"};
	char path[NVHI_BIND_PATH];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		FILE *file;

		snprintf(path, sizeof(path), "%s/%s", bind->root, places[i]);
		file = fopen(path, "re");
		if (file)
			return file;
	}
	return NULL;
}

static bool names_entry(const char *line, unsigned int id, char *name, size_t len)
{
	unsigned int number;
	int end = 0;

	if (sscanf(line, "%4x  %n", &number, &end) != 1 || !end || number != id)
		return false;
	snprintf(name, len, "%.*s", (int)strcspn(line + end, "\n"), line + end);
	return true;
}

void nvhi_bind_names(const struct nvhi_bind *bind, unsigned int vendor, unsigned int device,
		     char *vendor_name, char *device_name, size_t len)
{
	FILE *file = names_open(bind);
	bool ours = false;
	char line[512];

	vendor_name[0] = device_name[0] = '\0';
	while (file && fgets(line, sizeof(line), file)) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		if (line[0] != '\t') {
			if (ours || line[0] == 'C')
				break;
			ours = names_entry(line, vendor, vendor_name, len);
		} else if (ours && line[1] != '\t' &&
			   names_entry(line + 1, device, device_name, len)) {
			break;
		}
	}
	if (file)
		fclose(file);
}
