/*
 * Where JSON-RPC listens and connects: address texts, and a Unix socket made so that nobody else
 * can open it for a moment, that a dead process' socket is replaced, and that a live one's is not.
 * Blocks only in local file operations. Any thread.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/jsonrpc_impl.h"

static int addr_fail(char *err, size_t err_len, const char *address, const char *why)
{
	snprintf(err, err_len, "'%s': %s", address, why);
	return -EINVAL;
}

static int parse_unix(const char *address, const char *path, struct nvhi_rpc_addr *ret_addr,
		      char *err, size_t err_len)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	size_t len = strlen(path);

	if (len == 0)
		return addr_fail(err, err_len, address, "an empty socket path");
	if (len >= sizeof(sun.sun_path))
		return addr_fail(err, err_len, address, "a socket path of more than 107 bytes");
	memcpy(sun.sun_path, path, len);
	memset(ret_addr, 0, sizeof(*ret_addr));
	memcpy(&ret_addr->sa, &sun, sizeof(sun));
	ret_addr->len = sizeof(sun);
	return 0;
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	char *end;
	unsigned long port;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	port = strtoul(text, &end, 10);
	if (errno || *end || port > 65535)
		return -EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

static int parse_tcp(const char *address, const char *text, struct nvhi_rpc_addr *ret_addr,
		     char *err, size_t err_len)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6};
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t host_len = colon ? (size_t)(colon - text) : 0;
	uint16_t port;

	if (!colon || parse_port(colon + 1, &port))
		return addr_fail(err, err_len, address, "a port from 0 to 65535 is needed");
	if (host_len >= sizeof(host))
		return addr_fail(err, err_len, address, "not an IP address");
	memcpy(host, text, host_len);
	host[host_len] = '\0';
	memset(ret_addr, 0, sizeof(*ret_addr));
	if (host[0] == '[' && host[host_len - 1] == ']') {
		host[host_len - 1] = '\0';
		if (inet_pton(AF_INET6, host + 1, &sin6.sin6_addr) != 1)
			return addr_fail(err, err_len, address, "not an IPv6 address");
		sin6.sin6_port = htons(port);
		memcpy(&ret_addr->sa, &sin6, sizeof(sin6));
		ret_addr->len = sizeof(sin6);
		return 0;
	}
	if (inet_pton(AF_INET, strcmp(host, "localhost") ? host : "127.0.0.1", &sin.sin_addr) != 1)
		return addr_fail(err, err_len, address,
				 "not an IP address (IPv6 is written [::1]:PORT)");
	sin.sin_port = htons(port);
	memcpy(&ret_addr->sa, &sin, sizeof(sin));
	ret_addr->len = sizeof(sin);
	return 0;
}

int nvhi_rpc_addr_parse(const char *address, struct nvhi_rpc_addr *ret_addr, char *err,
			size_t err_len)
{
	if (strncmp(address, "tcp:", 4) == 0)
		return parse_tcp(address, address + 4, ret_addr, err, err_len);
	if (strncmp(address, "unix:", 5) == 0)
		return parse_unix(address, address + 5, ret_addr, err, err_len);
	return parse_unix(address, address, ret_addr, err, err_len);
}

bool nvhi_rpc_addr_is_loopback(const struct nvhi_rpc_addr *addr)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	switch (addr->sa.ss_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		memcpy(&sin, &addr->sa, sizeof(sin));
		return ntohl(sin.sin_addr.s_addr) >> 24 == 127;
	case AF_INET6:
		memcpy(&sin6, &addr->sa, sizeof(sin6));
		return IN6_IS_ADDR_LOOPBACK(&sin6.sin6_addr);
	default:
		return false;
	}
}

void nvhi_rpc_addr_format(const struct nvhi_rpc_addr *addr, char *text, size_t text_len)
{
	char host[INET6_ADDRSTRLEN];
	struct sockaddr_un sun;
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;

	switch (addr->sa.ss_family) {
	case AF_INET:
		memcpy(&sin, &addr->sa, sizeof(sin));
		inet_ntop(AF_INET, &sin.sin_addr, host, sizeof(host));
		snprintf(text, text_len, "tcp:%s:%u", host, ntohs(sin.sin_port));
		break;
	case AF_INET6:
		memcpy(&sin6, &addr->sa, sizeof(sin6));
		inet_ntop(AF_INET6, &sin6.sin6_addr, host, sizeof(host));
		snprintf(text, text_len, "tcp:[%s]:%u", host, ntohs(sin6.sin6_port));
		break;
	default:
		memcpy(&sun, &addr->sa, sizeof(sun));
		snprintf(text, text_len, "%.*s", (int)sizeof(sun.sun_path), sun.sun_path);
		break;
	}
}

/* ---- a Unix socket to listen on ----------------------------------------------------------- */

