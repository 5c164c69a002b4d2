/*
 * Building JSON objects with allocation failures reported, and objects from and to files. A file
 * is replaced whole: written beside, synced, renamed. Any thread; the file functions block.
 */
#include "base/json_util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int nvhi_json_add(struct json_object *object, const char *name, struct json_object *value)
{
	if (!object || !value || json_object_object_add(object, name, value)) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

int nvhi_json_add_string(struct json_object *object, const char *name, const char *value)
{
	return nvhi_json_add(object, name, json_object_new_string(value));
}

int nvhi_json_add_u64(struct json_object *object, const char *name, uint64_t value)
{
	return nvhi_json_add(object, name, json_object_new_uint64(value));
}

int nvhi_json_add_i64(struct json_object *object, const char *name, int64_t value)
{
	return nvhi_json_add(object, name, json_object_new_int64(value));
}

int nvhi_json_add_bool(struct json_object *object, const char *name, bool value)
{
	return nvhi_json_add(object, name, json_object_new_boolean(value));
}

int nvhi_json_add_stringf(struct json_object *object, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return nvhi_json_add_string(object, name, text);
}

int nvhi_json_append(struct json_object *array, struct json_object *value)
{
	if (!array || !value || json_object_array_add(array, value)) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

/* ---- files -------------------------------------------------------------------------------- */

/* Reads all of fd, at most max bytes, into a new buffer. */
static int read_all(int fd, size_t max, char **ret_buf, size_t *ret_len)
{
	size_t size = 4096, len = 0;
	char *buf = malloc(size);

	while (buf) {
		ssize_t n = read(fd, buf + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = -errno;

			free(buf);
			return err;
		}
		if (n == 0) {
			*ret_buf = buf;
			*ret_len = len;
			return 0;
		}
		len += (size_t)n;
		if (len > max) {
			free(buf);
			return -EFBIG;
		}
		if (len == size) {
			char *grown = realloc(buf, size * 2);

			if (!grown)
				free(buf);
			buf = grown;
			size *= 2;
		}
	}
	return -ENOMEM;
}

int nvhi_json_parse_file(const char *path, size_t max, struct json_object **ret_root, char *err,
			 size_t err_len)
{
	char *buf = NULL;
	size_t len = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : read_all(fd, max, &buf, &len);

	if (fd >= 0)
		close(fd);
	if (rc) {
		snprintf(err, err_len, "%s", strerror(-rc));
		return rc;
	}
	rc = nvhi_json_parse(buf, len, ret_root, err, err_len);
	free(buf);
	return rc;
}

static int write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

static void sync_folder_of(const char *path)
{
	char folder[4096];
	char *slash;
	int fd;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

int nvhi_json_write_file(const char *path, struct json_object *root, unsigned int mode)
{
	char temp[4096];
	size_t len;
	const char *text = json_object_to_json_string_length(
		root, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
	struct stat st;
	int fd, rc;

	if (!text)
		return -ENOMEM;
	/* A rename would put a file in the place of /dev/null, or of a folder's socket. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return -EINVAL;
	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, text, len);
	if (!rc)
		rc = write_all(fd, "\n", 1);
	if (!rc && (fchmod(fd, mode) || fsync(fd)))
		rc = -errno;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && rename(temp, path))
		rc = -errno;
	if (rc)
		unlink(temp);
	else
		sync_folder_of(path);
	return rc;
}
