/*
 * What a function prints: the stream of one, or the process' stderr, as a string.
 */
#ifndef TESTS_UNIT_HOST_CLI_CAPTURE_H
#define TESTS_UNIT_HOST_CLI_CAPTURE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char capture_text[65536];
static int capture_saved;
static FILE *capture_file;

/* From here to capture_end() stderr goes to a file of ours. */
static inline void capture_begin(void)
{
	fflush(stderr);
	capture_file = tmpfile();
	capture_saved = dup(2);
	dup2(fileno(capture_file), 2);
}

static inline const char *capture_end(void)
{
	size_t n;

	fflush(stderr);
	dup2(capture_saved, 2);
	close(capture_saved);
	rewind(capture_file);
	n = fread(capture_text, 1, sizeof(capture_text) - 1, capture_file);
	capture_text[n] = '\0';
	fclose(capture_file);
	return capture_text;
}

/* The text of a golden file; the test program ends when it is missing. */
static inline char *capture_golden(const char *name)
{
	char path[256];
	char *text = malloc(65536);
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "tests/golden/cli/%s", name);
	file = fopen(path, "r");
	if (!file || !text) {
		fprintf(stderr, "%s: cannot be read (run from the top of the tree)\n", path);
		exit(1);
	}
	n = fread(text, 1, 65535, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

#endif
