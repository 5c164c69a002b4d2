/*
 * The command line's side of the daemon's socket.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/jsonrpc.h"
#include "host/cli/client.h"
#include "host/cli/opts.h"
#include "host/daemon/paths.h"

#define CLIENT_START_MS 15000

const char *nvc_client_socket;

/* One command makes several calls; they share a connection. */
static struct nvhi_rpc_client *client_connection;

static int client_socket(char *path, size_t len)
{
	const char *env = getenv("NVHOST_SOCKET");

	if (nvc_client_socket || env) {
		snprintf(path, len, "%s", nvc_client_socket ? nvc_client_socket : env);
		return 0;
	}
	return nvd_runtime_path(NVD_SOCKET, path, len);
}

/* In a folder that somebody else owns, somebody else's daemon would hear our secrets. */
static int client_check_folder(struct nvhi_rpc_fault *fault)
{
	char dir[4096];
	int rc;

	if (nvc_client_socket || getenv("NVHOST_SOCKET"))
		return 0;
	rc = nvd_runtime_path(NULL, dir, sizeof(dir));
	return rc ? rc : nvd_check_private_dir(dir, fault->message, sizeof(fault->message));
}

static int client_open(struct nvhi_rpc_fault *fault)
{
	char path[4096];
	int rc;

	if (client_connection)
		return 0;
	rc = client_check_folder(fault);
	if (rc)
		return rc;
	rc = client_socket(path, sizeof(path));
	if (rc) {
		snprintf(fault->message, sizeof(fault->message), "no place for a socket: %s",
			 strerror(-rc));
		return rc;
	}
	return nvhi_rpc_client_open(path, 5000, &client_connection, fault);
}

static void client_close(void)
{
	if (client_connection)
		nvhi_rpc_client_close(client_connection);
	client_connection = NULL;
}

bool nvc_client_alive(void)
{
	struct nvhi_rpc_fault fault;

	return client_open(&fault) == 0;
}

/* ---- starting the daemon -------------------------------------------------------------------- */

/* nvhostd beside this program, else in the PATH. */
static void client_daemon_path(char *path, size_t len)
{
	ssize_t n = readlink("/proc/self/exe", path, len - 16);
	char *slash;

	if (n > 0) {
		path[n] = '\0';
		slash = strrchr(path, '/');
		if (slash) {
			strcpy(slash + 1, "nvhostd");
			if (access(path, X_OK) == 0)
				return;
		}
	}
	snprintf(path, len, "nvhostd");
}

static pid_t client_spawn(const char *program, int *ret_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 2);
		dup2(fds[1], 1);
		if (nvc_client_socket)
			execlp(program, program, "--socket", nvc_client_socket, NULL);
		else if (getenv("NVHOST_SOCKET"))
			execlp(program, program, "--socket", getenv("NVHOST_SOCKET"), NULL);
		else
			execlp(program, program, NULL);
		fprintf(stderr, "nvhostd: cannot run %s: %s\n", program, strerror(errno));
		_exit(127);
	}
	close(fds[1]);
	if (pid < 0)
		close(fds[0]);
	else
		*ret_fd = fds[0];
	return pid;
}

/* What it says until it closes its end, which the daemon in the background has done when it is
 * ready. False: time is over. */
static bool client_listen(int fd, char *said, size_t len)
{
	struct timespec now, end;
	size_t used = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += CLIENT_START_MS / 1000;
	for (;;) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};
		char sink[256];
		ssize_t n;

		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end.tv_sec || poll(&pfd, 1, 500) < 0)
			return false;
		if (!pfd.revents)
			continue;
		n = read(fd, used < len - 1 ? said + used : sink,
			 used < len - 1 ? len - 1 - used : sizeof(sink));
		if (n <= 0)
			break;
		if (used < len - 1)
			used += (size_t)n;
		said[used] = '\0';
	}
	return true;
}

