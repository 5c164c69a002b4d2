/*
 * base/dma.c, base/env.c, base/fork.c, base/pool.c: memory for devices, EAL on a throw-away
 * thread, the child of a fork, the object pool.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/env.h"
#include "base/fork.h"
#include "base/log.h"
#include "base/pool.h"
#include "tests/unit/alloc_fail.h"
#include "tests/unit/nvh_cunit.h"

/* ---- DMA memory -------------------------------------------------------------------------- */

static void dma_memory_is_zeroed_and_aligned(void)
{
	static const size_t aligns[] = {0, 8, 4096, 65536, 2u << 20, 8u << 20};

	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		char *memory = nvhi_dma_alloc(70000, aligns[i]);
		size_t length = 0, set = 0;

		CU_ASSERT_PTR_NOT_NULL_FATAL(memory);
		CU_ASSERT_EQUAL((uintptr_t)memory % (aligns[i] ? aligns[i] : 4096), 0);
		nvhi_dma_is_huge(memory, &length);
		CU_ASSERT_TRUE(length >= 70000 && length % 4096 == 0);
		for (size_t at = 0; at < length; at++)
			set += memory[at] != 0;
		CU_ASSERT_EQUAL(set, 0);
		memset(memory, 0x55, length);
		nvhi_dma_free(memory);
		CU_ASSERT_FALSE(nvhi_dma_is_huge(memory, &length));
	}
	nvhi_dma_free(NULL);
}

static void impossible_dma_requests_are_refused(void)
{
	CU_ASSERT_PTR_NULL(nvhi_dma_alloc(0, 0));
	CU_ASSERT_EQUAL(errno, EINVAL);
	CU_ASSERT_PTR_NULL(nvhi_dma_alloc(4096, 3000));
	CU_ASSERT_EQUAL(errno, EINVAL);
	CU_ASSERT_PTR_NULL(nvhi_dma_alloc(SIZE_MAX - 100, 0));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	CU_ASSERT_PTR_NULL(nvhi_dma_alloc(SIZE_MAX / 2, 0));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	nvh_alloc_fail_at(1);
	CU_ASSERT_PTR_NULL(nvhi_dma_alloc(4096, 0));
	nvh_alloc_fail_at(0);
}

/* ---- fork -------------------------------------------------------------------------------- */

static void the_child_of_a_fork_knows_it(void)
{
	int status = -1;
	pid_t child;

	CU_ASSERT_EQUAL(nvhi_fork_watch(), 0);
	CU_ASSERT_EQUAL(nvhi_fork_watch(), 0);
	CU_ASSERT_FALSE(nvhi_forked());
	child = fork();
	CU_ASSERT_TRUE_FATAL(child >= 0);
	if (child == 0)
		_exit(nvhi_forked() ? 42 : 1);
	CU_ASSERT_EQUAL(waitpid(child, &status, 0), child);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), 42);
	CU_ASSERT_FALSE(nvhi_forked());
}

/* ---- the pool ---------------------------------------------------------------------------- */

static void a_pool_hands_out_each_object_once_aligned_to_a_cache_line(void)
{
	struct nvhi_pool pool;
	char *objects[7], *again;

	CU_ASSERT_EQUAL_FATAL(nvhi_pool_init(&pool, 100, 7), 0);
	for (int i = 0; i < 7; i++) {
		objects[i] = nvhi_pool_get(&pool);
		CU_ASSERT_PTR_NOT_NULL_FATAL(objects[i]);
		CU_ASSERT_EQUAL((uintptr_t)objects[i] % 64, 0);
		memset(objects[i], i, 100);
	}
	CU_ASSERT_PTR_NULL(nvhi_pool_get(&pool));
	for (int i = 0; i < 7; i++)
		CU_ASSERT_TRUE(objects[i][0] == i && objects[i][99] == i);
	nvhi_pool_put(&pool, objects[3]);
	again = nvhi_pool_get(&pool);
	CU_ASSERT_PTR_EQUAL(again, objects[3]);
	for (int i = 0; i < 7; i++)
		nvhi_pool_put(&pool, objects[i]);
	CU_ASSERT_EQUAL(pool.used, 0);
	nvhi_pool_fini(&pool);
}

static int pool_init_and_fini(void *arg)
{
	struct nvhi_pool pool;
	int err = nvhi_pool_init(&pool, 64, 10);

	(void)arg;
	if (!err)
		nvhi_pool_fini(&pool);
	return err;
}

static void a_pool_that_cannot_be_is_refused(void)
{
	struct nvhi_pool pool;

	CU_ASSERT_EQUAL(nvhi_pool_init(&pool, 0, 1), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_pool_init(&pool, SIZE_MAX, 1), -EINVAL);
	CU_ASSERT_EQUAL(nvhi_pool_init(&pool, SIZE_MAX / 4, 16), -ENOMEM);
	CU_ASSERT_EQUAL(nvh_alloc_walk(pool_init_and_fini, NULL, false), 1);
}

/* ---- EAL --------------------------------------------------------------------------------- */

static int count_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	int count = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static void *do_nothing(void *arg)
{
	return arg;
}

static void eal_starts_once_and_leaves_the_caller_as_it_was(void)
{
	cpu_set_t before, after;
	pthread_t thread;
	int threads;

	/* A sanitizer brings a thread of its own with the first one. */
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, do_nothing, NULL), 0);
	pthread_join(thread, NULL);
	threads = count_threads();
	CU_ASSERT_FALSE(nvhi_env_started());
	sched_getaffinity(0, sizeof(before), &before);
	CU_ASSERT_EQUAL(nvhi_env_start(NULL), 0);
	CU_ASSERT_TRUE(nvhi_env_started());
	CU_ASSERT_EQUAL(nvhi_env_start(NULL), 0);
	sched_getaffinity(0, sizeof(after), &after);
	CU_ASSERT_TRUE(CPU_EQUAL(&before, &after));
	/* EAL's interrupt thread; the one that started it may take a moment to be gone. */
	CU_ASSERT_TRUE(NVH_WAIT(count_threads() <= threads + 1, 5000));
}

NVH_UNIT_MAIN("base/env", NVH_TEST(dma_memory_is_zeroed_and_aligned),
	      NVH_TEST(impossible_dma_requests_are_refused), NVH_TEST(the_child_of_a_fork_knows_it),
	      NVH_TEST(a_pool_hands_out_each_object_once_aligned_to_a_cache_line),
	      NVH_TEST(a_pool_that_cannot_be_is_refused),
	      NVH_TEST(eal_starts_once_and_leaves_the_caller_as_it_was))
