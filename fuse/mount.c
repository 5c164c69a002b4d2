/*
 * The life of a mount, driven on the home reactor: mount point opened on a helper thread -> the
 * kernel's INIT answered -> all workers serve -> ended (umount by us, by anybody, or a failure) ->
 * every worker stopped, every file closed -> freed.
 */
#include "fuse/impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define X(name) #name,
static const char *const state_names[] = {NVF_MOUNT_STATES(X)};
#undef X

static const uint32_t state_edges[] = {
	[NVF_MOUNT_MOUNTING] = NVHI_FSM_TO(NVF_MOUNT_STARTING) | NVHI_FSM_TO(NVF_MOUNT_ENDED),
	[NVF_MOUNT_STARTING] = NVHI_FSM_TO(NVF_MOUNT_SERVING) | NVHI_FSM_TO(NVF_MOUNT_ENDING),
	[NVF_MOUNT_SERVING] = NVHI_FSM_TO(NVF_MOUNT_ENDING),
	[NVF_MOUNT_ENDING] = NVHI_FSM_TO(NVF_MOUNT_ENDED),
	[NVF_MOUNT_ENDED] = 0,
};
static const struct nvhi_fsm mount_fsm = NVHI_FSM_INIT("mount", state_names, state_edges);

/* The kernel sends INIT at once; a mount that does not get there is given up. */
#define NVF_START_DEADLINE_NS (10 * NVHI_NSEC_PER_SEC)

static void mount_set(struct nvf_mount *mount, enum nvf_mount_state state)
{
	nvhi_fsm_set(&mount_fsm, &mount->state, state, NVHI_LOG_FUSE, mount->path);
}

