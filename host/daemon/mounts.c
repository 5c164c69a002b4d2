/*
 * The mounts the daemon was asked for. A mount request that fails is the caller's error; a saved
 * one is tried again: a namespace over a file waits for its namespace, a place that is not ready (a
 * missing folder, a busy one) is tried with back-off. What somebody unmounts by hand is forgotten.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fsm.h"
#include "host/daemon/daemon.h"

#define MOUNT_RETRY_MIN_MS 500u
#define MOUNT_RETRY_MAX_MS 30000u

static const char *const mount_state_names[] = {
#define X(upper, lower) #lower,
	NVD_MOUNT_STATES(X)
#undef X
};

static const uint32_t mount_edges[] = {
	[NVD_MOUNT_WAITING] = NVHI_FSM_TO(NVD_MOUNT_MOUNTING),
	[NVD_MOUNT_MOUNTING] = NVHI_FSM_TO(NVD_MOUNT_MOUNTED) | NVHI_FSM_TO(NVD_MOUNT_WAITING),
	[NVD_MOUNT_MOUNTED] = NVHI_FSM_TO(NVD_MOUNT_UNMOUNTING) | NVHI_FSM_TO(NVD_MOUNT_WAITING),
	[NVD_MOUNT_UNMOUNTING] = NVHI_FSM_TO(NVD_MOUNT_MOUNTED) | NVHI_FSM_TO(NVD_MOUNT_WAITING),
};

static const struct nvhi_fsm mount_fsm = NVHI_FSM_INIT("mount", mount_state_names, mount_edges);

static void mount_set(struct nvd_mount *mount, enum nvd_mount_state state)
{
	nvhi_fsm_set(&mount_fsm, &mount->state, state, NVHI_LOG_DAEMON, mount->path);
}

const char *nvd_mount_state_name(const struct nvd_mount *mount)
{
	return mount_state_names[mount->state];
}

struct nvd_mount *nvd_mount_find(struct nvd_daemon *daemon, const char *path)
{
	struct nvd_mount *mount;

	nvhi_list_for_each(mount, &daemon->mounts, link) {
		if (!strcmp(mount->path, path))
			return mount;
	}
	return NULL;
}

static void mount_free(struct nvd_mount *mount)
{
	nvhi_timer_cancel(nvd_home(mount->daemon), &mount->retry);
	nvhi_list_del(&mount->link);
	free(mount->path);
	free(mount->ns_name);
	free(mount);
}

static int mount_attempt(struct nvd_mount *mount, char *err, size_t err_len);

/* ---- retries ------------------------------------------------------------------------------ */

static void mount_retry_later(struct nvd_mount *mount, const char *message)
{
	unsigned int shift = mount->attempts < 6 ? mount->attempts : 6;
	uint64_t ms = (uint64_t)MOUNT_RETRY_MIN_MS << shift;

	if (ms > MOUNT_RETRY_MAX_MS)
		ms = MOUNT_RETRY_MAX_MS;
	if (mount->attempts++ % 8 == 0)
		nvhi_log(WARN, DAEMON, "%s: %s; trying on", mount->path, message);
	snprintf(mount->last_message, sizeof(mount->last_message), "%s", message);
	if (nvhi_timer_arm(nvd_home(mount->daemon), &mount->retry, ms * NVHI_NSEC_PER_MSEC) < 0)
		nvhi_log(ERROR, DAEMON, "%s: out of memory, not tried again", mount->path);
}

static void mount_again(struct nvd_mount *mount)
{
	char err[512] = "";
	int rc;

	nvhi_timer_cancel(nvd_home(mount->daemon), &mount->retry);
	rc = mount_attempt(mount, err, sizeof(err));
	/* A namespace that is not there yet announces itself; everything else needs the timer. */
	if (rc && rc != -ENODEV)
		mount_retry_later(mount, err[0] ? err : strerror(-rc));
	else if (rc)
		snprintf(mount->last_message, sizeof(mount->last_message), "%s", err);
}

