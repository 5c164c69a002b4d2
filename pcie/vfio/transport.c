/*
 * The transport "pcie": a controller of this machine, opened at its PCI address. Home reactor.
 */
#include "pcie/pcie.h"
#include "pcie/vfio/device.h"
#include "pcie/vfio/vfio.h"

static int vfio_tctrlr_open(const struct nvhi_tctrlr_opts *opts, struct nvhi_tctrlr **ret_tctrlr)
{
	struct nvhi_pcie_bus *bus;
	char unasked[256];
	int err;

	err = nvhi_vfio_open(opts->addr.traddr, opts->why ? opts->why : unasked,
			     opts->why ? opts->why_len : sizeof(unasked), &bus);
	if (err)
		return err;
	err = nvhi_pcie_open(&nvhi_transport_pcie, bus, opts, ret_tctrlr);
	if (err)
		bus->ops->close(bus);
	return err;
}

const struct nvhi_transport nvhi_transport_pcie =
	NVHI_PCIE_TRANSPORT("pcie", NVH_TRTYPE_PCIE, vfio_tctrlr_open);
