/*
 * The table of devices that are not as the specification has it: facts that the kernel's and SPDK's
 * public lists agree on, as far as this driver does anything about them. QEMU's device (1b36:0010)
 * is not in it for its identifiers, as it is in the kernel's: those of its releases from 6.1 on can
 * be relied on where they are given. Any thread.
 */
#include "pcie/quirks.h"
#include "base/list.h"

#define ANY    0xffffu
#define READY  NVHI_QUIRK_SLOW_READY
#define NOSGL  NVHI_QUIRK_NO_SGLS
#define NODSM  NVHI_QUIRK_NO_DSM_SGLS
#define NQN    NVHI_QUIRK_NO_SUBNQN
#define IDS    NVHI_QUIRK_NO_IDS
#define WZ     NVHI_QUIRK_NO_WZ
#define VECTOR NVHI_QUIRK_ONE_VECTOR
#define QD1    NVHI_QUIRK_ONE_COMMAND

static const struct {
	uint16_t vendor, device;
	uint32_t quirks;
} quirks[] = {
	{0x106b, 0x2001, VECTOR | QD1}, /* Apple */
	{0x10ec, 0x5762, NQN | IDS},    /* Realtek, ADATA SX6000LNP */
	{0x10ec, 0x5763, IDS},          /* Realtek, ADATA SX6000PNP */
	{0x10ec, 0x5765, IDS},          /* Realtek, Teamgroup MP33 */
	{0x1217, 0x8760, QD1},          /* O2 Micro */
	{0x126f, 0x1001, NQN},          /* Silicon Motion */
	{0x126f, 0x2262, IDS},          /* Silicon Motion SM2262 */
	{0x126f, 0x2263, IDS},          /* Silicon Motion SM2263 */
	{0x1344, 0x5407, NQN},          /* Micron MTFDKBA */
	{0x1344, 0x6001, IDS},          /* Micron Nitro */
	{0x144d, 0xa802, IDS},          /* Samsung SM953 */
	{0x144d, 0xa809, WZ},           /* Samsung MZALQ */
	{0x144d, 0xa80b, WZ | IDS},     /* Samsung PM9B1 */
	{0x144d, 0xa821, READY},        /* Samsung PM1725 */
	{0x144d, 0xa822, READY},        /* Samsung PM1725a */
	{0x144d, 0xa826, READY},        /* Samsung PM1733 */
	{0x15b7, 0x2001, WZ},           /* Sandisk Skyhawk */
	{0x1987, 0x5012, IDS},          /* Phison E12 */
	{0x1987, 0x5016, NQN | IDS},    /* Phison E16 */
	{0x1987, 0x5019, WZ},           /* Phison E19 */
	{0x1987, 0x5021, WZ},           /* Phison E21 */
	{0x19e5, ANY, NOSGL},           /* Huawei */
	{0x1b4b, 0x1092, NQN},          /* Marvell, Lexar */
	{0x1bb1, 0x0100, READY},        /* Seagate Nytro */
	{0x1c58, 0x0003, READY},        /* HGST */
	{0x1c58, 0x0023, READY},        /* WDC SN200 */
	{0x1c5c, 0x1504, WZ},           /* SK Hynix PC400 */
	{0x1c5c, 0x174a, IDS},          /* SK Hynix P31 */
	{0x1c5c, 0x1d59, WZ},           /* SK Hynix BC901 */
	{0x1c5f, 0x0540, READY},        /* Memblaze Pblaze4 */
	{0x1cc1, 0x33f8, IDS},          /* ADATA IM2P33F8 */
	{0x1cc1, 0x5350, IDS},          /* ADATA S50 */
	{0x1cc1, 0x8201, NQN},          /* ADATA SX8200PNP */
	{0x1cc4, 0x6302, WZ},           /* UMIS RPJTJ256 */
	{0x1cc4, 0x6303, WZ},           /* UMIS RPJTJ512 */
	{0x1d97, 0x1d97, IDS},          /* Lexar NM620 */
	{0x1d97, 0x2263, WZ | IDS},     /* Lexar NM610 */
	{0x1d97, 0x2269, NQN | IDS},    /* Lexar NM760 */
	{0x1dbe, 0x5216, IDS},          /* Innogrit FA100 */
	{0x1dbe, 0x5236, IDS},          /* ADATA S70 */
	{0x1e4b, 0x1001, IDS},          /* Maxio MAP1001 */
	{0x1e4b, 0x1002, IDS},          /* Maxio MAP1002 */
	{0x1e4b, 0x1202, IDS},          /* Maxio MAP1202 */
	{0x1e4b, 0x1602, IDS},          /* Maxio MAP1602 */
	{0x1f40, 0x1202, IDS},          /* Netac NV3000 */
	{0x1f40, 0x5236, IDS},          /* Netac NV7000 */
	{0x2646, 0x5016, WZ},           /* Kingston OM3PGP4 */
	{0x2646, 0x5018, WZ},           /* Kingston OM8SFP4 */
	{0x2646, 0x501a, WZ},           /* Kingston OM8PGP4 */
	{0x2646, 0x501b, WZ},           /* Kingston OM8PGP4 */
	{0x2646, 0x501e, WZ},           /* Kingston OM3PGP4 */
	{0x8086, 0x0a54, NQN | IDS},    /* Intel P4500, P4600 */
	{0x8086, 0x0b60, NODSM},        /* Intel P5500 */
	{0x8086, 0x5845, WZ | IDS},     /* QEMU before 5.2 */
	{0x8086, 0xf1a5, WZ},           /* Intel 600p */
	{0x8086, 0xf1a6, NQN},          /* Intel 760p */
	{0xc0a9, 0x540a, IDS},          /* Crucial P2 */
};

uint32_t nvhi_pcie_quirks(const struct nvhi_pcie_id *id)
{
	for (unsigned int i = 0; i < NVHI_ARRAY_SIZE(quirks); i++)
		if (quirks[i].vendor == id->vendor &&
		    (quirks[i].device == ANY || quirks[i].device == id->device))
			return quirks[i].quirks;
	return 0;
}
