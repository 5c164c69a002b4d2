/*
 * host/daemon/paths.c: the folders by environment, and a folder that is not safely ours.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/daemon/paths.h"
#include "tests/unit/nvh_cunit.h"

static char path[512], err[512];

static void clear(void)
{
	static const char *const names[] = {"NVHOST_RUNTIME_DIR", "NVHOST_STATE_DIR",
					    "NVHOST_CONFIG_DIR",  "XDG_RUNTIME_DIR",
					    "XDG_STATE_HOME",     "XDG_CONFIG_HOME"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static void our_own_variables_win(void)
{
	clear();
	setenv("NVHOST_RUNTIME_DIR", "/a", 1);
	setenv("NVHOST_STATE_DIR", "/b", 1);
	setenv("NVHOST_CONFIG_DIR", "/c", 1);
	setenv("XDG_STATE_HOME", "/x", 1);
	CU_ASSERT_EQUAL(nvd_runtime_path(NVD_SOCKET, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/a/nvhostd.sock");
	CU_ASSERT_EQUAL(nvd_state_path(NVD_STATE, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/b/state.json");
	CU_ASSERT_EQUAL(nvd_config_path(0, "config.json", path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/c/config.json");
	/* Tests and unusual installations see nothing but that folder. */
	CU_ASSERT_EQUAL(nvd_config_path(1, "config.json", path, sizeof(path)), -ENOENT);
	clear();
}

static void xdg_folders_are_used(void)
{
	clear();
	setenv("XDG_STATE_HOME", "/x", 1);
	setenv("XDG_CONFIG_HOME", "/y", 1);
	CU_ASSERT_EQUAL(nvd_state_path(NVD_STATE, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/x/nvhost/state.json");
	CU_ASSERT_EQUAL(nvd_config_path(0, "discovery.conf", path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/y/nvhost/discovery.conf");
	CU_ASSERT_EQUAL(nvd_config_path(1, "discovery.conf", path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/etc/nvme/discovery.conf");
	clear();
}

static void relative_values_are_ignored(void)
{
	clear();
	setenv("NVHOST_STATE_DIR", "relative", 1);
	setenv("XDG_STATE_HOME", "/x", 1);
	CU_ASSERT_EQUAL(nvd_state_path(NVD_STATE, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/x/nvhost/state.json");
	clear();
}

static void root_does_not_move_into_a_logins_folder(void)
{
	clear();
	setenv("XDG_RUNTIME_DIR", "/run/user/1000", 1);
	CU_ASSERT_EQUAL(nvd_runtime_path(NULL, path, sizeof(path)), 0);
	if (geteuid() == 0) {
		CU_ASSERT_STRING_EQUAL(path, "/run/nvhost");
	} else {
		CU_ASSERT_PTR_NOT_NULL(strstr(path, "nvhost"));
	}
	clear();
}

static void a_path_that_does_not_fit_is_refused(void)
{
	clear();
	setenv("NVHOST_RUNTIME_DIR", "/0123456789", 1);
	CU_ASSERT_EQUAL(nvd_runtime_path("x", path, 8), -ENAMETOOLONG);
	clear();
}

static void a_private_folder_is_made_and_an_open_one_refused(void)
{
	char base[] = "/tmp/nvhost-paths.XXXXXX", deep[128], link_path[128];
	struct stat st;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(base));
	snprintf(deep, sizeof(deep), "%s/a/b", base);
	CU_ASSERT_EQUAL(nvd_make_private_dir(deep, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(stat(deep, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0700);
	CU_ASSERT_EQUAL(nvd_make_private_dir(deep, err, sizeof(err)), 0); /* there already */
	chmod(deep, 0777);
	CU_ASSERT_EQUAL(nvd_make_private_dir(deep, err, sizeof(err)), -EPERM);
	CU_ASSERT_PTR_NOT_NULL(strstr(err, deep));
	chmod(deep, 0700);
	snprintf(link_path, sizeof(link_path), "%s/link", base);
	CU_ASSERT_EQUAL(symlink(deep, link_path), 0);
	CU_ASSERT_EQUAL(nvd_make_private_dir(link_path, err, sizeof(err)), -EPERM);
	unlink(link_path);
	rmdir(deep);
	snprintf(deep, sizeof(deep), "%s/a", base);
	rmdir(deep);
	rmdir(base);
}

NVH_UNIT_MAIN("host/daemon/paths", NVH_TEST(our_own_variables_win), NVH_TEST(xdg_folders_are_used),
	      NVH_TEST(relative_values_are_ignored),
	      NVH_TEST(root_does_not_move_into_a_logins_folder),
	      NVH_TEST(a_path_that_does_not_fit_is_refused),
	      NVH_TEST(a_private_folder_is_made_and_an_open_one_refused))
