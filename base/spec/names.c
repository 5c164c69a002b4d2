/*
 * Names of opcodes, Fabrics types, PDU types and refusals of RDMA connections, for logs and traces.
 */
#include "base/spec/nvme_cmd.h"
#include "base/spec/nvme_rdma.h"
#include "base/spec/nvme_tcp.h"
#include "base/spec/nvmf.h"

#define NVH_X(val, name, text)                                                                     \
	case val:                                                                                  \
		return text;

const char *nvh_admin_opc_name(unsigned opc)
{
	switch (opc) {
		NVH_ADM_LIST(NVH_X)
	default:
		return opc >= 0xc0 && opc <= 0xff ? "vendor specific" : "unknown";
	}
}

const char *nvh_io_opc_name(unsigned opc)
{
	switch (opc) {
		NVH_OPC_LIST(NVH_X)
	default:
		return opc >= 0x80 && opc <= 0xff ? "vendor specific" : "unknown";
	}
}

const char *nvh_fabrics_type_name(unsigned fctype)
{
	switch (fctype) {
		NVH_FCTYPE_LIST(NVH_X)
	default:
		return fctype >= 0xc0 && fctype <= 0xff ? "vendor specific" : "unknown";
	}
}

const char *nvh_rdma_cm_status_text(unsigned sts)
{
	switch (sts) {
		NVH_RDMA_CM_STATUS_LIST(NVH_X)
	default:
		return "unknown";
	}
}

#undef NVH_X
#define NVH_X(val, name, text, hlen)                                                               \
	case val:                                                                                  \
		return text;

const char *nvh_tcp_pdu_name(unsigned type)
{
	switch (type) {
		NVH_TCP_PDU_LIST(NVH_X)
	default:
		return "unknown";
	}
}