static void mount_retry_due(struct nvhi_timer *timer)
{
	mount_again(nvhi_container_of(timer, struct nvd_mount, retry));
}

/* ---- what the file system tells ------------------------------------------------------------ */

static void mount_mounted(void *arg, int err, const char *message)
{
	struct nvd_mount *mount = arg;
	nvd_mount_fn fn = mount->mounted_fn;

	mount->mounted_fn = NULL;
	if (err) {
		const char *why = message ? message : strerror(-err);

		mount->mount = NULL;
		mount_set(mount, NVD_MOUNT_WAITING);
		if (fn) {
			fn(mount->mounted_arg, err, why);
			mount_free(mount);
		} else if (!mount->daemon->stopping) {
			mount_retry_later(mount, why);
		}
		return;
	}
	mount->attempts = 0;
	mount->last_message[0] = '\0';
	mount_set(mount, NVD_MOUNT_MOUNTED);
	nvhi_log(INFO, DAEMON, "%s: mounted", mount->path);
	if (mount->daemon->stopping)
		nvf_umount(mount->mount, true, NULL, NULL);
	else if (fn)
		nvd_state_save(mount->daemon);
	if (fn)
		fn(mount->mounted_arg, 0, NULL);
}

static void mount_ended(void *arg, int err)
{
	struct nvd_mount *mount = arg;
	struct nvd_daemon *daemon = mount->daemon;

	mount->mount = NULL;
	if (daemon->stopping) {
		mount_set(mount, NVD_MOUNT_WAITING); /* stays saved */
		return;
	}
	if (err && mount->state == NVD_MOUNT_MOUNTED) {
		mount_set(mount, NVD_MOUNT_WAITING);
		mount_retry_later(mount, strerror(-err));
		return;
	}
	nvhi_log(INFO, DAEMON, "%s: unmounted", mount->path);
	if (mount->state == NVD_MOUNT_UNMOUNTING)
		return; /* mount_umounted follows */
	mount_free(mount);
	nvd_state_save(daemon);
}

static void mount_umounted(void *arg, int err)
{
	struct nvd_mount *mount = arg;
	struct nvd_daemon *daemon = mount->daemon;
	nvd_mount_fn fn = mount->umounted_fn;
	void *fn_arg = mount->umounted_arg;
	char message[256] = "";

	mount->umounted_fn = NULL;
	if (err) {
		if (mount->mount)
			mount_set(mount, NVD_MOUNT_MOUNTED);
		snprintf(message, sizeof(message), "%s: %s%s", mount->path, strerror(-err),
			 err == -EBUSY ? " (a program has it open: fuser -v shows it; --force "
					 "detaches it)"
				       : "");
	}
	if (!mount->mount) {
		mount_free(mount);
		nvd_state_save(daemon);
	}
	if (fn)
		fn(fn_arg, err, message);
}

/* ---- add, remove -------------------------------------------------------------------------- */

static int mount_attempt(struct nvd_mount *mount, char *err, size_t err_len)
{
	struct nvd_daemon *daemon = mount->daemon;
	struct nvf_mount_opts opts = {
		.size = sizeof(opts),
		.host = daemon->host,
		.reactors = daemon->reactors,
		.nr_reactors = daemon->nr_reactors,
		.path = mount->path,
		.allow_other = mount->allow_other,
		.read_only = mount->read_only,
		.mounted = mount_mounted,
		.ended = mount_ended,
		.arg = mount,
	};
	int rc;

	if (mount->ns_name) {
		opts.ns = nvh_ns_find(daemon->host, mount->ns_name);
		if (!opts.ns) {
			snprintf(err, err_len, "waiting for the namespace %s", mount->ns_name);
			return -ENODEV;
		}
	}
	rc = nvf_mount(&opts, &mount->mount, err, err_len);
	if (!rc)
		mount_set(mount, NVD_MOUNT_MOUNTING);
	return rc;
}

