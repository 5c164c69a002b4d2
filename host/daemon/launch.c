/*
 * Process matters of nvhostd: instance lock, going to the background, log file, sd_notify(3)'s
 * protocol (one datagram).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/daemon/launch.h"

#define LAUNCH_LOG_MAX (4 << 20)

/* ---- lock --------------------------------------------------------------------------------- */

int nvd_launch_lock(const char *path, int *ret_fd, char *err, size_t err_len)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), rc;
	char pid[32] = "";

	if (fd < 0) {
		rc = -errno;
		snprintf(err, err_len, "%s: %s", path, strerror(-rc));
		return rc;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		rc = -errno;
		if (read(fd, pid, sizeof(pid) - 1) < 0)
			pid[0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		snprintf(err, err_len, "another nvhostd (process %s) runs here: %s is locked",
			 pid[0] ? pid : "unknown", path);
		close(fd);
		return rc == -EAGAIN ? -EWOULDBLOCK : rc;
	}
	snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) < 0 || pwrite(fd, pid, strlen(pid), 0) < 0) {
		rc = -errno;
		snprintf(err, err_len, "%s: %s", path, strerror(-rc));
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

/* ---- background --------------------------------------------------------------------------- */

static int launch_pipe = -1; /* to the waiting parent */

/* The parent: passes on what the child says, which is nothing when it is ready. */
static void launch_wait(int fd, pid_t child)
{
	char message[1024];
	size_t len = 0;
	ssize_t n;
	int status;

	while (len < sizeof(message) - 1 &&
	       ((n = read(fd, message + len, sizeof(message) - 1 - len)) > 0 ||
		(n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	message[len] = '\0';
	if (len && message[0] == '+')
		_exit(0);
	if (len)
		fprintf(stderr, "%s\n", message);
	else if (waitpid(child, &status, 0) == child && WIFSIGNALED(status))
		fprintf(stderr, "nvhostd: died of signal %d while starting\n", WTERMSIG(status));
	else
		fprintf(stderr, "nvhostd: ended while starting\n");
	_exit(1);
}

int nvd_launch_background(void)
{
	int fds[2], null;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid > 0) {
		close(fds[1]);
		launch_wait(fds[0], pid);
	}
	close(fds[0]);
	launch_pipe = fds[1];
	setsid();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || chdir("/") < 0)
		return -errno;
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	return 0;
}

static void launch_tell(const char *text)
{
	size_t len = strlen(text);

	/* A parent that is gone wants no answer. */
	if (write(launch_pipe, text, len) != (ssize_t)len)
		errno = 0;
	close(launch_pipe);
	launch_pipe = -1;
}

void nvd_launch_ready(void)
{
	if (launch_pipe >= 0)
		launch_tell("+");
}

void nvd_launch_failed(const char *message)
{
	char line[1024];

	snprintf(line, sizeof(line), "nvhostd: %s", message);
	if (launch_pipe >= 0)
		launch_tell(line);
	else
		fprintf(stderr, "%s\n", line);
}

/* ---- log ---------------------------------------------------------------------------------- */

static char launch_log_path[4096];
static int launch_log_fd = -1;

static int launch_log_reopen(void)
{
	int fd =
		open(launch_log_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	/* In its place as stderr, so that an assertion's last words, a sanitizer's and those of
	 * programs we start are kept too; and so that other threads never write to a closed number.
	 */
	if (dup2(fd, STDERR_FILENO) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	close(fd);
	launch_log_fd = STDERR_FILENO;
	return 0;
}

int nvd_launch_log_open(const char *path, char *err, size_t err_len)
{
	int rc;

	snprintf(launch_log_path, sizeof(launch_log_path), "%s", path);
	rc = launch_log_reopen();
	if (rc)
		snprintf(err, err_len, "%s: %s", path, strerror(-rc));
	return rc;
}

void nvd_launch_log(enum nvhi_log_level level, const char *component, const char *line)
{
	static const char *const levels[] = {"error", "warn", "info", "debug", "trace"};
	char text[2048], old[sizeof(launch_log_path) + 4], when[32];
	struct timespec now;
	struct stat st;
	struct tm tm;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	n = snprintf(text, sizeof(text), "%s.%03ld %s %s: %s\n", when, now.tv_nsec / 1000000,
		     levels[level], component, line);
	if (n >= (int)sizeof(text))
		n = (int)sizeof(text) - 1;
	if (launch_log_fd < 0 || write(launch_log_fd, text, (size_t)n) < 0)
		return;
	if (fstat(launch_log_fd, &st) == 0 && st.st_size > LAUNCH_LOG_MAX) {
		snprintf(old, sizeof(old), "%s.old", launch_log_path);
		if (rename(launch_log_path, old) == 0)
			launch_log_reopen();
	}
}

/* ---- service manager ------------------------------------------------------------------------ */

void nvd_launch_notify(const char *state)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (len == 0 || len >= sizeof(sun.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0'; /* the abstract name space */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* Nobody to tell when it fails: the service manager's own timeout then speaks. */
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sun,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		errno = 0;
	close(fd);
}
