/*
 * Who a host is.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fabric/nqn.h"
#include "host/api/api.h"
#include "tests/unit/nvh_cunit.h"

#define UUID_TEXT "01234567-89ab-cdef-0123-456789abcdef"

static char folder[64];
static char why[384];

static void setup(void)
{
	strcpy(folder, "/tmp/nvhost-unit-XXXXXX");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
	setenv("XDG_CONFIG_HOME", folder, 1);
	unsetenv("NVHOST_CONFIG_DIR");
	nvhi_api_system_folder = "/proc/nowhere";
	why[0] = '\0';
}

static void put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/nvhost", folder);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/nvhost/%s", folder, name);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs(text, file);
	fclose(file);
}

static void teardown(void)
{
	static const char *const names[] = {"nvhost/hostnqn", "nvhost/hostid", "nvhost", ""};
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		CU_ASSERT_TRUE(remove(path) == 0 || errno == ENOENT);
	}
	unsetenv("XDG_CONFIG_HOME");
}

static void the_callers_names_come_first(void)
{
	struct nvhi_api_identity id;
	char text[NVHI_UUID_TEXT];

	setup();
	CU_ASSERT_EQUAL(
		nvhi_api_identity_load("nqn.2026-01.io.x:h", UUID_TEXT, &id, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(id.hostnqn, "nqn.2026-01.io.x:h");
	CU_ASSERT_STRING_EQUAL(nvhi_uuid_format(id.hostid, text), UUID_TEXT);
	teardown();
}

static void a_host_id_is_derived_from_a_uuid_nqn(void)
{
	struct nvhi_api_identity id;
	char text[NVHI_UUID_TEXT];

	setup();
	CU_ASSERT_EQUAL(nvhi_api_identity_load("nqn.2014-08.org.nvmexpress:uuid:" UUID_TEXT, NULL,
					       &id, why, sizeof(why)),
			0);
	CU_ASSERT_STRING_EQUAL(nvhi_uuid_format(id.hostid, text), UUID_TEXT);
	teardown();
}

static void an_identity_is_made_once_and_kept(void)
{
	struct nvhi_api_identity first, second;

	setup();
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &first, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &second, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(first.hostnqn, second.hostnqn);
	CU_ASSERT_EQUAL(memcmp(first.hostid, second.hostid, 16), 0);
	CU_ASSERT_EQUAL(nvhi_nqn_check(first.hostnqn, NULL), 0);
	teardown();
}

static void the_users_files_are_read(void)
{
	struct nvhi_api_identity id;

	setup();
	put("hostnqn", "nqn.2026-01.io.x:mine  \n");
	put("hostid", UUID_TEXT "\n");
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &id, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(id.hostnqn, "nqn.2026-01.io.x:mine");
	CU_ASSERT_EQUAL(id.hostid[0], 0x01);
	put("hostid", "nonsense\n");
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &id, why, sizeof(why)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "nonsense"));
	teardown();
}

static void the_systems_identity_comes_before_the_users(void)
{
	struct nvhi_api_identity id;
	char system[128];

	setup();
	put("hostnqn", "nqn.2014-08.org.nvmexpress:uuid:aaaaaaaa-89ab-cdef-0123-456789abcdef\n");
	snprintf(system, sizeof(system), "%s/nvhost", folder);
	nvhi_api_system_folder = system;
	setenv("XDG_CONFIG_HOME", "/proc/nowhere", 1);
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &id, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(id.hostid[0], 0xaa); /* the NQN's */
	put("hostid", UUID_TEXT "\n");
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &id, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(id.hostid[0], 0x01); /* the pair of files belongs together */
	put("hostnqn", "\n");
	CU_ASSERT_EQUAL(nvhi_api_identity_load("nqn.2026-01.io.x:h", NULL, &id, why, sizeof(why)),
			0);
	CU_ASSERT_EQUAL(id.hostid[0], 0x01);
	put("hostnqn", "\001\n");
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &id, why, sizeof(why)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, system));
	teardown();
}

static void without_a_place_to_keep_it_an_identity_serves_once(void)
{
	struct nvhi_api_identity id;

	setup();
	setenv("XDG_CONFIG_HOME", "/proc/nowhere", 1);
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &id, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(nvhi_nqn_check_lenient(id.hostnqn, NULL), 0);
	teardown();
}

static void wrong_names_are_named(void)
{
	struct nvhi_api_identity id;
	char nqn[400];

	setup();
	memset(nqn, 'x', sizeof(nqn));
	memcpy(nqn, "nqn.2026-01.io.x:", 17);
	nqn[224] = '\0';
	CU_ASSERT_EQUAL(nvhi_api_identity_load(nqn, NULL, &id, why, sizeof(why)), -EINVAL);
	CU_ASSERT_TRUE(why[0] != '\0');
	nqn[399] = '\0';
	memset(nqn + 224, 'x', 174);
	CU_ASSERT_EQUAL(nvhi_api_identity_load(nqn, NULL, &id, why, sizeof(why)), -EINVAL);
	nqn[223] = '\0';
	CU_ASSERT_EQUAL(nvhi_api_identity_load(nqn, UUID_TEXT, &id, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(strlen(id.hostnqn), 223);
	CU_ASSERT_EQUAL(nvhi_api_identity_load("nqn.\n", UUID_TEXT, &id, why, sizeof(why)),
			-EINVAL);
	CU_ASSERT_EQUAL(nvhi_api_identity_load("nqn.2026-01.io.x:h", "1234", &id, why, sizeof(why)),
			-EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "1234"));
	CU_ASSERT_EQUAL(nvhi_api_identity_load("bad", UUID_TEXT, &id, why, sizeof(why)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "\"bad\""));
	put("hostnqn", "bad\n");
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &id, why, sizeof(why)), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "\"bad\""));
	teardown();
}

static void a_named_configuration_folder_stands_for_all_others(void)
{
	struct nvhi_api_identity id, again;
	char named[128], rival[] = "/tmp/nvhost-unit-XXXXXX", path[64];
	FILE *file;

	setup();
	snprintf(named, sizeof(named), "%s/nvhost", folder);
	put("hostnqn", "nqn.2026-01.io.x:named\n");
	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(rival));
	snprintf(path, sizeof(path), "%s/hostnqn", rival);
	file = fopen(path, "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("nqn.2026-01.io.x:system\n", file);
	fclose(file);
	nvhi_api_system_folder = rival;
	setenv("XDG_CONFIG_HOME", "/proc/nowhere", 1);
	setenv("NVHOST_CONFIG_DIR", named, 1);
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &id, why, sizeof(why)), 0);
	CU_ASSERT_STRING_EQUAL(id.hostnqn, "nqn.2026-01.io.x:named");
	CU_ASSERT_EQUAL(nvhi_api_identity_load(NULL, NULL, &again, why, sizeof(why)), 0);
	CU_ASSERT_EQUAL(memcmp(id.hostid, again.hostid, 16), 0);
	unsetenv("NVHOST_CONFIG_DIR");
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(rmdir(rival), 0);
	teardown();
}

NVH_UNIT_MAIN("host/api/identity", NVH_TEST(the_callers_names_come_first),
	      NVH_TEST(a_host_id_is_derived_from_a_uuid_nqn),
	      NVH_TEST(an_identity_is_made_once_and_kept), NVH_TEST(the_users_files_are_read),
	      NVH_TEST(the_systems_identity_comes_before_the_users),
	      NVH_TEST(without_a_place_to_keep_it_an_identity_serves_once),
	      NVH_TEST(wrong_names_are_named),
	      NVH_TEST(a_named_configuration_folder_stands_for_all_others))
