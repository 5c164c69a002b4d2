/*
 * DPDK's EAL, started lazily on a throw-away thread: see env.h. Any thread; the first call starts,
 * the others wait for it.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "base/env.h"
#include "base/list.h"
#include "base/log.h"

#define ENV_ALLOW_MAX 64
#define ENV_ARGS_MAX  (16 + 2 * ENV_ALLOW_MAX)

static pthread_mutex_t env_lock = PTHREAD_MUTEX_INITIALIZER;
static bool env_done;
static int env_result;

/* ---- EAL's lines become ours ------------------------------------------------------------- */

static ssize_t env_log_write(void *cookie, const char *text, size_t len)
{
	size_t end = len;

	(void)cookie;
	while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r'))
		end--;
	if (end > 0)
		nvhi_log(INFO, PCIE, "dpdk: %.*s", (int)end, text);
	return (ssize_t)len;
}

static FILE *env_log_stream(void)
{
	cookie_io_functions_t functions = {.write = env_log_write};
	FILE *stream = fopencookie(NULL, "w", functions);

	if (stream)
		setvbuf(stream, NULL, _IOLBF, BUFSIZ);
	return stream;
}

/* ---- starting ---------------------------------------------------------------------------- */

struct env_args {
	char *argv[ENV_ARGS_MAX];
	int argc;
	char cpu[16];
};

/* EAL starts a thread for each lcore it is told of: one, and it is the caller's. */
static int env_first_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			return cpu;
	return 0;
}

static void env_arg(struct env_args *args, const char *text)
{
	args->argv[args->argc++] = (char *)(uintptr_t)text;
}

static bool env_has_hugepages(void)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	unsigned long pages = 0;

	if (!file)
		return false;
	if (fscanf(file, "%lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return pages > 0;
}

static int env_build_args(struct env_args *args, const char *const *allow)
{
	memset(args, 0, sizeof(*args));
	snprintf(args->cpu, sizeof(args->cpu), "%d", env_first_cpu());
	env_arg(args, "nvhost");
	env_arg(args, "-l");
	env_arg(args, args->cpu);
	env_arg(args, "--no-telemetry");
	if (env_has_hugepages()) {
		env_arg(args, "--in-memory");
	} else { /* which --in-memory refuses to go with */
		env_arg(args, "--no-huge");
		env_arg(args, "--no-shconf");
	}
	if (!allow || !allow[0])
		env_arg(args, "--no-pci");
	for (int i = 0; allow && allow[i]; i++) {
		if (i == ENV_ALLOW_MAX)
			return -E2BIG;
		env_arg(args, "-a");
		env_arg(args, allow[i]);
	}
	return 0;
}

static void *env_thread(void *arg)
{
	struct env_args *args = arg;

	env_result = rte_eal_init(args->argc, args->argv) < 0 ? -rte_errno : 0;
	return NULL;
}

static int env_run(const char *const *allow)
{
	struct env_args args;
	pthread_t thread;
	FILE *stream;
	int err;

	err = env_build_args(&args, allow);
	if (err)
		return err;
	stream = env_log_stream();
	if (!stream)
		return -ENOMEM;
	rte_openlog_stream(stream);
	err = pthread_create(&thread, NULL, env_thread, &args);
	if (err) {
		rte_openlog_stream(NULL);
		fclose(stream);
		return -err;
	}
	pthread_join(thread, NULL);
	rte_openlog_stream(stream); /* EAL put its own in its place */
	if (env_result < 0)
		nvhi_log(ERROR, PCIE, "dpdk: EAL does not start: %s", strerror(-env_result));
	return env_result;
}

int nvhi_env_start(const char *const *allow)
{
	int err;

	pthread_mutex_lock(&env_lock);
	if (!env_done) {
		env_result = env_run(allow);
		env_done = true;
	}
	err = env_result;
	pthread_mutex_unlock(&env_lock);
	return err;
}

bool nvhi_env_started(void)
{
	bool started;

	pthread_mutex_lock(&env_lock);
	started = env_done && env_result == 0;
	pthread_mutex_unlock(&env_lock);
	return started;
}
