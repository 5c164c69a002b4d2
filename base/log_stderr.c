/*
 * The programs' log hook: one write to stderr a line, with the local time; under systemd's journal
 * (which has its own clock) with the priority in the form "<4>" instead. Any thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* $JOURNAL_STREAM is "device:inode" of the journal's socket; it is inherited, so it is compared
 * with what stderr is now (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static int log_format_time(char *out, size_t len)
{
	struct timespec now;
	struct tm tm;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	used = strftime(out, len, "%Y-%m-%dT%H:%M:%S", &tm);
	return (int)used + snprintf(out + used, len - used, ".%03ld", now.tv_nsec / 1000000);
}

void nvhi_log_to_stderr(enum nvhi_log_level level, const char *component, const char *line)
{
	static const char priority[] = {'3', '4', '6', '7', '7'};
	static int journal = -1; /* found out once; several threads would find the same */
	int is_journal = __atomic_load_n(&journal, __ATOMIC_RELAXED);
	char text[1200], stamp[40];
	int len;

	if (is_journal < 0) {
		is_journal = stderr_is_journal();
		__atomic_store_n(&journal, is_journal, __ATOMIC_RELAXED);
	}
	if (is_journal) {
		len = snprintf(text, sizeof(text), "<%c>%s: %s\n", priority[level], component,
			       line);
	} else {
		log_format_time(stamp, sizeof(stamp));
		len = snprintf(text, sizeof(text), "%s %s %s: %s\n", stamp,
			       nvhi_log_level_name(level), component, line);
	}
	if (len >= (int)sizeof(text)) {
		len = (int)sizeof(text) - 1;
		text[len - 1] = '\n';
	}
	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		return; /* nowhere to complain */
}
