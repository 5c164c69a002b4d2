/*
 * base/log.c and base/log_stderr.c: the level specification, the hook, the line on stderr.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/unit/nvh_cunit.h"

static char last_line[2048], last_component[32];
static int last_level = -1, lines;

static void record(enum nvhi_log_level level, const char *component, const char *line)
{
	last_level = (int)level;
	snprintf(last_component, sizeof(last_component), "%s", component);
	snprintf(last_line, sizeof(last_line), "%s", line);
	lines++;
	errno = ERANGE; /* a hook may; the caller must not notice */
}

static void configure(const char *spec)
{
	char culprit[32] = "";

	CU_ASSERT_EQUAL(nvhi_log_configure("all:warn", culprit, sizeof(culprit)), 0);
	CU_ASSERT_EQUAL(nvhi_log_configure(spec, culprit, sizeof(culprit)), 0);
	CU_ASSERT_STRING_EQUAL(culprit, "");
}

static void components_get_the_levels_of_the_specification(void)
{
	configure("all:info,tcp:debug");
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_TCP], NVHI_LOG_DEBUG);
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_CTRLR], NVHI_LOG_INFO);
	configure("tcp");
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_TCP], NVHI_LOG_DEBUG);
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_CTRLR], NVHI_LOG_WARN);
	configure("error, MPATH:Trace");
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_MPATH], NVHI_LOG_TRACE);
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_CTRLR], NVHI_LOG_ERROR);
	configure("");
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_CTRLR], NVHI_LOG_WARN);
}

static void a_bad_specification_names_the_culprit_and_changes_nothing(void)
{
	static const char *const bad[][2] = {
		{"tcpp", "tcpp"},
		{"all:info,tcp:loud", "tcp:loud"},
		{"tcp:", "tcp:"},
		{":debug", ":debug"},
		{"all:debug,tc", "tc"},
		{"tcp:debugx", "tcp:debugx"},
		{"tcp:debug;rdma", "tcp:debug;rdma"},
	};
	char culprit[32];

	configure("all:info");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		culprit[0] = '\0';
		CU_ASSERT_EQUAL(nvhi_log_configure(bad[i][0], culprit, sizeof(culprit)), -EINVAL);
		CU_ASSERT_STRING_EQUAL(culprit, bad[i][1]);
		for (int c = 0; c < NVHI_LOG_COMPONENT_COUNT; c++)
			CU_ASSERT_EQUAL(nvhi_log_levels[c], NVHI_LOG_INFO);
	}
	CU_ASSERT_EQUAL(nvhi_log_configure("nonsense", culprit, 4), -EINVAL);
	CU_ASSERT_STRING_EQUAL(culprit, "non");
}

static void the_environment_is_read_when_it_is_there(void)
{
	char culprit[32] = "";

	configure("");
	unsetenv("NVHOST_LOG");
	CU_ASSERT_EQUAL(nvhi_log_configure_env(culprit, sizeof(culprit)), 0);
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_FUSE], NVHI_LOG_WARN);
	setenv("NVHOST_LOG", "fuse:trace", 1);
	CU_ASSERT_EQUAL(nvhi_log_configure_env(culprit, sizeof(culprit)), 0);
	CU_ASSERT_EQUAL(nvhi_log_levels[NVHI_LOG_FUSE], NVHI_LOG_TRACE);
	unsetenv("NVHOST_LOG");
}

static void lines_reach_the_hook_when_their_level_is_on_and_errno_stays(void)
{
	configure("tcp:info");
	nvhi_log_set_hook(record);
	lines = 0;
	errno = EAGAIN;
	nvhi_log(INFO, TCP, "q%d: %s", 7, "hello");
	CU_ASSERT_EQUAL(errno, EAGAIN);
	CU_ASSERT_EQUAL(lines, 1);
	CU_ASSERT_EQUAL(last_level, NVHI_LOG_INFO);
	CU_ASSERT_STRING_EQUAL(last_component, "tcp");
	CU_ASSERT_STRING_EQUAL(last_line, "q7: hello");
	nvhi_log(DEBUG, TCP, "not this");
	nvhi_log(INFO, RDMA, "nor this");
	CU_ASSERT_EQUAL(lines, 1);
	nvhi_log_set_hook(NULL);
	nvhi_log(ERROR, TCP, "and nobody hears this");
	CU_ASSERT_EQUAL(lines, 1);
}

static void a_very_long_line_is_cut_not_overrun(void)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	configure("");
	nvhi_log_set_hook(record);
	nvhi_log(WARN, BASE, "%s", text);
	nvhi_log_set_hook(NULL);
	CU_ASSERT_EQUAL(strlen(last_line), 1023);
}

/* What nvhi_log_to_stderr writes to fd 2. */
static size_t capture(const char *line, char *out, size_t len)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t got;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	nvhi_log_to_stderr(NVHI_LOG_WARN, "tcp", line);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	got = read(fds[0], out, len - 1);
	close(fds[0]);
	CU_ASSERT_TRUE_FATAL(got > 0);
	out[got] = '\0';
	return (size_t)got;
}

static void a_line_on_stderr_has_its_time_level_and_component(void)
{
	char out[2048], text[3000];
	int year, month, day, hour, minute, second, ms;
	size_t len;

	unsetenv("JOURNAL_STREAM");
	capture("hello", out, sizeof(out));
	CU_ASSERT_EQUAL(sscanf(out, "%d-%d-%dT%d:%d:%d.%d ", &year, &month, &day, &hour, &minute,
			       &second, &ms),
			7);
	CU_ASSERT_STRING_EQUAL(out + 24, "warn tcp: hello\n");
	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	len = capture(text, out, sizeof(out));
	CU_ASSERT_EQUAL(out[len - 1], '\n');
}

NVH_UNIT_MAIN("base/log", NVH_TEST(components_get_the_levels_of_the_specification),
	      NVH_TEST(a_bad_specification_names_the_culprit_and_changes_nothing),
	      NVH_TEST(the_environment_is_read_when_it_is_there),
	      NVH_TEST(lines_reach_the_hook_when_their_level_is_on_and_errno_stays),
	      NVH_TEST(a_very_long_line_is_cut_not_overrun),
	      NVH_TEST(a_line_on_stderr_has_its_time_level_and_component))
