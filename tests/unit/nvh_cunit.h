/*
 * The frame of a unit test program, over CUnit:
 *
 *	#include "tests/unit/nvh_cunit.h"
 *	static void a_timer_fires_once(void) { CU_ASSERT_EQUAL(fired, 1); }
 *	NVH_UNIT_MAIN("base/reactor", NVH_TEST(a_timer_fires_once), NVH_TEST(...))
 *
 * The program ends with the line "N passed, N failed, N skipped" (tests, not assertions) and exits
 * non-zero when one failed. Arguments choose tests: those whose name contains one of them. A test
 * that runs longer than NVH_TEST_SECONDS ends the program with its name.
 */
#ifndef TESTS_UNIT_NVH_CUNIT_H
#define TESTS_UNIT_NVH_CUNIT_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NVH_TEST_SECONDS 120

struct nvh_test {
	const char *name;
	void (*fn)(void);
};
#define NVH_TEST(test_fn)                                                                          \
	{                                                                                          \
#test_fn, test_fn                                                                  \
	}

int nvh_unit_main(int argc, char **argv, const char *module, const struct nvh_test *tests,
		  size_t count);
#define NVH_UNIT_MAIN(module, ...)                                                                 \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		static const struct nvh_test tests[] = {__VA_ARGS__};                              \
                                                                                                   \
		return nvh_unit_main(argc, argv, module, tests, sizeof(tests) / sizeof(tests[0])); \
	}

/* The same with a table and a main of one's own: return NVH_CUNIT_MAIN("x", tests, argc, argv); */
#define NVH_CUNIT_MAIN(module, tests, argc, argv)                                                  \
	nvh_unit_main(argc, argv, module, tests, sizeof(tests) / sizeof((tests)[0]))

/* Counts the running test as skipped and says why; return from the test behind it. */
void nvh_test_skip(const char *why);

/* Monotonic milliseconds, for deadlines of waits. */
static inline uint64_t nvh_test_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static inline void nvh_test_nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
}

/* Waits until `condition` holds, `ms` at most; its value. For what other threads do. */
#define NVH_WAIT(condition, ms)                                                                    \
	({                                                                                         \
		uint64_t nvh_wait_end = nvh_test_ms() + (ms);                                      \
                                                                                                   \
		while (!(condition) && nvh_test_ms() < nvh_wait_end)                               \
			nvh_test_nap();                                                            \
		(condition);                                                                       \
	})

/* Runs `reactor` (of this thread) until `condition` holds, `ms` at most; the condition's value. */
#define NVH_RUN_UNTIL(reactor, condition, ms)                                                      \
	({                                                                                         \
		uint64_t nvh_wait_end = nvh_test_ms() + (ms);                                      \
                                                                                                   \
		while (!(condition) && nvh_test_ms() < nvh_wait_end)                               \
			nvhi_reactor_run(reactor, 10);                                             \
		(condition);                                                                       \
	})

#endif
