/*
 * Addresses: what is taken, how it is kept, what is refused and with which words.
 */
#include "fabric/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "fabric/resolve.h"
#include "tests/unit/nvh_cunit.h"

static char err[256];
static char text[NVHI_ADDR_TEXT_MAX];

/* The line form of a line, or the error's text. */
static const char *round_trip(const char *line)
{
	struct nvhi_addr addr;

	if (nvhi_addr_parse(line, &addr, err, sizeof(err)))
		return err;
	return nvhi_addr_line(&addr, text, sizeof(text));
}

static void the_line_form_round_trips(void)
{
	CU_ASSERT_STRING_EQUAL(round_trip("tcp:127.0.0.1:4420"), "tcp:127.0.0.1:4420");
	CU_ASSERT_STRING_EQUAL(round_trip("TCP:127.0.0.1"), "tcp:127.0.0.1:4420");
	CU_ASSERT_STRING_EQUAL(round_trip("tcp:0.0.0.0:0"), "tcp:0.0.0.0:0");
	CU_ASSERT_STRING_EQUAL(round_trip("tcp:[::1]:8009"), "tcp:[::1]:8009");
	CU_ASSERT_STRING_EQUAL(round_trip("tcp:[::1]"), "tcp:[::1]:4420");
	CU_ASSERT_STRING_EQUAL(round_trip("tcp:fe80::1%lo"), "tcp:[fe80::1%lo]:4420");
	CU_ASSERT_STRING_EQUAL(round_trip("rdma:[2001:DB8:0:0::1]:4420"),
			       "rdma:[2001:db8::1]:4420");
	CU_ASSERT_STRING_EQUAL(round_trip("pcie:0000:01:00.0"), "pcie:0000:01:00.0");
	CU_ASSERT_STRING_EQUAL(round_trip("pcie:a1:1f.7"), "pcie:0000:a1:1f.7");
	CU_ASSERT_STRING_EQUAL(round_trip("pcie:10000:01:00.0"), "pcie:10000:01:00.0");
	CU_ASSERT_STRING_EQUAL(round_trip("vfiouser:/run/a:b"), "vfio-user:/run/a:b");
}

static void a_wrong_line_is_refused_by_name(void)
{
	static const char *const wrong[] = {
		"",
		"tcp",
		"tcp:",
		"udp:127.0.0.1:1",
		":127.0.0.1:1",
		"tcp:127.0.0.1:",
		"tcp:127.0.0.1:65536",
		"tcp:127.0.0.1:-1",
		"tcp:127.0.0.1:44 20",
		"tcp:127.0.0:1",
		"tcp:127.0.0.256",
		"tcp:[::1",
		"tcp:[::1]x",
		"tcp:[::1]:",
		"tcp:[127.0.0.1]:1",
		"tcp:127.0.0.1%lo:1",
		"tcp:[::1%]:1",
		"tcp:[::1%a/b]:1",
		"tcp:[::1%averylonginterface]",
		"tcp:example.org:4420",
		"pcie:0000:01:20.0",
		"pcie:0000:01:00.8",
		"pcie:01:00",
		"pcie:01:00.0x",
		"pcie:-1:00.0",
		"pcie:123456789:01:00.0",
		"vfio-user:",
		"vfio-user:/run/\n",
		"fc:nn-0x1",
		"loop:1",
		"averyverylongtransportname:1",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct nvhi_addr addr = {.trtype = 77};

		err[0] = '\0';
		CU_ASSERT_EQUAL(nvhi_addr_parse(wrong[i], &addr, err, sizeof(err)), -EINVAL);
		CU_ASSERT_NOT_EQUAL(err[0], '\0');
		CU_ASSERT_EQUAL(addr.trtype, 77);
	}
	round_trip("tcp:127.0.0.1:65536");
	CU_ASSERT_STRING_EQUAL(err, "service '65536' is not a port number 0-65535");
	round_trip("tcp:example:1");
	CU_ASSERT_STRING_EQUAL(err, "'example' is not an IPv4 or IPv6 address");
}

static void words_make_the_same_address_as_a_line(void)
{
	struct nvhi_addr a, b;

	CU_ASSERT_EQUAL_FATAL(
		nvhi_addr_set(NVH_TRTYPE_TCP, "0:0::1", "04420", &a, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_parse("tcp:[::1]:4420", &b, err, sizeof(err)), 0);
	CU_ASSERT_TRUE(nvhi_addr_equal(&a, &b));
	CU_ASSERT_EQUAL(a.adrfam, NVH_ADRFAM_IPV6);
	CU_ASSERT_STRING_EQUAL(a.trsvcid, "4420");
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_set(NVH_TRTYPE_RDMA, "::1", "", &b, err, sizeof(err)), 0);
	CU_ASSERT_FALSE(nvhi_addr_equal(&a, &b));
	CU_ASSERT_EQUAL(nvhi_addr_set(NVH_TRTYPE_TCP, NULL, NULL, &a, err, sizeof(err)), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err, "no transport address given (-a/--traddr)");
	CU_ASSERT_EQUAL(nvhi_addr_set(NVH_TRTYPE_TCP, "x", NULL, &a, NULL, 0), -EINVAL);
}

