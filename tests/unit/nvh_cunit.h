/*
 * How a unit test program runs its CUnit tests and ends: with the line "N passed, N failed" that
 * tests/run.sh sums, and exit status 1 when anything failed. With arguments only the tests whose
 * names hold one of them run.
 *
 *	static const struct nvh_test tests[] = {NVH_TEST(a_list_starts_empty), ...};
 *	int main(int argc, char **argv) { return NVH_CUNIT_MAIN("base/list", tests, argc, argv); }
 */
#ifndef NVH_CUNIT_H
#define NVH_CUNIT_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>

struct nvh_test {
	const char *name;
	void (*fn)(void);
};
#define NVH_TEST(function) {#function, function}
#define NVH_CUNIT_MAIN(suite, tests, argc, argv)                                                   \
	nvh_cunit_main(suite, tests, sizeof(tests) / sizeof((tests)[0]), argc, argv)

static inline int nvh_cunit_main(const char *suite_name, const struct nvh_test *tests,
				 size_t count, int argc, char **argv)
{
	unsigned int run, failed;
	CU_pSuite suite;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (size_t i = 0; suite && i < count; i++) {
		int wanted = argc < 2;

		for (int a = 1; a < argc; a++)
			wanted |= strstr(tests[i].name, argv[a]) != NULL;
		if (wanted && !CU_add_test(suite, tests[i].name, tests[i].fn))
			suite = NULL;
	}
	if (!suite) {
		printf("%s: CUnit refused the suite\n0 passed, 1 failed\n", suite_name);
		return 1;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	printf("\n%u passed, %u failed\n", run - failed, failed);
	return failed ? 1 : 0;
}

#endif
