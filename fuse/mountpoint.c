/*
 * Mounting and unmounting proper: system calls and fusermount3, which may block or fork, so they run
 * on a short-lived helper thread and report to the home reactor. It looks at the mount point first,
 * because "fusermount3: exit 1" helps nobody.
 */
#include "fuse/impl.h"

#include <errno.h>
#include <fuse.h>
#include <mntent.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct mountpoint_job {
	struct nvhi_msg msg;
	struct nvh_reactor *home;
	pthread_t thread;
	void (*work)(struct mountpoint_job *job);
	nvf_mountpoint_fn done;
	void *arg;
	bool want_dir, lazy;
	int result;
	char *path, *options;
	char message[512];
};

static void job_fail(struct mountpoint_job *job, int err, const char *text)
{
	job->result = err;
	snprintf(job->message, sizeof(job->message), "mount %s: %s", job->path, text);
}

/* ---- the thread ------------------------------------------------------------------------------------- */

static void job_reported(struct nvhi_msg *msg)
{
	struct mountpoint_job *job = nvhi_container_of(msg, struct mountpoint_job, msg);

	/* It has posted this and is about to return: the reactor must not go while it still does. */
	pthread_join(job->thread, NULL);
	job->done(job->arg, job->result, job->message);
	free(job->path);
	free(job->options);
	free(job);
}

static void *job_main(void *arg)
{
	struct mountpoint_job *job = arg;

	job->work(job);
	nvhi_reactor_post(job->home, &job->msg);
	return NULL;
}

static int job_start(struct mountpoint_job *job)
{
	sigset_t all, old;
	int err;

	job->msg.fn = job_reported;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&job->thread, NULL, job_main, job);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

static struct mountpoint_job *job_new(struct nvh_reactor *home, const char *path,
				      const char *options, nvf_mountpoint_fn done, void *arg)
{
	struct mountpoint_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->home = home;
	job->path = strdup(path);
	job->options = strdup(options);
	job->done = done;
	job->arg = arg;
	if (!job->path || !job->options) {
		free(job->path);
		free(job->options);
		free(job);
		return NULL;
	}
	return job;
}

/* ---- unmount ---------------------------------------------------------------------------------------- */

/* The first line a program wrote to `fd`, without its end; what follows is read and dropped. */
static void read_words(int fd, char *words, size_t len)
{
	char rest[256];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, words + have, len - 1 - have)) > 0 || (n < 0 && errno == EINTR))
		if (n > 0 && (have += (size_t)n) == len - 1)
			break;
	while (read(fd, rest, sizeof(rest)) > 0)
		;
	words[have] = '\0';
	words[strcspn(words, "\n")] = '\0';
}

