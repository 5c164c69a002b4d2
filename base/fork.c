/*
 * Marks the child of a fork: see fork.h.
 */
#include <errno.h>
#include <pthread.h>

#include "base/fork.h"

bool nvhi_forked_flag;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static int fork_watch_error;

static void fork_in_child(void)
{
	nvhi_forked_flag = true;
}

static void fork_register(void)
{
	fork_watch_error = -pthread_atfork(NULL, NULL, fork_in_child);
}

int nvhi_fork_watch(void)
{
	pthread_once(&fork_once, fork_register);
	return fork_watch_error;
}
