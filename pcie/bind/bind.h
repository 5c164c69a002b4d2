/*
 * Who has the machine's NVMe controllers: the kernel, or a driver that lets userspace at them
 * (vfio-pci, uio_pci_generic); and handing them over, unless the kernel uses them. Everything is
 * read and written below `root`, so that a made-up tree of /sys, /proc, /dev and /run will do.
 *
 *	tree.c		small reads and writes below the root
 *	scan.c		the controllers, the memory, the modules
 *	usage.c		what a controller's disks are used for
 *	change.c	bind, unbind
 *	names.c		vendors and devices by name
 */
#ifndef NVHI_PCIE_BIND_H
#define NVHI_PCIE_BIND_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct nvhi_bind {
	const char *root; /* "": the machine's own */
	/* Loads a kernel module: 0/-errno. */
	int (*modprobe)(const char *module);
};
extern const struct nvhi_bind nvhi_bind_machine;

#define NVHI_BIND_DISKS_MAX   64u
#define NVHI_BIND_DEVICES_MAX 256u

struct nvhi_bind_device {
	char bdf[16];
	unsigned int class_code, vendor, device;
	char vendor_name[64], device_name[64]; /* "" when not known */
	char driver[32];                       /* "": none */
	int group;                             /* IOMMU group, -1: none */
	bool noiommu;                          /* its group is one of VFIO's no-IOMMU mode */
	bool translated;                       /* an IOMMU stands before it and is on */
	int node;                              /* NUMA node, -1: not known */
	char disks[NVHI_BIND_DISKS_MAX][24];   /* "nvme0n1", of the kernel's driver */
	unsigned int nr_disks;
};

struct nvhi_bind_memory {
	unsigned long page_kb, total, free;
};

/* ---- scan.c ------------------------------------------------------------------------------ */

/* The NVMe controllers, by address; how many (at most `max`), or -errno. */
int nvhi_bind_scan(const struct nvhi_bind *bind, struct nvhi_bind_device *devices, size_t max);
/* The one at `text`: "0000:03:00.0" or "03:00.0". -EINVAL, -ENODEV, why in words. */
int nvhi_bind_find(const struct nvhi_bind *bind, const char *text, struct nvhi_bind_device *ret,
		   char *why, size_t why_len);
/* Hugepages of 2 MiB. */
void nvhi_bind_memory(const struct nvhi_bind *bind, struct nvhi_bind_memory *ret_memory);
bool nvhi_bind_module_loaded(const struct nvhi_bind *bind, const char *driver);
/* VFIO's no-IOMMU mode: 1 on, 0 off, -1: this kernel has none, or vfio is not loaded. */
int nvhi_bind_noiommu_mode(const struct nvhi_bind *bind);

/* ---- usage.c ----------------------------------------------------------------------------- */

/* Whether something uses it; what, in words: "/dev/nvme0n1p1 is mounted on /home". */
bool nvhi_bind_in_use(const struct nvhi_bind *bind, const struct nvhi_bind_device *device,
		      char *what, size_t what_len);
/* Another device that stands in its IOMMU group, bridges left out. */
bool nvhi_bind_shares_group(const struct nvhi_bind *bind, const struct nvhi_bind_device *device,
			    char *what, size_t what_len);
/* The process that drives it from userspace. */
bool nvhi_bind_driven(const struct nvhi_bind *bind, const struct nvhi_bind_device *device,
		      char *what, size_t what_len);

/* ---- change.c ---------------------------------------------------------------------------- */

struct nvhi_bind_wish {
	const char *driver;      /* NULL: vfio-pci */
	bool noiommu;            /* VFIO without an IOMMU */
	unsigned long hugepages; /* at least so many of 2 MiB; 0: leave */
};
/* Hands it over. 0 also when it is already so. -EBUSY (in use), -EPERM..., why in words. */
int nvhi_bind_bind(const struct nvhi_bind *bind, const struct nvhi_bind_device *device,
		   const struct nvhi_bind_wish *wish, char *why, size_t why_len);
/* Back to the kernel's driver. */
int nvhi_bind_unbind(const struct nvhi_bind *bind, const struct nvhi_bind_device *device, char *why,
		     size_t why_len);
/* Sets aside at least `pages` hugepages of 2 MiB. -ENOMEM: fewer were to be had. */
int nvhi_bind_hugepages(const struct nvhi_bind *bind, unsigned long pages, char *why,
			size_t why_len);

/* ---- names.c ----------------------------------------------------------------------------- */

/* By pci.ids, where one is installed; "" when not found. */
void nvhi_bind_names(const struct nvhi_bind *bind, unsigned int vendor, unsigned int device,
		     char *vendor_name, char *device_name, size_t len);

/* ---- tree.c ------------------------------------------------------------------------------ */

#define NVHI_BIND_PATH 320

/* The first line, without its end. */
__attribute__((format(printf, 4, 5))) bool nvhi_bind_text(const struct nvhi_bind *bind, char *text,
							  size_t len, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) unsigned long nvhi_bind_number(const struct nvhi_bind *bind,
								     int base, const char *fmt,
								     ...);
/* The last part of where a link points to. */
__attribute__((format(printf, 4, 5))) bool nvhi_bind_link(const struct nvhi_bind *bind, char *text,
							  size_t len, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) bool nvhi_bind_there(const struct nvhi_bind *bind,
							   const char *fmt, ...);
__attribute__((format(printf, 2, 3))) DIR *nvhi_bind_dir(const struct nvhi_bind *bind,
							 const char *fmt, ...);
/* The next entry that is not hidden; NULL: no more, and the folder is closed. NULL is no folder. */
const char *nvhi_bind_next(DIR *dir);
/* -errno */
__attribute__((format(printf, 3, 4))) int nvhi_bind_write(const struct nvhi_bind *bind,
							  const char *text, const char *fmt, ...);
/* Writes the words, returns `err`. */
__attribute__((format(printf, 4, 5))) int nvhi_bind_refuse(char *why, size_t why_len, int err,
							   const char *fmt, ...);

#endif