/* Whether somebody accepts there: 1 yes, 0 nobody (a leftover), -errno cannot tell. */
static int unix_is_alive(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0 || errno == EAGAIN)
		rc = 1; /* EAGAIN: its backlog is full */
	else if (errno == ECONNREFUSED || errno == ENOENT)
		rc = 0;
	else
		rc = -errno;
	close(fd);
	return rc;
}

/* A sibling of `path` that nobody else uses. */
static int unix_sibling(const char *path, const char *tag, struct sockaddr_un *ret_sun)
{
	static uint32_t serial;
	const char *slash = strrchr(path, '/');
	int dir_len = slash ? (int)(slash - path) + 1 : 0;
	uint32_t n = __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED);
	int len;

	memset(ret_sun, 0, sizeof(*ret_sun));
	ret_sun->sun_family = AF_UNIX;
	len = snprintf(ret_sun->sun_path, sizeof(ret_sun->sun_path), "%.*s.%s%x.%x", dir_len, path,
		       tag, (unsigned int)getpid(), n);
	return len < (int)sizeof(ret_sun->sun_path) ? 0 : -ENAMETOOLONG;
}

/* Takes a dead process' socket out of the way. -EADDRINUSE when it turns out to be alive: it is
 * looked at again after the move, so that two starters cannot remove each other's. */
static int unix_remove_stale(const struct sockaddr_un *sun)
{
	struct sockaddr_un aside;
	struct stat st;
	int alive, rc;

	if (lstat(sun->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	alive = unix_is_alive(sun);
	if (alive)
		return alive < 0 ? alive : -EADDRINUSE;
	rc = unix_sibling(sun->sun_path, "o", &aside);
	if (rc)
		return rc;
	if (rename(sun->sun_path, aside.sun_path))
		return errno == ENOENT ? 0 : -errno;
	alive = unix_is_alive(&aside);
	if (alive > 0 && link(aside.sun_path, sun->sun_path) == 0)
		rc = -EADDRINUSE;
	unlink(aside.sun_path);
	return rc;
}

/* Bound under a private name, listening, mode 0600. fchmod before bind sets the mode of the file
 * that bind makes, without touching the process' umask. */
static int unix_bind(const struct sockaddr_un *sun, int *ret_fd)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) || bind(fd, (const struct sockaddr *)sun, sizeof(*sun)))
		rc = -errno;
	else if (listen(fd, 1024) || chmod(sun->sun_path, 0600))
		rc = -errno;
	if (rc) {
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

static int unix_listen_fail(int rc, const char *path, char *err, size_t err_len)
{
	const char *hint = "";

	if (rc == -EADDRINUSE)
		hint = " (a running process answers there; stop it or choose another path)";
	else if (rc == -EEXIST)
		hint = " (it is no socket; remove it or choose another path)";
	else if (rc == -ENOENT)
		hint = " (its folder is missing: mkdir -p it)";
	else if (rc == -EACCES)
		hint = " (choose a path in a folder you may write)";
	snprintf(err, err_len, "cannot listen on %s: %s%s", path, strerror(-rc), hint);
	return rc;
}

int nvhi_rpc_unix_listen(const struct nvhi_rpc_addr *addr, int *ret_fd, struct stat *ret_stat,
			 char *err, size_t err_len)
{
	struct sockaddr_un sun, temp;
	int fd = -1, rc;

	memcpy(&sun, &addr->sa, sizeof(sun));
	rc = unix_sibling(sun.sun_path, "n", &temp);
	if (rc)
		return unix_listen_fail(rc, sun.sun_path, err, err_len);
	unlink(temp.sun_path); /* left by a process that had our pid */
	rc = unix_bind(&temp, &fd);
	for (int tries = 0; !rc && tries < 8; tries++) {
		/* link, unlike rename, never replaces what another process has put there. */
		if (link(temp.sun_path, sun.sun_path) == 0)
			break;
		rc = errno == EEXIST && tries < 7 ? unix_remove_stale(&sun) : -errno;
	}
	if (!rc && lstat(sun.sun_path, ret_stat))
		rc = -errno;
	unlink(temp.sun_path);
	if (rc) {
		if (fd >= 0)
			close(fd);
		return unix_listen_fail(rc, sun.sun_path, err, err_len);
	}
	*ret_fd = fd;
	return 0;
}
