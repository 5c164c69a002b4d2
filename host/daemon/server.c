/*
 * Building the daemon, running it, and its orderly end: mounts first (programs see their files go),
 * then the controllers (which are told), then the reactors. Each step has its time; one that does
 * not end leaves the rest to the kernel.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "host/daemon/server.h"

#define SERVER_MAX_REQUEST (2u << 20) /* 1 MiB of data in base64, and its command */
#define SERVER_STOP_NS     (8 * NVHI_NSEC_PER_SEC)

struct server {
	struct nvd_daemon daemon;
	struct nvhi_source signals;
	struct nvhi_poller release; /* waits for the mounts to go */
	bool closing, ended;
};

static struct server *server_of(struct nvd_daemon *daemon)
{
	return nvhi_container_of(daemon, struct server, daemon);
}

/* ---- what the host tells ----------------------------------------------------------------------
 */

static void server_ctrlr_attached(void *arg, struct nvh_ctrlr *ctrlr)
{
	nvd_assocs_save(arg);
	nvd_monitor_ctrlr(arg, ctrlr, NULL);
}

static void server_fence_over(void *arg)
{
	nvd_assocs_save(arg);
}

static void server_ctrlr_removed(void *arg, struct nvh_ctrlr *ctrlr)
{
	nvd_assocs_save(arg);
	nvd_monitor_ctrlr(arg, ctrlr, "removed");
	nvd_conn_ctrlr_removed(arg, ctrlr);
}

static void server_ctrlr_state(void *arg, struct nvh_ctrlr *ctrlr)
{
	nvd_assocs_save(arg); /* before the first write of a new association */
	nvd_follow_state(arg, ctrlr);
	nvd_monitor_ctrlr(arg, ctrlr, NULL);
}

static void server_ctrlr_notice(void *arg, struct nvh_ctrlr *ctrlr, uint8_t type, uint8_t info,
				uint8_t lid)
{
	(void)lid;
	nvd_follow_notice(arg, ctrlr, type, info);
}

static void server_ns_added(void *arg, struct nvh_ns *ns)
{
	nvd_monitor_ns(arg, ns, "added");
	nvd_mounts_ns_event(arg, ns, NVF_NS_ADDED);
}

static void server_ns_changed(void *arg, struct nvh_ns *ns)
{
	nvd_monitor_ns(arg, ns, "changed");
	nvd_mounts_ns_event(arg, ns, NVF_NS_CHANGED);
}

static void server_ns_removed(void *arg, struct nvh_ns *ns)
{
	nvd_monitor_ns(arg, ns, "removed");
	nvd_mounts_ns_event(arg, ns, NVF_NS_REMOVED);
}

static void server_failover(void *arg, const struct nvh_failover *failover)
{
	nvd_monitor_failover(arg, failover);
}

static const struct nvh_host_events server_events = {
	.ctrlr_attached = server_ctrlr_attached,
	.ctrlr_state = server_ctrlr_state,
	.ctrlr_removed = server_ctrlr_removed,
	.ctrlr_notice = server_ctrlr_notice,
	.ns_added = server_ns_added,
	.ns_changed = server_ns_changed,
	.ns_removed = server_ns_removed,
	.fence_over = server_fence_over,
	.failover = server_failover,
};

/* ---- the end ------------------------------------------------------------------------------ */

static void server_closed(void *arg)
{
	struct nvd_daemon *daemon = arg;

	daemon->host = NULL;
	server_of(daemon)->ended = true;
	nvh_reactor_stop(nvd_home(daemon));
}

static int server_release(struct nvhi_poller *poller)
{
	struct server *server = nvhi_container_of(poller, struct server, release);

	if (server->closing || !nvd_mounts_released(&server->daemon))
		return 0;
	server->closing = true;
	nvhi_poller_remove(nvd_home(&server->daemon), poller);
	nvh_host_close(server->daemon.host, server_closed, &server->daemon);
	return 1;
}

static void server_stop_late(struct nvhi_timer *timer)
{
	struct nvd_daemon *daemon = nvhi_container_of(timer, struct nvd_daemon, stop_deadline);

	nvhi_log(WARN, DAEMON, "%s did not end in time, going anyway",
		 server_of(daemon)->closing ? "disconnecting" : "unmounting");
	nvh_reactor_stop(nvd_home(daemon));
}

void nvd_daemon_stop(struct nvd_daemon *daemon)
{
	struct server *server = server_of(daemon);

	if (daemon->stopping)
		return;
	nvhi_log(INFO, DAEMON, "ending");
	daemon->stopping = true;
	daemon->stop_deadline.fn = server_stop_late;
	if (nvhi_timer_arm(nvd_home(daemon), &daemon->stop_deadline, SERVER_STOP_NS) < 0)
		nvh_reactor_stop(nvd_home(daemon));
	nvd_monitor_end(daemon);
	nvd_mounts_release(daemon);
	/* Polled, since the last mount may end inside any callback. Busy: it lasts milliseconds. */
	server->release.busy = true;
	nvhi_poller_add(nvd_home(daemon), &server->release, server_release);
}

static int server_signal(struct nvhi_source *source, unsigned int events)
{
	struct server *server = nvhi_container_of(source, struct server, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
		nvd_daemon_stop(&server->daemon);
	return 1;
}

/* ---- building ----------------------------------------------------------------------------- */

static int server_watch_signals(struct server *server)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	/* Before any thread: all inherit the mask, so that only the descriptor gets them. */
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return nvhi_source_add(nvd_home(&server->daemon), &server->signals, fd, NVHI_READABLE,
			       server_signal);
}

