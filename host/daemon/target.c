/*
 * From a name on a command line to a controller or namespace: all the forms that stand where
 * nvme-cli has a device.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/daemon/daemon.h"

/* The controller of the first live path, else of any path. */
static struct nvh_ctrlr *target_path_ctrlr(struct nvh_ns *ns)
{
	struct nvh_path_info path = {.size = sizeof(path)};
	struct nvh_ctrlr *any = NULL;

	for (unsigned int i = 0; nvh_ns_path_info(ns, i, &path) == 0; i++) {
		if (path.ctrlr && path.state && !strcmp(path.state, "live"))
			return path.ctrlr;
		if (!any)
			any = path.ctrlr;
	}
	return any;
}

static void target_set_ns(struct nvd_target *target, struct nvh_ns *ns)
{
	struct nvh_ns_info info = {.size = sizeof(info)};

	nvh_ns_info(ns, &info);
	*target = (struct nvd_target){
		.ctrlr = target_path_ctrlr(ns),
		.ns = ns,
		.nsid = info.nsid,
	};
}

/* A file under one of our mounts. The file system itself is never asked: it is served by us. */
static struct nvh_ns *target_by_path(struct nvd_daemon *daemon, const char *path)
{
	struct nvd_mount *mount;
	char file[NVD_PATH_MAX];

	nvhi_list_for_each(mount, &daemon->mounts, link) {
		if (!mount->mount)
			continue;
		for (struct nvh_ns *ns = nvh_ns_next(daemon->host, NULL); ns;
		     ns = nvh_ns_next(daemon->host, ns)) {
			if (nvf_ns_path(mount->mount, ns, file, sizeof(file)) == 0 &&
			    !strcmp(file, path))
				return ns;
		}
	}
	return NULL;
}

int nvd_target_find(struct nvd_daemon *daemon, const char *device, struct nvd_target *ret_target,
		    char *err, size_t err_len)
{
	const char *name = device;
	const char *base = strrchr(device, '/');
	struct nvd_target target = {0};
	struct nvh_ns *ns = NULL;

	if (device[0] == '/')
		ns = target_by_path(daemon, device);
	if (!ns && base && device[0] == '/')
		name = base + 1; /* /dev/nvh0n1, .../by-id/nvme-uuid.<UUID> */
	if (!strncmp(name, "nvme-", 5))
		name += 5;
	if (!ns) {
		target.ctrlr = nvh_ctrlr_find(daemon->host, name);
		if (target.ctrlr) {
			*ret_target = target;
			return 0;
		}
		ns = nvh_ns_find(daemon->host, name);
	}
	if (!ns && nvd_conn_find(daemon, name)) {
		snprintf(err, err_len, "%s: not connected just now: %s", name,
			 nvd_conn_find(daemon, name)->last_message);
		return -ENOTCONN;
	}
	if (!ns) {
		snprintf(err, err_len,
			 "%s: no such controller or namespace (nvhost list, nvhost "
			 "list-subsys show their names)",
			 device);
		return -ENODEV;
	}
	target_set_ns(ret_target, ns);
	return 0;
}
