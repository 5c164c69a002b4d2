/*
 * Transport addresses: text, one-line text, and socket addresses of every transport.
 *
 * Control path only; the functions keep no state and run on any thread. None resolves host names
 * (see fabric/resolve.h): what is parsed here is numeric.
 */
#ifndef NVHI_FABRIC_ADDR_H
#define NVHI_FABRIC_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/spec/nvmf.h"

/* Always consistent: made by the functions below only. All zero: no address (NVH_TRTYPE_NONE). */
struct nvhi_addr {
	uint16_t trtype;                    /* enum nvh_trtype */
	uint8_t adrfam;                     /* enum nvh_adrfam */
	char traddr[NVH_TRADDR_SIZE + 1];   /* 10.0.0.1, fe80::1%eth0, 0000:01:00.0, /run/x.sock */
	char trsvcid[NVH_TRSVCID_SIZE + 1]; /* decimal port; "" where there is none */
};

/* "tcp", "rdma", "pcie", "vfio-user" (also "vfiouser"), "fc", "loop"; any case. -EINVAL. */
int nvhi_trtype_parse(const char *text, enum nvh_trtype *ret_trtype);
/* nvme-cli's words; "unrecognized" where there is none. Never NULL. */
const char *nvhi_trtype_name(unsigned int trtype);
/* A controller of this machine: no discovery, and Identify tells the subsystem's NQN. */
static inline bool nvhi_trtype_is_local(unsigned int trtype)
{
	return trtype == NVH_TRTYPE_PCIE || trtype == NVH_TRTYPE_VFIO_USER;
}
const char *nvhi_adrfam_name(unsigned int adrfam);

/*
 * From the words of a command line or an RPC. `trsvcid` NULL or "": 4420 for TCP and RDMA. The
 * address is kept in its canonical form. -EINVAL with one clear line in errbuf.
 */
int nvhi_addr_set(enum nvh_trtype trtype, const char *traddr, const char *trsvcid,
		  struct nvhi_addr *ret_addr, char *errbuf, size_t errbuf_len);

/*
 * One line: tcp:127.0.0.1:4420, tcp:[::1]:4420, rdma:10.0.0.1, pcie:0000:01:00.0, vfio-user:/run/x.
 * A port left out is the default one. -EINVAL with one clear line in errbuf.
 */
int nvhi_addr_parse(const char *line, struct nvhi_addr *ret_addr, char *errbuf, size_t errbuf_len);

/* The one-line form, and the same without the transport ("[::1]:4420"). Return buf. */
#define NVHI_ADDR_TEXT_MAX (NVH_TRADDR_SIZE + NVH_TRSVCID_SIZE + 16)
const char *nvhi_addr_line(const struct nvhi_addr *addr, char *buf, size_t len);
const char *nvhi_addr_text(const struct nvhi_addr *addr, char *buf, size_t len);

/* TCP and RDMA only. -EAFNOSUPPORT for the others, -ENODEV for a scope that names no interface. */
int nvhi_addr_to_sockaddr(const struct nvhi_addr *addr, struct sockaddr_storage *ret_sa,
			  socklen_t *ret_len);
int nvhi_addr_from_sockaddr(enum nvh_trtype trtype, const struct sockaddr *sa,
			    struct nvhi_addr *ret_addr);

/* Same place: transport, family, address and service. */
bool nvhi_addr_equal(const struct nvhi_addr *a, const struct nvhi_addr *b);
/* 0.0.0.0 or ::, which a listener may have and a peer may not. */
bool nvhi_addr_is_any(const struct nvhi_addr *addr);

#endif
