/*
 * Small reads and writes below the root. See bind.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pcie/bind/bind.h"

#define PATH(path, bind, fmt)                                                                      \
	do {                                                                                       \
		int at_ = snprintf(path, sizeof(path), "%s/", (bind)->root);                       \
		va_list ap_;                                                                       \
		va_start(ap_, fmt);                                                                \
		if (at_ >= 0 && (size_t)at_ < sizeof(path))                                        \
			vsnprintf(path + at_, sizeof(path) - (size_t)at_, fmt, ap_);               \
		va_end(ap_);                                                                       \
	} while (0)

static bool file_line(const char *path, char *text, size_t len)
{
	FILE *file = fopen(path, "re");
	bool got;

	if (!file)
		return false;
	got = fgets(text, (int)len, file) != NULL;
	fclose(file);
	if (got)
		text[strcspn(text, "\n")] = '\0';
	return got;
}

bool nvhi_bind_text(const struct nvhi_bind *bind, char *text, size_t len, const char *fmt, ...)
{
	char path[NVHI_BIND_PATH];

	PATH(path, bind, fmt);
	return file_line(path, text, len);
}

unsigned long nvhi_bind_number(const struct nvhi_bind *bind, int base, const char *fmt, ...)
{
	char path[NVHI_BIND_PATH], text[64];

	PATH(path, bind, fmt);
	return file_line(path, text, sizeof(text)) ? strtoul(text, NULL, base) : 0;
}

bool nvhi_bind_link(const struct nvhi_bind *bind, char *text, size_t len, const char *fmt, ...)
{
	char path[NVHI_BIND_PATH], target[NVHI_BIND_PATH];
	const char *last;
	ssize_t n;

	PATH(path, bind, fmt);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	snprintf(text, len, "%s", last);
	return true;
}

bool nvhi_bind_there(const struct nvhi_bind *bind, const char *fmt, ...)
{
	char path[NVHI_BIND_PATH];

	PATH(path, bind, fmt);
	return access(path, F_OK) == 0;
}

DIR *nvhi_bind_dir(const struct nvhi_bind *bind, const char *fmt, ...)
{
	char path[NVHI_BIND_PATH];

	PATH(path, bind, fmt);
	return opendir(path);
}

const char *nvhi_bind_next(DIR *dir)
{
	struct dirent *entry;

	if (!dir)
		return NULL;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			return entry->d_name;
	closedir(dir);
	return NULL;
}

int nvhi_bind_write(const struct nvhi_bind *bind, const char *text, const char *fmt, ...)
{
	char path[NVHI_BIND_PATH];
	size_t len = strlen(text);
	int fd, err = 0;

	PATH(path, bind, fmt);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

int nvhi_bind_refuse(char *why, size_t why_len, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_len, fmt, ap);
	va_end(ap);
	return err;
}
