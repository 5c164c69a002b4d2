/*
 * Devices that are not as the specification has it, by vendor and device.
 */
#ifndef NVHI_PCIE_QUIRKS_H
#define NVHI_PCIE_QUIRKS_H

#include "host/transport.h"
#include "pcie/bus.h"

/* Besides those of host/transport.h. */
enum {
	NVHI_QUIRK_SLOW_READY = 1u << 16,  /* CSTS is not to be read for a while after CC.EN = 0 */
	NVHI_QUIRK_NO_SGLS = 1u << 17,     /* SGLS in Identify is not to be believed */
	NVHI_QUIRK_NO_DSM_SGLS = 1u << 18, /* not for Dataset Management */
	NVHI_QUIRK_ONE_VECTOR = 1u << 19,  /* only vector 0 works */
	NVHI_QUIRK_ONE_COMMAND = 1u << 20, /* one command a queue */
};

/* NVHI_QUIRK_* of the device, of both headers. */
uint32_t nvhi_pcie_quirks(const struct nvhi_pcie_id *id);

#endif