static void socket_addresses_round_trip(void)
{
	static const char *const lines[] = {"tcp:127.0.0.1:4420", "tcp:[::]:1", "rdma:[::1]:65535",
					    "tcp:10.1.2.3:0"};
	struct nvhi_addr addr, back;
	struct sockaddr_storage sa;
	socklen_t len;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		CU_ASSERT_EQUAL_FATAL(nvhi_addr_parse(lines[i], &addr, err, sizeof(err)), 0);
		CU_ASSERT_EQUAL_FATAL(nvhi_addr_to_sockaddr(&addr, &sa, &len), 0);
		CU_ASSERT_EQUAL_FATAL(nvhi_addr_from_sockaddr((enum nvh_trtype)addr.trtype,
							      (struct sockaddr *)&sa, &back),
				      0);
		CU_ASSERT_TRUE(nvhi_addr_equal(&addr, &back));
	}
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_parse("pcie:01:00.0", &addr, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(nvhi_addr_to_sockaddr(&addr, &sa, &len), -EAFNOSUPPORT);
}

static void a_scope_becomes_an_interface(void)
{
	struct nvhi_addr addr, back;
	struct sockaddr_storage sa;
	socklen_t len;

	CU_ASSERT_EQUAL_FATAL(nvhi_addr_parse("tcp:[fe80::2%lo]:1", &addr, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_to_sockaddr(&addr, &sa, &len), 0);
	CU_ASSERT_EQUAL(((struct sockaddr_in6 *)&sa)->sin6_scope_id, if_nametoindex("lo"));
	CU_ASSERT_EQUAL(nvhi_addr_from_sockaddr(NVH_TRTYPE_TCP, (struct sockaddr *)&sa, &back), 0);
	CU_ASSERT_STRING_EQUAL(back.traddr, "fe80::2%lo");
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_parse("tcp:[fe80::2%nosuch0]:1", &addr, err, sizeof(err)),
			      0);
	CU_ASSERT_EQUAL(nvhi_addr_to_sockaddr(&addr, &sa, &len), -ENODEV);
}

static void any_addresses_are_told_apart(void)
{
	struct nvhi_addr addr;

	CU_ASSERT_EQUAL_FATAL(nvhi_addr_parse("tcp:0.0.0.0:1", &addr, err, sizeof(err)), 0);
	CU_ASSERT_TRUE(nvhi_addr_is_any(&addr));
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_parse("tcp:[0::0]:1", &addr, err, sizeof(err)), 0);
	CU_ASSERT_TRUE(nvhi_addr_is_any(&addr));
	CU_ASSERT_EQUAL_FATAL(nvhi_addr_parse("tcp:127.0.0.1:1", &addr, err, sizeof(err)), 0);
	CU_ASSERT_FALSE(nvhi_addr_is_any(&addr));
}

static void names_are_nvme_clis(void)
{
	enum nvh_trtype type;

	CU_ASSERT_STRING_EQUAL(nvhi_trtype_name(NVH_TRTYPE_TCP), "tcp");
	CU_ASSERT_STRING_EQUAL(nvhi_trtype_name(99), "unrecognized");
	CU_ASSERT_STRING_EQUAL(nvhi_adrfam_name(NVH_ADRFAM_IPV6), "ipv6");
	CU_ASSERT_EQUAL(nvhi_trtype_parse("RDMA", &type), 0);
	CU_ASSERT_EQUAL(type, NVH_TRTYPE_RDMA);
	CU_ASSERT_EQUAL(nvhi_trtype_parse("tcpx", &type), -EINVAL);
}

static void numbers_are_never_looked_up(void)
{
	struct nvhi_addr addr;

	CU_ASSERT_EQUAL(
		nvhi_addr_resolve(NVH_TRTYPE_TCP, "127.0.0.1", "1", &addr, err, sizeof(err)), 0);
	CU_ASSERT_EQUAL(nvhi_addr_resolve(NVH_TRTYPE_TCP, "127.1", "1", &addr, err, sizeof(err)),
			-EINVAL);
	CU_ASSERT_STRING_EQUAL(err, "'127.1' is not an IPv4 or IPv6 address");
	CU_ASSERT_EQUAL(nvhi_addr_resolve(NVH_TRTYPE_TCP, "a b", "1", &addr, err, sizeof(err)),
			-EINVAL);
	CU_ASSERT_EQUAL(
		nvhi_addr_resolve(NVH_TRTYPE_TCP, "localhost", "x", &addr, err, sizeof(err)),
		-EINVAL);
	CU_ASSERT_EQUAL(
		nvhi_addr_resolve(NVH_TRTYPE_TCP, "localhost", "7", &addr, err, sizeof(err)), 0);
	CU_ASSERT_STRING_EQUAL(addr.trsvcid, "7");
}

NVH_UNIT_MAIN("fabric/addr", NVH_TEST(the_line_form_round_trips),
	      NVH_TEST(a_wrong_line_is_refused_by_name),
	      NVH_TEST(words_make_the_same_address_as_a_line),
	      NVH_TEST(socket_addresses_round_trip), NVH_TEST(a_scope_becomes_an_interface),
	      NVH_TEST(any_addresses_are_told_apart), NVH_TEST(names_are_nvme_clis),
	      NVH_TEST(numbers_are_never_looked_up))
