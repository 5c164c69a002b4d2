/*
 * Transport addresses: text, one-line text, and socket addresses of every transport.
 *
 * Control path, any thread. An address is stored in its canonical spelling, so that equal places
 * are equal strings.
 */
#include "fabric/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct addr_name {
	unsigned int value;
	const char *name;
};

static const struct addr_name addr_trtypes[] = {
	{NVH_TRTYPE_TCP, "tcp"},
	{NVH_TRTYPE_RDMA, "rdma"},
	{NVH_TRTYPE_FC, "fc"},
	{NVH_TRTYPE_LOOP, "loop"},
	{NVH_TRTYPE_PCIE, "pcie"},
	{NVH_TRTYPE_VFIO_USER, "vfio-user"},
	{NVH_TRTYPE_VFIO_USER, "vfiouser"},
};

static const struct addr_name addr_adrfams[] = {
	{NVH_ADRFAM_PCI, "pci"},       {NVH_ADRFAM_IPV4, "ipv4"},        {NVH_ADRFAM_IPV6, "ipv6"},
	{NVH_ADRFAM_IB, "infiniband"}, {NVH_ADRFAM_FC, "fibre-channel"}, {NVH_ADRFAM_LOOP, "loop"},
};

#define ADDR_COUNT(table) (sizeof(table) / sizeof((table)[0]))

__attribute__((format(printf, 3, 4))) static int addr_fail(char *errbuf, size_t errbuf_len,
							   const char *fmt, ...)
{
	va_list ap;

	if (errbuf && errbuf_len) {
		va_start(ap, fmt);
		vsnprintf(errbuf, errbuf_len, fmt, ap);
		va_end(ap);
	}
	return -EINVAL;
}

int nvhi_trtype_parse(const char *text, enum nvh_trtype *ret_trtype)
{
	for (size_t i = 0; i < ADDR_COUNT(addr_trtypes); i++) {
		if (!strcasecmp(text, addr_trtypes[i].name)) {
			*ret_trtype = (enum nvh_trtype)addr_trtypes[i].value;
			return 0;
		}
	}
	return -EINVAL;
}

static const char *addr_name_of(const struct addr_name *table, size_t num, unsigned int value)
{
	for (size_t i = 0; i < num; i++) {
		if (table[i].value == value)
			return table[i].name;
	}
	return "unrecognized";
}

const char *nvhi_trtype_name(unsigned int trtype)
{
	return addr_name_of(addr_trtypes, ADDR_COUNT(addr_trtypes), trtype);
}

const char *nvhi_adrfam_name(unsigned int adrfam)
{
	return addr_name_of(addr_adrfams, ADDR_COUNT(addr_adrfams), adrfam);
}

static bool addr_is_ip(unsigned int trtype)
{
	return trtype == NVH_TRTYPE_TCP || trtype == NVH_TRTYPE_RDMA;
}

/* ---- setting -------------------------------------------------------------------------------- */

/* A decimal port, 0 to 65535 (0: a listener that takes any); -1 otherwise. */
static int addr_port(const char *text)
{
	unsigned int port = 0;

	if (!*text || strlen(text) > 5)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		port = port * 10 + (unsigned int)(*text - '0');
	}
	return port <= 65535 ? (int)port : -1;
}

/* A scope names an interface or is its number; it is kept as it was given. */
static bool addr_scope_ok(const char *scope)
{
	size_t len = strlen(scope);

	if (!len || len >= IF_NAMESIZE)
		return false;
	for (; *scope; scope++) {
		if ((unsigned char)*scope <= ' ' || *scope == 0x7f || *scope == '%' ||
		    *scope == '/' || *scope == ']')
			return false;
	}
	return true;
}