const char *nvf_mount_path(const struct nvf_mount *mount)
{
	return mount->path;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

static void mount_free(struct nvf_mount *mount)
{
	for (unsigned int i = 0; i < mount->nr_workers; i++)
		nvf_worker_done(&mount->workers[i]);
	free(mount->workers);
	nvf_tree_done(mount);
	pthread_mutex_destroy(&mount->tree_lock);
	if (mount->opts.ns)
		nvh_ns_put(mount->opts.ns);
	free((void *)(uintptr_t)mount->opts.reactors);
	free(mount);
}

static void mount_finish(struct nvf_mount *mount)
{
	void (*umounted)(void *arg, int err) = mount->umount_done;
	void *umount_arg = mount->umount_arg;
	struct nvf_mount_opts opts = mount->opts;
	bool told = mount->told;
	int err = mount->end_error;

	nvhi_timer_cancel(mount->home, &mount->start_deadline);
	mount_set(mount, NVF_MOUNT_ENDED);
	if (mount->session)
		fuse_session_destroy(mount->session); /* closes the device: the kernel lets go */
	mount_free(mount);
	if (told)
		opts.ended(opts.arg, err);
	else
		opts.mounted(opts.arg, err ? err : -ECONNABORTED, "the mount ended before it served");
	if (umounted)
		umounted(umount_arg, 0);
}

static void mount_try_finish(struct nvf_mount *mount)
{
	if (mount->state == NVF_MOUNT_ENDING && mount->running == 0 && mount->files_swept &&
	    !mount->job_busy && atomic_load(&mount->files_closing) == 0)
		mount_finish(mount);
}

void nvf_file_closed(struct nvf_mount *mount)
{
	atomic_fetch_sub(&mount->files_closing, 1);
	mount_try_finish(mount);
}

/* Files still held open by programs: nobody will send their release any more. */
static void mount_sweep_files(struct nvf_mount *mount)
{
	struct nvf_file *file;

	pthread_mutex_lock(&mount->tree_lock);
	for (size_t i = 0; i < mount->nr_nodes; i++)
		mount->nodes[i]->file = NULL;
	while (!nvhi_list_empty(&mount->files)) {
		file = nvhi_list_first(&mount->files, struct nvf_file, link);
		nvhi_list_del(&file->link);
		nvf_file_start_close(file);
	}
	pthread_mutex_unlock(&mount->tree_lock);
	mount->files_swept = true;
	mount_try_finish(mount);
}

static void worker_stopped(struct nvhi_msg *msg)
{
	struct nvf_worker *worker = nvhi_container_of(msg, struct nvf_worker, done_msg);

	if (--worker->mount->running == 0)
		mount_sweep_files(worker->mount);
}

static void worker_stop(struct nvhi_msg *msg)
{
	nvf_worker_stop(nvhi_container_of(msg, struct nvf_worker, stop_msg));
}

static void mount_end(struct nvf_mount *mount, int err)
{
	if (mount->state == NVF_MOUNT_ENDING || mount->state == NVF_MOUNT_ENDED)
		return;
	mount->end_error = err;
	mount_set(mount, NVF_MOUNT_ENDING);
	mount->running = mount->nr_workers;
	for (unsigned int i = 0; i < mount->nr_workers; i++)
		nvhi_reactor_post(mount->workers[i].reactor, &mount->workers[i].stop_msg);
}

static void mount_begin_end(struct nvhi_msg *msg)
{
	struct nvf_mount *mount = nvhi_container_of(msg, struct nvf_mount, begin_end);

	mount_end(mount, mount->external_error);
}

void nvf_mount_ended_externally(struct nvf_mount *mount, int err)
{
	if (atomic_exchange(&mount->end_posted, true))
		return;
	mount->external_error = err;
	nvhi_reactor_post(mount->home, &mount->begin_end);
}

static void start_too_late(struct nvhi_timer *timer)
{
	mount_end(nvhi_container_of(timer, struct nvf_mount, start_deadline), -ETIMEDOUT);
}

/* ---- the beginning ---------------------------------------------------------------------------------- */

static void worker_start(struct nvhi_msg *msg)
{
	struct nvf_worker *worker = nvhi_container_of(msg, struct nvf_worker, start_msg);
	int err;

	if (worker->stopping)
		return;
	err = nvf_worker_start(worker);
	if (err < 0) /* the others serve its share */
		nvhi_log(WARN, FUSE, "%s: reactor %s does not serve: errno %d", worker->mount->path,
			 nvhi_reactor_name(worker->reactor), -err);
}

static void mount_serving(struct nvhi_msg *msg)
{
	struct nvf_mount *mount = nvhi_container_of(msg, struct nvf_mount, ready_msg);

	if (mount->state != NVF_MOUNT_STARTING)
		return;
	nvhi_timer_cancel(mount->home, &mount->start_deadline);
	mount_set(mount, NVF_MOUNT_SERVING);
	for (unsigned int i = 1; i < mount->nr_workers; i++)
		nvhi_reactor_post(mount->workers[i].reactor, &mount->workers[i].start_msg);
	mount->told = true;
	mount->opts.mounted(mount->opts.arg, 0, NULL);
}

/* Inside the dispatch of INIT, which is answered when this returns. */
void nvf_mount_ready(struct nvf_mount *mount)
{
	nvhi_reactor_post(mount->home, &mount->ready_msg);
}

static void mount_fail(struct nvf_mount *mount, int err, const char *message)
{
	struct nvf_mount_opts opts = mount->opts;

	mount_set(mount, NVF_MOUNT_ENDED);
	if (mount->session)
		fuse_session_destroy(mount->session);
	mount_free(mount);
	opts.mounted(opts.arg, err, message);
}

static void mountpoint_opened(void *arg, int result, const char *message)
{
	struct nvf_mount *mount = arg;
	char name[] = "nvhost";
	char *argv[] = {name, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	int err;

	mount->job_busy = false;
	if (result < 0) {
		mount_fail(mount, result, message);
		return;
	}
	mount->session = fuse_session_new(&args, &nvf_ops, sizeof(nvf_ops), mount);
	fuse_opt_free_args(&args);
	if (!mount->session) {
		close(result);
		mount_fail(mount, -ENOMEM, "cannot create the FUSE session");
		return;
	}
	err = fuse_session_custom_io(mount->session, &nvf_custom_io, result);
	if (err == 0)
		err = nvf_worker_start(&mount->workers[0]);
	if (err < 0) {
		mount_fail(mount, err, "cannot serve the FUSE device");
		return;
	}
	mount_set(mount, NVF_MOUNT_STARTING);
	nvhi_timer_arm(mount->home, &mount->start_deadline, NVF_START_DEADLINE_NS);
}

static int mount_begin(struct nvf_mount *mount)
{
	char options[256];

	snprintf(options, sizeof(options), "fsname=nvhost,subtype=nvhost,default_permissions%s%s",
		 mount->opts.allow_other ? ",allow_other" : "", mount->opts.read_only ? ",ro" : "");
	mount->job_busy = true;
	return nvf_mountpoint_open(mount->home, mount->path, options, !nvf_single_file(mount),
				   mountpoint_opened, mount);
}

static int mount_init(struct nvf_mount *mount, const struct nvf_mount_opts *opts)
{
	struct nvh_reactor **reactors;
	int err;

	mount->opts = *opts;
	mount->home = opts->reactors[0];
	mount->uid = getuid();
	mount->gid = getgid();
	clock_gettime(CLOCK_REALTIME, &mount->born);
	pthread_mutex_init(&mount->tree_lock, NULL);
	nvhi_list_init(&mount->files);
	mount->begin_end.fn = mount_begin_end;
	mount->ready_msg.fn = mount_serving;
	mount->start_deadline.fn = start_too_late;
	if (opts->ns)
		nvh_ns_get(opts->ns);
	mount->opts.reactors = NULL;
	reactors = calloc(opts->nr_reactors, sizeof(*reactors));
	mount->workers = calloc(opts->nr_reactors, sizeof(*mount->workers));
	if (!reactors || !mount->workers) {
		free(reactors);
		return -ENOMEM;
	}
	mount->opts.reactors = reactors;
	for (unsigned int i = 0; i < opts->nr_reactors; i++) {
		struct nvf_worker *worker = &mount->workers[i];

		reactors[i] = opts->reactors[i];
		mount->nr_workers = i + 1;
		worker->start_msg.fn = worker_start;
		worker->stop_msg.fn = worker_stop;
		worker->done_msg.fn = worker_stopped;
		err = nvf_worker_init(worker, mount, i, reactors[i]);
		if (err < 0)
			return err;
	}
	return nvf_tree_init(mount);
}

/* What is connected already; the rest comes by nvf_ns_event. */
static void mount_add_namespaces(struct nvf_mount *mount)
{
	struct nvh_ns *ns = NULL;

	while (!nvf_single_file(mount) && (ns = nvh_ns_next(mount->opts.host, ns)))
		nvf_ns_event(mount, ns, NVF_NS_ADDED);
}

int nvf_mount(const struct nvf_mount_opts *opts, struct nvf_mount **ret_mount, char *errbuf,
	      size_t errbuf_len)
{
	struct nvf_mount *mount;
	char *path;
	int err;

	if (opts->size != sizeof(*opts) || opts->nr_reactors == 0 || !opts->mounted || !opts->ended) {
		snprintf(errbuf, errbuf_len, "mount: incomplete options");
		return -EINVAL;
	}
	/* A path under a dead mount cannot be resolved; it is used as it was given. */
	path = realpath(opts->path, NULL);
	if ((path ? strlen(path) : strlen(opts->path)) >= sizeof(mount->path)) {
		snprintf(errbuf, errbuf_len, "mount: path longer than %zu bytes",
			 sizeof(mount->path) - 1);
		free(path);
		return -ENAMETOOLONG;
	}
	mount = calloc(1, sizeof(*mount));
	if (!mount) {
		free(path);
		snprintf(errbuf, errbuf_len, "mount: out of memory");
		return -ENOMEM;
	}
	strcpy(mount->path, path ? path : opts->path);
	free(path);
	err = mount_init(mount, opts);
	if (err == 0) {
		mount_add_namespaces(mount);
		err = mount_begin(mount);
	}
	if (err < 0) {
		snprintf(errbuf, errbuf_len, "mount %s: %s", mount->path, strerror(-err));
		mount_free(mount);
		return err;
	}
	*ret_mount = mount;
	return 0;
}

/* ---- umount ----------------------------------------------------------------------------------------- */

static void mountpoint_closed(void *arg, int result, const char *message)
{
	struct nvf_mount *mount = arg;
	void (*done)(void *arg, int err) = mount->umount_done;

	mount->job_busy = false;
	if (result < 0 && !mount->umount_force && mount->state != NVF_MOUNT_ENDING) {
		nvhi_log(INFO, FUSE, "%s", message);
		mount->umount_done = NULL;
		if (done)
			done(mount->umount_arg, result);
		return;
	}
	/* The kernel need not end the connection now: a copy of the mount may stand in another mount
	 * namespace (a container, a service with PrivateTmp). Here nobody uses it any more. */
	mount_end(mount, 0);
	mount_try_finish(mount);
}

void nvf_umount(struct nvf_mount *mount, bool force, void (*done)(void *arg, int err), void *arg)
{
	int err;

	if (mount->job_busy || mount->umount_done) {
		if (done)
			done(arg, -EALREADY);
		return;
	}
	mount->umount_done = done;
	mount->umount_arg = arg;
	mount->umount_force = force;
	mount->job_busy = true;
	err = nvf_mountpoint_close(mount->home, mount->path, force, mountpoint_closed, mount);
	if (err < 0)
		mountpoint_closed(mount, err, "umount: no helper thread");
}
