/*
 * Host names to addresses. Blocks in getaddrinfo(3): never on a reactor that serves I/O.
 */
#include "fabric/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

/* Could this be a host name at all? Numbers and dots that failed to parse are a mistyped address.
 */
static bool resolve_is_name(const char *text)
{
	size_t len = strlen(text);

	if (!len || len > 253 || strspn(text, "0123456789.") == len || strchr(text, ':'))
		return false;
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
	       len;
}

int nvhi_addr_resolve(enum nvh_trtype trtype, const char *traddr, const char *trsvcid,
		      struct nvhi_addr *ret_addr, char *errbuf, size_t errbuf_len)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	struct nvhi_addr addr;
	int err;

	err = nvhi_addr_set(trtype, traddr, trsvcid, ret_addr, errbuf, errbuf_len);
	if (!err || (trtype != NVH_TRTYPE_TCP && trtype != NVH_TRTYPE_RDMA) || !traddr ||
	    !resolve_is_name(traddr))
		return err;
	err = getaddrinfo(traddr, NULL, &hints, &list);
	if (err) {
		snprintf(errbuf, errbuf_len, "cannot find host '%s': %s", traddr,
			 gai_strerror(err));
		return -EHOSTUNREACH;
	}
	err = nvhi_addr_from_sockaddr(trtype, list->ai_addr, &addr);
	freeaddrinfo(list);
	if (err) {
		snprintf(errbuf, errbuf_len, "host '%s' has no IPv4 or IPv6 address", traddr);
		return -EHOSTUNREACH;
	}
	return nvhi_addr_set(trtype, addr.traddr, trsvcid, ret_addr, errbuf, errbuf_len);
}