static int addr_set_ip(struct nvhi_addr *addr, const char *traddr, const char *trsvcid,
		       char *errbuf, size_t errbuf_len)
{
	char host[INET6_ADDRSTRLEN];
	const char *scope = strchr(traddr, '%');
	size_t len = scope ? (size_t)(scope - traddr) : strlen(traddr);
	union {
		struct in_addr v4;
		struct in6_addr v6;
	} bin;
	int port = trsvcid && *trsvcid ? addr_port(trsvcid) : NVH_PORT_TCP;

	if (port < 0)
		return addr_fail(errbuf, errbuf_len, "service '%s' is not a port number 0-65535",
				 trsvcid);
	if (len >= sizeof(host))
		return addr_fail(errbuf, errbuf_len, "'%s' is not an IPv4 or IPv6 address", traddr);
	memcpy(host, traddr, len);
	host[len] = '\0';
	if (!scope && inet_pton(AF_INET, host, &bin) == 1) {
		addr->adrfam = NVH_ADRFAM_IPV4;
		inet_ntop(AF_INET, &bin, addr->traddr, sizeof(addr->traddr));
	} else if (inet_pton(AF_INET6, host, &bin) == 1) {
		addr->adrfam = NVH_ADRFAM_IPV6;
		inet_ntop(AF_INET6, &bin, addr->traddr, sizeof(addr->traddr));
		if (scope) {
			if (!addr_scope_ok(scope + 1))
				return addr_fail(errbuf, errbuf_len,
						 "'%s' has no interface name behind '%%'", traddr);
			strncat(addr->traddr, scope, IF_NAMESIZE);
		}
	} else {
		return addr_fail(errbuf, errbuf_len, "'%s' is not an IPv4 or IPv6 address", traddr);
	}
	snprintf(addr->trsvcid, sizeof(addr->trsvcid), "%d", port);
	return 0;
}

/* One hexadecimal number of 1 to `digits` digits, ended by `end`. NULL when it is not. */
static const char *addr_hex(const char *p, unsigned int digits, char end, unsigned int *ret_num)
{
	size_t len = strspn(p, "0123456789abcdefABCDEF");

	if (!len || len > digits || p[len] != end)
		return NULL;
	*ret_num = (unsigned int)strtoul(p, NULL, 16);
	return end ? p + len + 1 : p + len;
}

/* [DOMAIN:]BUS:DEVICE.FUNCTION in hexadecimal; kept as 0000:01:00.0. */
static int addr_set_pcie(struct nvhi_addr *addr, const char *traddr, char *errbuf,
			 size_t errbuf_len)
{
	const char *colon = strchr(traddr, ':');
	unsigned int dom = 0, bus = 0, dev = 0, fn = 0;
	const char *p = traddr;

	if (colon && strchr(colon + 1, ':'))
		p = addr_hex(p, 8, ':', &dom);
	if (p)
		p = addr_hex(p, 2, ':', &bus);
	if (p)
		p = addr_hex(p, 2, '.', &dev);
	if (p)
		p = addr_hex(p, 1, '\0', &fn);
	if (!p || dev > 0x1f || fn > 7)
		return addr_fail(errbuf, errbuf_len, "'%s' is not a PCI address (0000:01:00.0)",
				 traddr);
	addr->adrfam = NVH_ADRFAM_PCI;
	snprintf(addr->traddr, sizeof(addr->traddr), "%04x:%02x:%02x.%x", dom, bus, dev, fn);
	return 0;
}

static int addr_set_path(struct nvhi_addr *addr, const char *traddr, char *errbuf,
			 size_t errbuf_len)
{
	size_t len = strlen(traddr);

	if (!len || len >= NVH_TRADDR_SIZE)
		return addr_fail(errbuf, errbuf_len,
				 "a vfio-user address is a socket path of 1 to 255 bytes, not %zu",
				 len);
	for (const char *p = traddr; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return addr_fail(errbuf, errbuf_len,
					 "the vfio-user path has a control character");
	}
	addr->adrfam = NVH_ADRFAM_LOOP;
	memcpy(addr->traddr, traddr, len + 1);
	return 0;
}

int nvhi_addr_set(enum nvh_trtype trtype, const char *traddr, const char *trsvcid,
		  struct nvhi_addr *ret_addr, char *errbuf, size_t errbuf_len)
{
	struct nvhi_addr addr = {.trtype = (uint16_t)trtype};
	int err;

