/*
 * Who this host is: host NQN and host ID, from the caller, from /etc/nvme (shared with nvme-cli and
 * the kernel), or from the user's own files under XDG_CONFIG_HOME/nvhost, made when missing so that
 * a host keeps its identity; NVHOST_CONFIG_DIR stands for both folders. Called once a host, before
 * anything runs. Base Specification 2.1, section 4.7 (NQN) and 5.1.25.1.28 (Host Identifier).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "fabric/nqn.h"
#include "host/api/api.h"

const char *nvhi_api_system_folder = "/etc/nvme";

static int uuid_random(uint8_t ret_uuid[16])
{
	if (getrandom(ret_uuid, 16, 0) != 16)
		return -EIO;
	nvhi_uuid_make_v4(ret_uuid);
	return 0;
}

/* ---- files ------------------------------------------------------------------------------- */

/* The first line without surrounding blanks. -ENOENT for a missing, unreadable or empty file. */
static int file_first_line(const char *path, char *line, size_t len)
{
	FILE *file = fopen(path, "re");
	char *end;

	if (!file)
		return -ENOENT;
	end = fgets(line, (int)len, file);
	fclose(file);
	if (!end)
		return -ENOENT;
	line[strcspn(line, "\r\n")] = '\0';
	end = line + strlen(line);
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	return line[0] ? 0 : -ENOENT;
}

/* The folder that stands for all others, as it does for nvhost's and nvhostd's own files. */
static const char *named_folder(void)
{
	const char *dir = getenv("NVHOST_CONFIG_DIR");

	return dir && dir[0] == '/' ? dir : NULL;
}

/* The line of the file that nvme-cli and the kernel's host use. */
static int system_line(const char *name, char *line, size_t len)
{
	char path[512];

	if (named_folder())
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s", nvhi_api_system_folder, name);
	return file_first_line(path, line, len);
}

/* The user's own folder of settings. -ENOENT when there is no home. */
static int user_folder(char *path, size_t len)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	int n;

	if (named_folder())
		n = snprintf(path, len, "%s", named_folder());
	else if (xdg && xdg[0] == '/')
		n = snprintf(path, len, "%s/nvhost", xdg);
	else if (home && home[0] == '/')
		n = snprintf(path, len, "%s/.config/nvhost", home);
	else
		return -ENOENT;
	return n > 0 && (size_t)n < len ? 0 : -ENAMETOOLONG;
}

static void make_folders(const char *folder)
{
	char path[512];

	snprintf(path, sizeof(path), "%s", folder);
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	mkdir(path, 0700);
}

/* Writes `line` as a new file, all or nothing; when another process was first, reads its line. */
static int file_make_once(const char *path, char *line, size_t len)
{
	char temp[600];
	int fd, n, err = 0;

	snprintf(temp, sizeof(temp), "%s.%ld", path, (long)getpid());
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	n = dprintf(fd, "%s\n", line);
	if (close(fd) || n != (int)strlen(line) + 1)
		err = -EIO;
	else if (link(temp, path))
		err = errno == EEXIST ? file_first_line(path, line, len) : -errno;
	unlink(temp);
	return err;
}

/* The line of the user's file `name`; written with `line` when there is none. An identity that
 * cannot be kept still serves this process. */
static void user_line(const char *name, char *line, size_t len)
{
	char folder[400], path[480], found[256];
	int err = user_folder(folder, sizeof(folder));

	if (!err) {
		snprintf(path, sizeof(path), "%s/%s", folder, name);
		if (!file_first_line(path, found, sizeof(found))) {
			snprintf(line, len, "%s", found);
			return;
		}
		make_folders(folder);
		err = file_make_once(path, line, len);
	}
	if (err)
		nvhi_log(WARN, API, "host: %s is used once only: no file to keep it in (%s)", line,
			 strerror(-err));
}

/* ---- the identity ------------------------------------------------------------------------ */

static int identity_nqn(const char *hostnqn, char *nqn, size_t len, bool *ret_system)
{
	uint8_t uuid[16];
	char made[NVH_NQN_SIZE];

	*ret_system = false;
	if (hostnqn) {
		snprintf(nqn, len, "%s", hostnqn);
		return 0;
	}
	if (!system_line("hostnqn", nqn, len)) {
		*ret_system = true;
		return 0;
	}
	if (uuid_random(uuid))
		return -EIO;
	nvhi_nqn_from_uuid(uuid, made);
	snprintf(nqn, len, "%s", made);
	user_line("hostnqn", nqn, len);
	return 0;
}

static int identity_id(const char *hostid, const char *nqn, bool system, char *text, size_t len)
{
	uint8_t uuid[16];

	if (hostid) {
		snprintf(text, len, "%s", hostid);
		return 0;
	}
	if (system && !system_line("hostid", text, len))
		return 0;
	if (!nvhi_nqn_to_uuid(nqn, uuid)) {
		nvhi_uuid_format(uuid, text);
		return 0;
	}
	if (!system_line("hostid", text, len))
		return 0;
	if (uuid_random(uuid))
		return -EIO;
	nvhi_uuid_format(uuid, text);
	user_line("hostid", text, len);
	return 0;
}

int nvhi_api_identity_load(const char *hostnqn, const char *hostid,
			   struct nvhi_api_identity *ret_identity, char *errbuf, size_t errbuf_len)
{
	struct nvhi_api_identity id;
	const char *why = "";
	char nqn[NVH_NQN_SIZE], text[256];
	bool system;
	int err;

	err = identity_nqn(hostnqn, nqn, sizeof(nqn), &system);
	if (err)
		return err;
	if (nvhi_nqn_check(nqn, &why)) {
		snprintf(errbuf, errbuf_len,
			 "host NQN \"%.240s\"%s%s: %s (nvhost gen-hostnqn makes one)", nqn,
			 system ? " in " : "", system ? nvhi_api_system_folder : "", why);
		return -EINVAL;
	}
	snprintf(id.hostnqn, sizeof(id.hostnqn), "%.223s", nqn);
	err = identity_id(hostid, nqn, system, text, sizeof(text));
	if (err)
		return err;
	if (nvhi_uuid_parse(text, id.hostid)) {
		snprintf(errbuf, errbuf_len, "host ID \"%.64s\" is no UUID (36 characters)", text);
		return -EINVAL;
	}
	*ret_identity = id;
	return 0;
}
