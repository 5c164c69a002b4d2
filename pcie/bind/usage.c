/*
 * What a controller's disks are used for: each disk and each of its partitions is looked for in the
 * mounts, in swap, among what stands on it (LVM, dm-crypt, MD), in the members of btrfs and of ZFS;
 * and the block device is opened for itself alone, which fails for any other use. See bind.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcie/bind/bind.h"

#define CLASS_BRIDGE 0x06u

struct usage {
	const struct nvhi_bind *bind;
	const char *disk; /* "nvme0n1" */
	const char *name; /* that, or a partition of it */
	char path[64];    /* in sysfs, below sys/block */
	char *what;
	size_t what_len;
};

__attribute__((format(printf, 2, 3))) static bool usage_is(const struct usage *u, const char *fmt,
							   ...)
{
	int at = snprintf(u->what, u->what_len, "/dev/%s ", u->name);
	va_list ap;

	va_start(ap, fmt);
	if (at >= 0 && (size_t)at < u->what_len)
		vsnprintf(u->what + at, u->what_len - (size_t)at, fmt, ap);
	va_end(ap);
	return true;
}

static FILE *usage_open(const struct usage *u, const char *name)
{
	char path[NVHI_BIND_PATH];

	snprintf(path, sizeof(path), "%s/%s", u->bind->root, name);
	return fopen(path, "re");
}

/* ---- one kind of use a function ----------------------------------------------------------- */

/* Octal escapes of mountinfo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] && p[3]) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT MOUNTPOINT OPTIONS [TAGS...] - TYPE SOURCE OPTIONS */
static bool used_mounted(const struct usage *u)
{
	FILE *file = usage_open(u, "proc/self/mountinfo");
	char line[4096], dev[32] = "", number[32], where[1024], source[1024], wanted[64];
	bool found = false;

	nvhi_bind_text(u->bind, dev, sizeof(dev), "sys/block/%s/dev", u->path);
	snprintf(wanted, sizeof(wanted), "/dev/%s", u->name);
	while (file && !found && fgets(line, sizeof(line), file)) {
		const char *dash = strstr(line, " - ");

		if (!dash || sscanf(line, "%*s %*s %31s %*s %1023s", number, where) != 2 ||
		    sscanf(dash + 3, "%*s %1023s", source) != 1)
			continue;
		found = !strcmp(number, dev) || !strcmp(source, wanted);
	}
	if (file)
		fclose(file);
	if (!found)
		return false;
	unescape(where);
	return usage_is(u, "is mounted on %s", where);
}

static bool used_swap(const struct usage *u)
{
	FILE *file = usage_open(u, "proc/swaps");
	char line[512], name[256], wanted[64];
	bool found = false;

	snprintf(wanted, sizeof(wanted), "/dev/%s", u->name);
	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%255s", name) == 1 && !strcmp(name, wanted);
	if (file)
		fclose(file);
	return found && usage_is(u, "is swap");
}

/* What stands on it: dm-3 by its name, md0. */
static bool used_holders(const struct usage *u)
{
	DIR *dir = nvhi_bind_dir(u->bind, "sys/block/%s/holders", u->path);
	const char *entry = nvhi_bind_next(dir);
	char holder[64], name[128], uuid[128] = "", text[192];

	if (!entry)
		return false;
	snprintf(holder, sizeof(holder), "%s", entry);
	closedir(dir);
	if (!strncmp(holder, "md", 2))
		return usage_is(u, "is a member of the MD array %s", holder);
	if (!nvhi_bind_text(u->bind, name, sizeof(name), "sys/block/%s/dm/name", holder))
		return usage_is(u, "carries %s", holder);
	nvhi_bind_text(u->bind, uuid, sizeof(uuid), "sys/block/%s/dm/uuid", holder);
	snprintf(text, sizeof(text), "%s %s",
		 !strncmp(uuid, "LVM-", 4) ? "the LVM volume" : "the device-mapper device", name);
	return usage_is(u, "carries %s", text);
}

static bool used_btrfs(const struct usage *u)
{
	DIR *dir = nvhi_bind_dir(u->bind, "sys/fs/btrfs");
	const char *entry;
	char uuid[64];

	while ((entry = nvhi_bind_next(dir))) {
		if (!nvhi_bind_there(u->bind, "sys/fs/btrfs/%s/devices/%s", entry, u->name))
			continue;
		snprintf(uuid, sizeof(uuid), "%s", entry);
		closedir(dir);
		return usage_is(u, "is a member of the mounted btrfs %s", uuid);
	}
	return false;
}

/* Pools that are imported show in spl's folder; members by what udev found on them. */
static bool used_zfs(const struct usage *u)
{
	char dev[32], line[256], path[64];
	bool member = false, imported = false;
	const char *entry;
	FILE *file;
	DIR *dir;

	if (!nvhi_bind_text(u->bind, dev, sizeof(dev), "sys/block/%s/dev", u->path))
		return false;
	snprintf(path, sizeof(path), "run/udev/data/b%s", dev);
	file = usage_open(u, path);
	while (file && !member && fgets(line, sizeof(line), file))
		member = !strcmp(line, "E:ID_FS_TYPE=zfs_member\n");
	if (file)
		fclose(file);
	if (!member)
		return false;
	dir = nvhi_bind_dir(u->bind, "proc/spl/kstat/zfs");
	while ((entry = nvhi_bind_next(dir)))
		imported |= nvhi_bind_there(u->bind, "proc/spl/kstat/zfs/%s/state", entry);
	return imported && usage_is(u, "is a member of a ZFS pool");
}