static struct nvd_mount *mount_create(struct nvd_daemon *daemon,
				      const struct nvd_mount_params *params)
{
	struct nvd_mount *mount = calloc(1, sizeof(*mount));

	if (!mount)
		return NULL;
	mount->daemon = daemon;
	mount->state = NVD_MOUNT_WAITING;
	mount->retry.fn = mount_retry_due;
	mount->allow_other = params->allow_other;
	mount->read_only = params->read_only;
	mount->path = strdup(params->path);
	mount->ns_name = params->ns ? strdup(params->ns) : NULL;
	nvhi_list_add_tail(&daemon->mounts, &mount->link);
	if (!mount->path || (params->ns && !mount->ns_name)) {
		mount_free(mount);
		return NULL;
	}
	return mount;
}

int nvd_mount_add(struct nvd_daemon *daemon, const struct nvd_mount_params *params,
		  nvd_mount_fn done, void *arg, char *err, size_t err_len)
{
	struct nvd_mount *mount;
	int rc;

	if (nvd_mount_find(daemon, params->path)) {
		snprintf(err, err_len, "%s: mounted already (nvhost umount %s)", params->path,
			 params->path);
		return -EBUSY;
	}
	mount = mount_create(daemon, params);
	if (!mount)
		return -ENOMEM;
	mount->mounted_fn = done;
	mount->mounted_arg = arg;
	rc = mount_attempt(mount, err, err_len);
	if (rc)
		mount_free(mount);
	return rc;
}

int nvd_mount_restore(struct nvd_daemon *daemon, const struct nvd_mount_params *params)
{
	struct nvd_mount *mount = mount_create(daemon, params);

	if (!mount)
		return -ENOMEM;
	mount_again(mount);
	return 0;
}

void nvd_mount_remove(struct nvd_mount *mount, bool force, nvd_mount_fn done, void *arg)
{
	struct nvd_daemon *daemon = mount->daemon;

	switch (mount->state) {
	case NVD_MOUNT_MOUNTED:
		mount->umounted_fn = done;
		mount->umounted_arg = arg;
		mount_set(mount, NVD_MOUNT_UNMOUNTING);
		nvf_umount(mount->mount, force, mount_umounted, mount);
		return;
	case NVD_MOUNT_WAITING:
		mount_free(mount);
		nvd_state_save(daemon);
		if (done)
			done(arg, 0, NULL);
		return;
	default:
		if (done)
			done(arg, -EAGAIN, "it is being mounted or unmounted just now: try again");
	}
}

void nvd_mounts_ns_event(struct nvd_daemon *daemon, struct nvh_ns *ns, enum nvf_ns_event event)
{
	struct nvd_mount *mount, *tmp;

	nvhi_list_for_each_safe(mount, tmp, &daemon->mounts, link) {
		if (mount->mount)
			nvf_ns_event(mount->mount, ns, event);
		else if (event == NVF_NS_ADDED && mount->ns_name && !daemon->stopping &&
			 mount->state == NVD_MOUNT_WAITING &&
			 nvh_ns_find(daemon->host, mount->ns_name) == ns)
			mount_again(mount);
	}
}

void nvd_mounts_release(struct nvd_daemon *daemon)
{
	struct nvd_mount *mount, *tmp;

	nvhi_list_for_each_safe(mount, tmp, &daemon->mounts, link) {
		nvhi_timer_cancel(nvd_home(daemon), &mount->retry);
		if (mount->state == NVD_MOUNT_MOUNTED)
			nvf_umount(mount->mount, true, NULL, NULL);
	}
}

bool nvd_mounts_released(const struct nvd_daemon *daemon)
{
	const struct nvd_mount *mount;

	nvhi_list_for_each(mount, &daemon->mounts, link) {
		if (mount->mount)
			return false;
	}
	return true;
}

void nvd_mounts_free(struct nvd_daemon *daemon)
{
	struct nvd_mount *mount, *tmp;

	nvhi_list_for_each_safe(mount, tmp, &daemon->mounts, link)
		mount_free(mount);
}
