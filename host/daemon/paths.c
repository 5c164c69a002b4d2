/*
 * Folders by the XDG base directory specification for a plain user, by the FHS for root.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/daemon/paths.h"

static const char *paths_env(const char *name)
{
	const char *value = getenv(name);

	/* The XDG specification: relative values are invalid and ignored. */
	return value && value[0] == '/' ? value : NULL;
}

static int paths_format(char *ret_path, size_t len, const char *dir, const char *sub,
			const char *file)
{
	int n = snprintf(ret_path, len, "%s%s%s%s", dir, sub, file ? "/" : "", file ? file : "");

	return n < 0 || (size_t)n >= len ? -ENAMETOOLONG : 0;
}

int nvd_runtime_path(const char *file, char *ret_path, size_t len)
{
	const char *dir = paths_env("NVHOST_RUNTIME_DIR");
	const char *xdg = paths_env("XDG_RUNTIME_DIR");
	char fallback[64];

	if (dir)
		return paths_format(ret_path, len, dir, "", file);
	if (geteuid() == 0) {
		/* sudo and logins leave a user's folder here: a daemon of root must not move there.
		 */
		if (xdg && strncmp(xdg, "/run/user/", 10) != 0)
			return paths_format(ret_path, len, xdg, "/nvhost", file);
		return paths_format(ret_path, len, "/run/nvhost", "", file);
	}
	if (xdg && access(xdg, W_OK) == 0)
		return paths_format(ret_path, len, xdg, "/nvhost", file);
	snprintf(fallback, sizeof(fallback), "/tmp/nvhost-%u", (unsigned int)geteuid());
	return paths_format(ret_path, len, fallback, "", file);
}

/* $XDG/nvhost, or ~/<home_sub>; root without the variable: `root`. */
static int paths_home(const char *xdg_name, const char *sub, const char *home_sub, const char *root,
		      const char *file, char *ret_path, size_t len)
{
	const char *dir = paths_env(xdg_name);
	const char *home = paths_env("HOME");

	if (dir)
		return paths_format(ret_path, len, dir, sub, file);
	if (root && geteuid() == 0)
		return paths_format(ret_path, len, root, "", file);
	if (!home)
		return -ENOENT;
	return paths_format(ret_path, len, home, home_sub, file);
}

int nvd_state_path(const char *file, char *ret_path, size_t len)
{
	const char *dir = paths_env("NVHOST_STATE_DIR");
	int err;

	if (dir)
		return paths_format(ret_path, len, dir, "", file);
	err = paths_home("XDG_STATE_HOME", "/nvhost", "/.local/state/nvhost", "/var/lib/nvhost",
			 file, ret_path, len);
	/* No home at all (a service user): beside the socket, where it lasts until the next boot.
	 */
	return err == -ENOENT ? nvd_runtime_path(file, ret_path, len) : err;
}

int nvd_config_path(unsigned int index, const char *file, char *ret_path, size_t len)
{
	const char *dir = paths_env("NVHOST_CONFIG_DIR");

	if (dir)
		return index == 0 ? paths_format(ret_path, len, dir, "", file) : -ENOENT;
	if (index == 0)
		return paths_home("XDG_CONFIG_HOME", "/nvhost", "/.config/nvhost", NULL, file,
				  ret_path, len);
	if (index == 1)
		return paths_format(ret_path, len, "/etc/nvme", "", file);
	return -ENOENT;
}

static int paths_make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST) {
			int err = -errno;

			*slash = '/';
			return err;
		}
		*slash = '/';
	}
	return 0;
}

int nvd_check_private_dir(const char *path, char *err, size_t err_len)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		int rc = -errno;

		snprintf(err, err_len, "%s: %s", path, strerror(-rc));
		return rc;
	}
	if (S_ISDIR(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022))
		return 0;
	snprintf(err, err_len,
		 "%s is not a folder of our own that only we may write to (owner %u, mode %04o): "
		 "remove it, or name another with NVHOST_RUNTIME_DIR",
		 path, (unsigned int)st.st_uid, (unsigned int)(st.st_mode & 07777));
	return -EPERM;
}

int nvd_make_private_dir(const char *path, char *err, size_t err_len)
{
	char copy[512];
	int rc;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return -ENAMETOOLONG;
	rc = paths_make_parents(copy);
	if (!rc && mkdir(path, 0700) < 0 && errno != EEXIST)
		rc = -errno;
	if (rc) {
		snprintf(err, err_len, "cannot make the folder %s: %s", copy, strerror(-rc));
		return rc;
	}
	return nvd_check_private_dir(path, err, err_len);
}