/* fusermount3 tells only in words why it failed: they go to the log, and say which errno it was. */
static int fusermount_detach(const char *path, bool lazy)
{
	const char *argv[] = {"fusermount3", "-u", lazy ? "-z" : "--", lazy ? "--" : path,
			      lazy ? path : NULL, NULL};
	posix_spawn_file_actions_t actions;
	char words[256];
	int status = -1, err, said[2];
	pid_t pid;

	if (pipe2(said, O_CLOEXEC) < 0)
		return -errno;
	err = posix_spawn_file_actions_init(&actions);
	if (!err) {
		posix_spawn_file_actions_adddup2(&actions, said[1], STDERR_FILENO);
		err = posix_spawnp(&pid, "fusermount3", &actions, NULL,
				   (char *const *)(uintptr_t)argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	close(said[1]);
	if (!err)
		read_words(said[0], words, sizeof(words));
	close(said[0]);
	if (err)
		return -err;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	nvhi_log(INFO, FUSE, "%s", words);
	return strstr(words, strerror(EBUSY)) ? -EBUSY : -EIO;
}

static int detach(const char *path, bool lazy)
{
	if (umount2(path, lazy ? MNT_DETACH : 0) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	return fusermount_detach(path, lazy);
}

static void work_close(struct mountpoint_job *job)
{
	job->result = detach(job->path, job->lazy);
	if (job->result < 0)
		snprintf(job->message, sizeof(job->message), "umount %s: %s", job->path,
			 strerror(-job->result));
}

/* ---- mount ------------------------------------------------------------------------------------------ */

/* Whether a mount of nvhost's stands at `path` already. mount(2) would cover it. */
static bool covers_nvhost(const char *path)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	char names[8192]; /* one line, decoded */
	struct mntent entry;
	bool found = false;

	if (!mounts)
		return false;
	while (!found && getmntent_r(mounts, &entry, names, sizeof(names)))
		found = !strcmp(entry.mnt_type, "fuse.nvhost") && !strcmp(entry.mnt_dir, path);
	endmntent(mounts);
	return found;
}

/* Detaches the stale mounts of servers that died. statfs(2) always asks the server, so it tells the
 * truth where cached attributes would not, and waits for one that is dying right now. */
static void detach_stale(const char *path)
{
	struct statfs fs;

	for (int layers = 0; layers < 16; layers++)
		if (statfs(path, &fs) == 0 || errno != ENOTCONN || detach(path, true) < 0)
			return;
}

/* 0, or a failure told in the job. */
static int look_at_mountpoint(struct mountpoint_job *job)
{
	struct stat st;

	detach_stale(job->path);
	if (covers_nvhost(job->path)) {
		job_fail(job, -EBUSY, "namespaces are mounted there already (nvhost umount first)");
		return -1;
	}
	if (stat(job->path, &st) < 0) {
		job_fail(job, -errno, errno == ENOENT
					  ? "no such file or directory (create it first)"
					  : strerror(errno));
		return -1;
	}
	if (job->want_dir && !S_ISDIR(st.st_mode)) {
		job_fail(job, -ENOTDIR,
			 "not a directory (the whole tree mounts on a directory; for one namespace "
			 "over a file give --ns NQN:NSID)");
		return -1;
	}
	if (!job->want_dir && !S_ISREG(st.st_mode)) {
		job_fail(job, -EINVAL,
			 "not a regular file (one namespace mounts over an existing file; touch one)");
		return -1;
	}
	if (access("/dev/fuse", R_OK | W_OK) < 0) {
		job_fail(job, -errno,
			 errno == ENOENT
			     ? "/dev/fuse is missing (modprobe fuse; in a container: --device /dev/fuse)"
			     : "/dev/fuse may not be opened (its permissions should be 0666)");
		return -1;
	}
	return 0;
}

static void work_open(struct mountpoint_job *job)
{
	int fd;

	if (look_at_mountpoint(job) < 0)
		return;
	errno = 0;
	fd = fuse_open_channel(job->path, job->options);
	if (fd >= 0) {
		job->result = fd;
		return;
	}
	if (geteuid() != 0 && strstr(job->options, "allow_other"))
		job_fail(job, -EPERM,
			 "fusermount3 refused (--allow-other as a plain user needs user_allow_other in "
			 "/etc/fuse.conf)");
	else if (geteuid() != 0)
		job_fail(job, -EPERM,
			 "fusermount3 refused (is the package fuse3 installed, and is the mount point "
			 "yours?)");
	else
		job_fail(job, errno ? -errno : -EIO, errno ? strerror(errno) : "mount(2) failed");
}

int nvf_mountpoint_open(struct nvh_reactor *home, const char *path, const char *options,
			bool want_dir, nvf_mountpoint_fn done, void *arg)
{
	struct mountpoint_job *job = job_new(home, path, options, done, arg);
	int err;

	if (!job)
		return -ENOMEM;
	job->want_dir = want_dir;
	job->work = work_open;
	err = job_start(job);
	if (err < 0) {
		free(job->path);
		free(job->options);
		free(job);
	}
	return err;
}

int nvf_mountpoint_close(struct nvh_reactor *home, const char *path, bool lazy,
			 nvf_mountpoint_fn done, void *arg)
{
	struct mountpoint_job *job = job_new(home, path, "", done, arg);
	int err;

	if (!job)
		return -ENOMEM;
	job->lazy = lazy;
	job->work = work_close;
	err = job_start(job);
	if (err < 0) {
		free(job->path);
		free(job->options);
		free(job);
	}
	return err;
}