/* 0: it runs. Otherwise its own words in err. */
static int client_start_daemon(char *err, size_t err_len)
{
	char program[4096], said[1024] = "";
	int fd = -1, status = 0;
	pid_t pid;
	bool in_time;

	client_daemon_path(program, sizeof(program));
	pid = client_spawn(program, &fd);
	if (pid < 0) {
		snprintf(err, err_len, "cannot start nvhostd: %s", strerror(errno));
		return -EIO;
	}
	in_time = client_listen(fd, said, sizeof(said));
	close(fd);
	if (!in_time)
		kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
	if (!in_time) {
		snprintf(err, err_len, "nvhostd did not start within %d s", CLIENT_START_MS / 1000);
		return -ETIMEDOUT;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	said[strcspn(said, "\n")] = '\0';
	snprintf(err, err_len, "%s", said[0] ? said : "nvhostd ended while starting");
	return -EIO;
}

static int client_ensure(char *err, size_t err_len)
{
	struct nvhi_rpc_fault fault = {0};
	int rc = client_open(&fault);

	if (rc == -ENOENT || rc == -ECONNREFUSED) {
		rc = client_start_daemon(err, err_len);
		/* Two commands at once: the other one's daemon serves us as well. */
		if (client_open(&fault) == 0)
			return 0;
		if (rc)
			return rc;
		rc = -ECONNREFUSED;
	}
	if (rc)
		snprintf(err, err_len, "nvhostd: %s", fault.message);
	return rc;
}

/* ---- calls -------------------------------------------------------------------------------- */

int nvc_call_quiet(const char *method, struct json_object *params, struct json_object **ret_result,
		   int *ret_code, char *err, size_t err_len)
{
	struct nvhi_rpc_fault fault = {0};
	int rc;

	*ret_result = NULL;
	for (int attempt = 0; attempt < 2; attempt++) {
		rc = client_ensure(err, err_len);
		if (rc)
			break;
		/* No time limit of ours: each step of the daemon has its own. */
		rc = nvhi_rpc_client_request(client_connection, method, params, -1, NULL, NULL,
					     ret_result, &fault);
		if (rc)
			snprintf(err, err_len, "%s", fault.message);
		if (rc && rc != -EREMOTEIO)
			client_close();
		/* We met a daemon in its last moments; its successor answers. */
		if (rc != -ECONNRESET && rc != -EPIPE)
			break;
	}
	json_object_put(params);
	if (ret_code)
		*ret_code = fault.code;
	return rc;
}

int nvc_call(const char *method, struct json_object *params, struct json_object **ret_result)
{
	struct json_object *result = NULL;
	char err[1024] = "";
	int rc = nvc_call_quiet(method, params, &result, NULL, err, sizeof(err));

	if (rc) {
		nvc_fail("%s", err);
		return -1;
	}
	if (nvc_get(result, "warning"))
		nvc_fail("warning: %s", nvc_get_string(result, "warning"));
	if (ret_result)
		*ret_result = result;
	else
		json_object_put(result);
	return 0;
}

int nvc_call_events(const char *method,
		    int (*on_event)(const char *method, struct json_object *params, void *arg),
		    void *arg)
{
	struct nvhi_rpc_fault fault = {0};
	struct json_object *result = NULL;
	char err[1024] = "";
	int rc = client_ensure(err, sizeof(err));

	if (rc) {
		nvc_fail("%s", err);
		return -1;
	}
	rc = nvhi_rpc_client_request(client_connection, method, NULL, -1, on_event, arg, &result,
				     &fault);
	json_object_put(result);
	client_close();
	if (rc >= 0)
		return 0;
	nvc_fail("%s", fault.message);
	return -1;
}

/* ---- results ------------------------------------------------------------------------------ */

struct json_object *nvc_get(struct json_object *object, const char *name)
{
	struct json_object *value = NULL;

	if (object && json_object_is_type(object, json_type_object))
		json_object_object_get_ex(object, name, &value);
	return value;
}

const char *nvc_get_string(struct json_object *object, const char *name)
{
	struct json_object *value = nvc_get(object, name);
	const char *text = value ? json_object_get_string(value) : NULL;

	return text ? text : "";
}

uint64_t nvc_get_u64(struct json_object *object, const char *name, uint64_t missing)
{
	struct json_object *value = nvc_get(object, name);

	return value ? json_object_get_uint64(value) : missing;
}

bool nvc_get_bool(struct json_object *object, const char *name)
{
	struct json_object *value = nvc_get(object, name);

	return value && json_object_get_boolean(value);
}

void nvc_print_json(struct json_object *root)
{
	const char *text = json_object_to_json_string_ext(
		root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);

	printf("%s\n", text);
	json_object_put(root);
}
