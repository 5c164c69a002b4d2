/*
 * Addresses and names as text: transport types, listen addresses, NQNs. Pure.
 * NQN: Base Specification 2.1 section 4.7.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "target-lite/core/subsystem.h"
#include "target-lite/core/target.h"

static const struct {
	enum tl_trtype trtype;
	const char *name;
} trtypes[] = {
	{TL_TRTYPE_TCP, "TCP"},
	{TL_TRTYPE_RDMA, "RDMA"},
	{TL_TRTYPE_VFIOUSER, "VFIOUSER"},
};

const char *tl_trtype_name(enum tl_trtype trtype)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(trtypes); i++)
		if (trtypes[i].trtype == trtype)
			return trtypes[i].name;
	return "unknown";
}

int tl_trtype_parse(const char *text, enum tl_trtype *ret_trtype)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(trtypes); i++) {
		if (!strcasecmp(trtypes[i].name, text)) {
			*ret_trtype = trtypes[i].trtype;
			return 0;
		}
	}
	return -EINVAL;
}

const char *tl_adrfam_name(enum tl_adrfam adrfam)
{
	return adrfam == TL_ADRFAM_IPV6 ? "IPv6" : "IPv4";
}

int tl_adrfam_parse(const char *text, enum tl_adrfam *ret_adrfam)
{
	if (!strcasecmp(text, "IPv4"))
		*ret_adrfam = TL_ADRFAM_IPV4;
	else if (!strcasecmp(text, "IPv6"))
		*ret_adrfam = TL_ADRFAM_IPV6;
	else
		return -EINVAL;
	return 0;
}

bool tl_listen_addr_equal(const struct tl_listen_addr *a, const struct tl_listen_addr *b)
{
	return a->trtype == b->trtype && a->adrfam == b->adrfam &&
	       !strcasecmp(a->traddr, b->traddr) && !strcmp(a->trsvcid, b->trsvcid);
}

int tl_listen_sockaddr(const struct tl_listen_addr *addr, struct sockaddr_storage *ret_sa,
		       socklen_t *ret_len)
{
	char *end;
	unsigned long port = strtoul(addr->trsvcid, &end, 10);
	struct sockaddr_in *in = (struct sockaddr_in *)ret_sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_sa;

	if (!addr->trsvcid[0] || *end || port > 65535)
		return -EINVAL;
	memset(ret_sa, 0, sizeof(*ret_sa));
	if (addr->adrfam == TL_ADRFAM_IPV6) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		*ret_len = sizeof(*in6);
		return inet_pton(AF_INET6, addr->traddr, &in6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	*ret_len = sizeof(*in);
	return inet_pton(AF_INET, addr->traddr, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

uint16_t tl_sockaddr_port(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)sa)->sin_port);
}

static bool nqn_digits(const char *s, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	return true;
}

/* "nqn.yyyy-mm.reverse.domain[:anything]", at most 223 bytes, no control bytes. */
bool tl_nqn_valid(const char *nqn)
{
	size_t len = strnlen(nqn, TL_NQN_MAX + 1);

	if (len > TL_NQN_MAX || len < sizeof("nqn.2014-08.a") - 1)
		return false;
	if (strncmp(nqn, "nqn.", 4) || !nqn_digits(nqn + 4, 4) || nqn[8] != '-' ||
	    !nqn_digits(nqn + 9, 2) || nqn[11] != '.')
		return false;
	for (size_t i = 12; i < len; i++)
		if ((unsigned char)nqn[i] < 0x20 || nqn[i] == 0x7f)
			return false;
	return isalnum((unsigned char)nqn[12]);
}

static const struct {
	enum tl_ana_state state;
	const char *name;
} ana_states[] = {
	{TL_ANA_OPTIMIZED, "optimized"},
	{TL_ANA_NON_OPTIMIZED, "non_optimized"},
	{TL_ANA_INACCESSIBLE, "inaccessible"},
	{TL_ANA_PERSISTENT_LOSS, "persistent_loss"},
	{TL_ANA_CHANGE, "change"},
};

int tl_ana_state_parse(const char *text, enum tl_ana_state *ret_state)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(ana_states); i++) {
		if (!strcmp(ana_states[i].name, text)) {
			*ret_state = ana_states[i].state;
			return 0;
		}
	}
	return -EINVAL;
}

const char *tl_ana_state_name(enum tl_ana_state state)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(ana_states); i++)
		if (ana_states[i].state == state)
			return ana_states[i].name;
	return "unknown";
}
