/*
 * nvhost mount, umount: namespaces as files, by the daemon, or in the foreground by this process
 * alone.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_util.h"
#include "base/log.h"
#include "base/reactor.h"
#include "fuse/nvf.h"
#include "host/cli/admin.h"
#include "host/cli/client.h"
#include "host/cli/cmd.h"
#include "host/cli/connect_opts.h"
#include "host/cli/local.h"

struct mount {
	struct nvd_params params;
	const char *ns, *format_text;
	bool foreground, allow_other, read_only;
	char path[PATH_MAX];
};

/* Absolute, without asking a file system that may be ours and dead: only the parent is resolved. */
static int mount_path(const char *word, char *ret_path, size_t len)
{
	char parent[PATH_MAX], real[PATH_MAX];
	const char *base;
	char *slash;
	size_t end = strlen(word);

	while (end > 1 && word[end - 1] == '/')
		end--;
	snprintf(parent, sizeof(parent), "%.*s", (int)end, word);
	slash = strrchr(parent, '/');
	base = slash ? slash + 1 : parent;
	if (!*base || !strcmp(base, ".") || !strcmp(base, "..")) {
		if (!realpath(word, ret_path))
			return -errno;
		return 0;
	}
	if (slash)
		*slash = '\0';
	if (!realpath(slash ? (slash == parent ? "/" : parent) : ".", real))
		return -errno;
	if (snprintf(ret_path, len, "%s%s%s", real, !strcmp(real, "/") ? "" : "/", base) >=
	    (int)len)
		return -ENAMETOOLONG;
	return 0;
}

/* ---- by the daemon ------------------------------------------------------------------------ */

static int mount_by_daemon(const struct mount *m)
{
	struct json_object *params = json_object_new_object();
	int err = nvhi_json_add_string(params, "path", m->path);

	if (m->ns)
		err = err ? err : nvhi_json_add_string(params, "ns", nvc_admin_device(m->ns));
	err = err ? err : nvhi_json_add_bool(params, "allow_other", m->allow_other);
	err = err ? err : nvhi_json_add_bool(params, "read_only", m->read_only);
	if (err) {
		json_object_put(params);
		return nvc_fail("out of memory");
	}
	return nvc_call("mount", params, NULL) < 0;
}

static int mount_show(const char *format_text)
{
	struct json_object *mounts;
	enum nvc_format format;

	if (nvc_parse_format(format_text, false, &format) < 0)
		return 2;
	if (nvc_call("mounts", NULL, &mounts) < 0)
		return 1;
	if (format == NVC_JSON) {
		nvc_print_json(mounts);
		return 0;
	}
	for (size_t i = 0; i < json_object_array_length(mounts); i++) {
		struct json_object *m = json_object_array_get_idx(mounts, i);
		const char *ns = nvc_get_string(m, "ns"), *why = nvc_get_string(m, "last_message");

		printf("%s on %s (%s%s)%s%s\n", ns[0] ? ns : "all namespaces",
		       nvc_get_string(m, "path"), nvc_get_string(m, "state"),
		       nvc_get_bool(m, "read_only") ? ", read-only" : "", why[0] ? ": " : "", why);
	}
	json_object_put(mounts);
	return 0;
}

/* ---- in the foreground -------------------------------------------------------------------- */

struct foreground {
	struct nvc_local local;
	struct nvf_mount *mount;
	struct nvhi_source signals;
	bool mounted, over;
	int err;
	char message[512];
};

static void foreground_mounted(void *arg, int err, const char *message)
{
	struct foreground *f = arg;

	f->mounted = true;
	f->err = err;
	snprintf(f->message, sizeof(f->message), "%s",
		 message ? message
		 : err   ? strerror(-err)
			 : "");
}

static void foreground_ended(void *arg, int err)
{
	struct foreground *f = arg;

	f->mount = NULL;
	f->over = true;
	f->err = err;
	snprintf(f->message, sizeof(f->message), "%s", err ? strerror(-err) : "");
}

