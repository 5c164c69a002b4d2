/*
 * The one table that names the transports. Whoever needs one finds it here by its type.
 */
#include "host/transport.h"
#include "fabric/rdma/rdma.h"
#include "fabric/tcp/tcp.h"
#include "pcie/vfio/vfio.h"
#include "pcie/vfio-user/vfio_user.h"

static const struct nvhi_transport *const transports[] = {
	&nvhi_transport_tcp,
	&nvhi_transport_rdma,
	&nvhi_transport_pcie,
	&nvhi_transport_vfio_user,
};

const struct nvhi_transport *nvhi_transport_by_type(enum nvh_trtype trtype)
{
	for (size_t i = 0; i < NVHI_ARRAY_SIZE(transports); i++)
		if (transports[i]->trtype == trtype)
			return transports[i];
	return NULL;
}