	if (!traddr || !*traddr)
		return addr_fail(errbuf, errbuf_len, "no transport address given (-a/--traddr)");
	switch (trtype) {
	case NVH_TRTYPE_TCP:
	case NVH_TRTYPE_RDMA:
		err = addr_set_ip(&addr, traddr, trsvcid, errbuf, errbuf_len);
		break;
	case NVH_TRTYPE_PCIE:
		err = addr_set_pcie(&addr, traddr, errbuf, errbuf_len);
		break;
	case NVH_TRTYPE_VFIO_USER:
		err = addr_set_path(&addr, traddr, errbuf, errbuf_len);
		break;
	default:
		return addr_fail(errbuf, errbuf_len, "transport '%s' is not supported",
				 nvhi_trtype_name(trtype));
	}
	if (!err)
		*ret_addr = addr;
	return err;
}

/* ---- the one-line form ---------------------------------------------------------------------- */

/* Splits "HOST", "HOST:PORT", "[V6]", "[V6]:PORT" in place; a bare V6 address has no port. */
static bool addr_split_ip(char *text, const char **ret_host, const char **ret_port)
{
	char *colon;

	*ret_port = NULL;
	if (*text == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return false;
		if (close[1])
			*ret_port = close + 2;
		*close = '\0';
		*ret_host = text + 1;
		return strchr(text + 1, ':') && (!*ret_port || **ret_port);
	}
	*ret_host = text;
	colon = strchr(text, ':');
	if (colon && colon == strrchr(text, ':')) {
		*colon = '\0';
		*ret_port = colon + 1;
		return colon[1];
	}
	return true;
}

int nvhi_addr_parse(const char *line, struct nvhi_addr *ret_addr, char *errbuf, size_t errbuf_len)
{
	char text[NVHI_ADDR_TEXT_MAX];
	char word[16];
	const char *colon = strchr(line, ':');
	const char *host, *port;
	enum nvh_trtype trtype;

	if (!colon)
		return addr_fail(errbuf, errbuf_len,
				 "'%s' has no transport (tcp:127.0.0.1:4420, tcp:[::1]:4420)",
				 line);
	snprintf(word, sizeof(word), "%.*s", (int)(colon - line), line);
	if (nvhi_trtype_parse(word, &trtype) || colon - line >= (int)sizeof(word))
		return addr_fail(errbuf, errbuf_len,
				 "'%s' does not begin with a transport (tcp:, rdma:, pcie:, "
				 "vfio-user:)",
				 line);
	if (!addr_is_ip(trtype))
		return nvhi_addr_set(trtype, colon + 1, NULL, ret_addr, errbuf, errbuf_len);
	if (strlen(colon + 1) >= sizeof(text))
		return addr_fail(errbuf, errbuf_len, "the address is too long");
	strcpy(text, colon + 1);
	if (!addr_split_ip(text, &host, &port))
		return addr_fail(errbuf, errbuf_len,
				 "'%s' is not %s:ADDRESS:PORT (IPv6 in brackets: %s:[::1]:4420)",
				 line, word, word);
	return nvhi_addr_set(trtype, host, port, ret_addr, errbuf, errbuf_len);
}

const char *nvhi_addr_text(const struct nvhi_addr *addr, char *buf, size_t len)
{
	if (!addr_is_ip(addr->trtype))
		snprintf(buf, len, "%s", addr->traddr);
	else if (addr->adrfam == NVH_ADRFAM_IPV6)
		snprintf(buf, len, "[%s]:%s", addr->traddr, addr->trsvcid);
	else
		snprintf(buf, len, "%s:%s", addr->traddr, addr->trsvcid);
	return buf;
}

const char *nvhi_addr_line(const struct nvhi_addr *addr, char *buf, size_t len)
{
	char text[NVHI_ADDR_TEXT_MAX];

	snprintf(buf, len, "%s:%s", nvhi_trtype_name(addr->trtype),
		 nvhi_addr_text(addr, text, sizeof(text)));
	return buf;
}

/* ---- socket addresses ----------------------------------------------------------------------- */

static int addr_scope_id(const char *scope, uint32_t *ret_id)
{
	char *end;
	unsigned long num;
	unsigned int id = if_nametoindex(scope);

	if (!id) {
		num = strtoul(scope, &end, 10);
		if (*end || !num || num > UINT32_MAX)
			return -ENODEV;
		id = (unsigned int)num;
	}
	*ret_id = id;
	return 0;
}