static void foreground_ns_added(void *arg, struct nvh_ns *ns)
{
	struct foreground *f = arg;

	if (f->mount)
		nvf_ns_event(f->mount, ns, NVF_NS_ADDED);
}

static void foreground_ns_changed(void *arg, struct nvh_ns *ns)
{
	struct foreground *f = arg;

	if (f->mount)
		nvf_ns_event(f->mount, ns, NVF_NS_CHANGED);
}

static void foreground_ns_removed(void *arg, struct nvh_ns *ns)
{
	struct foreground *f = arg;

	if (f->mount)
		nvf_ns_event(f->mount, ns, NVF_NS_REMOVED);
}

static const struct nvh_host_events foreground_events = {
	.ns_added = foreground_ns_added,
	.ns_changed = foreground_ns_changed,
	.ns_removed = foreground_ns_removed,
};

static int foreground_signal(struct nvhi_source *source, unsigned int events)
{
	struct foreground *f = nvhi_container_of(source, struct foreground, signals);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (f->mount && f->mounted)
		nvf_umount(f->mount, true, NULL, NULL);
	else
		f->over = true;
	return 1;
}

static int foreground_watch_signals(struct foreground *f)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	return nvhi_source_add(f->local.reactor, &f->signals, fd, NVHI_READABLE, foreground_signal);
}

static int foreground_connect(struct foreground *f, struct nvd_params *params, const char *ns_name,
			      struct nvh_ns **ret_ns)
{
	struct nvh_connect_opts opts;
	struct nvh_ctrlr *ctrlr;
	char hostid[37], err[1024] = "";
	int rc = nvd_params_to_opts(params, &opts, hostid, err, sizeof(err));

	if (rc)
		return nvc_misuse("%s", err);
	opts.no_retry = true;
	rc = nvh_connect_sync(f->local.host, &opts, &ctrlr, err, sizeof(err));
	if (rc)
		return nvc_fail("%s", err[0] ? err : strerror(-rc));
	*ret_ns = NULL;
	if (!ns_name)
		return 0;
	*ret_ns = nvh_ns_find(f->local.host, ns_name);
	return *ret_ns ? 0 : nvc_fail("--ns %s: no such namespace there", ns_name);
}

static int foreground_serve(struct foreground *f, const struct mount *m, struct nvh_ns *ns)
{
	const struct nvf_mount_opts opts = {
		.size = sizeof(opts),
		.host = f->local.host,
		.reactors = &f->local.reactor,
		.nr_reactors = 1,
		.path = m->path,
		.ns = ns,
		.allow_other = m->allow_other,
		.read_only = m->read_only,
		.mounted = foreground_mounted,
		.ended = foreground_ended,
		.arg = f,
	};
	char err[512] = "";
	int rc = nvf_mount(&opts, &f->mount, err, sizeof(err));

	if (rc)
		return nvc_fail("%s", err[0] ? err : strerror(-rc));
	while (!f->mounted && nvh_reactor_run(f->local.reactor, -1) >= 0)
		;
	if (f->err) {
		f->mount = NULL;
		return nvc_fail("%s", f->message);
	}
	printf("%s: mounted (Ctrl-C unmounts)\n", m->path);
	fflush(stdout);
	while (!f->over && nvh_reactor_run(f->local.reactor, -1) >= 0)
		;
	return f->err ? nvc_fail("%s: the mount ended: %s", m->path, f->message) : 0;
}

/* The NQN of NQN:NSID names the subsystem when -n does not. */
static int foreground_names(struct mount *m, char *nqn, size_t len)
{
	const char *colon = m->ns ? strrchr(m->ns, ':') : NULL;

	if (!m->params.nqn && colon) {
		snprintf(nqn, len, "%.*s", (int)(colon - m->ns), m->ns);
		m->params.nqn = nqn;
	}
	if (!m->params.nqn)
		return nvc_misuse("required argument [--nqn | -n] not specified");
	return 0;
}