/* Whatever the kernel holds it for, it holds it exclusively. */
static bool used_held(const struct usage *u)
{
	char path[NVHI_BIND_PATH];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/dev/%s", u->bind->root, u->name);
	if (stat(path, &st) < 0 || !S_ISBLK(st.st_mode))
		return false;
	fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		close(fd);
	return fd < 0 && errno == EBUSY &&
	       usage_is(u, "is held by the kernel (mounted elsewhere, or part of a pool)");
}

static bool used(const struct usage *u)
{
	return used_mounted(u) || used_swap(u) || used_holders(u) || used_btrfs(u) || used_zfs(u) ||
	       used_held(u);
}

/* ---- a disk and its partitions ------------------------------------------------------------ */

static bool disk_used(const struct nvhi_bind *bind, const char *disk, char *what, size_t what_len)
{
	struct usage u = {
		.bind = bind, .disk = disk, .name = disk, .what = what, .what_len = what_len};
	const char *entry;
	char part[32];
	DIR *dir;

	/* Partitions first: a disk is held when one of them is, and that says less. */
	dir = nvhi_bind_dir(bind, "sys/block/%s", disk);
	while ((entry = nvhi_bind_next(dir))) {
		if (strncmp(entry, disk, strlen(disk)) != 0 || strlen(entry) >= sizeof(part))
			continue;
		strcpy(part, entry);
		u.name = part;
		snprintf(u.path, sizeof(u.path), "%s/%s", disk, part);
		if (!used(&u))
			continue;
		closedir(dir);
		return true;
	}
	u.name = disk;
	snprintf(u.path, sizeof(u.path), "%s", disk);
	return used(&u);
}

bool nvhi_bind_in_use(const struct nvhi_bind *bind, const struct nvhi_bind_device *device,
		      char *what, size_t what_len)
{
	for (unsigned int i = 0; i < device->nr_disks; i++)
		if (disk_used(bind, device->disks[i], what, what_len))
			return true;
	return false;
}

/* ---- its neighbours, its driver ----------------------------------------------------------- */

bool nvhi_bind_shares_group(const struct nvhi_bind *bind, const struct nvhi_bind_device *device,
			    char *what, size_t what_len)
{
	DIR *dir = nvhi_bind_dir(bind, "sys/bus/pci/devices/%s/iommu_group/devices", device->bdf);
	const char *entry;
	char driver[32] = "";

	while ((entry = nvhi_bind_next(dir))) {
		unsigned long code;

		if (!strcmp(entry, device->bdf))
			continue;
		code = nvhi_bind_number(bind, 16, "sys/bus/pci/devices/%s/class", entry);
		if (code >> 16 == CLASS_BRIDGE)
			continue;
		nvhi_bind_link(bind, driver, sizeof(driver), "sys/bus/pci/devices/%s/driver",
			       entry);
		snprintf(what, what_len, "it shares IOMMU group %d with %s (class %06lx, %s%s)",
			 device->group, entry, code, driver[0] ? "driver " : "no driver", driver);
		closedir(dir);
		return true;
	}
	return false;
}

/* Whether the process holds a file whose name is one of those. */
static bool process_holds(const struct nvhi_bind *bind, const char *pid, const char *const *files)
{
	DIR *dir = nvhi_bind_dir(bind, "proc/%s/fd", pid);
	char path[NVHI_BIND_PATH], target[NVHI_BIND_PATH];
	const char *entry;
	bool found = false;

	while ((entry = nvhi_bind_next(dir))) {
		ssize_t n;

		snprintf(path, sizeof(path), "%s/proc/%s/fd/%s", bind->root, pid, entry);
		n = readlink(path, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		for (int i = 0; files[i]; i++) {
			size_t len = strlen(target), tail = strlen(files[i]);

			found |= len >= tail && !strcmp(target + len - tail, files[i]);
		}
	}
	return found;
}

bool nvhi_bind_driven(const struct nvhi_bind *bind, const struct nvhi_bind_device *device,
		      char *what, size_t what_len)
{
	char group[48] = "/dev/vfio/none", config[64];
	const char *const files[] = {group, config, NULL};
	DIR *dir = nvhi_bind_dir(bind, "proc");
	char comm[64];
	const char *pid;

	if (device->group >= 0)
		snprintf(group, sizeof(group), "/dev/vfio/%s%d", device->noiommu ? "noiommu-" : "",
			 device->group);
	snprintf(config, sizeof(config), "/%s/resource0", device->bdf);
	while ((pid = nvhi_bind_next(dir))) {
		if (pid[0] < '1' || pid[0] > '9' || !process_holds(bind, pid, files))
			continue;
		if (!nvhi_bind_text(bind, comm, sizeof(comm), "proc/%s/comm", pid))
			strcpy(comm, "a process");
		snprintf(what, what_len, "%s (pid %s) drives it", comm, pid);
		closedir(dir);
		return true;
	}
	return false;
}
