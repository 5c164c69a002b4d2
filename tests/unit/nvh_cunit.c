/*
 * The frame of a unit test program: see nvh_cunit.h. One thread.
 */
#include <CUnit/Basic.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/nvh_cunit.h"

static unsigned int skipped;
static char running[200];

void nvh_test_skip(const char *why)
{
	skipped++;
	printf("skipped: %s\n", why);
	CU_PASS(why);
}

static void unit_too_long(int signal_number)
{
	static const char text[] = "\ntest does not end: ";

	(void)signal_number;
	if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0 ||
	    write(STDOUT_FILENO, running, strlen(running)) < 0 || write(STDOUT_FILENO, "\n", 1) < 0)
		_exit(2);
	_exit(1);
}

static void unit_test_starts(const CU_pTest test, const CU_pSuite suite)
{
	(void)suite;
	snprintf(running, sizeof(running), "%s", test->pName);
	printf("  %s\n", test->pName);
	fflush(stdout);
	alarm(NVH_TEST_SECONDS);
}

static void unit_test_ends(const CU_pTest test, const CU_pSuite suite,
			   const CU_pFailureRecord first)
{
	(void)test;
	alarm(0);
	for (CU_pFailureRecord failure = first; failure; failure = failure->pNext)
		if (failure->pSuite == suite && failure->pTest == test)
			printf("    FAILED %s:%u: %s\n", failure->strFileName,
			       failure->uiLineNumber, failure->strCondition);
	fflush(stdout);
}

static bool unit_chosen(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc <= 1;
}

int nvh_unit_main(int argc, char **argv, const char *module, const struct nvh_test *tests,
		  size_t count)
{
	struct sigaction too_long = {.sa_handler = unit_too_long};
	unsigned int run, failed;
	CU_pSuite suite;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	suite = CU_add_suite(module, NULL, NULL);
	if (!suite)
		return 2;
	for (size_t i = 0; i < count; i++)
		if (unit_chosen(argc, argv, tests[i].name) &&
		    !CU_add_test(suite, tests[i].name, tests[i].fn))
			return 2;
	sigaction(SIGALRM, &too_long, NULL);
	CU_set_test_start_handler(unit_test_starts);
	CU_set_test_complete_handler(unit_test_ends);
	printf("%s\n", module);
	if (CU_run_all_tests() != CUE_SUCCESS)
		printf("CUnit: %s\n", CU_get_error_msg());
	run = CU_get_number_of_tests_run();
	failed = CU_get_number_of_tests_failed();
	CU_cleanup_registry();
	printf("%u passed, %u failed, %u skipped\n", run - failed - skipped, failed, skipped);
	return failed > 0 || run == 0;
}