static int addr_to_in6(const struct nvhi_addr *addr, in_port_t port, struct sockaddr_in6 *sin6)
{
	char host[INET6_ADDRSTRLEN];
	const char *scope = strchr(addr->traddr, '%');
	size_t len = scope ? (size_t)(scope - addr->traddr) : strlen(addr->traddr);

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, addr->traddr, len);
	host[len] = '\0';
	sin6->sin6_family = AF_INET6;
	sin6->sin6_port = port;
	if (inet_pton(AF_INET6, host, &sin6->sin6_addr) != 1)
		return -EINVAL;
	return scope ? addr_scope_id(scope + 1, &sin6->sin6_scope_id) : 0;
}

int nvhi_addr_to_sockaddr(const struct nvhi_addr *addr, struct sockaddr_storage *ret_sa,
			  socklen_t *ret_len)
{
	struct sockaddr_in6 sin6 = {0};
	struct sockaddr_in sin = {0};
	int port, err;

	if (!addr_is_ip(addr->trtype))
		return -EAFNOSUPPORT;
	port = addr_port(addr->trsvcid);
	if (port < 0)
		return -EINVAL;
	if (addr->adrfam == NVH_ADRFAM_IPV4) {
		sin.sin_family = AF_INET;
		sin.sin_port = htons((uint16_t)port);
		if (inet_pton(AF_INET, addr->traddr, &sin.sin_addr) != 1)
			return -EINVAL;
		memset(ret_sa, 0, sizeof(*ret_sa));
		memcpy(ret_sa, &sin, sizeof(sin));
		*ret_len = sizeof(sin);
		return 0;
	}
	err = addr_to_in6(addr, htons((uint16_t)port), &sin6);
	if (err)
		return err;
	memset(ret_sa, 0, sizeof(*ret_sa));
	memcpy(ret_sa, &sin6, sizeof(sin6));
	*ret_len = sizeof(sin6);
	return 0;
}

int nvhi_addr_from_sockaddr(enum nvh_trtype trtype, const struct sockaddr *sa,
			    struct nvhi_addr *ret_addr)
{
	struct nvhi_addr addr = {.trtype = (uint16_t)trtype};
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;
	unsigned int port;

	if (!addr_is_ip(trtype))
		return -EAFNOSUPPORT;
	switch (sa->sa_family) {
	case AF_INET:
		memcpy(&sin, sa, sizeof(sin));
		addr.adrfam = NVH_ADRFAM_IPV4;
		inet_ntop(AF_INET, &sin.sin_addr, addr.traddr, sizeof(addr.traddr));
		port = ntohs(sin.sin_port);
		break;
	case AF_INET6:
		memcpy(&sin6, sa, sizeof(sin6));
		addr.adrfam = NVH_ADRFAM_IPV6;
		inet_ntop(AF_INET6, &sin6.sin6_addr, addr.traddr, sizeof(addr.traddr));
		if (sin6.sin6_scope_id) {
			char name[IF_NAMESIZE];
			size_t at = strlen(addr.traddr);

			if (if_indextoname(sin6.sin6_scope_id, name))
				snprintf(addr.traddr + at, sizeof(addr.traddr) - at, "%%%s", name);
			else
				snprintf(addr.traddr + at, sizeof(addr.traddr) - at, "%%%u",
					 sin6.sin6_scope_id);
		}
		port = ntohs(sin6.sin6_port);
		break;
	default:
		return -EAFNOSUPPORT;
	}
	snprintf(addr.trsvcid, sizeof(addr.trsvcid), "%u", port);
	*ret_addr = addr;
	return 0;
}

bool nvhi_addr_equal(const struct nvhi_addr *a, const struct nvhi_addr *b)
{
	return a->trtype == b->trtype && a->adrfam == b->adrfam && !strcmp(a->traddr, b->traddr) &&
	       !strcmp(a->trsvcid, b->trsvcid);
}

bool nvhi_addr_is_any(const struct nvhi_addr *addr)
{
	return addr_is_ip(addr->trtype) &&
	       (!strcmp(addr->traddr, "0.0.0.0") || !strcmp(addr->traddr, "::"));
}