static int mount_foreground(struct mount *m)
{
	struct foreground f = {.signals.fd = -1};
	struct nvh_ns *ns = NULL;
	char nqn[256];
	int status = foreground_names(m, nqn, sizeof(nqn));

	if (status)
		return status;
	if (nvc_local_open_events(&f.local, &m->params, &foreground_events, &f) < 0)
		return 1;
	nvhi_log_set_hook(nvhi_log_to_stderr);
	if (foreground_watch_signals(&f) < 0)
		status = nvc_fail("cannot watch for signals: %s", strerror(errno));
	if (!status)
		status = foreground_connect(&f, &m->params, m->ns, &ns);
	if (!status)
		status = foreground_serve(&f, m, ns);
	if (f.signals.fd >= 0) {
		int fd = f.signals.fd;

		nvhi_source_remove(f.local.reactor, &f.signals);
		close(fd);
	}
	nvc_local_close(&f.local);
	return status;
}

/* ---- sub-commands ------------------------------------------------------------------------- */

int nvc_mount(int argc, char **argv)
{
	struct mount m = {0};
	const struct nvc_opt opts[] = {
		NVC_STRING("ns", 0, "NAME", &m.ns,
			   "one namespace (a DEVICE, or NQN:NSID) over one existing file"),
		NVC_FLAG("allow-other", 0, &m.allow_other, "let other users in"),
		NVC_FLAG("read-only", 0, &m.read_only, "refuse writes"),
		NVC_FLAG("foreground", 'F', &m.foreground,
			 "connect (-t, -a, -s, -n) and serve in this process, without the daemon"),
		NVC_STRING("output-format", 'o', "FMT", &m.format_text,
			   "of the list of mounts: normal|json"),
		NVC_CONNECT_OPTS(m.params),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "mount",
		.args = "[DIR | FILE]",
		.opts = opts,
		.max_args = 1,
		.about = "Shows every namespace as DIR/NQN/nNSID, or with --ns one namespace as "
			 "FILE. "
			 "Without DIR or FILE it lists the mounts.",
	};
	struct nvc_args args;
	int status, rc;

	nvd_params_init(&m.params);
	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	if (!args.count)
		return mount_show(m.format_text);
	rc = mount_path(args.words[0], m.path, sizeof(m.path));
	if (rc)
		return nvc_fail("%s: %s", args.words[0], strerror(-rc));
	if (m.foreground)
		return mount_foreground(&m);
	if (m.params.transport || m.params.traddr)
		return nvc_misuse("-t and -a go with --foreground; else 'nvhost connect' first");
	return mount_by_daemon(&m);
}

int nvc_umount(int argc, char **argv)
{
	bool force = false;
	const struct nvc_opt opts[] = {
		NVC_FLAG("force", 'f', &force, "detach it even when programs have it open"),
		NVC_END,
	};
	const struct nvc_usage usage = {
		.command = "umount",
		.args = "DIR | FILE",
		.opts = opts,
		.min_args = 1,
		.max_args = 1,
		.about = "Takes a mount of nvhost's away and forgets it.",
	};
	struct json_object *params;
	struct nvc_args args;
	char path[PATH_MAX];
	int status, rc;

	if (nvc_opts_parse(&usage, argc, argv, &args, &status) < 0)
		return status;
	rc = mount_path(args.words[0], path, sizeof(path));
	if (rc)
		return nvc_fail("%s: %s", args.words[0], strerror(-rc));
	params = json_object_new_object();
	if (nvhi_json_add_string(params, "path", path) ||
	    nvhi_json_add_bool(params, "force", force)) {
		json_object_put(params);
		return nvc_fail("out of memory");
	}
	return nvc_call("umount", params, NULL) < 0;
}
