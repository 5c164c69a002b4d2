/*
 * Handing a controller over: what speaks against it first; then the module, the memory, and the
 * kernel's three files: driver_override names the driver, unbind takes it from the one that has it,
 * drivers_probe has it taken by the named one. See bind.h; Linux,
 * Documentation/ABI/testing/sysfs-bus-pci.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pcie/bind/bind.h"

#define VFIO "vfio-pci"
#define UIO  "uio_pci_generic"

/* ---- modules ----------------------------------------------------------------------------- */

static int machine_modprobe(const char *module)
{
	char *const argv[] = {(char *)(uintptr_t) "modprobe", (char *)(uintptr_t)module, NULL};
	int status, err;
	pid_t pid;

	err = posix_spawnp(&pid, "modprobe", NULL, NULL, argv, environ);
	if (err == ENOENT)
		err = posix_spawn(&pid, "/sbin/modprobe", NULL, NULL, argv, environ);
	if (err)
		return -err;
	if (waitpid(pid, &status, 0) < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ENOENT;
}

const struct nvhi_bind nvhi_bind_machine = {.root = "", .modprobe = machine_modprobe};

static int change_load(const struct nvhi_bind *bind, const char *driver, char *why, size_t why_len)
{
	int err;

	if (nvhi_bind_module_loaded(bind, driver))
		return 0;
	err = bind->modprobe(driver);
	if (err)
		return nvhi_bind_refuse(why, why_len, err, "the module %s cannot be loaded%s",
					driver, geteuid() ? " (run as root)" : "");
	return 0;
}

/* ---- memory ------------------------------------------------------------------------------ */

int nvhi_bind_hugepages(const struct nvhi_bind *bind, unsigned long pages, char *why,
			size_t why_len)
{
	struct nvhi_bind_memory memory;
	char text[32];
	int err;

	nvhi_bind_memory(bind, &memory);
	if (memory.total >= pages)
		return 0;
	snprintf(text, sizeof(text), "%lu", pages);
	err = nvhi_bind_write(bind, text, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages");
	if (err)
		return nvhi_bind_refuse(why, why_len, err, "hugepages cannot be set aside: %s",
					strerror(-err));
	nvhi_bind_memory(bind, &memory);
	if (memory.total < pages)
		return nvhi_bind_refuse(why, why_len, -ENOMEM,
					"only %lu of %lu hugepages of 2 MiB were to be had",
					memory.total, pages);
	return 0;
}

/* ---- the three files ----------------------------------------------------------------------- */

/* `driver` "": whichever the kernel finds. */
static int change_driver(const struct nvhi_bind *bind, const struct nvhi_bind_device *d,
			 const char *driver, char *why, size_t why_len)
{
	char now[32] = "";
	int err;

	err = nvhi_bind_write(bind, driver[0] ? driver : "\n",
			      "sys/bus/pci/devices/%s/driver_override", d->bdf);
	if (!err && d->driver[0])
		err = nvhi_bind_write(bind, d->bdf, "sys/bus/pci/drivers/%s/unbind", d->driver);
	if (!err)
		err = nvhi_bind_write(bind, d->bdf, "sys/bus/pci/drivers_probe");
	if (err)
		return nvhi_bind_refuse(why, why_len, err, "%s%s", strerror(-err),
					err == -EACCES || err == -EPERM ? " (run as root)" : "");
	nvhi_bind_link(bind, now, sizeof(now), "sys/bus/pci/devices/%s/driver", d->bdf);
	if (driver[0] ? strcmp(now, driver) != 0 : !now[0])
		return nvhi_bind_refuse(why, why_len, -ENODEV,
					"%s did not take it (the kernel's log says why: dmesg)",
					driver[0] ? driver : "no driver of the kernel");
	return 0;
}

/* ---- bind -------------------------------------------------------------------------------- */

static int noiommu_switch_on(const struct nvhi_bind *bind, char *why, size_t why_len)
{
	int err, mode;

	err = change_load(bind, VFIO, why, why_len);
	if (err)
		return err;
	mode = nvhi_bind_noiommu_mode(bind);
	if (mode < 0)
		return nvhi_bind_refuse(why, why_len, -EOPNOTSUPP,
					"this kernel's VFIO has no no-IOMMU mode "
					"(CONFIG_VFIO_NOIOMMU); try --driver " UIO);
	err = mode ? 0
		   : nvhi_bind_write(bind, "Y",
				     "sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	if (err)
		return nvhi_bind_refuse(why, why_len, err,
					"no-IOMMU mode cannot be switched on: %s", strerror(-err));
	return 0;
}

/* Does what is wished for fit the machine? */
static int wish_check(const struct nvhi_bind_device *d, const struct nvhi_bind_wish *wish,
		      const char *driver, char *why, size_t why_len)
{
	if (strcmp(driver, VFIO) != 0 && strcmp(driver, UIO) != 0)
		return nvhi_bind_refuse(why, why_len, -EINVAL, "driver %s: not " VFIO " or " UIO
					" (unbind returns it to the kernel's)",
					driver);
	if (wish->noiommu && strcmp(driver, UIO) == 0)
		return nvhi_bind_refuse(why, why_len, -EINVAL, "--no-iommu is for " VFIO);
	if (wish->noiommu && d->translated)
		return nvhi_bind_refuse(
			why, why_len, -EINVAL,
			"an IOMMU stands before it (group %d): leave out --no-iommu", d->group);
	if (!wish->noiommu && strcmp(driver, VFIO) == 0 && (d->group < 0 || d->noiommu))
		return nvhi_bind_refuse(
			why, why_len, -ENODEV,
			"no IOMMU stands before it (switch it on in the firmware, and with "
			"intel_iommu=on on the kernel's command line; or, without any protection "
			"of "
			"memory, --no-iommu or --driver " UIO ")");
	if (strcmp(driver, UIO) == 0 && d->translated)
		return nvhi_bind_refuse(why, why_len, -EINVAL,
					UIO " gives the device physical addresses, but an IOMMU "
					    "stands before it (group %d): use " VFIO,
					d->group);
	return 0;
}

int nvhi_bind_bind(const struct nvhi_bind *bind, const struct nvhi_bind_device *device,
		   const struct nvhi_bind_wish *wish, char *why, size_t why_len)
{
	const char *driver = wish->driver ? wish->driver : VFIO;
	bool same = !strcmp(device->driver, driver) && (!wish->noiommu || device->noiommu);
	int err;

	if (same)
		return wish->hugepages ? nvhi_bind_hugepages(bind, wish->hugepages, why, why_len)
				       : 0;
	if (nvhi_bind_in_use(bind, device, why, why_len) ||
	    nvhi_bind_driven(bind, device, why, why_len))
		return -EBUSY;
	err = wish_check(device, wish, driver, why, why_len);
	if (err)
		return err;
	if (!strcmp(driver, VFIO) && device->translated &&
	    nvhi_bind_shares_group(bind, device, why, why_len))
		return -EBUSY;
	err = wish->noiommu ? noiommu_switch_on(bind, why, why_len)
			    : change_load(bind, driver, why, why_len);
	if (!err && wish->hugepages)
		err = nvhi_bind_hugepages(bind, wish->hugepages, why, why_len);
	return err ? err : change_driver(bind, device, driver, why, why_len);
}

/* ---- unbind ------------------------------------------------------------------------------ */

int nvhi_bind_unbind(const struct nvhi_bind *bind, const struct nvhi_bind_device *device, char *why,
		     size_t why_len)
{
	if (device->driver[0] && strcmp(device->driver, VFIO) != 0 &&
	    strcmp(device->driver, UIO) != 0)
		return 0;
	if (nvhi_bind_driven(bind, device, why, why_len))
		return -EBUSY;
	if (!nvhi_bind_module_loaded(bind, "nvme"))
		bind->modprobe("nvme"); /* built in, or told by what comes next */
	return change_driver(bind, device, "", why, why_len);
}