static int server_make_reactors(struct nvd_daemon *daemon, const struct nvd_server_opts *opts)
{
	for (unsigned int i = 0; i < opts->nr_reactors; i++) {
		struct nvh_reactor_opts ropts = {.size = sizeof(ropts), .poll = opts->poll};
		char name[16];
		int rc;

		snprintf(name, sizeof(name), "reactor%u", i);
		ropts.name = name;
		rc = nvh_reactor_create(&ropts, &daemon->reactors[i]);
		if (rc)
			return rc;
		daemon->nr_reactors = i + 1;
	}
	return 0;
}

static int server_listen(struct nvd_daemon *daemon, const char *socket, char *err, size_t err_len)
{
	static const struct nvhi_rpc_method *const tables[] = {
		nvd_rpc_conn_methods, nvd_rpc_list_methods,  nvd_rpc_path_methods, nvd_rpc_admin_methods,
		nvd_rpc_io_methods,   nvd_rpc_mount_methods, nvd_rpc_daemon_methods,
	};
	struct nvhi_rpc_server_opts opts = {.owner = daemon, .max_request = SERVER_MAX_REQUEST};
	int rc = nvhi_rpc_server_create(nvd_home(daemon), &opts, &daemon->server);

	for (size_t i = 0; !rc && i < NVHI_ARRAY_SIZE(tables); i++)
		rc = nvhi_rpc_server_add_methods(daemon->server, tables[i]);
	if (!rc)
		rc = nvhi_rpc_server_listen(daemon->server, socket, err, err_len);
	return rc;
}

static int server_make_host(struct nvd_daemon *daemon, const struct nvd_server_opts *opts,
			    char *err, size_t err_len)
{
	struct nvh_host_opts hopts = {
		.size = sizeof(hopts),
		.hostnqn = opts->hostnqn,
		.hostid = opts->hostid,
		.reactors = daemon->reactors,
		.nr_reactors = daemon->nr_reactors,
		.events = &server_events,
		.events_arg = daemon,
	};
	int rc = nvh_host_create(&hopts, &daemon->host);

	if (rc == -EINVAL)
		snprintf(err, err_len,
			 "the host NQN or host ID is not valid%s%s (see "
			 "/etc/nvme/hostnqn, /etc/nvme/hostid)",
			 opts->hostnqn ? ": " : "", opts->hostnqn ? opts->hostnqn : "");
	return rc;
}

static void server_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		nvhi_log(WARN, DAEMON, "cannot run on core %d: %s", cpu, strerror(errno));
}

static int server_start(struct server *server, const struct nvd_server_opts *opts, char *err,
			size_t err_len)
{
	struct nvd_daemon *daemon = &server->daemon;
	int rc = server_make_reactors(daemon, opts);

	if (!rc)
		rc = server_watch_signals(server);
	if (!rc)
		rc = server_make_host(daemon, opts, err, err_len);
	if (!rc)
		rc = nvd_assocs_load(daemon, err, err_len);
	if (!rc)
		rc = server_listen(daemon, opts->socket, err, err_len);
	for (unsigned int i = 1; !rc && i < daemon->nr_reactors; i++)
		rc = nvh_reactor_start_thread(daemon->reactors[i], opts->cpus ? opts->cpus[i] : -1);
	if (!rc && opts->cpus && opts->cpus[0] >= 0)
		server_pin(opts->cpus[0]);
	return rc;
}

int nvd_server_create(const struct nvd_server_opts *opts, struct nvd_daemon **ret_daemon, char *err,
		      size_t err_len)
{
	struct server *server = calloc(1, sizeof(*server));
	int rc;

	if (!server)
		return -ENOMEM;
	nvhi_list_init(&server->daemon.conns);
	nvhi_list_init(&server->daemon.mounts);
	nvhi_list_init(&server->daemon.watchers);
	server->signals.fd = -1;
	snprintf(server->daemon.state_path, sizeof(server->daemon.state_path), "%s",
		 opts->state_path);
	err[0] = '\0';
	rc = server_start(server, opts, err, err_len);
	if (rc) {
		if (!err[0])
			snprintf(err, err_len, "cannot start: %s", strerror(-rc));
		if (server->daemon.host)
			nvh_host_close_sync(server->daemon.host);
		server->daemon.host = NULL;
		nvd_server_destroy(&server->daemon);
		return rc;
	}
	*ret_daemon = &server->daemon;
	return 0;
}

static void server_restore(void *arg)
{
	nvd_state_load(arg);
}

void nvd_server_run(struct nvd_daemon *daemon)
{
	/* On the reactor, so that connects have a thread that owns them. */
	if (nvh_reactor_post(nvd_home(daemon), server_restore, daemon) < 0)
		nvhi_log(ERROR, DAEMON, "out of memory: the saved state was not read");
	nvh_reactor_loop(nvd_home(daemon));
}

void nvd_server_destroy(struct nvd_daemon *daemon)
{
	struct server *server = server_of(daemon);

	/* After an end that was not orderly the library's objects are still in use by each other:
	 * the process is about to exit, which ends them all. */
	if (daemon->host)
		_exit(server->daemon.stopping ? 0 : 1);
	for (unsigned int i = 1; i < daemon->nr_reactors; i++)
		nvh_reactor_join_thread(daemon->reactors[i]);
	nvd_mounts_free(daemon);
	nvd_conns_free(daemon);
	if (daemon->server)
		nvhi_rpc_server_destroy(daemon->server);
	if (daemon->nr_reactors)
		nvhi_timer_cancel(nvd_home(daemon), &daemon->stop_deadline);
	if (server->signals.fd >= 0) {
		int fd = server->signals.fd;

		nvhi_source_remove(nvd_home(daemon), &server->signals);
		close(fd);
	}
	for (unsigned int i = 0; i < daemon->nr_reactors; i++)
		nvh_reactor_destroy(daemon->reactors[i]);
	free(server);
}
